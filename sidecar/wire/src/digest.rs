//! SHA-256 digests.

use sha2::{Digest as _, Sha256};

use crate::cbor::fixed_bytes;
use crate::key::PublicKey;

fixed_bytes!(
    /// A SHA-256 digest.
    Digest, 32
);

impl Digest {
    /// SHA-256 of the bytes.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes.as_ref()).into())
    }
}

/// The digest of the roots that this node pins for an organization, as it stands in the `trust`
/// field of a hello: SHA-256 over the organization's name and the root keys in ascending order.
/// The other side compares it with its own roots and sees who already knows a new one.
pub fn trust<'a>(org: &str, roots: impl IntoIterator<Item = &'a PublicKey>) -> Digest {
    let mut keys: Vec<[u8; 32]> = roots.into_iter().map(|root| *root.as_bytes()).collect();
    keys.sort_unstable();
    keys.dedup();
    let mut hash = Sha256::new();
    hash.update(b"finp2p/trust/1");
    // Length first: a name cannot run into the keys.
    hash.update((org.len() as u64).to_be_bytes());
    hash.update(org.as_bytes());
    for key in keys {
        hash.update(key);
    }
    Digest(hash.finalize().into())
}
