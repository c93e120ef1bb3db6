//! The power cut at any moment, and a disk that fails to sync.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use tempfile::TempDir;

use super::{
    super::Disk,
    super::RealDisk,
    crash::{numbered, open_on, row_name},
    *,
};
use crate::store::Write as Change;

/// A disk that remembers what was on it after the last sync, and fails on demand.
struct PowerCut {
    rows: PathBuf,
    /// The database's directory as of the last sync.
    image: PathBuf,
    syncs: AtomicU64,
    fails: AtomicBool,
    /// The planted fault: it says that it has synced, and has not.
    lies: bool,
}

impl PowerCut {
    fn new(dir: &Path, image: &Path, lies: bool) -> Arc<Self> {
        Arc::new(Self {
            rows: dir.join("rows"),
            image: image.join("rows"),
            syncs: AtomicU64::new(0),
            fails: AtomicBool::new(false),
            lies,
        })
    }
}

impl Disk for Arc<PowerCut> {
    fn sync(&self, rows: &fs::File) -> std::io::Result<()> {
        self.syncs.fetch_add(1, SeqCst);
        if self.fails.load(SeqCst) {
            // EIO, as the kernel reports lost pages: once.
            return Err(std::io::Error::from_raw_os_error(5));
        }
        if !self.lies {
            RealDisk.sync(rows)?;
            let _ = fs::remove_dir_all(&self.image);
            copy(&self.rows, &self.image);
        }
        Ok(())
    }
}

/// Writes rows and cuts the power after every few: the rows that were lost, by number.
fn lost_to_power_cuts(lies: bool) -> Vec<u64> {
    let dir = TempDir::new().unwrap();
    let image = TempDir::new().unwrap();
    drop(open(dir.path()).unwrap());
    copy(dir.path(), image.path());
    let disk = PowerCut::new(dir.path(), image.path(), lies);
    let store = open_on(dir.path(), &disk);
    let mut lost = Vec::new();
    for n in 0..40 {
        store.put(row_name(0, 0, n), numbered(0, 0, n)).unwrap();
        if n % 5 == 0 {
            let after = TempDir::new().unwrap();
            copy(image.path(), after.path());
            let after = open(after.path()).unwrap();
            lost.extend(
                (0..=n).filter(|n| {
                    after.get(&row_name(0, 0, *n)).unwrap() != Some(numbered(0, 0, *n))
                }),
            );
        }
    }
    lost
}

#[test]
fn a_power_cut_loses_nothing_that_was_acknowledged() {
    assert_eq!(lost_to_power_cuts(false), [0; 0]);
}

#[test]
fn the_power_cut_model_notices_a_store_that_does_not_sync() {
    assert!(lost_to_power_cuts(true).len() >= 40);
}

#[test]
fn a_power_cut_that_keeps_some_later_pages_loses_nothing_that_was_acknowledged() {
    const PAGE: usize = 4096;
    for seed in 0..20_u64 {
        let dir = TempDir::new().unwrap();
        let image = TempDir::new().unwrap();
        drop(open(dir.path()).unwrap());
        copy(dir.path(), image.path());
        let disk = PowerCut::new(dir.path(), image.path(), false);
        let store = open_on(dir.path(), &disk);
        for n in 0..10 {
            store
                .put(row_name(seed, 0, n), numbered(seed, 0, n))
                .unwrap();
        }
        disk.fails.store(true, SeqCst);
        let large = (0..8).map(|n| Change::Put(row_name(seed, 1, n), value(20_000, n)));
        assert!(store.commit(large.collect()).is_err());
        // Of the pages written since the sync, any may have reached the disk.
        let path = image.path().join("rows/db");
        let mut mixed = fs::read(&path).unwrap();
        let later = fs::read(dir.path().join("rows/db")).unwrap();
        mixed.resize(later.len(), 0);
        let dice = value(later.len() / PAGE + 1, seed);
        let pages = mixed
            .chunks_mut(PAGE)
            .zip(later.chunks(PAGE))
            .zip(dice.iter());
        for ((page, later), dice) in pages {
            if dice % 2 == 0 {
                page.copy_from_slice(later);
            }
        }
        assert_ne!(mixed, fs::read(&path).unwrap());
        fs::write(&path, mixed).unwrap();
        let after = open(image.path()).unwrap();
        for n in 0..10 {
            let read = after.get(&row_name(seed, 0, n)).unwrap();
            assert_eq!(read, Some(numbered(seed, 0, n)), "seed {seed}, row {n}");
        }
        let unacknowledged = after.names(Space::Asset, &format!("{seed}/1/")).unwrap();
        assert!([0, 8].contains(&unacknowledged.len()), "half a commit");
    }
}

#[test]
fn a_failed_sync_stops_the_store_and_shows_nothing_that_may_be_lost() {
    let dir = TempDir::new().unwrap();
    let image = TempDir::new().unwrap();
    let disk = PowerCut::new(dir.path(), image.path(), false);
    let store = open_on(dir.path(), &disk);
    store.put(key("a"), value(3000, 1)).unwrap();
    store.put(key("b"), value(10, 2)).unwrap();
    let before = listing(&store);
    disk.fails.store(true, SeqCst);
    let writes = vec![
        Change::Put(key("a"), value(3000, 3)),
        Change::Remove(key("b")),
        Change::Put(key("c"), value(10, 4)),
    ];
    assert!(matches!(
        store.commit(writes),
        Err(StoreError::Stopped { step: "sync", .. })
    ));
    disk.fails.store(false, SeqCst);
    let syncs = disk.syncs.load(SeqCst);
    let refused = store.put(key("d"), value(1, 1));
    let Err(StoreError::Stopped { step, full }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!((step, full), ("sync", false));
    assert_eq!(
        disk.syncs.load(SeqCst),
        syncs,
        "a failed sync is not tried again"
    );
    assert_eq!(listing(&store), before);
    assert_eq!(store.get(&key("a")).unwrap(), Some(value(3000, 1)));
    assert_eq!(store.get(&key("c")).unwrap(), None);
    // Nobody knows what is on the disk: no restart by itself, however much room there is.
    assert!(store.trouble().is_some() && !store.wants_restart());
    drop(store);
    // After a restart the commit is there or not, but never in part.
    let after = listing(&open(dir.path()).unwrap());
    assert!(after == before || after.len() == 2 && after[1].0 == key("c"));
}
