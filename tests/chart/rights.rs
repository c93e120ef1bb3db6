//! What every account and role of the chart may do: a golden file, from the API server's own answer.

use std::fmt::Write as _;

use finp2p_tests::control_plane::identity::Identity;
use finp2p_tests::control_plane::namespace::SEEN;

use crate::golden;
use crate::installed::installed;

/// `kubectl auth can-i --list` without the rights that everybody has, one rule a line.
fn rights(identity: &Identity, namespace: &str, everybody: &[String]) -> String {
    let mut lines: Vec<String> = list(identity, namespace);
    lines.retain(|line| !everybody.contains(line));
    let mut text = String::new();
    for line in &lines {
        writeln!(text, "{line}").unwrap();
    }
    if lines.is_empty() {
        "nothing\n".to_owned()
    } else {
        text
    }
}

fn list(identity: &Identity, namespace: &str) -> Vec<String> {
    let answer = identity
        .kubectl(&["auth", "can-i", "--list", "--no-headers", "-n", namespace])
        .ok()
        .unwrap();
    let mut lines: Vec<String> = answer
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    lines.sort();
    lines
}

#[test]
fn every_account_may_do_what_the_golden_file_says_and_nothing_else() {
    let installed = installed();
    let bank = &installed.banks[2];
    let everybody = list(&bank.account("nobody"), &bank.name);
    assert!(
        everybody
            .iter()
            .any(|line| line.contains("selfsubjectreviews")),
        "{everybody:?}"
    );

    let operator = installed.operator();
    let node = installed.node(2);
    let mut text =
        "# What `kubectl auth can-i --list` says, without what every account may do.\n".to_owned();
    for (who, identity, wher, namespace) in [
        (
            "the operator",
            &operator,
            "a listed namespace",
            bank.name.as_str(),
        ),
        (
            "the operator",
            &operator,
            "its own namespace",
            &installed.system.name,
        ),
        ("the operator", &operator, "any other namespace", "default"),
        (
            "a node, before the operator grants anything,",
            &node,
            "its namespace",
            &bank.name,
        ),
        ("a node", &node, "any other namespace", "default"),
    ] {
        let rights = rights(identity, namespace, &everybody);
        write!(text, "\n## {who} in {wher}\n{rights}").unwrap();
    }
    for role in ["platform", "asset-owner", "policy-owner", "auditor"] {
        let account = bank.with_role(role);
        let rights = rights(&account, &bank.name, &everybody);
        write!(text, "\n## finp2p-{role}, bound in a namespace\n{rights}").unwrap();
        assert_eq!(
            list(&account, "default"),
            everybody,
            "{role} reaches beyond its namespace"
        );
    }
    golden::compare("rights.txt", &text);
}

#[test]
fn kubectl_get_finp2p_ends_well_for_who_may_read_the_kinds_and_asks_nobody_for_another() {
    let bank = &installed().banks[1];
    let roles: [(&str, &[&str]); 4] = [
        ("auditor", &[]),
        ("policy-owner", &[]),
        ("asset-owner", &["sharingpolicies"]),
        ("platform", &["sharedassets", "sharingpolicies"]),
    ];
    for (role, refused) in roles {
        let account = bank.with_role(role);
        bank.until("the category as this role may read it", SEEN, || {
            let seen = account.kubectl(&["get", "finp2p", "-n", &bank.name]);
            let told: Vec<&str> = seen
                .stderr
                .lines()
                .filter(|l| l.contains("Forbidden"))
                .collect();
            let named = refused.iter().all(|kind| seen.stderr.contains(kind));
            let as_expected = told.len() == refused.len() && named;
            (as_expected && seen.success == refused.is_empty())
                .then_some(())
                .ok_or_else(|| format!("{role}: {}", seen.stderr))
        });
    }
}

#[test]
fn what_nobody_here_may_do_is_refused() {
    let installed = installed();
    let [_, other, bank] = &installed.banks;
    let operator = installed.operator();
    let node = installed.node(2);
    for (who, verb, what, namespace) in [
        (&operator, "update", "secrets", &bank.name),
        (&operator, "patch", "secrets", &bank.name),
        (&operator, "delete", "secrets", &bank.name),
        (&operator, "create", "pods", &bank.name),
        (&operator, "create", "pods/exec", &bank.name),
        (&operator, "create", "serviceaccounts/token", &bank.name),
        (
            &operator,
            "escalate",
            "roles.rbac.authorization.k8s.io",
            &bank.name,
        ),
        (
            &operator,
            "bind",
            "roles.rbac.authorization.k8s.io",
            &bank.name,
        ),
        (&operator, "delete", "persistentvolumeclaims", &bank.name),
        (
            &operator,
            "patch",
            "peerorganizations.sharing.finp2p.io",
            &bank.name,
        ),
        (&operator, "get", "secrets", &installed.system.name),
        (&operator, "list", "namespaces", &bank.name),
        (&node, "get", "secrets", &bank.name),
        (
            &node,
            "list",
            "sidecarconfigs.sharing.finp2p.io",
            &other.name,
        ),
        (
            &node,
            "create",
            "subjectaccessreviews.authorization.k8s.io",
            &bank.name,
        ),
    ] {
        let answer = who.kubectl(&["auth", "can-i", verb, what, "-n", namespace]);
        assert_eq!(answer.stdout.trim(), "no", "{} may {verb} {what}", who.name);
    }
}

#[test]
fn the_roles_are_in_none_of_kubernetes_own() {
    let installed = installed();
    let bank = &installed.banks[1];
    for role in ["view", "edit", "admin"] {
        let account = bank.account(role);
        let subject = format!("--serviceaccount={}:{role}", bank.name);
        let name = format!("--clusterrole={role}");
        bank.kubectl(&["create", "rolebinding", role, &name, &subject], "")
            .ok()
            .unwrap();
        let rights = list(&account, &bank.name);
        assert!(rights.len() > 20, "{role} is bound: {rights:?}");
        assert!(
            !rights
                .iter()
                .any(|right| right.contains("sharing.finp2p.io")),
            "{role}: {rights:?}"
        );
    }
}
