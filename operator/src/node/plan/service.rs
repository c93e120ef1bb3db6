//! Services: the one that peers dial, and the one of the local API and the metrics.

use std::collections::BTreeMap;

use finp2p_crds::peer_organization::ServiceType;
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::names::Names;
use super::owned::{Port, Scene};

/// The Service that peers dial.
pub fn p2p(scene: &Scene<'_>, names: &Names) -> Service {
    let type_ = scene.local.node.service.as_ref().map(|s| s.type_);
    service(scene, names.node(), word(type_), &[Port::P2p])
}

fn word(type_: Option<ServiceType>) -> &'static str {
    match type_ {
        None | Some(ServiceType::ClusterIP) => "ClusterIP",
        Some(ServiceType::NodePort) => "NodePort",
        Some(ServiceType::LoadBalancer) => "LoadBalancer",
    }
}

/// The Service that peers dial, before it is made: what decides its address.
pub fn unmade(namespace: &str, names: &Names, type_: Option<ServiceType>) -> Service {
    let mut service = Service::default();
    service.metadata.name = Some(names.node());
    service.metadata.namespace = Some(namespace.to_owned());
    service.spec = Some(ServiceSpec {
        type_: Some(word(type_).to_owned()),
        ..ServiceSpec::default()
    });
    service
}

/// The Service of the organization's own programs and of whoever scrapes the metrics.
pub fn api(scene: &Scene<'_>, names: &Names) -> Service {
    service(scene, names.api(), "ClusterIP", &[Port::Api, Port::Metrics])
}

fn service(scene: &Scene<'_>, name: String, type_: &str, ports: &[Port]) -> Service {
    let ports = ports.iter().map(|port| ServicePort {
        name: Some(port.name().to_owned()),
        port: port.number(),
        protocol: Some("TCP".to_owned()),
        target_port: Some(IntOrString::String(port.name().to_owned())),
        ..ServicePort::default()
    });
    Service {
        metadata: scene.metadata(name),
        spec: Some(ServiceSpec {
            type_: Some(type_.to_owned()),
            selector: Some(scene.selector()),
            ports: Some(ports.collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// Where peers reach the node according to its Service, as multiaddrs; `None` while that is not
/// known: a load balancer that has no address yet, or node ports, whose machines only a person
/// can name.
pub fn addresses(service: &Service) -> Option<Vec<String>> {
    let spec = service.spec.as_ref()?;
    let metadata = &service.metadata;
    let port = Port::P2p.number();
    match spec.type_.as_deref() {
        None | Some("ClusterIP") => {
            let (name, namespace) = (metadata.name.as_ref()?, metadata.namespace.as_ref()?);
            Some(vec![format!("/dns4/{name}.{namespace}.svc/tcp/{port}")])
        }
        Some("LoadBalancer") => {
            let status = service.status.as_ref()?.load_balancer.as_ref()?;
            let ingress = status.ingress.iter().flatten();
            let found: Vec<String> = ingress
                .filter_map(|at| match (&at.hostname, &at.ip) {
                    (Some(name), _) => Some(format!("/dns4/{name}/tcp/{port}")),
                    (None, Some(ip)) if ip.contains(':') => Some(format!("/ip6/{ip}/tcp/{port}")),
                    (None, Some(ip)) => Some(format!("/ip4/{ip}/tcp/{port}")),
                    (None, None) => None,
                })
                .collect();
            (!found.is_empty()).then_some(found)
        }
        Some(_) => None,
    }
}

/// Labels that the Services of a node find its pod by.
pub fn pod_labels(organization: &str) -> BTreeMap<String, String> {
    [
        ("app.kubernetes.io/name", "finp2p-node"),
        ("app.kubernetes.io/instance", organization),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}
