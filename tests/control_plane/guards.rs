//! The chart's admission policies while everything runs: whatever RBAC says, only the operator writes
//! what nodes obey, and only the node of the namespace its report.

use std::time::Duration;

use finp2p_tests::consortium::NODE_ACCOUNT;
use finp2p_tests::control_plane::identity::Refusal;
use serde_json::{Value, json};

use crate::guarded::guarded;

/// Longest that the controllers may take to end a namespace on a busy machine.
const ENDED: Duration = Duration::from_secs(120);
/// Longest that an edit may take to be in force, on a busy machine.
const EDIT: Duration = Duration::from_secs(60);

fn is_guarded(answer: Result<Value, Refusal>, why: &str) {
    let refusal = answer.expect_err("somebody else wrote it");
    assert_eq!(refusal.code, 403, "{refusal:?}");
    assert!(refusal.message.contains(why), "{refusal:?}");
}

#[test]
fn an_administrator_writes_no_configuration_and_the_operator_goes_on_writing_it() {
    const WHY: &str = "SidecarConfig is written by the FinP2P operator only";
    let banks = guarded();
    let bank_a = &banks.bank("bank-a").namespace;
    let admin = banks.cluster().admin();
    let before = bank_a.get("sidecarconfigs", "bank-a").unwrap();
    let forged = json!({"metadata": {"name": "forged"}, "spec": before["spec"],
        "apiVersion": before["apiVersion"], "kind": before["kind"]});
    is_guarded(admin.create("sidecarconfigs", "bank-a", &forged), WHY);
    let back = json!({"spec": {"root": {"sequence": 1}}});
    is_guarded(
        admin.patch("sidecarconfigs", "bank-a", "bank-a", &back),
        WHY,
    );
    let none = json!({"spec": {"slice": {"entries": []}}});
    is_guarded(
        admin.patch("sidecarconfigs", "bank-a", "bank-a-s1-0", &none),
        WHY,
    );
    let label = json!({"metadata": {"labels": {"mine": "yes"}}});
    is_guarded(
        admin.patch("sidecarconfigs", "bank-a", "bank-a", &label),
        WHY,
    );

    // A user's edit still reaches the node: the operator writes, and the node reports.
    let policy = "bond-settlement-to-distributors";
    for purpose in ["custody", "settlement"] {
        bank_a.edit_spec("sharingpolicy", policy, json!({"purposes": [purpose]}));
        bank_a.until("the edit to be in the configuration", EDIT, || {
            let slices = bank_a.list("sidecarconfigs")?;
            let text = json!(slices).to_string();
            let there = text.contains(&format!(r#""purposes":["{purpose}"]"#));
            there.then_some(()).ok_or_else(|| text.clone())
        });
        bank_a.until_condition("sharingpolicies", policy, "Ready", "True");
    }
    let after = bank_a.get("sidecarconfigs", "bank-a").unwrap();
    let sequence = |root: &Value| root["spec"]["root"]["sequence"].as_i64();
    assert!(sequence(&after) >= sequence(&before), "{before} {after}");
}

#[test]
fn a_report_is_written_by_the_node_of_the_namespace_only() {
    const WHY: &str = "the status of a SidecarConfig is the report of its node";
    let banks = guarded();
    let admin = banks.cluster().admin();
    let bank_a = &banks.bank("bank-a").namespace;
    let report = json!({"status": {"incarnation": 7}});
    let name = "bank-a/status";
    is_guarded(admin.patch("sidecarconfigs", "bank-a", name, &report), WHY);
    // The operator holds the right, to be able to give it.
    let operator = banks.system.account("finp2p-operator");
    is_guarded(
        operator.patch("sidecarconfigs", "bank-a", name, &report),
        WHY,
    );
    // And a peer's node may be given it by mistake.
    let given = [
        "create",
        "rolebinding",
        "by-mistake",
        "--clusterrole=cluster-admin",
        "--serviceaccount=bank-b:finp2p-node",
    ];
    bank_a.kubectl(&given, "").ok().unwrap();
    let peer = banks.bank("bank-b").namespace.account(NODE_ACCOUNT);
    bank_a.until("the mistake", EDIT, || {
        Ok(peer.list("configmaps", "bank-a").map(drop)?)
    });
    is_guarded(peer.patch("sidecarconfigs", "bank-a", name, &report), WHY);
    let taken = bank_a.kubectl(&["delete", "rolebinding", "by-mistake"], "");
    taken.ok().unwrap();

    let node = bank_a.account(NODE_ACCOUNT);
    let applied = |root: &Value| root["status"]["applied"].clone();
    let before = bank_a.get("sidecarconfigs", "bank-a").unwrap();
    assert!(applied(&before).is_array(), "the node reports: {before}");
    let same = json!({"status": {"incarnation": before["status"]["incarnation"]}});
    node.patch("sidecarconfigs", "bank-a", name, &same).unwrap();
}

#[test]
fn a_namespace_with_configuration_in_it_ends() {
    let banks = guarded();
    let bank_c = &banks.bank("bank-c").namespace;
    assert!(!bank_c.list("sidecarconfigs").unwrap().is_empty());
    let admin = banks.cluster().admin();
    // What is owned goes with its owner.
    let slices = |left: &[Value]| {
        let names = left.iter().map(|config| config["metadata"]["name"].clone());
        names.filter(|name| name != "bank-c").collect::<Vec<_>>()
    };
    admin
        .delete("peerorganizations", "bank-c", "local")
        .unwrap();
    bank_c.until("the end of the slices", ENDED, || {
        let left = slices(&bank_c.list("sidecarconfigs")?);
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
    admin.delete("namespaces", "", "bank-c").unwrap();
    bank_c.until("the end of the namespace", ENDED, || {
        match admin.get("namespaces", "", "bank-c") {
            Err(refusal) if refusal.code == 404 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
