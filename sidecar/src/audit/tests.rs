//! The log as its users see it: what is detected, what is recovered, what a bad disk does.

mod counters;
mod crash;
mod named;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::{
    log::{Disk, RealDisk},
    *,
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn decision(resource: &str) -> Entry {
    let mut decision = Decision::new(
        NOW,
        "fetch",
        [7; 32],
        7104,
        "not-shared",
        "00c0ffee00c0ffee",
    );
    decision.organization = Some("bank-b".into());
    decision.kid = Some([1; 16]);
    decision.resource = Some(resource.into());
    decision.purpose = Some("eligibility".into());
    decision.request = Some([9; 32]);
    decision.envelope = Some(vec![0xd2; 300]);
    decision.into()
}

fn filled(entries: u32) -> TempDir {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    for n in 0..entries {
        audit.append(&decision(&n.to_string())).unwrap();
    }
    audit.sync().unwrap();
    dir
}

fn only_segment(dir: &Path) -> PathBuf {
    dir.join(segment::file_name(1))
}

fn entries(dir: &Path) -> Vec<serde_json::Value> {
    let mut seen = Vec::new();
    visit(dir, &mut |_, entry| {
        seen.push(serde_json::from_str(entry).unwrap());
    })
    .unwrap();
    seen
}

/// Changes the lines of the only segment and expects that both the check and a start notice.
fn expect_broken_after(entries: u32, change: impl FnOnce(&mut Vec<String>)) {
    let dir = filled(entries);
    let path = only_segment(dir.path());
    let text = fs::read_to_string(&path).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    let changed = lines.join("\n") + "\n";
    assert_ne!(changed, text);
    fs::write(&path, &changed).unwrap();
    let checked = verify(dir.path());
    assert!(
        matches!(checked, Err(AuditError::Broken { .. })),
        "{checked:?}"
    );
    let opened = Audit::open(dir.path(), NOW);
    assert!(
        matches!(opened, Err(AuditError::Broken { .. })),
        "{opened:?}"
    );
    assert_eq!(
        fs::read_to_string(&path).unwrap(),
        changed,
        "left untouched"
    );
}

#[test]
fn every_entry_is_linked_by_the_documented_formula() {
    let dir = filled(3);
    let text = fs::read_to_string(only_segment(dir.path())).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let header: serde_json::Value = serde_json::from_str(lines[0]).unwrap();
    let id = header["log"].as_str().unwrap();
    let mut chain: Vec<u8> = Sha256::digest(["finp2p/audit/1", id].concat()).to_vec();
    assert_eq!(header["chain"], hex::encode(&chain));
    for line in &lines[1..] {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let at = line.find("\"entry\":").unwrap() + 8;
        let entry = &line[at..line.len() - 1];
        let link = [chain, Sha256::digest(entry).to_vec()].concat();
        chain = Sha256::digest(link).to_vec();
        assert_eq!(value["chain"], hex::encode(&chain));
    }
    let summary = verify(dir.path()).unwrap();
    assert_eq!((summary.entries, summary.torn_bytes), (3, 0));
    assert_eq!(summary.chain.to_vec(), chain);
    let reopened = Audit::open(dir.path(), NOW).unwrap();
    assert_eq!(reopened.position().chain.to_vec(), chain);
}

#[test]
fn an_entry_reads_as_the_protocol_names_its_members() {
    let dir = filled(1);
    let entry = &entries(dir.path())[0];
    let envelope = base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        vec![0xd2_u8; 300],
    );
    let expected = serde_json::json!({
        "i": 1, "k": "decision", "t": NOW.to_string(), "org": "bank-b",
        "kid": "01".repeat(16), "op": "fetch", "r": "0", "purpose": "eligibility",
        "config": "07".repeat(32), "code": 7104, "slug": "not-shared",
        "ref": "00c0ffee00c0ffee", "req": "09".repeat(32), "env": envelope,
    });
    assert_eq!(*entry, expected);
}

#[test]
fn detects_an_edited_entry() {
    expect_broken_after(5, |lines| lines[3] = lines[3].replace("7104", "0"));
}

#[test]
fn detects_an_edited_last_entry() {
    expect_broken_after(5, |lines| lines[5] = lines[5].replace("bank-b", "bank-c"));
}

#[test]
fn detects_a_dropped_entry() {
    expect_broken_after(5, |lines| drop(lines.remove(2)));
}

#[test]
fn detects_reordered_entries() {
    expect_broken_after(5, |lines| lines.swap(2, 3));
}

#[test]
fn detects_a_repeated_entry() {
    expect_broken_after(5, |lines| lines.insert(3, lines[3].clone()));
}

#[test]
fn detects_another_header() {
    expect_broken_after(5, |lines| {
        let other = if lines[0].contains("\"log\":\"0") {
            "1"
        } else {
            "0"
        };
        let at = lines[0].find("\"log\":\"").unwrap() + 7;
        lines[0].replace_range(at..=at, other);
    });
}

#[test]
fn detects_a_line_cut_in_the_middle() {
    expect_broken_after(5, |lines| {
        let half = lines[3].len() / 2;
        lines[3].truncate(half);
    });
}

#[test]
fn cuts_a_torn_end_off_and_records_it() {
    for torn in [1_usize, 40, 200] {
        let dir = filled(4);
        let path = only_segment(dir.path());
        let bytes = fs::read(&path).unwrap();
        let cut = &bytes[..bytes.len() - torn];
        fs::write(&path, cut).unwrap();
        let whole = cut.iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
        assert_eq!(
            verify(dir.path()).unwrap().torn_bytes,
            (cut.len() - whole) as u64
        );

        let audit = Audit::open(dir.path(), NOW).unwrap();
        audit.append(&decision("after")).unwrap();
        let summary = verify(dir.path()).unwrap();
        assert_eq!((summary.entries, summary.torn_bytes), (5, 0));
        let note = &entries(dir.path())[3];
        assert_eq!(note["k"], "recovered");
        assert_eq!(note["bytes"], cut.len() - whole);
        assert_eq!(note["digest"], hex::encode(Sha256::digest(&cut[whole..])));
    }
}

#[test]
fn cuts_a_long_run_of_zeros_at_the_end_off() {
    let dir = filled(2);
    let path = only_segment(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(vec![0; 2 * MAX_ENTRY_BYTES]);
    fs::write(&path, &bytes).unwrap();
    drop(Audit::open(dir.path(), NOW).unwrap());
    assert_eq!(entries(dir.path())[2]["bytes"], 2 * MAX_ENTRY_BYTES);
    // With anything after it, it is no torn end.
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend(vec![0; 2 * MAX_ENTRY_BYTES]);
    bytes.extend(b"\n");
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(
        Audit::open(dir.path(), NOW),
        Err(AuditError::Broken { .. })
    ));
}

fn small_segments(dir: &Path, disk: Box<dyn Disk>) -> Audit {
    Audit::open_on(dir, NOW, disk, 4096).unwrap()
}

#[test]
fn goes_on_in_a_new_segment_and_over_a_restart() {
    let dir = TempDir::new().unwrap();
    for _ in 0..2 {
        let audit = small_segments(dir.path(), Box::new(RealDisk));
        for n in 0..20 {
            audit.append(&decision(&n.to_string())).unwrap();
        }
    }
    let summary = verify(dir.path()).unwrap();
    assert_eq!(summary.entries, 40);
    assert!(summary.segments > 5, "{summary:?}");
    for (_, path) in segment::list(dir.path()).unwrap() {
        assert!(fs::metadata(path).unwrap().len() <= 4096);
    }
}

#[test]
fn detects_a_dropped_and_a_cut_segment() {
    let dir = TempDir::new().unwrap();
    let audit = small_segments(dir.path(), Box::new(RealDisk));
    for n in 0..20 {
        audit.append(&decision(&n.to_string())).unwrap();
    }
    drop(audit);
    let segments = segment::list(dir.path()).unwrap();
    for victim in [0, 1, segments.len() - 2] {
        let path = &segments[victim].1;
        let kept = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        assert!(matches!(verify(dir.path()), Err(AuditError::Broken { .. })));
        fs::write(path, &kept[..kept.len() - 10]).unwrap();
        assert!(matches!(verify(dir.path()), Err(AuditError::Broken { .. })));
        fs::write(path, &kept).unwrap();
    }
    verify(dir.path()).unwrap();
    // A start looks at the newest segment and at the one that it continues.
    fs::remove_file(&segments[segments.len() - 2].1).unwrap();
    assert!(matches!(
        Audit::open(dir.path(), NOW),
        Err(AuditError::Broken { .. })
    ));
}

#[test]
fn one_process_at_a_time() {
    let dir = filled(1);
    let first = Audit::open(dir.path(), NOW).unwrap();
    let second = Audit::open(dir.path(), NOW);
    assert!(matches!(second, Err(AuditError::InUse { .. })));
    drop(first);
    Audit::open(dir.path(), NOW).unwrap();
}

#[test]
fn a_long_text_is_recorded_as_its_digest_and_a_long_entry_refused() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    let long = "x".repeat(MAX_TEXT_BYTES + 1);
    audit.append(&decision(&long)).unwrap();
    let expected = format!("sha256:{}", hex::encode(Sha256::digest(&long)));
    assert_eq!(entries(dir.path())[0]["r"], expected);

    let mut large = Decision::new(NOW, "fetch", [0; 32], 0, "ok", "0");
    large.envelope = Some(vec![0; MAX_ENTRY_BYTES]);
    assert!(matches!(
        audit.append(&large.into()),
        Err(AuditError::TooLong { .. })
    ));
    let mut largest = Decision::new(NOW, "fetch", [0; 32], 0, "ok", "0");
    largest.envelope = Some(vec![0; 64 * 1024]);
    audit.append(&largest.into()).unwrap();
    assert_eq!(verify(dir.path()).unwrap().entries, 2);
}

/// A disk that fails on demand and counts.
#[derive(Default)]
struct BadDisk {
    full: AtomicBool,
    no_new_block: AtomicBool,
    sync_fails: AtomicBool,
    syncs: AtomicU64,
}

impl Disk for Arc<BadDisk> {
    fn write(&self, file: &mut &File, bytes: &[u8]) -> io::Result<()> {
        if self.full.load(SeqCst) {
            // As on a real full disk, a part of it fits.
            RealDisk.write(file, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.write(file, bytes)
    }

    fn try_write(&self, dir: &Path) -> io::Result<()> {
        if self.full.load(SeqCst) || self.no_new_block.load(SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealDisk.try_write(dir)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.syncs.fetch_add(1, SeqCst);
        if self.sync_fails.load(SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        RealDisk.sync(file)
    }
}

#[test]
fn a_full_disk_refuses_the_entry_and_recovers_without_a_restart() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(BadDisk::default());
    let audit = small_segments(dir.path(), Box::new(disk.clone()));
    audit.append(&decision("before")).unwrap();
    disk.full.store(true, SeqCst);
    for _ in 0..3 {
        let refused = audit.append(&decision("refused"));
        assert!(matches!(refused, Err(AuditError::Write { .. })));
    }
    disk.full.store(false, SeqCst);
    // A durable entry looks by itself whether there is room.
    let position = audit.append_durable(&decision("after")).unwrap();
    assert_eq!(position.index, 2);
    let summary = verify(dir.path()).unwrap();
    assert_eq!((summary.entries, summary.torn_bytes), (2, 0));
    assert_eq!(summary.chain, position.chain);
}

#[test]
fn the_log_knows_that_it_cannot_be_written_and_when_it_can_again() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(BadDisk::default());
    let audit = small_segments(dir.path(), Box::new(disk.clone()));
    audit.check().unwrap();
    assert!(audit.trouble().is_none());
    // Nobody asks for an entry, and it is noticed.
    disk.full.store(true, SeqCst);
    assert!(audit.trouble().is_none());
    assert!(matches!(audit.check(), Err(AuditError::Write { .. })));
    assert!(matches!(audit.trouble(), Some(AuditError::Write { .. })));
    disk.full.store(false, SeqCst);
    audit.check().unwrap();
    assert!(audit.trouble().is_none());
    audit.append(&decision("written")).unwrap();
    // An entry notices it too.
    disk.full.store(true, SeqCst);
    audit.append(&decision("refused")).unwrap_err();
    assert!(audit.trouble().is_some());
    disk.full.store(false, SeqCst);
    audit.check().unwrap();
    audit.append(&decision("written")).unwrap();
    // To look leaves nothing behind.
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 2, "{files:?}");
}

#[test]
fn a_full_disk_takes_no_entry_although_its_last_block_has_room() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(BadDisk::default());
    let audit = small_segments(dir.path(), Box::new(disk.clone()));
    audit.append(&decision("before")).unwrap();
    // No new block is to be had, and what stands in the last one can grow.
    disk.no_new_block.store(true, SeqCst);
    audit.check().unwrap_err();
    for _ in 0..3 {
        let refused = audit.append(&decision("would fit"));
        assert!(matches!(refused, Err(AuditError::Write { .. })));
        assert!(audit.trouble().is_some());
    }
    disk.no_new_block.store(false, SeqCst);
    audit.append(&decision("nobody looked yet")).unwrap_err();
    audit.check().unwrap();
    assert_eq!(audit.append(&decision("after")).unwrap().index, 2);
    assert_eq!(verify(dir.path()).unwrap().entries, 2);
}

#[test]
fn a_log_whose_files_were_deleted_stops() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("audit");
    let audit = Audit::open(&path, NOW).unwrap();
    audit.append(&decision("written")).unwrap();
    fs::remove_file(only_segment(&path)).unwrap();
    for _ in 0..2 {
        assert!(matches!(audit.check(), Err(AuditError::Stopped { .. })));
        assert!(audit.append(&decision("lost")).is_err());
    }
    assert!(audit.trouble().unwrap().to_string().contains("deleted"));
}

#[test]
fn a_failed_sync_stops_the_log_for_good() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(BadDisk::default());
    let audit = small_segments(dir.path(), Box::new(disk.clone()));
    audit.append(&decision("written")).unwrap();
    disk.sync_fails.store(true, SeqCst);
    assert!(matches!(audit.sync(), Err(AuditError::Stopped { .. })));
    disk.sync_fails.store(false, SeqCst);
    let syncs = disk.syncs.load(SeqCst);
    assert!(matches!(audit.sync(), Err(AuditError::Stopped { .. })));
    let refused = audit.append(&decision("refused"));
    assert!(matches!(refused, Err(AuditError::Stopped { .. })));
    assert_eq!(
        disk.syncs.load(SeqCst),
        syncs,
        "a failed sync is not tried again"
    );
    drop(audit);
    Audit::open(dir.path(), NOW)
        .unwrap()
        .append(&decision("x"))
        .unwrap();
}

#[test]
fn syncs_before_a_durable_answer_and_at_least_every_256_entries() {
    let dir = TempDir::new().unwrap();
    let disk = Arc::new(BadDisk::default());
    let audit = Audit::open_on(dir.path(), NOW, Box::new(disk.clone()), MAX_SEGMENT_BYTES).unwrap();
    audit.append_durable(&decision("strict")).unwrap();
    assert_eq!(disk.syncs.load(SeqCst), 1);
    for _ in 1..MAX_UNSYNCED {
        audit.append(&decision("standard")).unwrap();
    }
    assert_eq!(disk.syncs.load(SeqCst), 1);
    audit.append(&decision("standard")).unwrap();
    assert_eq!(disk.syncs.load(SeqCst), 2);
    audit.sync().unwrap();
    assert_eq!(disk.syncs.load(SeqCst), 2, "nothing was left to sync");
}

#[test]
fn many_threads_write_one_chain() {
    let dir = TempDir::new().unwrap();
    let audit = small_segments(dir.path(), Box::new(RealDisk));
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let audit = &audit;
            scope.spawn(move || {
                for n in 0..25 {
                    audit.append(&decision(&format!("{thread}/{n}"))).unwrap();
                    let pair = [decision("a"), decision("b")];
                    audit.append_all(&pair).unwrap();
                    audit.append_durable(&decision("c")).unwrap();
                }
            });
        }
    });
    assert_eq!(audit.position().index, 400);
    assert_eq!(verify(dir.path()).unwrap().entries, 400);
}
