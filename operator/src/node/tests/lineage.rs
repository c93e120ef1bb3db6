//! What a root tells of the sequences before it.

use finp2p_crds::sidecar_config::{LINEAGE_MAX, Root};
use serde_json::json;

use super::scene::*;
use crate::node::plan::Plan;

fn root(plan: &Plan) -> &Root {
    let planned = plan.root.as_ref().unwrap();
    planned.config.spec.root.as_ref().unwrap()
}

/// A namespace at rest with one asset, and its root.
fn at_rest() -> (Scene, Root) {
    let mut scene = Scene::bank_a();
    scene.asset("bond", json!({"content": {"api": {}}}));
    let plan = scene.settle();
    (scene, root(&plan).clone())
}

/// Edits the asset, and lets the node follow.
fn edit(scene: &mut Scene, text: &str) -> Root {
    scene.edit_asset("bond", |asset| {
        asset.metadata.labels = Some(labels(&[("desk", text)]));
    });
    let plan = scene.settle();
    root(&plan).clone()
}

#[test]
fn each_edit_adds_a_mark_to_those_before() {
    let (mut scene, first) = at_rest();
    assert_eq!(i64::try_from(first.lineage.len()).unwrap(), first.sequence);
    let second = edit(&mut scene, "bonds");
    assert_eq!(second.sequence, first.sequence + 1);
    let (last, before) = second.lineage.split_last().unwrap();
    assert_eq!(before, first.lineage);
    assert!(!before.contains(last) && last.len() == 16, "{last}");
    assert_eq!(second.mark(first.sequence), first.mark(first.sequence));
}

#[test]
fn an_idle_plan_has_the_lineage_that_is_there() {
    let (scene, first) = at_rest();
    let plan = scene.plan();
    assert!(plan.is_idle());
    assert_eq!(root(&plan), &first);
}

#[test]
fn the_same_edits_make_the_same_marks_and_others_never_again() {
    let (restored, _) = at_rest();
    let (mut one, mut same, mut other) = (restored.clone(), restored.clone(), restored);
    assert_eq!(edit(&mut one, "bonds"), edit(&mut same, "bonds"));
    edit(&mut other, "equities");
    // From the fork on they differ, although what is configured is the same.
    let (one, other) = (edit(&mut one, "funds"), edit(&mut other, "funds"));
    assert_eq!(one.sequence, other.sequence);
    for sequence in [one.sequence - 1, one.sequence] {
        assert!(one.mark(sequence).is_some());
        assert_ne!(one.mark(sequence), other.mark(sequence));
    }
    assert_eq!(one.mark(one.sequence - 2), other.mark(one.sequence - 2));
}

#[test]
fn an_edit_of_the_root_alone_is_in_the_mark() {
    let (restored, _) = at_rest();
    let edited = |requests_per_second: i64| {
        let mut scene = restored.clone();
        scene.edit_organization("local", |o| {
            let limits = json!({"requestsPerSecond": requests_per_second});
            o.spec.node.as_mut().unwrap().limits = serde_json::from_value(limits).unwrap();
        });
        root(&scene.plan()).lineage.last().cloned()
    };
    assert_ne!(edited(7), edited(8));
}

#[test]
fn what_is_before_the_mark_that_the_node_keeps_is_not_named() {
    let (mut scene, _) = at_rest();
    for desk in ["bonds", "funds"] {
        edit(&mut scene, desk);
    }
    let keeps = |scene: &mut Scene, mark: Option<&str>| {
        scene.inputs.report.as_mut().unwrap().mark = mark.map(str::to_owned);
    };
    let long = edit(&mut scene, "equities");
    let middle = long.mark(long.sequence - 1).map(str::to_owned);
    let mut silent = scene.clone();
    keeps(&mut scene, middle.as_deref());
    assert!(scene.plan().is_idle(), "a report alone writes nothing");
    let next = edit(&mut scene, "bonds");
    let untold = edit(&mut silent, "bonds");
    assert_eq!(
        next.lineage.last(),
        untold.lineage.last(),
        "what is named is in no mark"
    );
    assert_eq!(next.lineage.len(), 3, "the one it keeps and two since");
    assert_eq!(next.mark(long.sequence - 1), middle.as_deref());
    assert_eq!(next.mark(long.sequence), long.mark(long.sequence));
    // One of another past, or none, shortens nothing.
    for (mark, length) in [(Some("0123456789abcdef"), 4), (None, 5)] {
        keeps(&mut scene, mark);
        assert_eq!(
            edit(&mut scene, &format!("desk-{length}")).lineage.len(),
            length
        );
    }
}

#[test]
fn a_lineage_is_bounded() {
    let (mut scene, _) = at_rest();
    for n in 0..LINEAGE_MAX + 3 {
        edit(&mut scene, &format!("desk-{n}"));
    }
    let last = edit(&mut scene, "last");
    assert_eq!(last.lineage.len(), LINEAGE_MAX);
    assert!(last.mark(last.sequence).is_some());
}

#[test]
fn a_sequence_that_a_person_asked_for_begins_a_lineage() {
    let (mut scene, first) = at_rest();
    let ask = |scene: &mut Scene, sequence: i64| {
        scene.edit_organization("local", |o| {
            let asked = sequence.to_string();
            o.metadata.annotations = Some(labels(&[("sharing.finp2p.io/sequence", &asked)]));
        });
        let plan = scene.settle();
        root(&plan).clone()
    };
    // What the next edit would have made it says nothing less.
    let next = ask(&mut scene, first.sequence + 1);
    assert_eq!((next.sequence, next.lineage.len()), (first.sequence + 1, 1));
    let on = edit(&mut scene, "bonds");
    assert_eq!((on.sequence, on.lineage.len()), (first.sequence + 2, 2));
    // It does not go down.
    assert_eq!(ask(&mut scene, 1), on);
}

#[test]
fn a_sequence_that_cannot_be_is_told_and_nothing_is_done() {
    for asked in ["", "ninety", "0", "-1", "4503599627370497", "1e3"] {
        let (mut scene, before) = at_rest();
        scene.edit_organization("local", |o| {
            o.metadata.annotations = Some(labels(&[("sharing.finp2p.io/sequence", asked)]));
        });
        let plan = scene.plan();
        let said = says(&plan, "PeerOrganization", "local", "ResolvedRefs");
        assert_eq!(said, "False Invalid", "{asked}");
        let (_, _, message) = condition(&plan, "PeerOrganization", "local", "ResolvedRefs");
        assert!(message.contains("sharing.finp2p.io/sequence"), "{message}");
        assert_eq!(root(&plan), &before, "{asked}");
    }
}

/// Has the node say that its configuration went back in time, or not any more.
fn rolled_back(scene: &mut Scene, is: bool) {
    let said = json!({"kind": "Node", "name": "bank-a", "reason": "ConfigurationRolledBack", "message": "m"});
    let said = is.then(|| serde_json::from_value(said).unwrap());
    scene.inputs.report.as_mut().unwrap().exceptions = said.into_iter().collect();
}

#[test]
fn an_edit_that_does_not_count_has_another_mark_under_the_same_sequence() {
    let (mut scene, before) = at_rest();
    rolled_back(&mut scene, true);
    let still = edit(&mut scene, "bonds");
    assert_eq!(still.sequence, before.sequence);
    assert_eq!(still.lineage.len(), before.lineage.len());
    assert_ne!(still.lineage.last(), before.lineage.last());
    assert_eq!(
        still.mark(still.sequence - 1),
        before.mark(before.sequence - 1)
    );
    assert!(scene.plan().is_idle());
    // Once it is accepted it is gone on from.
    rolled_back(&mut scene, false);
    let next = edit(&mut scene, "funds");
    assert_eq!(next.sequence, before.sequence + 1);
    assert_eq!(next.mark(before.sequence), still.mark(before.sequence));
}

#[test]
fn a_sequence_that_is_asked_for_again_over_other_entries_has_another_mark() {
    let (with, _) = at_rest();
    let mut without = with.clone();
    without.inputs.assets.clear();
    without.settle();
    let asked = |scene: &Scene| {
        let mut scene = scene.clone();
        scene.edit_organization("local", |o| {
            o.metadata.annotations = Some(labels(&[("sharing.finp2p.io/sequence", "90")]));
        });
        root(&scene.plan()).clone()
    };
    let (with, without) = (asked(&with), asked(&without));
    assert_eq!((with.sequence, without.sequence), (90, 90));
    // Nothing but the annotation was planned: no slice is written with it.
    assert_eq!(with.slices, without.slices);
    assert_ne!(with.lineage, without.lineage);
}

#[test]
fn what_a_person_asked_for_stems_from_nothing() {
    let (mut scene, _) = at_rest();
    // Another past of the same configuration.
    let mut other = scene.clone();
    let previous = other.inputs.previous.as_mut().unwrap();
    let there = previous.root.spec.root.as_mut().unwrap();
    there.lineage = vec!["0123456789abcdef".to_owned()];
    let [one, other] = [&mut scene, &mut other].map(|scene| {
        scene.edit_organization("local", |o| {
            o.metadata.annotations = Some(labels(&[("sharing.finp2p.io/sequence", "90")]));
        });
        root(&scene.plan()).clone()
    });
    assert_eq!(one, other);
}
