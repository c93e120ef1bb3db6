//! The node's own volume: what is on it, and that it belongs together.
//!
//! ```text
//! STATE/store/   the private store: keys, records, the highest sequence and incarnations seen
//! STATE/audit/   the audit log
//! ```
//!
//! Either can be deleted by hand, and each would begin anew as if nothing had been. So the one
//! tells of the other. An audit log with entries and no store beside it is a **store that was
//! lost**: what the node promised to remember (the highest sequence, which makes a rolled-back
//! configuration visible; incarnations; its keys) went with it, and the node does not start. A
//! store that remembers another audit log than the one beside it is a **log that was lost**: what
//! it holds is no part of any decision, so the node starts, says so loudly, and begins the new log
//! with the entry that it is not the first.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::audit::{Audit, AuditError, Begun};
use crate::store::{Key, SledStore, Space, Store, StoreError, StoreKey};

const STORE: &str = "store";
const AUDIT: &str = "audit";
/// The row with the identifier of the audit log that the store was last kept beside.
const AUDIT_LOG: &str = "audit-log";

/// Why the volume cannot be used. None of these changed what is on it.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    /// The folder cannot be made.
    #[error("the state directory {} cannot be made", path.display())]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The private store does not open.
    #[error("the private store does not open")]
    Store(#[from] StoreError),
    /// The audit log does not open.
    #[error("the audit log does not open")]
    Audit(#[from] AuditError),
    /// There is an audit log of a node that had a store, and no store.
    #[error(
        "the private store in {} is gone, and the audit log in {} shows that this node had one: \
         its keys, records, and the highest configuration sequence that it remembered went with \
         it. Restore the store from a backup of this volume. If it is lost for good, move the \
         audit log away and keep it as evidence, raise spec.node.incarnation, and start again",
        store.display(),
        audit.display()
    )]
    StoreLost {
        /// Where the store was.
        store: PathBuf,
        /// The audit log that is there.
        audit: PathBuf,
    },
}

/// What is on the volume, open.
#[derive(Debug)]
pub struct Volume {
    /// The private store.
    pub store: Arc<dyn Store>,
    /// The audit log.
    pub audit: Arc<Audit>,
}

/// Opens the volume at `state` with the key in the file `store_key`, or makes what belongs on an
/// empty one.
///
/// # Errors
/// [`VolumeError`]. A store key that cannot be used is told before anything is made, and a full
/// volume before anything on it is touched.
pub fn open(state: &Path, store_key: &Path, now: Timestamp) -> Result<Volume, VolumeError> {
    let key = StoreKey::read(store_key)?;
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .map_err(|source| VolumeError::State {
            path: state.to_owned(),
            source,
        })?;
    let (store, audit) = (state.join(STORE), state.join(AUDIT));
    // Before the log, too: it would cut off what a crash has torn, and have no room to say so.
    SledStore::try_room(&store)?;
    // The log first: it says whether a store that is not there was ever there.
    let log = Audit::open(&audit, now)?;
    if log.position().index > 0 && !SledStore::exists(&store) {
        return Err(VolumeError::StoreLost { store, audit });
    }
    let store = SledStore::open(&store, &key)?;
    acquaint(&store, &log, now)?;
    Ok(Volume {
        store: Arc::new(store),
        audit: Arc::new(log),
    })
}

/// Lets the store remember the log beside it; tells when that is another than before.
fn acquaint(store: &dyn Store, log: &Audit, now: Timestamp) -> Result<(), VolumeError> {
    let row = Key::new(Space::Identity, AUDIT_LOG)?;
    let here = log.id();
    let before = store.get(&row)?;
    let before = before.map(|id| String::from_utf8_lossy(&id).into_owned());
    if before.as_deref() == Some(here.as_str()) {
        return Ok(());
    }
    if let Some(after) = before {
        tracing::error!(
            lost = after,
            log = here,
            "the audit log of this node is another than before: find the former one and keep it \
             as evidence; the new one begins with an entry that says so"
        );
        log.append_durable(&Begun { at: now, after }.into())?;
    }
    store.put(row, here.into_bytes().into())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::OpenOptionsExt as _;

    use serde_json::Value;
    use tempfile::TempDir;

    use super::*;
    use crate::audit::{self, Change};

    struct Scene(TempDir);

    impl Scene {
        fn new() -> Self {
            let scene = Self(tempfile::tempdir().unwrap());
            StoreKey::from([7; 32])
                .write_new(&scene.0.path().join("store.key"))
                .unwrap();
            scene
        }

        fn state(&self, name: &str) -> PathBuf {
            self.0.path().join("state").join(name)
        }

        fn open(&self) -> Result<Volume, VolumeError> {
            let key = self.0.path().join("store.key");
            open(&self.state(""), &key, Timestamp::UNIX_EPOCH)
        }

        /// A life of a node: it remembers something, and its audit tells of it.
        fn lived(&self) {
            let volume = self.open().unwrap();
            volume.store.put(remembered(), vec![1].into()).unwrap();
            let change = Change {
                at: Timestamp::UNIX_EPOCH,
                what: "configuration-applied".to_owned(),
                digest: [1; 32],
                sequence: Some(7),
                objects: Vec::new(),
                more: 0,
            };
            volume.audit.append_durable(&change.into()).unwrap();
        }

        fn entries(&self) -> Vec<Value> {
            let mut entries = Vec::new();
            audit::visit(&self.state(AUDIT), &mut |_, text| {
                entries.push(serde_json::from_str(text).unwrap());
            })
            .unwrap();
            entries
        }
    }

    fn remembered() -> Key {
        Key::new(Space::Sequence, "configuration").unwrap()
    }

    #[test]
    fn an_empty_volume_is_begun_and_gone_on_with() {
        let scene = Scene::new();
        scene.lived();
        scene.lived();
        let volume = scene.open().unwrap();
        assert!(volume.store.get(&remembered()).unwrap().is_some());
        assert_eq!(volume.audit.position().index, 2);
    }

    #[test]
    fn a_node_that_never_said_anything_may_begin_its_store_again() {
        let scene = Scene::new();
        drop(scene.open().unwrap());
        fs::remove_dir_all(scene.state(STORE)).unwrap();
        drop(scene.open().unwrap());
        assert!(scene.state(STORE).exists());
    }

    #[test]
    fn a_store_that_was_deleted_by_hand_is_not_begun_anew() {
        let scene = Scene::new();
        scene.lived();
        let saved = scene.0.path().join("saved");
        fs::rename(scene.state(STORE), &saved).unwrap();
        for leftover in [false, true] {
            if leftover {
                fs::create_dir(scene.state(STORE)).unwrap();
                fs::write(scene.state(STORE).join("lock"), "").unwrap();
            }
            let refused = scene.open().unwrap_err();
            assert!(matches!(refused, VolumeError::StoreLost { .. }));
            let told = refused.to_string();
            assert!(
                told.contains("backup") && told.contains("incarnation"),
                "{told}"
            );
            assert!(!SledStore::exists(&scene.state(STORE)));
        }
        // Put back, it is as it was.
        fs::remove_dir_all(scene.state(STORE)).unwrap();
        fs::rename(&saved, scene.state(STORE)).unwrap();
        let volume = scene.open().unwrap();
        assert!(volume.store.get(&remembered()).unwrap().is_some());
    }

    #[test]
    fn a_store_that_is_lost_for_good_is_begun_anew_when_a_person_says_so() {
        let scene = Scene::new();
        scene.lived();
        fs::remove_dir_all(scene.state(STORE)).unwrap();
        assert!(scene.open().is_err());
        fs::rename(scene.state(AUDIT), scene.0.path().join("evidence")).unwrap();
        let volume = scene.open().unwrap();
        assert_eq!(volume.store.get(&remembered()).unwrap(), None);
    }

    #[test]
    fn a_log_that_was_deleted_by_hand_is_begun_anew_with_a_word() {
        let scene = Scene::new();
        scene.lived();
        let lost = scene.open().unwrap().audit.id();
        fs::remove_dir_all(scene.state(AUDIT)).unwrap();
        drop(scene.open().unwrap());
        drop(scene.open().unwrap());
        let entries = scene.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        assert_eq!(
            (&entries[0]["k"], &entries[0]["after"]),
            (&"begun".into(), &lost.into())
        );
    }

    #[test]
    fn nothing_is_made_for_a_key_that_cannot_be_used() {
        let scene = Scene::new();
        fs::remove_file(scene.0.path().join("store.key")).unwrap();
        let open = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o666)
            .open(scene.0.path().join("store.key"));
        drop(open.unwrap());
        assert!(matches!(scene.open(), Err(VolumeError::Store(_))));
        assert!(!scene.state("").exists());
    }
}
