//! Configuration from the Kubernetes API: how a node runs on a cluster.
//!
//! Modules in reading order: [`server`] (requests, bounded and never printed), [`follow`] (a
//! collection listed and watched, again and again), [`mirror`] (SidecarConfigs of this node),
//! [`contents`] (Secrets and ConfigMaps by exact name), [`report`] (the node's report in the
//! status of its root), [`connect`] (KUBECONFIG or the pod's service account).
//!
//! ```text
//! API server ──watch──► mirror ◄── read ── the node's looks ◄── ring ── mirror, contents
//!     │  ──watch by name──► contents ◄── read ──┘     │
//!     │  ──get of the root every half minute──► contact  └── report ──► status of the root
//! ```
//! Whatever fails there, what was read stays, and ages. A watch may be deaf without an error (its
//! connection died unseen, the control plane went back in time): so the root is asked for by name,
//! and when it is not what the watch has seen, everything is read anew.

pub mod connect;
pub mod contents;
pub mod follow;
pub mod mirror;
pub mod report;
pub mod server;

use std::sync::Arc;
use std::time::Duration;

use finp2p_crds::shared_asset::Content;
use finp2p_crds::{GROUP, VERSION};
use http::Request;
use jiff::Timestamp;
use kube::Client;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::content::ContentError;
use super::{Reading, Source, SourceError, Stamp};
use crate::clock::Clock;
use contents::Contents;
use follow::{Pauses, follow};
use mirror::{Feed, Mirror};
use report::{StatusReport, Writer};
use server::{Collection, Server, ServerError};

/// Longest pause after a failure: an API server that comes back has its nodes again after this.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// The API server answers with the metadata alone.
const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// How patient the node is with the API server.
#[derive(Clone, Copy, Debug)]
pub struct Rhythm {
    /// How often the root is asked for by name.
    pub probe: Duration,
    /// How long a watch may be behind what the root says when it is asked for.
    pub lag: Duration,
    /// Longest life of a watch, seconds; each lives for three quarters of it at least.
    pub watch_s: u64,
    /// How long after its end a watch may stay silent before its connection counts as dead.
    pub grace: Duration,
}

impl Rhythm {
    /// A watch that went deaf is noticed after half a minute, for one small answer; one of a
    /// content object after five minutes. Lives of watches are drawn, so that the nodes of a
    /// cluster do not come back in one wave.
    pub const ORDINARY: Self = Self {
        probe: Duration::from_secs(30),
        lag: Duration::from_secs(3),
        watch_s: 240,
        grace: Duration::from_secs(15),
    };
}

/// Configuration and contents of one node, mirrored from the Kubernetes API.
#[derive(Debug)]
pub struct Kubernetes {
    mirror: Arc<Mirror>,
    contents: Contents,
    changes: watch::Sender<u64>,
    _tasks: JoinSet<()>,
}

impl Kubernetes {
    /// Follows the configuration `root` in `namespace`, and brings reports to it. Ends when the
    /// value is dropped. Must be called within a runtime.
    #[must_use]
    pub fn start(
        client: Client,
        root: &str,
        namespace: &str,
        clock: Clock,
        rhythm: Rhythm,
    ) -> (Arc<Self>, Arc<StatusReport>) {
        let server = Server::new(client);
        let changes = watch::Sender::default();
        let doubt = watch::Sender::default();
        let mirror = Arc::new(Mirror::new(
            root.to_owned(),
            namespace.to_owned(),
            clock,
            changes.clone(),
        ));
        let path = format!("/apis/{GROUP}/{VERSION}/namespaces/{namespace}/sidecarconfigs");
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(
            server.clone(),
            Collection {
                path: path.clone(),
                only: None,
            },
            Feed(Arc::clone(&mirror)),
            rhythm,
            doubt.subscribe(),
        ));
        tasks.spawn(probe(
            server.clone(),
            format!("{path}/{root}"),
            Arc::clone(&mirror),
            rhythm,
            doubt.clone(),
        ));
        let (report, wanted) = StatusReport::new();
        let writer = Writer {
            server: server.clone(),
            path: format!("{path}/{root}/status"),
            root: root.to_owned(),
            wanted,
            seen: mirror.seen(),
        };
        tasks.spawn(writer.run());
        let contents = Contents::new(server, namespace.to_owned(), rhythm, doubt, changes.clone());
        let source = Self {
            mirror,
            contents,
            changes,
            _tasks: tasks,
        };
        (Arc::new(source), Arc::new(report))
    }
}

impl Source for Kubernetes {
    fn stamp(&self) -> Stamp {
        self.mirror.stamp()
    }

    fn read(&self) -> Result<Reading, SourceError> {
        self.mirror.read()
    }

    fn reached(&self, _now: Timestamp) -> Option<Timestamp> {
        self.mirror.contact()
    }

    fn contents_stamp(&self) -> Stamp {
        self.contents.stamp()
    }

    fn content_stamp(&self, content: &Content) -> Stamp {
        self.contents.stamp_of(content)
    }

    fn content(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        self.contents.read(content)
    }

    fn follow(&self, contents: &[&Content]) {
        self.contents.follow(contents);
    }

    fn changes(&self) -> Option<watch::Receiver<u64>> {
        Some(self.changes.subscribe())
    }
}

#[derive(Deserialize)]
struct RootMeta {
    metadata: Meta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    uid: String,
    resource_version: String,
}

/// Asks for the root by name, again and again: contact, and the end of deaf watches.
async fn probe(
    server: Server,
    path: String,
    mirror: Arc<Mirror>,
    rhythm: Rhythm,
    doubt: watch::Sender<u64>,
) {
    let mut pauses = Pauses::up_to(PAUSE_MAX);
    let mut silent = false;
    let mut wait = rhythm.probe;
    loop {
        sleep(wait.mul_f64(rand::random_range(0.8..1.0))).await;
        match ask(&server, &path).await {
            Ok(root) => {
                pauses.reset();
                wait = rhythm.probe;
                let agrees = agrees(&mirror, root.as_ref(), rhythm.lag).await;
                // Connections that were open while nobody answered may be dead and look alive.
                if std::mem::take(&mut silent) || !agrees {
                    doubt.send_modify(|n| *n = n.wrapping_add(1));
                }
            }
            Err(error) => {
                silent |= error.is_silence();
                wait = pauses.next(error.retry_after());
            }
        }
    }
}

/// Whether the mirror holds the root in this version, or comes to hold it in a moment.
async fn agrees(mirror: &Mirror, root: Option<&Meta>, lag: Duration) -> bool {
    let mut seen = mirror.seen();
    let same = |object: Option<&(String, String)>| match (object, root) {
        (Some((uid, version)), Some(root)) => *uid == root.uid && *version == root.resource_version,
        (object, root) => object.is_none() && root.is_none(),
    };
    if same(seen.borrow_and_update().object.as_ref()) {
        mirror.confirmed();
        return true;
    }
    // The watch lives if it brings anything at all about the root meanwhile.
    tokio::time::timeout(lag, seen.changed()).await.is_ok()
}

/// Uid and version of the root; `None` when there is none.
async fn ask(server: &Server, path: &str) -> Result<Option<Meta>, ServerError> {
    let request = Request::get(path)
        .header(http::header::ACCEPT, METADATA_ONLY)
        .body(Vec::new())
        .map_err(|_| ServerError::Request)?;
    match server.ask::<RootMeta>(request).await {
        Ok(root) => Ok(Some(root.metadata)),
        Err(ServerError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An error with what is behind it, in one line: nothing private is in there.
fn explain(error: &ServerError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors print their source themselves.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod tests;
