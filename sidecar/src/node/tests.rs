//! A node whose volume fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use super::report::ReportFile;
use super::{Node, Parts};
use crate::audit::Audit;
use crate::config::Directory;
use crate::keys::NodeKeys;
use crate::store::{Key, MemoryStore, Space, Store, StoreError, Value, Write};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// A store that a full disk stops when a test says so.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    rows: MemoryStore,
    pub(crate) stopped: AtomicBool,
    has_room: AtomicBool,
}

impl Store for Stopping {
    fn get(&self, key: &Key) -> Result<Option<Value>, StoreError> {
        self.rows.get(key)
    }

    fn list(&self, space: Space, prefix: &str) -> Result<Vec<(Key, Value)>, StoreError> {
        self.rows.list(space, prefix)
    }

    fn names(&self, space: Space, prefix: &str) -> Result<Vec<Key>, StoreError> {
        self.rows.names(space, prefix)
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        match self.trouble() {
            Some(error) => Err(error),
            None => self.rows.commit(writes),
        }
    }

    fn trouble(&self) -> Option<StoreError> {
        let stopped = self.stopped.load(SeqCst);
        let (step, full) = ("write rows", true);
        stopped.then_some(StoreError::Stopped { step, full })
    }

    fn wants_restart(&self) -> bool {
        self.has_room.load(SeqCst)
    }
}

fn node(folder: &TempDir, store: &Arc<Stopping>) -> Node {
    Node::resume(Parts {
        source: Arc::new(Directory::new(folder.path().join("config"))),
        store: Arc::clone(store) as Arc<dyn Store>,
        audit: Arc::new(Audit::open(&folder.path().join("audit"), NOW).unwrap()),
        keys: Arc::new(NodeKeys::load_or_create(&**store).unwrap()),
        report: Arc::new(ReportFile::new(folder.path().join("report.yaml"))),
    })
    .unwrap()
}

#[test]
fn a_node_whose_store_has_stopped_is_not_ready_and_ends_when_a_restart_helps() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(Stopping::default());
    let node = node(&folder, &store);
    let at = |seconds| NOW + SignedDuration::from_secs(seconds);
    store.has_room.store(true, SeqCst);
    node.tick(at(0));
    let missing = node.missing(at(0)).unwrap();
    assert!(!missing.contains("store"), "{missing}");
    assert!(!node.wants_restart(), "nothing is the matter");

    store.has_room.store(false, SeqCst);
    store.stopped.store(true, SeqCst);
    let missing = node.missing(at(1)).unwrap();
    assert!(missing.contains("the store has stopped"), "{missing}");
    for second in 1..60 {
        node.tick(at(second));
    }
    assert!(!node.wants_restart(), "the disk is full still");

    store.has_room.store(true, SeqCst);
    node.tick(at(70));
    assert!(node.wants_restart());
}
