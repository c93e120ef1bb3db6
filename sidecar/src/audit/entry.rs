//! What is recorded: one entry per decision, digests instead of values.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::{AuditError, MAX_ENTRY_BYTES, MAX_TEXT_BYTES};

/// Most policies that one entry names: with the longest names and the longest envelope an entry
/// stays below its bound. Which further ones there were, the configuration's digest tells.
pub const MAX_POLICIES: usize = 32;

/// Most objects that the entry of a change names; how many more there were, it counts. A person's
/// edit changes a few; what a restored control plane changes is in the configuration itself.
pub const MAX_OBJECTS: usize = 32;

/// A SHA-256 digest.
pub type Digest = [u8; 32];

/// One entry of the log; the log gives it its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "k", rename_all = "lowercase")]
#[non_exhaustive]
pub enum Entry {
    /// A decision about a request, allowed or refused.
    Decision(Box<Decision>),
    /// Refusals before a signature was verified, counted.
    Counted(Counted),
    /// A change of what decides: configuration, keys, trust.
    Change(Change),
    /// A torn end that was cut off when the log was opened.
    Recovered(Recovered),
    /// The first entry of a log that is not the node's first.
    Begun(Begun),
}

/// A decision about one item of a request.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// When it was decided.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// The organization that asked; absent for a local program.
    #[serde(
        rename = "org",
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub organization: Option<String>,
    /// The organization's own program that asked through the local API.
    #[serde(
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub client: Option<String>,
    /// Identifier of the key that signed the request.
    #[serde(serialize_with = "hex_if_any", skip_serializing_if = "Option::is_none")]
    pub kid: Option<[u8; 16]>,
    /// The operation: `fetch`, `catalog`, …
    #[serde(serialize_with = "text")]
    pub op: String,
    /// The resource that was asked for.
    #[serde(
        rename = "r",
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub resource: Option<String>,
    /// Version of the record that was disclosed.
    #[serde(rename = "ver", skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Hash of the record that was disclosed.
    #[serde(
        rename = "h",
        serialize_with = "hex_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub record: Option<Digest>,
    /// Digest of the disclosed units' names.
    #[serde(serialize_with = "hex_if_any", skip_serializing_if = "Option::is_none")]
    pub units: Option<Digest>,
    /// The purpose that was claimed.
    #[serde(
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub purpose: Option<String>,
    /// Digest of the configuration set that decided.
    #[serde(rename = "config", serialize_with = "hex_of")]
    pub configuration: Digest,
    /// Code of the answer, from the closed catalogue; 0 when allowed.
    pub code: u16,
    /// The code in words; it may be finer here than in the answer.
    #[serde(serialize_with = "text")]
    pub slug: String,
    /// Finer than the slug, in a few words; never told to the peer.
    #[serde(
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub detail: Option<String>,
    /// The policies that allowed it, or that came near; at most [`MAX_POLICIES`].
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<Named>,
    /// Reference under which both sides find the event: 16 hex digits.
    #[serde(rename = "ref", serialize_with = "text")]
    pub reference: String,
    /// SHA-256 of the request envelope.
    #[serde(
        rename = "req",
        serialize_with = "hex_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub request: Option<Digest>,
    /// The peer's signed request envelope as received, once its signature was verified. A request
    /// with many items carries it in the entry of the first; the others refer to it by `request`.
    #[serde(
        rename = "env",
        serialize_with = "base64_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub envelope: Option<Vec<u8>>,
}

impl Decision {
    /// A decision with everything that every decision has; the rest is absent.
    #[must_use]
    pub fn new(
        at: Timestamp,
        op: impl Into<String>,
        configuration: Digest,
        code: u16,
        slug: impl Into<String>,
        reference: impl Into<String>,
    ) -> Self {
        Self {
            at,
            organization: None,
            client: None,
            kid: None,
            op: op.into(),
            resource: None,
            version: None,
            record: None,
            units: None,
            purpose: None,
            configuration,
            code,
            slug: slug.into(),
            detail: None,
            policies: Vec::new(),
            reference: reference.into(),
            request: None,
            envelope: None,
        }
    }
}

impl From<Decision> for Entry {
    fn from(decision: Decision) -> Self {
        Self::Decision(Box::new(decision))
    }
}

// An envelope holds what a peer asked for: its length is enough for a log line.
impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decision")
            .field("at", &self.at)
            .field("organization", &self.organization)
            .field("client", &self.client)
            .field("op", &self.op)
            .field("code", &self.code)
            .field("slug", &self.slug)
            .field("reference", &self.reference)
            .field("envelope_bytes", &self.envelope.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// An object as it was when it decided: its name may be another's later.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Named {
    /// Its name.
    #[serde(serialize_with = "text")]
    pub name: String,
    /// Its uid: another object of this name has another.
    #[serde(serialize_with = "text")]
    pub uid: String,
    /// Its generation: every edit of it is another.
    #[serde(rename = "gen")]
    pub generation: i64,
    /// Commit or ticket behind it (annotation `sharing.finp2p.io/change`), in one line.
    #[serde(
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub change: Option<String>,
}

impl Named {
    /// An object. Of the change as much is kept as an entry has room for, without control
    /// characters, each of which would be six in JSON.
    #[must_use]
    pub fn new(name: &str, uid: &str, generation: i64, change: Option<&str>) -> Self {
        let kept = |change: &str| {
            let mut kept: String = change.chars().filter(|c| !c.is_control()).collect();
            kept.truncate(kept.floor_char_boundary(MAX_TEXT_BYTES));
            kept
        };
        Self {
            name: name.to_owned(),
            uid: uid.to_owned(),
            generation,
            change: change.map(kept),
        }
    }
}

/// Refusals of one period that were only counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// End of the period.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Begin of the period: its first refusal.
    pub from: Timestamp,
    /// The counts, by kind.
    pub counts: Vec<Count>,
    /// Refusals of further kinds, when there were more than are kept apart.
    pub more: u64,
}

/// Where a refusal happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Door {
    /// A peer's request came over the network.
    Network,
    /// A program's came to the local API.
    Api,
}

impl Door {
    /// Its name in entries, metrics and the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Api => "api",
        }
    }
}

/// How often one kind of refusal happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Where.
    pub door: Door,
    /// The pinned organization; absent when it is not known who asked.
    #[serde(
        rename = "org",
        serialize_with = "text_if_any",
        skip_serializing_if = "Option::is_none"
    )]
    pub organization: Option<String>,
    /// Code of the refusal.
    pub code: u16,
    /// Why, finer than the code; never told to the peer.
    pub detail: &'static str,
    /// How often.
    pub n: u64,
}

/// A change of what decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When it took effect.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// What changed, in a word: `configuration-applied`, `configuration-refused`, …
    #[serde(serialize_with = "text")]
    pub what: String,
    /// Digest of what is in force afterwards.
    #[serde(serialize_with = "hex_of")]
    pub digest: Digest,
    /// Its sequence number, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Objects that are other than before, at most [`MAX_OBJECTS`]. None when only what concerns
    /// the node itself changed: certificates, clients, limits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<ChangedObject>,
    /// How many more there were.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

/// An object of a configuration that is other than in the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangedObject {
    /// Policy, Peer or Asset.
    #[serde(serialize_with = "text")]
    pub kind: String,
    /// What became of it.
    #[serde(rename = "was")]
    pub what: WhatBecame,
    /// The object: as it is now, or as it was last.
    #[serde(flatten)]
    pub object: Named,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WhatBecame {
    /// It was not there before.
    Added,
    /// It was there, and says something else.
    Changed,
    /// It is not there any more.
    Removed,
}

impl From<Change> for Entry {
    fn from(change: Change) -> Self {
        Self::Change(change)
    }
}

/// A torn end that was cut off: the process or the machine died while it was being written, so
/// its answer had not left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Recovered {
    /// When the log was opened.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// Their digest.
    #[serde(serialize_with = "hex_of")]
    pub digest: Digest,
}

/// A log that was begun although the node had one: that one is not in its place any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Begun {
    /// When.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// Identifier of the log before, 32 hex digits.
    #[serde(serialize_with = "text")]
    pub after: String,
}

impl From<Begun> for Entry {
    fn from(begun: Begun) -> Self {
        Self::Begun(begun)
    }
}

#[derive(Serialize)]
struct Numbered<'a> {
    i: u64,
    #[serde(flatten)]
    entry: &'a Entry,
}

/// The bytes of entry number `index`, without line end.
pub(super) fn encode(index: u64, entry: &Entry) -> Result<Vec<u8>, AuditError> {
    let numbered = Numbered { i: index, entry };
    let bytes = serde_json::to_vec(&numbered).map_err(|_| AuditError::Encode)?;
    if bytes.len() > MAX_ENTRY_BYTES {
        return Err(AuditError::TooLong { bytes: bytes.len() });
    }
    Ok(bytes)
}

// serde calls these with a reference to the member, whatever its type.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[allow(clippy::ptr_arg)]
fn text<S: Serializer>(text: &String, serializer: S) -> Result<S::Ok, S::Error> {
    if text.len() <= MAX_TEXT_BYTES {
        return serializer.serialize_str(text);
    }
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    serializer.serialize_str(&format!("sha256:{digest}"))
}

#[allow(clippy::ref_option)]
fn text_if_any<S: Serializer>(member: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match member {
        Some(member) => text(member, serializer),
        None => serializer.serialize_none(),
    }
}

fn hex_of<S: Serializer, const N: usize>(
    bytes: &[u8; N],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

#[allow(clippy::ref_option)]
fn hex_if_any<S: Serializer, const N: usize>(
    bytes: &Option<[u8; N]>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => hex_of(bytes, serializer),
        None => serializer.serialize_none(),
    }
}

#[allow(clippy::ref_option)]
fn base64_if_any<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
    match bytes {
        Some(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
        None => serializer.serialize_none(),
    }
}
