//! Least privilege while everything runs: what the operator and a node may do, by the API server's own
//! answer and by attempts.

use std::fmt::Write as _;

use finp2p_tests::consortium::NODE_ACCOUNT;
use finp2p_tests::control_plane::identity::{Identity, Refusal};
use finp2p_tests::control_plane::resource;
use serde_json::{Value, json};

use crate::golden;
use crate::guarded::guarded;

/// `kubectl auth can-i --list`, a rule a line, sorted.
fn list(identity: &Identity, namespace: &str) -> Vec<String> {
    let asked = identity.kubectl(&["auth", "can-i", "--list", "--no-headers", "-n", namespace]);
    let answer = asked.ok().unwrap();
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut lines: Vec<String> = answer.lines().map(words).collect();
    lines.sort();
    lines
}

fn forbidden<T: std::fmt::Debug>(what: &str, answer: Result<T, Refusal>) {
    let refusal = answer.expect_err(what);
    assert_eq!(refusal.code, 403, "{what}: {refusal:?}");
}

#[test]
fn operator_and_node_may_do_what_the_golden_file_says_and_nothing_else() {
    let banks = guarded();
    let bank_a = &banks.bank("bank-a").namespace;
    let everybody = list(&bank_a.account("nobody"), &bank_a.name);
    assert!(
        everybody.iter().any(|line| line.contains("selfsubject")),
        "{everybody:?}"
    );
    let operator = banks.system.account("finp2p-operator");
    let node = bank_a.account(NODE_ACCOUNT);
    let mut text =
        "# What `kubectl auth can-i --list` says, without what every account may do.\n".to_owned();
    for (who, identity) in [
        ("finp2p-operator", &operator),
        ("finp2p-node of bank-a", &node),
    ] {
        for namespace in ["bank-a", "bank-b", "finp2p-system", "default"] {
            let mut rights = list(identity, namespace);
            rights.retain(|line| !everybody.contains(line));
            let rights = match rights.is_empty() {
                true => "nothing".to_owned(),
                false => rights.join("\n"),
            };
            write!(text, "\n## {who} in {namespace}\n{rights}\n").unwrap();
        }
    }
    golden::compare("rights.txt", &text);
}

#[test]
fn a_node_reads_its_own_configuration_and_content_and_nothing_else() {
    let banks = guarded();
    let bank_a = &banks.bank("bank-a").namespace;
    let node = bank_a.account(NODE_ACCOUNT);
    for content in ["green-bond-2031", "vault-bond-2029"] {
        node.get("secrets", "bank-a", content).unwrap();
    }
    let root = node.get("sidecarconfigs", "bank-a", "bank-a").unwrap();
    assert!(root["spec"]["root"].is_object(), "{root}");
    assert!(node.list("sidecarconfigs", "bank-a").unwrap().len() > 1);

    bank_a
        .apply(r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "payroll"}}"#)
        .ok()
        .unwrap();
    for secret in ["finp2p-issuer", "finp2p-bank-a-store-key", "payroll"] {
        bank_a.get("secrets", secret).expect("it is there");
        forbidden(secret, node.get("secrets", "bank-a", secret));
        let path = resource::path("secrets", Some("bank-a"));
        let by_name = format!("{path}?fieldSelector=metadata.name%3D{secret}");
        forbidden(secret, node.ask("GET", &by_name, None));
    }
    for (kind, namespace) in [
        ("secrets", "bank-a"),
        ("configmaps", "bank-a"),
        ("peerorganizations", "bank-a"),
        ("sharingpolicies", "bank-a"),
        ("pods", "bank-a"),
        ("sidecarconfigs", "bank-b"),
        ("secrets", "bank-b"),
        ("secrets", "finp2p-system"),
        ("secrets", "default"),
        ("namespaces", ""),
    ] {
        forbidden(kind, node.list(kind, namespace));
    }
    forbidden(
        "a peer's root",
        node.get("sidecarconfigs", "bank-b", "bank-b"),
    );
    forbidden(
        "a peer's content",
        node.get("secrets", "bank-b", "finp2p-issuer"),
    );
}

#[test]
fn a_node_writes_the_status_of_its_root_and_nothing_else() {
    let banks = guarded();
    let bank_a = &banks.bank("bank-a").namespace;
    let node = bank_a.account(NODE_ACCOUNT);
    let label = json!({"metadata": {"labels": {"written": "by-a-node"}}});
    let patch = |kind: &str, namespace: &str, name: &str, body: &Value| {
        node.patch(kind, namespace, name, body)
    };
    patch("sidecarconfigs", "bank-a", "bank-a/status", &json!({})).expect("its own report");
    let spec = json!({"spec": {"root": {"sequence": 1}}});
    forbidden(
        "its spec",
        patch("sidecarconfigs", "bank-a", "bank-a", &spec),
    );
    forbidden(
        "its labels",
        patch("sidecarconfigs", "bank-a", "bank-a", &label),
    );
    let status = json!({"status": {"incarnation": 1}});
    let slice = "bank-a-s1-0/status";
    forbidden("a slice", patch("sidecarconfigs", "bank-a", slice, &status));
    forbidden(
        "a peer",
        patch("sidecarconfigs", "bank-b", "bank-b/status", &status),
    );
    forbidden(
        "its content",
        patch("secrets", "bank-a", "green-bond-2031", &label),
    );
    forbidden(
        "a policy",
        patch(
            "sharingpolicies",
            "bank-a",
            "bond-terms-to-distributors",
            &label,
        ),
    );
    let role = "finp2p-bank-a-node";
    forbidden(
        "its Role",
        patch("roles", "bank-a", role, &json!({"rules": []})),
    );
    for kind in [
        "secrets",
        "pods",
        "events",
        "sidecarconfigs",
        "rolebindings",
    ] {
        let object = json!({"metadata": {"name": "made-by-a-node"}});
        forbidden(kind, node.create(kind, "bank-a", &object));
    }
    let token = "/api/v1/namespaces/bank-a/serviceaccounts/trading/token";
    forbidden("a token", node.ask("POST", token, Some(&json!({}))));
    forbidden("the end", node.delete("sidecarconfigs", "bank-a", "bank-a"));
}

#[test]
fn the_operator_changes_no_secret_no_word_of_users_and_nothing_elsewhere() {
    let banks = guarded();
    let operator = banks.system.account("finp2p-operator");
    operator
        .get("secrets", "bank-a", "finp2p-issuer")
        .expect("it signs with it");
    for namespace in ["default", "kube-system", "finp2p-system"] {
        forbidden(namespace, operator.list("secrets", namespace));
        forbidden(namespace, operator.list("sharedassets", namespace));
    }
    let label = json!({"metadata": {"labels": {"written": "by-the-operator"}}});
    for secret in [
        "finp2p-issuer",
        "finp2p-bank-a-store-key",
        "green-bond-2031",
    ] {
        forbidden(secret, operator.patch("secrets", "bank-a", secret, &label));
        forbidden(secret, operator.delete("secrets", "bank-a", secret));
    }
    for (kind, name) in [
        ("peerorganizations", "local"),
        ("sharedassets", "green-bond-2031"),
        ("sharingpolicies", "bond-terms-to-distributors"),
    ] {
        forbidden(kind, operator.patch(kind, "bank-a", name, &label));
        forbidden(kind, operator.delete(kind, "bank-a", name));
        let object = json!({"metadata": {"name": "x"}});
        forbidden(kind, operator.create(kind, "bank-a", &object));
    }
    for kind in [
        "services",
        "statefulsets",
        "roles",
        "networkpolicies",
        "persistentvolumeclaims",
    ] {
        forbidden(kind, operator.delete(kind, "bank-a", "finp2p-bank-a"));
    }
    forbidden("pods", operator.list("pods", "bank-a"));
    let token = "/api/v1/namespaces/bank-a/serviceaccounts/finp2p-node/token";
    forbidden("a token", operator.ask("POST", token, Some(&json!({}))));
    // What it holds it may give to a node, and no more.
    let generous = json!({"metadata": {"name": "generous"}, "rules": [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["delete"]}]});
    forbidden(
        "a Role beyond its own",
        operator.create("roles", "bank-a", &generous),
    );
}

#[test]
fn an_account_without_a_role_reads_nothing() {
    let banks = guarded();
    for (namespace, account) in [
        (&banks.bank("bank-a").namespace, "default"),
        (&banks.bank("bank-a").namespace, "trading"),
        (&banks.system, "default"),
    ] {
        let account = namespace.account(account);
        for kind in [
            "secrets",
            "configmaps",
            "peerorganizations",
            "sharedassets",
            "sharingpolicies",
            "sidecarconfigs",
            "events",
        ] {
            forbidden(kind, account.list(kind, "bank-a"));
        }
    }
}

/// What each role writes, and what it reads beside that.
const ROLES: [(&str, &[&str], &[&str]); 4] = [
    ("platform", &["peerorganizations"], &[]),
    ("asset-owner", &["sharedassets"], &["peerorganizations"]),
    (
        "policy-owner",
        &["sharingpolicies"],
        &["peerorganizations", "sharedassets"],
    ),
    (
        "auditor",
        &[],
        &["peerorganizations", "sharedassets", "sharingpolicies"],
    ),
];

#[test]
fn each_role_of_the_chart_does_its_job_and_no_other() {
    let banks = guarded();
    let bank_a = &banks.bank("bank-a").namespace;
    let objects = [
        (
            "peerorganizations",
            "PeerOrganization",
            json!({"keys": [{"id": "k",
            "publicKey": "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
            "notBefore": "2026-03-01T00:00:00Z", "notAfter": "2028-03-01T00:00:00Z"}]}),
        ),
        (
            "sharedassets",
            "SharedAsset",
            json!({"content": {"api": {}}}),
        ),
        (
            "sharingpolicies",
            "SharingPolicy",
            json!({"assets": {"names": ["x"]}, "peers": {"names": ["x"]}, "mode": "Pull", "fields": ["/x"]}),
        ),
        (
            "sidecarconfigs",
            "SidecarConfig",
            json!({"slice": {"set": "s1", "bucket": 0, "entries": []}}),
        ),
    ];
    for (role, writes, reads) in ROLES {
        let account = bank_a.with_role(role);
        for (plural, kind, spec) in &objects {
            let what = format!("{role}, {plural}");
            let object = json!({
                "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": kind,
                "metadata": {"name": "for-trial"}, "spec": spec,
            });
            let trial = format!("{}?dryRun=All", resource::path(plural, Some("bank-a")));
            let written = account.ask("POST", &trial, Some(&object));
            let read = account.list(plural, "bank-a");
            if writes.contains(plural) {
                written.expect(&what);
            } else {
                forbidden(&what, written);
            }
            if writes.contains(plural) || reads.contains(plural) {
                read.expect(&what);
            } else {
                forbidden(&what, read);
            }
            let asked = ["auth", "can-i", "patch", plural, "--subresource=status"];
            let answer = account.kubectl(&asked).stdout;
            assert_eq!(answer.trim(), "no", "{role} writes the status of {plural}");
        }
        for kind in ["secrets", "configmaps", "roles"] {
            forbidden(role, account.list(kind, "bank-a"));
        }
        forbidden(role, account.list("events", "bank-b"));
        // `kubectl describe` finds the Events.
        let asked = account.kubectl(&["get", "events"]);
        assert!(asked.success, "{role}: {}", asked.stderr);
    }
}
