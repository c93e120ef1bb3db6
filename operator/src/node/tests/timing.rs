//! Decision 16: transition times, observed generations, conditions that kstatus understands.

use finp2p_crds::condition::{Condition, Truth};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::scene::*;

fn since(plan: &crate::node::plan::Plan, kind: &str, name: &str, type_: &str) -> Timestamp {
    let found: &Condition = conditions(plan, kind, name)
        .iter()
        .find(|c| c.type_ == type_)
        .unwrap();
    found.last_transition_time.0
}

#[test]
fn a_transition_time_moves_only_when_the_status_does() {
    let mut scene = Scene::bank_a();
    let born = scene.inputs.now;
    scene.settle();
    scene.wait(SignedDuration::from_mins(5));
    // Another reason, another message, another generation: the same status.
    scene.edit_organization("bank-b", |o| o.spec.suspended = Some(true));
    let plan = scene.settle();
    assert_eq!(
        says(&plan, "PeerOrganization", "bank-b", "Accepted"),
        "True Suspended"
    );
    assert_eq!(since(&plan, "PeerOrganization", "bank-b", "Accepted"), born);
    assert!(
        conditions(&plan, "PeerOrganization", "bank-b")
            .iter()
            .all(|c| c.observed_generation == Some(2))
    );
    scene.edit_organization("bank-b", |o| o.spec.keys[0].public_key = "x".to_owned());
    scene.wait(SignedDuration::from_mins(5));
    let plan = scene.settle();
    assert_eq!(
        says(&plan, "PeerOrganization", "bank-b", "Accepted"),
        "False InvalidKey"
    );
    assert_eq!(
        since(&plan, "PeerOrganization", "bank-b", "Accepted"),
        scene.inputs.now
    );
    assert_eq!(
        since(&plan, "PeerOrganization", "bank-b", "ResolvedRefs"),
        born
    );
}

#[test]
fn the_crds_first_condition_gives_way_and_fractions_of_seconds_never_make_a_write() {
    let mut scene = Scene::bank_a();
    scene.wait(SignedDuration::from_millis(1234));
    let pending = json!({"observedGeneration": -1, "conditions": [{
        "type": "Ready", "status": "Unknown", "reason": "Pending", "message": "waiting for the operator",
        "lastTransitionTime": "1970-01-01T00:00:00Z"
    }]});
    scene.edit_organization("bank-b", |o| {
        o.status = Some(serde_json::from_value(pending).unwrap())
    });
    let plan = scene.settle();
    assert_eq!(
        since(&plan, "PeerOrganization", "bank-b", "Ready").to_string(),
        "2026-11-23T12:00:01Z"
    );
    // What an API server gives back is the same in whole seconds.
    for observed in &mut scene.inputs.organizations {
        let text = serde_json::to_string(observed.object.as_ref()).unwrap();
        *std::sync::Arc::make_mut(&mut observed.object) = serde_json::from_str(&text).unwrap();
    }
    assert!(scene.plan().is_idle());
}

#[test]
fn every_status_has_the_core_conditions_once_and_ready_is_their_sum() {
    let mut scene = Scene::bank_a();
    scene.organization("broken", json!({"keys": [{"id": "k", "publicKey": "x", "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2028-01-01T00:00:00Z"}]}));
    scene.asset("bond", bond());
    scene.policy("p", share("bond", "nobody"));
    for plan in [scene.plan(), scene.settle()] {
        let all = plan
            .organizations
            .iter()
            .map(|o| (&o.status.conditions, o.status.observed_generation));
        let all = all.chain(
            plan.assets
                .iter()
                .map(|a| (&a.status.conditions, a.status.observed_generation)),
        );
        let all = all.chain(
            plan.policies
                .iter()
                .map(|p| (&p.status.conditions, p.status.observed_generation)),
        );
        for (conditions, observed) in all {
            assert_eq!(observed, Some(1));
            let of = |type_: &str| conditions.iter().find(|c| c.type_ == type_).unwrap().status;
            let mut types: Vec<_> = conditions.iter().map(|c| c.type_.as_str()).collect();
            types.sort();
            let count = types.len();
            types.dedup();
            assert_eq!(types.len(), count);
            let sum = ["Accepted", "ResolvedRefs", "Programmed"]
                .iter()
                .all(|t| of(t) == Truth::True);
            assert_eq!(of("Ready") == Truth::True, sum);
            let stalled = conditions
                .iter()
                .any(|c| c.type_ == "Stalled" && c.status == Truth::True);
            assert_eq!(stalled, of("Accepted") == Truth::False);
            assert!(
                conditions
                    .iter()
                    .all(|c| c.message.ends_with(|e: char| e != '.') && !c.reason.is_empty())
            );
        }
    }
}
