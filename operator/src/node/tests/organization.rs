//! Decisions 1 to 3: which organization is local, what the others are, whose claim stands.

use finp2p_crds::entry::PeerEntry;
use finp2p_crds::peer_organization::{Role, RootKey};
use finp2p_crds::sidecar_config::REPORT_MAX_ROWS;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::scene::*;
use crate::node::inputs::{Age, Claim};

const PO: &str = "PeerOrganization";

fn claim(second: i64, organization_id: &str, namespace: &str, name: &str) -> Claim {
    Claim {
        age: Age::Created {
            at: Timestamp::from_second(second).unwrap(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        },
        organization_id: organization_id.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}

#[test]
fn the_consortiums_record_of_ourselves_is_self_and_never_a_peer() {
    let mut scene = Scene::bank_a();
    let plan = scene.settle();
    let roles: Vec<_> = plan
        .organizations
        .iter()
        .map(|o| (o.name.as_str(), o.status.role))
        .collect();
    assert_eq!(
        roles,
        [
            ("bank-a", Some(Role::Own)),
            ("bank-b", Some(Role::Peer)),
            ("local", Some(Role::Local))
        ]
    );
    assert_eq!(says(&plan, PO, "bank-a", "Accepted"), "True Self");
    assert_eq!(says(&plan, PO, "bank-a", "Ready"), "True Self");
    assert!(
        condition(&plan, PO, "bank-a", "Accepted")
            .2
            .contains("PeerOrganization local")
    );
    assert_eq!(entry_names(&plan), ["Peer bank-b"]);
    assert!(!has(&plan, PO, "bank-a", "Reachable"));
}

#[test]
fn a_peer_whose_keys_have_all_ended_is_ready_and_says_that_they_have_at_the_moment_they_do() {
    let mut scene = Scene::bank_a();
    let end = Timestamp::from_second(scene.inputs.now.as_second() + 60).unwrap();
    scene.edit_organization("bank-b", |o| o.spec.keys[0].not_after.0 = end);
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
    assert_eq!(plan.next_boundary, Some(end));

    scene.inputs.now = end;
    let plan = scene.plan();
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Expired");
    assert_eq!(says(&plan, PO, "bank-b", "Accepted"), "True Expired");
    assert_eq!(says(&plan, PO, "bank-b", "KeyExpiring"), "True Expired");
    let message = condition(&plan, PO, "bank-b", "Ready").2;
    assert!(message.contains(&format!("ended at {end}")), "{message}");
    assert!(message.contains("new public record"), "{message}");
    assert_eq!(says(&plan, PO, "bank-a", "Ready"), "True Self");
    assert_eq!(says(&plan, PO, "local", "Ready"), "True Ready");

    // What says more goes first, and one key that opens sessions is enough.
    scene.edit_organization("bank-b", |o| o.spec.suspended = Some(true));
    assert_eq!(
        says(&scene.settle(), PO, "bank-b", "Ready"),
        "True Suspended"
    );
    scene.edit_organization("bank-b", |o| {
        o.spec.suspended = None;
        let mut next = o.spec.keys[0].clone();
        next.id = "next".to_owned();
        next.public_key = keys(7)[0]["publicKey"].as_str().unwrap().to_owned();
        next.not_before.0 = end;
        next.not_after.0 = "2030-01-01T00:00:00Z".parse().unwrap();
        o.spec.keys.push(next);
    });
    assert_eq!(says(&scene.settle(), PO, "bank-b", "Ready"), "True Ready");
    for close in [
        (|key| key.verify_only = Some(true)) as fn(&mut RootKey),
        |key| key.revoked_at = Some(key.not_before.clone()),
        |key| key.not_before = key.not_after.clone(),
    ] {
        let mut scene = scene.clone();
        scene.edit_organization("bank-b", |o| close(&mut o.spec.keys[1]));
        assert_eq!(says(&scene.settle(), PO, "bank-b", "Ready"), "True Expired");
    }
}

#[test]
fn a_root_key_in_the_records_of_two_organizations_is_told_by_each_peer() {
    let mut scene = Scene::bank_a();
    assert_eq!(says(&scene.settle(), PO, "bank-b", "Ready"), "True Ready");
    scene.organization("bank-c", json!({"keys": keys(2)}));
    let plan = scene.settle();
    for (peer, other) in [("bank-b", "bank-c"), ("bank-c", "bank-b")] {
        assert_eq!(says(&plan, PO, peer, "Ready"), "True KeyShared");
        let message = condition(&plan, PO, peer, "Ready").2;
        let expected = format!("root key 2026-a is in PeerOrganization {other}, too");
        assert!(message.contains(&expected), "{message}");
    }
    assert_eq!(says(&plan, PO, "local", "Ready"), "True Ready");
    // Our own key in the record of a peer.
    scene.edit_organization("bank-c", |o| {
        o.spec.keys = serde_json::from_value(keys(1)).unwrap()
    });
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
    assert_eq!(says(&plan, PO, "bank-c", "Ready"), "True KeyShared");
    assert_eq!(says(&plan, PO, "bank-a", "Ready"), "True Self");
}

#[test]
fn pruning_the_consortiums_record_leaves_the_node_as_it_is() {
    let mut scene = Scene::bank_a();
    let before = scene.settle();
    scene
        .inputs
        .organizations
        .retain(|o| o.object.metadata.name.as_deref() != Some("bank-a"));
    let after = scene.plan();
    assert_eq!(
        before.root,
        after.root.map(|mut root| {
            root.changed = false;
            root
        })
    );
    assert_eq!(before.slices, after.slices);
}

#[test]
fn keys_that_differ_are_told_on_both_records_and_the_node_runs_on() {
    let mut scene = Scene::bank_a();
    scene.edit_organization("local", |o| {
        o.spec.keys = serde_json::from_value(keys(3)).unwrap()
    });
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "bank-a", "Ready"), "False KeysDiffer");
    assert_eq!(says(&plan, PO, "local", "Ready"), "False KeysDiffer");
    assert_eq!(says(&plan, PO, "local", "Accepted"), "True Accepted");
    assert!(
        condition(&plan, PO, "bank-a", "Ready")
            .2
            .contains("PeerOrganization local")
    );
    assert!(
        condition(&plan, PO, "local", "Ready")
            .2
            .contains("PeerOrganization bank-a")
    );
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
    assert!(plan.root.is_some());
    scene.edit_organization("local", |o| {
        o.spec.keys = serde_json::from_value(keys(1)).unwrap()
    });
    assert_eq!(says(&scene.settle(), PO, "local", "Ready"), "True Ready");
}

#[test]
fn of_two_local_organizations_in_a_namespace_the_oldest_stays() {
    let mut scene = Scene::bank_a();
    let before = scene.settle();
    let second = json!({"node": {"network": NETWORK, "signer": {"secretName": "x"}}});
    scene.organization("bank-c", second);
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "bank-c", "Ready"), "False NamespaceTaken");
    assert_eq!(says(&plan, PO, "bank-c", "Stalled"), "True NamespaceTaken");
    let (_, _, message) = condition(&plan, PO, "bank-c", "Accepted");
    assert!(
        message.contains("PeerOrganization local") && message.contains("bank-a"),
        "{message}"
    );
    assert_eq!(plan.root, before.root);
    assert_eq!(plan.slices, before.slices);
}

#[test]
fn an_organization_that_another_namespace_runs_already_is_refused_and_nothing_is_configured() {
    let mut scene = Scene::bank_a();
    scene
        .inputs
        .claims
        .push(claim(1, "bank-a", "elsewhere", "main"));
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "local", "Ready"), "False OrganizationTaken");
    let (_, _, message) = condition(&plan, PO, "local", "Accepted");
    assert!(message.contains("main in namespace elsewhere"), "{message}");
    assert_eq!(
        (plan.root, plan.slices.len(), plan.obsolete.len()),
        (None, 0, 0)
    );
    // The other objects wait for it, and none of them has to be edited.
    assert_eq!(
        says(&scene.plan(), PO, "bank-b", "Ready"),
        "False NoLocalOrganization"
    );
    assert!(!has(&scene.plan(), PO, "bank-b", "Stalled"));
}

#[test]
fn a_younger_claim_elsewhere_changes_nothing_here() {
    let mut scene = Scene::bank_a();
    let before = scene.settle();
    scene
        .inputs
        .claims
        .push(claim(4_000_000_000, "bank-a", "elsewhere", "main"));
    assert_eq!(scene.plan(), before);
}

#[test]
fn a_refused_claim_still_counts_so_that_nobodys_node_is_taken_down_by_a_deletion() {
    // bank-x is claimed first in a namespace that is taken, then elsewhere.
    let mut scene = Scene::bank_a();
    let second = json!({"organizationId": "bank-x", "node": {"network": NETWORK, "signer": {"secretName": "x"}}});
    scene.organization("second", second);
    scene
        .inputs
        .claims
        .push(claim(4_000_000_000, "bank-x", "elsewhere", "main"));
    assert_eq!(
        says(&scene.plan(), PO, "second", "Accepted"),
        "False NamespaceTaken"
    );
    let claims = scene.inputs.claims.clone();
    let mut there = Scene::empty();
    there.inputs.namespace = "elsewhere".to_owned();
    there.inputs.claims = claims;
    there.organization("main", json!({"organizationId": "bank-x", "node": {"network": NETWORK, "signer": {"secretName": "x"}}}));
    there.inputs.claims.pop();
    there.inputs.organizations[0].age = claim(4_000_000_000, "bank-x", "elsewhere", "main").age;
    assert_eq!(
        says(&there.plan(), PO, "main", "Accepted"),
        "False OrganizationTaken"
    );
}

#[test]
fn of_two_records_of_one_peer_the_oldest_stays() {
    let mut scene = Scene::bank_a();
    scene.organization(
        "bank-b-again",
        json!({"organizationId": "bank-b", "keys": keys(3)}),
    );
    let plan = scene.settle();
    assert_eq!(
        says(&plan, PO, "bank-b-again", "Accepted"),
        "False OrganizationTaken"
    );
    assert!(
        condition(&plan, PO, "bank-b-again", "Accepted")
            .2
            .contains("PeerOrganization bank-b")
    );
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
    assert_eq!(entry_names(&plan), ["Peer bank-b"]);
}

#[test]
fn in_files_the_first_by_path_and_position_stays() {
    let mut scene = Scene::bank_a();
    scene.organization(
        "again",
        json!({"organizationId": "bank-b", "keys": keys(3)}),
    );
    let written = |path: &str, document| Age::Written {
        since: 0,
        path: path.to_owned(),
        document,
        item: 0,
        line: 7,
    };
    let ages = [
        written("a.yaml", 1),
        written("a.yaml", 2),
        written("b.yaml", 2),
        written("b.yaml", 1),
    ];
    for (observed, age) in scene.inputs.organizations.iter_mut().zip(ages) {
        observed.age = age;
    }
    scene.inputs.claims[0].age = written("a.yaml", 2);
    let plan = scene.settle();
    assert_eq!(
        says(&plan, PO, "bank-b", "Accepted"),
        "False OrganizationTaken"
    );
    assert_eq!(says(&plan, PO, "again", "Ready"), "True Ready");
}

#[test]
fn a_namespace_without_a_local_organization_says_so_on_every_object_and_configures_nothing() {
    let mut scene = Scene::empty();
    scene.organization("bank-b", json!({"keys": keys(2)}));
    scene.asset("bond", bond());
    scene.policy("p", share("bond", "bank-b"));
    let plan = scene.plan();
    for (kind, name) in [
        (PO, "bank-b"),
        ("SharedAsset", "bond"),
        ("SharingPolicy", "p"),
    ] {
        assert_eq!(
            says(&plan, kind, name, "Programmed"),
            "False NoLocalOrganization"
        );
        assert_eq!(says(&plan, kind, name, "Accepted"), "True Accepted");
        assert!(
            condition(&plan, kind, name, "Programmed")
                .2
                .contains("with node")
        );
    }
    assert_eq!(
        (plan.root, plan.assets[0].status.resource_id.clone()),
        (None, None)
    );
}

#[test]
fn an_organization_that_cannot_be_what_it_says_is_refused_with_a_cure() {
    for (name, spec, reason, cure) in [
        (
            "bank.b",
            json!({"keys": keys(2)}),
            "Invalid",
            "organizationId",
        ),
        (
            "bank-b",
            json!({"keys": [{"id": "k", "publicKey": weak_key(), "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2028-01-01T00:00:00Z"}]}),
            "InvalidKey",
            "exported",
        ),
        (
            "bank-b",
            json!({"keys": twice(2)}),
            "InvalidKey",
            "listed twice",
        ),
        (
            "bank-b",
            json!({"keys": keys(2), "addresses": ["/dns4/b.example/tcp/99999"]}),
            "Invalid",
            "65535",
        ),
        (
            "bank-b",
            json!({"keys": keys(2), "addresses": ["/dns4/b.example/tcp/0/p2p/x"]}),
            "Invalid",
            "65535",
        ),
    ] {
        let mut scene = Scene::empty();
        scene.organization("local", local_spec());
        scene.organization(name, spec);
        let plan = scene.settle();
        assert_eq!(says(&plan, PO, name, "Ready"), format!("False {reason}"));
        let (_, _, message) = condition(&plan, PO, name, "Accepted");
        assert!(message.contains(cure), "{message}");
        assert_eq!(entry_names(&plan), Vec::<String>::new());
    }
}

fn weak_key() -> String {
    use base64::Engine as _;
    let mut der = vec![
        0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 1,
    ];
    der.extend([0; 31]); // the neutral element: any signature of it verifies for some message
    base64::engine::general_purpose::STANDARD.encode(der)
}

fn twice(seed: u8) -> Value {
    let mut two = keys(seed);
    let mut again = two[0].clone();
    again["id"] = json!("again");
    two.as_array_mut().unwrap().push(again);
    two
}

#[test]
fn a_suspended_peer_stays_configured_as_suspended() {
    let mut scene = Scene::bank_a();
    scene.asset(
        "theirs",
        json!({"from": {"peer": "bank-b", "assetId": "X", "mode": "Pull"}}),
    );
    scene.settle();
    scene.edit_organization("bank-b", |o| o.spec.suspended = Some(true));
    let plan = scene.settle();
    let entry = entries(&plan)
        .into_iter()
        .find(|e| e.kind == "Peer")
        .unwrap();
    assert!(entry.decode::<PeerEntry>().unwrap().payload.suspended);
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Suspended");
    assert_eq!(says(&plan, PO, "bank-b", "Reachable"), "False Suspended");
    assert_eq!(
        says(&plan, "SharedAsset", "theirs", "Available"),
        "False Suspended"
    );
}

#[test]
fn an_issuer_is_configured_and_is_no_peer() {
    let mut scene = Scene::bank_a();
    let jwk =
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    scene.organization(
        "kyc-registry",
        json!({"issuer": {"id": "https://kyc.example", "types": ["T"], "keys": [{"id": "k", "jwk": jwk}]}}),
    );
    scene.policy("p", share("bond", "kyc-registry"));
    let plan = scene.settle();
    assert_eq!(
        plan.organizations
            .iter()
            .find(|o| o.name == "kyc-registry")
            .unwrap()
            .status
            .role,
        Some(Role::Issuer)
    );
    assert_eq!(says(&plan, PO, "kyc-registry", "Ready"), "True Ready");
    assert!(!has(&plan, PO, "kyc-registry", "Reachable"));
    assert!(entry_names(&plan).contains(&"Peer kyc-registry".to_owned()));
    let (_, reason, message) = condition(&plan, "SharingPolicy", "p", "ResolvedRefs");
    assert_eq!(reason, "PeerNotFound");
    assert!(message.contains("runs no node"), "{message}");
}

#[test]
fn a_peers_outage_changes_one_condition_of_one_object() {
    let mut scene = Scene::bank_a();
    for n in 0..20 {
        scene.asset(
            &format!("theirs-{n}"),
            json!({"from": {"peer": "bank-b", "assetId": format!("X{n}"), "mode": "Pull"}}),
        );
    }
    scene.settle();
    scene.peer_answers("bank-b", true);
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "bank-b", "Reachable"), "True Reachable");
    assert_eq!(
        says(&plan, "SharedAsset", "theirs-7", "Available"),
        "True Available"
    );
    scene.peer_answers("bank-b", false);
    let plan = scene.plan();
    let changed: Vec<_> = plan
        .organizations
        .iter()
        .filter(|o| o.changed)
        .map(|o| o.name.as_str())
        .collect();
    assert_eq!(changed, ["bank-b"]);
    assert!(!plan.assets.iter().any(|a| a.changed) && plan.writes().is_empty());
    assert_eq!(says(&plan, PO, "bank-b", "Reachable"), "False Unreachable");
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
}

#[test]
fn a_peer_that_our_node_did_not_dial_is_told_why_nobody_knows_whether_it_answers() {
    let mut scene = Scene::bank_a();
    scene.settle();
    let says = |scene: &Scene| {
        let plan = scene.plan();
        let (status, reason, message) = condition(&plan, PO, "bank-b", "Reachable");
        format!("{} {reason}: {message}", status.as_str())
    };
    let never = says(&scene);
    assert!(
        never.starts_with("Unknown NotDialled: our node has not dialled it"),
        "{never}"
    );
    assert!(
        never.contains("A policy alone makes nobody dial"),
        "{never}"
    );
    scene.edit_organization("bank-b", |o| o.spec.addresses.clear());
    let unknown = says(&scene);
    assert!(
        unknown.starts_with("Unknown NotDialled: it has no addresses"),
        "{unknown}"
    );
    for n in 0..REPORT_MAX_ROWS {
        scene.peer_answers(&format!("peer-{n}"), true);
    }
    let full = says(&scene);
    assert!(
        full.starts_with("Unknown Pending: "),
        "a full report leaves some out: {full}"
    );
    scene.inputs.report = None;
    assert_eq!(
        says(&scene),
        "Unknown Pending: our node has not reported yet"
    );
}

#[test]
fn a_peer_whose_name_is_in_doubt_is_none_and_its_id_goes_to_nobody_else() {
    let mut scene = Scene::bank_a();
    scene.organization("bank-b", json!({"keys": keys(3)}));
    scene.organization(
        "bank-b-again",
        json!({"organizationId": "bank-b", "keys": keys(3)}),
    );
    scene.asset("bond", json!({"content": {"api": {}}}));
    scene.policy("p", share("bond", "bank-b"));
    scene.in_doubt(PO, "bank-b");
    let plan = scene.settle();
    assert_eq!(
        says(&plan, PO, "bank-b", "Accepted"),
        "False DuplicateObject"
    );
    assert_eq!(
        says(&plan, PO, "bank-b-again", "Accepted"),
        "False OrganizationTaken"
    );
    assert_eq!(
        says(&plan, "SharingPolicy", "p", "Ready"),
        "False PeerNotFound"
    );
    assert_eq!(entry_names(&plan), ["Asset bond", "Policy p"]);
}

#[test]
fn a_local_organization_in_doubt_runs_no_node_and_no_other_namespace_gets_its_organization() {
    let mut scene = Scene::bank_a();
    let mut other = scene.inputs.claims[0].clone();
    other.namespace = "bank-z".to_owned();
    other.age = scene.inputs.claims[0].age.clone();
    scene.in_doubt(PO, "local");
    let plan = scene.plan();
    assert_eq!(
        says(&plan, PO, "local", "Accepted"),
        "False DuplicateObject"
    );
    assert!(plan.root.is_none());
    let mut there = scene.clone();
    there.inputs.disputed.clear();
    there.inputs.namespace = "bank-z".to_owned();
    there.inputs.claims.push(other);
    assert_eq!(
        says(&there.plan(), PO, "local", "Accepted"),
        "False OrganizationTaken"
    );
}
