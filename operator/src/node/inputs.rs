//! What the plan looks at. All of it is plain data; nothing private and no private key is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use finp2p_crds::sidecar_config::SidecarConfigStatus;
use finp2p_crds::{PeerOrganization, SharedAsset, SharingPolicy, SidecarConfig};
use finp2p_wire::key::Kid;
use jiff::Timestamp;

use super::plan::Memory;
pub use super::plan::owned::Cluster;

/// Everything that decides the configuration of one namespace's node.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// The namespace.
    pub namespace: String,
    /// Its PeerOrganizations, in any order.
    pub organizations: Vec<Observed<PeerOrganization>>,
    /// Its SharedAssets, in any order.
    pub assets: Vec<Observed<SharedAsset>>,
    /// Its SharingPolicies, in any order.
    pub policies: Vec<Observed<SharingPolicy>>,
    /// Its Secrets and ConfigMaps, without their data.
    pub sources: Vec<Source>,
    /// Names that several manifests in files claim; empty on an API server, where a name is one
    /// object.
    pub disputed: Disputed,
    /// Local organizations of every namespace that is watched, this one's included.
    pub claims: Vec<Claim>,
    /// The issuing key, as far as it may be known here.
    pub signer: SignerState,
    /// Certificates signed since the root was last written, base64 of their envelopes.
    pub signed: Vec<String>,
    /// How peers and this node find each other.
    pub dialling: Dialling,
    /// Where the node's pod runs; `None` where nodes are no pods: in local mode and in files.
    pub cluster: Option<Cluster>,
    /// What is configured now; `None` when there is no root.
    pub previous: Option<Previous>,
    /// The node's report on the root; `None` when it has not reported.
    pub report: Option<SidecarConfigStatus>,
    /// The moment that is planned for.
    pub now: Timestamp,
}

/// Objects whose name is written more than once, by kind and name, and where, for people. The
/// objects are among the inputs, none of them counts, and what they claim stays theirs.
pub type Disputed = BTreeMap<(String, String), String>;

/// An object with what decides who came first.
#[derive(Clone, Debug)]
pub struct Observed<K> {
    /// The object.
    pub object: Arc<K>,
    /// Its place in the order of age.
    pub age: Age,
}

/// The order of age: of two objects that claim the same, the lower one stays.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Age {
    /// On an API server: creation time, then namespace and name.
    Created {
        /// `metadata.creationTimestamp`.
        at: Timestamp,
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
    /// In files: what was seen first, then path, then position in the file.
    Written {
        /// The reading in which it was first seen.
        since: u64,
        /// Path of the file, relative to the folder that was given.
        path: String,
        /// Position of the document in the file.
        document: usize,
        /// Position in a `kind: List`, or 0.
        item: usize,
        /// Line of the file, for people; what is above it has decided already.
        line: u32,
    },
}

impl Age {
    /// Why the one of this age stays, as the end of a sentence about it.
    pub fn precedence(&self) -> String {
        match self {
            Self::Created { .. } => "is older".to_owned(),
            Self::Written { path, line, .. } => format!("comes first, at {path}:{line}"),
        }
    }
}

/// A PeerOrganization with `node`, wherever it is: it claims its namespace and its organization id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    /// Its place in the order of age.
    pub age: Age,
    /// Id that it claims.
    pub organization_id: String,
    /// Namespace that it claims.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl Claim {
    /// The claim that an object makes, if it has `node`.
    pub fn of(namespace: &str, observed: &Observed<PeerOrganization>) -> Option<Self> {
        let object = &observed.object;
        object.spec.node.as_ref()?;
        let name = object.metadata.name.clone().unwrap_or_default();
        Some(Self {
            age: observed.age.clone(),
            organization_id: object.spec.organization_id.clone().unwrap_or(name.clone()),
            namespace: namespace.to_owned(),
            name,
        })
    }
}

/// Kind of object that content or keys are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SourceKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl SourceKind {
    /// The kind as Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// A Secret or ConfigMap by its metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its kind.
    pub kind: SourceKind,
    /// Its name.
    pub name: String,
    /// Whether it carries `sharing.finp2p.io/content: "true"`.
    pub permitted: bool,
    /// Names of its keys where they are known: in files. An API server is asked for metadata
    /// only, which does not list them; the node then finds out.
    pub keys: Option<BTreeSet<String>>,
}

/// What is known of the issuing key that `node.signer` names. The key itself stays with the
/// signer ([`crate::keys::signer`]).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignerState {
    /// There is no such Secret.
    Missing,
    /// The Secret is there and cannot be used; one clause that says why, without any secret.
    Unusable(String),
    /// It can sign.
    Usable(IssuingCertificate),
}

/// The certificate of an issuing key, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuingCertificate {
    /// The envelope, base64: what goes into the root.
    pub base64: String,
    /// Identifier of the issuing key: node certificates name it.
    pub kid: Kid,
    /// Identifier of the root key that certified it.
    pub root: Kid,
    /// Its serial, which `revokedSerials` may name.
    pub serial: u64,
    /// First moment of validity.
    pub not_before: Timestamp,
    /// Last moment of validity.
    pub not_after: Timestamp,
}

/// How peers are dialled and how this node is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dialling {
    /// On a cluster: peers by their `addresses`; this node by `announce` or by its Service, whose
    /// addresses are `None` until they are known.
    Network {
        /// Addresses that the Service has.
        service: Option<Vec<String>>,
    },
    /// Local mode: organizations that run here are dialled at these addresses, whatever their
    /// records say.
    Loopback(BTreeMap<String, Vec<String>>),
}

/// What is configured now.
#[derive(Clone, Debug)]
pub struct Previous {
    /// The root, with its `metadata.generation`.
    pub root: SidecarConfig,
    /// All slices of this node that exist, with their `metadata.generation`.
    pub slices: Vec<SidecarConfig>,
    /// What the last plan returned; empty after a restart.
    pub memory: Memory,
}
