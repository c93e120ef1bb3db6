//! What is refused at the door, and that nothing is ever made anew over existing data.

use tempfile::TempDir;

use super::*;

/// A closed store with one row.
fn made() -> TempDir {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    store.put(key("kept"), value(5000, 1)).unwrap();
    dir
}

fn expect_kept(dir: &Path) {
    let store = open(dir).unwrap();
    assert_eq!(store.get(&key("kept")).unwrap(), Some(value(5000, 1)));
}

#[test]
fn refuses_another_store_key_and_names_both() {
    let dir = made();
    let other = StoreKey::from([0x43; 32]);
    let refused = SledStore::open(dir.path(), &other).unwrap_err();
    let StoreError::WrongKey { expected, offered } = &refused else {
        panic!("{refused:?}");
    };
    assert_eq!(*expected, store_key().fingerprint());
    assert_eq!(*offered, other.fingerprint());
    assert!(refused.to_string().contains("mount the right key"));
    expect_kept(dir.path());
}

#[test]
fn refuses_a_second_opener_until_the_first_is_gone() {
    let dir = made();
    let first = open(dir.path()).unwrap();
    let refused = open(dir.path());
    assert!(
        matches!(refused, Err(StoreError::InUse { .. })),
        "{refused:?}"
    );
    drop(first);
    expect_kept(dir.path());
}

#[test]
fn refuses_rows_without_a_keyring_and_makes_none() {
    let dir = made();
    let keyring = dir.path().join("keyring");
    let kept = fs::read(&keyring).unwrap();
    for also in ["none", "watermark"] {
        let _ = fs::remove_file(dir.path().join(also));
        let _ = fs::remove_file(&keyring);
        let refused = open(dir.path());
        assert!(
            matches!(refused, Err(StoreError::KeyringMissing { .. })),
            "{refused:?}"
        );
        assert!(!keyring.exists());
    }
    fs::write(&keyring, kept).unwrap();
    expect_kept(dir.path());
}

#[test]
fn refuses_a_keyring_without_its_rows() {
    let dir = made();
    fs::remove_dir_all(dir.path().join("rows")).unwrap();
    let refused = open(dir.path());
    assert!(
        matches!(refused, Err(StoreError::DataMissing { .. })),
        "{refused:?}"
    );
    assert!(!dir.path().join("rows").exists());
    // An empty database in their place is no better.
    drop(raw(dir.path()));
    let refused = open(dir.path());
    assert!(
        matches!(refused, Err(StoreError::DataMissing { .. })),
        "{refused:?}"
    );
}

#[test]
fn refuses_a_damaged_keyring_wherever_it_is_damaged() {
    let dir = made();
    let path = dir.path().join("keyring");
    let kept = fs::read(&path).unwrap();
    for at in 0..kept.len() {
        let mut damaged = kept.clone();
        damaged[at] ^= 1;
        fs::write(&path, &damaged).unwrap();
        let refused = SledStore::open(dir.path(), &store_key());
        // White space and the letter case of hex digits carry nothing.
        let same = String::from_utf8(damaged).is_ok_and(|text| {
            let meaning = |text: &[u8]| serde_json::from_slice::<serde_json::Value>(text).ok();
            meaning(text.as_bytes()) == meaning(&kept)
        });
        assert_eq!(refused.is_ok(), same, "byte {at}: {refused:?}");
    }
    fs::write(&path, &kept[..40]).unwrap();
    assert!(matches!(open(dir.path()), Err(StoreError::KeyringDamaged)));
    fs::write(&path, kept).unwrap();
    expect_kept(dir.path());
}

#[test]
fn refuses_a_store_of_a_newer_version() {
    let dir = made();
    let path = dir.path().join("keyring");
    let newer = r#"{"format": 2, "whatever": "comes"}"#;
    fs::write(&path, newer).unwrap();
    let refused = open(dir.path());
    assert!(
        matches!(refused, Err(StoreError::Format { found: 2, known: 1 })),
        "{refused:?}"
    );
}

#[test]
fn goes_on_after_a_crash_while_it_was_being_made() {
    // Only the keyring was written; then also an empty database.
    let dir = made();
    let fresh = TempDir::new().unwrap();
    fs::copy(dir.path().join("keyring"), fresh.path().join("keyring")).unwrap();
    open(fresh.path()).unwrap();
    fs::remove_file(fresh.path().join("watermark")).unwrap();
    let store = open(fresh.path()).unwrap();
    assert!(listing(&store).is_empty());
    store.put(key("first"), value(1, 1)).unwrap();
}

#[test]
fn a_corrupt_database_is_an_error_and_not_an_empty_store() {
    let dir = made();
    let path = dir.path().join("rows").join("db");
    let kept = fs::read(&path).unwrap();
    let zeros = vec![0; kept.len()];
    let noise = value(kept.len(), 99).to_vec();
    let half = kept[..kept.len() / 2].to_vec();
    let short = kept[..100].to_vec();
    for (what, bytes) in [
        ("zeros", zeros),
        ("noise", noise),
        ("half", half),
        ("short", short),
    ] {
        fs::write(&path, &bytes).unwrap();
        match open(dir.path()) {
            Ok(store) => assert_eq!(
                store.get(&key("kept")).unwrap(),
                Some(value(5000, 1)),
                "{what}: opened without what was acknowledged"
            ),
            Err(error) => assert!(
                matches!(
                    error,
                    StoreError::Corrupt { .. }
                        | StoreError::DataMissing { .. }
                        | StoreError::Altered
                        | StoreError::RolledBack { .. }
                ),
                "{what}: {error:?}"
            ),
        }
    }
}

#[test]
fn refuses_a_damaged_watermark_and_accepts_none() {
    let dir = made();
    let path = dir.path().join("watermark");
    let kept = fs::read(&path).unwrap();
    for bad in [vec![], vec![0; kept.len()], kept[..64].to_vec()] {
        fs::write(&path, bad).unwrap();
        assert!(matches!(
            open(dir.path()),
            Err(StoreError::WatermarkDamaged)
        ));
    }
    // One torn slot leaves the other.
    let mut torn = kept.clone();
    torn[..64].fill(0);
    fs::write(&path, torn).unwrap();
    expect_kept(dir.path());
    fs::remove_file(&path).unwrap();
    expect_kept(dir.path());
}

#[test]
fn goes_on_after_a_full_disk_cut_off_what_the_database_was_writing() {
    let dir = made();
    // What a start on a full disk leaves: a snapshot that was begun, and nothing in it.
    let unfinished = dir.path().join("rows/snap.FFFFFFFFFFFFFFF0.generating");
    std::fs::write(&unfinished, []).unwrap();
    expect_kept(dir.path());
    assert!(!unfinished.exists());
}
