//! The record key (K): its id, who signs with it, and where a reader finds it.

use std::collections::HashMap;

use ed25519_dalek::{SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// Bytes of a key id.
pub const KEY_ID_BYTES: usize = 16;
/// What is hashed before the public key, so that a key id is no other hash of the key.
const KEY_ID_DOMAIN: &[u8] = b"finp2p/kid/1";

/// The first 16 bytes of SHA-256(`finp2p/kid/1` ‖ public key).
pub type KeyId = [u8; KEY_ID_BYTES];

/// The id of an Ed25519 public key.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> KeyId {
    let digest = Sha256::new()
        .chain_update(KEY_ID_DOMAIN)
        .chain_update(key.as_bytes())
        .finalize();
    let mut id = KeyId::default();
    id.iter_mut()
        .zip(digest.iter())
        .for_each(|(to, from)| *to = *from);
    id
}

/// Whoever holds the record key of this organization.
pub trait RecordSigner {
    /// The id of the public key.
    fn kid(&self) -> KeyId;
    /// The Ed25519 signature (RFC 8032 §5.1.6) over `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

impl RecordSigner for SigningKey {
    fn kid(&self) -> KeyId {
        key_id(&self.verifying_key())
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(self, message).to_bytes()
    }
}

/// A record key that was once certified, with the time for which it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The organization that the certificate names.
    pub organization: String,
    /// The public key.
    pub key: VerifyingKey,
    /// First second at which it may have signed, in seconds since 1970.
    pub not_before: u64,
    /// First second at which it may no longer have signed.
    pub expires: u64,
}

/// The record keys a reader knows.
///
/// Holds keys certified with use `rec` **only**: a session or credential key found here
/// could sign records. Past keys stay, so that old records still verify.
pub trait RecordKeys {
    /// The key with this id, if it is known.
    fn record_key(&self, kid: &KeyId) -> Option<RecordKey>;
}

impl RecordKeys for HashMap<KeyId, RecordKey> {
    fn record_key(&self, kid: &KeyId) -> Option<RecordKey> {
        self.get(kid).cloned()
    }
}
