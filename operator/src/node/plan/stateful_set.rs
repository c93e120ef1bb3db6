//! The StatefulSet of one pod: one Primary, one writer.
//!
//! Restricted pod security: no root and no fixed user, a read-only file system, no capabilities.
//! The service account token is mounted into the sidecar only. Configuration never enters the pod
//! template, so that an edit never restarts a pod.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};
use serde_json::{Value, json};

use super::names::{
    CONTAINER, Names, SERVICE_ACCOUNT, STATE_VOLUME, STORE_KEY, STORE_KEY_VOLUME, TOKEN_VOLUME,
};
use super::opaque::{known, without_nulls};
use super::owned::{Cluster, Port, Scene};
use super::pod_template::{Private, check, check_image, has_containers, merge};
use super::quantity;

/// Size of the volume unless `storage` says otherwise: a million small records with their history.
pub const STORAGE_SIZE: &str = "10Gi";
/// Group of the volume's files unless the overlay names another; a pod without a fixed user must
/// be able to write.
const FILE_GROUP: i64 = 65_532;
/// Where the sidecar's volume, key and token are mounted.
const STATE_PATH: &str = "/var/lib/finp2p";
const STORE_KEY_PATH: &str = "/etc/finp2p/store-key";
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Life of the token; the kubelet renews it in time.
const TOKEN_SECONDS: i64 = 3600;
/// Longer than the ten seconds that the sidecar gives requests under way.
const TERMINATION_GRACE_SECONDS: i64 = 30;

/// The StatefulSet of the node.
///
/// # Errors
/// What is wrong with the overlay or the resources, as a sentence; what runs then stays as it is.
pub fn build(scene: &Scene<'_>, names: &Names, cluster: &Cluster) -> Result<StatefulSet, String> {
    let node = scene.local.node;
    if let Some(image) = &node.image {
        check_image(image).map_err(|why| format!("node.image {why}"))?;
    }
    let storage = node.storage.as_ref();
    if let Some(storage) = storage.filter(|storage| quantity::bytes(&storage.size).is_none()) {
        return Err(format!(
            "node.storage.size is {}, more than any volume has: write it as 50Gi",
            storage.size
        ));
    }
    let overlay = node.pod_template.as_ref();
    let overlay = overlay.map(|overlay| {
        let overlay = &without_nulls(overlay);
        check(overlay, &private(scene, names)).map_err(|why| format!("node.podTemplate {why}"))?;
        known::<PodTemplateSpec>("node.podTemplate", "part of a pod", overlay)
    });
    let overlay = overlay.transpose()?;
    let resources = node.resources.as_ref().map(|resources| {
        known::<ResourceRequirements>("node.resources", "list of resources", resources)
    });
    let beside = has_containers(overlay.as_ref());
    let mut pod = pod(scene, names);
    let sidecar = sidecar(scene, cluster, resources.transpose()?, beside);
    let list = if beside {
        "initContainers"
    } else {
        "containers"
    };
    if let Value::Object(spec) = &mut pod {
        spec.insert(list.to_owned(), json!([sidecar]));
    }
    let own = json!({
        "metadata": {"labels": scene.labels()},
        "spec": pod,
    });
    let template = merge(defaults(), overlay.unwrap_or_else(|| json!({})));
    let template = merge(template, own);
    let template = serde_json::from_value(template)
        .map_err(|error| format!("node.podTemplate is no part of a pod: {error}"))?;
    let mut set: StatefulSet = serde_json::from_value(json!({
        "metadata": scene.metadata(names.node()),
        "spec": {
            "replicas": 1,
            "serviceName": names.node(),
            "selector": {"matchLabels": scene.selector()},
            "template": {},
            "volumeClaimTemplates": [claim(scene)],
        }
    }))
    .map_err(|error| format!("the StatefulSet cannot be written: {error}"))?;
    set.spec.template = template;
    if let Some(existing) = &cluster.volume_claim_templates {
        // They cannot be changed; a volume that grows is grown at its claim.
        set.spec.volume_claim_templates = Some(existing.clone());
    }
    Ok(set)
}

/// Name of the Secret that holds the store key.
fn store_key(scene: &Scene<'_>, names: &Names) -> String {
    let own = scene.local.node.store_key.as_ref();
    own.map_or_else(|| names.store_key(), |key| key.secret_name.clone())
}

/// What an overlay may not read.
fn private(scene: &Scene<'_>, names: &Names) -> Private {
    let issuer = scene.local.node.signer.secret_name.clone();
    Private {
        secrets: vec![
            (store_key(scene, names), "the store key"),
            (issuer, "the issuing key"),
        ],
        claim: names.claim(),
    }
}

/// What an overlay may change.
fn defaults() -> Value {
    json!({"spec": {
        "terminationGracePeriodSeconds": TERMINATION_GRACE_SECONDS,
        "securityContext": {"fsGroup": FILE_GROUP, "fsGroupChangePolicy": "OnRootMismatch"},
    }})
}

fn pod(scene: &Scene<'_>, names: &Names) -> Value {
    json!({
        "serviceAccountName": SERVICE_ACCOUNT,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [
            {"name": STORE_KEY_VOLUME, "secret": {
                "secretName": store_key(scene, names),
                "defaultMode": 0o440,
                "items": [{"key": STORE_KEY, "path": STORE_KEY}],
            }},
            {"name": TOKEN_VOLUME, "projected": {"defaultMode": 0o440, "sources": [
                {"serviceAccountToken": {"path": "token", "expirationSeconds": TOKEN_SECONDS}},
                {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
                {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
            ]}},
        ],
    })
}

fn sidecar(scene: &Scene<'_>, cluster: &Cluster, resources: Option<Value>, beside: bool) -> Value {
    let node = scene.local.node;
    let probe = |path: &str, period: i32, failures: i32| {
        json!({
            "httpGet": {"path": path, "port": Port::Metrics.name()},
            "periodSeconds": period, "failureThreshold": failures, "timeoutSeconds": 2,
        })
    };
    let port = |port: Port| json!({"name": port.name(), "containerPort": port.number(), "protocol": "TCP"});
    let mut container = json!({
        "name": CONTAINER,
        "image": node.image.as_ref().unwrap_or(&cluster.sidecar_image),
        "env": environment(scene),
        "ports": [port(Port::P2p), port(Port::Api), port(Port::Metrics)],
        "resources": resources.unwrap_or_else(|| json!({
            "requests": {"cpu": "100m", "memory": "128Mi"},
        })),
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": true,
            "runAsNonRoot": true,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        // Two minutes to open a store after a crash; then the process is asked every ten seconds.
        "startupProbe": probe("/healthz", 1, 120),
        "livenessProbe": probe("/healthz", 10, 6),
        "readinessProbe": probe("/readyz", 2, 3),
        "volumeMounts": [
            {"name": STATE_VOLUME, "mountPath": STATE_PATH},
            {"name": STORE_KEY_VOLUME, "mountPath": STORE_KEY_PATH, "readOnly": true},
            {"name": TOKEN_VOLUME, "mountPath": TOKEN_PATH, "readOnly": true},
        ],
    });
    if let (true, Value::Object(container)) = (beside, &mut container) {
        // A native sidecar: the bank's own containers start after it and stop before it.
        container.insert("restartPolicy".to_owned(), json!("Always"));
    }
    container
}

fn environment(scene: &Scene<'_>) -> Value {
    let value = |name: &str, value: String| json!({"name": name, "value": value});
    let any = |port: Port| format!("0.0.0.0:{}", port.number());
    json!([
        value("FINP2P_KUBERNETES_ROOT", scene.local.id.clone()),
        {"name": "FINP2P_KUBERNETES_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        value("FINP2P_STATE", format!("{STATE_PATH}/node")),
        value("FINP2P_STORE_KEY", format!("{STORE_KEY_PATH}/{STORE_KEY}")),
        value("FINP2P_LISTEN", format!("/ip4/0.0.0.0/tcp/{}", Port::P2p.number())),
        value("FINP2P_API", any(Port::Api)),
        value("FINP2P_METRICS", any(Port::Metrics)),
        value("FINP2P_LOG_FORMAT", "json".to_owned()),
    ])
}

fn claim(scene: &Scene<'_>) -> Value {
    let storage = scene.local.node.storage.as_ref();
    let size = storage.map_or(STORAGE_SIZE, |storage| storage.size.as_str());
    let mut spec = json!({
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": size}},
    });
    if let (Some(class), Value::Object(spec)) =
        (storage.and_then(|s| s.class_name.as_ref()), &mut spec)
    {
        spec.insert("storageClassName".to_owned(), json!(class));
    }
    json!({"metadata": {"name": STATE_VOLUME, "labels": scene.labels()}, "spec": spec})
}
