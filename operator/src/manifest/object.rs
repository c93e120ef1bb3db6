//! The typed object that the plan takes.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::label::Labels;
use finp2p_crds::{PeerOrganization, SharedAsset, SharingPolicy};
use kube::core::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::document::{Document, Source};
use super::namespace::Spot;
use super::place::Place;
use crate::finding::{Finding, quote};

/// Bytes of the hash that stands for a uid: 128 bits, as many as a Kubernetes uid.
const UID_BYTES: usize = 16;

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectId {
    /// The uid of an object in files, which no server gave one: a hash of its identity, so
    /// that it is the same in every run.
    pub fn uid(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(b"finp2p/file-uid/1");
        for part in [&self.kind, &self.namespace, &self.name] {
            hash.update([0]);
            hash.update(part.as_bytes());
        }
        let digest = hash.finalize();
        hex::encode(digest.iter().take(UID_BYTES).copied().collect::<Vec<_>>())
    }
}

/// An object that passed every check of what it shows by itself.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where it is written; its order is the order of creation of what is read at once.
    pub source: Source,
    /// Where its parts stand.
    pub place: Place,
    /// Identity; `namespace` is the one it is applied in.
    pub id: ObjectId,
    /// A record of the consortium, applied in every namespace.
    pub member: bool,
    /// In which reading it was first seen, by whoever follows a folder ([`crate::local::register`]):
    /// what was there before is older, wherever it is written. 0 when the folder is read once.
    pub since: u64,
    /// What it says.
    pub manifest: Manifest,
}

/// What an object says. The metadata of the typed kinds has `namespace` and `uid` set;
/// `generation` is for the caller to count and `creationTimestamp` does not exist in files.
#[derive(Clone, Debug)]
pub enum Manifest {
    /// A PeerOrganization.
    PeerOrganization(Box<PeerOrganization>),
    /// A SharedAsset.
    SharedAsset(Box<SharedAsset>),
    /// A SharingPolicy.
    SharingPolicy(Box<SharingPolicy>),
    /// A Secret.
    Secret(Keyed),
    /// A ConfigMap.
    ConfigMap(Keyed),
}

/// A Secret or ConfigMap: bytes by key. The values are private; `Debug` shows keys only.
#[derive(Clone, Default)]
pub struct Keyed {
    /// Name.
    pub name: String,
    /// Labels; content must carry [`finp2p_crds::CONTENT_LABEL`].
    pub labels: Labels,
    /// The data, decoded.
    pub data: BTreeMap<String, Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for Keyed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keyed")
            .field("name", &self.name)
            .field("labels", &self.labels)
            .field("keys", &self.data.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Object {
    /// The object of a document, or what is wrong with it. `Ok(None)` is a kind that is not
    /// for us.
    ///
    /// # Errors
    /// A [`Finding`] when the document does not have the shape of its kind.
    pub(super) fn from_document(
        document: &Document,
        member: bool,
    ) -> Result<Option<Self>, Box<Finding>> {
        let id = ObjectId {
            kind: document.kind.clone(),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
        };
        let manifest = match (document.api_version.as_str(), document.kind.as_str()) {
            ("v1", "Secret") => Manifest::Secret(keyed(document, &["data"], "stringData")?),
            ("v1", "ConfigMap") => Manifest::ConfigMap(keyed(document, &["binaryData"], "data")?),
            _ if !document.is_ours() => return Ok(None),
            (_, "PeerOrganization") => {
                let mut object: PeerOrganization = typed(document)?;
                place_in(&mut object.metadata, &id);
                Manifest::PeerOrganization(Box::new(object))
            }
            (_, "SharedAsset") => {
                let mut object: SharedAsset = typed(document)?;
                place_in(&mut object.metadata, &id);
                Manifest::SharedAsset(Box::new(object))
            }
            (_, "SharingPolicy") => {
                let mut object: SharingPolicy = typed(document)?;
                place_in(&mut object.metadata, &id);
                Manifest::SharingPolicy(Box::new(object))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            source: document.source.clone(),
            place: document.place.clone(),
            id,
            member,
            since: 0,
            manifest,
        }))
    }

    /// The same object in another namespace.
    #[must_use]
    pub(super) fn moved_to(&self, namespace: &str) -> Self {
        let mut moved = self.clone();
        namespace.clone_into(&mut moved.id.namespace);
        let id = moved.id.clone();
        if let Some(metadata) = moved.metadata_mut() {
            place_in(metadata, &id);
        }
        moved
    }

    /// Its metadata, where a kind of ours has some.
    pub fn metadata_mut(&mut self) -> Option<&mut ObjectMeta> {
        match &mut self.manifest {
            Manifest::PeerOrganization(object) => Some(&mut object.metadata),
            Manifest::SharedAsset(object) => Some(&mut object.metadata),
            Manifest::SharingPolicy(object) => Some(&mut object.metadata),
            Manifest::Secret(_) | Manifest::ConfigMap(_) => None,
        }
    }

    /// Where it is named.
    pub fn spot(&self) -> Spot {
        Spot {
            file: self.source.file.clone(),
            at: self.place.find("/metadata/name"),
        }
    }

    /// An error about one field of it, for what only shows beside other objects.
    pub fn finding(
        &self,
        field: &str,
        reason: &str,
        message: impl Into<String>,
        cure: &str,
    ) -> Finding {
        let at = self.place.find(field);
        let mut finding =
            Finding::error(&self.source.file, reason, message, cure).at(at.line, at.column);
        finding.kind = Some(self.id.kind.clone());
        finding.namespace = Some(self.id.namespace.clone()).filter(|n| !n.is_empty());
        finding.name = Some(self.id.name.clone());
        finding.field = Some(field.to_owned()).filter(|f| !f.is_empty());
        finding
    }
}

fn place_in(metadata: &mut ObjectMeta, id: &ObjectId) {
    metadata.namespace = Some(id.namespace.clone());
    metadata.uid = Some(id.uid());
}

fn typed<T: DeserializeOwned>(document: &Document) -> Result<T, Box<Finding>> {
    serde_json::from_value(document.value.clone()).map_err(|error| {
        Box::new(document.finding(
            "",
            "Invalid",
            format!("it does not have the shape of its kind: {error}"),
            "compare it with the documentation: kubectl explain, or the samples",
        ))
    })
}

/// Reads a Secret or ConfigMap: `encoded` maps hold base64, `plain` holds text and wins, as
/// on an API server. Messages never show a value.
fn keyed(document: &Document, encoded: &[&str], plain: &str) -> Result<Keyed, Box<Finding>> {
    let mut data = BTreeMap::new();
    for field in encoded {
        for (key, text) in texts(document, field)? {
            let bytes = STANDARD.decode(text).map_err(|_| {
                Box::new(document.finding(
                    &format!("/{field}/{}", super::place::escape(key)),
                    "NotBase64",
                    format!("the value of {} is not base64", quote(key)),
                    "encode it (base64 -w0), or write the text itself under stringData",
                ))
            })?;
            data.insert(key.to_owned(), Zeroizing::new(bytes));
        }
    }
    for (key, text) in texts(document, plain)? {
        data.insert(key.to_owned(), Zeroizing::new(text.as_bytes().to_vec()));
    }
    let labels = document
        .value
        .pointer("/metadata/labels")
        .and_then(Value::as_object);
    Ok(Keyed {
        name: document.name.clone(),
        labels: labels.map(label_map).unwrap_or_default(),
        data,
    })
}

fn label_map(labels: &Map<String, Value>) -> Labels {
    labels
        .iter()
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}

fn texts<'a>(document: &'a Document, field: &str) -> Result<Vec<(&'a str, &'a str)>, Box<Finding>> {
    let not_text = |pointer: String| {
        Box::new(document.finding(
            &pointer,
            "NotText",
            "the value is not text",
            "put it in quotes, or use a block (key: |)",
        ))
    };
    match document.value.get(field) {
        None => Ok(Vec::new()),
        Some(Value::Object(map)) => map
            .iter()
            .map(|(key, value)| match value {
                Value::String(text) => Ok((key.as_str(), text.as_str())),
                _ => Err(not_text(format!("/{field}/{}", super::place::escape(key)))),
            })
            .collect(),
        Some(_) => Err(not_text(format!("/{field}"))),
    }
}
