//! Typed entries: what a slice carries, decoded. Selectors travel as they are, so that an
//! edit of one object rewrites one slice; the node evaluates them with the access model.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::label::Labels;
use crate::peer_organization::{Issuer, RootKey};
use crate::shared_asset::{Content, Eligibility, From};
use crate::sharing_policy::SharingPolicySpec;
use crate::sidecar_config::RawEntry;

/// Word for a [`PeerEntry`] in [`RawEntry::kind`].
pub const PEER: &str = "Peer";
/// Word for a [`PolicyEntry`].
pub const POLICY: &str = "Policy";
/// Word for an [`AssetEntry`].
pub const ASSET: &str = "Asset";
/// Word for a [`SchemaEntry`].
pub const SCHEMA: &str = "Schema";

/// An entry with its typed payload and the object behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<T> {
    /// Uid of the object.
    pub uid: String,
    /// Generation of the object.
    pub generation: i64,
    /// `metadata.name` of the object.
    pub name: String,
    /// What it says.
    pub payload: T,
}

/// A PeerOrganization other than the local one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PeerEntry {
    /// Id on the network, always given.
    pub organization_id: String,
    /// Labels that policies select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Pinned root keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<RootKey>,
    /// Where to dial.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// Issuer of credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// Everything with it is stopped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// Certificates refused before their time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revoked_serials: Vec<i64>,
    /// Lowest protocol version it may speak.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_protocol_version: Option<i32>,
    /// Commit or ticket behind the change (annotation `sharing.finp2p.io/change`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// A SharingPolicy that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyEntry {
    /// The policy as written.
    pub spec: SharingPolicySpec,
    /// Commit or ticket behind the change (annotation `sharing.finp2p.io/change`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// A SharedAsset that was accepted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AssetEntry {
    /// Id on the network as text, always given: of the local organization, or of the peer with `from`.
    pub resource_id: String,
    /// Labels that policies select by.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Where the private data comes from (own assets).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Whether its content is one too many ([`crate::content::OBJECTS_MAX`]): the node does not read
    /// it, and its last version stays.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub content_left_out: bool,
    /// Objects that are opened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<String>,
    /// Whether a Schema entry of the same name and uid belongs to this asset.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub has_schema: bool,
    /// What a buyer must prove.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eligibility: Option<Eligibility>,
    /// The peer's asset that is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<From>,
    /// Whether it is offered to our own users.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub offer: bool,
    /// Commit or ticket behind the change (annotation `sharing.finp2p.io/change`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// The JSON Schema of an asset, apart because it may be large.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchemaEntry {
    /// JSON Schema as text.
    pub text: String,
}

/// A payload that could not be fully decoded, or could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the payload of this entry is not what its kind prescribes")]
pub struct EntryError(#[source] serde_json::Error);

impl RawEntry {
    /// Decodes the payload; unknown fields are refused, because what a node does not
    /// understand may narrow access.
    ///
    /// # Errors
    /// [`EntryError`] when the payload does not decode completely.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<Entry<T>, EntryError> {
        Ok(Entry {
            uid: self.uid.clone(),
            generation: self.generation,
            name: self.name.clone(),
            payload: T::deserialize(&self.payload).map_err(EntryError)?,
        })
    }
}

impl<T: Serialize> Entry<T> {
    /// Packs the entry for a slice under the word for its kind.
    ///
    /// # Errors
    /// [`EntryError`] when the payload has no JSON form.
    pub fn encode(&self, kind: &str) -> Result<RawEntry, EntryError> {
        Ok(RawEntry {
            kind: kind.to_owned(),
            uid: self.uid.clone(),
            generation: self.generation,
            name: self.name.clone(),
            payload: serde_json::to_value(&self.payload).map_err(EntryError)?,
        })
    }
}
