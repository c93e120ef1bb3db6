//! What Flux and others think of our objects in each phase of their lives, by the real kstatus.

use std::time::Duration;

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::kstatus::verdicts;
use finp2p_tests::control_plane::namespace::Namespace;
use finp2p_tests::control_plane::{ControlPlane, condition};
use serde_json::{Value, json};

/// Longest that a bank may take to notice that another is gone, on a busy machine.
const NOTICED: Duration = Duration::from_secs(120);
const KINDS: [&str; 3] = ["peerorganizations", "sharedassets", "sharingpolicies"];

/// `InProgress`, `Failed`, `Current` or `Terminating`.
fn verdict(bank: &Namespace<'_>, kind: &str, name: &str) -> String {
    let object = bank.get(kind, name).unwrap();
    verdicts(&[object])[0].status.clone()
}

/// Every object of a bank, and what it is.
fn all(bank: &Namespace<'_>) -> Vec<(String, String)> {
    let objects: Vec<Value> = KINDS
        .iter()
        .flat_map(|kind| bank.list(kind).unwrap())
        .collect();
    let all = verdicts(&objects).into_iter();
    all.map(|v| (format!("{}/{}", v.kind, v.name), v.status))
        .collect()
}

fn are(bank: &Namespace<'_>, expected: &str) {
    let all = all(bank);
    assert!(all.len() > 3, "{all:?}");
    assert!(all.iter().all(|(_, status)| status == expected), "{all:?}");
}

fn policy(name: &str, spec: Value) -> String {
    let mut whole = json!({"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "fields": ["/isin"]});
    whole
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharingPolicy",
        "metadata": {"name": name}, "spec": whole})
    .to_string()
}

#[test]
fn what_is_applied_is_waited_for_what_must_be_edited_fails_and_a_peer_that_is_down_fails_nobody() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.apply_members();
    banks.apply_samples();
    are(&banks.bank("bank-a").namespace, "InProgress"); // nobody has looked
    banks.start();
    let bank_a = &banks.bank("bank-a").namespace;
    are(bank_a, "Current");
    are(&banks.bank("bank-b").namespace, "Current");

    let wrong = policy("p", json!({"retentionDays": 30}));
    bank_a.apply(&wrong).ok().unwrap();
    bank_a.until_condition("sharingpolicies", "p", "Stalled", "True");
    assert_eq!(verdict(bank_a, "sharingpolicies", "p"), "Failed");

    // Two edits: only the first of them waits for somebody else.
    let nobody = policy(
        "p",
        json!({"retentionDays": null, "peers": {"names": ["bank-x"]}}),
    );
    bank_a.apply(&nobody).ok().unwrap();
    bank_a.until_condition("sharingpolicies", "p", "ResolvedRefs", "False");
    assert_eq!(verdict(bank_a, "sharingpolicies", "p"), "InProgress");
    let late = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset",
        "metadata": {"name": "late"},
        "spec": {"assetId": "ZZLATER20401", "content": {"secret": {"name": "late", "key": "k"}}}});
    bank_a.apply(&late.to_string()).ok().unwrap();
    bank_a.until_condition("sharedassets", "late", "ResolvedRefs", "False");
    assert_eq!(verdict(bank_a, "sharedassets", "late"), "InProgress");

    // What was missing comes: nobody edits the objects that waited.
    let comes = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Secret",
         "metadata": {"name": "late", "labels": {"sharing.finp2p.io/content": "true"}},
         "stringData": {"k": r#"{"isin": "ZZLATER20401"}"#}},
        {"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "PeerOrganization",
         "metadata": {"name": "bank-x"}, "spec": {"suspended": true, "keys": [{"id": "k", "publicKey": "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
            "notBefore": "2026-03-01T00:00:00Z", "notAfter": "2028-03-01T00:00:00Z"}]}},
    ]});
    bank_a.apply(&comes.to_string()).ok().unwrap();
    bank_a.until_condition("sharedassets", "late", "Ready", "True");
    banks.bank("bank-a").until_ready();
    are(bank_a, "Current");

    // While something holds it, and then it is gone.
    let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
    let admin = bank_a.cluster().admin();
    let patch = |body: &Value| admin.patch("sharingpolicies", &bank_a.name, "p", body);
    patch(&hold).unwrap();
    admin.delete("sharingpolicies", &bank_a.name, "p").unwrap();
    assert_eq!(verdict(bank_a, "sharingpolicies", "p"), "Terminating");
    patch(&json!({"metadata": {"finalizers": null}})).unwrap();
    bank_a.until_gone("sharingpolicies", "p");
    are(bank_a, "Current");

    // Another bank's outage is none of ours.
    let trading = banks.bank("bank-b").api("trading");
    let bond = json!({"resource": "bank-a:102:ZZGREEN20318"});
    assert_eq!(trading.fetch(&bond).unwrap().status, 200);
    let bank_b = &banks.bank("bank-b").namespace;
    bank_b.until_condition("peerorganizations", "bank-a", "Reachable", "True");
    drop(banks.node("bank-a").take());
    let bank_b = &banks.bank("bank-b").namespace;
    bank_b.until("the outage to be noticed", NOTICED, || {
        let refused = trading.fetch(&bond)?;
        let peer = bank_b.get("peerorganizations", "bank-a")?;
        condition(&peer, "Reachable", "False").map_err(|why| format!("{why}, {refused:?}"))
    });
    are(bank_b, "Current");
}
