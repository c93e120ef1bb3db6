//! Content of assets: Secrets and ConfigMaps that their owner labelled for it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::CONTENT_LABEL;
use finp2p_crds::shared_asset::{Content, ContentKey};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::directory::{DirectoryError, read_bounded};

/// Most bytes of one content object: Kubernetes stores at most 1 MiB, and base64 in YAML adds
/// a third.
const OBJECT_MAX_BYTES: u64 = 2 * 1024 * 1024;

pub use finp2p_crds::content::{CONFIG_MAP, SECRET};

/// Why content is not to be had. The last version stays, and nothing is erased.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The object, or the key in it, is not there.
    #[error("the {kind} {name}, or the key {key} in it, does not exist")]
    NotFound {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
    },
    /// The owner of the object did not label it as content.
    #[error(
        "the {kind} {name} does not carry the label {CONTENT_LABEL}: \"true\"; its owner must set it"
    )]
    NotPermitted {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The object cannot be read.
    #[error("the {kind} {name} cannot be read")]
    Unreadable {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The object was asked for and the answer is not there yet.
    #[error("the {kind} {name} is being read")]
    Pending {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The node's service account may not read the object.
    #[error(
        "the node may not read the {kind} {name}: the operator gives it that right, see its log"
    )]
    Forbidden {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The node follows as many objects as it may.
    #[error(
        "the {kind} {name} is not read, because a node reads at most {max} Secrets and ConfigMaps: write the content of some assets through the local API (content: {{api: {{}}}})"
    )]
    TooMany {
        /// Secret or ConfigMap.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The bound.
        max: usize,
    },
    /// The local API writes this asset: there is no object to read.
    #[error("the content of this asset is written through the local API")]
    Api,
}

/// A folder of Secret and ConfigMap manifests: `secret.NAME.yaml`, `configmap.NAME.yaml`.
#[derive(Clone, Debug)]
pub struct ContentFolder {
    path: PathBuf,
}

/// A Secret or ConfigMap. Its values are wiped from memory with it, and never printed.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentObject {
    /// Name, version and labels.
    pub metadata: ContentMetadata,
    #[serde(default)]
    data: BTreeMap<String, Zeroizing<String>>,
    #[serde(default)]
    string_data: BTreeMap<String, Zeroizing<String>>,
    #[serde(default)]
    binary_data: BTreeMap<String, Zeroizing<String>>,
}

/// The part of the metadata that is looked at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContentMetadata {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its `resourceVersion`, where it comes from the Kubernetes API.
    #[serde(default)]
    pub resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl fmt::Debug for ContentObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentObject")
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

impl ContentObject {
    /// The bytes under the key, if the owner of the object labelled it as content.
    /// `stringData` wins over `data`, as in Kubernetes; `data` of a Secret and `binaryData` of a
    /// ConfigMap are base64.
    ///
    /// # Errors
    /// [`ContentError::NotPermitted`] and [`ContentError::NotFound`].
    pub fn value(
        &self,
        kind: &'static str,
        reference: &ContentKey,
    ) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        if self.metadata.labels.get(CONTENT_LABEL).map(String::as_str) != Some("true") {
            return Err(ContentError::NotPermitted {
                kind,
                name: reference.name.clone(),
            });
        }
        let key = reference.key.as_str();
        let plain = |text: &Zeroizing<String>| Zeroizing::new(text.as_bytes().to_vec());
        let decoded =
            |text: &Zeroizing<String>| STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new);
        let value = if kind == SECRET {
            let given = self.string_data.get(key).map(plain);
            given.or_else(|| self.data.get(key).and_then(decoded))
        } else {
            let text = self.data.get(key).map(plain);
            text.or_else(|| self.binary_data.get(key).and_then(decoded))
        };
        value.ok_or_else(|| not_found(kind, reference))
    }
}

impl ContentFolder {
    /// The folder at `path`; it need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest behind `content`; `None` when it is no object, or one that cannot be a file.
    #[must_use]
    pub fn file(&self, content: &Content) -> Option<PathBuf> {
        let (kind, reference) = object(content).ok()?;
        let prefix = kind.to_ascii_lowercase();
        (!reference.name.contains('/'))
            .then(|| self.path.join(format!("{prefix}.{}.yaml", reference.name)))
    }

    /// The bytes behind `content`, checked for the owner's label.
    ///
    /// # Errors
    /// [`ContentError`] says what is missing and who mends it.
    pub fn read(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let (kind, reference) = object(content)?;
        let file = self
            .file(content)
            .ok_or_else(|| not_found(kind, reference))?;
        parse(kind, reference, &file)?.value(kind, reference)
    }
}

/// Kind and reference of the object that an asset takes its content from.
///
/// # Errors
/// [`ContentError::Api`]: from none.
pub fn object(content: &Content) -> Result<(&'static str, &ContentKey), ContentError> {
    content.object().ok_or(ContentError::Api)
}

/// The object, or the key in it, is not there.
pub fn not_found(kind: &'static str, reference: &ContentKey) -> ContentError {
    ContentError::NotFound {
        kind,
        name: reference.name.clone(),
        key: reference.key.clone(),
    }
}

fn parse(
    kind: &'static str,
    reference: &ContentKey,
    file: &Path,
) -> Result<ContentObject, ContentError> {
    let unreadable = || ContentError::Unreadable {
        kind,
        name: reference.name.clone(),
    };
    let bytes = match read_bounded(file, OBJECT_MAX_BYTES) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(DirectoryError::Read { source, .. })
            if source.kind() == std::io::ErrorKind::NotFound =>
        {
            return Err(not_found(kind, reference));
        }
        Err(_) => return Err(unreadable()),
    };
    serde_yaml::from_slice(&bytes).map_err(|_| unreadable())
}
