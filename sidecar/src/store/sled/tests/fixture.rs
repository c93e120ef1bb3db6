//! A store of format 1 as it was frozen: every later version must open it and read all of it.
//!
//! `UPDATE_FIXTURES=1` makes it anew. That is right only while the format was never released.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::store::Write;

fn frozen() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/v1/store")
}

/// What is in the frozen store: a row in every space, one inline to the last byte, a long one.
fn contents() -> Vec<(Key, Value)> {
    let mut rows: Vec<(Key, Value)> = Space::ALL
        .into_iter()
        .map(|space| {
            let name = format!("frozen/{}", space.number());
            (
                Key::new(space, name).unwrap(),
                value(30, space.number().into()),
            )
        })
        .collect();
    rows.push((key("empty"), value(0, 0)));
    rows.push((key("full"), value(1991, 3)));
    rows.push((key("long"), value(70_000, 4)));
    rows.sort_by(|one, other| one.0.cmp(&other.0));
    rows
}

fn freeze(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    store_key().write_new(&dir.join("store.key")).unwrap();
    let store = open(dir).unwrap();
    store.put(key("removed"), value(5000, 5)).unwrap();
    let writes = contents()
        .into_iter()
        .map(|(key, value)| Write::Put(key, value));
    store.commit(writes.collect()).unwrap();
    store.remove(key("removed")).unwrap();
    drop(store);
    fs::remove_file(dir.join("lock")).unwrap();
}

#[test]
fn opens_the_frozen_store_and_reads_all_of_it() {
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        freeze(&frozen());
    }
    let dir = TempDir::new().unwrap();
    copy(&frozen(), dir.path());
    let key_file = dir.path().join("store.key");
    // A checkout has lost the mode that the key was frozen with.
    fs::set_permissions(&key_file, fs::Permissions::from_mode(0o600)).unwrap();
    let store = SledStore::open(dir.path(), &StoreKey::read(&key_file).unwrap()).unwrap();
    assert_eq!(listing(&store), contents());
    store.put(key("later"), value(3000, 6)).unwrap();
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(listing(&store).len(), contents().len() + 1);
}
