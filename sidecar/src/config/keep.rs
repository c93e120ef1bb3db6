//! The applied set on the node's own volume, sealed, so that a restart does not need the
//! source: one row for the root, one per slice, and the highest sequence ever applied.

use std::collections::BTreeSet;
use std::sync::Arc;

use finp2p_crds::SidecarConfig;
use jiff::Timestamp;

use super::tracker::{Kept, Remembered, Tracker};
use super::{Applied, Incomplete, Reading};
use crate::store::{Key, Space, Store, StoreError, Value, Write};

/// Most slice rows in one commit: a slice is at most 256 KiB and a commit 8 MiB, so this
/// leaves half of it free.
const SLICES_PER_COMMIT: usize = 16;
const ROOT: &str = "root";
const SLICE_PREFIX: &str = "slice/";
const SEQUENCE: &str = "configuration";
const CONTACT: &str = "configuration-contact";

/// What can go wrong with the kept configuration.
#[derive(Debug, thiserror::Error)]
pub enum KeepError {
    /// The store does not read or write.
    #[error("the store does not take or give the kept configuration")]
    Store(#[from] StoreError),
    /// A kept row is not what was written.
    #[error("the kept configuration cannot be decoded")]
    Decode(#[source] serde_json::Error),
    /// The kept rows are not a complete set.
    #[error("the kept configuration is incomplete")]
    Incomplete(#[source] Incomplete),
}

/// Loads the tracker as it was when the node stopped.
///
/// # Errors
/// [`KeepError`] when rows exist and do not decode: the node must not start from nothing.
pub fn load(store: &dyn Store) -> Result<Tracker, KeepError> {
    let remembered = row::<Remembered>(store, Space::Sequence, SEQUENCE)?;
    let contact = row::<Timestamp>(store, Space::Sequence, CONTACT)?;
    let applied = match row::<SidecarConfig>(store, Space::Configuration, ROOT)? {
        None => None,
        Some(root) => {
            let slices = store
                .list(Space::Configuration, SLICE_PREFIX)?
                .iter()
                .map(|(_, value)| serde_json::from_slice(value).map(Arc::new))
                .collect::<Result<_, _>>()
                .map_err(KeepError::Decode)?;
            let reading = Reading {
                root: Arc::new(root),
                slices,
            };
            let applied = Applied::decode(reading, None).map_err(KeepError::Incomplete)?;
            Some(Arc::new(applied))
        }
    };
    Ok(Tracker::resume(applied, remembered, contact))
}

/// Keeps a configuration: changed slices first, then root and sequence, then the slices of the
/// former set are removed. A stop in between leaves the former or the new set. Slices that are
/// shared with `former`, which was kept before, are not looked at again.
///
/// # Errors
/// [`KeepError`] when the store does not take it: after a restart the node would begin with an
/// older one.
pub fn save(store: &dyn Store, kept: &Kept, former: Option<&Applied>) -> Result<(), KeepError> {
    let slices = |applied: &Applied| -> BTreeSet<*const SidecarConfig> {
        applied.reading.slices.iter().map(Arc::as_ptr).collect()
    };
    let unchanged = former.map(slices).unwrap_or_default();
    let mut named = BTreeSet::new();
    let mut changed = Vec::new();
    for slice in &kept.applied.reading.slices {
        let key = Key::new(
            Space::Configuration,
            format!("{SLICE_PREFIX}{}", name(slice)),
        )?;
        if !unchanged.contains(&Arc::as_ptr(slice)) {
            let value = encode(&**slice)?;
            if store.get(&key)?.as_ref() != Some(&value) {
                changed.push(Write::Put(key.clone(), value));
            }
        }
        named.insert(key);
    }
    for batch in changed.chunks(SLICES_PER_COMMIT) {
        store.commit(batch.to_vec())?;
    }
    store.commit(vec![
        Write::Put(
            Key::new(Space::Configuration, ROOT)?,
            encode(&*kept.applied.reading.root)?,
        ),
        Write::Put(
            Key::new(Space::Sequence, SEQUENCE)?,
            encode(&kept.remembered)?,
        ),
    ])?;
    let former = store
        .names(Space::Configuration, SLICE_PREFIX)?
        .into_iter()
        .filter(|key| !named.contains(key))
        .map(Write::Remove)
        .collect::<Vec<_>>();
    for batch in former.chunks(SLICES_PER_COMMIT) {
        store.commit(batch.to_vec())?;
    }
    Ok(())
}

/// Keeps when the source was last read, so that a restart does not make a stale set fresh.
///
/// # Errors
/// [`KeepError`] when the store does not take it.
pub fn save_contact(store: &dyn Store, at: Timestamp) -> Result<(), KeepError> {
    Ok(store.put(Key::new(Space::Sequence, CONTACT)?, encode(&at)?)?)
}

fn name(object: &SidecarConfig) -> &str {
    object.metadata.name.as_deref().unwrap_or_default()
}

fn encode<T: serde::Serialize>(value: &T) -> Result<Value, KeepError> {
    Ok(serde_json::to_vec(value).map_err(KeepError::Decode)?.into())
}

fn row<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    space: Space,
    name: &str,
) -> Result<Option<T>, KeepError> {
    store
        .get(&Key::new(space, name)?)?
        .map(|value| serde_json::from_slice(&value).map_err(KeepError::Decode))
        .transpose()
}
