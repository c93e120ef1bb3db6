//! The root: what concerns the node itself, and the names of the complete set.
//!
//! Its sequence grows with every change of the configuration, of a slice as well as of the root.
//! A node that remembers the highest sequence it saw then notices any configuration that went
//! back in time, at the price of one more small write for an edit. The root is written before
//! the slices that were edited: after a crash in between, the next plan finds them changed and
//! counts again, so the sequence is never behind what is configured.
//!
//! Its lineage tells what was counted on from what: [`lineage`](super::lineage).

use finp2p_crds::peer_organization::Node;
use finp2p_crds::sidecar_config::{NodeLimits, Root};
use finp2p_crds::{
    GROUP, PeerOrganization, SEQUENCE_ANNOTATION, SidecarConfig, SidecarConfigSpec, VERSION,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::certificate::Certificates;
use super::names::MANAGED_BY;
use super::slice::{Set, written};
use super::{Planned, lineage};
use crate::node::history::is_rolled_back;
use crate::node::inputs::Inputs;
use crate::node::validate::Local;

/// Requests a second from one organization, unless `limits` says otherwise.
pub const REQUESTS_PER_SECOND: i64 = 1000;
/// Connections at once from one organization, unless `limits` says otherwise.
pub const CONNECTIONS: i64 = 64;
/// A day between withdrawing and erasing a replica, unless the node says otherwise.
pub const ERASE_AFTER_SECONDS: i64 = 86_400;
/// Three days without contact before a node denies everything, unless it says otherwise.
pub const MAX_CONFIG_AGE_SECONDS: i64 = 259_200;

/// The root of a set.
pub fn build(
    inputs: &Inputs,
    local: &Local<'_>,
    set: &Set,
    slices: &[Planned],
    certificates: &Certificates,
) -> Planned {
    let previous = inputs.previous.as_ref().map(|previous| &previous.root);
    let former = previous.and_then(|config| config.spec.root.as_ref());
    let sequence = former.map_or(0, |root| root.sequence);
    let root = Root {
        organization_id: local.id.clone(),
        network: local.node.network.clone(),
        incarnation: incarnation(local.node),
        sequence,
        lineage: former.map(|root| root.lineage.clone()).unwrap_or_default(),
        certificates: certificates.current.clone(),
        limits: limits(local.node),
        api: local
            .node
            .api
            .as_ref()
            .map(|api| api.clients.clone())
            .unwrap_or_default(),
        set: set.name.clone(),
        slices: slices
            .iter()
            .filter_map(|slice| slice.config.metadata.name.clone())
            .collect(),
    };
    let edited = former != Some(&root) || slices.iter().any(|slice| slice.changed);
    let counts = edited && (sequence == 0 || !went_back(inputs, sequence));
    let kept = inputs.report.as_ref().and_then(|r| r.mark.as_deref());
    let root = match asked_sequence(local.object) {
        // Whoever asks for a higher one says that this configuration is the newest, whatever it
        // stems from.
        Ok(Some(asked)) if asked > sequence => lineage::begin(root, asked, slices),
        _ if counts => lineage::go_on(root, kept, slices),
        _ if edited => lineage::restate(root, slices),
        _ => root,
    };
    let mut config = SidecarConfig {
        metadata: metadata(inputs, None, local.id.clone()),
        spec: SidecarConfigSpec {
            root: Some(root),
            slice: None,
        },
        status: None,
    };
    let (changed, generation) = written(&config, previous);
    config.metadata.generation = Some(generation);
    Planned { config, changed }
}

/// Whether the configuration went back in time, to before a backup: the node says so, or will, because
/// this operator itself knows a higher sequence. It stands still then: a few ordinary edits would
/// otherwise count past the highest that the node remembers and bring back, without a word, what was
/// withdrawn since. A person accepts instead.
fn went_back(inputs: &Inputs, sequence: i64) -> bool {
    let known = inputs
        .cluster
        .as_ref()
        .map_or(0, |cluster| cluster.sequence);
    known > sequence || is_rolled_back(inputs.report.as_ref())
}

/// Highest sequence that can be asked for: leaves room for as many edits as there will ever be.
const ASKED_MAX: i64 = 1 << 52;

/// The sequence that a person asked for by annotation.
///
/// # Errors
/// A sentence, when what the annotation says cannot be obeyed.
pub fn asked_sequence(local: &PeerOrganization) -> Result<Option<i64>, String> {
    let annotations = local.metadata.annotations.as_ref();
    let Some(asked) = annotations.and_then(|all| all.get(SEQUENCE_ANNOTATION)) else {
        return Ok(None);
    };
    let number = asked.parse().ok();
    match number.filter(|number| (1..=ASKED_MAX).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(format!(
            "annotation {SEQUENCE_ANNOTATION} is not obeyed: it must be a whole number from 1 to {ASKED_MAX}, above the sequence of now. Correct it, or take it away"
        )),
    }
}

/// The node's incarnation.
pub fn incarnation(node: &Node) -> i64 {
    node.incarnation.unwrap_or(1)
}

fn limits(node: &Node) -> NodeLimits {
    let given = node.limits.clone().unwrap_or_default();
    NodeLimits {
        requests_per_second: given.requests_per_second.unwrap_or(REQUESTS_PER_SECOND),
        connections: given.connections.unwrap_or(CONNECTIONS),
        erase_after_seconds: node.erase_after_seconds.unwrap_or(ERASE_AFTER_SECONDS),
        max_config_age_seconds: node
            .max_config_age_seconds
            .unwrap_or(MAX_CONFIG_AGE_SECONDS),
    }
}

/// Metadata of an object of the node's configuration. A slice goes when its owner goes. The root
/// has none and stays, as the volume does: it holds the sequence and the certificates with which
/// an organization that is made again resumes.
pub fn metadata(inputs: &Inputs, owner: Option<&Local<'_>>, name: String) -> ObjectMeta {
    let managed = (MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    ObjectMeta {
        name: Some(name),
        namespace: Some(inputs.namespace.clone()),
        labels: Some([managed].into()),
        owner_references: owner.map(|local| vec![owner_reference(local)]),
        ..ObjectMeta::default()
    }
}

/// The local organization as an owner.
pub fn owner_reference(local: &Local<'_>) -> OwnerReference {
    OwnerReference {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: "PeerOrganization".to_owned(),
        name: local.name.clone(),
        uid: local.uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }
}
