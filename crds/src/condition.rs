//! Condition types and reasons: the closed list of words that statuses use.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::{Deserialize, Serialize};

/// What one condition says of an object. Same JSON as `metav1.Condition`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Condition type, an adjective ([`types`]).
    #[serde(rename = "type")]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    pub status: Truth,
    /// Generation of the object this verdict is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: Time,
    /// One PascalCase word for programs ([`reasons`]).
    pub reason: String,
    /// One sentence for people: what is wrong and how to mend it.
    pub message: String,
}

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// Not known yet.
    Unknown,
}

impl Truth {
    /// The word that Kubernetes uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// Condition types.
pub mod types {
    /// Accepted ∧ ResolvedRefs ∧ Programmed; about our node only.
    pub const READY: &str = "Ready";
    /// The object says something this version can do, and nothing older claims the same.
    pub const ACCEPTED: &str = "Accepted";
    /// Every name it mentions exists and permits the use.
    pub const RESOLVED_REFS: &str = "ResolvedRefs";
    /// The node runs with it.
    pub const PROGRAMMED: &str = "Programmed";
    /// A peer's node answers (PeerOrganization); Unknown until ours has dialled it.
    pub const REACHABLE: &str = "Reachable";
    /// A key or certificate ends soon (PeerOrganization).
    pub const KEY_EXPIRING: &str = "KeyExpiring";
    /// Pushed to everybody who should have it (SharedAsset, SharingPolicy).
    pub const DELIVERED: &str = "Delivered";
    /// A peer's asset can be had (SharedAsset with `from`).
    pub const AVAILABLE: &str = "Available";
    /// kstatus: this object must be edited before anything can move.
    pub const STALLED: &str = "Stalled";
    /// The local organization has left the network.
    pub const DECOMMISSIONED: &str = "Decommissioned";
}

/// Condition reasons.
pub mod reasons {
    /// Set by the CRD default until the operator first looks.
    pub const PENDING: &str = "Pending";
    /// Accepted without remark.
    pub const ACCEPTED: &str = "Accepted";
    /// All names resolve.
    pub const RESOLVED: &str = "Resolved";
    /// In force in the node.
    pub const PROGRAMMED: &str = "Programmed";
    /// Everything holds.
    pub const READY: &str = "Ready";
    /// Public record of the local organization itself: accepted, never a peer.
    pub const SELF: &str = "Self";
    /// An older object is the local organization of this namespace.
    pub const NAMESPACE_TAKEN: &str = "NamespaceTaken";
    /// A namespace that may hold an older claim cannot be read.
    pub const NAMESPACE_UNREADABLE: &str = "NamespaceUnreadable";
    /// An older object claims this organization id.
    pub const ORGANIZATION_TAKEN: &str = "OrganizationTaken";
    /// An older object claims this resource id.
    pub const RESOURCE_TAKEN: &str = "ResourceTaken";
    /// Several manifests in files bear this kind, namespace and name: none of them counts.
    pub const DUPLICATE_OBJECT: &str = "DuplicateObject";
    /// The two records of the local organization disagree about its keys.
    pub const KEYS_DIFFER: &str = "KeysDiffer";
    /// A root key is not a usable Ed25519 public key.
    pub const INVALID_KEY: &str = "InvalidKey";
    /// The namespace has no local organization yet.
    pub const NO_LOCAL_ORGANIZATION: &str = "NoLocalOrganization";
    /// The issuing key's Secret is missing or not usable.
    pub const SIGNER_MISSING: &str = "SignerMissing";
    /// The Secret of the store key that the node names is missing.
    pub const STORE_KEY_MISSING: &str = "StoreKeyMissing";
    /// A field that this version does not enforce yet: the object grants nothing.
    pub const NOT_YET_SUPPORTED: &str = "NotYetSupported";
    /// A peer that the object names does not exist.
    pub const PEER_NOT_FOUND: &str = "PeerNotFound";
    /// An asset that the object names does not exist.
    pub const ASSET_NOT_FOUND: &str = "AssetNotFound";
    /// An issuer that the object names does not exist or has no `issuer`.
    pub const ISSUER_NOT_FOUND: &str = "IssuerNotFound";
    /// The Secret or ConfigMap, or the key in it, does not exist.
    pub const CONTENT_NOT_FOUND: &str = "ContentNotFound";
    /// The Secret or ConfigMap does not carry the content label.
    pub const CONTENT_NOT_PERMITTED: &str = "ContentNotPermitted";
    /// The content is not JSON that can be shared, or fails its schema.
    pub const CONTENT_INVALID: &str = "ContentInvalid";
    /// A node reads no more Secrets and ConfigMaps than older assets name already.
    pub const TOO_MANY_CONTENTS: &str = "TooManyContents";
    /// A pointer of a policy opens nothing on an asset it matches.
    pub const FIELD_UNKNOWN: &str = "FieldUnknown";
    /// A selector of a policy selects nothing that exists now.
    pub const NOTHING_SELECTED: &str = "NothingSelected";
    /// The policy's window has not begun.
    pub const NOT_YET_VALID: &str = "NotYetValid";
    /// The policy's window, or a key's validity, is over.
    pub const EXPIRED: &str = "Expired";
    /// A root key of the peer is in the record of another organization, too.
    pub const KEY_SHARED: &str = "KeyShared";
    /// The peer is suspended.
    pub const SUSPENDED: &str = "Suspended";
    /// A key or certificate ends soon.
    pub const EXPIRING: &str = "Expiring";
    /// No key or certificate ends soon.
    pub const VALID: &str = "Valid";
    /// The node has not reported this configuration as applied yet.
    pub const NODE_BEHIND: &str = "NodeBehind";
    /// The node's configuration went back in time: it serves only what both this one and the one that
    /// it had before grant.
    pub const CONFIGURATION_ROLLED_BACK: &str = "ConfigurationRolledBack";
    /// The node has not read its configuration for more than an hour: what it applied is in force.
    pub const CONFIGURATION_UNREAD: &str = "ConfigurationUnread";
    /// The node has not read its configuration for too long and denies everything.
    pub const CONFIGURATION_STALE: &str = "ConfigurationStale";
    /// The node's volume takes nothing, so the node answers nothing.
    pub const STORE_UNAVAILABLE: &str = "StoreUnavailable";
    /// The node has more to say of objects than its report holds.
    pub const REPORT_FULL: &str = "ReportFull";
    /// The node could not decode the entry.
    pub const UNSUPPORTED: &str = "Unsupported";
    /// No address is known to dial.
    pub const ADDRESS_PENDING: &str = "AddressPending";
    /// Something else on the cluster stands in the way of what the node needs.
    pub const OBSTRUCTED: &str = "Obstructed";
    /// The object needs no node.
    pub const NOT_APPLICABLE: &str = "NotApplicable";
    /// The spec fails the schema or a rule.
    pub const INVALID: &str = "Invalid";
    /// The object takes more room than a node's configuration has.
    pub const TOO_LARGE: &str = "TooLarge";
    /// The peer's node answers ours.
    pub const REACHABLE: &str = "Reachable";
    /// Our node has had no need to dial the peer's, so nobody knows whether it answers.
    pub const NOT_DIALLED: &str = "NotDialled";
    /// The peer's node does not answer ours.
    pub const UNREACHABLE: &str = "Unreachable";
    /// The peer's asset can be asked for.
    pub const AVAILABLE: &str = "Available";
    /// The local organization leaves, or has left, the network.
    pub const DECOMMISSIONED: &str = "Decommissioned";
}
