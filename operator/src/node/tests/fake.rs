//! An API server that is a few lines of HTTP: it keeps what is applied, and remembers what was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Json, Response};
use kube::{Client, Config};
use serde_json::{Value, json};

/// A request that changes something: method, path, body.
pub type Asked = (String, String, Value);

/// What it holds, by path, and what it was asked.
#[derive(Debug, Default)]
pub struct Held {
    pub objects: BTreeMap<String, Value>,
    /// What it answers to whoever writes there: a Status, by path.
    pub refuses: BTreeMap<String, Value>,
    pub asked: Vec<Asked>,
    /// Resource version of what was applied last: even, so that a test can write in between.
    pub version: u64,
}

/// The server, until it is dropped.
pub struct Fake {
    pub held: Arc<Mutex<Held>>,
    pub client: Client,
    server: tokio::task::JoinHandle<()>,
}

impl Fake {
    pub async fn start() -> Self {
        crate::cluster::install_provider();
        let held = Arc::<Mutex<Held>>::default();
        let app = axum::Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&held));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let config = Config::new(format!("http://{address}").parse().unwrap());
        Self {
            held,
            client: Client::try_from(config).unwrap(),
            server,
        }
    }

    /// What was asked since the last call.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.held.lock().unwrap().asked)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(held): State<Arc<Mutex<Held>>>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response {
    let mut held = held.lock().unwrap();
    let path = uri.path().to_owned();
    if method == Method::GET {
        return match held.objects.get(&path) {
            Some(object) => Json(object.clone()).into_response(),
            None => missing(),
        };
    }
    let mut object: Value = serde_json::from_slice(&body).unwrap_or_default();
    held.asked
        .push((method.to_string(), path.clone(), object.clone()));
    if let Some(status) = held.refuses.get(&path) {
        return refused(status.clone());
    }
    if method == Method::PATCH
        && let Some(metadata) = object["metadata"].as_object_mut()
    {
        // As an API server answers an apply: what was applied is the applier's.
        held.version += 2;
        let version = held.version.to_string();
        metadata.insert("resourceVersion".to_owned(), json!(version));
        metadata.insert("managedFields".to_owned(), json!([manager("Apply")]));
    }
    held.objects.insert(path, object.clone());
    Json(object).into_response()
}

/// Who owns the rules of a Role: the operator that applied them, or somebody who wrote them.
pub fn manager(operation: &str) -> Value {
    let (name, fields) = match operation {
        "Apply" => ("finp2p-operator", json!({"f:rules": {}})),
        _ => ("kubectl-edit", json!({"f:rules": {}})),
    };
    json!({"manager": name, "operation": operation, "apiVersion": "rbac.authorization.k8s.io/v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn missing() -> Response {
    refused(json!({"message": "not found", "reason": "NotFound", "code": 404}))
}

fn refused(mut status: Value) -> Response {
    let code = status["code"]
        .as_u64()
        .and_then(|code| u16::try_from(code).ok());
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    status["apiVersion"] = json!("v1");
    status["kind"] = json!("Status");
    status["status"] = json!("Failure");
    (code.unwrap_or_default(), Json(status)).into_response()
}
