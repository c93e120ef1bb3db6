//! Decision 8: what everybody is told while the node serves only what both configurations grant.

use finp2p_crds::sidecar_config::Exception;
use serde_json::json;

use super::scene::*;

const SAYS: &str = "only what both grant is served; accept it (POST /v1/configuration/accept)";

/// A namespace at rest that shares, whose node then says that its configuration went back in time.
fn rolled_back() -> Scene {
    let mut scene = Scene::bank_a();
    scene.asset("bond", json!({"content": {"api": {}}}));
    scene.policy("shares", share("bond", "bank-b"));
    scene.settle();
    scene.inputs.report.as_mut().unwrap().exceptions = vec![of_node()];
    scene
}

fn of_node() -> Exception {
    let said = json!({"kind": "Node", "name": "bank-a", "reason": "ConfigurationRolledBack", "message": SAYS});
    serde_json::from_value(said).unwrap()
}

#[test]
fn no_policy_is_ready_and_none_must_be_edited() {
    let mut scene = rolled_back();
    let plan = scene.settle();
    for type_ in ["Programmed", "Ready"] {
        let said = says(&plan, "SharingPolicy", "shares", type_);
        assert_eq!(said, "False ConfigurationRolledBack");
    }
    assert_eq!(
        says(&plan, "SharingPolicy", "shares", "Accepted"),
        "True Accepted"
    );
    assert!(!has(&plan, "SharingPolicy", "shares", "Stalled"));
    let (_, _, message) = condition(&plan, "SharingPolicy", "shares", "Ready");
    assert!(
        message.contains("former configuration granted as well"),
        "{message}"
    );
    assert!(message.ends_with(SAYS), "{message}");
    let local = says(&plan, "PeerOrganization", "local", "Ready");
    assert_eq!(local, "False ConfigurationRolledBack");
}

#[test]
fn assets_and_peers_are_not_written_for_it() {
    let plan = rolled_back().plan();
    let changed = |changed: bool, name: &str| changed.then(|| name.to_owned());
    let assets = plan
        .assets
        .iter()
        .filter_map(|a| changed(a.changed, &a.name));
    let organizations = plan.organizations.iter();
    let organizations = organizations.filter_map(|o| changed(o.changed, &o.name));
    let policies = plan
        .policies
        .iter()
        .filter_map(|p| changed(p.changed, &p.name));
    let all: Vec<String> = assets.chain(organizations).chain(policies).collect();
    assert_eq!(all, ["local", "shares"]);
}

#[test]
fn what_is_wrong_with_a_policy_itself_is_told_first() {
    let mut scene = rolled_back();
    let mut unenforced = share("bond", "bank-b");
    unenforced["retentionDays"] = json!(30);
    scene.policy("refused", unenforced);
    scene.policy("nowhere", share("bond", "bank-x"));
    let plan = scene.settle();
    let ready = |name: &str| says(&plan, "SharingPolicy", name, "Ready");
    assert_eq!(ready("refused"), "False NotYetSupported");
    assert_eq!(ready("nowhere"), "False PeerNotFound");
    // An edit that the node has not applied yet is not in force either way.
    scene.policy("newest", share("bond", "bank-b"));
    let newest = scene.plan();
    assert_eq!(
        says(&newest, "SharingPolicy", "newest", "Ready"),
        "False ConfigurationRolledBack"
    );
}

#[test]
fn policies_are_ready_again_once_it_is_accepted() {
    let mut scene = rolled_back();
    scene.settle();
    scene.inputs.report.as_mut().unwrap().exceptions.clear();
    let plan = scene.settle();
    assert_eq!(
        says(&plan, "SharingPolicy", "shares", "Ready"),
        "True Ready"
    );
    assert_eq!(
        says(&plan, "PeerOrganization", "local", "Ready"),
        "True Ready"
    );
}

#[test]
fn a_policy_of_a_node_that_denies_everything_is_not_ready_and_one_of_a_node_that_only_warns_is() {
    let mut scene = rolled_back();
    for (reason, ready, organization) in [
        (
            "ConfigurationStale",
            "False ConfigurationStale",
            "False ConfigurationStale",
        ),
        (
            "ConfigurationUnread",
            "True Ready",
            "False ConfigurationUnread",
        ),
        // The volume is full for some minutes: a thousand policies are not written for it.
        ("StoreUnavailable", "True Ready", "False StoreUnavailable"),
    ] {
        let exceptions = &mut scene.inputs.report.as_mut().unwrap().exceptions;
        exceptions[0].reason = reason.to_owned();
        let plan = scene.settle();
        assert_eq!(says(&plan, "SharingPolicy", "shares", "Ready"), ready);
        assert!(!has(&plan, "SharingPolicy", "shares", "Stalled"));
        let local = says(&plan, "PeerOrganization", "local", "Ready");
        assert_eq!(local, organization);
    }
}
