//! Content of assets: Secrets and ConfigMaps that their owner labelled for it.

use std::collections::BTreeMap;
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
    /// The local API writes this asset: there is no object to read.
    #[error("the content of this asset is written through the local API")]
    Api,
}

/// A folder of Secret and ConfigMap manifests: `secret.NAME.yaml`, `configmap.NAME.yaml`.
#[derive(Clone, Debug)]
pub struct ContentFolder {
    path: PathBuf,
}

#[derive(Deserialize)]
struct Object {
    metadata: ObjectMetadata,
    #[serde(default)]
    data: BTreeMap<String, Zeroizing<String>>,
    #[serde(default, rename = "stringData")]
    string_data: BTreeMap<String, Zeroizing<String>>,
}

#[derive(Deserialize)]
struct ObjectMetadata {
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

impl ContentFolder {
    /// The folder at `path`; it need not exist.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The bytes behind `content`, checked for the owner's label.
    ///
    /// # Errors
    /// [`ContentError`] says what is missing and who mends it.
    pub fn read(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let (kind, prefix, reference) = match (&content.secret, &content.config_map) {
            (Some(secret), _) => ("Secret", "secret", secret),
            (None, Some(config_map)) => ("ConfigMap", "configmap", config_map),
            (None, None) => return Err(ContentError::Api),
        };
        let object = self.object(kind, prefix, reference)?;
        if object
            .metadata
            .labels
            .get(CONTENT_LABEL)
            .map(String::as_str)
            != Some("true")
        {
            return Err(ContentError::NotPermitted {
                kind,
                name: reference.name.clone(),
            });
        }
        value(kind, &object, &reference.key).ok_or_else(|| not_found(kind, reference))
    }

    fn object(
        &self,
        kind: &'static str,
        prefix: &str,
        reference: &ContentKey,
    ) -> Result<Object, ContentError> {
        let unreadable = || ContentError::Unreadable {
            kind,
            name: reference.name.clone(),
        };
        if reference.name.contains('/') {
            return Err(not_found(kind, reference));
        }
        let file = format!("{prefix}.{}.yaml", reference.name);
        let bytes = match read_bounded(Path::new(&self.path.join(file)), OBJECT_MAX_BYTES) {
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
}

fn not_found(kind: &'static str, reference: &ContentKey) -> ContentError {
    ContentError::NotFound {
        kind,
        name: reference.name.clone(),
        key: reference.key.clone(),
    }
}

/// `stringData` wins over `data`, as in Kubernetes; `data` of a Secret is base64.
fn value(kind: &str, object: &Object, key: &str) -> Option<Zeroizing<Vec<u8>>> {
    let plain = |text: &Zeroizing<String>| Zeroizing::new(text.as_bytes().to_vec());
    if let Some(text) = object.string_data.get(key).filter(|_| kind == "Secret") {
        return Some(plain(text));
    }
    let text = object.data.get(key)?;
    if kind == "Secret" {
        STANDARD.decode(text.as_bytes()).ok().map(Zeroizing::new)
    } else {
        Some(plain(text))
    }
}
