//! Somebody with the files but not the key: what is noticed, and what can be read.

use std::collections::BTreeSet;

use tempfile::TempDir;

use super::*;
use crate::store::sealed::{CHUNK, HEAD, META_KEY};

type Rows = Vec<(::sled::IVec, ::sled::IVec)>;

fn rows(dir: &Path, kind: u8) -> Rows {
    raw(dir).scan_prefix([kind]).map(Result::unwrap).collect()
}

fn set(dir: &Path, changes: &[(&[u8], Option<&[u8]>)]) {
    let rows = raw(dir);
    for (key, row) in changes {
        match row {
            Some(row) => drop(rows.insert(key, *row).unwrap()),
            None => drop(rows.remove(key).unwrap()),
        }
    }
    rows.flush().unwrap();
}

fn filled(names: &[&str], bytes: usize) -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    for (seed, name) in (0..).zip(names) {
        store.put(key(name), value(bytes, seed)).unwrap();
    }
    dir
}

#[test]
fn detects_two_heads_swapped() {
    let dir = filled(&["a", "b"], 100);
    let heads = rows(dir.path(), HEAD);
    let [(a, row_a), (b, row_b)] = heads.as_slice() else {
        panic!("two heads");
    };
    set(dir.path(), &[(a, Some(row_b)), (b, Some(row_a))]);
    assert!(matches!(open(dir.path()), Err(StoreError::Damaged { .. })));
}

#[test]
fn detects_two_chunks_swapped() {
    let dir = filled(&["a"], 4000);
    let chunks = rows(dir.path(), CHUNK);
    let [(a, row_a), (b, row_b)] = chunks.as_slice() else {
        panic!("two chunks");
    };
    set(dir.path(), &[(a, Some(row_b)), (b, Some(row_a))]);
    let store = open(dir.path()).unwrap();
    assert!(matches!(
        store.get(&key("a")),
        Err(StoreError::Damaged { .. })
    ));
    assert!(matches!(
        store.list(Space::Asset, ""),
        Err(StoreError::Damaged { .. })
    ));
}

#[test]
fn detects_a_flipped_bit_in_every_kind_of_row() {
    for (kind, bytes) in [(META_KEY[0], 10), (HEAD, 10), (CHUNK, 3000)] {
        let dir = filled(&["a"], bytes);
        let (stored, row) = rows(dir.path(), kind).swap_remove(0);
        for at in [0, 1, 24, 25, row.len() / 2, row.len() - 1] {
            let mut flipped = row.to_vec();
            flipped[at] ^= 0x10;
            set(dir.path(), &[(&stored, Some(&flipped))]);
            let read = open(dir.path()).and_then(|store| store.get(&key("a")));
            assert!(
                matches!(read, Err(StoreError::Damaged { .. })),
                "{kind} {at}: {read:?}"
            );
        }
        set(dir.path(), &[(&stored, Some(&row))]);
        open(dir.path()).unwrap().get(&key("a")).unwrap().unwrap();
    }
}

#[test]
fn detects_a_head_rolled_back_removed_or_brought_back() {
    let dir = filled(&["a", "b"], 100);
    let store = open(dir.path()).unwrap();
    let stored = store.sealer.head_key(&key("a"));
    let old = store.rows.get(stored).unwrap().unwrap();
    store.put(key("a"), value(100, 77)).unwrap();
    let new = store.rows.get(stored).unwrap().unwrap();
    drop(store);
    for tampered in [Some(old.as_ref()), None] {
        set(dir.path(), &[(&stored, tampered)]);
        let refused = open(dir.path());
        assert!(matches!(refused, Err(StoreError::Altered)), "{refused:?}");
    }
    set(dir.path(), &[(&stored, Some(&new))]);
    let store = open(dir.path()).unwrap();
    store.remove(key("a")).unwrap();
    drop(store);
    set(dir.path(), &[(&stored, Some(&new))]);
    assert!(matches!(open(dir.path()), Err(StoreError::Altered)));
}

#[test]
fn detects_all_rows_rolled_back_together() {
    let dir = filled(&["a"], 100);
    let old = TempDir::new().unwrap();
    copy(&dir.path().join("rows"), old.path());
    let store = open(dir.path()).unwrap();
    store.put(key("a"), value(100, 77)).unwrap();
    drop(store);
    fs::remove_dir_all(dir.path().join("rows")).unwrap();
    copy(old.path(), &dir.path().join("rows"));
    let refused = open(dir.path()).unwrap_err();
    let StoreError::RolledBack {
        found: 1,
        acknowledged: 2,
    } = refused
    else {
        panic!("{refused:?}");
    };
    // What a person may decide, and what whoever can write the whole volume may do unseen.
    fs::remove_file(dir.path().join("watermark")).unwrap();
    assert_eq!(
        open(dir.path()).unwrap().get(&key("a")).unwrap(),
        Some(value(100, 0))
    );
}

#[test]
fn detects_a_missing_chunk_and_removes_an_orphaned_one() {
    let dir = filled(&["a"], 4000);
    let chunks = rows(dir.path(), CHUNK);
    let (stored, row) = &chunks[0];
    set(dir.path(), &[(stored, None)]);
    assert!(matches!(open(dir.path()), Err(StoreError::Altered)));
    let orphan = [&[CHUNK], [9; 32].as_slice()].concat();
    set(dir.path(), &[(stored, Some(row)), (&orphan, Some(row))]);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.get(&key("a")).unwrap(), Some(value(4000, 0)));
    drop(store);
    assert_eq!(rows(dir.path(), CHUNK), chunks);
}

#[test]
fn a_damaged_file_gives_an_error_or_the_right_value_and_never_another() {
    let dir = filled(&["a", "b", "c"], 3000);
    let path = dir.path().join("rows").join("db");
    let kept = TempDir::new().unwrap();
    copy(dir.path(), kept.path());
    let bytes = fs::read(&path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let mut errors = 0;
    for round in 0..40 {
        let mut damaged = bytes.clone();
        damaged[round * used / 40] ^= 0x04;
        fs::remove_dir_all(dir.path()).unwrap();
        copy(kept.path(), dir.path());
        fs::write(&path, damaged).unwrap();
        let Ok(store) = open(dir.path()) else {
            errors += 1;
            continue;
        };
        for (seed, name) in (0..).zip(["a", "b", "c"]) {
            match store.get(&key(name)) {
                Ok(read) => assert_eq!(read, Some(value(3000, seed)), "round {round}"),
                Err(_) => errors += 1,
            }
        }
    }
    assert!(
        errors > 0,
        "no flipped bit was in use: the test has looked at nothing"
    );
}

fn files(dir: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(fs::read(path).unwrap());
        }
    }
    found
}

fn occurs(dir: &Path, planted: &[u8]) -> bool {
    let mut files = files(dir).into_iter();
    files.any(|file| file.windows(planted.len()).any(|window| window == planted))
}

#[test]
fn planted_names_and_values_occur_in_no_file() {
    const NAME: &[u8] = b"planted:102:name";
    const VALUE: &[u8] = b"planted value of a bond";
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    let name = String::from_utf8(NAME.to_vec()).unwrap();
    store.put(key(&name), VALUE.into()).unwrap();
    store.put(key("long"), VALUE.repeat(1000).into()).unwrap();
    store.put(key("other"), VALUE.into()).unwrap();
    let mut lengths = BTreeSet::new();
    for round in 0..2 {
        assert!(!occurs(dir.path(), VALUE), "round {round}");
        assert!(!occurs(dir.path(), NAME), "round {round}");
        assert!(!occurs(dir.path(), &[0x42; 32]), "the store key");
        for (stored, _) in rows_of(&store) {
            lengths.insert(stored.len());
        }
        store
            .put(key(&name), [VALUE, b"!"].concat().into())
            .unwrap();
        store.remove(key("long")).unwrap();
    }
    assert_eq!(
        lengths,
        BTreeSet::from([1, 33, 37]),
        "every name has the same length"
    );
    drop(store);
    assert!(!occurs(dir.path(), VALUE) && !occurs(dir.path(), NAME));
    // The control: the search finds what is there, also in the database's own files.
    set(dir.path(), &[(b"control", Some(VALUE))]);
    assert!(occurs(dir.path(), VALUE));
}

fn rows_of(store: &SledStore) -> Rows {
    store.rows.iter().map(Result::unwrap).collect()
}
