//! Who may write what nodes obey, whatever RBAC says.

use std::time::Duration;

use finp2p_tests::control_plane::identity::{Identity, Refusal};
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use serde_json::{Value, json};

use crate::installed::{Installed, installed};

/// The garbage collector learns of new kinds every 30 s.
const COLLECTED: Duration = Duration::from_secs(120);

fn slice(name: &str, set: &str) -> Value {
    json!({
        "apiVersion": "sharing.finp2p.io/v1alpha1",
        "kind": "SidecarConfig",
        "metadata": {"name": name},
        "spec": {"slice": {"set": set, "bucket": 0, "entries": []}},
    })
}

/// An account that RBAC lets do everything in the namespace.
fn almighty(bank: &Namespace<'_>, name: &str) -> Identity {
    let account = bank.account(name);
    let subject = format!("--serviceaccount={}:{name}", bank.name);
    bank.kubectl(
        &[
            "create",
            "rolebinding",
            name,
            "--clusterrole=cluster-admin",
            &subject,
        ],
        "",
    )
    .ok()
    .unwrap();
    account
}

/// The policies take a moment to be in force after the chart is installed.
fn until_guarded(installed: &Installed) {
    let bank = &installed.banks[0];
    let made = installed
        .operator()
        .create("sidecarconfigs", &bank.name, &slice("probe", "s1"));
    assert!(made.is_ok() || made.is_err_and(|refusal| refusal.code == 409));
    let admin = installed.cluster.admin();
    for (name, change) in [
        ("probe", json!({"metadata": {"labels": {"probe": "yes"}}})),
        ("probe/status", json!({"status": {"incarnation": 1}})),
    ] {
        bank.until("a guarded SidecarConfig", SEEN, || {
            match admin.patch("sidecarconfigs", &bank.name, name, &change) {
                Err(refusal) if refusal.code == 403 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
    }
}

fn is_guarded(answer: Result<Value, Refusal>, why: &str) {
    let refusal = answer.expect_err("somebody else wrote it");
    assert_eq!(
        (refusal.code, refusal.reason.as_str()),
        (403, "Forbidden"),
        "{refusal:?}"
    );
    assert!(refusal.message.contains(why), "{refusal:?}");
}

#[test]
fn only_the_operator_writes_the_configuration_of_nodes() {
    const WHY: &str = "SidecarConfig is written by the FinP2P operator only";
    let installed = installed();
    let bank = &installed.banks[0];
    until_guarded(installed);
    let operator = installed.operator();
    operator
        .create("sidecarconfigs", &bank.name, &slice("guarded", "s1"))
        .unwrap();
    let edit = json!({"spec": {"slice": {"set": "s2"}}});
    let label = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}});
    let somebody = almighty(bank, "somebody");
    for other in [installed.cluster.admin(), &somebody] {
        is_guarded(
            other.create("sidecarconfigs", &bank.name, &slice("forged", "s1")),
            WHY,
        );
        is_guarded(
            other.patch("sidecarconfigs", &bank.name, "guarded", &edit),
            WHY,
        );
        is_guarded(
            other.patch("sidecarconfigs", &bank.name, "guarded", &label),
            WHY,
        );
    }
    let refusal = installed
        .cluster
        .admin()
        .patch("sidecarconfigs", &bank.name, "guarded", &edit)
        .unwrap_err();
    assert!(
        refusal
            .message
            .contains("change PeerOrganization, SharedAsset or SharingPolicy instead"),
        "{refusal:?}"
    );
    operator
        .patch("sidecarconfigs", &bank.name, "guarded", &edit)
        .unwrap();
    // Other kinds are not touched.
    somebody
        .create(
            "configmaps",
            &bank.name,
            &json!({"metadata": {"name": "anything"}}),
        )
        .unwrap();
}

#[test]
fn only_the_node_of_the_namespace_reports() {
    const WHY: &str = "the status of a SidecarConfig is the report of its node";
    let installed = installed();
    let bank = &installed.banks[0];
    until_guarded(installed);
    let operator = installed.operator();
    operator
        .create("sidecarconfigs", &bank.name, &slice("reported", "s1"))
        .unwrap();
    let report = json!({"status": {"incarnation": 1}});
    // RBAC would let all of these.
    for account in [installed.node(0), installed.node(1)] {
        let subject = format!("--serviceaccount={}", account.name.replace('/', ":"));
        let name = account.name.replace('/', "-");
        bank.kubectl(
            &[
                "create",
                "rolebinding",
                &name,
                "--clusterrole=cluster-admin",
                &subject,
            ],
            "",
        )
        .ok()
        .unwrap();
    }
    let somebody = almighty(bank, "reporter");
    for other in [
        installed.cluster.admin(),
        &somebody,
        &operator,
        &installed.node(1),
    ] {
        is_guarded(
            other.patch("sidecarconfigs", &bank.name, "reported/status", &report),
            WHY,
        );
    }
    installed
        .node(0)
        .patch("sidecarconfigs", &bank.name, "reported/status", &report)
        .unwrap();
    // Its own report is all that it may write.
    is_guarded(
        installed.node(0).patch(
            "sidecarconfigs",
            &bank.name,
            "reported",
            &json!({"spec": {"slice": {"set": "s9"}}}),
        ),
        "SidecarConfig is written by the FinP2P operator only",
    );
}

#[test]
fn whoever_tidies_up_can_and_nothing_is_stuck() {
    let installed = installed();
    until_guarded(installed);
    let operator = installed.operator();
    let bank = &installed.banks[1];
    let admin = installed.cluster.admin();

    // A person.
    operator
        .create("sidecarconfigs", &bank.name, &slice("by-hand", "s1"))
        .unwrap();
    admin
        .delete("sidecarconfigs", &bank.name, "by-hand")
        .unwrap();
    bank.until_gone("sidecarconfigs", "by-hand");

    // The garbage collector: what an owner leaves behind, and a finalizer that only it takes off.
    let owner = admin
        .create(
            "configmaps",
            &bank.name,
            &json!({"metadata": {"name": "owner"}}),
        )
        .unwrap();
    let reference = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}]);
    for name in ["owned", "orphaned"] {
        let mut owned = slice(name, "s1");
        owned["metadata"]["ownerReferences"] = reference.clone();
        operator
            .create("sidecarconfigs", &bank.name, &owned)
            .unwrap();
    }
    let foreground = json!({"propagationPolicy": "Foreground"});
    let path = |name: &str| {
        format!(
            "/apis/sharing.finp2p.io/v1alpha1/namespaces/{}/sidecarconfigs/{name}",
            bank.name
        )
    };
    admin
        .ask("DELETE", &path("owned"), Some(&foreground))
        .unwrap();
    bank.until(
        "the end of what was deleted in the foreground",
        COLLECTED,
        || gone(bank, "owned"),
    );
    let orphan = json!({"propagationPolicy": "Orphan"});
    let owner = format!("/api/v1/namespaces/{}/configmaps/owner", bank.name);
    admin.ask("DELETE", &owner, Some(&orphan)).unwrap();
    bank.until("an owner reference that was taken off", COLLECTED, || {
        let left = bank.get("sidecarconfigs", "orphaned")?;
        match left["metadata"]["ownerReferences"].as_array() {
            None => Ok(()),
            Some(owners) => Err(format!("{owners:?}")),
        }
    });
}

#[test]
fn a_namespace_that_holds_configuration_ends() {
    let installed = installed();
    until_guarded(installed);
    let operator = installed.operator();
    let admin = installed.cluster.admin();
    let ending = installed.cluster.namespace("ending");
    let writer = format!("--serviceaccount={}:finp2p-operator", installed.system.name);
    ending
        .kubectl(
            &[
                "create",
                "rolebinding",
                "operator",
                "--clusterrole=cluster-admin",
                &writer,
            ],
            "",
        )
        .ok()
        .unwrap();
    operator
        .create("sidecarconfigs", &ending.name, &slice("last", "s1"))
        .unwrap();
    admin.delete("namespaces", "", &ending.name).unwrap();
    ending.until("the end of the namespace", COLLECTED, || {
        match admin.get("namespaces", "", &ending.name) {
            Err(refusal) if refusal.code == 404 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}

fn gone(bank: &Namespace<'_>, name: &str) -> Result<(), String> {
    match bank.get("sidecarconfigs", name) {
        Err(refusal) if refusal.code == 404 => Ok(()),
        Err(refusal) => Err(refusal.into()),
        Ok(object) => Err(format!("it is there: {}", object["metadata"])),
    }
}
