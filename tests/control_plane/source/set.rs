//! Root and slices: complete sets only, whatever the order in which they come.

use finp2p_tests::control_plane::ControlPlane;
use serde_json::{Value, json};

use super::{price, value, with_a_bond};
use crate::bank::{Bank, asset, bonds, entry};

fn sequence(bank: &Bank) -> Result<Value, String> {
    Ok(bank.status()?["configuration"]["sequence"].clone())
}

fn at(bank: &Bank, expected: i64) -> Result<(), String> {
    let sequence = sequence(bank)?;
    (sequence == expected)
        .then_some(())
        .ok_or_else(|| format!("at {sequence}"))
}

#[test]
fn a_node_applies_what_its_namespace_holds_and_reports_it() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    bank.until("the report", Bank::applied);
    let report = bank.report().unwrap();
    assert_eq!(report["incarnation"], 1);
    assert_eq!(report["exceptions"], json!([]));
    // An edit of one slice.
    bank.put(
        "secrets",
        &bonds(&[("bond", value("101")), ("note", value("7"))], true),
    );
    bank.edit(|config| config.slices[0].1.push(asset("bank-a", "note")));
    bank.until("the new asset", |bank| price(bank, "note", "7"));
    bank.until("the report of it", Bank::applied);
    // The field manager is the node's own, and the status is all that it owns.
    let root = bank.get("sidecarconfigs", "bank-a").unwrap();
    let managers = root["metadata"]["managedFields"].as_array().unwrap();
    let ours: Vec<&Value> = managers
        .iter()
        .filter(|entry| entry["manager"] == "finp2p-node")
        .collect();
    assert_eq!(ours.len(), 1, "{managers:?}");
    assert_eq!(ours[0]["subresource"], "status");
    assert_eq!(ours[0]["operation"], "Apply");
}

#[test]
fn entries_that_the_node_does_not_know_are_reported_and_harm_no_other() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let strange = [
        entry("Verdict", "later", json!({"some": "thing"})),
        entry("Policy", "odd", json!({"spec": {"from": "the future"}})),
    ];
    bank.edit(|config| config.slices[0].1.extend(strange));
    for name in ["later", "odd"] {
        bank.until("the exception", |bank| bank.exception(name, "Unsupported"));
    }
    price(&bank, "bond", "101").unwrap();
}

#[test]
fn a_set_grows_without_a_moment_without_configuration() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let first = bank.config.slices[0].0.clone();
    let growing = |bank: &Bank| price(bank, "bond", "101").map(drop);
    // New slices first: nothing changes.
    bank.config.set = "s2".to_owned();
    bank.config.slices = vec![
        ("bank-a-s2-0".to_owned(), vec![asset("bank-a", "bond")]),
        ("bank-a-s2-1".to_owned(), vec![]),
    ];
    let before = sequence(&bank).unwrap();
    bank.write_slice(0);
    bank.write_slice(1);
    bank.stays("the former set", |bank| {
        growing(bank)?;
        (sequence(bank)? == before)
            .then_some(())
            .ok_or_else(|| "moved".to_owned())
    });
    // Then the root moves, and the old slice goes at once.
    bank.config.sequence += 1;
    bank.write_root();
    bank.delete("sidecarconfigs", &first);
    bank.until("the new set", Bank::applied);
    let sequence = bank.config.sequence;
    bank.stays("the new set", |bank| {
        growing(bank)?;
        at(bank, sequence)
    });
    let printed = bank.printed();
    assert!(
        !printed.contains("named by the root and missing"),
        "{printed}"
    );
}

#[test]
fn an_incomplete_set_keeps_the_former_in_force() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let before = bank.config.sequence;
    bank.config.set = "s2".to_owned();
    bank.config.slices = vec![
        ("bank-a-s2-0".to_owned(), vec![]),
        ("bank-a-s2-1".to_owned(), vec![]),
    ];
    bank.config.sequence += 1;
    bank.write_slice(0);
    bank.write_root();
    bank.stays("the former set", |bank| {
        price(bank, "bond", "101")?;
        at(bank, before)
    });
    // What is missing comes, of another set first.
    bank.config.set = "s4".to_owned();
    bank.write_slice(1);
    bank.stays("the former set", |bank| at(bank, before));
    bank.config.set = "s2".to_owned();
    bank.write_slice(1);
    let sequence = bank.config.sequence;
    bank.until("the complete set", |bank| at(bank, sequence));
    bank.until("the report", Bank::applied);
}

#[test]
fn a_deleted_slice_takes_nothing_away() {
    let bank = with_a_bond(ControlPlane::shared(), "bank-a");
    bank.delete("sidecarconfigs", &bank.config.slices[0].0);
    bank.stays("the asset", |bank| price(bank, "bond", "101"));
    bank.stays("readiness", Bank::ready);
}

#[test]
fn a_deleted_root_keeps_what_was_applied_and_another_one_is_doubted() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    bank.delete("sidecarconfigs", "bank-a");
    bank.stays("the asset without a root", |bank| {
        price(bank, "bond", "101")
    });
    // A restart in this state serves what was kept.
    bank.stop();
    bank.start();
    bank.until("the node", Bank::ready);
    price(&bank, "bond", "101").unwrap();
    // The same root under another uid, and with something more at the same sequence.
    bank.config.slices[0].1.push(asset("bank-a", "note"));
    bank.write();
    bank.until("the doubt", |bank| {
        bank.exception("bank-a", "ConfigurationRolledBack")
    });
    price(&bank, "bond", "101").unwrap();
    let status = bank.status().unwrap();
    assert_eq!(status["configuration"]["rolledBack"], true);
    // A higher sequence ends it.
    bank.edit(|_| {});
    bank.until("the end of the doubt", |bank| {
        let status = bank.status()?;
        let rolled_back = &status["configuration"]["rolledBack"];
        (rolled_back == false)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
}

#[test]
fn objects_of_others_in_the_namespace_mean_nothing() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let other = json!({"set": "s1", "bucket": 0, "entries": []});
    for name in ["bank-b-s1-0", "bank-a-s9-7", "bank-ab-s1-0"] {
        let object = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SidecarConfig",
            "metadata": {"name": name}, "spec": {"slice": other}});
        bank.put("sidecarconfigs", &object);
    }
    bank.stays("the asset", |bank| price(bank, "bond", "101"));
    bank.edit(|_| {});
    bank.until("an edit", Bank::applied);
}
