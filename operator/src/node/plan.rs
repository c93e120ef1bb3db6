//! The plan: validated objects in, configuration and statuses out.
//!
//! [`entry`] turns accepted objects into entries, [`slice`] spreads them over stable buckets,
//! [`root`] names the set and [`lineage`] what it stems from, [`certificate`] chooses what to keep and what to sign, and
//! [`status`] tells each object how it fares. [`boundary`] finds the next moment at which
//! the same inputs give another answer. [`owned`] lists what the node needs of a cluster beside
//! its configuration: [`stateful_set`] with its [`store_key`], [`service`], [`rbac`], [`network_policy`].

pub mod boundary;
pub mod certificate;
pub mod entry;
pub mod lineage;
pub mod names;
pub mod network_policy;
pub mod opaque;
pub mod owned;
pub mod pod_template;
pub mod quantity;
pub mod rbac;
pub mod root;
pub mod service;
pub mod slice;
pub mod stateful_set;
pub mod status;
pub mod store_key;

use finp2p_crds::SidecarConfig;
use finp2p_crds::peer_organization::PeerOrganizationStatus;
use finp2p_crds::shared_asset::SharedAssetStatus;
use finp2p_crds::sharing_policy::SharingPolicyStatus;
use jiff::Timestamp;

pub use certificate::SigningRequest;
pub use slice::Memory;

use super::inputs::Inputs;
use super::validate::{Validated, validate};

/// What should be, for one namespace. Plain data: applying it is somebody else's work.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The root; `None` without an accepted local organization. Then nothing is configured and
    /// nothing that exists is touched: what belonged to a deleted local organization goes with
    /// it, by owner reference.
    pub root: Option<Planned>,
    /// All slices of the set that the root names.
    pub slices: Vec<Planned>,
    /// Names of slices that exist and are in no set any more. Deleted after the root is written.
    pub obsolete: Vec<String>,
    /// What the node needs of its cluster; `None` where there is none, and without a node.
    pub owned: Option<owned::Owned>,
    /// Certificates that the signer should make; plan again with them in [`Inputs::signed`].
    pub signing: Vec<SigningRequest>,
    /// Statuses of the PeerOrganizations, by name.
    pub organizations: Vec<ObjectStatus<PeerOrganizationStatus>>,
    /// Statuses of the SharedAssets, by name.
    pub assets: Vec<ObjectStatus<SharedAssetStatus>>,
    /// Statuses of the SharingPolicies, by name.
    pub policies: Vec<ObjectStatus<SharingPolicyStatus>>,
    /// When to plan again although nothing was edited.
    pub next_boundary: Option<Timestamp>,
    /// What the next plan should be given in [`super::Previous::memory`].
    pub memory: Memory,
}

/// A configuration object and whether it differs from what exists.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// The object. Its `metadata.generation` is the one it has after it was written: an API
    /// server counts the same way, and a writer of files takes it as it is.
    pub config: SidecarConfig,
    /// Whether it must be written.
    pub changed: bool,
}

/// The status of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectStatus<S> {
    /// Name of the object.
    pub name: String,
    /// Its status.
    pub status: S,
    /// Whether it differs from what the object has.
    pub changed: bool,
}

impl Plan {
    /// What must be written, in the order that keeps every moment in between right: a set that
    /// the root names is complete, and the sequence has grown before an entry changes.
    pub fn writes(&self) -> Vec<&SidecarConfig> {
        let root = self.root.iter().filter(|root| root.changed);
        let slices = self.slices.iter().filter(|slice| slice.changed);
        // Slices of a new set do not exist yet; the root may name them only afterwards.
        let (new, edited): (Vec<_>, Vec<_>) =
            slices.partition(|slice| slice.config.metadata.generation == Some(1));
        let in_order = new.into_iter().chain(root).chain(edited);
        in_order.map(|planned| &planned.config).collect()
    }

    /// Whether applying the plan writes or deletes nothing and signs nothing.
    pub fn is_idle(&self) -> bool {
        self.writes().is_empty()
            && self.obsolete.is_empty()
            && self.signing.is_empty()
            && !self.organizations.iter().any(|o| o.changed)
            && !self.assets.iter().any(|a| a.changed)
            && !self.policies.iter().any(|p| p.changed)
    }
}

/// Plans one namespace. Pure: equal inputs, in any order, give an equal plan.
pub fn plan(inputs: &Inputs) -> Plan {
    let mut validated = validate(inputs);
    let mut moments = boundary::Boundary::after(inputs.now);
    let configured = configure(inputs, &mut validated, &mut moments);
    let owned = owned::all(inputs, &mut validated);
    let statuses = status::all(inputs, &validated, &configured, &mut moments);
    Plan {
        root: configured.root,
        slices: configured.slices,
        obsolete: configured.obsolete,
        owned,
        signing: configured.certificates.signing,
        organizations: statuses.organizations,
        assets: statuses.assets,
        policies: statuses.policies,
        next_boundary: moments.earliest(),
        memory: configured.memory,
    }
}

/// The node's configuration with what the statuses need to know of it.
#[derive(Clone, Debug, Default)]
pub struct Configured {
    root: Option<Planned>,
    slices: Vec<Planned>,
    obsolete: Vec<String>,
    memory: Memory,
    certificates: certificate::Certificates,
}

fn configure(
    inputs: &Inputs,
    validated: &mut Validated<'_>,
    moments: &mut boundary::Boundary,
) -> Configured {
    let Ok(local) = validated.local.clone() else {
        return Configured::default();
    };
    let certificates = certificate::choose(inputs, &local, moments);
    let entries = entry::all(inputs, validated, &local);
    let set = slice::spread(inputs.previous.as_ref(), &local.id, entries);
    entry::refuse_left_out(validated, &set.left_out);
    let (slices, memory) = slice::place(inputs, &local, &set);
    let root = root::build(inputs, &local, &set, &slices, &certificates);
    let obsolete = slice::obsolete(inputs.previous.as_ref(), &slices);
    Configured {
        root: Some(root),
        slices,
        obsolete,
        memory,
        certificates,
    }
}
