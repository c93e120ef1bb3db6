//! SidecarConfig: a node's configuration, written by the operator only.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::peer_organization::ApiClient;
use crate::schema;

/// Most entries in one slice.
pub const SLICE_MAX_ENTRIES: usize = 256;
/// Most bytes of one slice as JSON.
pub const SLICE_MAX_BYTES: usize = 256 * 1024;
/// Most slices in one set: 4096 × 256 entries is a hundred times the scale goal.
pub const SET_MAX_SLICES: usize = 4096;
/// Most marks in [`Root::lineage`]: a node that was away for so many edits can still tell that they go
/// on from what it had, and a root stays small beside the certificates it may hold (10 KiB).
pub const LINEAGE_MAX: usize = 512;
/// Word for the node itself in [`Exception::kind`].
pub const NODE: &str = "Node";
/// Most exceptions and peers in a node's report.
pub const REPORT_MAX_ROWS: usize = 100;

/// A node's configuration: one root that names a complete set of slices, and the slices.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "sharing.finp2p.io",
    version = "v1alpha1",
    kind = "SidecarConfig",
    plural = "sidecarconfigs",
    shortname = "scfg",
    namespaced,
    status = "SidecarConfigStatus",
    derive = "PartialEq",
    doc = "Internal: a node's configuration, written by the operator and reported on by the node. Do not edit; write PeerOrganization, SharedAsset and SharingPolicy.",
    printcolumn(
        name = "Set",
        type_ = "string",
        json_path = ".spec.root.set",
        description = "The complete set that the root names"
    ),
    printcolumn(
        name = "Sequence",
        type_ = "integer",
        json_path = ".spec.root.sequence",
        description = "Grows with every set"
    ),
    printcolumn(
        name = "Slice",
        type_ = "integer",
        json_path = ".spec.slice.bucket",
        description = "Bucket of a slice"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(
    validation = Rule::new("has(self.root) != has(self.slice)")
        .message("a SidecarConfig is either the root or a slice; it is written by the operator only")
)]
pub struct SidecarConfigSpec {
    /// Names the complete current set and what concerns the node itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// One part of a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
}

/// Names the complete current set and what concerns the node itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Root {
    /// The local organization.
    #[schemars(length(min = 1, max = 63))]
    pub organization_id: String,
    /// Consortium and environment; in every signature.
    #[schemars(length(min = 1, max = 63))]
    pub network: String,
    /// Incarnation of the node.
    #[schemars(range(min = 1))]
    pub incarnation: i64,
    /// Only grows; a lower one than the node has seen is a rolled-back configuration.
    #[schemars(range(min = 1))]
    pub sequence: i64,
    /// Marks of the sequences since the one that the node had when it reported last, oldest first, the last one of this sequence: what each of them made of the one before. A node whose newest configuration is not among them has one that went back in time and was counted on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), inner(length(min = 16, max = 16)), extend("x-kubernetes-list-type" = "atomic"))]
    pub lineage: Vec<String>,
    /// Certificates of this node and of the issuing key (COSE_Sign1, base64): all that are valid now, and past ones of record keys with what certifies them.
    #[serde(default)]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub certificates: Vec<String>,
    /// Bounds of the node.
    pub limits: NodeLimits,
    /// Clients of the local API.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub api: Vec<ApiClient>,
    /// Name of the current set.
    #[schemars(length(min = 1, max = 63))]
    pub set: String,
    /// Names of all slices of the set.
    #[serde(default)]
    #[schemars(length(max = 4096), inner(length(min = 1, max = 253)))]
    pub slices: Vec<String>,
}

impl Root {
    /// The mark of a sequence; `None` of one that the lineage does not reach, or that is yet to come.
    #[must_use]
    pub fn mark(&self, sequence: i64) -> Option<&str> {
        let back = usize::try_from(self.sequence.checked_sub(sequence)?).ok()?;
        let position = self.lineage.len().checked_sub(back)?.checked_sub(1)?;
        self.lineage.get(position).map(String::as_str)
    }
}

/// Bounds of the node, all given: defaults are the plan's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeLimits {
    /// Requests a second from one organization.
    #[schemars(range(min = 1))]
    pub requests_per_second: i64,
    /// Connections at once from one organization.
    #[schemars(range(min = 1))]
    pub connections: i64,
    /// Time between withdrawing and erasing a replica, seconds.
    #[schemars(range(min = 0))]
    pub erase_after_seconds: i64,
    /// Without contact with its configuration for this long the node denies everything, seconds.
    #[schemars(range(min = 1))]
    pub max_config_age_seconds: i64,
}

/// One part of a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Slice {
    /// The set this slice belongs to.
    #[schemars(length(min = 1, max = 63))]
    pub set: String,
    /// Stable hash bucket of the entries.
    #[schemars(range(min = 0, max = 4095))]
    pub bucket: i32,
    /// The entries, replaced as one.
    #[serde(default)]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub entries: Vec<RawEntry>,
}

/// One validated input of the node, as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RawEntry {
    /// Peer, Policy, Asset or Schema; a node reports what it does not know.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Uid of the object behind it.
    #[schemars(length(min = 1, max = 128))]
    pub uid: String,
    /// Generation of the object behind it.
    pub generation: i64,
    /// Name of the object behind it.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The content, as the kind prescribes.
    #[schemars(schema_with = "schema::opaque_object")]
    pub payload: serde_json::Value,
}

/// The node's one report, on the root.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SidecarConfigStatus {
    /// Incarnation that the node runs as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<i64>,
    /// Mark, in the root's lineage, of the newest sequence that the node keeps on its volume: the lineage need not go back further.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 16, max = 16))]
    pub mark: Option<String>,
    /// Slices that the node has applied.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub applied: Vec<AppliedSlice>,
    /// Keys that wait for a certificate.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub certificate_requests: Vec<CertificateRequest>,
    /// Peers as the node sees them.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub peers: Vec<PeerReport>,
    /// What the node could not apply or must warn of.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub exceptions: Vec<Exception>,
}

impl SidecarConfigStatus {
    /// What the node says of itself under this reason.
    #[must_use]
    pub fn of_node(&self, reason: &str) -> Option<&Exception> {
        let mut of_node = self.exceptions.iter().filter(|e| e.kind == NODE);
        of_node.find(|exception| exception.reason == reason)
    }
}

/// A slice that the node has applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedSlice {
    /// Name of the slice.
    #[schemars(length(max = 253))]
    pub slice: String,
    /// Its generation.
    pub generation: i64,
}

/// A key that waits for a certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertificateRequest {
    /// What the key is for: net, rec, dec or hold.
    #[serde(rename = "use")]
    #[schemars(length(max = 16))]
    pub use_: String,
    /// Ed25519 public key as SubjectPublicKeyInfo, DER, base64.
    #[schemars(length(max = 60))]
    pub public_key: String,
    /// libp2p peer ids that the key speaks for (net only).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2), inner(length(max = 128)))]
    pub peer_ids: Vec<String>,
}

/// A peer as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerReport {
    /// The organization.
    #[schemars(length(max = 63))]
    pub organization_id: String,
    /// Whether its node has said hello lately.
    pub reachable: bool,
    /// One sentence on why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}

/// What the node could not apply or must warn of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// Kind of the object, or Node.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Name of the object.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Condition reason.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// One sentence; no private data.
    #[schemars(length(max = 1024))]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lineage_ends_with_the_mark_of_the_sequence_of_now() {
        let root = Root {
            sequence: 7,
            lineage: ["five", "six", "seven"].map(str::to_owned).to_vec(),
            ..Root::default()
        };
        let marks = [i64::MIN, 4, 5, 6, 7, 8, i64::MAX].map(|sequence| root.mark(sequence));
        let known = [Some("five"), Some("six"), Some("seven")];
        assert_eq!(marks[2..5], known);
        assert!(marks[..2].iter().chain(&marks[5..]).all(Option::is_none));
        assert_eq!(Root::default().mark(0), None);
    }
}
