//! What a node needs of its cluster beside its configuration, as one list.
//!
//! Everything here goes with the local organization, by owner reference, but for the store key and
//! the volume: those stay, and making the organization again resumes.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::names::{MANAGED_BY, Names};
use super::rbac::ContentNames;
use super::{network_policy, quantity, rbac, root, service, stateful_set, store_key};
use crate::node::inputs::Inputs;
use crate::node::validate::{Local, Validated};

/// The cluster that a node's pod runs on, and what stands on it already.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// Image of the sidecar, unless the node names its own.
    pub sidecar_image: String,
    /// Labels of the namespaces whose pods may scrape the metrics; `None`: nobody's.
    pub metrics_from: Option<BTreeMap<String, String>>,
    /// Claim templates of the StatefulSet that exists.
    pub volume_claim_templates: Option<Vec<PersistentVolumeClaim>>,
    /// The highest sequence of the node's configuration that this operator knows of; more than the
    /// root's own after the API server went back in time.
    pub sequence: i64,
    /// What stood in the way when the last plan was applied.
    pub obstacles: Vec<Obstacle>,
}

/// Something that stood in the way of writing a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Obstacle {
    /// A sentence that says how to mend it.
    pub text: String,
    /// Whether nothing but an edit of the local organization mends it.
    pub is_mistake: bool,
    /// Whether it keeps the node's configuration from being written: what was withdrawn is open until then.
    pub holds_up_configuration: bool,
}

/// A port of the node's pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// Peers.
    P2p,
    /// The organization's own programs.
    Api,
    /// Metrics and probes.
    Metrics,
}

impl Port {
    /// Its name in pod and Services.
    pub fn name(self) -> &'static str {
        match self {
            Self::P2p => "p2p",
            Self::Api => "api",
            Self::Metrics => "metrics",
        }
    }

    /// Its number.
    pub fn number(self) -> i32 {
        match self {
            Self::P2p => 4001,
            Self::Api => 4080,
            Self::Metrics => 4090,
        }
    }
}

/// What a builder looks at.
pub struct Scene<'s> {
    /// Everything that was observed.
    pub inputs: &'s Inputs,
    /// The local organization.
    pub local: &'s Local<'s>,
}

impl Scene<'_> {
    /// Metadata of an object that goes with the local organization.
    pub fn metadata(&self, name: String) -> ObjectMeta {
        ObjectMeta {
            labels: Some(self.labels()),
            owner_references: Some(vec![root::owner_reference(self.local)]),
            name: Some(name),
            namespace: Some(self.inputs.namespace.clone()),
            ..ObjectMeta::default()
        }
    }

    /// Labels of everything that belongs to the node.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut labels = self.selector();
        labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
        labels
    }

    /// Labels that find the node's pod.
    pub fn selector(&self) -> BTreeMap<String, String> {
        service::pod_labels(&self.local.id)
    }
}

/// What should stand on the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned {
    /// The node's rights: written before the configuration that needs them.
    pub role: Role,
    /// Gives them to the node.
    pub binding: RoleBinding,
    /// The Services.
    pub services: Vec<Service>,
    /// Who may connect; `None` when it could not be built, then what exists stays.
    pub network_policy: Option<NetworkPolicy>,
    /// The pod; `None` when it could not be built, then what runs goes on as it is.
    pub stateful_set: Option<StatefulSet>,
    /// A store key that is to be made, if there is none: name of its Secret. It is never written
    /// twice.
    pub store_key: Option<String>,
    /// The claim of the node's volume.
    pub claim: String,
    /// Name of the StatefulSet that makes the claim.
    pub node: String,
    /// Size that the claim must have at least, when that is more than it was made with.
    pub grow_to: Option<String>,
}

/// What a mistake in `node` can keep from being built, each as it came out: validation tells of the
/// mistake, the plan takes the rest.
#[derive(Clone, Debug)]
pub struct Parts {
    stateful_set: Result<StatefulSet, String>,
    /// Why the store key that the node names is not there.
    store_key_missing: Option<String>,
    network_policy: Result<NetworkPolicy, String>,
    grow_to: Result<Option<String>, String>,
}

impl Parts {
    /// Builds them, where there is no cluster for what is wrong with them only.
    pub fn build(inputs: &Inputs, local: &Local<'_>) -> Self {
        let none = Cluster::default();
        let cluster = inputs.cluster.as_ref().unwrap_or(&none);
        let scene = Scene { inputs, local };
        let names = Names::new(&local.id);
        Self {
            stateful_set: store_key::check(local)
                .and_then(|()| stateful_set::build(&scene, &names, cluster)),
            store_key_missing: store_key::missing(inputs, local),
            network_policy: network_policy::build(&scene, &names, cluster),
            grow_to: grow(local, cluster),
        }
    }

    /// What is wrong with the parts of `node` that concern the cluster: the first mistake, as a
    /// sentence. The rest of the node works on meanwhile.
    pub fn mistake(&self) -> Option<&String> {
        let set = self.stateful_set.as_ref().err();
        let policy = self.network_policy.as_ref().err();
        set.or(policy).or(self.grow_to.as_ref().err())
    }

    /// Why the store key that the node names is not there, as a sentence.
    pub fn store_key_missing(&self) -> Option<&String> {
        self.store_key_missing.as_ref()
    }
}

/// Everything that the node of a namespace needs; takes the parts that validation built.
pub fn all(inputs: &Inputs, validated: &mut Validated<'_>) -> Option<Owned> {
    let parts = validated.parts.take()?;
    let local = validated.local.as_ref().ok()?;
    inputs.cluster.as_ref()?;
    let scene = Scene { inputs, local };
    let names = Names::new(&local.id);
    let content = ContentNames::of(&validated.assets);
    Some(Owned {
        role: rbac::role(&scene, &names, &content),
        binding: rbac::binding(&scene, &names),
        services: vec![service::p2p(&scene, &names), service::api(&scene, &names)],
        network_policy: parts.network_policy.ok(),
        // A pod that mounts what is not there would have no store.
        stateful_set: parts
            .stateful_set
            .ok()
            .filter(|_| parts.store_key_missing.is_none()),
        store_key: local.node.store_key.is_none().then(|| names.store_key()),
        claim: names.claim(),
        node: names.node(),
        grow_to: parts.grow_to.ok().flatten(),
    })
}

/// The size that the volume's claim must grow to.
fn grow(local: &Local<'_>, cluster: &Cluster) -> Result<Option<String>, String> {
    let templates = cluster.volume_claim_templates.iter().flatten();
    let made_with = templates
        .filter_map(|claim| claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref())
        .find_map(|requests| requests.get("storage"));
    let (Some(made_with), Some(storage)) = (made_with, &local.node.storage) else {
        return Ok(None);
    };
    match (
        quantity::bytes(&made_with.0),
        quantity::bytes(&storage.size),
    ) {
        (Some(before), Some(now)) if now < before => Err(format!(
            "node.storage.size is {}, and the volume was made with {}: a volume may only grow",
            storage.size, made_with.0
        )),
        (Some(before), Some(now)) if now > before => Ok(Some(storage.size.clone())),
        _ => Ok(None),
    }
}
