//! Service accounts of the harness are real ones: they may do what RBAC gives them, their tokens are for
//! an audience, and what they ask for is in the audit log.

use std::process::Command;

use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::api_audit_log::Event;
use finp2p_tests::control_plane::namespace::SEEN;
use finp2p_tests::control_plane::parts::parts;
use finp2p_tests::wait;
use serde_json::{Value, json};

#[test]
fn an_account_may_do_what_its_role_says_and_is_seen_doing_it() {
    let cluster = ControlPlane::shared();
    let namespace = cluster.namespace("accounts");
    let reader = namespace.account("reader");
    let mark = cluster.api_audit_log().mark();

    let refused = reader.list("secrets", &namespace.name).unwrap_err();
    assert_eq!((refused.code, refused.reason.as_str()), (403, "Forbidden"));
    let roles = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "reader"},
         "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]},
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reader"},
         "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
         "subjects": [{"kind": "ServiceAccount", "name": "reader"}]},
    ]});
    namespace.apply(&roles.to_string()).ok().unwrap();
    namespace.until("the reader may read", SEEN, || {
        Ok(reader.list("secrets", &namespace.name).map(drop)?)
    });
    let listed = reader.kubectl(&["get", "secrets"]);
    assert!(
        listed.success,
        "its namespace is the default: {}",
        listed.stderr
    );
    assert!(!reader.kubectl(&["get", "configmaps"]).success);

    let user = format!("system:serviceaccount:{}:reader", namespace.name);
    let seen = wait::until("the last request's entry", SEEN, || {
        let seen = cluster.api_audit_log().of_user(mark, &user);
        let is_there = seen.iter().any(|event| event.resource() == "configmaps");
        is_there.then_some(seen).ok_or_else(|| "not yet".to_owned())
    });
    let codes = |resource: &str| -> Vec<u16> {
        let of = seen.iter().filter(|event| event.resource() == resource);
        of.map(Event::code).collect()
    };
    assert_eq!(codes("secrets").first(), Some(&403));
    assert_eq!(codes("secrets").last(), Some(&200));
    assert_eq!(codes("configmaps"), [403]);
    // kubectl also asks which resources there are: that is in no namespace.
    let mut of_resources = seen.iter().filter(|event| !event.resource().is_empty());
    assert!(of_resources.all(|event| !event.is_write() && event.namespace() == namespace.name));
}

#[test]
fn a_program_runs_as_its_account_with_its_log_kept() {
    let cluster = ControlPlane::shared();
    let namespace = cluster.namespace("programs");
    let account = namespace.account("runner");
    let mut whoami = Command::new(&parts().kubectl);
    whoami.args(["auth", "whoami"]);
    let mut process = account.start("whoami", whoami).unwrap();
    let status = wait::until("the end of whoami", SEEN, || {
        process.ended().ok_or_else(|| "it runs".to_owned())
    });
    let printed = process.printed();
    assert!(status.success(), "{printed}");
    let user = format!("system:serviceaccount:{}:runner", namespace.name);
    assert!(printed.contains(&user), "{printed}");
    assert_eq!(process.log, cluster.folder().join("logs/whoami.log"));
}

#[test]
fn an_account_whose_token_is_for_another_audience_is_nobody_to_the_api_server() {
    let namespace = ControlPlane::shared().namespace("elsewhere");
    let caller = namespace.account_for("caller", Some("finp2p-bank-a-api"), 600);
    let refused = caller.list("secrets", &namespace.name).unwrap_err();
    assert_eq!(
        (refused.code, refused.reason.as_str()),
        (401, "Unauthorized")
    );
}

#[test]
fn a_token_is_for_its_audience() {
    let cluster = ControlPlane::shared();
    let namespace = cluster.namespace("audience");
    namespace.account("caller");
    let review = |token: &str, audience: &str| -> Value {
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]}});
        cluster.admin().create("tokenreviews", "", &body).unwrap()["status"].clone()
    };
    let token = namespace.token("caller", Some("finp2p-bank-a-api"), 600);
    let good = review(&token, "finp2p-bank-a-api");
    assert_eq!(good["authenticated"], true, "{good}");
    let user = format!("system:serviceaccount:{}:caller", namespace.name);
    assert_eq!(good["user"]["username"], user);
    assert_ne!(review(&token, "finp2p-bank-b-api")["authenticated"], true);
    let general = namespace.token("caller", None, 600);
    assert_ne!(review(&general, "finp2p-bank-a-api")["authenticated"], true);
}

#[test]
fn a_mark_separates_what_was_before_from_what_is_after() {
    let cluster = ControlPlane::shared();
    let namespace = cluster.namespace("marks");
    let account = namespace.account("writer");
    let user = format!("system:serviceaccount:{}:writer", namespace.name);
    let _forbidden = account.list("configmaps", &namespace.name);
    let mark = cluster.api_audit_log().mark();
    assert!(cluster.api_audit_log().of_user(mark, &user).is_empty());
    let body = json!({"metadata": {"name": "x"}});
    let _forbidden = account.create("configmaps", &namespace.name, &body);
    let seen = wait::until("the entry", SEEN, || {
        let seen = cluster.api_audit_log().of_user(mark, &user);
        let is_there = !seen.is_empty();
        is_there
            .then_some(seen)
            .ok_or_else(|| "none yet".to_owned())
    });
    assert_eq!(seen.len(), 1, "{seen:?}");
    assert!(seen[0].is_write());
    assert_eq!((seen[0].verb.as_str(), seen[0].code()), ("create", 403));
}
