//! The change behind a decision, from the annotation to the audit of the node and to Events.

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
const POLICY: &str = "bond-terms-to-distributors";
const CHANGE: &str = "sharing.finp2p.io/change";

fn patch(namespace: &Namespace<'_>, kind: &str, name: &str, patch: &Value) {
    let patch = patch.to_string();
    let patch = ["patch", kind, name, "--type=merge", "-p", &patch];
    namespace.kubectl(&patch, "").ok().expect("the edit");
}

fn suspend(namespace: &Namespace<'_>, suspended: &Value, change: &str) {
    let edit =
        json!({"metadata": {"annotations": {CHANGE: change}}, "spec": {"suspended": suspended}});
    patch(namespace, "peerorganization", "bank-b", &edit);
}

/// Waits for an Event about an organization with this reason and these words.
fn told(namespace: &Namespace<'_>, about: &str, reason: &str, words: &str) {
    namespace.until(&format!("{reason} on {about}"), SEEN, || {
        let events = namespace.list("events")?;
        let is_it = |event: &&Value| {
            event["reason"] == reason
                && event["regarding"]["name"] == about
                && event["note"]
                    .as_str()
                    .is_some_and(|note| note.contains(words))
        };
        let found = events.iter().find(is_it).map(drop);
        found.ok_or_else(|| json!(events).to_string())
    });
}

#[test]
fn a_decision_and_a_configuration_name_the_change_behind_them() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let (bank, api) = (banks.bank("bank-a"), banks.bank("bank-b").api("trading"));
    let bank_a = &bank.namespace;

    // The annotation alone: the generation of the policy stays.
    let annotation = json!({"metadata": {"annotations": {CHANGE: "CHG-42"}}});
    patch(bank_a, "sharingpolicy", POLICY, &annotation);
    let applied = |what: &str, kind: &str, name: &str, change: &str| {
        bank_a.until(&format!("{change} in the audit"), SEEN, || {
            let entries = bank.audited()?;
            let changes = entries
                .iter()
                .filter(|entry| entry["what"] == "configuration-applied");
            let mut objects = changes
                .filter_map(|entry| entry["objects"].as_array())
                .flatten();
            let found = objects.find(|o| {
                (&o["kind"], &o["name"], &o["was"]) == (&json!(kind), &json!(name), &json!(what))
                    && o["change"] == change
            });
            found.cloned().ok_or_else(|| format!("{entries:?}"))
        })
    };
    let object = applied("changed", "Policy", POLICY, "CHG-42");
    let policy = bank_a.get("sharingpolicies", POLICY).unwrap();
    let (uid, generation) = (
        &policy["metadata"]["uid"],
        &policy["metadata"]["generation"],
    );
    assert_eq!((&object["uid"], &object["gen"]), (uid, generation));
    assert_eq!(*generation, 1, "metadata is no new generation");
    bank_a.until_condition("sharingpolicies", POLICY, "Ready", "True");

    let answer = api.fetch(&json!({"resource": BOND})).expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let decided = bank_a.until("the decision in the audit", SEEN, || {
        let entries = bank.audited()?;
        let found = entries
            .iter()
            .rev()
            .find(|e| e["k"] == "decision" && e["op"] == "fetch");
        found.cloned().ok_or_else(|| format!("{entries:?}"))
    });
    let expected = json!([{"name": POLICY, "uid": uid, "gen": generation, "change": "CHG-42"}]);
    assert_eq!(
        (&decided["code"], &decided["policies"]),
        (&json!(0), &expected),
        "{decided}"
    );

    suspend(bank_a, &json!(true), "CHG-43");
    applied("changed", "Peer", "bank-b", "CHG-43");
    told(bank_a, "bank-b", "Suspended", "(change CHG-43)");
    suspend(bank_a, &Value::Null, "CHG-44");
    applied("changed", "Peer", "bank-b", "CHG-44");
    told(bank_a, "local", "AccessWidened", "change CHG-44");
}
