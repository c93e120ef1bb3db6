//! A killed process and a full disk: what was answered for is in the log, and the log is whole.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use super::*;

const DIR: &str = "FINP2P_TEST_AUDIT_DIR";
const WRITERS: u64 = 3;

fn say(line: &str) {
    let mut out = io::stdout().lock();
    out.write_all(format!("\n{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Runs one of the ignored tests of this file in a process of its own, after `limit`.
fn child(test: &str, dir: &Path, limit: &str) -> Child {
    Command::new("sh")
        .args(["-c", &format!("{limit} exec \"$0\" \"$@\"")])
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "--test-threads=1"])
        .arg(format!("audit::tests::crash::{test}"))
        .env(DIR, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn log_of_this_process() -> Audit {
    let dir = std::env::var_os(DIR).expect("run by another test only");
    Audit::open(Path::new(&dir), NOW).unwrap()
}

#[test]
#[ignore = "the process that another test kills"]
fn records_until_killed() {
    let audit = log_of_this_process();
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let audit = &audit;
            scope.spawn(move || {
                for n in 0.. {
                    let entry = decision(&format!("{writer}/{n}"));
                    let position = match writer {
                        0 => audit.append_durable(&entry),
                        _ => audit.append(&entry),
                    };
                    say(&format!("ack {} {writer}/{n}", position.unwrap().index));
                }
            });
        }
    });
}

#[test]
fn a_killed_process_has_recorded_everything_that_it_answered() {
    let dir = TempDir::new().unwrap();
    for round in 0..10_usize {
        let mut process = child("records_until_killed", dir.path(), "");
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut acks = lines
            .map_while(Result::ok)
            .filter_map(|line| line.strip_prefix("ack ").map(str::to_owned));
        let mut seen: Vec<String> = acks.by_ref().take(1 + round * 53 % 400).collect();
        process.kill().unwrap();
        seen.extend(acks);
        process.wait().unwrap();
        assert!(!seen.is_empty());

        // Without a repair first: the check must not need one.
        verify(dir.path()).unwrap();
        drop(Audit::open(dir.path(), NOW).unwrap());
        let recorded = entries(dir.path());
        for ack in seen {
            let (index, resource) = ack.split_once(' ').unwrap();
            let entry = &recorded[index.parse::<usize>().unwrap() - 1];
            assert_eq!(entry["r"], resource, "round {round}");
        }
    }
}

#[test]
#[ignore = "the process that another test gives a full disk"]
fn fills_the_disk() {
    let audit = log_of_this_process();
    loop {
        match audit.append(&decision("x")) {
            Ok(position) => say(&format!("ack {}", position.index)),
            Err(AuditError::Write { .. }) => break,
            Err(error) => panic!("{error:?}"),
        }
    }
    // Files may still be made, and a smaller entry may fit: the log goes on from its last whole one.
    audit.check().unwrap();
    let small = Decision::new(NOW, "x", [0; 32], 0, "ok", "0");
    let small = audit.append(&small.into());
    assert!(matches!(small, Ok(_) | Err(AuditError::Write { .. })));
    say(&format!("end {}", audit.position().index));
}

#[test]
fn a_full_disk_leaves_the_log_whole() {
    let dir = TempDir::new().unwrap();
    // The signal that comes with the limit is ignored: the write fails, as on a full disk.
    let limit = "trap '' XFSZ; ulimit -f 64;";
    let process = child("fills_the_disk", dir.path(), limit);
    let output = process.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let number = |word| {
        let found = text.lines().rev().find_map(|line| line.strip_prefix(word));
        found.unwrap().parse::<u64>().unwrap()
    };
    assert!(number("ack ") > 10);
    let summary = verify(dir.path()).unwrap();
    assert_eq!((summary.entries, summary.torn_bytes), (number("end "), 0));
    Audit::open(dir.path(), NOW)
        .unwrap()
        .append(&decision("after"))
        .unwrap();
}
