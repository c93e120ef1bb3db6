//! Decision 8: what everybody is told while the node serves only what both configurations grant.

use finp2p_crds::condition::Truth;
use finp2p_crds::sidecar_config::Exception;
use serde_json::json;

use super::scene::*;
use crate::node::plan::Plan;

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
fn a_sequence_that_was_asked_for_is_told_of_while_it_lifts_nothing_and_not_afterwards() {
    let mut scene = rolled_back();
    let asks = [("sharing.finp2p.io/sequence", "3")];
    scene.edit_organization("local", |o| o.metadata.annotations = Some(labels(&asks)));
    let message = |plan: &Plan, type_| {
        let (_, _, message) = condition(plan, "PeerOrganization", "local", type_);
        message.to_owned()
    };
    let plan = scene.settle();
    for type_ in ["Ready", "Programmed"] {
        let said = message(&plan, type_);
        assert!(
            said.starts_with(SAYS) && said.contains("asks for 3"),
            "{said}"
        );
    }
    scene.inputs.report.as_mut().unwrap().exceptions.clear();
    let plan = scene.settle();
    let said = message(&plan, "Ready");
    assert_eq!(said, "accepted, resolved, and in force in the node");
}

#[test]
fn an_annotation_that_does_nothing_where_it_stands_is_told_and_all_is_ready() {
    let mut scene = rolled_back();
    scene.inputs.report.as_mut().unwrap().exceptions.clear();
    let sequence = || Some(labels(&[("sharing.finp2p.io/sequence", "90")]));
    let misspelt = labels(&[("sharing.finp2p.io/sequnce", "90")]);
    scene.edit_organization("bank-b", |o| o.metadata.annotations = sequence());
    scene.edit_organization("local", |o| o.metadata.annotations = Some(misspelt));
    scene.edit_asset("bond", |a| a.metadata.annotations = sequence());
    scene.edit_policy("shares", |p| p.metadata.annotations = sequence());
    let plan = scene.settle();
    for (kind, name, told) in [
        (
            "PeerOrganization",
            "bank-b",
            "write it on the PeerOrganization with node",
        ),
        (
            "PeerOrganization",
            "local",
            "there are sharing.finp2p.io/change and, on",
        ),
        (
            "SharedAsset",
            "bond",
            "write it on the PeerOrganization with node",
        ),
        (
            "SharingPolicy",
            "shares",
            "write it on the PeerOrganization with node",
        ),
    ] {
        for type_ in ["Ready", "Accepted"] {
            let (status, _, message) = condition(&plan, kind, name, type_);
            assert_eq!(status, Truth::True, "{kind} {name}: {message}");
            assert!(
                message.contains("does nothing here") && message.contains(told),
                "{message}"
            );
        }
    }
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
