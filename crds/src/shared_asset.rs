//! SharedAsset: an asset this organization shares, or a peer's asset that it takes.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::condition::Condition;
use crate::schema;
use crate::sharing_policy::{CredentialRequirement, Mode};

/// An asset this organization shares (`content`), or a peer's asset that it takes (`from`).
///
/// What is shared with whom is not said here but by SharingPolicy: an asset that no policy
/// matches is shared with nobody.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "sharing.finp2p.io",
    version = "v1alpha1",
    kind = "SharedAsset",
    plural = "sharedassets",
    shortname = "sasset",
    category = "finp2p",
    namespaced,
    status = "SharedAssetStatus",
    derive = "PartialEq",
    doc = "An asset this organization shares (content), or a peer's asset that it takes (from). Who may see it is said by SharingPolicy: without one, nobody.",
    printcolumn(
        name = "Resource",
        type_ = "string",
        json_path = ".status.resourceId",
        description = "Id on the network"
    ),
    printcolumn(
        name = "Source",
        type_ = "string",
        json_path = ".status.source",
        description = "Where its content comes from"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "Newest version in the node; blank in this version, whose nodes do not report it"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Whether our node works with it"
    ),
    printcolumn(
        name = "Delivered",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Delivered\")].status",
        description = "Whether everybody it is pushed to has it; blank unless it is pushed"
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
    validation = Rule::new("has(self.content) != has(self.from)")
        .message("an asset has either content (this organization is its Primary) or from (a peer is): write exactly one"),
    validation = Rule::new("has(self.from) == has(oldSelf.from)")
        .message("content or from is chosen once: create a new SharedAsset to change it"),
    validation = Rule::new("has(self.assetId) == has(oldSelf.assetId) && (!has(self.assetId) || self.assetId == oldSelf.assetId)")
        .message("assetId is immutable, set or unset: create a new SharedAsset for another id")
        .field_path(".assetId"),
    validation = Rule::new("!has(self.from) || (!has(self.assetId) && !has(self.units) && !has(self.schema) && !has(self.eligibility))")
        .message("assetId, units, schema and eligibility belong to the Primary: an asset with from takes them from the peer"),
    validation = Rule::new("!has(self.offer) || has(self.from)")
        .message("offer says whether our users see a peer's asset: write it beside from")
        .field_path(".offer")
)]
pub struct SharedAssetSpec {
    /// Id of the asset on the network, the last part of its resource id: an ISIN, for example. Defaults to the name of this object. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub asset_id: Option<String>,
    /// Where the private data of the asset comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Objects in the content that are opened, as JSON Pointers (RFC 6901), so that policies can grant their members one by one. Members of the whole are always apart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 2, max = 256), regex(pattern = "^(/([^/~]|~0|~1)+)+$"))
    )]
    pub units: Vec<String>,
    /// JSON Schema (2020-12) that content must meet, as text, at most 32 KiB. Content that does not is refused, and the last good version stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32768))]
    pub schema: Option<String>,
    /// What a buyer must prove before a trade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<Eligibility>,
    /// The peer's asset that this organization takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// Offers the peer's asset to our own users. Without a decision nobody can buy it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<bool>,
}

/// Where the private data of an asset comes from: exactly one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("[has(self.secret), has(self.configMap), has(self.api)].filter(x, x).size() == 1")
        .message("content has exactly one source: secret, configMap or api")
)]
pub struct Content {
    /// A key of a Secret in this namespace that carries the label sharing.finp2p.io/content: "true".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<ContentKey>,
    /// A key of a ConfigMap in this namespace that carries the label sharing.finp2p.io/content: "true".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ContentKey>,
    /// The organization's own programs write the content through the local API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api: Option<ContentApi>,
}

/// One key of a Secret or ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentKey {
    /// Name of the Secret or ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key in it; its value is a JSON object.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Content that the local API writes; an empty object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentApi {}

/// What a buyer must prove before a trade. All of it must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Eligibility {
    /// Members of the user's information that must be disclosed, as JSON Pointers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 2, max = 256), regex(pattern = "^(/([^/~]|~0|~1)+)+$"))
    )]
    pub fields: Vec<String>,
    /// Credentials that the buyer must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub credentials: Vec<CredentialRequirement>,
    /// CEL condition over the user's information, as `user`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub condition: Option<String>,
}

/// A peer's asset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(
    validation = Rule::new("self.peer == oldSelf.peer && self.assetId == oldSelf.assetId")
        .message("peer and assetId of from are immutable: create a new SharedAsset for another asset")
)]
pub struct From {
    /// Name of the peer's PeerOrganization in this namespace.
    #[schemars(length(min = 1, max = 253))]
    pub peer: String,
    /// Id of the asset at the peer.
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    )]
    pub asset_id: String,
    /// Pull asks when it is needed and keeps nothing; Push subscribes and keeps a replica.
    pub mode: Mode,
}

/// Status of a SharedAsset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedAssetStatus {
    /// Generation of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What is true of this asset now.
    #[serde(default)]
    #[schemars(schema_with = "schema::conditions")]
    pub conditions: Vec<Condition>,
    /// Id of the asset on the network: organization:102:assetId.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub resource_id: Option<String>,
    /// Where its content comes from: Secret, ConfigMap, Api, or the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 316))]
    pub source: Option<String>,
    /// Newest version in the node. Filled once nodes report it, which they do not in this version: their report has no room for every asset. Until then it stays absent, and the local API shows the version (GET /v1/assets/{assetId}).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub version: Option<String>,
}
