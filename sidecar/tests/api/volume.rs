//! A store that a full disk stops.

use std::sync::atomic::{AtomicBool, Ordering};

use finp2p_sidecar::store::{Key, MemoryStore, Space, Store, StoreError, Value, Write};
use serde_json::json;

use crate::world::World;

/// A store in memory, which the first write to a full disk stops.
#[derive(Debug, Default)]
pub struct Volume {
    rows: MemoryStore,
    full: AtomicBool,
    stopped: AtomicBool,
}

impl Volume {
    pub fn fill(&self) {
        self.full.store(true, Ordering::SeqCst);
    }
}

impl Store for Volume {
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
        let full = self.full.load(Ordering::SeqCst);
        self.stopped.fetch_or(full, Ordering::SeqCst);
        match self.trouble() {
            Some(error) => Err(error),
            None => self.rows.commit(writes),
        }
    }

    fn trouble(&self) -> Option<StoreError> {
        let (step, full) = ("write chunks", true);
        let stopped = self.stopped.load(Ordering::SeqCst);
        stopped.then_some(StoreError::Stopped { step, full })
    }
}

#[test]
fn the_write_that_meets_a_full_disk_is_told_the_cure_like_those_after_it() {
    let world = World::new();
    let bond = "/v1/assets/bond";
    let trading = world.trading();
    assert_eq!(trading.put(bond, &json!({"isin": "1"})).status, 201);
    world.volume.fill();
    for isin in ["2", "3"] {
        let answer = trading.put(bond, &json!({ "isin": isin }));
        let detail = answer.refusal(503, 2002, "not-ready");
        assert!(detail.contains("make room"), "{detail}");
        assert!(detail.contains("by itself"), "{detail}");
    }
    let entries = world.entries_of("api.write-asset");
    let codes: Vec<_> = entries.iter().map(|entry| &entry["code"]).collect();
    // Each write that was begun says so first.
    assert_eq!(codes, [0, 0, 0, 2002, 2002]);
}

#[test]
fn nothing_is_answered_while_the_store_has_stopped_but_what_is_the_matter() {
    let world = World::new();
    let trading = world.trading();
    let bond = "/v1/assets/bond";
    assert_eq!(trading.put(bond, &json!({"isin": "1"})).status, 201);
    world.volume.fill();
    trading.put(bond, &json!({"isin": "2"}));
    let fetch = json!({"resource": "bank-a:102:X"});
    for answer in [
        trading.get("/v1/assets"),
        trading.get(bond),
        trading.get("/v1/shared"),
        trading.post("/v1/fetch", &fetch),
    ] {
        let detail = answer.refusal(503, 2002, "not-ready");
        assert!(detail.contains("make room"), "{detail}");
    }
    let status = trading.get("/v1/status");
    assert_eq!(status.status, 200);
    assert!(
        status.body["message"]
            .as_str()
            .unwrap()
            .contains("make room")
    );
}
