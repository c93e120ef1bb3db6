//! What the operator and the nodes write, counted by the API server itself.

use std::time::Duration;

use finp2p_tests::consortium::{Consortium, NODE_ACCOUNT};
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::api_audit_log::Event;
use serde_json::json;

/// Statuses settle, reports come at most every five seconds, and caches have been filled.
const SETTLED: Duration = Duration::from_secs(12);

fn writes(events: &[Event]) -> Vec<String> {
    let lines = events
        .iter()
        .filter(|event| event.is_write() && event.is_complete());
    lines
        .map(|event| format!("{} {} {}", event.verb, event.resource(), event.name()))
        .collect()
}

#[test]
fn idle_writes_nothing_and_an_ordinary_edit_a_handful() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let log = banks.cluster().api_audit_log();
    let operator = banks.operator_user();
    let node = |bank: &str| {
        let namespace = &banks.bank(bank).namespace.name;
        format!("system:serviceaccount:{namespace}:{NODE_ACCOUNT}")
    };
    let users = [operator.clone(), node("bank-a"), node("bank-b")];
    let of_all = |mark| {
        users
            .iter()
            .flat_map(|user| log.of_user(mark, user))
            .collect::<Vec<_>>()
    };
    // Quiet first: peers have met, and both ends have said so.
    let bank_a = &banks.bank("bank-a").namespace;
    log.until_quiet(&users, SETTLED, Duration::from_secs(90));

    let mark = log.mark();
    std::thread::sleep(Duration::from_secs(60)); // what is measured is a minute
    let idle = writes(&of_all(mark));
    let others: Vec<_> = idle
        .iter()
        .filter(|line| !line.contains("leases"))
        .collect();
    assert!(others.is_empty(), "idle for a minute: {others:?}");
    assert!(
        !idle.is_empty(),
        "the leader renews its Lease: the log sees it"
    );

    let mark = log.mark();
    let policy = "bond-terms-to-distributors";
    let edit = json!({"fields": ["/isin", "/name", "/issuer"]});
    bank_a.edit_spec("sharingpolicy", policy, edit);
    bank_a.until_condition("sharingpolicies", policy, "Ready", "True");
    let mut written = writes(&of_all(mark));
    written.retain(|line| !line.contains("leases") && !line.contains("events"));
    let namespace = "bank-a";
    let expected = [
        format!("patch sidecarconfigs {namespace}"),
        format!("patch sidecarconfigs {namespace}-s1-0"),
        format!("patch sidecarconfigs/status {namespace}"),
        format!("patch sharingpolicies/status {policy}"),
    ];
    for line in &written {
        assert!(
            expected.contains(line),
            "{line} is more than an edit needs: {written:?}"
        );
    }
    for line in expected {
        assert!(written.contains(&line), "{line} is missing: {written:?}");
    }
    assert!(written.len() <= 6, "{written:?}");
    // The node has said what it keeps: the next edit needs to name nothing before it.
    let root = bank_a.get("sidecarconfigs", namespace).unwrap();
    let last = root["spec"]["root"]["lineage"].as_array().unwrap().last();
    assert_eq!(last, Some(&root["status"]["mark"]), "{root}");
}
