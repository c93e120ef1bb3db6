//! PeerOrganization: one organization as this cluster sees it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::schema;

/// One organization as this cluster sees it: whom to trust, where to dial, what it issues.
///
/// The consortium's record of a member holds public facts only (`keys`, `addresses`, `issuer`).
/// The organization that this namespace runs a node for is a second object with the same
/// `organizationId` and `node`.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "sharing.finp2p.io",
    version = "v1alpha1",
    kind = "PeerOrganization",
    plural = "peerorganizations",
    shortname = "peerorg",
    category = "finp2p",
    namespaced,
    status = "PeerOrganizationStatus",
    derive = "PartialEq",
    doc = "One organization as this cluster sees it: whom to trust (keys), where to dial (addresses), what it issues (issuer). With node it is the organization that this namespace runs a node for.",
    printcolumn(
        name = "Role",
        type_ = "string",
        json_path = ".status.role",
        description = "Local, Self, Peer or Issuer"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether our node works with this record"
    ),
    printcolumn(
        name = "Reachable",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Reachable\")].status",
        description = "Whether the peer's node answers; Unknown until ours has dialled it (NotDialled), blank where there is nobody to dial"
    ),
    printcolumn(
        // A date column shows how long ago something was: `<invalid>` for a day to come.
        name = "Keys-Expire",
        type_ = "string",
        json_path = ".status.keysExpire",
        description = "When the first key or certificate in use ends"
    ),
    printcolumn(
        // On request (-o wide): the table stays narrow.
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason",
        priority = 1,
        description = "Why it is Ready, or not, in one word"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[x_kube(
    validation = Rule::new("has(self.organizationId) == has(oldSelf.organizationId) && (!has(self.organizationId) || self.organizationId == oldSelf.organizationId)")
        .message("organizationId is immutable, set or unset: create a new object for another organization")
        .field_path(".organizationId"),
    validation = Rule::new("has(self.node) == has(oldSelf.node)")
        .message("node cannot be added or removed: the local organization is a second object beside the consortium's record, with the same organizationId")
        .field_path(".node"),
    validation = Rule::new("!has(self.node) || !has(self.issuer)")
        .message("an object with node is this cluster's own record: put issuer on the consortium's record of the organization")
        .field_path(".issuer"),
    validation = Rule::new("!has(self.node) || !has(self.suspended)")
        .message("the local organization cannot be suspended: set suspended on the peers, or decommission: true under node")
        .field_path(".suspended"),
    validation = Rule::new("has(self.node) || has(self.issuer) || (has(self.keys) && size(self.keys) > 0)")
        .message("a peer needs at least one root key in keys (finp2p-operator export prints its public record); an issuer needs issuer instead")
        .field_path(".keys")
)]
pub struct PeerOrganizationSpec {
    /// Id of the organization on the network, the first part of its resource ids. Defaults to the name of this object. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub organization_id: Option<String>,
    /// Root keys: what this organization signs is trusted if it leads back to one of them. Written by `finp2p-operator keygen`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub keys: Vec<RootKey>,
    /// Where to dial the organization's node, as multiaddrs: /dns4/finp2p.bank-b.example/tcp/4001. A member that only dials out has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 256),
            regex(pattern = "^/(ip4|ip6|dns|dns4|dns6)/[^/]+/tcp/[0-9]{1,5}(/p2p/[A-Za-z0-9]+)?$")
        )
    )]
    pub addresses: Vec<String>,
    /// Makes the organization an issuer of credentials; an issuer needs no node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// Stops everything with this organization at once, whatever policies say: true, or absent. Belongs to each bank's own overlay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub suspended: Option<bool>,
    /// Serial numbers of this organization's certificates that are refused although their time is not over (an issuing certificate too).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(range(min = 1)))]
    pub revoked_serials: Vec<i64>,
    /// Lowest protocol version this organization may speak; lower ones are refused at hello.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub minimum_protocol_version: Option<i32>,
    /// Makes this object the local organization of its namespace: the operator runs a node for it. Presence is immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Node>,
}

/// One pinned root key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.notBefore < self.notAfter")
        .message("notAfter must be later than notBefore")
        .field_path(".notAfter")
)]
pub struct RootKey {
    /// Name of the key within the organization, for people: 2026-a.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub id: String,
    /// Ed25519 public key as SubjectPublicKeyInfo (RFC 8410), DER, base64: 60 characters.
    #[schemars(
        length(min = 60, max = 60),
        regex(pattern = "^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$")
    )]
    pub public_key: String,
    /// First moment at which certificates of this key are accepted.
    pub not_before: Time,
    /// Moment from which certificates of this key are no longer accepted.
    pub not_after: Time,
    /// The key vouches for what it certified before, and for nothing new: true, or absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub verify_only: Option<bool>,
    /// Moment of compromise: what was received before stands, what comes after is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Time>,
}

/// What makes an organization an issuer of credentials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// `iss` of its SD-JWT VCs, an https URL.
    #[schemars(length(min = 9, max = 512), regex(pattern = "^https://[^\\s?#]+$"))]
    pub id: String,
    /// Credential types (`vct`) this issuer is trusted for; no others are accepted from it.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 512)))]
    pub types: Vec<String>,
    /// Keys that its credentials are signed with.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub keys: Vec<IssuerKey>,
    /// Only status lists whose address begins with one of these are fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 8),
        inner(length(min = 9, max = 512), regex(pattern = "^https://[^\\s?#]+$"))
    )]
    pub status_list_prefixes: Vec<String>,
}

/// One key of an issuer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerKey {
    /// `kid` in the issuer's credentials.
    #[schemars(length(min = 1, max = 128))]
    pub id: String,
    /// The public key.
    pub jwk: Jwk,
}

/// A public JSON Web Key (RFC 7517): Ed25519 (OKP) or P-256 (EC). Never a private one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("(self.kty == 'OKP' && self.crv == 'Ed25519' && !has(self.y)) || (self.kty == 'EC' && self.crv == 'P-256' && has(self.y))")
        .message("use {kty: OKP, crv: Ed25519, x} or {kty: EC, crv: P-256, x, y}")
)]
pub struct Jwk {
    /// Key type.
    #[schemars(extend("enum" = ["OKP", "EC"]))]
    pub kty: String,
    /// Curve.
    #[schemars(extend("enum" = ["Ed25519", "P-256"]))]
    pub crv: String,
    /// Public point or its x coordinate, base64url without padding.
    #[schemars(length(min = 43, max = 43), regex(pattern = "^[A-Za-z0-9_-]{43}$"))]
    pub x: String,
    /// The y coordinate (EC only), base64url without padding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 43, max = 43), regex(pattern = "^[A-Za-z0-9_-]{43}$"))]
    pub y: Option<String>,
}

/// The node of the local organization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.network == oldSelf.network")
        .message("network is immutable: it is in every signature of this node; run another namespace for another network")
        .field_path(".network"),
    validation = Rule::new("!has(oldSelf.incarnation) || (has(self.incarnation) && self.incarnation >= oldSelf.incarnation)")
        .message("incarnation may only grow: peers refuse a node that comes back with a lower one")
        .field_path(".incarnation")
)]
pub struct Node {
    /// Consortium and environment (sandbox-finp2p). It is in every signature, so that test traffic is never valid in production.
    #[schemars(
        length(min = 1, max = 63),
        regex(pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
    )]
    pub network: String,
    /// Who signs the certificates of this node.
    pub signer: Signer,
    /// The volume of the private store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// The Service that peers dial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// Addresses that peers are told, as multiaddrs. Absent: taken from the Service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(
            length(min = 1, max = 256),
            regex(pattern = "^/(ip4|ip6|dns|dns4|dns6)/[^/]+/tcp/[0-9]{1,5}$")
        )
    )]
    pub announce: Vec<String>,
    /// The local API for this organization's own programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// Grows by one when the node is restored elsewhere or its keys may be stolen; peers then refuse the former one. Absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub incarnation: Option<i64>,
    /// Secret that holds the store key. Made by the operator when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_key: Option<SecretReference>,
    /// What one peer organization may ask of this node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Time between withdrawing a replica and erasing it, seconds. Absent means 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_592_000))]
    pub erase_after_seconds: Option<i64>,
    /// Without contact with its configuration for this long the node denies everything, seconds. Absent means 259200.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3600, max = 2_592_000))]
    pub max_config_age_seconds: Option<i64>,
    /// Leaves the network: un-shares everything, and ends in the condition Decommissioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::only_true")]
    pub decommission: Option<bool>,
    /// Sidecar image. Absent: the one that the operator was released with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Resource requests and limits of the sidecar container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque_object")]
    pub resources: Option<serde_json::Value>,
    /// Pod template overlay, merged under the operator's own fields: the bank's own containers beside the sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque_object")]
    pub pod_template: Option<serde_json::Value>,
    /// Additions to the node's NetworkPolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,
    /// Where audit entries are copied to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
}

/// Who signs the certificates of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signer {
    /// Secret with the issuing key and its certificate, as `finp2p-operator keygen` writes it.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// A Secret by name, in the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretReference {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
}

/// The volume of the private store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Storage {
    /// Size of the volume as a Kubernetes quantity: 50Gi. May only grow.
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = "^[0-9]+(\\.[0-9]+)?(Ki|Mi|Gi|Ti|k|M|G|T)?$")
    )]
    pub size: String,
    /// Storage class. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub class_name: Option<String>,
}

/// The Service that peers dial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Type of the Service.
    #[serde(rename = "type")]
    pub type_: ServiceType,
}

/// Type of the Service that peers dial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum ServiceType {
    /// Inside the cluster only.
    ClusterIP,
    /// A port on every machine.
    NodePort,
    /// A load balancer of the cloud provider.
    LoadBalancer,
}

/// The local API of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Api {
    /// Programs of this organization that may call the node, and what for. Nobody else may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["serviceAccount"]))]
    pub clients: Vec<ApiClient>,
}

/// One program that may call the local API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiClient {
    /// ServiceAccount that the program runs as, in the same namespace.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")
    )]
    pub service_account: String,
    /// What it may do; no verb implies another.
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub allow: Vec<ApiVerb>,
}

/// What a program may do at the local API.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
pub enum ApiVerb {
    /// Read the organization's own assets, with their private content.
    ReadAssets,
    /// Write the content of assets with `content: {api: {}}`.
    WriteAssets,
    /// Read the organization's own users.
    ReadUsers,
    /// Write the organization's own users.
    WriteUsers,
    /// List and fetch what peers share with this organization.
    Fetch,
    /// Ask whether a user may transact in an asset.
    Decide,
    /// Read and export the audit log.
    Audit,
    /// Everything that changes the node itself: accept a configuration, erase, rotate.
    Administer,
}

/// What one peer organization may ask of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Requests a second from one organization. Absent means 1000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub requests_per_second: Option<i64>,
    /// Connections at once from one organization. Absent means 64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub connections: Option<i64>,
}

/// Additions to the node's NetworkPolicy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Egress rules as in a NetworkPolicy. Absent: egress is not restricted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::opaque_objects")]
    pub egress: Option<Vec<serde_json::Value>>,
}

/// Where audit entries are copied to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Audit {
    /// Receiver of audit entries, an https URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 9, max = 512), regex(pattern = "^https://[^\\s?#]+$"))]
    pub sink: Option<String>,
}

/// Status of a PeerOrganization.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PeerOrganizationStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true of this organization now.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Id of the organization on the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub organization_id: Option<String>,
    /// What this object is to the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// When the first key or certificate in use ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys_expire: Option<Time>,
}

/// What a PeerOrganization is to its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Role {
    /// The organization that this namespace runs a node for.
    Local,
    /// The consortium's public record of the local organization: never a peer.
    #[serde(rename = "Self")]
    Own,
    /// Another organization.
    Peer,
    /// An issuer of credentials that runs no node.
    Issuer,
}
