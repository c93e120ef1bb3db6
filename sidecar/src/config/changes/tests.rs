use std::sync::Arc;

use finp2p_crds::SidecarConfig;
use finp2p_crds::sidecar_config::{NodeLimits, Root, SidecarConfigSpec, Slice};
use serde_json::{Value, json};

use super::*;
use crate::config::Reading;

fn entry(kind: &str, name: &str, payload: Value) -> RawEntry {
    RawEntry {
        kind: kind.to_owned(),
        uid: format!("uid-{name}"),
        generation: 3,
        name: name.to_owned(),
        payload,
    }
}

fn policy(name: &str, change: &str) -> RawEntry {
    let spec =
        json!({"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true});
    entry(POLICY, name, json!({"spec": spec, "change": change}))
}

fn peer(name: &str, suspended: bool) -> RawEntry {
    entry(
        PEER,
        name,
        json!({"organizationId": name, "suspended": suspended}),
    )
}

fn asset(name: &str) -> RawEntry {
    entry(
        ASSET,
        name,
        json!({"resourceId": format!("bank-a:102:{name}"), "hasSchema": true}),
    )
}

fn schema(name: &str, text: &str) -> RawEntry {
    entry(SCHEMA, name, json!({"text": text}))
}

/// A configuration of as many slices, decoded after another one.
fn applied(slices: &[&[RawEntry]], before: Option<&Applied>) -> Applied {
    let name = |number: usize| format!("bank-a-s-{number}");
    let root = Root {
        organization_id: "bank-a".to_owned(),
        network: "sandbox".to_owned(),
        incarnation: 1,
        sequence: 1,
        limits: NodeLimits::default(),
        set: "s".to_owned(),
        slices: (0..slices.len()).map(name).collect(),
        ..Root::default()
    };
    let object = |name: &str, root, slice| {
        Arc::new(SidecarConfig::new(name, SidecarConfigSpec { root, slice }))
    };
    let slices = slices.iter().enumerate().map(|(number, entries)| {
        let slice = Slice {
            set: "s".to_owned(),
            bucket: i32::try_from(number).unwrap(),
            entries: entries.to_vec(),
        };
        object(&name(number), None, Some(slice))
    });
    let reading = Reading {
        slices: slices.collect(),
        root: object("bank-a", Some(root), None),
    };
    Applied::decode(reading, before).unwrap()
}

fn told(changes: &Changes) -> Vec<String> {
    let told = |o: &ChangedObject| {
        let Named {
            name,
            uid,
            generation,
            change,
        } = &o.object;
        assert_eq!((uid, *generation), (&format!("uid-{name}"), 3));
        let change = change.as_deref().unwrap_or("-");
        format!("{} {name} {:?} {change}", o.kind, o.what)
    };
    changes.objects.iter().map(told).collect()
}

#[test]
fn an_edit_names_what_was_added_changed_and_removed_with_the_change_behind_it() {
    let before = applied(
        &[
            &[
                policy("terms", "CHG-1"),
                peer("bank-b", false),
                policy("same", "CHG-0"),
            ],
            &[asset("bond"), schema("bond", "{}"), asset("old")],
        ],
        None,
    );
    let after = applied(
        &[
            // The annotation alone is a change too.
            &[
                policy("terms", "CHG-2"),
                peer("bank-b", true),
                policy("same", "CHG-0"),
            ],
            &[
                asset("bond"),
                schema("bond", "{\"type\":\"object\"}"),
                asset("new"),
            ],
        ],
        Some(&before),
    );
    let changes = Changes::between(Some(&before), &after);
    let expected = [
        "Policy terms Changed CHG-2",
        "Peer bank-b Changed -",
        "Asset bond Changed -",
        "Asset new Added -",
        "Asset old Removed -",
    ];
    assert_eq!(told(&changes), expected);
    assert_eq!(changes.more, 0);
}

#[test]
fn what_only_moved_to_other_slices_did_not_change() {
    let (terms, bond) = (policy("terms", "CHG-1"), asset("bond"));
    let before = applied(&[&[terms.clone(), bond.clone()]], None);
    let after = applied(&[&[bond], &[terms]], Some(&before));
    assert_eq!(Changes::between(Some(&before), &after), Changes::default());
}

#[test]
fn of_many_objects_some_are_named_and_the_rest_are_counted() {
    let many: Vec<_> = (0..100)
        .map(|n| policy(&format!("p{n:03}"), "CHG"))
        .collect();
    let changes = Changes::between(None, &applied(&[&many], None));
    assert_eq!(changes.objects.len(), MAX_OBJECTS);
    assert_eq!(changes.more, 100 - 32);
}
