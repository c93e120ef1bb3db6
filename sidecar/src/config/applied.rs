//! A complete set, decoded: what the node decides with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use finp2p_crds::SidecarConfig;
use finp2p_crds::access::Facts;
use finp2p_crds::condition::reasons;
use finp2p_crds::entry::{self, AssetEntry, Entry, PeerEntry, PolicyEntry, SchemaEntry};
use finp2p_crds::sidecar_config::{
    AppliedSlice, Exception, REPORT_MAX_ROWS, RawEntry, Root, Slice,
};
use sha2::{Digest, Sha256};

use super::reading::{CompleteSlice, Incomplete, Reading};

/// A complete set, decoded. Immutable: another configuration is another value.
#[derive(Debug)]
pub struct Applied {
    /// Uid of the root object it came from.
    pub uid: String,
    /// What concerns the node itself.
    pub root: Root,
    /// Slices it is made of.
    pub slices: Vec<AppliedSlice>,
    /// Peers, policies and assets, for the access model.
    pub facts: Arc<Facts>,
    /// JSON Schema text by uid of its asset.
    pub schemas: BTreeMap<String, String>,
    /// Entries that this version could not decode; at most [`REPORT_MAX_ROWS`].
    pub exceptions: Vec<Exception>,
    /// How many more there were.
    pub more_exceptions: usize,
    /// SHA-256 over root and slices: what an audit entry names as the deciding configuration.
    pub digest: [u8; 32],
    /// The reading it was made of, to be kept.
    pub reading: Reading,
    /// The slices decoded, in the root's order: an edit decodes those anew that it changed.
    parts: Vec<Arc<Part>>,
}

impl Applied {
    /// Decodes a reading that is a complete set; what is the same in `before` is taken from there.
    /// An entry that does not decode completely is refused alone: a policy or asset is left out, a
    /// peer becomes a suspended peer.
    ///
    /// # Errors
    /// [`Incomplete`] when the reading is no complete set.
    pub fn decode(reading: Reading, before: Option<&Self>) -> Result<Self, Incomplete> {
        let complete = reading.complete()?;
        let known: BTreeMap<&str, &Arc<Part>> = before
            .iter()
            .flat_map(|before| &before.parts)
            .map(|part| (part.name(), part))
            .collect();
        let parts: Vec<Arc<Part>> = complete
            .slices
            .iter()
            .map(|slice| {
                let known = known.get(slice.applied.slice.as_str());
                match known.filter(|part| part.is_of(slice.object)) {
                    Some(part) => Arc::clone(part),
                    None => Arc::new(Part::decode(slice)),
                }
            })
            .collect();
        let mut all = Contents::default();
        for part in &parts {
            all.add(&part.contents);
        }
        all.exceptions.truncate(REPORT_MAX_ROWS);
        let more_exceptions = all.undecoded.saturating_sub(all.exceptions.len());
        let root = complete.root.clone();
        let (uid, digest) = (complete.uid.to_owned(), digest(&root, &parts));
        let slices = complete.slices.into_iter().map(|s| s.applied).collect();
        let organization = root.organization_id.clone();
        Ok(Self {
            uid,
            root,
            slices,
            facts: Arc::new(Facts::new(
                organization,
                all.peers,
                all.policies,
                all.assets,
            )),
            schemas: all.schemas,
            exceptions: all.exceptions,
            more_exceptions,
            digest,
            reading,
            parts,
        })
    }

    /// Whether this cannot come after `before` at the same sequence: a slice is at a lower
    /// generation, or says something else at the same one.
    #[must_use]
    pub fn forks_from(&self, before: &Self) -> bool {
        let known: BTreeMap<&str, (i64, &Arc<Part>)> = before.generations().collect();
        self.generations().any(|(name, (generation, part))| {
            known.get(name).is_some_and(|(was, other)| {
                // Slices written by hand into a directory have no generation.
                generation < *was
                    || (generation == *was && generation > 0 && part.digest != other.digest)
            })
        })
    }

    /// The entries as they came, of all slices that `other` does not hold as they are.
    pub fn entries_apart_from(&self, other: Option<&Self>) -> impl Iterator<Item = &RawEntry> {
        let other = other.iter().flat_map(|other| &other.parts);
        let shared: BTreeSet<_> = other.map(Arc::as_ptr).collect();
        let parts = self.parts.iter();
        let apart = parts.filter(move |part| !shared.contains(&Arc::as_ptr(part)));
        apart.flat_map(|part| part.object.spec.slice.iter().flat_map(|s| &s.entries))
    }

    /// Whether both hold the same decoded slice at this position.
    #[cfg(test)]
    pub fn shares_with(&self, other: &Self, position: usize) -> bool {
        let (here, there) = (self.parts.get(position), other.parts.get(position));
        matches!((here, there), (Some(a), Some(b)) if Arc::ptr_eq(a, b))
    }

    fn generations(&self) -> impl Iterator<Item = (&str, (i64, &Arc<Part>))> {
        let slices = self.slices.iter().zip(&self.parts);
        slices.map(|(applied, part)| (applied.slice.as_str(), (applied.generation, part)))
    }
}

/// One slice, decoded.
#[derive(Debug)]
struct Part {
    object: Arc<SidecarConfig>,
    contents: Contents,
    /// SHA-256 over the JSON of the slice.
    digest: [u8; 32],
}

impl Part {
    fn decode(slice: &CompleteSlice<'_>) -> Self {
        let mut contents = Contents::default();
        for raw in &slice.slice.entries {
            contents.decode(raw);
        }
        Self {
            object: Arc::clone(slice.object),
            contents,
            digest: slice_digest(slice.slice),
        }
    }

    fn name(&self) -> &str {
        self.object.metadata.name.as_deref().unwrap_or_default()
    }

    /// Whether decoding `object` would give the same.
    fn is_of(&self, object: &Arc<SidecarConfig>) -> bool {
        Arc::ptr_eq(&self.object, object) || self.object.spec == object.spec
    }
}

/// What slices hold.
#[derive(Debug, Default)]
struct Contents {
    peers: Vec<Entry<PeerEntry>>,
    policies: Vec<Entry<PolicyEntry>>,
    assets: Vec<Entry<AssetEntry>>,
    schemas: BTreeMap<String, String>,
    /// At most [`REPORT_MAX_ROWS`] of a slice.
    exceptions: Vec<Exception>,
    /// How many there were.
    undecoded: usize,
}

impl Contents {
    fn add(&mut self, other: &Self) {
        self.peers.extend_from_slice(&other.peers);
        self.policies.extend_from_slice(&other.policies);
        self.assets.extend_from_slice(&other.assets);
        let schemas = other.schemas.iter();
        self.schemas
            .extend(schemas.map(|(uid, text)| (uid.clone(), text.clone())));
        self.exceptions.extend_from_slice(&other.exceptions);
        self.undecoded = self.undecoded.saturating_add(other.undecoded);
    }

    fn decode(&mut self, raw: &RawEntry) {
        let understood = match raw.kind.as_str() {
            entry::PEER => {
                let decoded = raw.decode().ok();
                let understood = decoded.is_some();
                self.peers.extend(decoded.or_else(|| suspended(raw)));
                understood
            }
            entry::POLICY => push(&mut self.policies, raw.decode().ok()),
            entry::ASSET => push(&mut self.assets, raw.decode().ok()),
            entry::SCHEMA => match raw.decode::<SchemaEntry>() {
                Ok(schema) => {
                    self.schemas.insert(schema.uid, schema.payload.text);
                    true
                }
                Err(_) => false,
            },
            _ => false,
        };
        self.undecoded = self.undecoded.saturating_add(usize::from(!understood));
        if !understood && self.exceptions.len() < REPORT_MAX_ROWS {
            self.exceptions.push(Exception {
                kind: raw.kind.chars().take(63).collect(),
                name: raw.name.chars().take(253).collect(),
                reason: reasons::UNSUPPORTED.to_owned(),
                message: "this node cannot decode the entry completely and grants nothing by it: \
                          bring operator and sidecar to the same version"
                    .to_owned(),
            });
        }
    }
}

fn push<T>(list: &mut Vec<Entry<T>>, entry: Option<Entry<T>>) -> bool {
    let understood = entry.is_some();
    list.extend(entry);
    understood
}

/// What an undecodable peer becomes: nobody may take "not understood" for "not there".
fn suspended(raw: &RawEntry) -> Option<Entry<PeerEntry>> {
    let organization_id = raw.payload.get("organizationId")?.as_str()?.to_owned();
    Some(Entry {
        uid: raw.uid.clone(),
        generation: raw.generation,
        name: raw.name.clone(),
        payload: PeerEntry {
            organization_id,
            suspended: true,
            ..PeerEntry::default()
        },
    })
}

/// SHA-256 over the JSON of the root and the digests of the slices in the root's order. JSON of
/// these types has one form: fields in declaration order, maps sorted.
fn digest(root: &Root, parts: &[Arc<Part>]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"finp2p/config/1");
    json(&mut hash, serde_json::to_vec(root));
    for part in parts {
        hash.update(part.digest);
    }
    hash.finalize().into()
}

fn slice_digest(slice: &Slice) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"finp2p/config-slice/1");
    json(&mut hash, serde_json::to_vec(slice));
    hash.finalize().into()
}

fn json(hash: &mut Sha256, json: Result<Vec<u8>, serde_json::Error>) {
    // Types without maps of non-string keys always have a JSON form.
    let bytes = json.unwrap_or_default();
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(&bytes);
}
