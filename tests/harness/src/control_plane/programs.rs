//! The command lines of the parts.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::certificates::Certificates;
use super::parts::{Parts, programs};

/// Services of the tests are in a network that is reserved for tests.
const SERVICE_NETWORK: &str = "198.19.0.0/16";
/// The API server wants an address for the cluster to reach it by; nothing uses it here.
const ADVERTISED: &str = "198.18.0.1";
/// One file for the life of a control plane, so that reading it never meets a rotation, in MB.
const AUDIT_LOG_MB: &str = "4096";

/// The controllers that what we make depends on; the others cost memory and requests.
const CONTROLLERS: [&str; 13] = [
    "clusterrole-aggregation-controller",
    "deployment-controller",
    "endpointslice-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "persistentvolume-protection-controller",
    "persistentvolumeclaim-protection-controller",
    "replicaset-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "statefulset-controller",
    "validatingadmissionpolicy-status-controller",
];

/// Where everything listens, on loopback.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    pub etcd: u16,
    pub etcd_peer: u16,
    pub api_server: u16,
}

pub fn etcd(parts: &Parts, folder: &Path, ports: Ports) -> Command {
    let client = format!("http://127.0.0.1:{}", ports.etcd);
    let peer = format!("http://127.0.0.1:{}", ports.etcd_peer);
    let mut command = Command::new(&parts.etcd);
    command
        .arg("--data-dir")
        .arg(folder)
        .args(["--listen-client-urls", &client])
        .args(["--advertise-client-urls", &client])
        .args(["--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer])
        .args(["--initial-cluster", &format!("default={peer}")])
        .args(["--log-level", "warn"])
        .arg("--unsafe-no-fsync"); // its data is as temporary as the test
    command
}

pub fn api_server(
    parts: &Parts,
    folder: &Path,
    ports: Ports,
    certificates: &Certificates,
    more: &[String],
) -> Result<Command, String> {
    let policy = folder.join("audit-policy.yaml");
    std::fs::write(&policy, audit_policy()).map_err(|e| e.to_string())?;
    let mut command = Command::new(&parts.kube_apiserver);
    let mut file = |flag: &str, path: &Path| {
        command.arg(format!("--{flag}={}", path.display()));
    };
    file("client-ca-file", &certificates.authority);
    file("tls-cert-file", &certificates.server.certificate);
    file("tls-private-key-file", &certificates.server.key);
    file("service-account-key-file", &certificates.token_public_key);
    file("service-account-signing-key-file", &certificates.token_key);
    file("audit-policy-file", &policy);
    file("audit-log-path", &folder.join("audit.jsonl"));
    command
        .arg(format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd))
        .arg(format!("--secure-port={}", ports.api_server))
        .args([
            "--bind-address=127.0.0.1",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--endpoint-reconciler-type=none",
            "--audit-log-mode=blocking",
            "--profiling=false",
        ])
        .arg(format!("--advertise-address={ADVERTISED}"))
        .arg(format!("--service-cluster-ip-range={SERVICE_NETWORK}"))
        .arg(format!("--audit-log-maxsize={AUDIT_LOG_MB}"))
        .args(more);
    Ok(command)
}

/// Who did what to what, and how it ended; no contents.
fn audit_policy() -> String {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [{"level": "Metadata"}],
    })
    .to_string()
}

/// Garbage collection, namespaces, workloads.
pub fn controllers(kubeconfig: &Path, certificates: &Certificates) -> Command {
    let [program] = programs(["kube-controller-manager"]);
    let mut command = Command::new(program);
    command
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!(
            "--service-account-private-key-file={}",
            certificates.token_key.display()
        ))
        .arg(format!(
            "--root-ca-file={}",
            certificates.authority.display()
        ))
        .arg(format!("--controllers={}", CONTROLLERS.join(",")))
        .args([
            "--use-service-account-credentials",
            "--leader-elect=false",
            "--secure-port=0",
            // Its own limit of 20 requests a second is what tests would wait for.
            "--kube-api-qps=500",
            "--kube-api-burst=1000",
        ]);
    command
}
