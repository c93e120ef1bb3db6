use std::time::Instant;

use super::*;

/// Longest that a tiny child may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn shell(folder: &Path, script: &str) -> Launch {
    Launch {
        program: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
        log: folder.join("log"),
    }
}

/// Waits for a condition, or says what was waited for.
#[allow(clippy::disallowed_methods)] // a deadline, not a decision
fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn is_alive(process: u32) -> bool {
    // A child that ended and was not waited for is a zombie, and counts as gone.
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| !rest.starts_with(" Z"))
    })
}

fn started(event: &Event) -> u32 {
    match event {
        Event::Started { process } => *process,
        other => panic!("not started: {other:?}"),
    }
}

#[test]
fn a_pause_grows_to_its_bound_and_is_short_again_after_a_good_run() {
    let mut backoff = Backoff::default();
    let pauses: Vec<u128> = (0..8)
        .map(|_| backoff.ended_after(Duration::ZERO).as_millis())
        .collect();
    assert_eq!(pauses, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    for _ in 0..100 {
        assert_eq!(backoff.ended_after(Duration::ZERO), PAUSE_MAX);
    }
    assert_eq!(backoff.ended_after(WELL_AFTER), PAUSE_FIRST);
    assert_eq!(backoff.ended_after(Duration::ZERO), PAUSE_FIRST * 2);
}

#[test]
fn a_child_that_dies_is_told_and_started_again_after_its_pause() {
    let folder = tempfile::tempdir().unwrap();
    let launch = shell(
        folder.path(),
        "echo good; echo 'the \u{1b}[31mreason'; echo; exit 3",
    );
    let mut child = Supervised::default();
    assert!(child.is_due(Duration::ZERO));
    started(&child.start(&launch, Duration::ZERO));
    let now = Duration::from_millis(5);
    let event = until("the child ends", || child.watch(&launch.log, now));
    assert_eq!(
        event,
        Event::Ended {
            how: "it failed with exit status 3".to_owned(),
            last_line: "the [31mreason".to_owned(),
            pause: PAUSE_FIRST
        }
    );
    assert!(!child.is_due(now + PAUSE_FIRST - Duration::from_millis(1)));
    assert!(child.is_due(now + PAUSE_FIRST));
    started(&child.start(&launch, now + PAUSE_FIRST));
    let again = until("the second ends", || {
        child.watch(&launch.log, now + PAUSE_FIRST)
    });
    assert!(matches!(again, Event::Ended { pause, .. } if pause == PAUSE_FIRST * 2));
    assert_eq!(
        fs::read_to_string(&launch.log)
            .unwrap()
            .matches("good")
            .count(),
        2
    );
}

#[test]
fn a_killed_child_is_told_by_its_signal() {
    let folder = tempfile::tempdir().unwrap();
    let launch = shell(folder.path(), "kill -9 $$");
    let mut child = Supervised::default();
    child.start(&launch, Duration::ZERO);
    let event = until("the child ends", || {
        child.watch(&launch.log, Duration::ZERO)
    });
    assert!(matches!(event, Event::Ended { how, .. } if how == "it was killed by signal 9"));
}

#[test]
fn a_program_that_is_not_there_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut launch = shell(folder.path(), "");
    launch.program = folder.path().join("nothing");
    let mut child = Supervised::default();
    let event = child.start(&launch, Duration::ZERO);
    let Event::NotStarted { why, pause } = event else {
        panic!("{event:?}");
    };
    assert!(why.contains("nothing"), "{why}");
    assert!(child.is_due(pause) && !child.is_running());
}

#[test]
fn a_child_that_is_asked_ends_in_good_order() {
    let folder = tempfile::tempdir().unwrap();
    let script = "trap 'echo ended in order; exit 0' TERM; echo ready; while :; do read -r _ || exit 9; done";
    let launch = shell(folder.path(), script);
    let mut child = Supervised::default();
    child.start(&launch, Duration::ZERO);
    until("the trap is set", || {
        (last_line(&launch.log) == "ready").then_some(())
    });
    child.terminate();
    until("the child ends", || child.has_ended().then_some(()));
    assert_eq!(last_line(&launch.log), "ended in order");
}

#[test]
fn a_child_that_does_not_listen_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let launch = shell(
        folder.path(),
        "trap '' TERM; echo ready; while :; do read -r _ || :; done",
    );
    let mut child = Supervised::default();
    let process = started(&child.start(&launch, Duration::ZERO));
    until("the trap is set", || {
        (last_line(&launch.log) == "ready").then_some(())
    });
    child.terminate();
    child.kill();
    assert!(!is_alive(process));
    assert!(!child.is_running());
}

#[test]
fn the_child_sees_the_end_of_its_standard_input_when_nobody_holds_it_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let launch = shell(folder.path(), "cat; echo let go");
    let mut child = Supervised::default();
    let process = started(&child.start(&launch, Duration::ZERO));
    assert!(is_alive(process), "it waits as long as the pipe is held");
    let Course::Running { child: inner, .. } = &mut child.course else {
        panic!("it runs");
    };
    drop(inner.stdin.take());
    until("the child ends", || {
        child.watch(&launch.log, Duration::ZERO)
    });
    assert_eq!(last_line(&launch.log), "let go");
}

#[test]
fn a_large_log_is_put_aside_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let launch = shell(folder.path(), "echo new");
    fs::write(&launch.log, vec![b'x'; 9 * 1024 * 1024]).unwrap();
    let mut child = Supervised::default();
    child.start(&launch, Duration::ZERO);
    until("the child ends", || {
        child.watch(&launch.log, Duration::ZERO)
    });
    assert_eq!(fs::read_to_string(&launch.log).unwrap(), "new\n");
    assert_eq!(
        fs::metadata(folder.path().join("log.1")).unwrap().len(),
        9 * 1024 * 1024
    );
}
