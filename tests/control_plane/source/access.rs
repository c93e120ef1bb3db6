//! What the node's account may do, and who may call the node.

use finp2p_tests::control_plane::ControlPlane;
use serde_json::json;

use super::with_a_bond;
use crate::bank::Bank;

#[test]
fn the_nodes_account_can_do_nothing_that_a_node_does_not_need() {
    let bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let other = Bank::new(ControlPlane::shared(), "bank-b");
    bank.put(
        "secrets",
        &json!({"metadata": {"name": "finp2p-issuer"}, "stringData": {"key": "k"}}),
    );
    let (node, ns, away) = (&bank.account, &bank.namespace, &other.namespace);
    let ask = |verb: &str, path: String, body: serde_json::Value| {
        let answer = node.ask(verb, &path, Some(&body));
        assert_eq!(
            answer.as_ref().err().map(|refusal| refusal.code),
            Some(403),
            "{verb} {path}: {answer:?}"
        );
    };
    let ours = format!("/apis/sharing.finp2p.io/v1alpha1/namespaces/{ns}/sidecarconfigs");
    let secrets = format!("/api/v1/namespaces/{ns}/secrets");
    let empty = json!({});
    for path in [
        format!("{secrets}/finp2p-issuer"),
        secrets.clone(),
        format!("{secrets}?watch=true&timeoutSeconds=1"),
        format!("/api/v1/namespaces/{ns}/configmaps"),
        format!("/api/v1/namespaces/{away}/secrets/bonds"),
        format!("/api/v1/namespaces/{ns}/pods"),
        format!("/apis/sharing.finp2p.io/v1alpha1/namespaces/{away}/sidecarconfigs"),
        format!("/apis/sharing.finp2p.io/v1alpha1/namespaces/{ns}/sharingpolicies"),
        "/apis/sharing.finp2p.io/v1alpha1/sidecarconfigs".to_owned(),
        "/api/v1/secrets".to_owned(),
    ] {
        ask("GET", path, empty.clone());
    }
    let spec = json!({"spec": {"root": {"sequence": 99}}});
    ask("PATCH", format!("{ours}/bank-a"), spec);
    ask(
        "PATCH",
        format!("{ours}/bank-a-s1-0/status"),
        json!({"status": {"applied": []}}),
    );
    ask("PUT", format!("{ours}/bank-a/status"), empty.clone());
    ask("DELETE", format!("{ours}/bank-a"), empty.clone());
    ask("PATCH", format!("{secrets}/bonds"), empty.clone());
    ask("DELETE", format!("{secrets}/bonds"), empty.clone());
    let object = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SidecarConfig",
        "metadata": {"name": "x"}, "spec": {"slice": {"set": "s1", "bucket": 0}}});
    ask("POST", ours, object);
    ask(
        "POST",
        format!("/api/v1/namespaces/{ns}/serviceaccounts/trading/token"),
        json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}),
    );
}

#[test]
fn a_caller_is_a_service_account_of_the_namespace_with_a_token_for_this_node() {
    let mut bank = with_a_bond(ControlPlane::shared(), "bank-a");
    let other = Bank::new(ControlPlane::shared(), "bank-b");
    let account = json!({"metadata": {"name": "reporting"}});
    for bank in [&bank, &other] {
        bank.put("serviceaccounts", &account);
    }
    let ask = |token: String| bank.api_with(token).get("/v1/assets/bond").unwrap();
    assert_eq!(ask(bank.token("trading", "finp2p-bank-a-api")).status, 200);
    // Known to the cluster, and no client of the node.
    let answer = ask(bank.token("reporting", "finp2p-bank-a-api"));
    assert_eq!(
        (answer.status, &answer.body["title"]),
        (403, &json!("client-unknown"))
    );
    // For another audience, or from another namespace.
    for (token, word) in [
        (
            bank.token("trading", "finp2p-bank-b-api"),
            "another audience",
        ),
        (other.token("trading", "finp2p-bank-a-api"), "namespace"),
    ] {
        let answer = ask(token);
        assert_eq!(answer.status, 401, "{}", answer.body);
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{detail}");
    }
    // Looks right, and is signed by nobody.
    let mut forged = bank.token("trading", "finp2p-bank-a-api");
    let end = forged.rfind('.').unwrap() + 5;
    let swapped = if forged.as_bytes()[end] == b'A' {
        "B"
    } else {
        "A"
    };
    forged.replace_range(end..=end, swapped);
    let answer = ask(forged);
    assert_eq!(answer.status, 401, "{}", answer.body);
    // An account that is gone is let in for a minute at most; its verbs go at once.
    let api = bank.api("trading");
    assert_eq!(api.get("/v1/assets/bond").unwrap().status, 200);
    bank.edit(|config| {
        config.clients = vec![json!({"serviceAccount": "trading", "allow": ["Fetch"]})]
    });
    bank.until("the verb to go", |_| {
        let answer = api.get("/v1/assets/bond")?;
        (answer.status == 403 && answer.body["title"] == "verb")
            .then_some(())
            .ok_or_else(|| answer.body.to_string())
    });
    let printed = bank.printed();
    for token in [&api.token, &bank.token("trading", "finp2p-bank-a-api")] {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!printed.contains(signature), "a token is in the log");
    }
}
