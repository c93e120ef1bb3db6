//! Crashes and full disks: what was acknowledged is there, and nothing is half there.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
        mpsc,
    },
};

use tempfile::TempDir;

use super::{super::Disk, super::RealDisk, *};
use crate::store::Write as Change;

pub(super) const DIR: &str = "FINP2P_TEST_STORE_DIR";
pub(super) const ROUND: &str = "FINP2P_TEST_STORE_ROUND";
pub(super) const WRITERS: u64 = 4;

/// Short, full and chunked values in turn, each telling who wrote it.
pub(super) fn numbered(round: u64, writer: u64, n: u64) -> Value {
    let bytes = [40, 1500, 2500, 9000][(n % 4) as usize];
    let mut text = format!("{round} {writer} {n} ").into_bytes();
    text.extend(value(bytes, round ^ n).iter());
    text.into()
}

pub(super) fn row_name(round: u64, writer: u64, n: u64) -> Key {
    key(&format!("{round}/{writer}/{n}"))
}

fn last_name(round: u64, writer: u64) -> Key {
    key(&format!("last/{round}/{writer}"))
}

/// Says on standard output what was acknowledged; one write each, so that a kill tears no line
/// that it does not end.
pub(super) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Runs one of the ignored tests of this folder in a process of its own.
pub(super) fn child(test: &str, dir: &Path, round: u64) -> Child {
    let program = std::env::current_exe().unwrap();
    // A file may grow to 2 MiB only where that is asked for; the signal that comes with the
    // limit is ignored, so that the write fails as on a full disk.
    let script = match test {
        "crash::fills_the_disk" => "trap '' XFSZ; ulimit -f 4096; exec \"$0\" \"$@\"",
        _ => "exec \"$0\" \"$@\"",
    };
    Command::new("sh")
        .args(["-c", script])
        .arg(program)
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("store::sled::tests::{test}"))
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

pub(super) fn environment() -> (PathBuf, u64) {
    let dir = std::env::var_os(DIR).expect("run by another test only");
    let round = std::env::var(ROUND).unwrap();
    (dir.into(), round.parse().unwrap())
}

#[test]
#[ignore = "the process that another test kills"]
fn writes_until_killed() {
    let (dir, round) = environment();
    let store = open(&dir).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for n in 0.. {
                    let writes = vec![
                        Change::Put(row_name(round, writer, n), numbered(round, writer, n)),
                        Change::Put(last_name(round, writer), numbered(round, writer, n)),
                    ];
                    store.commit(writes).unwrap();
                    say(&format!("ack {writer} {n}"));
                }
            });
        }
    });
}

/// The acknowledgements among lines, as (writer, n).
pub(super) fn acks(lines: impl Iterator<Item = String>) -> Vec<(u64, u64)> {
    lines
        .filter_map(|line| {
            let (writer, n) = line.strip_prefix("ack ")?.split_once(' ')?;
            Some((writer.parse().unwrap(), n.parse().unwrap()))
        })
        .collect()
}

#[test]
fn a_killed_process_loses_nothing_that_it_acknowledged() {
    let dir = TempDir::new().unwrap();
    let mut acked = 0;
    for round in 0..12_u64 {
        let mut process = child("crash::writes_until_killed", dir.path(), round);
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // Another moment in every round; the first one right at the start.
        let enough = 1 + (round * 37 % 120) as usize;
        let mut seen = Vec::new();
        while seen.len() < enough {
            let line = lines
                .next()
                .expect("the writer has ended by itself")
                .unwrap();
            seen.extend(acks(std::iter::once(line)));
        }
        process.kill().unwrap();
        seen.extend(acks(lines.map_while(Result::ok)));
        process.wait().unwrap();

        let store = open(dir.path()).unwrap();
        for (writer, n) in &seen {
            let read = store.get(&row_name(round, *writer, *n)).unwrap();
            assert_eq!(
                read,
                Some(numbered(round, *writer, *n)),
                "{round} {writer} {n}"
            );
        }
        for writer in 0..WRITERS {
            // Both rows of a commit or none, also of the last one, which nobody acknowledged.
            let Some(last) = store.get(&last_name(round, writer)).unwrap() else {
                assert!(seen.iter().all(|(by, _)| *by != writer));
                continue;
            };
            let rows = store
                .names(Space::Asset, &format!("{round}/{writer}/"))
                .unwrap();
            let n = rows.len() as u64 - 1;
            assert_eq!(last, numbered(round, writer, n));
            assert!(seen.iter().all(|(by, acked)| *by != writer || *acked <= n));
        }
        acked += seen.len();
    }
    assert!(acked >= 12, "{acked}");
}

/// A disk with room at the start: no file of this process may grow as large as what is tried then.
struct RoomAtFirst(AtomicBool);

impl Disk for Arc<RoomAtFirst> {
    fn try_room(&self, dir: &Path, bytes: u64) -> std::io::Result<()> {
        match self.0.swap(false, SeqCst) {
            true => Ok(()),
            false => RealDisk.try_room(dir, bytes),
        }
    }
}

#[test]
#[ignore = "the process that another test gives a full disk"]
fn fills_the_disk() {
    let (dir, round) = environment();
    let store = open_on(&dir, &Arc::new(RoomAtFirst(AtomicBool::new(true))));
    for n in 0.. {
        match store.put(row_name(round, 0, n), numbered(round, 0, n)) {
            Ok(()) => say(&format!("ack 0 {n}")),
            Err(StoreError::Stopped { step, full: true }) => {
                say(&format!("stopped {step}"));
                break;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
    let refused = store.put(key("more"), value(1, 1));
    assert!(matches!(refused, Err(StoreError::Stopped { .. })));
    let full = store.stopped.get().unwrap().full;
    // The disk is full still: a restart would not help.
    assert!(store.trouble().is_some() && !store.wants_restart());
    say(&format!("full {full}"));
    // A read that needs the disk may meet the failure again, but never another value.
    match store.get(&row_name(round, 0, 0)) {
        Ok(read) => assert_eq!(read, Some(numbered(round, 0, 0))),
        Err(error) => assert!(matches!(error, StoreError::Rows { .. }), "{error:?}"),
    }
    say("read");
    // The database may try to write once more when it is dropped: as in a pod that is stopped.
    std::process::exit(0);
}

#[test]
fn a_full_disk_stops_the_store_and_loses_nothing_that_was_acknowledged() {
    let dir = TempDir::new().unwrap();
    let mut process = child("crash::fills_the_disk", dir.path(), 0);
    let stdout = process.stdout.take().unwrap();
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = BufReader::new(stdout).read_to_string(&mut text);
        let _ = send.send(read.map(|_| text));
    });
    let Ok(text) = receive.recv_timeout(DEADLINE) else {
        process.kill().unwrap();
        panic!("the writer hangs on a full disk");
    };
    let text = text.unwrap();
    assert!(process.wait().unwrap().success(), "{text}");
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines.iter().any(|line| line.starts_with("stopped ")),
        "{:?}",
        lines.last()
    );
    assert!(lines.contains(&"full true"), "{lines:?}");
    assert!(lines.contains(&"read"));
    let seen = acks(lines.iter().map(|line| (*line).to_owned()));
    assert!(!seen.is_empty());
    let store = open(dir.path()).unwrap();
    for (_, n) in seen {
        assert_eq!(
            store.get(&row_name(0, 0, n)).unwrap(),
            Some(numbered(0, 0, n)),
            "{n}"
        );
    }
    store.put(key("more"), value(1, 1)).unwrap();
}

pub(super) fn open_on<D>(dir: &Path, disk: &Arc<D>) -> SledStore
where
    Arc<D>: Disk + 'static,
{
    let open = || SledStore::open_on(dir, &store_key(), Box::new(disk.clone()));
    patiently(open, |error| {
        matches!(error, StoreError::File { step: "open", .. })
    })
    .unwrap()
}

/// A disk whose first sync waits until it is told to go on.
struct Gate {
    syncs: AtomicU64,
    entered: Barrier,
    go_on: Barrier,
}

impl Disk for Arc<Gate> {
    fn sync(&self, rows: &fs::File) -> std::io::Result<()> {
        if self.syncs.fetch_add(1, SeqCst) == 0 {
            self.entered.wait();
            self.go_on.wait();
        }
        RealDisk.sync(rows)
    }
}

#[test]
fn writers_share_a_sync_and_readers_see_only_what_is_durable() {
    let dir = TempDir::new().unwrap();
    let gate = Arc::new(Gate {
        syncs: AtomicU64::new(0),
        entered: Barrier::new(2),
        go_on: Barrier::new(2),
    });
    let store = open_on(dir.path(), &gate);
    let name = |n: u64| key(&n.to_string());
    std::thread::scope(|scope| {
        let store = &store;
        scope.spawn(move || store.put(name(0), value(10, 0)).unwrap());
        gate.entered.wait();
        for n in 1..=8 {
            scope.spawn(move || store.put(name(n), value(10, n)).unwrap());
        }
        // All of them are applied while the first sync is under way.
        wait_until(|| store.census.lock().unwrap().revision == 9);
        assert!(listing(store).is_empty());
        assert_eq!(store.get(&name(0)).unwrap(), None);
        gate.go_on.wait();
    });
    assert_eq!(
        gate.syncs.load(SeqCst),
        2,
        "one for the first, one for the eight"
    );
    for n in 0..=8 {
        assert_eq!(store.get(&name(n)).unwrap(), Some(value(10, n)));
    }
}

#[test]
fn a_row_written_again_before_the_sync_shows_each_durable_value_in_turn() {
    let dir = TempDir::new().unwrap();
    let gate = Arc::new(Gate {
        syncs: AtomicU64::new(0),
        entered: Barrier::new(2),
        go_on: Barrier::new(2),
    });
    let store = open(dir.path()).unwrap();
    store.put(key("a"), value(3000, 0)).unwrap();
    drop(store);
    let store = open_on(dir.path(), &gate);
    std::thread::scope(|scope| {
        let store = &store;
        scope.spawn(move || {
            store.put(key("a"), value(3000, 1)).unwrap();
            // Its own write is acknowledged: it or a later one is to be seen, never the old one.
            assert_ne!(store.get(&key("a")).unwrap(), Some(value(3000, 0)));
        });
        gate.entered.wait();
        scope.spawn(move || store.put(key("a"), value(3000, 2)).unwrap());
        wait_until(|| store.census.lock().unwrap().revision == 3);
        assert_eq!(store.get(&key("a")).unwrap(), Some(value(3000, 0)));
        gate.go_on.wait();
    });
    assert_eq!(store.get(&key("a")).unwrap(), Some(value(3000, 2)));
    assert_eq!(
        store
            .rows
            .scan_prefix([crate::store::sealed::CHUNK])
            .count(),
        2
    );
}

/// Waits for a condition that another thread brings about.
#[allow(clippy::disallowed_methods)]
fn wait_until(condition: impl Fn() -> bool) {
    // Only for the deadline: no decision of the store depends on it.
    let begin = std::time::Instant::now();
    while !condition() {
        assert!(
            begin.elapsed() < DEADLINE,
            "the condition did not come about"
        );
        std::thread::yield_now();
    }
}
