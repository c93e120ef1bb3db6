//! Who signs records with the record key (K), and where a reader finds the public half.

use std::collections::HashMap;

use finp2p_wire::key::{Kid, PublicKey, SigningKey};

/// Whoever holds the record key of this organization.
pub trait RecordSigner {
    /// The id of the public key.
    fn kid(&self) -> Kid;
    /// The Ed25519 signature (RFC 8032 §5.1.6) over `message`.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

impl RecordSigner for SigningKey {
    fn kid(&self) -> Kid {
        self.kid()
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.sign(message)
    }
}

/// A record key that was once certified, with the time for which it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordKey {
    /// The organization that the certificate names.
    pub organization: String,
    /// The public key.
    pub key: PublicKey,
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
    fn record_key(&self, kid: &Kid) -> Option<RecordKey>;
}

impl RecordKeys for HashMap<Kid, RecordKey> {
    fn record_key(&self, kid: &Kid) -> Option<RecordKey> {
        self.get(kid).cloned()
    }
}
