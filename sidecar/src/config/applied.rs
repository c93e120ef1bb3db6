//! A complete set, decoded: what the node decides with.

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_crds::access::Facts;
use finp2p_crds::condition::reasons;
use finp2p_crds::entry::{self, AssetEntry, Entry, PeerEntry, PolicyEntry, SchemaEntry};
use finp2p_crds::sidecar_config::{AppliedSlice, Exception, REPORT_MAX_ROWS, RawEntry, Root};
use sha2::{Digest, Sha256};

use super::reading::{Complete, Incomplete, Reading};

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
    /// SHA-256 over root and slices: what an audit entry names as the deciding configuration.
    pub digest: [u8; 32],
    /// The reading it was made of, to be kept.
    pub reading: Reading,
}

impl Applied {
    /// Decodes a reading that is a complete set. An entry that does not decode completely is
    /// refused alone: a policy or asset is left out, a peer becomes a suspended peer.
    ///
    /// # Errors
    /// [`Incomplete`] when the reading is no complete set.
    pub fn decode(reading: Reading) -> Result<Self, Incomplete> {
        let complete = reading.complete()?;
        let mut parts = Parts::default();
        for (_, slice) in &complete.slices {
            for raw in &slice.entries {
                parts.add(raw);
            }
        }
        let digest = digest(&complete);
        let root = complete.root.clone();
        let (uid, slices) = (
            complete.uid.to_owned(),
            complete.slices.into_iter().map(|(name, _)| name).collect(),
        );
        Ok(Self {
            uid,
            slices,
            facts: Arc::new(Facts::new(
                root.organization_id.clone(),
                parts.peers,
                parts.policies,
                parts.assets,
            )),
            root,
            schemas: parts.schemas,
            exceptions: parts.exceptions,
            digest,
            reading,
        })
    }
}

#[derive(Default)]
struct Parts {
    peers: Vec<Entry<PeerEntry>>,
    policies: Vec<Entry<PolicyEntry>>,
    assets: Vec<Entry<AssetEntry>>,
    schemas: BTreeMap<String, String>,
    exceptions: Vec<Exception>,
}

impl Parts {
    fn add(&mut self, raw: &RawEntry) {
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

/// SHA-256 over the JSON of root and slices in the root's order. JSON of these types has one
/// form: fields in declaration order, maps sorted.
fn digest(complete: &Complete<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"finp2p/config/1");
    let mut part = |json: Result<Vec<u8>, serde_json::Error>| {
        // Types without maps of non-string keys always have a JSON form.
        let bytes = json.unwrap_or_default();
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(&bytes);
    };
    part(serde_json::to_vec(complete.root));
    for (_, slice) in &complete.slices {
        part(serde_json::to_vec(slice));
    }
    hash.finalize().into()
}
