//! Decisions 3 and 15: ids, sources, what an asset names.

use finp2p_crds::entry::AssetEntry;
use serde_json::json;

use super::scene::*;
use crate::node::inputs::SourceKind;

const SA: &str = "SharedAsset";

fn with_bond() -> Scene {
    let mut scene = Scene::bank_a();
    scene.source(SourceKind::Secret, "bonds", true, &["bond.json"]);
    scene.asset("bond", bond());
    scene
}

#[test]
fn the_id_of_an_asset_defaults_to_its_name() {
    let mut scene = with_bond();
    scene.asset("plain", json!({"content": {"api": {}}}));
    let plan = scene.settle();
    let shown: Vec<_> = plan
        .assets
        .iter()
        .map(|a| (a.status.resource_id.as_deref(), a.status.source.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            (Some("bank-a:102:XS2712345672"), Some("Secret")),
            (Some("bank-a:102:plain"), Some("Api"))
        ]
    );
    assert_eq!(says(&plan, SA, "bond", "Ready"), "True Ready");
    assert_eq!(
        entry_names(&plan),
        ["Asset bond", "Asset plain", "Peer bank-b"]
    );
}

#[test]
fn of_two_assets_with_one_id_the_oldest_stays() {
    let mut scene = with_bond();
    let before = scene.settle();
    scene.asset(
        "another",
        json!({"assetId": "XS2712345672", "content": {"api": {}}}),
    );
    let plan = scene.settle();
    assert_eq!(says(&plan, SA, "another", "Ready"), "False ResourceTaken");
    assert_eq!(says(&plan, SA, "another", "Stalled"), "True ResourceTaken");
    assert!(
        condition(&plan, SA, "another", "Accepted")
            .2
            .contains("SharedAsset bond")
    );
    assert_eq!(plan.slices, before.slices);
}

#[test]
fn content_must_exist_be_labelled_and_have_the_key() {
    for (permitted, keys, present, reason, cure) in [
        (
            true,
            vec!["bond.json"],
            false,
            "ContentNotFound",
            "create it with a key bond.json",
        ),
        (
            true,
            vec!["other.json"],
            true,
            "ContentNotFound",
            "it has other.json",
        ),
        (
            false,
            vec!["bond.json"],
            true,
            "ContentNotPermitted",
            "sharing.finp2p.io/content: \"true\"",
        ),
    ] {
        let mut scene = Scene::bank_a();
        if present {
            scene.source(SourceKind::Secret, "bonds", permitted, &keys);
        }
        scene.source(SourceKind::ConfigMap, "bonds", true, &["bond.json"]);
        scene.asset("bond", bond());
        let plan = scene.settle();
        assert_eq!(
            says(&plan, SA, "bond", "ResolvedRefs"),
            format!("False {reason}")
        );
        assert_eq!(says(&plan, SA, "bond", "Ready"), format!("False {reason}"));
        let (_, _, message) = condition(&plan, SA, "bond", "Ready");
        assert!(message.contains(cure), "{message}");
        assert!(
            !has(&plan, SA, "bond", "Stalled"),
            "another object has to be edited"
        );
        // The last version stays, so the entry does.
        assert!(entry_names(&plan).contains(&"Asset bond".to_owned()));
        assert_eq!(says(&plan, SA, "bond", "Programmed"), "True Programmed");
    }
}

#[test]
fn keys_that_are_not_known_are_the_nodes_to_find() {
    let mut scene = with_bond();
    scene.inputs.sources[0].keys = None;
    assert_eq!(says(&scene.settle(), SA, "bond", "Ready"), "True Ready");
    for reason in ["ContentNotFound", "ContentInvalid", "ContentNotPermitted"] {
        let said = json!({"kind": "SharedAsset", "name": "bond", "reason": reason, "message": "the node says why"});
        scene.inputs.report.as_mut().unwrap().exceptions =
            vec![serde_json::from_value(said).unwrap()];
        let plan = scene.plan();
        assert_eq!(says(&plan, SA, "bond", "Ready"), format!("False {reason}"));
        let (_, _, message) = condition(&plan, SA, "bond", "Ready");
        assert!(message.starts_with("the node says why. "), "{message}");
    }
}

#[test]
fn what_the_node_cannot_decode_is_not_programmed_and_other_words_of_it_are_not_believed() {
    for kind in ["SharedAsset", "Asset", "Schema"] {
        let mut scene = with_bond();
        scene.settle();
        let said = |reason: &str| {
            vec![
                serde_json::from_value(
                    json!({"kind": kind, "name": "bond", "reason": reason, "message": "m"}),
                )
                .unwrap(),
            ]
        };
        scene.inputs.report.as_mut().unwrap().exceptions = said("Unsupported");
        assert_eq!(
            says(&scene.plan(), SA, "bond", "Ready"),
            "False Unsupported"
        );
        scene.inputs.report.as_mut().unwrap().exceptions = said("FieldUnknown");
        assert_eq!(
            says(&scene.plan(), SA, "bond", "Ready"),
            "True FieldUnknown"
        );
        scene.inputs.report.as_mut().unwrap().exceptions = said("Whatever");
        assert_eq!(says(&scene.plan(), SA, "bond", "Ready"), "True Ready");
    }
}

#[test]
fn a_schema_travels_in_the_slice_of_its_asset_and_must_be_json() {
    let mut scene = with_bond();
    scene.asset(
        "with-schema",
        json!({"content": {"api": {}}, "schema": "{\"type\": \"object\"}"}),
    );
    scene.asset(
        "broken",
        json!({"content": {"api": {}}, "schema": "type: object"}),
    );
    let plan = scene.settle();
    assert_eq!(
        entry_names(&plan),
        [
            "Asset bond",
            "Asset with-schema",
            "Peer bank-b",
            "Schema with-schema"
        ]
    );
    assert_eq!(says(&plan, SA, "broken", "Accepted"), "False Invalid");
    let asset = entries(&plan)
        .into_iter()
        .find(|e| e.kind == "Asset" && e.name == "with-schema")
        .unwrap();
    assert!(asset.decode::<AssetEntry>().unwrap().payload.has_schema);
}

#[test]
fn a_peers_asset_takes_its_id_from_the_peer_and_needs_it() {
    let mut scene = Scene::bank_a();
    for (name, peer) in [
        ("theirs", "bank-b"),
        ("nobodys", "bank-x"),
        ("ours", "bank-a"),
    ] {
        scene.asset(
            name,
            json!({"from": {"peer": peer, "assetId": format!("X-{name}"), "mode": "Pull"}}),
        );
    }
    scene.asset(
        "pushed",
        json!({"from": {"peer": "bank-b", "assetId": "P", "mode": "Push"}}),
    );
    let plan = scene.settle();
    let theirs = plan.assets.iter().find(|a| a.name == "theirs").unwrap();
    assert_eq!(
        theirs.status.resource_id.as_deref(),
        Some("bank-b:102:X-theirs")
    );
    assert_eq!(theirs.status.source.as_deref(), Some("bank-b"));
    assert_eq!(says(&plan, SA, "theirs", "Ready"), "True Ready");
    assert_eq!(says(&plan, SA, "theirs", "Available"), "Unknown Pending");
    assert!(!has(&plan, SA, "theirs", "Delivered"));
    assert_eq!(
        says(&plan, SA, "pushed", "Delivered"),
        "Unknown NotYetSupported"
    );
    for (name, part) in [
        ("nobodys", "bank-x does not exist"),
        ("ours", "this organization itself"),
    ] {
        assert_eq!(says(&plan, SA, name, "Ready"), "False PeerNotFound");
        assert!(condition(&plan, SA, name, "Ready").2.contains(part));
        assert_eq!(says(&plan, SA, name, "Available"), "False PeerNotFound");
    }
    assert_eq!(
        entry_names(&plan),
        ["Asset pushed", "Asset theirs", "Peer bank-b"]
    );
    // The peer appears, and the asset follows without an edit.
    scene.organization("bank-x", json!({"keys": keys(4)}));
    assert_eq!(says(&scene.settle(), SA, "nobodys", "Ready"), "True Ready");
}

#[test]
fn an_issuer_that_eligibility_names_must_be_one() {
    let mut scene = Scene::bank_a();
    let eligibility = json!({"credentials": [{"type": "T", "issuers": ["kyc", "bank-b"]}]});
    scene.asset(
        "bond",
        json!({"content": {"api": {}}, "eligibility": eligibility}),
    );
    let plan = scene.settle();
    let (_, reason, message) = condition(&plan, SA, "bond", "ResolvedRefs");
    assert_eq!(reason, "IssuerNotFound");
    assert!(
        message.contains("bank-b has no issuer; kyc does not exist"),
        "{message}"
    );
}

#[test]
fn an_asset_whose_name_is_no_id_says_so() {
    let mut scene = Scene::bank_a();
    scene.asset(&"x".repeat(129), json!({"content": {"api": {}}}));
    let plan = scene.settle();
    assert_eq!(
        says(&plan, SA, &"x".repeat(129), "Accepted"),
        "False Invalid"
    );
}

#[test]
fn a_name_in_doubt_gives_its_resource_id_to_nobody_else() {
    let mut scene = Scene::bank_a();
    let bond = || json!({"assetId": "BOND", "content": {"api": {}}});
    scene.asset("bond", bond());
    scene.asset("bond", json!({"assetId": "OTHER", "content": {"api": {}}}));
    scene.asset("bond-again", bond());
    scene.in_doubt(SA, "bond");
    let plan = scene.settle();
    assert_eq!(says(&plan, SA, "bond", "Accepted"), "False DuplicateObject");
    assert_eq!(
        says(&plan, SA, "bond-again", "Accepted"),
        "False ResourceTaken"
    );
    assert_eq!(entry_names(&plan), ["Peer bank-b"]);
}
