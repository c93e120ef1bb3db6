//! The Kubernetes API server as a node uses it: a handful of requests, each bounded in time and in
//! size. What comes back is decoded here and never printed: it may be a Secret or a token, and the
//! client library prints what it cannot decode.

use std::pin::Pin;
use std::time::Duration;

use futures::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};
use http::Request;
use kube::core::Status;
use kube::{Client, Error};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Longest wait for an answer, or for the beginning of a stream.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a page of a list: 64 slices of 256 KiB over a slow link.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// Objects on one page.
const PAGE_OBJECTS: usize = 64;
/// Most bytes of one object as JSON: etcd takes 1.5 MiB, and escapes make text longer.
const OBJECT_MAX_BYTES: u64 = 4 * 1024 * 1024;
/// Most bytes of a page: the largest slices and a third more for what surrounds them.
const PAGE_MAX_BYTES: u64 = 24 * 1024 * 1024;
/// Most bytes of a message that is told on.
const MESSAGE_MAX_CHARS: usize = 300;

/// Why the API server did not give what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// No connection, or it broke.
    #[error("the Kubernetes API server cannot be reached")]
    Unreachable(#[source] Box<Error>),
    /// The connection broke while the answer came.
    #[error("the connection to the Kubernetes API server broke")]
    Broken(#[source] std::io::Error),
    /// No answer in time.
    #[error("the Kubernetes API server does not answer")]
    Silent,
    /// It cannot answer now.
    #[error("the Kubernetes API server is busy ({code})")]
    Busy {
        /// HTTP status.
        code: u16,
        /// When to come again.
        retry_after: Option<Duration>,
    },
    /// What a watch would go on from is forgotten there.
    #[error("the Kubernetes API server no longer knows where the watch would go on")]
    Gone,
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The node may not do this.
    #[error("the node's service account may not do this: {0}")]
    Forbidden(String),
    /// The node's token is not accepted.
    #[error("the Kubernetes API server does not accept the token of the node's service account")]
    Unauthorized,
    /// It refuses for another reason.
    #[error("the Kubernetes API server refuses ({code}): {message}")]
    Refused {
        /// HTTP status.
        code: u16,
        /// Its reason.
        message: String,
    },
    /// The answer is larger than it may be.
    #[error("an answer of the Kubernetes API server is larger than {0} bytes")]
    TooLarge(u64),
    /// The answer is not what was asked for. Without the source: it may quote a Secret.
    #[error("an answer of the Kubernetes API server cannot be understood")]
    Decode,
    /// The request cannot be written.
    #[error("the request to the Kubernetes API server cannot be written")]
    Request,
}

impl ServerError {
    /// Whether nobody answered: the way there is broken, as opposed to a refusal.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Broken(_) | Self::Silent)
    }

    /// When the server wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    fn of(status: &Status) -> Self {
        let message = || status.message.chars().take(MESSAGE_MAX_CHARS).collect();
        let seconds = status.details.as_ref().map(|d| d.retry_after_seconds);
        match status.code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden(message()),
            404 => Self::NotFound,
            410 => Self::Gone,
            code @ (429 | 500..) => Self::Busy {
                code,
                retry_after: seconds
                    .filter(|seconds| *seconds > 0)
                    .map(|seconds| Duration::from_secs(u64::from(seconds))),
            },
            code => Self::Refused {
                code,
                message: message(),
            },
        }
    }
}

impl From<Error> for ServerError {
    fn from(error: Error) -> Self {
        match error {
            Error::Api(status) => Self::of(&status),
            Error::BuildRequest(_) | Error::HttpError(_) => Self::Request,
            Error::SerdeError(_) | Error::FromUtf8(_) => Self::Decode,
            other => Self::Unreachable(Box::new(other)),
        }
    }
}

/// What is asked for: one collection, or one object of it by name.
#[derive(Clone, Debug)]
pub struct Collection {
    /// Path of the collection: `/api/v1/namespaces/NS/secrets`.
    pub path: String,
    /// Only the object of this name.
    pub only: Option<String>,
}

/// One object as a list or watch gives it.
pub trait Object: DeserializeOwned + Send {
    /// Its name.
    fn name(&self) -> &str;
    /// Its `resourceVersion`.
    fn version(&self) -> &str;
}

/// What a list gives.
#[derive(Debug)]
pub struct Listed<T> {
    /// All objects.
    pub objects: Vec<T>,
    /// Where a watch goes on.
    pub version: String,
}

#[derive(Deserialize)]
struct Page<T> {
    metadata: PageMeta,
    #[serde(default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

/// An event of a watch.
#[derive(Deserialize)]
#[serde(tag = "type", content = "object", rename_all = "UPPERCASE")]
pub enum Event<T> {
    /// The object came.
    Added(T),
    /// The object changed.
    Modified(T),
    /// The object is gone.
    Deleted(T),
    /// Nothing happened up to this version.
    Bookmark(Bookmark),
    /// The watch cannot go on.
    Error(Box<Status>),
}

/// Where a watch has come to.
#[derive(Deserialize)]
pub struct Bookmark {
    metadata: BookmarkMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookmarkMeta {
    resource_version: String,
}

impl Bookmark {
    /// The version.
    pub fn version(&self) -> &str {
        &self.metadata.resource_version
    }
}

/// The way to the API server.
#[derive(Clone)]
pub struct Server {
    client: Client,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Server")
    }
}

type Body = Pin<Box<dyn AsyncBufRead + Send>>;

impl Server {
    /// By this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn ask<T: DeserializeOwned>(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<T, ServerError> {
        self.read(request, ANSWER_TIMEOUT, OBJECT_MAX_BYTES).await
    }

    /// The whole collection, page by page, as it was at one moment.
    ///
    /// # Errors
    /// [`ServerError`]; [`ServerError::Refused`] also when it has more than `max_objects`.
    pub async fn list<T: Object>(
        &self,
        collection: &Collection,
        max_objects: usize,
    ) -> Result<Listed<T>, ServerError> {
        let mut objects = Vec::new();
        let mut next = String::new();
        loop {
            let mut query = vec![("limit", PAGE_OBJECTS.to_string())];
            if !next.is_empty() {
                query.push(("continue", next));
            }
            let request = collection.request(query)?;
            let page: Page<T> = self.read(request, PAGE_TIMEOUT, PAGE_MAX_BYTES).await?;
            objects.extend(page.items);
            if objects.len() > max_objects {
                return Err(ServerError::Refused {
                    code: 200,
                    message: format!("there are more than {max_objects} objects"),
                });
            }
            if page.metadata.next.is_empty() {
                return Ok(Listed {
                    objects,
                    version: page.metadata.resource_version,
                });
            }
            next = page.metadata.next;
        }
    }

    /// What happens in the collection after `version`, for so many seconds.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn watch<T: Object>(
        &self,
        collection: &Collection,
        version: &str,
        seconds: u64,
    ) -> Result<Events<T>, ServerError> {
        let request = collection.request(vec![
            ("watch", "true".to_owned()),
            ("allowWatchBookmarks", "true".to_owned()),
            ("timeoutSeconds", seconds.to_string()),
            ("resourceVersion", version.to_owned()),
        ])?;
        let body = timeout(ANSWER_TIMEOUT, self.send(request)).await;
        Ok(Events {
            body: body.map_err(|_| ServerError::Silent)??,
            line: Zeroizing::default(),
            of: std::marker::PhantomData,
        })
    }

    async fn send(&self, request: Request<Vec<u8>>) -> Result<Body, ServerError> {
        Ok(Box::pin(self.client.request_stream(request).await?))
    }

    async fn read<T: DeserializeOwned>(
        &self,
        request: Request<Vec<u8>>,
        wait: Duration,
        max_bytes: u64,
    ) -> Result<T, ServerError> {
        let answer = async {
            let mut bytes = Zeroizing::new(Vec::new());
            let body = self.send(request).await?;
            let read = body.take(max_bytes + 1).read_to_end(&mut bytes).await;
            read.map_err(ServerError::Broken)?;
            if bytes.len() as u64 > max_bytes {
                return Err(ServerError::TooLarge(max_bytes));
            }
            serde_json::from_slice(&bytes).map_err(|_| ServerError::Decode)
        };
        timeout(wait, answer)
            .await
            .unwrap_or(Err(ServerError::Silent))
    }
}

impl Collection {
    fn request(&self, mut query: Vec<(&str, String)>) -> Result<Request<Vec<u8>>, ServerError> {
        if let Some(name) = &self.only {
            query.push(("fieldSelector", format!("metadata.name={name}")));
        }
        // Kubernetes streams are not compressed: an event must not wait for a full block.
        Request::get(uri(&self.path, &query))
            .header(http::header::ACCEPT_ENCODING, "identity")
            .body(Vec::new())
            .map_err(|_| ServerError::Request)
    }
}

/// A path with a query, percent-encoded.
#[must_use]
pub fn uri(path: &str, query: &[(&str, String)]) -> String {
    let mut uri = path.to_owned();
    for (number, (key, value)) in query.iter().enumerate() {
        uri.push(if number == 0 { '?' } else { '&' });
        uri.push_str(key);
        uri.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
                uri.push(char::from(byte));
            } else {
                uri.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    uri
}

/// The events of a watch, one a line.
pub struct Events<T> {
    body: Body,
    line: Zeroizing<Vec<u8>>,
    of: std::marker::PhantomData<fn() -> T>,
}

impl<T: Object> Events<T> {
    /// The next event; `None` at the end that the server makes. Nothing is lost when this is
    /// dropped while it waits.
    ///
    /// # Errors
    /// [`ServerError`].
    pub async fn next(&mut self) -> Result<Option<Event<T>>, ServerError> {
        let room = OBJECT_MAX_BYTES.saturating_sub(self.line.len() as u64);
        let read = (&mut self.body)
            .take(room)
            .read_until(b'\n', &mut self.line)
            .await;
        read.map_err(ServerError::Broken)?;
        if self.line.last() != Some(&b'\n') {
            return if self.line.len() as u64 >= OBJECT_MAX_BYTES {
                Err(ServerError::TooLarge(OBJECT_MAX_BYTES))
            } else {
                Ok(None)
            };
        }
        let line = std::mem::take(&mut self.line);
        match serde_json::from_slice(&line) {
            Ok(Event::Error(status)) => Err(ServerError::of(&status)),
            Ok(event) => Ok(Some(event)),
            // A status that is not wrapped in an event.
            Err(_) => Err(serde_json::from_slice::<Status>(&line)
                .ok()
                .filter(|status| status.code >= 400)
                .map_or(ServerError::Decode, |status| ServerError::of(&status))),
        }
    }
}
