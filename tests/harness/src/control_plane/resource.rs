//! Where the API server keeps which resource.

/// API prefix, resources; those of a cluster are in [`CLUSTER`].
const PLACES: [(&str, &[&str]); 13] = [
    (
        "api/v1",
        &[
            "configmaps",
            "namespaces",
            "nodes",
            "persistentvolumeclaims",
            "persistentvolumes",
            "pods",
            "secrets",
            "serviceaccounts",
            "services",
        ],
    ),
    ("apis/events.k8s.io/v1", &["events"]),
    (
        "apis/apps/v1",
        &["deployments", "replicasets", "statefulsets"],
    ),
    ("apis/batch/v1", &["jobs"]),
    ("apis/coordination.k8s.io/v1", &["leases"]),
    ("apis/discovery.k8s.io/v1", &["endpointslices"]),
    ("apis/networking.k8s.io/v1", &["networkpolicies"]),
    ("apis/policy/v1", &["poddisruptionbudgets"]),
    (
        "apis/rbac.authorization.k8s.io/v1",
        &[
            "clusterrolebindings",
            "clusterroles",
            "rolebindings",
            "roles",
        ],
    ),
    (
        "apis/admissionregistration.k8s.io/v1",
        &[
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        ],
    ),
    (
        "apis/apiextensions.k8s.io/v1",
        &["customresourcedefinitions"],
    ),
    ("apis/authentication.k8s.io/v1", &["tokenreviews"]),
    (
        "apis/sharing.finp2p.io/v1alpha1",
        &[
            "peerorganizations",
            "sharedassets",
            "sharingpolicies",
            "sidecarconfigs",
        ],
    ),
];

/// Not in a namespace.
const CLUSTER: [&str; 9] = [
    "clusterrolebindings",
    "clusterroles",
    "customresourcedefinitions",
    "namespaces",
    "nodes",
    "persistentvolumes",
    "tokenreviews",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
];

/// Everything in a namespace that may tell why a test failed.
pub fn namespaced() -> impl Iterator<Item = &'static str> {
    PLACES
        .iter()
        .flat_map(|(_, resources)| resources.iter().copied())
        .filter(|resource| !CLUSTER.contains(resource))
}

/// Path of a collection. `namespace` is ignored for resources of the cluster; without it, all
/// namespaces are meant.
///
/// # Panics
/// For a resource that the table above does not know.
pub fn path(resource: &str, namespace: Option<&str>) -> String {
    let (prefix, _) = PLACES
        .iter()
        .find(|(_, resources)| resources.contains(&resource))
        .unwrap_or_else(|| panic!("add {resource} to the table in {}", file!()));
    match namespace {
        Some(namespace) if !CLUSTER.contains(&resource) => {
            format!("/{prefix}/namespaces/{namespace}/{resource}")
        }
        _ => format!("/{prefix}/{resource}"),
    }
}
