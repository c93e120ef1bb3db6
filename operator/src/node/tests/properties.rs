//! What holds of every plan, whatever the namespace looks like.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::json;

use super::scene::*;
use super::slice::is_complete;
use crate::node::inputs::SourceKind;
use crate::node::plan::Plan;

/// Peers, assets and policies are drawn from few names, so that they meet.
#[derive(Clone, Debug)]
enum Thing {
    Peer {
        name: u8,
        id: u8,
        key: u8,
        suspended: bool,
    },
    Own {
        name: u8,
        id: u8,
        label: u8,
        schema: bool,
    },
    Taken {
        name: u8,
        peer: u8,
        id: u8,
    },
    Policy {
        name: u8,
        asset: Option<u8>,
        peer: Option<u8>,
        retained: bool,
    },
}

fn thing() -> impl Strategy<Value = Thing> {
    prop_oneof![
        (0..6u8, 0..6u8, 0..4u8, any::<bool>()).prop_map(|(name, id, key, suspended)| {
            Thing::Peer {
                name,
                id,
                key,
                suspended,
            }
        }),
        (0..8u8, 0..8u8, 0..3u8, any::<bool>()).prop_map(|(name, id, label, schema)| Thing::Own {
            name,
            id,
            label,
            schema
        }),
        (0..8u8, 0..7u8, 0..4u8).prop_map(|(name, peer, id)| Thing::Taken { name, peer, id }),
        (
            0..6u8,
            proptest::option::of(0..9u8),
            proptest::option::of(0..7u8),
            any::<bool>()
        )
            .prop_map(|(name, asset, peer, retained)| Thing::Policy {
                name,
                asset,
                peer,
                retained
            }),
    ]
}

fn add(scene: &mut Scene, thing: &Thing) {
    let taken =
        |names: Vec<Option<String>>, name: &str| names.iter().any(|n| n.as_deref() == Some(name));
    match *thing {
        Thing::Peer {
            name,
            id,
            key,
            suspended,
        } => {
            let name = format!("peer-{name}");
            let names = scene
                .inputs
                .organizations
                .iter()
                .map(|o| o.object.metadata.name.clone())
                .collect();
            if taken(names, &name) {
                return;
            }
            // Key 0 is unusable.
            let mut keys = keys(key.max(1) + 20);
            if key == 0 {
                keys[0]["publicKey"] = json!("x");
            }
            let mut spec = json!({"organizationId": format!("peer-{id}"), "keys": keys});
            if suspended {
                spec["suspended"] = json!(true);
            }
            scene.organization(&name, spec);
        }
        Thing::Own {
            name,
            id,
            label,
            schema,
        } => {
            let name = format!("asset-{name}");
            let names = scene
                .inputs
                .assets
                .iter()
                .map(|o| o.object.metadata.name.clone())
                .collect();
            if taken(names, &name) {
                return;
            }
            let mut spec = json!({"assetId": format!("X{id}"), "content": {"secret": {"name": format!("s{}", id % 3), "key": "k"}}});
            if schema {
                spec["schema"] = json!("{}");
            }
            scene.asset(&name, spec);
            scene.edit_asset(&name, |a| {
                a.metadata.labels = Some(labels(&[("desk", &format!("d{label}"))]))
            });
        }
        Thing::Taken { name, peer, id } => {
            let name = format!("asset-{name}");
            let names = scene
                .inputs
                .assets
                .iter()
                .map(|o| o.object.metadata.name.clone())
                .collect();
            if !taken(names, &name) {
                scene.asset(&name, json!({"from": {"peer": format!("peer-{peer}"), "assetId": format!("Y{id}"), "mode": "Pull"}}));
            }
        }
        Thing::Policy {
            name,
            asset,
            peer,
            retained,
        } => {
            let name = format!("policy-{name}");
            let names = scene
                .inputs
                .policies
                .iter()
                .map(|o| o.object.metadata.name.clone())
                .collect();
            if taken(names, &name) {
                return;
            }
            let assets = asset.map_or(
                json!({"all": true}),
                |n| json!({"names": [format!("asset-{n}")]}),
            );
            let peers = peer.map_or(
                json!({"all": true}),
                |n| json!({"names": [format!("peer-{n}")]}),
            );
            let mut spec =
                json!({"assets": assets, "peers": peers, "mode": "Pull", "allFields": true});
            if retained {
                spec["retentionDays"] = json!(1);
            }
            scene.policy(&name, spec);
        }
    }
}

fn namespace(things: &[Thing]) -> Scene {
    let mut scene = Scene::bank_a();
    scene.source(SourceKind::Secret, "s0", true, &["k"]);
    scene.source(SourceKind::Secret, "s1", false, &["k"]);
    things.iter().for_each(|thing| add(&mut scene, thing));
    scene
}

fn things(max: usize) -> impl Strategy<Value = Vec<Thing>> {
    proptest::collection::vec(thing(), 0..max)
}

/// Kind and name of every object whose status differs between two plans.
fn differing(a: &Plan, b: &Plan) -> BTreeSet<String> {
    let statuses = |plan: &Plan| -> BTreeMap<String, String> {
        let o = plan
            .organizations
            .iter()
            .map(|o| (o.name.clone(), format!("{:?}", o.status)));
        let a = plan
            .assets
            .iter()
            .map(|a| (a.name.clone(), format!("{:?}", a.status)));
        let p = plan
            .policies
            .iter()
            .map(|p| (p.name.clone(), format!("{:?}", p.status)));
        o.chain(a).chain(p).collect()
    };
    let (a, b) = (statuses(a), statuses(b));
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .cloned()
        .collect()
}

/// Every object of the node's configuration that holds entries of an accepted object.
fn accepted(plan: &Plan, scene: &Scene) -> Vec<String> {
    let yes = |kind: &str, name: &str| says(plan, kind, name, "Accepted").starts_with("True");
    let mut names = Vec::new();
    for o in &plan.organizations {
        let peer = !["local", "bank-a"].contains(&o.name.as_str());
        if peer && yes("PeerOrganization", &o.name) {
            names.push(format!("Peer {}", o.name));
        }
    }
    for a in &plan.assets {
        if yes("SharedAsset", &a.name) && a.status.resource_id.is_some() {
            names.push(format!("Asset {}", a.name));
            let found = scene
                .inputs
                .assets
                .iter()
                .find(|o| o.object.metadata.name.as_deref() == Some(&a.name));
            if found.unwrap().object.spec.schema.is_some() {
                names.push(format!("Schema {}", a.name));
            }
        }
    }
    names.extend(
        plan.policies
            .iter()
            .filter(|p| yes("SharingPolicy", &p.name))
            .map(|p| format!("Policy {}", p.name)),
    );
    names.sort();
    names
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_inputs_never_matters(things in things(24), seed in any::<u64>()) {
        let scene = namespace(&things);
        let mut shuffled = scene.clone();
        let mut random = seed;
        let mut turn = |length: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if length == 0 { 0 } else { usize::try_from(random >> 33).unwrap() % length }
        };
        let inputs = &mut shuffled.inputs;
        for n in 0..inputs.organizations.len() { let m = turn(n + 1); inputs.organizations.swap(n, m); }
        for n in 0..inputs.assets.len() { let m = turn(n + 1); inputs.assets.swap(n, m); }
        for n in 0..inputs.policies.len() { let m = turn(n + 1); inputs.policies.swap(n, m); }
        inputs.sources.reverse();
        inputs.claims.reverse();
        prop_assert_eq!(scene.plan(), shuffled.plan());
    }

    #[test]
    fn every_accepted_object_is_in_exactly_one_slice_and_no_other_is(things in things(24)) {
        let mut scene = namespace(&things);
        let plan = scene.settle();
        is_complete(&plan);
        prop_assert_eq!(entry_names(&plan), accepted(&plan, &scene));
    }

    #[test]
    fn what_has_come_to_rest_stays_at_rest_and_settling_is_quick(things in things(24)) {
        let mut scene = namespace(&things);
        scene.settle();
        let plan = scene.plan();
        prop_assert!(plan.is_idle());
        prop_assert_eq!(plan.writes().len(), 0);
    }

    #[test]
    fn one_more_object_never_changes_an_entry_of_another(things in things(20), more in thing()) {
        let mut scene = namespace(&things);
        let before = scene.settle();
        add(&mut scene, &more);
        let after = scene.plan();
        let (before, after) = (entries(&before), entries(&after));
        for entry in &before {
            // A newcomer is the youngest, so nothing of what was there gives way to it.
            prop_assert!(after.contains(entry), "{} {}", entry.kind, entry.name);
        }
    }

    #[test]
    fn an_edit_changes_one_slice_and_only_statuses_of_those_it_names_or_that_name_it(
        things in things(24), label in 0..4u8, which in 0..8u8
    ) {
        let mut scene = namespace(&things);
        let before = scene.settle();
        let name = format!("asset-{which}");
        if !before.assets.iter().any(|a| a.name == name) {
            return Ok(());
        }
        scene.edit_asset(&name, |a| a.metadata.labels = Some(labels(&[("desk", &format!("d{label}"))])));
        let after = scene.plan();
        prop_assert!(after.slices.iter().filter(|s| s.changed).count() <= 1);
        let mut allowed: BTreeSet<String> = [name.clone()].into();
        for policy in &scene.inputs.policies {
            let spec = &policy.object.spec;
            let names = spec.assets.iter().filter_map(|s| s.names.as_ref()).flatten();
            if names.into_iter().any(|n| *n == name) {
                allowed.extend(policy.object.metadata.name.clone());
            }
        }
        let changed = differing(&before, &after);
        prop_assert!(changed.is_subset(&allowed), "{changed:?} beyond {allowed:?}");
    }

    #[test]
    fn time_alone_never_rewrites_a_slice(things in things(16), hours in 0..400i64) {
        let mut scene = namespace(&things);
        scene.settle();
        scene.wait(jiff::SignedDuration::from_hours(hours));
        let plan = scene.plan();
        prop_assert!(!plan.slices.iter().any(|s| s.changed));
    }

    #[test]
    fn transition_times_are_stable_under_edits_that_change_no_status(things in things(16)) {
        let mut scene = namespace(&things);
        let before = scene.settle();
        scene.wait(jiff::SignedDuration::from_hours(1));
        scene.edit_organization("bank-b", |o| o.metadata.labels = Some(labels(&[("x", "y")])));
        let after = scene.settle();
        for (b, a) in before.organizations.iter().zip(&after.organizations) {
            for (b, a) in b.status.conditions.iter().zip(&a.status.conditions) {
                if b.status == a.status && b.type_ != "Programmed" && b.type_ != "Ready" {
                    prop_assert_eq!(&b.last_transition_time, &a.last_transition_time);
                }
            }
        }
        prop_assert!(differing(&before, &after).is_subset(&["bank-b".to_owned()].into()));
    }
}
