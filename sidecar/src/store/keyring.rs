//! The keyring: the store's identifier and its data key, wrapped by the store key.
//!
//! A small JSON file on the volume, replaced whole (temporary file, fsync, rename, fsync of the
//! directory), so that after a crash it is the old one or the new one.

use std::{
    fs::File,
    io::{self, Read as _, Write as _},
    path::Path,
};

use chacha20poly1305::{
    KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Payload},
};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{StoreError, StoreKey, key::random};

/// Format of the store: of the keyring, the rows and the watermark together.
pub(super) const FORMAT: u64 = 1;
const FILE: &str = "keyring";
/// Longest keyring that is read; this format needs some 300 bytes.
const MAX_FILE_BYTES: u64 = 4096;

/// What the keyring holds, opened.
pub(super) struct Keyring {
    /// Identifier of the store, drawn when it was made: a row of another store does not open.
    pub store: [u8; 16],
    /// The key from which all others of the store derive.
    pub data_key: Zeroizing<[u8; 32]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    format: u64,
    store: String,
    /// Fingerprint of the store key, to tell a wrong key from a damaged file.
    key: String,
    nonce: String,
    wrapped: String,
}

#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

/// Draws an identifier and a data key and writes the keyring.
pub(super) fn create(dir: &Path, key: &StoreKey) -> Result<Keyring, StoreError> {
    let keyring = Keyring {
        store: random()?,
        data_key: random::<32>()?.into(),
    };
    let nonce = random::<24>()?;
    let fingerprint = key.fingerprint();
    let wrapped = XChaCha20Poly1305::new((&*key.wrapping()).into())
        .encrypt(
            XNonce::from_slice(&nonce),
            Payload {
                msg: keyring.data_key.as_slice(),
                aad: &aad(FORMAT, &keyring.store, &fingerprint),
            },
        )
        .map_err(|_| StoreError::KeyringDamaged)?;
    let file = Wrapped {
        format: FORMAT,
        store: hex::encode(keyring.store),
        key: fingerprint,
        nonce: hex::encode(nonce),
        wrapped: hex::encode(wrapped),
    };
    let mut text = serde_json::to_vec_pretty(&file).map_err(|_| StoreError::KeyringDamaged)?;
    text.push(b'\n');
    replace(dir, FILE, &text)?;
    Ok(keyring)
}

/// Whether there is a keyring, whatever it holds.
pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// Opens the keyring of a store; `None` when there is none.
pub(super) fn open(dir: &Path, key: &StoreKey) -> Result<Option<Keyring>, StoreError> {
    let path = dir.join(FILE);
    let mut text = Vec::new();
    match File::open(&path) {
        Ok(file) => file
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut text)
            .map_err(|source| StoreError::file("read", &path, source))?,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::file("open", &path, source)),
    };
    let AnyFormat { format } =
        serde_json::from_slice(&text).map_err(|_| StoreError::KeyringDamaged)?;
    if format != FORMAT {
        return Err(StoreError::Format {
            found: format,
            known: FORMAT,
        });
    }
    let file: Wrapped = serde_json::from_slice(&text).map_err(|_| StoreError::KeyringDamaged)?;
    let offered = key.fingerprint();
    if file.key != offered {
        let fingerprint = file.key.len() == 16 && file.key.bytes().all(|b| b.is_ascii_hexdigit());
        return Err(if fingerprint {
            StoreError::WrongKey {
                expected: file.key,
                offered,
            }
        } else {
            StoreError::KeyringDamaged
        });
    }
    file.unwrap(key).ok_or(StoreError::KeyringDamaged).map(Some)
}

impl Wrapped {
    fn unwrap(&self, key: &StoreKey) -> Option<Keyring> {
        let mut store = [0; 16];
        let mut nonce = [0; 24];
        let mut wrapped = [0; 48];
        hex::decode_to_slice(&self.store, &mut store).ok()?;
        hex::decode_to_slice(&self.nonce, &mut nonce).ok()?;
        hex::decode_to_slice(&self.wrapped, &mut wrapped).ok()?;
        let opened = XChaCha20Poly1305::new((&*key.wrapping()).into())
            .decrypt(
                XNonce::from_slice(&nonce),
                Payload {
                    msg: &wrapped,
                    aad: &aad(self.format, &store, &self.key),
                },
            )
            .ok()
            .map(Zeroizing::new)?;
        let data_key = Zeroizing::new(<[u8; 32]>::try_from(opened.as_slice()).ok()?);
        Some(Keyring { store, data_key })
    }
}

fn aad(format: u64, store: &[u8; 16], fingerprint: &str) -> Vec<u8> {
    let format = format.to_be_bytes();
    let parts: [&[u8]; 4] = [b"finp2p/keyring/1", &format, store, fingerprint.as_bytes()];
    parts.concat()
}

/// Replaces a file whole: after a crash it is the old one or the new one.
pub(super) fn replace(dir: &Path, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
    let path = dir.join(name);
    let replaced = || -> io::Result<()> {
        let mut unfinished = tempfile::Builder::new().prefix("new-").tempfile_in(dir)?;
        unfinished.write_all(bytes)?;
        unfinished.as_file().sync_all()?;
        unfinished.persist(&path).map_err(|e| e.error)?;
        File::open(dir)?.sync_all()
    };
    replaced().map_err(|source| StoreError::file("write", &path, source))
}
