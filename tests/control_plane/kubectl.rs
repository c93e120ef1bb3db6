//! What a person reads with kubectl: tables, healthy and broken, `wait`, `describe` with its Events.

use std::time::Duration;

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::Namespace;
use serde_json::json;

use crate::golden;

/// Longest that an edit may take to be told, on a busy machine.
const TOLD: Duration = Duration::from_secs(60);
const BOND: &str = "bank-a:102:ZZGREEN20318";
const KINDS: &str = "peerorganizations,sharedassets,sharingpolicies";

/// `kubectl get`, with the same ages and ends of keys every time.
fn table(bank: &Namespace<'_>) -> String {
    let printed = bank.kubectl(&["get", KINDS], "").ok().unwrap();
    let line = |line: &str| match line.trim_end().rsplit_once(' ') {
        Some((_, "AGE")) | None => line.trim_end().to_owned() + "\n",
        Some((rest, _age)) => {
            let words = rest.split_inclusive(' ');
            let same = words.map(|word| match is_time(word) {
                true => word.replace(word.trim_end(), "2028-01-01T00:00:00Z"),
                false => word.to_owned(),
            });
            same.collect::<String>() + " 42m\n"
        }
    };
    printed.lines().map(line).collect()
}

fn is_time(word: &str) -> bool {
    let word = word.trim_end();
    word.len() == "2028-01-01T00:00:00Z".len() && word.contains('T') && word.ends_with('Z')
}

/// What is wrong, and is told: an edit of one's own, a name that does not resolve, a peer that is
/// suspended, a Secret that may not be shared.
fn break_it(bank: &Namespace<'_>) {
    let object = |kind: &str, name: &str, spec: serde_json::Value| {
        json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": kind,
            "metadata": {"name": name}, "spec": spec})
    };
    let asset = |id: &str, secret: &str| json!({"assetId": id, "content": {"secret": {"name": secret, "key": "content.json"}}});
    let policy = |peers: serde_json::Value, more: serde_json::Value| {
        let mut spec =
            json!({"assets": {"all": true}, "peers": peers, "mode": "Pull", "fields": ["/isin"]});
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec
    };
    let all = json!({"all": true});
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [
        object("PeerOrganization", "bank-x", json!({"suspended": true, "keys": [{"id": "k", "publicKey": "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
            "notBefore": "2026-03-01T00:00:00Z", "notAfter": "2028-03-01T00:00:00Z"}]})),
        object("SharedAsset", "bond-again", asset("ZZGREEN20318", "green-bond-2031")),
        object("SharedAsset", "bond-later", asset("ZZLATER20401", "later")),
        object("SharedAsset", "not-ours-to-share", asset("ZZISSUER2031", "finp2p-issuer")),
        object("SharingPolicy", "to-nobody", policy(json!({"names": ["bank-y"]}), json!({}))),
        object("SharingPolicy", "retained", policy(all.clone(), json!({"retentionDays": 30}))),
        object("SharingPolicy", "last-year", policy(all, json!({"notAfter": "2026-01-01T00:00:00Z"}))),
    ]});
    bank.apply(&list.to_string()).ok().unwrap();
    for (kind, name, ready) in [
        ("peerorganizations", "bank-x", "True"),
        ("sharedassets", "bond-again", "False"),
        ("sharedassets", "bond-later", "False"),
        ("sharedassets", "not-ours-to-share", "False"),
        ("sharingpolicies", "to-nobody", "False"),
        ("sharingpolicies", "retained", "False"),
        ("sharingpolicies", "last-year", "True"),
    ] {
        bank.until_condition(kind, name, "Ready", ready);
    }
}

#[test]
fn kubectl_get_shows_how_things_are_healthy_and_broken() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_a = &banks.bank("bank-a").namespace;
    let bank_b = &banks.bank("bank-b").namespace;
    // Whether a peer answers is known to who asked it: bank-a has asked nobody.
    let fetched = banks
        .bank("bank-b")
        .api("trading")
        .fetch(&json!({"resource": BOND}));
    assert_eq!(fetched.unwrap().status, 200);
    bank_b.until_condition("peerorganizations", "bank-a", "Reachable", "True");
    bank_b.until_condition(
        "sharedassets",
        "bank-a-green-bond-2031",
        "Available",
        "True",
    );
    let wait = [
        "wait",
        KINDS,
        "--all",
        "--for=condition=Ready",
        "--timeout=60s",
    ];
    for bank in [bank_a, bank_b] {
        let seen = bank.kubectl(&wait, "");
        assert!(seen.success, "{}", seen.stderr);
    }
    let both = format!("# bank-a\n{}\n# bank-b\n{}", table(bank_a), table(bank_b));
    golden::compare("healthy.txt", &both);

    break_it(bank_a);
    golden::compare("broken.txt", &table(bank_a));
    // Why, on request: the table above stays narrow.
    for (name, reason) in [
        ("sharedasset/bond-later", "ContentNotFound"),
        ("sharedasset/bond-again", "ResourceTaken"),
        ("peerorganization/bank-x", "Suspended"),
    ] {
        let wide = bank_a
            .kubectl(&["get", name, "-o", "wide"], "")
            .ok()
            .unwrap();
        let [headings, row]: [&str; 2] = wide.lines().collect::<Vec<_>>().try_into().unwrap();
        let at = headings
            .find("REASON")
            .unwrap_or_else(|| panic!("no REASON: {wide}"));
        assert!(row[at..].starts_with(reason), "{wide}");
    }
    let why = bank_a.kubectl(&["describe", "peerorganization", "bank-b"], "");
    let why = why.ok().unwrap();
    assert!(
        why.contains("NotDialled") && why.contains("A policy alone makes nobody dial"),
        "{why}"
    );
    let wait = [
        "wait",
        "sharingpolicy/retained",
        "--for=condition=Ready",
        "--timeout=1s",
    ];
    assert!(!bank_a.kubectl(&wait, "").success, "it is not Ready");
    let wait = [
        "wait",
        "sharingpolicy/retained",
        "--for=condition=Stalled",
        "--timeout=30s",
    ];
    assert!(bank_a.kubectl(&wait, "").success, "it must be edited");
}

#[test]
fn kubectl_describe_shows_why_a_policy_is_refused_and_by_which_change() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_a = &banks.bank("bank-a").namespace;
    let policy = |days: serde_json::Value, change: &str| {
        json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharingPolicy",
            "metadata": {"name": "retained", "annotations": {"sharing.finp2p.io/change": change}},
            "spec": {"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull",
                "fields": ["/isin"], "retentionDays": days}})
        .to_string()
    };
    bank_a.apply(&policy(json!(30), "CHG-7")).ok().unwrap();
    let describe = || {
        bank_a
            .kubectl(&["describe", "sharingpolicy", "retained"], "")
            .ok()
    };
    let told = bank_a.until("a Warning with the change", TOLD, || {
        let text = describe()?;
        text.contains("(change CHG-7)")
            .then_some(text.clone())
            .ok_or(text)
    });
    let line = told.lines().find(|line| line.contains("(change CHG-7)"));
    let words: Vec<&str> = line.unwrap().split_whitespace().collect();
    assert_eq!(words[..2], ["Warning", "NotYetSupported"], "{told}");
    assert!(words.contains(&"finp2p-operator"), "who says so: {told}");
    for part in [
        "Stalled",
        "Accepted",
        "Ready",
        "does not enforce retentionDays",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    bank_a
        .apply(&policy(serde_json::Value::Null, "CHG-8"))
        .ok()
        .unwrap();
    bank_a.until_condition("sharingpolicies", "retained", "Ready", "True");
    bank_a.until("that it is well again", TOLD, || {
        let text = describe()?;
        let line = text.lines().find(|line| line.contains("(change CHG-8)"));
        let well = line.is_some_and(|line| line.trim().starts_with("Normal"));
        well.then_some(()).ok_or(text)
    });
}
