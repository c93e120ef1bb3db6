//! Ed25519 keys (RFC 8032) and their identifiers.
//!
//! A [`PublicKey`] is parsed once and refuses what no honest signer makes: points that are not on
//! the curve, encodings that are not canonical, points of small order, and points with a component
//! of small order. Signatures are always checked with `verify_strict`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, KeypairBytes};
use ed25519_dalek::{Signature, Signer as _, VerifyingKey};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize as _, Zeroizing};

use crate::cbor::fixed_bytes;

/// The DER of a SubjectPublicKeyInfo for Ed25519 up to the key's 32 bytes (RFC 8410 §4). It never
/// varies, so it is compared, not parsed.
const SPKI_PREFIX: [u8; 12] = [
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];

/// Why a key was refused. Holds nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not base64 of an Ed25519 SubjectPublicKeyInfo.
    #[error("not a base64 SubjectPublicKeyInfo of an Ed25519 key")]
    NotSpki,
    /// Not a point of the curve.
    #[error("not a point of the curve")]
    NotAPoint,
    /// Not the canonical encoding of the point.
    #[error("not the canonical encoding of the point")]
    NotCanonical,
    /// A point of small order, or with a component of small order: signatures under it prove
    /// nothing about who made them.
    #[error("a weak key: the point has a component of small order")]
    Weak,
    /// Not PEM of a PKCS #8 Ed25519 private key.
    #[error("not PEM of a PKCS #8 Ed25519 private key")]
    NotPkcs8,
    /// A private key could not be written as PKCS #8.
    #[error("the private key could not be encoded")]
    Encode,
}

fixed_bytes!(
    /// Key identifier: the first 16 bytes of SHA-256("finp2p/kid/1" ‖ public key).
    Kid, 16
);

impl Kid {
    /// The identifier of a public key's 32 bytes.
    pub fn of(public: &[u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"finp2p/kid/1");
        hash.update(public);
        let full: [u8; 32] = hash.finalize().into();
        let mut kid = [0; 16];
        kid.copy_from_slice(full.first_chunk::<16>().unwrap_or(&[0; 16]));
        Self(kid)
    }
}

/// A public key that is fit to be trusted: parsed, canonical, not weak.
#[derive(Clone)]
pub struct PublicKey {
    key: VerifyingKey,
    kid: Kid,
}

impl PublicKey {
    /// Parses the 32 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`KeyError::NotAPoint`], [`KeyError::NotCanonical`] or [`KeyError::Weak`].
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        let point = key.to_edwards();
        if point.compress().as_bytes() != bytes {
            return Err(KeyError::NotCanonical);
        }
        if key.is_weak() || !point.is_torsion_free() {
            return Err(KeyError::Weak);
        }
        Ok(Self {
            key,
            kid: Kid::of(bytes),
        })
    }

    /// Parses base64 of a SubjectPublicKeyInfo, as in `PeerOrganization.spec.keys[].publicKey`.
    ///
    /// # Errors
    /// [`KeyError::NotSpki`], or what [`PublicKey::from_bytes`] refuses.
    pub fn from_spki_base64(text: &str) -> Result<Self, KeyError> {
        let der = STANDARD.decode(text).map_err(|_| KeyError::NotSpki)?;
        let key = der.strip_prefix(&SPKI_PREFIX).ok_or(KeyError::NotSpki)?;
        let bytes = key.try_into().map_err(|_| KeyError::NotSpki)?;
        Self::from_bytes(bytes)
    }

    /// Base64 of the SubjectPublicKeyInfo (RFC 8410).
    pub fn to_spki_base64(&self) -> String {
        let mut der = SPKI_PREFIX.to_vec();
        der.extend_from_slice(self.as_bytes());
        STANDARD.encode(der)
    }

    /// The 32 bytes of RFC 8032.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.key.as_bytes()
    }

    /// The key's identifier.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Whether the signature over the message is this key's, by the strict rules: S below the
    /// group order, R and the key of full order, no cofactor.
    pub fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.key
            .verify_strict(message, &Signature::from_bytes(signature))
            .is_ok()
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey(kid {})", self.kid)
    }
}

/// A private key. Wiped from memory when dropped; Debug shows its public identifier only.
pub struct SigningKey {
    key: ed25519_dalek::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from a generator of the caller's choice.
    pub fn generate(rng: &mut impl rand::CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut());
        Self::from_seed(&seed)
    }

    /// The key of a 32-byte seed (the private key of RFC 8032 §5.1.5).
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self::from_dalek(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    fn from_dalek(key: ed25519_dalek::SigningKey) -> Self {
        let verifying = key.verifying_key();
        let kid = Kid::of(verifying.as_bytes());
        // Made by multiplying the base point: neither weak nor mixed.
        Self {
            key,
            public: PublicKey {
                key: verifying,
                kid,
            },
        }
    }

    /// Reads PEM of PKCS #8 (RFC 8410 §7), with or without the public key in it.
    ///
    /// # Errors
    /// [`KeyError::NotPkcs8`].
    pub fn from_pkcs8_pem(pem: &str) -> Result<Self, KeyError> {
        ed25519_dalek::SigningKey::from_pkcs8_pem(pem)
            .map(Self::from_dalek)
            .map_err(|_| KeyError::NotPkcs8)
    }

    /// PEM of PKCS #8, version 1: without the public key, as other tools expect it.
    ///
    /// # Errors
    /// [`KeyError::Encode`].
    pub fn to_pkcs8_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        let mut pair = KeypairBytes {
            secret_key: self.key.to_bytes(),
            public_key: None,
        };
        let pem = pair
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|_| KeyError::Encode);
        pair.secret_key.zeroize();
        pem
    }

    /// The seed, for a sealed store. Wiped when dropped.
    pub fn to_seed(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes())
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The key's identifier.
    pub fn kid(&self) -> Kid {
        self.public.kid
    }

    /// Signs a message (Ed25519, deterministic).
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.key.sign(message).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(kid {})", self.public.kid)
    }
}
