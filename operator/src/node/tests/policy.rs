//! Decisions 4 to 6: what a policy names, what is not enforced yet, when it is in force.

use finp2p_crds::entry::PolicyEntry;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::scene::*;

const SP: &str = "SharingPolicy";

fn scene() -> Scene {
    let mut scene = Scene::bank_a();
    scene.asset("bond", json!({"content": {"api": {}}}));
    scene
}

fn with(spec: Value, more: Value) -> Value {
    let mut spec = spec;
    spec.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    spec
}

#[test]
fn names_that_lead_nowhere_are_told_and_the_rest_works() {
    let mut scene = scene();
    scene.asset(
        "theirs",
        json!({"from": {"peer": "bank-b", "assetId": "X", "mode": "Pull"}}),
    );
    scene.policy(
        "p",
        with(
            share("bond", "bank-b"),
            json!({
                "peers": {"names": ["bank-b", "bank-x", "bank-a"]},
                "assets": {"names": ["bond", "nothing", "theirs"]}
            }),
        ),
    );
    let plan = scene.settle();
    assert_eq!(says(&plan, SP, "p", "Accepted"), "True Accepted");
    assert_eq!(says(&plan, SP, "p", "Programmed"), "True Programmed");
    assert_eq!(says(&plan, SP, "p", "Ready"), "False PeerNotFound");
    let (_, _, message) = condition(&plan, SP, "p", "ResolvedRefs");
    assert!(
        message.contains("bank-x does not exist; bank-a is this organization itself"),
        "{message}"
    );
    assert!(entry_names(&plan).contains(&"Policy p".to_owned()));
    scene.edit_policy("p", |p| {
        p.spec.peers.names = Some(vec!["bank-b".to_owned()])
    });
    let plan = scene.settle();
    let (_, reason, message) = condition(&plan, SP, "p", "ResolvedRefs");
    assert_eq!(reason, "AssetNotFound");
    assert!(
        message.contains("nothing does not exist; theirs is a peer's asset"),
        "{message}"
    );
    assert!(!has(&plan, SP, "p", "Stalled"));
}

#[test]
fn a_field_that_is_not_enforced_yet_keeps_the_whole_policy_out() {
    let mut scene = scene();
    let credential = json!([{"type": "T", "issuers": ["kyc"]}]);
    for (name, field, value) in [
        ("credentials", "credentials", credential),
        ("retention", "retentionDays", json!(30)),
        ("recipients", "minimumRecipients", json!(1)),
        ("lease", "leaseHours", json!(1)),
    ] {
        let spec = with(
            share("bond", "bank-b"),
            json!({"mode": "Push", field: value}),
        );
        scene.policy(name, spec);
        let plan = scene.settle();
        assert_eq!(says(&plan, SP, name, "Ready"), "False NotYetSupported");
        assert_eq!(says(&plan, SP, name, "Stalled"), "True NotYetSupported");
        let (_, _, message) = condition(&plan, SP, name, "Accepted");
        assert!(
            message.contains(field) && message.contains("grants nothing"),
            "{message}"
        );
        assert!(!entry_names(&plan).contains(&format!("Policy {name}")));
    }
    let users = json!({
        "users": {"all": true}, "peers": {"names": ["bank-b"]}, "mode": "Pull", "allFields": true,
        "purposes": ["eligibility"], "consent": "Required"
    });
    scene.policy("users", users);
    assert_eq!(
        says(&scene.settle(), SP, "users", "Ready"),
        "False NotYetSupported"
    );
}

#[test]
fn a_policy_that_grants_nothing_by_its_shape_is_refused() {
    let mut scene = scene();
    let mut shapeless = share("bond", "bank-b");
    shapeless.as_object_mut().unwrap().remove("fields");
    scene.policy("p", shapeless);
    let plan = scene.settle();
    assert_eq!(says(&plan, SP, "p", "Accepted"), "False Invalid");
    assert_eq!(entry_names(&plan), ["Asset bond", "Peer bank-b"]);
}

#[test]
fn push_is_accepted_for_what_it_includes_and_says_what_is_missing() {
    let mut scene = scene();
    scene.policy("p", with(share("bond", "bank-b"), json!({"mode": "Push"})));
    let plan = scene.settle();
    assert_eq!(says(&plan, SP, "p", "Ready"), "True Ready");
    assert_eq!(says(&plan, SP, "p", "Delivered"), "Unknown NotYetSupported");
    let mut scene = self::scene();
    scene.policy("p", share("bond", "bank-b"));
    assert!(!has(&scene.settle(), SP, "p", "Delivered"));
}

#[test]
fn a_window_opens_and_closes_without_an_edit_and_rewrites_no_slice() {
    let mut scene = scene();
    let window = json!({"notBefore": "2026-11-24T00:00:00Z", "notAfter": "2026-12-01T00:00:00Z"});
    scene.policy("p", with(share("bond", "bank-b"), window));
    let plan = scene.settle();
    assert_eq!(says(&plan, SP, "p", "Ready"), "True NotYetValid");
    assert!(condition(&plan, SP, "p", "Ready").2.contains("2026-11-24"));
    assert_eq!(
        plan.next_boundary.unwrap().to_string(),
        "2026-11-24T00:00:00Z"
    );
    for (until, says_now, next) in [
        ("2026-11-24T00:00:00Z", "True Ready", "2026-12-01T00:00:00Z"),
        (
            "2026-12-01T00:00:00Z",
            "True Expired",
            "2026-12-13T12:00:00Z",
        ),
    ] {
        scene.inputs.now = until.parse().unwrap();
        let plan = scene.plan();
        assert!(plan.writes().is_empty());
        assert_eq!(says(&plan, SP, "p", "Ready"), says_now);
        // After the window: two thirds of the session certificate's life.
        assert_eq!(plan.next_boundary.unwrap().to_string(), next);
    }
}

#[test]
fn what_kubectl_shows_of_a_policy_is_short_and_true() {
    let mut scene = scene();
    scene.edit_asset("bond", |a| {
        a.metadata.labels = Some(labels(&[("desk", "fixed-income")]))
    });
    scene.edit_organization("bank-b", |o| {
        o.metadata.labels = Some(labels(&[("tier", "gold")]))
    });
    let select = |key: &str, value: &str| json!({"selector": {"matchLabels": {key: value}}});
    let expressions = json!({"selector": {"matchExpressions": [
        {"key": "desk", "operator": "In", "values": ["a", "b"]}, {"key": "x", "operator": "DoesNotExist"}
    ]}});
    for (assets, peers, matches, shown_peers) in [
        (
            json!({"names": ["bond"]}),
            json!({"names": ["bank-b"]}),
            "1 asset",
            "bank-b",
        ),
        (
            json!({"names": ["bond", "x"]}),
            json!({"names": ["a", "b", "c", "d", "e"]}),
            "1 of 2 assets",
            "a, b, c +2",
        ),
        (
            select("desk", "fixed-income"),
            select("tier", "gold"),
            "desk=fixed-income",
            "tier=gold",
        ),
        (
            select("desk", "fixed-incom"),
            select("tier", "silver"),
            "none (desk=fixed-incom)",
            "none (tier=silver)",
        ),
        (
            expressions,
            json!({"all": true}),
            "none (desk in (a,b),!x)",
            "all",
        ),
        (
            json!({"all": true}),
            json!({"all": true}),
            "all assets",
            "all",
        ),
    ] {
        let mut scene = scene.clone();
        scene.policy(
            "p",
            json!({"assets": assets, "peers": peers, "mode": "Pull", "allFields": true}),
        );
        let status = scene.plan().policies.remove(0).status;
        assert_eq!(status.matches.as_deref(), Some(matches));
        assert_eq!(status.peers.as_deref(), Some(shown_peers));
        assert_eq!(status.demands.as_deref(), Some("nothing"));
    }
    let credential = |name: &str| json!({"type": name, "issuers": ["kyc"]});
    for (more, demands) in [
        (json!({"purposes": ["trade"]}), "purpose"),
        (
            json!({"credentials": [credential("Accredited")]}),
            "Accredited",
        ),
        (
            json!({"purposes": ["trade"], "credentials": [credential("a"), credential("b")], "consent": "Required"}),
            "purpose, 2 credentials, consent",
        ),
    ] {
        let mut scene = scene.clone();
        scene.policy("p", with(share("bond", "bank-b"), more));
        assert_eq!(
            scene.plan().policies[0].status.demands.as_deref(),
            Some(demands)
        );
    }
}

#[test]
fn the_change_behind_a_policy_travels_with_it() {
    let mut scene = scene();
    scene.policy("p", share("bond", "bank-b"));
    scene.settle();
    let long = "x".repeat(1000);
    for (change, carried) in [("TICKET-7", "TICKET-7"), (&*long, &*"x".repeat(256))] {
        scene.edit_policy("p", |p| {
            p.metadata.annotations = Some(labels(&[("sharing.finp2p.io/change", change)]));
        });
        let plan = scene.settle();
        let entry = entries(&plan)
            .into_iter()
            .find(|e| e.kind == "Policy")
            .unwrap();
        assert_eq!(
            entry
                .decode::<PolicyEntry>()
                .unwrap()
                .payload
                .change
                .as_deref(),
            Some(carried)
        );
    }
}

#[test]
fn an_edit_of_the_annotation_alone_is_written_and_is_programmed_once_the_node_has_it() {
    let mut scene = scene();
    scene.policy("p", share("bond", "bank-b"));
    scene.settle();
    let annotation = || Some(labels(&[("sharing.finp2p.io/change", "CHG-8")]));
    // Metadata: the generation of the objects stays.
    let policy = &mut scene.inputs.policies[0].object;
    std::sync::Arc::make_mut(policy).metadata.annotations = annotation();
    let asset = &mut scene.inputs.assets[0].object;
    std::sync::Arc::make_mut(asset).metadata.annotations = annotation();
    let organizations = scene.inputs.organizations.iter_mut();
    for organization in organizations {
        std::sync::Arc::make_mut(&mut organization.object)
            .metadata
            .annotations = annotation();
    }
    let plan = scene.plan();
    assert_eq!(plan.writes().len(), 2, "root and slice");
    assert_eq!(says(&plan, SP, "p", "Ready"), "False NodeBehind");
    for entry in entries(&plan) {
        assert_eq!(entry.generation, 1);
        assert_eq!(entry.payload["change"], "CHG-8", "{entry:?}");
    }
    assert_eq!(says(&scene.settle(), SP, "p", "Ready"), "True Ready");
    assert!(scene.plan().is_idle());
}

#[test]
fn a_policy_is_programmed_only_when_the_node_has_applied_its_last_edit() {
    let mut scene = scene();
    scene.policy("p", share("bond", "bank-b"));
    scene.settle();
    scene.wait(SignedDuration::from_secs(60));
    scene.edit_policy("p", |p| {
        p.spec.fields = Some(vec!["/name".to_owned(), "/coupon".to_owned()])
    });
    let plan = scene.plan();
    assert_eq!(says(&plan, SP, "p", "Ready"), "False NodeBehind");
    // Objects in the same slice were in force before, and still are.
    assert_eq!(says(&plan, "SharedAsset", "bond", "Ready"), "True Ready");
    assert_eq!(says(&scene.settle(), SP, "p", "Ready"), "True Ready");
}

#[test]
fn of_two_manifests_with_one_name_neither_grants() {
    let mut scene = scene();
    scene.policy("p", share("bond", "bank-b"));
    scene.policy(
        "p",
        with(
            share("bond", "bank-b"),
            json!({"fields": ["/isin", "/price"]}),
        ),
    );
    scene.in_doubt(SP, "p");
    let plan = scene.settle();
    assert_eq!(says(&plan, SP, "p", "Accepted"), "False DuplicateObject");
    assert_eq!(says(&plan, SP, "p", "Stalled"), "True DuplicateObject");
    let (_, _, message) = condition(&plan, SP, "p", "Ready");
    assert!(message.contains("a.yaml:1, b.yaml:1"), "{message}");
    assert_eq!(entry_names(&plan), ["Asset bond", "Peer bank-b"]);
}

#[test]
fn a_selector_that_selects_nothing_is_ready_with_a_sentence() {
    let mut scene = scene();
    let selector =
        |part: &str| json!({part: {"selector": {"matchLabels": {"desk": "fixed-incom"}}}});
    scene.policy("assets", with(share("bond", "bank-b"), selector("assets")));
    scene.policy("peers", with(share("bond", "bank-b"), selector("peers")));
    let plan = scene.settle();
    for name in ["assets", "peers"] {
        assert_eq!(says(&plan, SP, name, "Ready"), "True NothingSelected");
        let (_, _, message) = condition(&plan, SP, name, "Ready");
        assert!(
            message.starts_with(&format!("{name}.selector (desk=fixed-incom) selects no")),
            "{message}"
        );
        assert!(message.contains("grants nothing until"), "{message}");
    }
    let desk = || Some(labels(&[("desk", "fixed-incom")]));
    scene.edit_asset("bond", |a| a.metadata.labels = desk());
    scene.edit_organization("bank-b", |o| o.metadata.labels = desk());
    let plan = scene.settle();
    for name in ["assets", "peers"] {
        assert_eq!(says(&plan, SP, name, "Ready"), "True Ready");
    }
}

#[test]
fn a_pointer_that_opens_nothing_is_told_on_its_policy_as_the_node_reports_it() {
    let mut scene = scene();
    scene.policy("p", share("bond", "bank-b"));
    scene.settle();
    let row =
        json!({"kind": SP, "name": "p", "reason": "FieldUnknown", "message": "/x opens nothing"});
    let row = serde_json::from_value(row).unwrap();
    scene.inputs.report.as_mut().unwrap().exceptions = vec![row];
    let plan = scene.plan();
    assert_eq!(says(&plan, SP, "p", "Ready"), "True FieldUnknown");
    assert_eq!(condition(&plan, SP, "p", "Ready").2, "/x opens nothing");
}
