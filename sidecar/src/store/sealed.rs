//! How a row looks on disk: what its key tells (nothing) and how its value is sealed.
//!
//! ```text
//! key    meta   00
//!        head   01 ‖ tag("space", space)[4] ‖ tag("name", space ‖ name)[32]
//!        chunk  02 ‖ tag("chunk", value id ‖ number)[32]
//! row    format(1) ‖ nonce(24) ‖ XChaCha20-Poly1305(plain), aad = domain ‖ store ‖ format ‖ key
//! head   revision(8) ‖ space(1) ‖ name length(2) ‖ name ‖ 00 ‖ value
//!                                              … or ‖ 01 ‖ value id(16) ‖ length(4) ‖ SHA-256(32)
//! ```
//! `tag` is HMAC-SHA-256 under a key that derives from the data key. What a listing of the file
//! tells: how many rows there are, how many in one (unnamed) space, how long they are.
//!
//! A value that does not fit its head is cut into chunks under a fresh random value id, not
//! under the hash of its content: no reference counts, nothing to compare between rows, a head
//! of constant size, and a key per resource can come later. A head names its value id, so that
//! an older chunk can never stand in for a newer one.

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    Key, Space, StoreError, Value,
    key::random,
    keyring::{FORMAT, Keyring},
};

/// Largest sealed row in bytes: half of what the database keeps power-safe.
pub(super) const MAX_ROW_BYTES: usize = 2048;
const NONCE_BYTES: usize = 24;
/// Format, nonce and authentication tag.
const SEAL_BYTES: usize = 1 + NONCE_BYTES + 16;
/// Largest plain text of a row.
pub(super) const ROOM_BYTES: usize = MAX_ROW_BYTES - SEAL_BYTES;
// The format number stands in one byte of each row.
const ROW_FORMAT: u8 = FORMAT as u8;

pub(super) const META_KEY: &[u8] = &[0];
pub(super) const HEAD: u8 = 1;
pub(super) const CHUNK: u8 = 2;
pub(super) type HeadKey = [u8; 37];
pub(super) type ChunkKey = [u8; 33];

/// HMAC-SHA-256 of a label and parts, each with its length before it.
pub(super) fn tag(key: &[u8; 32], label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // HMAC fills a short key with zeros itself; filling it here leaves no length to be wrong.
    let mut block = Zeroizing::new([0; 64]);
    if let Some(start) = block.first_chunk_mut() {
        *start = *key;
    }
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in std::iter::once(&label).chain(parts) {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Seals and opens the rows of one store.
pub(super) struct Sealer {
    store: [u8; 16],
    cipher: XChaCha20Poly1305,
    names: Zeroizing<[u8; 32]>,
    /// Key of the census over all rows.
    pub census: Zeroizing<[u8; 32]>,
    /// Key of the watermark.
    pub watermark: Zeroizing<[u8; 32]>,
}

impl Sealer {
    pub(super) fn new(keyring: &Keyring) -> Self {
        let derive = |label: &[u8]| Zeroizing::new(tag(&keyring.data_key, label, &[]));
        Self {
            store: keyring.store,
            cipher: XChaCha20Poly1305::new((&*derive(b"finp2p/store/rows/1")).into()),
            names: derive(b"finp2p/store/names/1"),
            census: derive(b"finp2p/store/census/1"),
            watermark: derive(b"finp2p/store/watermark/1"),
        }
    }

    /// What the stored keys of all heads of a space begin with.
    pub(super) fn space_prefix(&self, space: Space) -> [u8; 5] {
        let [a, b, c, d, ..] = tag(&self.names, b"space", &[&[space.number()]]);
        [HEAD, a, b, c, d]
    }

    pub(super) fn head_key(&self, key: &Key) -> HeadKey {
        let name = tag(
            &self.names,
            b"name",
            &[&[key.space().number()], key.name().as_bytes()],
        );
        let mut stored = [0; 37];
        let prefix = self.space_prefix(key.space());
        for (to, from) in stored.iter_mut().zip(prefix.into_iter().chain(name)) {
            *to = from;
        }
        stored
    }

    pub(super) fn chunk_key(&self, chunks: &Chunks, number: u32) -> ChunkKey {
        let name = tag(&self.names, b"chunk", &[&chunks.id, &number.to_be_bytes()]);
        let mut stored = [CHUNK; 33];
        for (to, from) in stored.iter_mut().skip(1).zip(name) {
            *to = from;
        }
        stored
    }

    /// Seals `plain`, at most [`ROOM_BYTES`], as the row under `key`.
    pub(super) fn seal(&self, key: &[u8], plain: &[u8]) -> Result<Vec<u8>, StoreError> {
        let nonce = random::<NONCE_BYTES>()?;
        let payload = Payload {
            msg: plain,
            aad: &self.aad(key),
        };
        let sealed = self
            .cipher
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| damaged(key))?;
        Ok([&[ROW_FORMAT], nonce.as_slice(), &sealed].concat())
    }

    /// Opens the row under `key`.
    pub(super) fn open(&self, key: &[u8], row: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let parts = row
            .split_first()
            .filter(|(format, _)| **format == ROW_FORMAT)
            .and_then(|(_, rest)| rest.split_at_checked(NONCE_BYTES));
        let (nonce, sealed) = parts.ok_or_else(|| damaged(key))?;
        let payload = Payload {
            msg: sealed,
            aad: &self.aad(key),
        };
        let plain = self.cipher.decrypt(XNonce::from_slice(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| damaged(key))
    }

    fn aad(&self, key: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 4] = [b"finp2p/store/row/1", &self.store, &[ROW_FORMAT], key];
        parts.concat()
    }
}

/// The error for a row that does not open; the key on disk says nothing about the name.
pub(super) fn damaged(key: &[u8]) -> StoreError {
    StoreError::Damaged {
        row: hex::encode(key.get(..13).unwrap_or(key)),
    }
}

/// Where the pieces of a long value are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunks {
    pub id: [u8; 16],
    pub bytes: u32,
    pub digest: [u8; 32],
}

impl Chunks {
    pub(super) fn new(value: &[u8]) -> Result<Self, StoreError> {
        let bytes = u32::try_from(value.len());
        Ok(Self {
            id: random()?,
            bytes: bytes.map_err(|_| StoreError::Value { bytes: value.len() })?,
            digest: Sha256::digest(value).into(),
        })
    }

    pub(super) fn count(&self) -> u32 {
        // ROOM_BYTES is 2007.
        self.bytes.div_ceil(ROOM_BYTES as u32)
    }

    /// Whether `value` is what was cut into these pieces.
    pub(super) fn holds(&self, value: &[u8]) -> bool {
        let digest: [u8; 32] = Sha256::digest(value).into();
        value.len() == self.bytes as usize && digest == self.digest
    }
}

/// The content of a head row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Revision of the store that wrote it.
    pub revision: u64,
    /// Its name in clear.
    pub key: Key,
    pub body: Body,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Body {
    Inline(Value),
    Chunked(Chunks),
}

/// Bytes of a head beside name and value.
const HEAD_BYTES: usize = 8 + 1 + 2 + 1;

impl Head {
    /// Whether `value` fits into the head row of `key`.
    pub(super) fn fits(key: &Key, value: &[u8]) -> bool {
        HEAD_BYTES + key.name().len() + value.len() <= ROOM_BYTES
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let name = self.key.name().as_bytes();
        // A name has at most 512 bytes.
        let length = name.len() as u16;
        let mut plain = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
        plain.extend(self.revision.to_be_bytes());
        plain.push(self.key.space().number());
        plain.extend(length.to_be_bytes());
        plain.extend(name);
        match &self.body {
            Body::Inline(value) => {
                plain.push(0);
                plain.extend(value.iter());
            }
            Body::Chunked(chunks) => {
                plain.push(1);
                plain.extend(chunks.id);
                plain.extend(chunks.bytes.to_be_bytes());
                plain.extend(chunks.digest);
            }
        }
        plain
    }

    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let (revision, rest) = plain.split_first_chunk()?;
        let (space, rest) = rest.split_first()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
        let key = Key::new(Space::from_number(*space)?, std::str::from_utf8(name).ok()?);
        let body = match rest.split_first()? {
            (0, value) => Body::Inline(value.into()),
            (1, rest) => {
                let (id, rest) = rest.split_first_chunk()?;
                let (bytes, rest) = rest.split_first_chunk()?;
                Body::Chunked(Chunks {
                    id: *id,
                    bytes: u32::from_be_bytes(*bytes),
                    digest: rest.try_into().ok()?,
                })
            }
            _ => return None,
        };
        Some(Self {
            revision: u64::from_be_bytes(*revision),
            key: key.ok()?,
            body,
        })
    }
}
