//! Namespaces of the operator's list that it cannot read, or that do not exist.

use std::process::Command;
use std::time::Duration;

use finp2p_tests::binaries::binaries;
use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::SEEN;
use finp2p_tests::{ports, wait};
use serde_json::Value;

/// Watches that fail are begun again after 30 s at most.
const LATER: Duration = Duration::from_secs(120);

#[test]
fn a_namespace_that_cannot_be_read_is_named_where_an_organization_waits_for_it() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    let bank_b = &banks.bank("bank-b").namespace;
    let rights = format!("{}-operator", banks.release);
    let mut binding = bank_b.get("rolebindings", &rights).unwrap();
    let deleted = bank_b.kubectl(&["delete", "rolebinding", &rights], "");
    deleted.ok().unwrap();
    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    let (bank_a, bank_b) = (
        &banks.bank("bank-a").namespace,
        &banks.bank("bank-b").namespace,
    );
    let told = |type_: &str| {
        let condition = bank_a.until_condition("peerorganizations", "local", type_, "Unknown");
        let reason = condition["reason"].clone();
        (reason == "NamespaceUnreadable")
            .then(|| condition["message"].to_string())
            .ok_or(reason.to_string())
    };
    for type_ in ["Ready", "Accepted"] {
        let message = bank_a.until("the reason", SEEN, || told(type_));
        for part in [bank_b.name.as_str(), "RoleBinding", "take it off the list"] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert!(bank_a.list("statefulsets").unwrap().is_empty());

    // It goes on by itself when it may read, and said so once.
    let metadata = binding["metadata"].as_object_mut().unwrap();
    metadata.retain(|field, _| field == "name" || field == "labels");
    bank_b.apply(&binding.to_string()).ok().unwrap();
    for bank in [bank_a, bank_b] {
        bank.until("the node", LATER, || {
            let sets = bank.list("statefulsets")?;
            (sets.len() == 1)
                .then_some(())
                .ok_or_else(|| "none".to_owned())
        });
    }
    bank_a.until("another reason", SEEN, || {
        let local = bank_a.get("peerorganizations", "local")?;
        let conditions = local["status"]["conditions"].as_array().unwrap().clone();
        let reason = |c: &Value| c["reason"] == "NamespaceUnreadable";
        let left = conditions.into_iter().find(reason);
        left.map_or(Ok(()), |condition| Err(condition.to_string()))
    });
    let printed = banks.operators()[0].printed();
    let said = printed.matches("PeerOrganization local waits for namespace");
    assert_eq!(said.count(), 1, "{printed}");
}

#[test]
fn a_namespace_that_does_not_exist_is_said_not_to() {
    let cluster = ControlPlane::shared();
    let there = cluster.namespace("there");
    let [port] = ports::free().unwrap();
    let mut command = Command::new(&binaries().operator);
    let namespaces = format!("--namespaces=nosuch,{}", there.name);
    command.args([
        "run",
        &namespaces,
        "--sidecar-image=registry.example/sidecar",
    ]);
    command.args(["--operator-namespace", &there.name]);
    command.arg(format!("--listen=127.0.0.1:{port}"));
    let mut operator = cluster.admin().start("nosuch", command).unwrap();
    let log = wait::until("the namespace in the log", SEEN, || {
        let log = operator.printed();
        let said = log.contains("namespace nosuch does not exist");
        said.then_some(log.clone()).ok_or(log)
    });
    let other = format!("namespace {} does not exist", there.name);
    assert!(!log.contains(&other), "{log}");
    assert!(!operator.printed().contains("every namespace was read"));
    operator.stop().unwrap();
}
