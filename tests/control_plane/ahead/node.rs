//! What an idle node costs the API server: nothing to speak of.

use std::time::Duration;

use finp2p_tests::control_plane::{ControlPlane, Settings};

use crate::bank::{ACCOUNT, Bank, policy};
use crate::source::with_a_bond;

/// Long enough for a probe, a bookmark, and a report that should not be.
const IDLE: Duration = Duration::from_secs(60);

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
