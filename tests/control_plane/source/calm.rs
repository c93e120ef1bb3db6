//! What a node costs the API server: nothing to speak of when nothing happens.

use std::time::{Duration, Instant};

use finp2p_tests::control_plane::{ControlPlane, Settings};
use serde_json::json;

use super::{two_banks, with_a_bond};
use crate::bank::{ACCOUNT, Bank, policy};

/// Long enough for a probe, a bookmark, and a report that should not be.
const IDLE: Duration = Duration::from_secs(60);
/// Edits of which the time is taken.
const EDITS: usize = 40;

#[test]
fn an_idle_node_writes_nothing_and_neither_does_a_restart() {
    let cluster = ControlPlane::start(Settings {
        controllers: false,
        ..Settings::default()
    });
    let mut bank = with_a_bond(&cluster, "bank-a");
    bank.until("the report", Bank::applied);
    let user = format!("system:serviceaccount:{}:{ACCOUNT}", bank.namespace);
    let log = cluster.api_audit_log();
    let writes = |mark| {
        let mut events = log.of_user(mark, &user);
        // Whom a caller is, is asked by a write that stores nothing.
        events.retain(|event| event.is_write() && event.resource() != "tokenreviews");
        events
    };
    // The report of what was applied last may still be on its way.
    bank.stays("the report", Bank::applied);
    let mark = log.mark();
    std::thread::sleep(IDLE); // nothing happens: that is what is measured
    assert!(writes(mark).is_empty(), "{:?}", writes(mark));
    let asked = log.of_user(mark, &user).len();
    assert!(asked <= 12, "{asked} requests in an idle minute");

    let mark = log.mark();
    bank.stop();
    bank.start();
    bank.until("the node", Bank::ready);
    bank.stays("the report", Bank::applied);
    assert!(writes(mark).is_empty(), "{:?}", writes(mark));
    // A control: an edit is one report.
    let mark = log.mark();
    bank.edit(|config| config.slices[0].1.push(policy("more", "bank-b")));
    bank.until("the report", Bank::applied);
    assert_eq!(writes(mark).len(), 1, "{:?}", writes(mark));
}

#[test]
fn an_edit_is_in_force_a_moment_after_it_was_written() {
    let (mut primary, reader) = two_banks(ControlPlane::shared());
    let trading = reader.api("trading");
    let fetch = || {
        trading
            .fetch(&json!({"resource": "bank-a:102:bond"}))
            .unwrap()
            .status
    };
    let mut times = Vec::new();
    for edit in 0..EDITS {
        let withdraw = edit % 2 == 0;
        primary.config.sequence += 1;
        let entries = &mut primary.config.slices[0].1;
        if withdraw {
            entries.retain(|entry| entry["kind"] != "Policy");
        } else {
            entries.push(policy("bonds-to-b", "bank-b"));
        }
        primary.write_root();
        primary.write_slice(0);
        let written = Instant::now();
        while (fetch() == 200) == withdraw {
            assert!(written.elapsed() < Duration::from_secs(30), "edit {edit}");
        }
        times.push(written.elapsed());
    }
    times.sort();
    let (median, worst) = (times[EDITS / 2], times[EDITS - 1]);
    println!("from the write to the changed answer: median {median:?}, worst {worst:?}");
    assert!(median < Duration::from_millis(250), "{times:?}");
}
