//! The node's report in the status of its root: written when it says something that does not
//! stand there, and never more often than it may.

use std::time::Duration;

use finp2p_crds::condition::reasons;
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use finp2p_crds::{GROUP, VERSION};
use http::Request;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::follow::Pauses;
use super::mirror::RootSeen;
use super::server::{Server, ServerError, uri};
use crate::node::report::{Draft, Report};

/// Under this name the API server knows what the node has written.
const FIELD_MANAGER: &str = "finp2p-node";
/// Most bytes of a report as JSON.
const REPORT_MAX_BYTES: usize = 64 * 1024;
/// Between two reports, unless the next says what the operator waits for.
const ORDINARY_INTERVAL: Duration = Duration::from_secs(5);
/// Between two reports that say what was applied, or that a configuration went back in time or was
/// accepted: an edit of many slices arrives one by one, and the operator needs the last of them. An edit
/// before it knows of an acceptance would be another configuration that nobody accepted.
const APPLIED_INTERVAL: Duration = Duration::from_millis(200);
/// Longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where the node leaves its report; a task brings it to the API server.
#[derive(Debug)]
pub struct StatusReport {
    wanted: watch::Sender<Option<Draft>>,
}

impl StatusReport {
    /// Nothing to report yet.
    #[must_use]
    pub fn new() -> (Self, watch::Receiver<Option<Draft>>) {
        let (wanted, reader) = watch::channel(None);
        (Self { wanted }, reader)
    }
}

impl Report for StatusReport {
    fn take(&self, draft: Draft) {
        self.wanted.send_if_modified(|wanted| {
            if wanted.as_ref() == Some(&draft) {
                return false;
            }
            *wanted = Some(draft);
            true
        });
    }
}

/// Brings reports to the root.
#[derive(Debug)]
pub struct Writer {
    /// The way there.
    pub server: Server,
    /// Path of the status of the root.
    pub path: String,
    /// Name of the root.
    pub root: String,
    /// What the node wants to say.
    pub wanted: watch::Receiver<Option<Draft>>,
    /// What stands there.
    pub seen: watch::Receiver<RootSeen>,
}

/// What was written last.
#[derive(Debug)]
struct Written {
    uid: String,
    version: u64,
    status: SidecarConfigStatus,
    /// Lists that the watch had seen by then.
    lists: u64,
}

#[derive(Deserialize)]
struct Answer {
    metadata: AnswerMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerMeta {
    uid: String,
    resource_version: String,
}

impl Writer {
    /// Runs until the node ends.
    pub async fn run(mut self) {
        let mut pauses = Pauses::up_to(PAUSE_MAX);
        let mut written: Option<Written> = None;
        let mut last: Option<Instant> = None;
        let mut not_before = Instant::now();
        let mut failing = false;
        loop {
            let next = self.next(written.as_ref());
            let due = next.as_ref().map(|(_, urgent)| {
                let interval = if *urgent {
                    APPLIED_INTERVAL
                } else {
                    ORDINARY_INTERVAL
                };
                last.map_or(not_before, |last| not_before.max(last + interval))
            });
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = self.wanted.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return, // the node has ended
                },
                Ok(()) = self.seen.changed() => continue,
                () = wait => {}
            }
            let Some((status, _)) = next else { continue };
            last = Some(Instant::now());
            match self.write(&status).await {
                Ok(done) => {
                    written = Some(done);
                    pauses.reset();
                    if std::mem::take(&mut failing) {
                        tracing::info!("the report is written again");
                    }
                }
                Err(error) => {
                    not_before = Instant::now() + pauses.next(error.retry_after());
                    if !std::mem::replace(&mut failing, true) {
                        let what = super::explain(&error);
                        tracing::warn!("the report is not written: {what}");
                    }
                }
            }
        }
    }

    /// What is to be written, and whether at once; `None` when it stands there or there is no root.
    fn next(&mut self, written: Option<&Written>) -> Option<(SidecarConfigStatus, bool)> {
        let wanted = self.wanted.borrow_and_update().clone()?;
        let wanted = fit(wanted);
        let seen = self.seen.borrow_and_update();
        let (uid, version) = seen.object.as_ref()?;
        // What the watch has seen may be older than what was written since; what was listed since
        // is what stands there.
        let newer = written.filter(|written| {
            written.lists == seen.lists
                && written.uid == *uid
                && version
                    .parse()
                    .is_ok_and(|seen: u64| seen < written.version)
        });
        let there = newer.map(|w| &w.status).or(seen.status.as_ref());
        match there {
            Some(there) if says_the_same(there, &wanted) => None,
            Some(there) => {
                let urgent = there.applied != wanted.applied
                    || there.incarnation != wanted.incarnation
                    || went_back(there) != went_back(&wanted)
                    || there.certificate_requests != wanted.certificate_requests;
                Some((wanted, urgent))
            }
            None => Some((wanted, true)),
        }
    }

    async fn write(&self, status: &SidecarConfigStatus) -> Result<Written, ServerError> {
        let body = json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": "SidecarConfig",
            "metadata": {"name": self.root},
            "status": status,
        });
        let query = [
            ("fieldManager", FIELD_MANAGER.to_owned()),
            ("force", "true".to_owned()),
        ];
        let request = Request::patch(uri(&self.path, &query))
            .header(http::header::CONTENT_TYPE, "application/apply-patch+yaml")
            .header(http::header::ACCEPT, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|_| ServerError::Request)?;
        let answer: Answer = self.server.ask(request).await?;
        Ok(Written {
            uid: answer.metadata.uid,
            version: answer.metadata.resource_version.parse().unwrap_or(0),
            status: status.clone(),
            lists: self.seen.borrow().lists,
        })
    }
}

/// Whether the node says that its configuration went back in time.
fn went_back(status: &SidecarConfigStatus) -> bool {
    status.of_node(reasons::CONFIGURATION_ROLLED_BACK).is_some()
}

/// Whether two reports differ in nothing that is worth a write: the mark goes with the next that is, or
/// an edit would be two, of its sequence and of its slice.
fn says_the_same(there: &SidecarConfigStatus, wanted: &SidecarConfigStatus) -> bool {
    let mark = there.mark.clone();
    *there
        == SidecarConfigStatus {
            mark,
            ..wanted.clone()
        }
}

/// Leaves out what does not fit, the least needed first: words on peers, peers that are well,
/// exceptions from the end, which are counted. What was applied always stays: without it nothing is Programmed.
fn fit(mut draft: Draft) -> SidecarConfigStatus {
    let fits = |draft: &Draft| {
        let status = draft.clone().into_status();
        let json = serde_json::to_vec(&status);
        json.is_ok_and(|json| json.len() <= REPORT_MAX_BYTES)
    };
    if fits(&draft) {
        return draft.into_status();
    }
    for peer in draft.peers_mut() {
        peer.message = None;
    }
    if !fits(&draft) {
        draft.peers_mut().retain(|peer| !peer.reachable);
    }
    while !fits(&draft) && draft.told() > 0 {
        draft.tell_at_most(draft.told() * 3 / 4);
    }
    tracing::debug!(told = draft.told(), "the report was shortened");
    draft.into_status()
}

#[cfg(test)]
mod tests;
