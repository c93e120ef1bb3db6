//! The store in memory, for tests and as the model that the store on disk is held against.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use super::{Key, Space, Store, StoreError, Value, Write, check_commit};

/// A store that forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: RwLock<BTreeMap<Key, Value>>,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &Key) -> Result<Option<Value>, StoreError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows.get(key).cloned())
    }

    fn list(&self, space: Space, prefix: &str) -> Result<Vec<(Key, Value)>, StoreError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        Ok(rows
            .iter()
            .filter(|(key, _)| key.space() == space && key.name().starts_with(prefix))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect())
    }

    fn names(&self, space: Space, prefix: &str) -> Result<Vec<Key>, StoreError> {
        let rows = self.list(space, prefix)?;
        Ok(rows.into_iter().map(|(key, _)| key).collect())
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_commit(&writes)?;
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        for write in writes {
            match write {
                Write::Put(key, value) => rows.insert(key, value),
                Write::Remove(key) => rows.remove(&key),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{MAX_NAME_BYTES, MAX_VALUE_BYTES, MAX_WRITES_PER_COMMIT};

    fn key(name: &str) -> Key {
        Key::new(Space::Asset, name).unwrap()
    }

    #[test]
    fn lists_by_prefix_within_a_space_in_the_order_of_names() {
        let store = MemoryStore::new();
        for name in ["b/2", "a/1", "b/1"] {
            store.put(key(name), name.as_bytes().into()).unwrap();
        }
        let other = Key::new(Space::Record, "b/3").unwrap();
        store.put(other, b"x".as_slice().into()).unwrap();
        assert_eq!(
            store.names(Space::Asset, "b/").unwrap(),
            [key("b/1"), key("b/2")]
        );
        store.remove(key("b/1")).unwrap();
        assert_eq!(
            store.list(Space::Asset, "b").unwrap(),
            [(key("b/2"), b"b/2".as_slice().into())]
        );
    }

    #[test]
    fn refuses_what_passes_a_limit_and_writes_nothing_of_it() {
        let store = MemoryStore::new();
        let put = |name: &str| Write::Put(key(name), b"v".as_slice().into());
        let large = Value::from(vec![0; MAX_VALUE_BYTES + 1]);
        let offered = vec![put("a"), Write::Put(key("b"), large)];
        assert!(matches!(
            store.commit(offered),
            Err(StoreError::Value { .. })
        ));
        assert!(matches!(
            store.commit(vec![put("a"), Write::Remove(key("a"))]),
            Err(StoreError::Repeated)
        ));
        let many = (0..=MAX_WRITES_PER_COMMIT).map(|n| put(&n.to_string()));
        assert!(matches!(
            store.commit(many.collect()),
            Err(StoreError::Commit { .. })
        ));
        assert!(store.names(Space::Asset, "").unwrap().is_empty());
        assert!(Key::new(Space::Asset, "").is_err());
        assert!(Key::new(Space::Asset, "x".repeat(MAX_NAME_BYTES + 1)).is_err());
    }

    #[test]
    fn a_value_is_never_printed() {
        let write = Write::Put(key("a"), b"PLANTED".as_slice().into());
        let shown = format!("{write:?}");
        assert!(shown.contains("Value(7 bytes)") && !shown.contains("PLANTED"));
        assert!(!shown.contains(&format!("{:?}", b"PLANTED")));
    }
}
