//! Deletion in every order comes to the same end: nothing hangs, what the node was made of is gone,
//! and what holds data or keys stays.

use std::collections::BTreeSet;
use std::time::Duration;

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use finp2p_tests::control_plane::{ControlPlane, Settings};
use serde_json::{Value, json};

/// What a bank's people delete, in some order. `bank-a` and `bank-b` are records, `local` is the
/// node.
const DELETED: [(&str, &str); 4] = [
    ("sharingpolicies", "bond-terms-to-distributors"),
    ("sharedassets", "green-bond-2031"),
    ("peerorganizations", "bank-b"),
    ("peerorganizations", "local"),
];
/// What the node was made of.
const MADE: [&str; 6] = [
    "sidecarconfigs",
    "roles",
    "rolebindings",
    "services",
    "networkpolicies",
    "statefulsets",
];
/// Longest that garbage collection may take on a busy machine.
const COLLECTED: Duration = Duration::from_secs(120);
/// Rounds at once, each in a bank of its own: the machine has two cores.
const LANES: usize = 3;

/// Every order of four.
fn orders() -> Vec<Vec<(&'static str, &'static str)>> {
    fn grow(
        chosen: &[(&'static str, &'static str)],
        all: &mut Vec<Vec<(&'static str, &'static str)>>,
    ) {
        if chosen.len() == DELETED.len() {
            all.push(chosen.to_vec());
        }
        for next in DELETED.iter().filter(|next| !chosen.contains(next)) {
            grow(&[chosen, &[*next]].concat(), all);
        }
    }
    let mut all = Vec::new();
    grow(&[], &mut all);
    all
}

/// Objects that the operator made, as `kind/name`.
fn made(namespace: &Namespace) -> Result<BTreeSet<String>, String> {
    let mut found = BTreeSet::new();
    for kind in MADE {
        for object in namespace.list(kind)? {
            let metadata = &object["metadata"];
            let by = &metadata["labels"]["app.kubernetes.io/managed-by"];
            if by == "finp2p-operator" || kind == "sidecarconfigs" {
                found.insert(format!(
                    "{kind}/{}",
                    metadata["name"].as_str().unwrap_or("")
                ));
            }
        }
    }
    Ok(found)
}

/// Everything that makes the node is there.
fn complete(namespace: &Namespace) -> Result<(), String> {
    let found = made(namespace)?;
    let kinds: BTreeSet<_> = found.iter().filter_map(|o| o.split('/').next()).collect();
    let slices = found
        .iter()
        .filter(|o| o.starts_with("sidecarconfigs/"))
        .count();
    if kinds.len() < MADE.len() || slices < 2 {
        return Err(format!("{found:?}"));
    }
    // Its volume's claim and its key: what must stay.
    namespace.get("persistentvolumeclaims", "state-finp2p-bank-a-0")?;
    namespace.get("secrets", "finp2p-bank-a-store-key")?;
    let configs = json!(namespace.list("sidecarconfigs")?).to_string();
    for (_, name) in &DELETED[..3] {
        let is_told = configs.contains(name);
        is_told
            .then_some(())
            .ok_or(format!("no slice has {name}"))?;
    }
    Ok(())
}

/// Nothing is left but the root.
fn ended(namespace: &Namespace) -> Result<(), String> {
    let left = made(namespace)?;
    let root: BTreeSet<_> = ["sidecarconfigs/bank-a".to_owned()].into();
    (left == root).then_some(()).ok_or(format!("{left:?}"))?;
    for kind in [
        "peerorganizations",
        "sharedassets",
        "sharingpolicies",
        "pods",
    ] {
        for object in namespace.list(kind)? {
            if !object["metadata"]["deletionTimestamp"].is_null() {
                return Err(format!(
                    "{kind} {} is terminating",
                    object["metadata"]["name"]
                ));
            }
        }
    }
    Ok(())
}

fn sequence(namespace: &Namespace) -> u64 {
    let root = namespace.get("sidecarconfigs", "bank-a").unwrap();
    root["spec"]["root"]["sequence"].as_u64().unwrap()
}

fn uid(namespace: &Namespace, kind: &str, name: &str) -> Value {
    namespace.get(kind, name).unwrap()["metadata"]["uid"].clone()
}

/// A bank whose operator runs, and whose node is only planned.
fn planned(cluster: &ControlPlane) -> Consortium<'_> {
    let mut banks = Consortium::install(cluster, &["bank-a", "bank-b"], &[]);
    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("the node's objects", COLLECTED, || complete(bank_a));
    banks
}

#[test]
fn every_order_of_deletion_comes_to_the_same_end_and_making_again_goes_on() {
    let orders = orders();
    assert_eq!(orders.len(), 24);
    std::thread::scope(|scope| {
        for lane in 0..LANES {
            let mine: Vec<_> = orders.iter().skip(lane).step_by(LANES).collect();
            scope.spawn(move || {
                let banks = planned(ControlPlane::shared());
                let bank_a = &banks.bank("bank-a").namespace;
                let admin = bank_a.cluster().admin();
                let kept = [
                    ("persistentvolumeclaims", "state-finp2p-bank-a-0"),
                    ("secrets", "finp2p-bank-a-store-key"),
                    ("secrets", "finp2p-issuer"),
                    ("sidecarconfigs", "bank-a"),
                ];
                let uids = kept.map(|(kind, name)| uid(bank_a, kind, name));
                for order in mine {
                    let before = sequence(bank_a);
                    let objects: Vec<_> = DELETED
                        .iter()
                        .map(|(kind, name)| (*kind, bank_a.get(kind, name).unwrap()))
                        .collect();
                    for (kind, name) in order {
                        admin.delete(kind, &bank_a.name, name).unwrap();
                    }
                    let what = format!("the end of {order:?}");
                    bank_a.until(&what, COLLECTED, || ended(bank_a));
                    assert!(sequence(bank_a) >= before, "{order:?}");
                    for ((kind, name), uid_before) in kept.iter().zip(&uids) {
                        assert_eq!(&uid(bank_a, kind, name), uid_before, "{name}: {order:?}");
                    }
                    for (kind, object) in objects {
                        let metadata = &object["metadata"];
                        let mut again = json!({"apiVersion": object["apiVersion"], "kind": object["kind"],
                            "metadata": {"name": metadata["name"]}, "spec": object["spec"]});
                        if !metadata["labels"].is_null() {
                            again["metadata"]["labels"] = metadata["labels"].clone();
                        }
                        admin.create(kind, &bank_a.name, &again).unwrap();
                    }
                    bank_a.until("everything again", COLLECTED, || complete(bank_a));
                    assert!(sequence(bank_a) > before, "{order:?}");
                }
            });
        }
    });
}

#[test]
fn a_node_whose_organization_was_deleted_and_made_again_goes_on_where_it_was() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_a = &banks.bank("bank-a").namespace;
    let local = bank_a.get("peerorganizations", "local").unwrap();
    let before = sequence(bank_a);
    let gone = bank_a.kubectl(&["delete", "peerorganization", "local"], "");
    gone.ok().unwrap();
    bank_a.until_gone("statefulsets", "finp2p-bank-a");
    bank_a.until("the end", COLLECTED, || ended(bank_a));
    *banks.node("bank-a") = None; // as its pod ends
    let bank_a = &banks.bank("bank-a").namespace;
    let again = json!({"apiVersion": local["apiVersion"], "kind": local["kind"],
        "metadata": {"name": "local"}, "spec": local["spec"]});
    bank_a.apply(&again.to_string()).ok().unwrap();
    banks.start_node("bank-a");
    banks.bank("bank-a").until_ready();
    let bank_a = &banks.bank("bank-a").namespace;
    assert!(sequence(bank_a) > before);
    let root = bank_a.get("sidecarconfigs", "bank-a").unwrap();
    let report = root["status"].to_string();
    assert!(!report.contains("ConfigurationRolledBack"), "{report}");
}

#[test]
fn a_node_whose_store_key_is_lost_begins_anew_after_the_steps_that_its_status_names() {
    let (key, claim) = ("finp2p-bank-a-store-key", "state-finp2p-bank-a-0");
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let bank_a = &banks.bank("bank-a").namespace;
    let local = bank_a.get("peerorganizations", "local").unwrap();
    let lost = [
        uid(bank_a, "secrets", key),
        uid(bank_a, "persistentvolumeclaims", claim),
    ];
    let deleted = bank_a.kubectl(&["delete", "secret", key], "");
    deleted.ok().unwrap();
    let said = bank_a.until("word of the key", SEEN, || {
        let local = bank_a.get("peerorganizations", "local")?;
        let ready = &local["status"]["conditions"][0];
        (ready["reason"] == "Obstructed")
            .then(|| ready["message"].to_string())
            .ok_or(ready.to_string())
    });
    let steps = [
        "Secret finp2p-bank-a-store-key",
        "delete this PeerOrganization",
        "StatefulSet finp2p-bank-a and its pod are gone",
        "PersistentVolumeClaim state-finp2p-bank-a-0",
        "apply this PeerOrganization again",
    ];
    let places: Vec<_> = steps.map(|step| said.find(step)).into();
    assert!(places.is_sorted() && places[0].is_some(), "{said}");

    let deleted = bank_a.kubectl(&["delete", "peerorganization", "local"], "");
    deleted.ok().unwrap();
    bank_a.until("the end", COLLECTED, || ended(bank_a));
    bank_a.until_gone("statefulsets", "finp2p-bank-a");
    bank_a.until_gone("pods", "finp2p-bank-a-0");
    let deleted = bank_a.kubectl(&["delete", "pvc", claim], "");
    deleted.ok().unwrap();
    banks.lose_volume("bank-a");
    let bank_a = &banks.bank("bank-a").namespace;
    let again = json!({"apiVersion": local["apiVersion"], "kind": local["kind"],
        "metadata": {"name": "local"}, "spec": local["spec"]});
    bank_a.apply(&again.to_string()).ok().unwrap();
    banks.start_node("bank-a");
    banks.bank("bank-a").until_ready();
    let bank_a = &banks.bank("bank-a").namespace;
    let made = [
        uid(bank_a, "secrets", key),
        uid(bank_a, "persistentvolumeclaims", claim),
    ];
    assert!(lost.iter().zip(&made).all(|(lost, made)| lost != made));
}

#[test]
fn a_namespace_with_a_node_ends_with_everything_in_it() {
    let cluster = ControlPlane::shared();
    let mut banks = planned(cluster);
    let name = banks.bank("bank-a").namespace.name.clone();
    cluster.admin().delete("namespaces", "", &name).unwrap();
    let system = &banks.system;
    system.until("the end of the namespace", COLLECTED, || {
        match cluster.admin().get("namespaces", "", &name) {
            Err(refusal) if refusal.code == 404 => Ok(()),
            Ok(namespace) => Err(namespace["status"].to_string()),
            Err(refusal) => Err(refusal.into()),
        }
    });
    assert!(banks.operators()[0].ended().is_none(), "the operator ended");
    // The others are kept as before.
    let bank_b = &banks.bank("bank-b").namespace;
    let limits = json!({"node": {"limits": {"requestsPerSecond": 77}}});
    bank_b.edit_spec("peerorganization", "local", limits);
    bank_b.until("the edit next door", SEEN, || {
        let root = bank_b.get("sidecarconfigs", "bank-b")?;
        let text = root["spec"].to_string();
        text.contains("77").then_some(()).ok_or(text)
    });
}

#[test]
fn definitions_that_are_deleted_take_their_objects_and_nothing_hangs() {
    let cluster = ControlPlane::start(Settings::default());
    let mut banks = planned(&cluster);
    let kinds = [
        "peerorganizations",
        "sharedassets",
        "sharingpolicies",
        "sidecarconfigs",
    ];
    for kind in kinds {
        let name = format!("{kind}.sharing.finp2p.io");
        cluster
            .admin()
            .delete("customresourcedefinitions", "", &name)
            .unwrap();
    }
    let bank_a = &banks.bank("bank-a").namespace;
    for kind in kinds {
        bank_a.until_gone(
            "customresourcedefinitions",
            &format!("{kind}.sharing.finp2p.io"),
        );
    }
    bank_a
        .get("persistentvolumeclaims", "state-finp2p-bank-a-0")
        .unwrap();
    bank_a.get("secrets", "finp2p-bank-a-store-key").unwrap();
    bank_a.until("word of it in the metrics", SEEN, || {
        let errors = banks.metric(0, "watch_errors_total")?;
        (errors > 0).then_some(()).ok_or("none".to_owned())
    });
    let log = banks.operators()[0].printed();
    assert!(log.contains("cannot be watched"), "{log}");
    assert!(banks.operators()[0].ended().is_none(), "the operator ended");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("the end of what the node was made of", COLLECTED, || {
        let left: Vec<_> = MADE[1..]
            .iter()
            .flat_map(|kind| bank_a.list(kind).unwrap())
            .map(|object| object["metadata"].clone())
            .filter(|m| m["labels"]["app.kubernetes.io/managed-by"] == "finp2p-operator")
            .map(|metadata| metadata["name"].to_string())
            .collect();
        left.is_empty().then_some(()).ok_or(format!("{left:?}"))
    });
}
