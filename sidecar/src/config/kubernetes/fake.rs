//! An API server that a test scripts, on a real socket: for what a real one cannot be made to do.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Request, Response, StatusCode};
use futures::StreamExt as _;
use kube::{Client, Config};
use serde_json::{Value, json};

use super::connect;

/// A request as the script sees it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a watch does after its events.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// Ends, as it does after its time.
    End,
    /// Stays open and says nothing more.
    Hang,
}

/// What the script answers.
#[derive(Clone, Debug)]
pub enum Answer {
    Json(u16, Value),
    Text(u16, String),
    Events(Vec<Value>, Then),
    /// Takes the request and never answers.
    Silence,
}

type Script = Box<dyn FnMut(&Asked) -> Answer + Send>;

/// The server, and everything it was asked.
#[derive(Clone)]
pub struct Fake {
    pub address: SocketAddr,
    script: Arc<Mutex<Script>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub async fn start(script: impl FnMut(&Asked) -> Answer + Send + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            address: listener.local_addr().unwrap(),
            script: Arc::new(Mutex::new(Box::new(script))),
            asked: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(fake.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        fake
    }

    pub fn client(&self) -> Client {
        let mut config = Config::new(format!("http://{}", self.address).parse().unwrap());
        connect::bound(&mut config);
        Client::try_from(config).unwrap()
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub fn count(&self, which: impl Fn(&Asked) -> bool) -> usize {
        self.asked().iter().filter(|asked| which(asked)).count()
    }
}

async fn answer(State(fake): State<Fake>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked = Asked {
        method: parts.method,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: body.to_vec(),
    };
    fake.asked.lock().unwrap().push(asked.clone());
    let answer = (fake.script.lock().unwrap())(&asked);
    let respond = |status: u16, body: Body| {
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response
    };
    match answer {
        Answer::Json(status, value) => respond(status, value.to_string().into()),
        Answer::Text(status, text) => respond(status, text.into()),
        Answer::Silence => std::future::pending().await,
        Answer::Events(events, then) => {
            let lines = events.into_iter().map(|event| format!("{event}\n"));
            let lines = futures::stream::iter(lines.map(Bytes::from).map(Ok::<_, std::io::Error>));
            let body = match then {
                Then::End => Body::from_stream(lines),
                Then::Hang => Body::from_stream(lines.chain(futures::stream::pending())),
            };
            respond(200, body)
        }
    }
}

/// A `Status` as an error answer carries it.
pub fn refusal(code: u16) -> Answer {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": format!("refused with {code}"), "reason": "Scripted",
    });
    Answer::Json(code, status)
}

/// A list of objects.
pub fn list(version: &str, items: &[Value]) -> Answer {
    let list = json!({"metadata": {"resourceVersion": version}, "items": items});
    Answer::Json(200, list)
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
