//! What a node has on its cluster: the objects as they are written, what an overlay may say, and
//! what stands while a mistake waits to be mended.

use finp2p_crds::PeerOrganization;
use finp2p_crds::condition::Truth;
use serde_json::{Value, json};

use super::golden::compare;
use super::scene::*;
use crate::node::inputs::{Cluster, Dialling, SourceKind};
use crate::node::plan::owned::{Obstacle, Owned};

fn on_a_cluster() -> Scene {
    let mut scene = Scene::bank_a();
    scene.source(SourceKind::Secret, "bonds", true, &["bond.json"]);
    scene.asset("bond", bond());
    scene.inputs.cluster = Some(Cluster {
        sidecar_image: "registry.example/finp2p-sidecar:0.1.0".to_owned(),
        ..Cluster::default()
    });
    scene
}

fn owned(scene: &Scene) -> Owned {
    scene.plan().owned.unwrap()
}

fn node(scene: &mut Scene, edit: impl FnOnce(&mut Value)) {
    scene.edit_organization("local", |object: &mut PeerOrganization| {
        let mut value = serde_json::to_value(&*object).unwrap();
        edit(&mut value["spec"]["node"]);
        *object = serde_json::from_value(value).unwrap();
    });
}

fn yaml(owned: &Owned) -> String {
    let mut parts = vec![
        serde_yaml::to_string(&owned.role).unwrap(),
        serde_yaml::to_string(&owned.binding).unwrap(),
    ];
    parts.extend(
        owned
            .services
            .iter()
            .map(|s| serde_yaml::to_string(s).unwrap()),
    );
    parts.extend(
        owned
            .network_policy
            .iter()
            .map(|p| serde_yaml::to_string(p).unwrap()),
    );
    parts.extend(
        owned
            .stateful_set
            .iter()
            .map(|s| serde_yaml::to_string(s).unwrap()),
    );
    parts.join("---\n")
}

#[test]
fn the_objects_of_a_node_are_as_they_were_looked_at() {
    compare("cluster.yaml", &yaml(&owned(&on_a_cluster())));
}

#[test]
fn everything_a_node_can_ask_for_is_in_its_objects() {
    let mut scene = on_a_cluster();
    scene.inputs.cluster.as_mut().unwrap().metrics_from =
        Some(labels(&[("kubernetes.io/metadata.name", "monitoring")]));
    node(&mut scene, |node| {
        node["storage"] = json!({"size": "50Gi", "className": "fast"});
        node["service"] = json!({"type": "LoadBalancer"});
        node["api"] = json!({"clients": [{"serviceAccount": "trading", "allow": ["Fetch"]}]});
        node["image"] = json!("registry.example/other:1");
        node["resources"] = json!({"limits": {"memory": "1Gi"}});
        node["storeKey"] = json!({"secretName": "own-key"});
        node["networkPolicy"] =
            json!({"egress": [{"to": [{"ipBlock": {"cidr": "198.18.0.0/15"}}]}]});
        node["podTemplate"] = json!({
            "metadata": {"annotations": {"team": "fixed-income"}},
            "spec": {
                "nodeSelector": {"disk": "ssd"},
                "securityContext": {"fsGroup": 2000, "runAsNonRoot": false},
                "containers": [{"name": "trading", "image": "registry.example/trading:7"}],
                "volumes": [
                    {"name": "scratch", "emptyDir": {}},
                    {"name": "own", "secret": {"secretName": "trading-password"}},
                    {"name": "vault", "projected": {"sources": [
                        {"serviceAccountToken": {"path": "t", "audience": "vault"}}]}},
                ],
            }
        });
    });
    scene.source(SourceKind::Secret, "own-key", false, &["store.key"]);
    let owned = owned(&scene);
    assert!(owned.stateful_set.is_some() && owned.network_policy.is_some());
    assert_eq!(owned.store_key, None, "the node names its own");
    compare("cluster_full.yaml", &yaml(&owned));
}

#[test]
fn the_sidecar_is_a_native_sidecar_only_beside_other_containers() {
    let mut scene = on_a_cluster();
    let pod = |scene: &Scene| {
        let set = owned(scene).stateful_set.unwrap();
        serde_json::to_value(set.spec.template.spec.unwrap()).unwrap()
    };
    let alone = pod(&scene);
    assert_eq!(alone["containers"][0]["name"], "sidecar");
    assert_eq!(alone["initContainers"], Value::Null);
    node(&mut scene, |node| {
        node["podTemplate"] = json!({"spec": {"containers": [{"name": "trading", "image": "t"}]}});
    });
    let beside = pod(&scene);
    assert_eq!(beside["initContainers"][0]["name"], "sidecar");
    assert_eq!(beside["initContainers"][0]["restartPolicy"], "Always");
    let mounts = |container: &Value| container["volumeMounts"].to_string();
    assert!(mounts(&beside["initContainers"][0]).contains("finp2p-token"));
    assert!(!mounts(&beside["containers"][0]).contains("finp2p-token"));
    assert_eq!(beside["automountServiceAccountToken"], false);
}

#[test]
fn an_overlay_cannot_reach_what_is_the_sidecars_or_leave_the_pod() {
    let cases = [
        (
            json!({"spec": {"containers": [{"name": "sidecar", "image": "x"}]}}),
            "container sidecar",
        ),
        (
            json!({"spec": {"initContainers": [{"name": "sidecar"}]}}),
            "container sidecar",
        ),
        (
            json!({"spec": {"containers": [{"image": "x"}]}}),
            "without name",
        ),
        (
            json!({"spec": {"volumes": [{"name": "store-key", "emptyDir": {}}]}}),
            "volume store-key",
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "volumeMounts": [{"name": "state", "mountPath": "/s"}]}]}}),
            "mounts the sidecar's volume state",
        ),
        (
            json!({"spec": {"initContainers": [{"name": "a", "volumeMounts": [{"name": "finp2p-token", "mountPath": "/s"}]}]}}),
            "mounts the sidecar's volume finp2p-token",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "secret": {"secretName": "finp2p-bank-a-store-key"}}]}}),
            "Secret finp2p-bank-a-store-key, the store key",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "finp2p-issuer"}}]}}]}}),
            "Secret finp2p-issuer, the issuing key",
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "envFrom": [{"secretRef": {"name": "finp2p-issuer"}}]}]}}),
            "the issuing key",
        ),
        (
            json!({"spec": {"initContainers": [{"name": "a", "env": [
                {"name": "K", "valueFrom": {"secretKeyRef": {"name": "finp2p-bank-a-store-key", "key": "store.key"}}}]}]}}),
            "the store key",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "state-finp2p-bank-a-0"}}]}}),
            "the claim state-finp2p-bank-a-0",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}}),
            "token for the API server",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "azureFile": {"secretName": "finp2p-issuer", "shareName": "s"}}]}}),
            "the issuing key",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
                "dataSource": {"kind": "PersistentVolumeClaim", "name": "state-finp2p-bank-a-0"}}}}}]}}),
            "the claim state-finp2p-bank-a-0",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": {
                "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "state-finp2p-bank-a-0"}}}}}]}}),
            "the claim state-finp2p-bank-a-0",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "audience": ""}}]}}]}}),
            "token for the API server",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {
                "path": "t", "audience": "https://kubernetes.default.svc"}}]}}]}}),
            "token for the API server",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "projected": {"sources": [{"serviceAccountToken": {
                "path": "t", "audience": "finp2p-bank-a-api"}}]}}]}}),
            "or for a node",
        ),
        (
            json!({"spec": {"serviceAccountName": "other"}}),
            "spec.serviceAccountName",
        ),
        (json!({"spec": {"hostNetwork": true}}), "spec.hostNetwork"),
        (json!({"spec": {"hostPID": true}}), "spec.hostPID"),
        (json!({"spec": {"hostIPC": true}}), "spec.hostIPC"),
        (
            json!({"spec": {"shareProcessNamespace": true}}),
            "spec.shareProcessNamespace",
        ),
        (json!({"status": {}}), "metadata and spec only"),
        (
            json!({"metadata": {"labels": {}, "name": "mine"}}),
            "has metadata.name, and may have labels and annotations there only",
        ),
        (
            json!({"metadata": {"namespace": "other"}}),
            "metadata.namespace",
        ),
        (
            json!({"metadata": {"generateName": "x-"}}),
            "metadata.generateName",
        ),
        (
            json!({"metadata": {"ownerReferences": []}}),
            "metadata.ownerReferences",
        ),
        (
            json!({"metadata": {"finalizers": ["example.com/hold"]}}),
            "metadata.finalizers",
        ),
        (json!({"metadata": []}), "metadata that is no object"),
        (
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "a"}]}}),
            "two items with name \"a\" at spec.containers: [0] and [2]",
        ),
        (
            json!({"spec": {"initContainers": [{"name": "a"}, {"name": "a"}]}}),
            "two items with name \"a\" at spec.initContainers",
        ),
        (
            json!({"spec": {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]}}),
            "two items with name \"v\" at spec.volumes",
        ),
        (
            json!({"spec": {"volumes": [{"emptyDir": {}}]}}),
            "item without name at spec.volumes[0]",
        ),
        (
            json!({"spec": {"imagePullSecrets": [{"name": "r"}, {"name": "r"}]}}),
            "at spec.imagePullSecrets",
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "env": [{"name": "E"}, {"name": "E", "value": "1"}]}]}}),
            "two items with name \"E\" at spec.containers[0].env",
        ),
        (
            json!({"spec": {"initContainers": [{"name": "a", "ports": [
                {"name": "x", "containerPort": 1}, {"name": "y", "containerPort": 1, "protocol": "TCP"}]}]}}),
            "two items with containerPort 1 and protocol \"TCP\" at spec.initContainers[0].ports",
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "volumeMounts": [
                {"name": "v", "mountPath": "/m"}, {"name": "w", "mountPath": "/m"}]}]}}),
            "two items with mountPath \"/m\" at spec.containers[0].volumeMounts",
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "image": "x\ny"}]}}),
            "container a in spec.containers, whose image is \"x\\ny\", with white space",
        ),
        (json!({"spec": []}), "no object"),
        (json!({"spec": {"containers": {}}}), "no list"),
        (
            json!({"metadata": {"annotations": {"x": "y".repeat(33 * 1024)}}}),
            "may take 32",
        ),
        (
            json!({"spec": {"nodeSelector": ["ssd"]}}),
            "no part of a pod at spec.nodeSelector: invalid type",
        ),
        (
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "ports": {}}]}}),
            "no part of a pod at spec.containers[1].ports: invalid type",
        ),
        (
            json!({"spec": {"containers": [{"name": "a", "resources": {"limits": {"cpu": "lots"}}}]}}),
            "at spec.containers[0].resources.limits.cpu: \"lots\" is no quantity",
        ),
        (
            json!({"spec": {"securitycontext": {"runAsUser": 7}}}),
            "has spec.securitycontext, which is in no part of a pod",
        ),
    ];
    for (overlay, said) in cases {
        let mut scene = on_a_cluster();
        node(&mut scene, |node| node["podTemplate"] = overlay.clone());
        let plan = scene.plan();
        let owned = plan.owned.clone().unwrap();
        assert_eq!(owned.stateful_set, None, "what runs stays: {overlay}");
        assert!(plan.root.is_some(), "configuration goes on: {overlay}");
        let (_, reason, message) = condition(&plan, "PeerOrganization", "local", "Ready");
        assert!(message.contains(said), "{overlay}: {message}");
        assert_eq!(reason, "Invalid");
        assert!(
            has(&plan, "PeerOrganization", "local", "Stalled"),
            "{overlay}"
        );
    }
}

#[test]
fn the_same_key_in_lists_of_two_containers_is_no_mistake() {
    let mut scene = on_a_cluster();
    let container = |name: &str| {
        json!({"name": name, "image": "registry.example:5000/t@sha256:00", "env": [{"name": "E"}],
            "ports": [{"containerPort": 1}, {"containerPort": 1, "protocol": "UDP"}]})
    };
    node(&mut scene, |node| {
        node["podTemplate"] = json!({"spec": {"containers": [container("a"), container("b")]}});
    });
    assert!(owned(&scene).stateful_set.is_some());
}

/// Reason and message of a node whose pod cannot be made.
fn kept_as_it_is(scene: &Scene) -> (String, String) {
    let plan = scene.plan();
    assert!(plan.root.is_some(), "configuration goes on");
    assert_eq!(plan.owned.as_ref().unwrap().stateful_set, None);
    let (ready, ..) = condition(&plan, "PeerOrganization", "local", "Ready");
    assert_eq!(ready, Truth::False);
    let (_, reason, message) = condition(&plan, "PeerOrganization", "local", "ResolvedRefs");
    let is_mistake = reason == "Invalid";
    assert_eq!(
        has(&plan, "PeerOrganization", "local", "Stalled"),
        is_mistake
    );
    (reason.to_owned(), message.to_owned())
}

#[test]
fn an_image_and_a_size_that_no_cluster_can_use_are_mistakes_in_the_manifest() {
    for image in [" t:1", "t:1\t", "t\n:1", "\u{a0}t"] {
        let mut scene = on_a_cluster();
        node(&mut scene, |node| node["image"] = json!(image));
        let (reason, message) = kept_as_it_is(&scene);
        assert_eq!(reason, "Invalid");
        assert!(message.contains("node.image is "), "{message}");
    }
    for size in ["99999999999999999999999999999Ti", "8388608Ti"] {
        let mut scene = on_a_cluster();
        let templates = owned(&scene).stateful_set.unwrap().spec;
        let cluster = scene.inputs.cluster.as_mut().unwrap();
        cluster.volume_claim_templates = templates.volume_claim_templates;
        node(&mut scene, |node| node["storage"] = json!({"size": size}));
        let (reason, message) = kept_as_it_is(&scene);
        assert_eq!(reason, "Invalid");
        assert!(message.contains("node.storage.size is "), "{message}");
    }
}

#[test]
fn a_store_key_that_leads_nowhere_is_told_and_what_runs_goes_on() {
    for (name, said) in [
        ("../../x", "no Secret can have that name"),
        ("Own_Key", "no Secret can have that name"),
        ("finp2p-issuer", "the Secret of node.signer"),
    ] {
        let mut scene = on_a_cluster();
        scene.source(SourceKind::Secret, name, false, &["store.key"]);
        node(&mut scene, |node| {
            node["storeKey"] = json!({"secretName": name})
        });
        let (reason, message) = kept_as_it_is(&scene);
        assert_eq!(reason, "Invalid", "{message}");
        assert!(message.contains("node.storeKey.secretName"), "{message}");
        assert!(message.contains(said), "{message}");
    }
    let mut scene = on_a_cluster();
    node(&mut scene, |node| {
        node["storeKey"] = json!({"secretName": "own-key"})
    });
    let (reason, message) = kept_as_it_is(&scene);
    assert_eq!(reason, "StoreKeyMissing");
    assert!(
        message.contains("is not in namespace bank-a; until it is there"),
        "{message}"
    );
    assert!(
        message.contains("32 random bytes under the key store.key"),
        "{message}"
    );
    // In files the keys of a Secret are known.
    scene.source(SourceKind::Secret, "own-key", false, &["key"]);
    let (_, message) = kept_as_it_is(&scene);
    assert!(message.contains("has no key store.key"), "{message}");
    scene.inputs.sources.last_mut().unwrap().keys = None;
    let set = owned(&scene).stateful_set.expect("it is there now");
    assert!(json!(set).to_string().contains("own-key"));
    // A node that is a process here makes its own, whatever the manifest names.
    scene.inputs.sources.clear();
    scene.inputs.dialling = Dialling::Loopback(Default::default());
    let plan = scene.plan();
    let (_, reason, _) = condition(&plan, "PeerOrganization", "local", "ResolvedRefs");
    assert_ne!(reason, "StoreKeyMissing");
}

#[test]
fn a_volume_may_only_grow() {
    let mut scene = on_a_cluster();
    let templates = owned(&scene)
        .stateful_set
        .unwrap()
        .spec
        .volume_claim_templates;
    scene
        .inputs
        .cluster
        .as_mut()
        .unwrap()
        .volume_claim_templates = templates.clone();
    assert_eq!(owned(&scene).grow_to, None);
    node(&mut scene, |node| node["storage"] = json!({"size": "20Gi"}));
    let grown = owned(&scene);
    assert_eq!(grown.grow_to.as_deref(), Some("20Gi"));
    let kept = grown.stateful_set.unwrap().spec.volume_claim_templates;
    assert_eq!(kept, templates, "claim templates cannot be changed");
    node(&mut scene, |node| node["storage"] = json!({"size": "1Gi"}));
    let plan = scene.plan();
    assert_eq!(plan.owned.as_ref().unwrap().grow_to, None);
    let (_, _, message) = condition(&plan, "PeerOrganization", "local", "Ready");
    assert!(message.contains("only grow"), "{message}");
}

#[test]
fn the_node_may_read_by_name_what_its_assets_name_and_nothing_without_a_name() {
    let mut scene = on_a_cluster();
    let rules = |scene: &Scene| owned(scene).role.rules.unwrap();
    let secrets = |scene: &Scene| {
        let rule = rules(scene)
            .into_iter()
            .find(|r| r.resources == Some(vec!["secrets".to_owned()]));
        rule.map(|rule| rule.resource_names.unwrap())
    };
    assert_eq!(secrets(&scene), Some(vec!["bonds".to_owned()]));
    scene.edit_asset("bond", |asset| {
        asset.spec.content = Some(serde_json::from_value(json!({"api": {}})).unwrap());
    });
    assert_eq!(secrets(&scene), None, "no names, no rule");
    for number in 0..300 {
        let content = json!({"content": {"secret": {"name": format!("s{number}"), "key": "k"}}});
        scene.asset(&format!("a{number}"), content);
    }
    assert_eq!(secrets(&scene).unwrap().len(), 256);
}

#[test]
fn what_stands_in_the_way_is_told_and_the_configuration_goes_on() {
    let mut scene = on_a_cluster();
    let obstacle = |text: &str, is_mistake| Obstacle {
        text: text.to_owned(),
        is_mistake,
        ..Obstacle::default()
    };
    let foreign = obstacle("Service finp2p-bank-a was not made by this operator", false);
    scene.inputs.cluster.as_mut().unwrap().obstacles = vec![foreign.clone()];
    let plan = scene.plan();
    let (_, reason, message) = condition(&plan, "PeerOrganization", "local", "Ready");
    assert_eq!((reason, message), ("Obstructed", foreign.text.as_str()));
    assert!(plan.root.is_some());
    assert!(!has(&plan, "PeerOrganization", "local", "Stalled"));

    // What only an edit of this object mends comes first, and waits for nothing else.
    let mistake = obstacle("the API server refuses StatefulSet finp2p-bank-a", true);
    scene.inputs.cluster.as_mut().unwrap().obstacles = vec![foreign, mistake.clone()];
    let plan = scene.plan();
    for type_ in ["Ready", "ResolvedRefs", "Stalled"] {
        let (_, reason, message) = condition(&plan, "PeerOrganization", "local", type_);
        assert_eq!(
            (reason, message),
            ("Invalid", mistake.text.as_str()),
            "{type_}"
        );
    }
    assert!(plan.root.is_some(), "its node runs on");
}

#[test]
fn the_root_stays_when_the_organization_goes_and_the_slices_go_with_it() {
    let plan = on_a_cluster().plan();
    let owners = |config: &finp2p_crds::SidecarConfig| config.metadata.owner_references.clone();
    assert_eq!(owners(&plan.root.as_ref().unwrap().config), None);
    assert_eq!(owners(&plan.slices[0].config).unwrap()[0].name, "local");
}
