//! Who deletes what was left: the controllers of the control plane, also for our kinds.

use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::SEEN;
use finp2p_tests::wait;
use serde_json::json;

#[test]
fn what_an_object_owns_goes_with_it() {
    let namespace = ControlPlane::shared().namespace("owned");
    let admin = namespace.cluster().admin();
    let asset = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset",
        "metadata": {"name": "owner"}, "spec": {"content": {"api": {}}}});
    let asset = admin
        .create("sharedassets", &namespace.name, &asset)
        .unwrap();
    let owned = json!({"metadata": {"name": "owned", "ownerReferences": [{
        "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset", "name": "owner", "controller": true,
        "uid": asset["metadata"]["uid"]}]}});
    admin.create("configmaps", &namespace.name, &owned).unwrap();
    admin
        .delete("sharedassets", &namespace.name, "owner")
        .unwrap();
    namespace.until_gone("configmaps", "owned");
}

#[test]
fn a_namespace_ends_with_everything_in_it() {
    let cluster = ControlPlane::shared();
    let namespace = cluster.namespace("ends");
    let name = namespace.name.clone();
    let asset = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset",
        "metadata": {"name": "x"}, "spec": {"content": {"api": {}}}});
    cluster
        .admin()
        .create("sharedassets", &name, &asset)
        .unwrap();
    drop(namespace);
    wait::try_ask_until(SEEN, || {
        match cluster.admin().get("namespaces", "", &name) {
            Err(refusal) if refusal.code == 404 => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .unwrap();
    assert_eq!(
        cluster.admin().list("sharedassets", &name).unwrap().len(),
        0
    );
}

#[test]
fn a_stateful_set_gets_its_pod_and_its_volume() {
    let namespace = ControlPlane::shared().namespace("stateful");
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "node"}, "spec": {
        "serviceName": "node", "replicas": 1, "selector": {"matchLabels": {"app": "node"}},
        "template": {"metadata": {"labels": {"app": "node"}}, "spec": {"containers": [{"name": "node", "image": "none"}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "state"}, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}});
    let admin = namespace.cluster().admin();
    admin.create("statefulsets", &namespace.name, &set).unwrap();
    namespace.until("the pod and its volume", SEEN, || {
        namespace.get("pods", "node-0")?;
        Ok(namespace
            .get("persistentvolumeclaims", "state-node-0")
            .map(drop)?)
    });
}
