//! A store that is counted, and an audit log whose disk may be full.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use finp2p_crds::ResourceId;

use crate::audit::{AuditError, Decision, Entry};
use crate::primary::Primary;
use crate::request::{Records, StoredRecord, Trail, Unreadable};

/// Records in a memory store, counted, and with a hook in the middle of a read.
pub struct CountedRecords {
    primary: Primary,
    reads: AtomicUsize,
    hook: Mutex<Option<Box<dyn FnMut() + Send>>>,
    pub stopped: AtomicBool,
}

impl CountedRecords {
    pub fn new(primary: Primary) -> Self {
        Self {
            primary,
            reads: AtomicUsize::new(0),
            hook: Mutex::new(None),
            stopped: AtomicBool::new(false),
        }
    }

    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    pub fn hook(&self, hook: impl FnMut() + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }
}

impl Records for CountedRecords {
    fn current(&self, resource: &ResourceId) -> Result<Option<StoredRecord>, Unreadable> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if let Some(hook) = self.hook.lock().unwrap().as_mut() {
            hook();
        }
        Records::current(&self.primary, resource)
    }

    fn have_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }
}

/// An audit log in memory, whose disk may be full.
#[derive(Default)]
pub struct MemoryTrail {
    entries: Mutex<Vec<Entry>>,
    pub full: AtomicBool,
    /// Once set, nothing may be granted any more.
    pub closed: AtomicBool,
    pub granted_when_closed: AtomicUsize,
}

impl Trail for MemoryTrail {
    fn record(&self, entries: &[Entry]) -> Result<(), AuditError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(AuditError::Stopped { step: "sync" });
        }
        let granted = |entry: &Entry| matches!(entry, Entry::Decision(d) if d.code == 0);
        if self.closed.load(Ordering::SeqCst) && entries.iter().any(granted) {
            self.granted_when_closed.fetch_add(1, Ordering::SeqCst);
        }
        self.entries.lock().unwrap().extend_from_slice(entries);
        Ok(())
    }
}

/// Names of the policies that an entry names.
pub fn policies_of(entry: &Decision) -> Vec<&str> {
    entry.policies.iter().map(|p| p.name.as_str()).collect()
}

impl MemoryTrail {
    /// The decisions written since the last call.
    pub fn take(&self) -> Vec<Decision> {
        let entries = std::mem::take(&mut *self.entries.lock().unwrap());
        let decisions = entries.into_iter().map(|entry| match entry {
            Entry::Decision(decision) => *decision,
            other => panic!("not a decision: {other:?}"),
        });
        decisions.collect()
    }
}
