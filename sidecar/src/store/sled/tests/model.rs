//! Random operations against the store in memory, with a restart among the operations.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::store::{
    MemoryStore, Store, Write,
    sealed::{CHUNK, Head, ROOM_BYTES},
};

#[derive(Clone, Debug)]
enum Step {
    Commit(Vec<(usize, Option<(usize, u64)>)>),
    List(usize, usize),
    Reopen,
}

const NAMES: [&str; 8] = ["a", "ab", "abc", "b", "b/1", "b/2", "Ä", "org:102:x"];
const PREFIXES: [&str; 5] = ["", "a", "b/", "org:", "zz"];

/// Keys by number: each name in two spaces.
fn nth(n: usize) -> Key {
    let space = [Space::Asset, Space::Record][n % 2];
    Key::new(space, NAMES[(n / 2) % NAMES.len()]).unwrap()
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![
        4 => 0..200_usize,
        3 => ROOM_BYTES - 40..ROOM_BYTES + 40,
        2 => 2 * ROOM_BYTES - 2..2 * ROOM_BYTES + 2,
        1 => 0..40_000_usize,
    ];
    let write = (
        0..16_usize,
        proptest::option::weighted(0.75, (size, any::<u64>())),
    );
    prop_oneof![
        6 => proptest::collection::vec(write, 0..6).prop_map(Step::Commit),
        2 => (0..2_usize, 0..PREFIXES.len()).prop_map(|(space, prefix)| Step::List(space, prefix)),
        1 => Just(Step::Reopen),
    ]
}

/// Chunks that the rows of a listing need.
fn chunks(listing: &[(Key, Value)]) -> usize {
    let long = listing
        .iter()
        .filter(|(key, value)| !Head::fits(key, value));
    long.map(|(_, value)| value.len().div_ceil(ROOM_BYTES))
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn does_what_the_store_in_memory_does(steps in proptest::collection::vec(step(), 1..25)) {
        let dir = TempDir::new().unwrap();
        let model = MemoryStore::new();
        let mut store = open(dir.path()).unwrap();
        for step in steps {
            match step {
                Step::Commit(writes) => {
                    let writes: Vec<Write> = writes.into_iter().map(|(n, put)| match put {
                        Some((bytes, seed)) => Write::Put(nth(n), value(bytes, seed)),
                        None => Write::Remove(nth(n)),
                    }).collect();
                    let expected = model.commit(writes.clone());
                    let done = store.commit(writes);
                    prop_assert_eq!(format!("{:?}", done), format!("{:?}", expected));
                }
                Step::List(space, prefix) => {
                    let space = [Space::Asset, Space::Record][space];
                    let prefix = PREFIXES[prefix];
                    prop_assert_eq!(store.list(space, prefix).unwrap(), model.list(space, prefix).unwrap());
                    prop_assert_eq!(store.names(space, prefix).unwrap(), model.names(space, prefix).unwrap());
                }
                Step::Reopen => {
                    drop(store);
                    store = open(dir.path()).unwrap();
                }
            }
            for n in 0..16 {
                prop_assert_eq!(store.get(&nth(n)).unwrap(), model.get(&nth(n)).unwrap());
            }
        }
        let listed = listing(&store);
        prop_assert_eq!(store.rows.scan_prefix([CHUNK]).count(), chunks(&listed), "nothing left over");
    }
}

#[test]
fn the_largest_value_and_the_largest_commit_come_back() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    let largest = value(crate::store::MAX_VALUE_BYTES, 7);
    store.put(key("largest"), largest.clone()).unwrap();
    let name = |n: usize| key(&format!("{n:0>512}"));
    let many = (0..crate::store::MAX_WRITES_PER_COMMIT)
        .map(|n| Write::Put(name(n), value(ROOM_BYTES - 12 - 512, n as u64)));
    store.commit(many.collect()).unwrap();
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.get(&key("largest")).unwrap(), Some(largest));
    assert_eq!(store.names(Space::Asset, "0").unwrap().len(), 100);
    store.remove(key("largest")).unwrap();
    assert_eq!(store.rows.scan_prefix([CHUNK]).count(), 0);
}
