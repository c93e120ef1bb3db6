//! The store as its users, its disk and its enemies see it.

mod crash;
mod fixture;
mod full;
mod model;
mod opening;
mod power;
mod tamper;

use std::{fs, path::Path, time::Duration};

use tempfile::TempDir;

use super::SledStore;
use crate::store::{Key, Space, Store as _, StoreError, StoreKey, Value};

/// How long a condition may take on a busy machine before the test fails.
const DEADLINE: Duration = Duration::from_secs(60);

fn store_key() -> StoreKey {
    StoreKey::from([0x42; 32])
}

fn key(name: &str) -> Key {
    Key::new(Space::Asset, name).unwrap()
}

fn value(bytes: usize, seed: u64) -> Value {
    let numbers = (0_u64..).map(|n| n.wrapping_add(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let stream = numbers.flat_map(u64::to_be_bytes);
    stream.take(bytes).collect::<Vec<u8>>().into()
}

fn open(dir: &Path) -> Result<SledStore, StoreError> {
    patiently(
        || SledStore::open(dir, &store_key()),
        |error| matches!(error, StoreError::File { step: "open", .. }),
    )
}

/// The rows without the store, as somebody with a disk editor sees them.
fn raw(dir: &Path) -> ::sled::Db {
    let config = ::sled::Config::new()
        .path(dir.join("rows"))
        .flush_every_ms(None);
    patiently(
        || config.open(),
        |error| matches!(error, ::sled::Error::Io(_)),
    )
    .unwrap()
}

/// The database gives its own lock back by closing its file, and a process that another test is
/// starting may hold that open for a moment: then it is asked again.
#[allow(clippy::disallowed_methods)]
fn patiently<T, E>(open: impl Fn() -> Result<T, E>, busy: impl Fn(&E) -> bool) -> Result<T, E> {
    // Only for the deadline: no decision of the store depends on it.
    let begin = std::time::Instant::now();
    loop {
        match open() {
            Err(error) if busy(&error) && begin.elapsed() < DEADLINE => std::thread::yield_now(),
            done => return done,
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

/// Everything in the store, decrypted.
fn listing(store: &SledStore) -> Vec<(Key, Value)> {
    let spaces = Space::ALL.into_iter();
    spaces
        .flat_map(|space| store.list(space, "").unwrap())
        .collect()
}

#[test]
fn a_store_that_stopped_for_another_reason_is_for_a_person() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    store.stop("sync", &"input/output error", false);
    let told = store
        .put(key("refused"), value(1, 1))
        .unwrap_err()
        .to_string();
    assert!(told.contains("restart the node"), "{told}");
    assert!(!told.contains("room"), "{told}");
}

#[test]
fn a_store_that_a_full_disk_stopped_wants_a_restart_as_soon_as_there_is_room() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    assert!(store.trouble().is_none() && !store.wants_restart());
    store.stop("write rows", &"no space left", true);
    assert!(store.trouble().is_some() && store.wants_restart());
    let told = store
        .put(key("refused"), value(1, 1))
        .unwrap_err()
        .to_string();
    assert!(told.contains("make room"), "{told}");
    assert!(told.contains("starts anew by itself"), "{told}");
    // To look leaves nothing behind.
    let names = |dir: &Path| fs::read_dir(dir).unwrap().count();
    let files = names(dir.path());
    assert!(store.wants_restart());
    assert_eq!(names(dir.path()), files);
}
