//! Decisions 7 and 8: stable slices, complete sets, a sequence that only grows.

use finp2p_crds::sidecar_config::{SLICE_MAX_BYTES, SLICE_MAX_ENTRIES};
use serde_json::json;

use super::scene::*;
use crate::node::inputs::Cluster;
use crate::node::plan::Plan;

fn many(assets: usize) -> Scene {
    let mut scene = Scene::bank_a();
    for n in 0..assets {
        scene.asset(&format!("asset-{n}"), json!({"content": {"api": {}}}));
    }
    scene
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.slices
        .iter()
        .filter_map(|s| s.config.metadata.name.as_deref())
        .collect()
}

fn written(plan: &Plan) -> Vec<&str> {
    plan.writes()
        .into_iter()
        .filter_map(|c| c.metadata.name.as_deref())
        .collect()
}

fn sequence(plan: &Plan) -> i64 {
    plan.root
        .as_ref()
        .and_then(|r| r.config.spec.root.as_ref())
        .map(|r| r.sequence)
        .unwrap()
}

/// What must hold of every plan with a root.
pub fn is_complete(plan: &Plan) {
    let root = plan
        .root
        .as_ref()
        .unwrap()
        .config
        .spec
        .root
        .clone()
        .unwrap();
    assert_eq!(names(plan), root.slices);
    assert!(root.slices.len().is_power_of_two());
    for planned in &plan.slices {
        let slice = planned.config.spec.slice.as_ref().unwrap();
        assert_eq!(slice.set, root.set);
        assert!(slice.entries.len() <= SLICE_MAX_ENTRIES);
        assert!(serde_json::to_vec(&planned.config.spec).unwrap().len() <= SLICE_MAX_BYTES);
    }
}

#[test]
fn an_empty_namespace_has_one_empty_slice_and_not_none() {
    let mut scene = Scene::empty();
    scene.organization("local", local_spec());
    let plan = scene.settle();
    is_complete(&plan);
    assert_eq!(
        (names(&plan), entries(&plan).len()),
        (vec!["bank-a-s1-0"], 0)
    );
}

#[test]
fn nothing_is_written_when_nothing_changed() {
    let mut scene = many(300);
    scene.settle();
    let plan = scene.plan();
    assert!(plan.is_idle());
    // Also after the operator lost its memory.
    scene.inputs.previous.as_mut().unwrap().memory = crate::node::plan::Memory::default();
    assert!(scene.plan().is_idle());
}

#[test]
fn an_edit_writes_its_slice_and_the_roots_sequence_first() {
    let mut scene = many(300);
    let before = scene.settle();
    assert_eq!(before.slices.len(), 2);
    scene.edit_asset("asset-7", |a| a.spec.units = vec!["/x".to_owned()]);
    let plan = scene.plan();
    let (first, rest) = written(&plan)
        .split_first()
        .map(|(f, r)| (*f, r.to_vec()))
        .unwrap();
    assert_eq!((first, rest.len()), ("bank-a", 1));
    assert_eq!(sequence(&plan), sequence(&before) + 1);
    let changed: Vec<_> = plan
        .assets
        .iter()
        .filter(|a| a.changed)
        .map(|a| a.name.as_str())
        .collect();
    assert_eq!(changed, ["asset-7"]);
}

#[test]
fn growing_past_a_full_slice_makes_a_new_complete_set_and_then_deletes_the_old() {
    let mut scene = many(SLICE_MAX_ENTRIES - 1); // and one peer
    let before = scene.settle();
    assert_eq!(names(&before), ["bank-a-s1-0"]);
    scene.asset("one-more", json!({"content": {"api": {}}}));
    let plan = scene.plan();
    is_complete(&plan);
    assert_eq!(names(&plan), ["bank-a-s2-0", "bank-a-s2-1"]);
    assert_eq!(written(&plan), ["bank-a-s2-0", "bank-a-s2-1", "bank-a"]);
    assert_eq!(plan.obsolete, ["bank-a-s1-0"]);
    assert_eq!(entries(&plan).len(), SLICE_MAX_ENTRIES + 1);
    // Until the node has moved over, what it applied before is still in force.
    scene.apply(&plan);
    let plan = scene.plan();
    assert_eq!(says(&plan, "SharedAsset", "asset-0", "Ready"), "True Ready");
    assert_eq!(
        says(&plan, "SharedAsset", "one-more", "Ready"),
        "False NodeBehind"
    );
    assert!(!plan.assets.iter().any(|a| a.changed));
    scene.node_follows();
    let plan = scene.settle();
    assert_eq!(
        says(&plan, "SharedAsset", "one-more", "Ready"),
        "True Ready"
    );
    // It never shrinks, so the name of a set stands for one way of spreading.
    scene.inputs.assets.truncate(3);
    assert_eq!(names(&scene.plan()), ["bank-a-s2-0", "bank-a-s2-1"]);
}

#[test]
fn bytes_grow_the_set_as_entries_do() {
    let mut scene = Scene::bank_a();
    let schema = format!("{{\"description\": \"{}\"}}", "x".repeat(30_000));
    for n in 0..20 {
        scene.asset(
            &format!("asset-{n}"),
            json!({"content": {"api": {}}, "schema": schema}),
        );
    }
    let plan = scene.settle();
    is_complete(&plan);
    assert!(plan.slices.len() >= 4, "{}", plan.slices.len());
    assert_eq!(entries(&plan).len(), 41);
    // An asset and its schema are one edit, hence in one slice.
    for slice in plan
        .slices
        .iter()
        .filter_map(|s| s.config.spec.slice.as_ref())
    {
        let of = |kind: &str| {
            slice
                .entries
                .iter()
                .filter(|e| e.kind == kind)
                .map(|e| e.name.clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(of("Asset"), of("Schema"));
    }
}

#[test]
fn an_object_that_fits_no_slice_is_refused_alone() {
    let mut scene = Scene::bank_a();
    let long = "\u{1}".repeat(2048); // six bytes each as JSON
    let credentials: Vec<_> = (0..40)
        .map(|_| json!({"type": "T", "issuers": ["x"], "condition": long}))
        .collect();
    scene.asset(
        "huge",
        json!({"content": {"api": {}}, "eligibility": {"credentials": credentials}}),
    );
    scene.asset("plain", json!({"content": {"api": {}}}));
    let plan = scene.settle();
    is_complete(&plan);
    assert_eq!(
        says(&plan, "SharedAsset", "huge", "Ready"),
        "False TooLarge"
    );
    assert_eq!(says(&plan, "SharedAsset", "plain", "Ready"), "True Ready");
    assert_eq!(entry_names(&plan), ["Asset plain", "Peer bank-b"]);
}

#[test]
fn a_slice_that_somebody_edited_or_deleted_is_written_again_under_a_higher_sequence() {
    let mut scene = many(3);
    let before = scene.settle();
    let previous = scene.inputs.previous.as_mut().unwrap();
    previous.slices[0]
        .spec
        .slice
        .as_mut()
        .unwrap()
        .entries
        .clear();
    let plan = scene.plan();
    assert_eq!(written(&plan), ["bank-a", "bank-a-s1-0"]);
    assert_eq!(sequence(&plan), sequence(&before) + 1);
    scene.inputs.previous.as_mut().unwrap().slices.clear();
    let plan = scene.plan();
    assert_eq!(written(&plan), ["bank-a-s1-0", "bank-a"]);
}

#[test]
fn a_recreated_local_organization_adopts_what_is_configured() {
    let mut scene = many(3);
    let before = scene.settle();
    scene.edit_organization("local", |o| o.metadata.uid = Some("another".to_owned()));
    let plan = scene.plan();
    assert_eq!(written(&plan).len(), 2);
    assert_eq!(sequence(&plan), sequence(&before) + 1);
    let owner = |p: &crate::node::plan::Planned| {
        p.config.metadata.owner_references.clone().unwrap()[0]
            .uid
            .clone()
    };
    assert!(plan.slices.iter().all(|p| owner(p) == "another"));
}

#[test]
fn losing_the_memory_never_claims_more_than_the_node_reported() {
    let mut scene = many(3);
    scene.settle();
    scene.edit_asset("asset-1", |a| a.spec.units = vec!["/x".to_owned()]);
    let plan = scene.plan();
    scene.apply(&plan);
    scene.inputs.previous.as_mut().unwrap().memory = crate::node::plan::Memory::default();
    let plan = scene.plan();
    assert_eq!(
        says(&plan, "SharedAsset", "asset-1", "Ready"),
        "False NodeBehind"
    );
    scene.node_follows();
    assert_eq!(
        says(&scene.plan(), "SharedAsset", "asset-1", "Ready"),
        "True Ready"
    );
}

#[test]
fn the_sequence_stands_still_while_the_node_says_that_its_configuration_went_back() {
    let mut scene = many(3);
    let before = scene.settle();
    let rolled_back = finp2p_crds::sidecar_config::Exception {
        kind: "Node".to_owned(),
        name: "bank-a".to_owned(),
        reason: "ConfigurationRolledBack".to_owned(),
        message: "only what both grant is served".to_owned(),
    };
    scene.inputs.report.as_mut().unwrap().exceptions = vec![rolled_back];
    scene.asset("one-more", bond());
    let plan = scene.plan();
    assert!(
        plan.slices.iter().any(|slice| slice.changed),
        "the edit is planned"
    );
    assert_eq!(sequence(&plan), sequence(&before), "and does not count");
    // A person who means it says so.
    let mut meant = scene.clone();
    meant.edit_organization("local", |o| {
        o.metadata.annotations = Some(labels(&[("sharing.finp2p.io/sequence", "90")]));
    });
    assert_eq!(sequence(&meant.plan()), 90);
    scene.inputs.report.as_mut().unwrap().exceptions.clear();
    assert_eq!(sequence(&scene.plan()), sequence(&before) + 1);
    // The node has not noticed yet, and the operator has.
    scene.inputs.cluster = Some(Cluster {
        sequence: sequence(&before) + 1,
        ..Cluster::default()
    });
    assert_eq!(sequence(&scene.plan()), sequence(&before));
    scene.inputs.cluster = Some(Cluster {
        sequence: sequence(&before),
        ..Cluster::default()
    });
    assert_eq!(sequence(&scene.plan()), sequence(&before) + 1);
}
