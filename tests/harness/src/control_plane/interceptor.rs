//! An API server that answers late, never, or no: a proxy on loopback in front of the real one.
//!
//! ```text
//! operator ──http──► interceptor ──https, as the operator's account──► API server
//!                        └─ a rule decides about each request
//! ```
//!
//! Streams pass, so that watches work, and can be cut. Whoever talks through it has the rights of
//! the identity behind it and no others.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::identity::{Identity, kubeconfig};
use super::{ControlPlane, runtime};

/// Largest request that is passed on: the API server takes 3 MiB.
const REQUEST_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Requests that are remembered; a test that makes more has found a storm.
const REMEMBERED_MAX: usize = 100_000;

/// A request, as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub query: String,
}

impl Asked {
    /// Whether it changes something that users see: neither a Lease nor an Event.
    pub fn is_write(&self) -> bool {
        let beside = self.path.contains("/leases") || self.path.contains("/events");
        !matches!(self.method.as_str(), "GET" | "HEAD") && !beside
    }

    pub fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }

    /// Whether it reads a whole kind, by a list or by a watch that begins with one.
    pub fn is_list(&self) -> bool {
        self.query.contains("resourceVersionMatch") || self.query.contains("limit=")
    }

    pub fn is_lease(&self) -> bool {
        self.path.contains("/leases")
    }
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The API server answers.
    Pass,
    /// It answers later.
    PassAfter(Duration),
    /// It does what was asked, and its answer is never delivered.
    KeepAnswer,
    /// The request never arrives, and nothing is answered.
    Keep,
    /// Refused with a status code.
    Refuse(u16),
    /// A watch begins and says at once that its resource version is too old.
    Expired,
}

type Rule = Box<dyn FnMut(&Asked) -> Verdict + Send>;

/// Passes everything until it is given a rule.
pub struct Interceptor {
    inner: Arc<Inner>,
    identity: Identity,
    serving: AbortHandle,
}

struct Inner {
    client: kube::Client,
    rule: Mutex<Rule>,
    asked: Mutex<Vec<Asked>>,
    kept: Mutex<usize>,
    cut: watch::Sender<u64>,
}

impl Interceptor {
    /// In front of an API server, for an account of it.
    ///
    /// # Panics
    /// When it cannot be served.
    pub fn start(cluster: &ControlPlane, account: &Identity) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let client = connect(account);
        let inner = Arc::new(Inner {
            client,
            rule: Mutex::new(Box::new(|_| Verdict::Pass)),
            asked: Mutex::default(),
            kept: Mutex::default(),
            cut: watch::Sender::new(0),
        });
        let listener = runtime().block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&inner));
        let serving = runtime().spawn(async move {
            let _ended = axum::serve(listener, router).await;
        });
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = cluster
            .folder()
            .join(format!("kubeconfigs/intercepted-{number}"));
        let server = format!("http://127.0.0.1:{port}");
        let authority = &cluster.certificates.authority;
        let identity = kubeconfig(&path, &server, authority, "default", &json!({}))
            .and_then(|()| Identity::open(&account.name, &path, cluster.folder()));
        Self {
            inner,
            identity: identity.expect("a kubeconfig"),
            serving: serving.abort_handle(),
        }
    }

    /// Who talks through it.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// From now on, this decides.
    pub fn rule(&self, rule: impl FnMut(&Asked) -> Verdict + Send + 'static) {
        *self.inner.rule.lock().expect("nobody panics with it") = Box::new(rule);
    }

    /// Everything passes again.
    pub fn pass(&self) {
        self.rule(|_| Verdict::Pass);
    }

    /// Breaks every watch that is running off, in the middle.
    pub fn cut_watches(&self) {
        self.inner.cut.send_modify(|n| *n += 1);
    }

    /// How many requests had their answer, or themselves, kept for good.
    pub fn kept(&self) -> usize {
        *self.inner.kept.lock().expect("nobody panics with it")
    }

    /// What was asked since the last call.
    pub fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.inner.asked.lock().expect("nobody panics with it"))
    }
}

impl Drop for Interceptor {
    fn drop(&mut self) {
        self.serving.abort();
        self.cut_watches();
    }
}

/// A client that waits for as long as a watch may be silent.
fn connect(account: &Identity) -> kube::Client {
    let config = Kubeconfig::read_from(&account.kubeconfig).expect("its kubeconfig");
    let _inside = runtime().enter();
    runtime().block_on(async {
        let options = KubeConfigOptions::default();
        let config = kube::Config::from_custom_kubeconfig(config, &options).await;
        kube::Client::try_from(config.expect("its kubeconfig")).expect("a client")
    })
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let asked = Asked {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
    };
    let verdict = inner.decide(&asked);
    match verdict {
        Verdict::Pass => inner.pass(request).await,
        Verdict::PassAfter(pause) => {
            tokio::time::sleep(pause).await;
            inner.pass(request).await
        }
        Verdict::KeepAnswer => {
            let _never_delivered = inner.pass(request).await;
            inner.keep().await
        }
        Verdict::Keep => inner.keep().await,
        Verdict::Refuse(code) => refuse(code),
        Verdict::Expired => expired(),
    }
}

impl Inner {
    fn decide(&self, asked: &Asked) -> Verdict {
        let mut all = self.asked.lock().expect("nobody panics with it");
        if all.len() < REMEMBERED_MAX {
            all.push(asked.clone());
        }
        (self.rule.lock().expect("nobody panics with it"))(asked)
    }

    async fn keep(&self) -> Response {
        *self.kept.lock().expect("nobody panics with it") += 1;
        std::future::pending().await
    }

    async fn pass(&self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        for header in ["host", "connection", "accept-encoding", "content-length"] {
            parts.headers.remove(header);
        }
        let Ok(body) = axum::body::to_bytes(body, REQUEST_MAX_BYTES).await else {
            return refuse(413);
        };
        let request = http::Request::from_parts(parts, kube::client::Body::from(body));
        let Ok(response) = self.client.send(request).await else {
            return refuse(502);
        };
        let (mut parts, body) = response.into_parts();
        for header in ["connection", "transfer-encoding"] {
            parts.headers.remove(header);
        }
        let data = Body::new(body).into_data_stream();
        let stream = futures::stream::unfold(
            (data, self.cut.subscribe()),
            |(mut data, mut cut)| async move {
                let item = tokio::select! {
                    item = data.next() => item?.map_err(std::io::Error::other),
                    _ = cut.changed() => Err(std::io::Error::other("cut")),
                };
                Some((item, (data, cut)))
            },
        );
        Response::from_parts(parts, Body::from_stream(stream))
    }
}

fn refuse(code: u16) -> Response {
    let reason = match code {
        409 => "Conflict",
        429 => "TooManyRequests",
        _ => "InternalError",
    };
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("the test refuses with {reason}"), "reason": reason, "code": code,
    });
    let mut response = http::Response::builder()
        .status(code)
        .header("content-type", "application/json");
    if code == 429 {
        response = response.header("retry-after", "1");
    }
    response
        .body(Body::from(status.to_string()))
        .expect("an answer")
}

fn expired() -> Response {
    let event = json!({"type": "ERROR", "object": {
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "too old resource version: 1 (2)", "reason": "Expired", "code": 410,
    }});
    http::Response::builder()
        .header("content-type", "application/json")
        .body(Body::from(format!("{event}\n")))
        .expect("an answer")
}
