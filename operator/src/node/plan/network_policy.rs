//! Who may open a connection to the node's pod.
//!
//! Ingress only, unless the node says more: Kubernetes has no portable name for the API server in
//! a rule of egress, and a wrong one cuts the node off from its configuration.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::names::Names;
use super::opaque;
use super::owned::{Cluster, Port, Scene};

/// The node's NetworkPolicy; `Err` when the egress rules of the node are none.
///
/// # Errors
/// What is wrong with a rule, as the end of a sentence.
pub fn build(scene: &Scene<'_>, names: &Names, cluster: &Cluster) -> Result<NetworkPolicy, String> {
    let node = scene.local.node;
    // Peers from anywhere: Noise and pinned organizations authenticate them.
    let mut ingress = vec![rule(Port::P2p, None)];
    if node.api.as_ref().is_some_and(|api| !api.clients.is_empty()) {
        // A rule cannot name service accounts; the API itself asks for their tokens.
        let own_namespace = NetworkPolicyPeer {
            pod_selector: Some(LabelSelector::default()),
            ..NetworkPolicyPeer::default()
        };
        ingress.push(rule(Port::Api, Some(own_namespace)));
    }
    if let Some(labels) = &cluster.metrics_from {
        let namespaces = NetworkPolicyPeer {
            namespace_selector: Some(LabelSelector {
                match_labels: Some(labels.clone()),
                ..LabelSelector::default()
            }),
            ..NetworkPolicyPeer::default()
        };
        ingress.push(rule(Port::Metrics, Some(namespaces)));
    }
    let egress = node.network_policy.as_ref().and_then(|p| p.egress.as_ref());
    let egress = egress.map(|rules| {
        rules
            .iter()
            .enumerate()
            .map(egress_rule)
            .collect::<Result<Vec<_>, _>>()
    });
    let egress = egress.transpose()?;
    let mut types = vec!["Ingress".to_owned()];
    types.extend(egress.is_some().then(|| "Egress".to_owned()));
    Ok(NetworkPolicy {
        metadata: scene.metadata(names.node()),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(scene.selector()),
                ..LabelSelector::default()
            }),
            ingress: Some(ingress),
            egress,
            policy_types: Some(types),
        }),
    })
}

fn egress_rule((at, rule): (usize, &serde_json::Value)) -> Result<NetworkPolicyEgressRule, String> {
    let field = &format!("node.networkPolicy.egress[{at}]");
    let rule = opaque::known::<NetworkPolicyEgressRule>(field, "egress rule", rule)?;
    serde_json::from_value(rule).map_err(|error| format!("{field} is no egress rule: {error}"))
}

fn rule(port: Port, from: Option<NetworkPolicyPeer>) -> NetworkPolicyIngressRule {
    NetworkPolicyIngressRule {
        from: from.map(|peer| vec![peer]),
        ports: Some(vec![NetworkPolicyPort {
            port: Some(IntOrString::String(port.name().to_owned())),
            protocol: Some("TCP".to_owned()),
            end_port: None,
        }]),
    }
}
