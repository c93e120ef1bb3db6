//! A volume that is really full: a small one of its own, in a namespace that nobody else sees.

use std::{
    collections::BTreeMap,
    fs::OpenOptions,
    io::{BufRead as _, BufReader, Write as _},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use jiff::Timestamp;
use tempfile::TempDir;

use super::{
    crash::{DIR, ROUND, WRITERS, acks, child, environment, numbered, row_name, say},
    *,
};
use crate::audit::{self, Change};
use crate::store::sled::Disk;
use crate::volume::{self, Volume, VolumeError};

/// How many times the volume is filled, and its process killed.
const ROUNDS: u64 = 15;
/// What is free at the start on a full volume, in bytes, in turn: less than a store needs.
const FREE_BYTES: [u64; 5] = [0, 4096, 64 * 1024, 1024 * 1024, 3 * 1024 * 1024];
/// What the outer process asks of the inner one that only looks whether there can be such a volume.
const JUST_LOOK: u64 = u64::MAX;

type Files = BTreeMap<PathBuf, Vec<u8>>;

/// A volume that has no room, and how much it was asked for.
struct Full(AtomicU64);

impl Disk for Arc<Full> {
    fn try_room(&self, _: &Path, bytes: u64) -> std::io::Result<()> {
        self.0.store(bytes, SeqCst);
        Err(std::io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn a_store_is_not_opened_without_room_and_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    open(dir.path())
        .unwrap()
        .put(key("a"), value(5000, 1))
        .unwrap();
    let before = files(dir.path());
    let full = Arc::new(Full(AtomicU64::new(0)));
    let disk = Box::new(Arc::clone(&full));
    let refused = SledStore::open_on(dir.path(), &store_key(), disk).unwrap_err();
    assert!(matches!(refused, StoreError::Full { .. }), "{refused:?}");
    let told = refused.to_string();
    assert!(told.contains("MiB free to be opened"), "{told}");
    assert!(told.contains(&dir.path().display().to_string()), "{told}");
    assert_untouched(&before, &files(dir.path()), 0);
    // More, the more there is.
    let rows = fs::metadata(dir.path().join("rows/db")).unwrap().len();
    assert_eq!(full.0.load(SeqCst), 4 * 1024 * 1024 + rows / 8);
    let store = open(dir.path()).unwrap();
    assert_eq!(store.get(&key("a")).unwrap(), Some(value(5000, 1)));
}

#[test]
fn a_full_volume_is_not_touched_and_loses_nothing_once_there_is_room() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("volume")).unwrap();
    // As root; as anybody; not everywhere is either allowed.
    let ways: [&[&str]; 2] = [&["--mount"], &["--mount", "--user", "--map-root-user"]];
    let run = |way: &[&str], round: u64| {
        let inner = "store::sled::tests::full::fills_a_small_volume_and_is_killed";
        Command::new("unshare")
            .args(way)
            .args(["sh", "-c"])
            .arg("mount -t tmpfs -o size=32m,mode=700 small \"$0/volume\" && exec \"$@\"")
            .arg(dir.path())
            .arg(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", inner])
            .env(DIR, dir.path())
            .env(ROUND, round.to_string())
            .output()
    };
    let works = |way: &&&[&str]| run(way, JUST_LOOK).is_ok_and(|done| done.status.success());
    let Some(way) = ways.iter().find(works) else {
        assert!(
            std::env::var_os("CI").is_none(),
            "no volume can be mounted here"
        );
        // Not by a macro, whose text nobody sees of a test that passes.
        let mut loud = std::io::stderr().lock();
        let _ = loud.write_all(b"\nSKIPPED: no small volume can be mounted; run this as root\n\n");
        return;
    };
    let done = run(way, 0).unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (said(&done.stdout), said(&done.stderr));
    assert!(done.status.success(), "{out}\n{err}");
    assert!(out.contains("1 passed"), "{out}");
}

fn open_volume(dir: &Path) -> Result<Volume, VolumeError> {
    let (state, key) = (dir.join("volume/state"), dir.join("store.key"));
    volume::open(&state, &key, Timestamp::UNIX_EPOCH)
}

#[test]
#[ignore = "the process that another test gives a small volume"]
fn fills_a_small_volume_and_is_killed() {
    let (dir, round) = environment();
    if round == JUST_LOOK {
        return;
    }
    store_key().write_new(&dir.join("store.key")).unwrap();
    let (mut acked, mut torn) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let (rows, audited) = write_fill_and_kill(&dir, round);
        let filler = Filler(dir.join("volume/filler"));
        if round.is_multiple_of(3) {
            filler.leave(4096);
            tear(&dir.join("volume/state/audit"));
            torn += 1;
        }
        filler.fill();
        filler.leave(FREE_BYTES[(round % 5) as usize]);

        let before = files(&dir.join("volume/state"));
        for start in 0..3 {
            let refused = open_volume(&dir);
            let is_full = matches!(refused, Err(VolumeError::Store(StoreError::Full { .. })));
            assert!(is_full, "round {round}, start {start}: {:?}", refused.err());
            assert_untouched(&before, &files(&dir.join("volume/state")), round);
        }

        fs::remove_file(filler.0).unwrap();
        let volume = open_volume(&dir).unwrap();
        expect(&volume, round, &rows);
        assert!(volume.audit.position().index >= audited, "round {round}");
        assert!(
            recovered(&dir.join("volume/state/audit")) >= torn,
            "round {round}"
        );
        acked.push(rows);
    }
    let volume = open_volume(&dir).unwrap();
    for (round, rows) in (0..).zip(&acked) {
        expect(&volume, round, rows);
    }
}

fn assert_untouched(before: &Files, after: &Files, round: u64) {
    let names = |files: &Files| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(after), names(before), "round {round}");
    for (path, bytes) in before {
        let same = after.get(path) == Some(bytes);
        assert!(same, "round {round}: {} was touched", path.display());
    }
}

fn expect(volume: &Volume, round: u64, rows: &[(u64, u64)]) {
    for (writer, n) in rows {
        let row = volume.store.get(&row_name(round, *writer, *n)).unwrap();
        let there = row == Some(numbered(round, *writer, *n));
        assert!(there, "row {n} of writer {writer} of round {round} is lost");
    }
}

/// The rows that a process has acknowledged before it was killed on a full volume, and how many
/// entries of the audit log.
fn write_fill_and_kill(dir: &Path, round: u64) -> (Vec<(u64, u64)>, u64) {
    let mut process = child("full::writes_until_killed_on_a_full_volume", dir, round);
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let mut until = |enough: &dyn Fn(&[String]) -> bool| {
        while !enough(&said) {
            let line = lines.next().expect("the writer has ended by itself");
            said.push(line.unwrap());
        }
    };
    let enough = (20 + round * 37 % 120) as usize;
    until(&|said| acks(said.iter().cloned()).len() >= enough);
    Filler(dir.join("volume/filler")).fill();
    if round.is_multiple_of(2) {
        until(&|said| said.iter().any(|line| line == "stopped"));
    }
    process.kill().unwrap();
    said.extend(lines.map_while(Result::ok));
    process.wait().unwrap();
    let audited = said.iter().filter_map(|line| line.strip_prefix("audit "));
    let audited = audited.map(|index| index.parse().unwrap()).max();
    (acks(said.iter().cloned()), audited.unwrap_or(0))
}

#[test]
#[ignore = "the process that another test kills on a full volume"]
fn writes_until_killed_on_a_full_volume() {
    let (dir, round) = environment();
    let Volume { store, audit } = open_volume(&dir).unwrap();
    let change = Change {
        at: Timestamp::UNIX_EPOCH,
        what: "configuration-applied".to_owned(),
        digest: [1; 32],
        sequence: Some(round),
        objects: Vec::new(),
        more: 0,
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (store, audit, change) = (&store, &audit, &change);
            scope.spawn(move || {
                for n in 0.. {
                    match store.put(row_name(round, writer, n), numbered(round, writer, n)) {
                        Ok(()) => say(&format!("ack {writer} {n}")),
                        Err(StoreError::Stopped { .. }) => return say("stopped"),
                        Err(error) => panic!("{error:?}"),
                    }
                    if let Ok(position) = audit.append_durable(&change.clone().into()) {
                        say(&format!("audit {}", position.index));
                    }
                }
            });
        }
    });
    // Until it is killed.
    loop {
        std::thread::park();
    }
}

/// A file that takes what room there is.
struct Filler(PathBuf);

impl Filler {
    fn fill(&self) {
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.0)
            .unwrap();
        // In pages: so many of a larger piece fit as there is room for.
        let piece = [1; 256 * 1024];
        let full = loop {
            if let Err(error) = file.write_all(&piece) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }

    /// Gives so many bytes back.
    fn leave(&self, bytes: u64) {
        let file = OpenOptions::new().write(true).open(&self.0).unwrap();
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(bytes)).unwrap();
    }
}

/// Half a line at the end of the newest segment, as a crash in the middle of a write leaves it.
fn tear(audit: &Path) {
    let files = fs::read_dir(audit)
        .unwrap()
        .map(|file| file.unwrap().path());
    let segments = files.filter(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let newest = segments.max().unwrap();
    let mut newest = OpenOptions::new().append(true).open(newest).unwrap();
    newest.write_all(br#"{"chain":"00"#).unwrap();
}

/// How many entries say that a torn end was cut off.
fn recovered(audit: &Path) -> usize {
    let mut recovered = 0;
    audit::visit(audit, &mut |_, text| {
        let entry: serde_json::Value = serde_json::from_str(text).unwrap();
        recovered += usize::from(entry["k"] == "recovered");
    })
    .unwrap();
    recovered
}

/// Every file below `dir`, and what is in it.
fn files(dir: &Path) -> Files {
    let mut found = BTreeMap::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), fs::read(path).unwrap());
        }
    }
    found
}
