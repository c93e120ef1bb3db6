//! First light on an API server: what `kubectl apply` says is what a peer gets, and what
//! `kubectl get` prints is how things are.

use std::time::Duration;

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::Namespace;
use finp2p_tests::http::{Answer, Api};
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
const VAULT: &str = "bank-a:102:ZZVAULT20295";
/// Longest that an edit may take until a peer's answer obeys, on a busy machine.
const EDIT: Duration = Duration::from_secs(30);

fn fetch(api: &Api, resource: &str) -> Answer {
    api.fetch(&json!({"resource": resource}))
        .expect("an answer")
}

fn coupon(answer: &Answer) -> Option<&Value> {
    answer.body.pointer("/data/terms/coupon")
}

#[test]
fn three_banks_share_by_manifests_and_an_edit_is_obeyed() {
    let mut banks =
        Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b", "bank-c"], &[]);
    banks.start();
    let bank_b = banks.bank("bank-b").api("trading");
    let bank_c = banks.bank("bank-c").api("trading");

    let granted = fetch(&bank_b, BOND);
    assert_eq!(granted.status, 200, "{granted:?}");
    assert_eq!(coupon(&granted), Some(&json!("3.125")));
    assert_eq!(granted.body.pointer("/data/internalRating"), None);
    let codes = |answer: &Answer| answer.body["code"].clone();
    assert_eq!(codes(&fetch(&bank_b, VAULT)), json!(7104));
    assert_eq!(codes(&fetch(&bank_c, BOND)), json!(7104));

    let bank_a = &banks.bank("bank-a").namespace;
    let policy = "bond-terms-to-distributors";
    let without = json!({"fields": ["/isin", "/name"]});
    bank_a.edit_spec("sharingpolicy", policy, without);
    bank_a.until("the edit to be obeyed", EDIT, || {
        match fetch(&bank_b, BOND) {
            answer if answer.status == 200 && coupon(&answer).is_none() => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    });
    bank_a.until_condition("sharingpolicies", policy, "Ready", "True");

    let deleted = bank_a.kubectl(&["delete", "sharingpolicies", "--all"], "");
    deleted.ok().expect("the policies go");
    bank_a.until("nothing to be shared any more", EDIT, || {
        let answer = fetch(&bank_b, BOND);
        (codes(&answer) == json!(7104))
            .then_some(())
            .ok_or(format!("{answer:?}"))
    });
}

/// One wrong manifest of each kind that the API server takes: reason and, where only an edit mends
/// it, Stalled. Then the mend.
const WRONG: &[(&str, &str, &str, &str, bool, &str)] = &[
    (
        "peerorganizations",
        "weak",
        r#"{"keys": [{"id": "k", "publicKey": "MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2099-01-01T00:00:00Z"}]}"#,
        "InvalidKey",
        true,
        r#"{"keys": [{"id": "k", "publicKey": "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
            "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2099-01-01T00:00:00Z"}]}"#,
    ),
    (
        "sharedassets",
        "taken",
        r#"{"assetId": "ZZGREEN20318", "content": {"api": {}}}"#,
        "ResourceTaken",
        true,
        "",
    ),
    (
        "sharedassets",
        "no-content",
        r#"{"assetId": "ZZNOCONTENT1", "content": {"secret": {"name": "late", "key": "k"}}}"#,
        "ContentNotFound",
        false,
        r#"{"content": {"secret": {"name": "green-bond-2031", "key": "content.json"}}}"#,
    ),
    (
        "sharingpolicies",
        "to-nobody",
        r#"{"assets": {"all": true}, "peers": {"names": ["bank-x"]}, "mode": "Pull", "fields": ["/isin"]}"#,
        "PeerNotFound",
        false,
        r#"{"peers": {"names": ["bank-b"]}}"#,
    ),
    (
        "sharingpolicies",
        "not-yet",
        r#"{"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "fields": ["/isin"], "retentionDays": 3}"#,
        "NotYetSupported",
        true,
        r#"{"retentionDays": null}"#,
    ),
];

#[test]
fn a_wrong_manifest_of_each_kind_is_told_and_hurts_nobody_and_mending_heals() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_b = banks.bank("bank-b").api("trading");
    let bank_a = &banks.bank("bank-a").namespace;
    for (kind, name, spec, reason, stalled, _) in WRONG {
        let spec: Value = serde_json::from_str(spec).expect("JSON");
        let singular = match *kind {
            "peerorganizations" => "PeerOrganization",
            "sharedassets" => "SharedAsset",
            _ => "SharingPolicy",
        };
        let object = json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": singular,
            "metadata": {"name": name}, "spec": spec,
        });
        bank_a.apply(&object.to_string()).ok().expect("it applies");
        let ready = bank_a.until_condition(kind, name, "Ready", "False");
        assert_eq!(ready["reason"], *reason, "{kind} {name}: {ready}");
        let object = bank_a.get(kind, name).expect("it is there");
        let conditions = object["status"]["conditions"].to_string();
        assert_eq!(conditions.contains("Stalled"), *stalled, "{conditions}");
    }
    let untouched = fetch(&bank_b, BOND);
    assert_eq!(coupon(&untouched), Some(&json!("3.125")), "{untouched:?}");
    for (kind, name, _, _, _, mend) in WRONG {
        if mend.is_empty() {
            bank_a
                .kubectl(&["delete", kind, name], "")
                .ok()
                .expect("it goes");
            continue;
        }
        let mend: Value = serde_json::from_str(mend).expect("JSON");
        bank_a.edit_spec(kind, name, mend);
        bank_a.until_condition(kind, name, "Ready", "True");
    }
}

#[test]
fn a_pod_that_only_the_api_server_refuses_is_stalled_until_it_is_edited() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_a = &banks.bank("bank-a").namespace;
    let edit = |node: Value| bank_a.edit_spec("peerorganizations", "local", json!({"node": node}));
    let until_stalled = |field: &str| {
        bank_a.until("the mistake to be told with its place", EDIT, || {
            let local = bank_a.get("peerorganizations", "local")?;
            let conditions = local["status"]["conditions"].as_array();
            let of = |type_: &str| conditions?.iter().find(|c| c["type"] == type_).cloned();
            let Some(ready) = of("Ready") else {
                return Err(local["status"].to_string());
            };
            let stalled = of("Stalled").unwrap_or_default();
            let observed = &local["status"]["observedGeneration"];
            let is_new = *observed == local["metadata"]["generation"];
            assert!(
                !is_new || ready["status"] == "False",
                "the first word on it: {ready}"
            );
            let is_told = is_new
                && (&ready["status"], &ready["reason"]) == (&json!("False"), &json!("Invalid"))
                && stalled["status"] == "True"
                && ready["message"]
                    .to_string()
                    .contains(&format!("Mend it in {field} of"));
            is_told.then_some(local).ok_or(ready.to_string())
        })
    };
    let without_image = json!({"spec": {"containers": [{"name": "trading"}]}});
    edit(json!({"podTemplate": without_image}));
    let told = until_stalled("spec.node.podTemplate");
    // The next plans try it again, and there is nothing more to say.
    let other = r#"{"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharingPolicy",
        "metadata": {"name": "other"}, "spec": {"assets": {"all": true}, "peers": {"all": true},
        "mode": "Pull", "fields": ["/isin"]}}"#;
    bank_a.apply(other).ok().expect("it applies");
    bank_a.until_condition("sharingpolicies", "other", "Ready", "True");
    let now = bank_a
        .get("peerorganizations", "local")
        .expect("it is there");
    assert_eq!(
        now["metadata"]["resourceVersion"],
        told["metadata"]["resourceVersion"]
    );

    let more_than_the_limit = json!({"requests": {"cpu": "2"}, "limits": {"cpu": "1"}});
    edit(json!({"podTemplate": null, "resources": more_than_the_limit}));
    until_stalled("spec.node.resources");
    edit(json!({"resources": null}));
    let mended = bank_a.until_condition("peerorganizations", "local", "Ready", "True");
    assert_eq!(mended["reason"], "Ready", "{mended}");
}

#[test]
fn what_somebody_else_made_is_left_alone_and_told() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a"], &[]);
    let bank_a = &banks.bank("bank-a").namespace;
    let foreign = r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "finp2p-bank-a"},
        "spec": {"ports": [{"port": 4001}], "selector": {"app": "somebody-elses"}}}"#;
    bank_a.apply(foreign).ok().expect("it applies");
    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    let bank_a = &banks.bank("bank-a").namespace;
    let told = bank_a.until("the obstacle to be told", EDIT, || {
        let local = bank_a.get("peerorganizations", "local")?;
        let ready = local["status"]["conditions"][0].clone();
        let reason = ready["reason"].clone();
        (reason == "Obstructed")
            .then_some(ready)
            .ok_or(format!("{reason}"))
    });
    let message = told["message"].to_string();
    assert!(
        message.contains("Service finp2p-bank-a was not made by this operator"),
        "{message}"
    );
    let service = bank_a
        .get("services", "finp2p-bank-a")
        .expect("it is there");
    assert_eq!(
        service["spec"]["selector"],
        json!({"app": "somebody-elses"})
    );
    // Everything else is there, and when the way is free the rest comes by itself.
    bank_a.until("the StatefulSet", EDIT, || {
        Ok(bank_a.get("statefulsets", "finp2p-bank-a")?)
    });
    let gone = bank_a.kubectl(&["delete", "service", "finp2p-bank-a"], "");
    gone.ok().expect("it goes");
    bank_a.until("our Service", Duration::from_secs(60), || {
        let service = bank_a.get("services", "finp2p-bank-a")?;
        let ours = service["spec"]["selector"]["app.kubernetes.io/instance"] == "bank-a";
        ours.then_some(()).ok_or(service["spec"].to_string())
    });
}

#[test]
fn a_configuration_that_somebody_deleted_is_made_again_and_the_node_follows() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_b = banks.bank("bank-b").api("trading");
    let bank_a = banks.bank("bank-a");
    let root = |bank: &Namespace<'_>| bank.get("sidecarconfigs", "bank-a").expect("the root");
    let before = root(&bank_a.namespace);
    let deleted = bank_a
        .namespace
        .kubectl(&["delete", "sidecarconfigs", "--all"], "");
    deleted.ok().expect("they are deleted");
    bank_a.namespace.until("another root", EDIT, || {
        let now = bank_a.namespace.get("sidecarconfigs", "bank-a")?;
        let another = now["metadata"]["uid"] != before["metadata"]["uid"];
        another
            .then_some(())
            .ok_or_else(|| "it is the same".to_owned())
    });
    let sequence = |root: &Value| root["spec"]["root"]["sequence"].as_i64().expect("a number");
    assert!(sequence(&root(&bank_a.namespace)) > sequence(&before));
    bank_a.until_ready();
    // A hello that meets the change is told to come again.
    bank_a.namespace.until("what was granted before", EDIT, || {
        let granted = fetch(&bank_b, BOND);
        let is_granted = coupon(&granted) == Some(&json!("3.125"));
        is_granted.then_some(()).ok_or(format!("{granted:?}"))
    });
}
