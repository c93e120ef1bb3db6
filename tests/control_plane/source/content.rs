//! Secrets by exact name: edits arrive, and nothing that goes wrong with them erases a version.

use finp2p_tests::control_plane::ControlPlane;
use serde_json::json;

use super::{price, value, with_a_bond};
use crate::bank::{asset, bonds, entry};

#[test]
fn an_edit_of_the_secret_becomes_a_version_without_any_other_write() {
    let bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let first = price(&bank, "bond", "101").unwrap();
    bank.put("secrets", &bonds(&[("bond", value("102"))], true));
    let second = bank.until("the edit", |bank| price(bank, "bond", "102"));
    let version = |body: &serde_json::Value| body["version"].as_str().unwrap().parse::<u64>();
    assert_eq!(version(&second), version(&first).map(|v| v + 1));
}

#[test]
fn content_whose_label_or_object_went_keeps_its_last_version() {
    let bank = with_a_bond(ControlPlane::shared(), "bank-a");
    bank.put(
        "secrets",
        &bonds(&[("bond", value("withheld-price"))], false),
    );
    bank.until("word of the label", |bank| {
        bank.exception("bond", "ContentNotPermitted")
    });
    bank.stays("the version that was permitted", |bank| {
        price(bank, "bond", "101")
    });
    bank.delete("secrets", "bonds");
    bank.until("word of the object", |bank| {
        bank.exception("bond", "ContentNotFound")
    });
    bank.stays("the last version", |bank| price(bank, "bond", "101"));
    // It is made again, by its owner and with the label.
    bank.put("secrets", &bonds(&[("bond", value("103"))], true));
    bank.until("the new content", |bank| price(bank, "bond", "103"));
    bank.until("an empty report", |bank| {
        let exceptions = bank.report()?["exceptions"].clone();
        (exceptions == json!([]))
            .then_some(())
            .ok_or_else(|| exceptions.to_string())
    });
    let printed = bank.printed();
    for private in ["withheld-price", "ZZGREEN20318"] {
        assert!(!printed.contains(private), "the log holds {private}");
    }
}

#[test]
fn content_that_the_node_may_not_read_comes_as_soon_as_it_may() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let mut notes = bonds(&[("note", value("7"))], true);
    notes["metadata"]["name"] = json!("notes");
    bank.put("secrets", &notes);
    let mut note = asset("bank-a", "note");
    note["payload"]["content"]["secret"]["name"] = json!("notes");
    bank.edit(|config| config.slices[0].1.push(note));
    bank.until("word of the right", |bank| {
        let exception = bank.exception("note", "ContentInvalid")?;
        let message = exception["message"].as_str().unwrap_or_default().to_owned();
        message
            .contains("may not read")
            .then_some(())
            .ok_or(message)
    });
    price(&bank, "bond", "101").unwrap();
    bank.give_rights(&["bonds", "notes"]);
    bank.until("the note", |bank| price(bank, "note", "7"));
}

#[test]
fn a_config_map_serves_as_well() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let role = json!({"rules": [
        {"apiGroups": ["sharing.finp2p.io"], "resources": ["sidecarconfigs"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["sharing.finp2p.io"], "resources": ["sidecarconfigs/status"], "verbs": ["get", "patch"], "resourceNames": ["bank-a"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"], "resourceNames": ["bonds"]},
        {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "watch"], "resourceNames": ["notes"]},
    ]});
    bank.admin
        .patch("roles", &bank.namespace, "finp2p-bank-a-node", &role)
        .unwrap();
    bank.put(
        "configmaps",
        &json!({
            "metadata": {"name": "notes", "labels": {"sharing.finp2p.io/content": "true"}},
            "data": {"note.json": value("7").to_string()},
        }),
    );
    let content = json!({"configMap": {"name": "notes", "key": "note.json"}});
    let note = entry(
        "Asset",
        "note",
        json!({"resourceId": "bank-a:102:note", "content": content}),
    );
    bank.edit(|config| config.slices[0].1.push(note));
    bank.until("the note", |bank| price(bank, "note", "7"));
}
