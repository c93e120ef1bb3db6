//! Decisions 11 and 13 and the root: what the local organization needs, and when it is ready.

use finp2p_crds::entry::PeerEntry;
use jiff::SignedDuration;
use serde_json::json;

use super::scene::*;
use crate::node::inputs::{Dialling, SignerState};

const PO: &str = "PeerOrganization";

#[test]
fn a_missing_signer_says_what_to_run_and_stops_nothing_else() {
    for (signer, part) in [
        (SignerState::Missing, "is not in namespace bank-a"),
        (
            SignerState::Unusable("it has no key.pem".to_owned()),
            "cannot sign, it has no key.pem",
        ),
    ] {
        let mut scene = Scene::bank_a();
        scene.inputs.signer = signer;
        let plan = scene.settle();
        let (_, reason, message) = condition(&plan, PO, "local", "ResolvedRefs");
        assert_eq!(reason, "SignerMissing");
        assert!(
            message.contains(part)
                && message.contains("finp2p-operator certify bank-a --network sandbox-finp2p"),
            "{message}"
        );
        assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
        assert_eq!(entry_names(&plan), ["Peer bank-b"]);
    }
}

#[test]
fn where_no_key_exists_yet_the_command_that_makes_one_comes_first() {
    let mut scene = Scene::bank_a();
    scene.inputs.signer = SignerState::Missing;
    let said = |scene: &Scene| {
        let plan = scene.plan();
        let (_, _, message) = condition(&plan, PO, "local", "ResolvedRefs");
        (message.find("keygen"), message.find("certify"))
    };
    let (keygen, certify) = said(&scene);
    assert!(certify < keygen, "bank-a has a root key");
    scene
        .inputs
        .organizations
        .retain(|o| o.object.metadata.name.as_deref() != Some("bank-a"));
    let (keygen, certify) = said(&scene);
    assert!(
        keygen.is_some() && keygen < certify,
        "and none without its record"
    );
}

#[test]
fn an_issuing_key_that_peers_would_not_believe_is_a_missing_signer() {
    let now = Scene::empty().inputs.now;
    let mut wrong_root = Scene::bank_a();
    wrong_root.inputs.signer = issuing(5, now, 300).state();
    let mut ended = Scene::bank_a();
    ended.wait(SignedDuration::from_hours(24 * 300));
    let mut revoked = Scene::bank_a();
    revoked.edit_organization("bank-a", |o| o.spec.revoked_serials = vec![7]);
    let mut network = Scene::bank_a();
    network.edit_organization("local", |o| {
        o.spec.node.as_mut().unwrap().network = "other".to_owned()
    });
    for (mut scene, part) in [
        (wrong_root, "not among the keys of bank-a"),
        (ended, "ended on 2027-09-19"),
        (revoked, "is revoked (serial 7)"),
        (network, "another network than other"),
    ] {
        let plan = scene.plan();
        let (_, reason, message) = condition(&plan, PO, "local", "ResolvedRefs");
        assert_eq!(reason, "SignerMissing", "{part}");
        assert!(message.contains(part), "{message}");
        scene.inputs.now = now;
    }
}

#[test]
fn an_address_is_awaited_only_where_peers_must_dial_a_service() {
    let mut scene = Scene::bank_a();
    scene.inputs.dialling = Dialling::Network { service: None };
    let plan = scene.settle();
    assert_eq!(says(&plan, PO, "local", "Ready"), "False AddressPending");
    assert!(!has(&plan, PO, "local", "Stalled"));
    assert_eq!(says(&plan, PO, "bank-b", "Ready"), "True Ready");
    scene.edit_organization("local", |o| {
        o.spec.node.as_mut().unwrap().announce = vec!["/dns4/a.example/tcp/4001".to_owned()];
    });
    assert_eq!(says(&scene.settle(), PO, "local", "Ready"), "True Ready");
    let mut local_mode = Scene::bank_a();
    local_mode.inputs.dialling =
        Dialling::Loopback([("bank-b".to_owned(), vec!["/ip4/127.0.0.1/tcp/9".to_owned()])].into());
    let plan = local_mode.settle();
    assert_eq!(says(&plan, PO, "local", "Ready"), "True Ready");
    let entry = entries(&plan).remove(0).decode::<PeerEntry>().unwrap();
    assert_eq!(entry.payload.addresses, ["/ip4/127.0.0.1/tcp/9"]);
}

#[test]
fn decommissioning_takes_every_policy_away_and_ends_in_a_condition() {
    let mut scene = Scene::bank_a();
    scene.source(
        crate::node::inputs::SourceKind::Secret,
        "bonds",
        true,
        &["bond.json"],
    );
    scene.asset("bond", bond());
    scene.policy("p", share("bond", "bank-b"));
    let plan = scene.settle();
    assert_eq!(says(&plan, "SharingPolicy", "p", "Ready"), "True Ready");
    scene.edit_organization("local", |o| {
        o.spec.node.as_mut().unwrap().decommission = Some(true)
    });
    let plan = scene.plan();
    assert_eq!(entry_names(&plan), ["Asset bond", "Peer bank-b"]);
    assert_eq!(
        says(&plan, PO, "local", "Decommissioned"),
        "False NodeBehind"
    );
    assert_eq!(
        says(&plan, "SharingPolicy", "p", "Ready"),
        "False Decommissioned"
    );
    assert_eq!(
        says(&scene.settle(), PO, "local", "Decommissioned"),
        "True Decommissioned"
    );
}

#[test]
fn a_node_that_never_had_certificates_is_decommissioned_without_its_word() {
    let decommissioned = |certified: bool| {
        let mut scene = Scene::bank_a();
        if !certified {
            scene.inputs.signer = SignerState::Missing;
        }
        scene.asset("bond", bond());
        scene.policy("p", share("bond", "bank-b"));
        scene.settle();
        scene.inputs.signer = SignerState::Missing;
        scene.edit_organization("local", |o| {
            o.spec.node.as_mut().unwrap().decommission = Some(true)
        });
        let plan = scene.plan();
        scene.apply(&plan);
        // Without certificates it looks at no content, and reports nothing as applied.
        scene.inputs.report.as_mut().unwrap().applied.clear();
        let plan = scene.plan();
        says(&plan, PO, "local", "Decommissioned")
    };
    assert_eq!(decommissioned(false), "True Decommissioned");
    // One that had some may share still.
    assert_eq!(decommissioned(true), "False NodeBehind");
}

#[test]
fn the_root_carries_what_concerns_the_node_with_defaults() {
    let mut scene = Scene::bank_a();
    scene.edit_organization("local", |o| {
        let node = o.spec.node.as_mut().unwrap();
        node.incarnation = Some(3);
        node.limits = serde_json::from_value(json!({"connections": 8})).unwrap();
        node.api = serde_json::from_value(
            json!({"clients": [{"serviceAccount": "trading", "allow": ["Fetch"]}]}),
        )
        .unwrap();
    });
    let plan = scene.settle();
    let config = plan.root.unwrap().config;
    assert_eq!(config.metadata.owner_references, None, "the root stays");
    let root = config.spec.root.unwrap();
    assert_eq!(
        (
            root.organization_id.as_str(),
            root.network.as_str(),
            root.incarnation
        ),
        ("bank-a", NETWORK, 3)
    );
    let limits = root.limits;
    assert_eq!((limits.requests_per_second, limits.connections), (1000, 8));
    assert_eq!(
        (limits.erase_after_seconds, limits.max_config_age_seconds),
        (86_400, 259_200)
    );
    assert_eq!(root.api[0].service_account, "trading");
    assert_eq!(root.slices, ["bank-a-s1-0"]);
}

#[test]
fn the_local_organization_is_ready_when_its_node_runs_the_whole_set_as_the_right_incarnation() {
    let mut scene = Scene::bank_a();
    let first = scene.plan();
    assert_eq!(says(&first, PO, "local", "Ready"), "False NodeBehind");
    scene.apply(&first);
    scene.node_follows();
    assert_eq!(says(&scene.plan(), PO, "local", "Ready"), "True Ready");
    scene.edit_organization("local", |o| {
        o.spec.node.as_mut().unwrap().incarnation = Some(2)
    });
    assert_eq!(
        says(&scene.plan(), PO, "local", "Ready"),
        "False NodeBehind"
    );
    for reason in [
        "ConfigurationRolledBack",
        "ConfigurationStale",
        "ConfigurationUnread",
        "StoreUnavailable",
    ] {
        let mut scene = Scene::bank_a();
        scene.settle();
        let exception = json!({"kind": "Node", "name": "node", "reason": reason, "message": "why"});
        scene.inputs.report.as_mut().unwrap().exceptions =
            vec![serde_json::from_value(exception).unwrap()];
        assert_eq!(
            says(&scene.plan(), PO, "local", "Ready"),
            format!("False {reason}")
        );
        // No edit of the object mends it: kstatus takes it for in progress.
        assert!(!has(&scene.plan(), PO, "local", "Stalled"));
        scene.inputs.report.as_mut().unwrap().exceptions.clear();
        assert_eq!(says(&scene.plan(), PO, "local", "Ready"), "True Ready");
    }
}
