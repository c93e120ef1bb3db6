//! Every object that the chart renders is one that the real API server takes, unknown fields refused.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::gitops::module_file;
use crate::helm::{self, NAMESPACE, objects, template};
use crate::installed::bare;

/// The Prometheus operator, for its ServiceMonitor.
const MONITORING: (&str, &str, &str) = (
    "github.com/prometheus-operator/prometheus-operator",
    "v0.85.0",
    "h1:M5xLCLEoaW2IJfnuCwFzzpL+jSVQu3KGT84Pye+fW8s=",
);

#[test]
fn every_rendered_object_is_valid_for_its_kind() {
    let cluster = bare();
    let admin = cluster.admin();
    for name in [NAMESPACE, "bank-a", "bank-b"] {
        admin
            .create("namespaces", "", &json!({"metadata": {"name": name}}))
            .unwrap();
    }
    let monitors = module_file(
        MONITORING,
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
    );
    let applied = admin.kubectl(&["apply", "--server-side", "-f", monitors.to_str().unwrap()]);
    applied.ok().unwrap();
    admin
        .kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/servicemonitors.monitoring.coreos.com",
        ])
        .ok()
        .unwrap();
    let mut kinds = BTreeSet::new();
    for name in ["default", "two-namespaces", "everything"] {
        let rendering = template(&helm::values(name), &[]).unwrap();
        let rendered = objects(&rendering);
        kinds.extend(
            rendered
                .iter()
                .map(|object| object["kind"].as_str().unwrap().to_owned()),
        );
        let answer = admin.kubectl_reading(
            &[
                "apply",
                "--server-side",
                "--dry-run=server",
                "--validate=strict",
                "-f",
                "-",
            ],
            &rendering,
        );
        let answer = answer.ok().unwrap_or_else(|why| panic!("{name}: {why}"));
        assert_eq!(answer.lines().count(), rendered.len(), "{answer}");
    }
    assert_eq!(kinds.len(), 12, "{kinds:?}");
}

#[test]
fn pod_security_restricted_admits_the_operator() {
    let cluster = bare();
    let admin = cluster.admin();
    let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
    let namespace = json!({"metadata": {"name": NAMESPACE, "labels": labels}});
    admin.create("namespaces", "", &namespace).unwrap();
    for name in ["default", "everything"] {
        let rendered = objects(&template(&helm::values(name), &[]).unwrap());
        let deployment = rendered
            .iter()
            .find(|object| object["kind"] == "Deployment")
            .unwrap();
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "operator", "namespace": NAMESPACE},
            "spec": without_account(&deployment["spec"]["template"]["spec"]),
        });
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All");
        admin.ask("POST", &path, Some(&pod)).unwrap();
        // That the level bites: the same pod as root is refused.
        let mut root = pod.clone();
        root["spec"]["securityContext"]["runAsNonRoot"] = json!(false);
        let refusal = admin.ask("POST", &path, Some(&root)).unwrap_err();
        assert!(refusal.message.contains("runAsNonRoot"), "{refusal:?}");
    }
}

/// Pods of an account that is not there are refused before anybody looks at their security; the class of
/// the priority is Kubernetes' own.
fn without_account(spec: &Value) -> Value {
    let mut spec = spec.clone();
    spec.as_object_mut().unwrap().remove("serviceAccountName");
    spec["automountServiceAccountToken"] = json!(false);
    spec
}
