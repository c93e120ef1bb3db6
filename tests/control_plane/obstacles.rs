//! What keeps the operator from writing what is asked for: a mistake in the manifest, told before anything is
//! sent, and a policy of the cluster, whose words are told as they are now. What runs goes on.

use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use serde_json::{Value, json};

const SET: &str = "finp2p-bank-a";
const POLICY: &str = "bond-terms-to-distributors";
/// Longest until what a person must mend is looked at again, on a busy machine: every 30 s.
const LATER: Duration = Duration::from_secs(90);
/// Longest until configuration is written after nothing refuses it any more: a try every 10 s at most, and
/// what the API server takes to forget its policy. Other obstacles are looked at every 30 s.
const WITHDRAWN: Duration = Duration::from_secs(20);

/// A bank whose operator runs; its objects are made, and no node runs.
fn start() -> Consortium<'static> {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a"], &[]);
    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    let bank = &banks.bank("bank-a").namespace;
    bank.until("the StatefulSet", SEEN, || {
        Ok(bank.get("statefulsets", SET)?)
    });
    banks
}

/// Waits until the local organization says so of what it needs: a reason, and words.
fn until_told(bank: &Namespace<'_>, reason: &str, words: &str) {
    bank.until(&format!("{reason}: {words}"), LATER, || {
        let local = bank.get("peerorganizations", "local")?;
        let conditions = local["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let told = conditions.find(|c| c["type"] == "ResolvedRefs");
        let told = told.ok_or("no condition")?;
        let says = told["message"].as_str().unwrap_or_default().contains(words);
        (told["reason"] == reason && says)
            .then_some(())
            .ok_or(told.to_string())
    });
}

/// A policy of the cluster that refuses what is written to a resource of the namespace, with these words.
fn refuse(bank: &Namespace<'_>, group: &str, resource: &str, words: &str) {
    let name = format!("{resource}-{}", bank.name);
    let rule = json!({"apiGroups": [group], "apiVersions": ["*"], "resources": [resource], "operations": ["CREATE", "UPDATE"]});
    let here = json!({"matchLabels": {"kubernetes.io/metadata.name": bank.name}});
    let kind = |kind: &str, spec: Value| json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    let policy = json!({
        "matchConstraints": {"resourceRules": [rule], "namespaceSelector": here},
        "validations": [{"expression": "false", "message": words}],
    });
    let binding = json!({"policyName": name, "validationActions": ["Deny"]});
    for object in [
        kind("ValidatingAdmissionPolicy", policy),
        kind("ValidatingAdmissionPolicyBinding", binding),
    ] {
        bank.apply(&object.to_string()).ok().unwrap();
    }
    // The API server takes a moment to know its policies.
    let object = match resource {
        "statefulsets" => SET,
        _ => "bank-a",
    };
    let touch = [
        "annotate",
        "--dry-run=server",
        resource,
        object,
        "touched=yes",
    ];
    bank.until("the policy in force", SEEN, || {
        let printed = bank.kubectl(&touch, "");
        let said = printed.stderr.contains(words);
        said.then_some(()).ok_or(format!("{printed:?}"))
    });
}

fn allow(bank: &Namespace<'_>, resource: &str) {
    let name = format!("{resource}-{}", bank.name);
    for kind in [
        "validatingadmissionpolicybinding",
        "validatingadmissionpolicy",
    ] {
        bank.kubectl(&["delete", kind, &name], "").ok().unwrap();
    }
}

#[test]
fn what_no_pod_can_be_made_of_is_told_before_it_is_sent_and_the_stateful_set_stays() {
    let banks = start();
    let bank = &banks.bank("bank-a").namespace;
    let before = bank.get("statefulsets", SET).unwrap()["spec"].clone();
    let edit = |node: Value| bank.edit_spec("peerorganization", "local", json!({"node": node}));
    let twice = json!([{"name": "trading", "image": "trading:7"}, {"name": "trading", "image": "trading:8"}]);
    let held = json!({"finalizers": ["example.com/hold"]});
    for (node, reason, words) in [
        (
            json!({"storeKey": {"secretName": "../../x"}}),
            "Invalid",
            "node.storeKey.secretName",
        ),
        (
            json!({"storeKey": {"secretName": "finp2p-issuer"}}),
            "Invalid",
            "the Secret of node.signer",
        ),
        (
            json!({"storeKey": null, "podTemplate": {"spec": {"containers": twice}}}),
            "Invalid",
            "spec.containers: [0] and [1]",
        ),
        (
            json!({"podTemplate": {"spec": null, "metadata": held}}),
            "Invalid",
            "metadata.finalizers",
        ),
        (
            json!({"podTemplate": null, "image": "sidecar\n:1"}),
            "Invalid",
            "node.image",
        ),
        (
            json!({"image": null, "storage": {"size": "99999999999999999999999999999Ti"}}),
            "Invalid",
            "node.storage.size",
        ),
        (
            json!({"storage": null, "storeKey": {"secretName": "own-key"}}),
            "StoreKeyMissing",
            "Secret own-key, which node.storeKey names, is not in namespace",
        ),
    ] {
        edit(node);
        until_told(bank, reason, words);
        if reason == "Invalid" {
            bank.until_condition("peerorganizations", "local", "Stalled", "True");
        }
        let now = bank.get("statefulsets", SET).unwrap()["spec"].clone();
        assert_eq!(now, before, "{words}: what runs stays");
    }
    // Nobody edits anything: the Secret comes.
    let key = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own-key"},
        "stringData": {"store.key": "0123456789abcdef0123456789abcdef"}});
    bank.apply(&key.to_string()).ok().unwrap();
    bank.until("the key in the pod", SEEN, || {
        let set = bank.get("statefulsets", SET)?.to_string();
        set.contains("own-key").then_some(()).ok_or(set)
    });
    until_told(bank, "Resolved", "");
}

#[test]
fn what_a_policy_of_the_cluster_says_now_is_told_and_configuration_is_not_long_held_up_by_one() {
    let mut banks = start();
    let bank = &banks.bank("bank-a").namespace;
    let fields = |fields: Value| bank.edit_spec("sharingpolicy", POLICY, json!({"fields": fields}));
    let configured =
        || -> Result<String, String> { Ok(json!(bank.list("sidecarconfigs")?).to_string()) };
    fields(json!(["/isin", "/withdrawn"]));
    bank.until("the field in the configuration", SEEN, || {
        let now = configured()?;
        now.contains("/withdrawn").then_some(()).ok_or(now)
    });

    refuse(
        bank,
        "sharing.finp2p.io",
        "sidecarconfigs",
        "frozen for the audit",
    );
    fields(json!(["/isin"]));
    until_told(bank, "Obstructed", "frozen for the audit");
    allow(bank, "sidecarconfigs");
    let begin = Instant::now();
    bank.until("the withdrawal", WITHDRAWN, || {
        let now = configured()?;
        (!now.contains("/withdrawn")).then_some(()).ok_or(now)
    });
    eprintln!("withdrawn {:.1?} after nothing refused it", begin.elapsed());
    until_told(bank, "Resolved", "");

    refuse(bank, "apps", "statefulsets", "reason ONE");
    let template = json!({"metadata": {"annotations": {"edited": "yes"}}});
    bank.edit_spec(
        "peerorganization",
        "local",
        json!({"node": {"podTemplate": template}}),
    );
    until_told(bank, "Obstructed", "reason ONE");
    refuse(bank, "apps", "statefulsets", "reason TWO");
    until_told(bank, "Obstructed", "reason TWO");
    allow(bank, "statefulsets");
    until_told(bank, "Resolved", "");

    let log = banks.operators()[0].printed();
    let warned =
        |line: &&str| line.contains(r#""level":"WARN""#) && line.contains("frozen for the audit");
    assert_eq!(log.lines().filter(warned).count(), 1, "{log}");
}
