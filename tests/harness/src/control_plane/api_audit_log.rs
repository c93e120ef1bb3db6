//! What was asked of the API server, by whom, and how it ended: Kubernetes' own audit log.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::ControlPlane;
use crate::wait;

/// Marks in a row until what was answered before the first is believed to be written.
const MARKS: usize = 5;
/// Longest until a request that was answered is in the log.
const WRITTEN: Duration = Duration::from_secs(10);
/// Between two looks at whether somebody writes: each costs a few requests.
const QUIET_LOOK: Duration = Duration::from_millis(500);
/// Path that nobody else asks for: its entry says that what was answered before is written.
const MARK: &str = "/finp2p-tests-mark-";

/// The log of a control plane.
pub struct ApiAuditLog<'a> {
    cluster: &'a ControlPlane,
}

/// A place in the log.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    offset: u64,
}

/// One request. Watches have two entries: `ResponseStarted` when they begin, and one when they end.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    pub stage: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    #[serde(rename = "requestURI")]
    pub uri: String,
    #[serde(default)]
    pub user_agent: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

#[derive(Clone, Debug, Deserialize)]
struct User {
    /// Empty for somebody whom the API server does not know.
    #[serde(default)]
    username: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Object {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
}

impl Event {
    /// `system:serviceaccount:NAMESPACE:ACCOUNT`, `admin`, …
    pub fn user(&self) -> &str {
        &self.user.username
    }

    /// Plural, with the subresource: `sharedassets/status`.
    pub fn resource(&self) -> String {
        match self.object_ref.subresource.as_str() {
            "" => self.object_ref.resource.clone(),
            subresource => format!("{}/{subresource}", self.object_ref.resource),
        }
    }

    pub fn namespace(&self) -> &str {
        &self.object_ref.namespace
    }

    pub fn name(&self) -> &str {
        &self.object_ref.name
    }

    pub fn code(&self) -> u16 {
        self.response_status.code
    }

    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Whether the request is over.
    pub fn is_complete(&self) -> bool {
        self.stage == "ResponseComplete"
    }
}

impl<'a> ApiAuditLog<'a> {
    pub(super) fn of(cluster: &'a ControlPlane) -> Self {
        Self { cluster }
    }

    /// Everything from now on is after this mark.
    pub fn mark(&self) -> Mark {
        Mark {
            offset: self.flush(),
        }
    }

    /// Requests that were answered since a mark, in the order in which they ended.
    pub fn since(&self, mark: Mark) -> Vec<Event> {
        self.flush();
        self.read(mark.offset)
            .lines()
            .filter(|line| !line.contains(MARK))
            .map(|line| serde_json::from_str(line).expect("an entry of the audit log"))
            .collect()
    }

    /// Requests of a user since a mark that are over.
    pub fn of_user(&self, mark: Mark, user: &str) -> Vec<Event> {
        let mut events = self.since(mark);
        events.retain(|event| event.user() == user && event.is_complete());
        events
    }

    /// Waits until these users have written nothing for so long, their Leases aside, which are
    /// renewed as long as they live.
    ///
    /// # Panics
    /// After `deadline`, with what was written last.
    pub fn until_quiet(&self, users: &[String], quiet: Duration, deadline: Duration) {
        let end = Instant::now() + deadline;
        let (mut mark, mut since) = (self.mark(), Instant::now());
        while since.elapsed() < quiet {
            std::thread::sleep(QUIET_LOOK);
            let looked = Instant::now();
            let next = self.mark();
            let mut written = self.since(mark);
            written.retain(|event| {
                let whose = users.iter().any(|user| user == event.user());
                whose && event.is_write() && event.resource() != "leases"
            });
            if !written.is_empty() {
                assert!(looked < end, "no rest within {deadline:?}: {written:?}");
                since = looked;
            }
            mark = next;
        }
    }

    /// Waits until all that was answered so far is written, and returns where that ends. The API
    /// server writes an entry after its answer has left, each on a thread of its own: a busy one
    /// may be overtaken by a mark, and hardly by several in a row.
    fn flush(&self) -> u64 {
        (0..MARKS).fold(0, |_, _| self.flush_once())
    }

    fn flush_once(&self) -> u64 {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{MARK}{}\"", COUNT.fetch_add(1, Ordering::Relaxed));
        let path = mark.trim_end_matches('"');
        let begin = self.length();
        let _not_found = self.cluster.admin().ask("GET", path, None);
        wait::until("the mark in the audit log", WRITTEN, || {
            let text = self.read(begin);
            let at = text.find(&mark).ok_or("not yet")?;
            let end = text[at..].find('\n').ok_or("half of it")?;
            Ok(begin + (at + end + 1) as u64)
        })
    }

    fn length(&self) -> u64 {
        self.file().metadata().expect("its length").len()
    }

    fn read(&self, offset: u64) -> String {
        let mut file = self.file();
        let mut text = String::new();
        file.seek(SeekFrom::Start(offset)).expect("it is longer");
        file.read_to_string(&mut text).expect("it is text");
        match text.rfind('\n') {
            Some(end) => text[..=end].to_owned(), // the rest is being written
            None => String::new(),
        }
    }

    fn file(&self) -> File {
        File::open(self.cluster.folder().join("audit.jsonl")).expect("the audit log is there")
    }
}
