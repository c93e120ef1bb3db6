//! The running node: what its parts share, and what happens when its configuration changes.
//!
//! Modules in reading order: [`step`] (one look at the configuration), [`served`] (what is served
//! with: certificates, snapshot), [`publish`] (content becomes versions), [`fields`] (pointers that
//! open nothing), [`report`] (what the node tells the operator).
//!
//! [`Node::tick`] is called several times a second from one thread, and at once when the source
//! rings. It reads the configuration when it was replaced, publishes content that changed, and puts
//! the result in force before it returns: when a tick is over, nothing is answered by what was
//! before. Of thousands of changed contents it publishes some; the rest does not delay what is in
//! force.

pub mod fields;
pub mod publish;
pub mod report;
pub mod served;
pub mod step;
#[cfg(test)]
pub(crate) mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use finp2p_crds::sidecar_config::{Exception, SidecarConfigStatus};
use jiff::Timestamp;
use tokio::sync::watch;

use crate::audit::{self, Audit, AuditError};
use crate::config::keep::{self, KeepError};
use crate::config::tracker::Age;
use crate::config::{Applied, Source, Standing, Tracker};
use crate::keys::NodeKeys;
use crate::metrics::State;
use crate::primary::Primary;
use crate::request::time::Timekeeper;
use crate::store::{Key, Space, Store};
use publish::{Exceptions, Publisher};
use report::{Draft, Report};
use served::Served;
use step::{TIME_FLOOR, Work};

pub use step::Tick;

/// What a node is made of.
#[derive(Debug)]
pub struct Parts {
    /// Where its configuration comes from.
    pub source: Arc<dyn Source>,
    /// Its private store.
    pub store: Arc<dyn Store>,
    /// Its audit log.
    pub audit: Arc<Audit>,
    /// Its keys.
    pub keys: Arc<NodeKeys>,
    /// Where its report goes.
    pub report: Arc<dyn Report>,
}

/// The running node. One for the process; everything takes `&self`.
#[derive(Debug)]
pub struct Node {
    source: Arc<dyn Source>,
    store: Arc<dyn Store>,
    audit: Arc<Audit>,
    keys: Arc<NodeKeys>,
    primary: OnceLock<Arc<Primary>>,
    timekeeper: Arc<Timekeeper>,
    report: Arc<dyn Report>,
    counters: Arc<audit::Counters>,
    wants_restart: AtomicBool,
    /// One look at a time; held through all of it, and by nobody else.
    work: Mutex<Work>,
    /// Held while contents are published, and by nobody else.
    publisher: Mutex<Publisher>,
    /// What was kept last; held while it is kept.
    kept: Mutex<Option<Arc<Applied>>>,
    /// Locked only to read or swap what is in it.
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    tracker: Tracker,
    served: Option<Arc<Served>>,
    /// The last configuration in force whose contents were looked at: reported as applied.
    seen: Option<Arc<Applied>>,
    exceptions: Exceptions,
    /// Why the source could not be read or applied at the last look.
    trouble: Option<String>,
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
            source: parts.source,
            store: parts.store,
            audit: parts.audit,
            keys: parts.keys,
            primary: OnceLock::new(),
            timekeeper: Arc::new(Timekeeper::resume(floor)),
            report: parts.report,
            counters: Arc::new(audit::Counters::new()),
            wants_restart: AtomicBool::new(false),
            work: Mutex::default(),
            publisher: Mutex::default(),
            kept: Mutex::new(tracker.kept().map(|kept| kept.applied)),
            inner: Mutex::new(Inner {
                tracker,
                served: None,
                seen: None,
                exceptions: Exceptions::default(),
                trouble: None,
            }),
        })
    }

    /// Rings when the source has something new; `None` where it must be looked at.
    #[must_use]
    pub fn changes(&self) -> Option<watch::Receiver<u64>> {
        self.source.changes()
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
            contact: inner.tracker.contact(),
            certificates_end: inner.served.as_ref().map(|served| served.certificates_end),
            exceptions: inner.exceptions.rows.len() + inner.exceptions.more,
            rolled_back: standing.is_some_and(|s| s.restrained_by.is_some()),
        }
    }

    /// Whether the store, which a full disk had stopped, would go on after a restart.
    #[must_use]
    pub fn wants_restart(&self) -> bool {
        self.wants_restart.load(Ordering::Relaxed)
    }

    /// What keeps the node from serving, in a sentence; `None` when it serves.
    #[must_use]
    pub fn missing(&self, now: Timestamp) -> Option<String> {
        if let Some(trouble) = self.volume_trouble() {
            return Some(trouble);
        }
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

    /// Why the volume does not take what must be written before anything is answered.
    pub(crate) fn volume_trouble(&self) -> Option<String> {
        if let Some(error) = self.audit.trouble() {
            return Some(format!("nothing is answered without its audit: {error}"));
        }
        self.store.trouble().map(|error| error.to_string())
    }

    /// What a node that serves warns of all the same: a configuration that went back in time, or that
    /// was not read for long.
    #[must_use]
    pub fn warnings(&self, now: Timestamp) -> Vec<Exception> {
        let standing = self.standing(now);
        standing.as_ref().map(report::warnings).unwrap_or_default()
    }

    /// A person accepts a rolled-back configuration. Returns whether there was one.
    ///
    /// # Errors
    /// [`AuditError`]: it is not accepted then.
    pub fn accept(&self, now: Timestamp) -> Result<bool, AuditError> {
        let standing = self.standing(now).filter(|s| s.restrained_by.is_some());
        let Some(standing) = standing else {
            return Ok(false);
        };
        self.audit
            .append_durable(&step::change(now, "configuration-accepted", &standing).into())?;
        let accepted = self.inner().tracker.accept(&standing.applied);
        self.save();
        Ok(accepted)
    }

    /// Writes the report if it says something else than the last one.
    ///
    /// Not after a start before contents were looked at: what was said before the start stands.
    pub fn report(&self, now: Timestamp, peers: Vec<finp2p_crds::sidecar_config::PeerReport>) {
        let is_early = {
            let inner = self.inner();
            inner.seen.is_none() && inner.served.is_some()
        };
        if is_early {
            return;
        }
        let draft = self.draft(now, peers);
        self.report.take(draft);
    }

    /// The node's one report.
    #[must_use]
    pub fn status(
        &self,
        now: Timestamp,
        peers: Vec<finp2p_crds::sidecar_config::PeerReport>,
    ) -> SidecarConfigStatus {
        self.draft(now, peers).into_status()
    }

    fn draft(&self, now: Timestamp, peers: Vec<finp2p_crds::sidecar_config::PeerReport>) -> Draft {
        let trouble = self.volume_trouble();
        let mark = self.kept_mark();
        let inner = self.inner();
        report::draft(
            inner.tracker.standing(now).as_ref(),
            mark,
            inner.seen.as_deref(),
            self.keys.requests(),
            peers,
            &inner.exceptions,
            trouble,
        )
    }

    /// The mark of the newest sequence, once it is on the volume: only then does the root need to name
    /// nothing before it.
    fn kept_mark(&self) -> Option<String> {
        let on_volume = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = self.inner().tracker.kept()?;
        let is_there = |there: &Arc<Applied>| Arc::ptr_eq(there, &kept.applied);
        let mark = kept.remembered.mark;
        mark.filter(|_| on_volume.as_ref().is_some_and(is_there))
    }

    /// What was refused and only counted goes to the audit log before the process ends.
    pub fn finish(&self, now: Timestamp) {
        if let Some(entry) = self.counters.finish(now) {
            let _told = self
                .audit
                .append(&entry)
                .map_err(|error| tracing::error!(%error, "audit"));
        }
        self.keep_time(now);
        if let Err(error) = self.audit.sync() {
            tracing::error!(%error, "the audit log was not brought to disk");
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
