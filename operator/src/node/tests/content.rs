//! Decision 15: a node reads 256 objects, and the operator and the node mean the same ones.

use std::collections::BTreeSet;

use finp2p_crds::content::{OBJECTS_MAX, objects};
use finp2p_crds::entry::{ASSET, AssetEntry, Entry};
use finp2p_crds::shared_asset::Content;
use serde_json::json;

use super::scene::*;
use crate::node::inputs::{Cluster, SourceKind};
use crate::node::plan::Plan;

const SA: &str = "SharedAsset";

/// Assets with an object each, so many that the youngest have one too many. Neither names of assets
/// nor those of objects are in the order of age.
fn many(assets: usize) -> Scene {
    let mut scene = Scene::bank_a();
    scene.inputs.cluster = Some(Cluster::default());
    for number in 0..assets {
        let reverse = assets - number;
        let (kind, field) = match number % 2 {
            0 => (SourceKind::Secret, "secret"),
            _ => (SourceKind::ConfigMap, "configMap"),
        };
        let name = format!("o{reverse:03}");
        scene.source(kind, &name, true, &["k"]);
        let content = json!({"content": {field: {"name": name, "key": "k"}}});
        scene.asset(&format!("a{number:03}"), content);
    }
    scene
}

fn asset_entries(plan: &Plan) -> Vec<Entry<AssetEntry>> {
    let entries = entries(plan);
    let assets = entries.iter().filter(|entry| entry.kind == ASSET);
    assets.map(|entry| entry.decode().unwrap()).collect()
}

/// What the node opens watches for, as it chooses.
fn followed(assets: &[Entry<AssetEntry>]) -> BTreeSet<(String, String)> {
    let read = assets.iter().filter(|a| !a.payload.content_left_out);
    let contents = read.filter_map(|a| a.payload.content.as_ref());
    owned(contents)
}

fn owned<'c>(contents: impl Iterator<Item = &'c Content>) -> BTreeSet<(String, String)> {
    objects(contents)
        .into_iter()
        .map(|(kind, name)| (kind.to_owned(), name.to_owned()))
        .collect()
}

/// What the node's Role lets it read.
fn permitted(plan: &Plan) -> BTreeSet<(String, String)> {
    let role = &plan.owned.as_ref().unwrap().role;
    let mut permitted = BTreeSet::new();
    for rule in role.rules.iter().flatten() {
        let kind = match rule.resources.as_ref().unwrap()[0].as_str() {
            "secrets" => "Secret",
            "configmaps" => "ConfigMap",
            _ => continue,
        };
        let names = rule.resource_names.as_ref().unwrap();
        permitted.extend(names.iter().map(|name| (kind.to_owned(), name.clone())));
    }
    permitted
}

#[test]
fn the_node_follows_exactly_what_it_may_read_and_the_owners_of_the_rest_are_told() {
    let mut scene = many(OBJECTS_MAX + 44);
    let plan = scene.settle();
    let assets = asset_entries(&plan);
    assert_eq!(assets.len(), OBJECTS_MAX + 44, "their last version stays");
    assert_eq!(permitted(&plan).len(), OBJECTS_MAX);
    assert_eq!(followed(&assets), permitted(&plan));

    // The oldest are read.
    assert_eq!(says(&plan, SA, "a255", "Ready"), "True Ready");
    for name in ["a256", "a299"] {
        assert_eq!(
            says(&plan, SA, name, "ResolvedRefs"),
            "False TooManyContents"
        );
        assert_eq!(says(&plan, SA, name, "Ready"), "False TooManyContents");
        let (_, _, message) = condition(&plan, SA, name, "Ready");
        assert!(message.contains("content: {api: {}}"), "{message}");
        assert!(!has(&plan, SA, name, "Stalled"), "another object may go");
    }
    let told = plan.assets.iter().filter(|asset| {
        let conditions = &asset.status.conditions;
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.reason == "TooManyContents")
    });
    assert_eq!(told.count(), 44);
}

#[test]
fn a_new_asset_takes_no_content_from_an_older_one_and_has_room_when_one_goes() {
    let mut scene = many(OBJECTS_MAX);
    let before = scene.settle();
    scene.source(SourceKind::Secret, "a-first-name", true, &["k"]);
    let newest = json!({"content": {"secret": {"name": "a-first-name", "key": "k"}}});
    scene.asset("a-first-name", newest);
    // An object that is read already has room for any number of assets.
    let shared = json!({"content": {"secret": {"name": "o256", "key": "k"}}});
    scene.asset("shares", shared);
    let plan = scene.settle();
    assert_eq!(permitted(&plan), permitted(&before));
    assert_eq!(
        says(&plan, SA, "a-first-name", "Ready"),
        "False TooManyContents"
    );
    assert_eq!(says(&plan, SA, "shares", "Ready"), "True Ready");
    assert_eq!(says(&plan, SA, "a000", "Ready"), "True Ready");

    scene.edit_asset("a007", |asset| {
        asset.spec.content = Some(serde_json::from_value(json!({"api": {}})).unwrap());
    });
    let plan = scene.settle();
    assert_eq!(says(&plan, SA, "a-first-name", "Ready"), "True Ready");
    assert_eq!(followed(&asset_entries(&plan)), permitted(&plan));
}

#[test]
fn of_several_things_that_the_node_says_of_an_asset_the_worst_counts() {
    let mut scene = Scene::bank_a();
    scene.source(SourceKind::Secret, "bonds", true, &["bond.json"]);
    scene.asset("bond", bond());
    scene.settle();
    let says_of = |reason: &str| {
        let said =
            json!({"kind": "SharedAsset", "name": "bond", "reason": reason, "message": reason});
        serde_json::from_value(said).unwrap()
    };
    for reasons in [
        ["ContentInvalid", "FieldUnknown"],
        ["FieldUnknown", "ContentInvalid"],
    ] {
        let report = scene.inputs.report.as_mut().unwrap();
        report.exceptions = reasons.iter().map(|reason| says_of(reason)).collect();
        let plan = scene.plan();
        assert_eq!(
            says(&plan, SA, "bond", "Ready"),
            "False ContentInvalid",
            "{reasons:?}"
        );
        let (_, _, message) = condition(&plan, SA, "bond", "ResolvedRefs");
        assert!(
            message.contains("published before stays shared"),
            "{message}"
        );
    }
}
