//! The running node: what its parts share, and what happens when its configuration changes.
//!
//! Modules in reading order: [`served`] (what is served with: certificates, snapshot), [`report`]
//! (what the node tells the operator).
//!
//! [`Node::tick`] is called several times a second from one thread. It reads the configuration
//! when it was replaced, publishes content that changed, and puts the result in force before it
//! returns: when a tick is over, nothing is answered by what was before.

pub mod report;
pub mod served;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use finp2p_crds::sidecar_config::{Exception, SidecarConfigStatus};
use jiff::{SignedDuration, Timestamp};

use crate::audit::{self, Audit, AuditError, Change};
use crate::config::content::ContentFolder;
use crate::config::directory::{Directory, Stamp};
use crate::config::keep::{self, KeepError};
use crate::config::tracker::Age;
use crate::config::{Outcome, Standing, Tracker};
use crate::keys::NodeKeys;
use crate::metrics::State;
use crate::primary::Primary;
use crate::request::time::Timekeeper;
use crate::store::{Key, Space, Store};
use report::Report;
use served::Served;

/// How often time floor and last contact are kept: a restart forgets at most this much.
const KEEP_EVERY: SignedDuration = SignedDuration::from_secs(60);
const TIME_FLOOR: &str = "floor";

/// What a node is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where its configuration comes from.
    pub directory: Directory,
    /// Its private store.
    pub store: Arc<dyn Store>,
    /// Its audit log.
    pub audit: Arc<Audit>,
    /// Its keys.
    pub keys: Arc<NodeKeys>,
    /// Where its report goes.
    pub report: PathBuf,
}

/// What the network side takes over after a tick.
#[derive(Clone, Debug)]
pub struct Tick {
    /// What is served with now; `None` while configuration or certificates are missing.
    pub served: Option<Arc<Served>>,
    /// Whether `served` is another than after the last tick.
    pub changed: bool,
}

/// The running node. One for the process; everything takes `&self`.
#[derive(Debug)]
pub struct Node {
    directory: Directory,
    content: ContentFolder,
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    keys: Arc<NodeKeys>,
    primary: OnceLock<Arc<Primary>>,
    timekeeper: Arc<Timekeeper>,
    report: Report,
    counters: Arc<audit::Counters>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    tracker: Tracker,
    stamp: Option<Stamp>,
    served: Option<Arc<Served>>,
    exceptions: Vec<Exception>,
    /// Why the directory could not be read or applied at the last tick.
    trouble: Option<String>,
    kept_at: Option<Timestamp>,
    contact: Option<Timestamp>,
}

/// Why a node cannot start from what its volume holds.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The kept configuration cannot be used.
    #[error("the node cannot start from its kept configuration")]
    Keep(#[from] KeepError),
    /// The store does not give the time floor.
    #[error("the private store does not give what the node remembers")]
    Store(#[from] crate::store::StoreError),
}

impl Node {
    /// A node as its volume remembers it. Nothing is served before the first [`Node::tick`].
    ///
    /// # Errors
    /// [`NodeError`]: rather no start than one that forgot.
    pub fn resume(parts: Parts) -> Result<Self, NodeError> {
        let tracker = keep::load(&*parts.store)?;
        let floor = parts
            .store
            .get(&Key::new(Space::TimeFloor, TIME_FLOOR)?)?
            .and_then(|value| <[u8; 8]>::try_from(value.as_bytes()).ok())
            .map_or(0, u64::from_be_bytes);
        Ok(Self {
            content: ContentFolder::new(parts.directory.content()),
            directory: parts.directory,
            store: parts.store,
            audit: parts.audit,
            keys: parts.keys,
            primary: OnceLock::new(),
            timekeeper: Arc::new(Timekeeper::resume(floor)),
            report: Report::new(parts.report),
            counters: Arc::new(audit::Counters::new()),
            inner: Mutex::new(Inner {
                tracker,
                stamp: None,
                served: None,
                exceptions: Vec::new(),
                trouble: None,
                kept_at: None,
                contact: None,
            }),
        })
    }

    /// The organization's own assets; `None` before the first complete configuration.
    #[must_use]
    pub fn primary(&self) -> Option<Arc<Primary>> {
        self.primary.get().cloned()
    }

    /// The node's view of time.
    #[must_use]
    pub fn timekeeper(&self) -> Arc<Timekeeper> {
        Arc::clone(&self.timekeeper)
    }

    /// Refusals that are only counted.
    #[must_use]
    pub fn counters(&self) -> Arc<audit::Counters> {
        Arc::clone(&self.counters)
    }

    /// The node's keys.
    #[must_use]
    pub fn keys(&self) -> Arc<NodeKeys> {
        Arc::clone(&self.keys)
    }

    /// The configuration in force.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Option<Standing> {
        self.inner().tracker.standing(now)
    }

    /// What the node is in, for metrics and probes.
    #[must_use]
    pub fn state(&self, now: Timestamp) -> State {
        let inner = self.inner();
        let standing = inner.tracker.standing(now);
        State {
            sequence: standing.as_ref().map_or(0, |s| s.applied.root.sequence),
            contact: inner.contact,
            certificates_end: inner.served.as_ref().map(|served| served.certificates_end),
            exceptions: inner.exceptions.len(),
            rolled_back: standing.is_some_and(|s| s.restrained_by.is_some()),
        }
    }

    /// What keeps the node from serving, in a sentence; `None` when it serves.
    #[must_use]
    pub fn missing(&self, now: Timestamp) -> Option<String> {
        let inner = self.inner();
        let Some(standing) = inner.tracker.standing(now) else {
            return Some(inner.trouble.clone().unwrap_or_else(|| {
                "waiting for a complete configuration from the operator".to_owned()
            }));
        };
        if standing.age == Age::Stale {
            return Some(
                "the configuration was not read for too long: everything is denied until it is"
                    .to_owned(),
            );
        }
        inner.served.is_none().then(|| {
            "waiting for certificates: the operator signs the requests in this node's report"
                .to_owned()
        })
    }

    /// A person accepts a rolled-back configuration. Returns whether there was one.
    ///
    /// # Errors
    /// [`AuditError`]: it is not accepted then.
    pub fn accept(&self, now: Timestamp) -> Result<bool, AuditError> {
        let mut inner = self.inner();
        let Some(standing) = inner
            .tracker
            .standing(now)
            .filter(|s| s.restrained_by.is_some())
        else {
            return Ok(false);
        };
        self.audit
            .append_durable(&change(now, "configuration-accepted", &standing).into())?;
        let accepted = inner.tracker.accept();
        inner.stamp = None;
        Ok(accepted)
    }

    /// Reads what was replaced, publishes what changed, and says what is served with now.
    pub fn tick(&self, now: Timestamp) -> Tick {
        let mut inner = self.inner();
        let stamp = self.directory.stamp();
        let replaced = inner.stamp.as_ref() != Some(&stamp);
        if replaced {
            self.read(now, &mut inner);
        } else if inner.trouble.is_none() {
            inner.tracker.touch(now);
            inner.contact = Some(now);
        }
        let served = self.serve(now, &mut inner, replaced);
        let changed = match (&inner.served, &served) {
            (Some(before), Some(after)) => !before.is_same(after),
            (None, None) => false,
            _ => true,
        };
        if changed {
            inner.served = served;
        }
        if inner.trouble.is_none() || !replaced {
            inner.stamp = Some(stamp);
        }
        self.housekeep(now, &mut inner);
        Tick {
            served: inner.served.clone(),
            changed,
        }
    }

    /// Writes the report if it says something else than the last one.
    pub fn report(&self, now: Timestamp, peers: Vec<finp2p_crds::sidecar_config::PeerReport>) {
        let status = self.status(now, peers);
        if let Err(error) = self.report.write(&status) {
            tracing::warn!(%error, "the report cannot be written: the operator does not see this node");
        }
    }

    /// The node's one report.
    #[must_use]
    pub fn status(
        &self,
        now: Timestamp,
        peers: Vec<finp2p_crds::sidecar_config::PeerReport>,
    ) -> SidecarConfigStatus {
        let inner = self.inner();
        report::status(
            inner.tracker.standing(now).as_ref(),
            self.keys.requests(),
            peers,
            &inner.exceptions,
        )
    }

    /// What was refused and only counted goes to the audit log before the process ends.
    pub fn finish(&self, now: Timestamp) {
        if let Some(entry) = self.counters.finish(now) {
            let _told = self
                .audit
                .append(&entry)
                .map_err(|error| tracing::error!(%error, "audit"));
        }
        self.keep(now);
        if let Err(error) = self.audit.sync() {
            tracing::error!(%error, "the audit log was not brought to disk");
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, now: Timestamp, inner: &mut Inner) {
        let reading = match self.directory.read() {
            Ok(reading) => reading,
            Err(error) => {
                // The source says what is the matter; a person needs both lines at once.
                let source = std::error::Error::source(&error).map(ToString::to_string);
                trouble(inner, format!("{error}: {}", source.unwrap_or_default()));
                return;
            }
        };
        inner.contact = Some(now);
        let outcome = inner.tracker.observe(now, reading);
        inner.trouble = None;
        match outcome {
            Outcome::Same => {}
            Outcome::Applied => {
                if let Err(error) = keep::save(&*self.store, &inner.tracker) {
                    tracing::error!(%error, "the configuration is in force and was not kept");
                }
                self.note(now, "configuration-applied", inner);
            }
            Outcome::RolledBack { seen, remembered } => {
                tracing::error!(
                    seen,
                    remembered,
                    "ConfigurationRolledBack: only what both configurations grant is served until a person accepts it or a higher sequence comes"
                );
                self.note(now, "configuration-rolled-back", inner);
            }
            Outcome::Incomplete(incomplete) => trouble(inner, incomplete.to_string()),
            Outcome::Foreign => trouble(
                inner,
                "the configuration is for another organization or network than this volume"
                    .to_owned(),
            ),
        }
    }

    fn note(&self, now: Timestamp, what: &str, inner: &Inner) {
        let Some(standing) = inner.tracker.standing(now) else {
            return;
        };
        tracing::info!(sequence = standing.applied.root.sequence, set = %standing.applied.root.set, "{what}");
        if let Err(error) = self
            .audit
            .append_durable(&change(now, what, &standing).into())
        {
            tracing::error!(%error, "a change of configuration could not be audited");
        }
    }

    /// What is served with, made anew when configuration or content were replaced.
    fn serve(&self, now: Timestamp, inner: &mut Inner, replaced: bool) -> Option<Arc<Served>> {
        let standing = inner.tracker.standing(now)?;
        let root = &standing.applied.root;
        let primary = self.primary.get_or_init(|| {
            Arc::new(Primary::new(
                Arc::clone(&self.store),
                root.organization_id.clone(),
                root.network.clone(),
            ))
        });
        let served = Served::new(&standing, &self.keys)?;
        let certified_before = inner.served.is_some();
        if replaced || !certified_before {
            // Published only once certified: readers refuse what was signed before its key was.
            inner.exceptions =
                primary.refresh(now, &standing.applied, &self.content, &self.keys.record);
            inner
                .exceptions
                .extend(report::unknown_fields(&standing.applied, primary));
        }
        Some(Arc::new(served))
    }

    fn housekeep(&self, now: Timestamp, inner: &mut Inner) {
        if let Some(entry) = self.counters.due(now)
            && let Err(error) = self.audit.append(&entry)
        {
            tracing::error!(%error, "counted refusals could not be audited");
        }
        let due = inner
            .kept_at
            .is_none_or(|at| now.duration_since(at).abs() >= KEEP_EVERY);
        if due {
            inner.kept_at = Some(now);
            self.keep(now);
        }
    }

    fn keep(&self, now: Timestamp) {
        let floor = self.timekeeper.keep(now).to_be_bytes().to_vec();
        let kept = Key::new(Space::TimeFloor, TIME_FLOOR)
            .and_then(|key| self.store.put(key, floor.into()))
            .map_err(KeepError::from)
            .and_then(|()| keep::save_contact(&*self.store, now));
        if let Err(error) = kept {
            tracing::error!(%error, "the time could not be kept");
        }
    }
}

fn trouble(inner: &mut Inner, what: String) {
    if inner.trouble.as_ref() != Some(&what) {
        tracing::warn!("{what}: what was applied before stays in force");
    }
    inner.trouble = Some(what);
}

fn change(now: Timestamp, what: &str, standing: &Standing) -> Change {
    Change {
        at: now,
        what: what.to_owned(),
        digest: standing.applied.digest,
        sequence: u64::try_from(standing.applied.root.sequence).ok(),
    }
}
