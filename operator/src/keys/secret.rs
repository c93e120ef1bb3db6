//! The Secret that an issuing key lives in: `key.pem` (PKCS #8) and `certificate` (the envelope,
//! base64).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_wire::key::{KeyError, SigningKey};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize as _, Zeroizing};

/// Key in the Secret that holds the private key.
pub const KEY: &str = "key.pem";
/// Key in the Secret that holds the certificate.
pub const CERTIFICATE: &str = "certificate";
/// Name of the Secret unless it is given another.
pub const DEFAULT_NAME: &str = "finp2p-issuer";

/// Why a Secret manifest was not written or read. Says nothing of its values.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The key has no PKCS #8 form.
    #[error("the issuing key could not be encoded")]
    Key(#[source] KeyError),
    /// No YAML form.
    #[error("the Secret could not be written as YAML")]
    Yaml(#[source] serde_yaml::Error),
    /// Not a Secret manifest.
    #[error("it is not the manifest of one Secret, as keygen and certify write it")]
    NotASecret,
    /// No `key.pem`, or it is not a private key.
    #[error("its key.pem is missing or no Ed25519 private key in PEM (PKCS #8)")]
    NoKey,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    api_version: String,
    kind: String,
    metadata: Metadata,
    #[serde(rename = "type", default)]
    type_: String,
    #[serde(default)]
    string_data: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    data: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Metadata {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

impl Drop for Manifest {
    fn drop(&mut self) {
        self.string_data
            .values_mut()
            .for_each(|value| value.zeroize());
        self.data.values_mut().for_each(|value| value.zeroize());
    }
}

/// The manifest of an issuing key's Secret.
///
/// # Errors
/// [`SecretError::Key`] and [`SecretError::Yaml`].
pub fn manifest(
    name: &str,
    namespace: Option<&str>,
    key: &SigningKey,
    certificate: &[u8],
) -> Result<Zeroizing<String>, SecretError> {
    let pem = key.to_pkcs8_pem().map_err(SecretError::Key)?;
    let manifest = Manifest {
        api_version: "v1".to_owned(),
        kind: "Secret".to_owned(),
        metadata: Metadata {
            name: name.to_owned(),
            namespace: namespace.map(str::to_owned),
        },
        type_: "Opaque".to_owned(),
        string_data: [
            (KEY.to_owned(), pem.as_str().to_owned()),
            (CERTIFICATE.to_owned(), STANDARD.encode(certificate)),
        ]
        .into(),
        data: BTreeMap::new(),
    };
    let yaml = Zeroizing::new(serde_yaml::to_string(&manifest).map_err(SecretError::Yaml)?);
    Ok(Zeroizing::new(format!(
        "# The issuing key: it certifies the node's keys. A secret: apply it, and keep it out of git\n# unless it is encrypted there.\n{}",
        *yaml
    )))
}

/// The issuing key in a Secret's manifest.
///
/// # Errors
/// [`SecretError::NotASecret`] and [`SecretError::NoKey`].
pub fn key_in(text: &str) -> Result<SigningKey, SecretError> {
    let bytes = parse(text)?.value(KEY).ok_or(SecretError::NoKey)?;
    let pem = std::str::from_utf8(&bytes).map_err(|_| SecretError::NoKey)?;
    SigningKey::from_pkcs8_pem(pem).map_err(|_| SecretError::NoKey)
}

/// The certificate in a Secret's manifest, as the bytes of its envelope, if there is one.
pub fn certificate_in(text: &str) -> Option<Vec<u8>> {
    let base64 = parse(text).ok()?.value(CERTIFICATE)?;
    let base64 = std::str::from_utf8(&base64).ok()?;
    STANDARD.decode(base64.trim()).ok()
}

fn parse(text: &str) -> Result<Manifest, SecretError> {
    let manifest: Manifest = serde_yaml::from_str(text).map_err(|_| SecretError::NotASecret)?;
    match manifest.kind.as_str() {
        "Secret" => Ok(manifest),
        _ => Err(SecretError::NotASecret),
    }
}

impl Manifest {
    /// One value, from text or from base64.
    fn value(&self, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        if let Some(text) = self.string_data.get(name) {
            return Some(Zeroizing::new(text.clone().into_bytes()));
        }
        let encoded = self.data.get(name)?;
        STANDARD.decode(encoded.trim()).ok().map(Zeroizing::new)
    }
}
