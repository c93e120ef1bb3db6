//! The one signed envelope: COSE_Sign1 (RFC 9052 §4.2) with Ed25519 as a fully specified
//! algorithm (RFC 9864) and a type (RFC 9596).
//!
//! ```text
//! envelope     = [ prot: bstr .cbor {1: -19, 4: kid, 16: "finp2p+cose"}, {}, payload: bstr, sig: bstr .size 64 ]
//! external_aad = bstr .cbor ["finp2p/1", network, kind]
//! ```
//!
//! The header is a template with one hole, the key identifier: it is compared byte for byte and
//! never parsed, so another algorithm, a second parameter or a parameter in the wrong place is not
//! a case to handle but a difference. The kind and the network are in no header: they are in what
//! is signed, and whoever verifies says which he expects.

use minicbor::{Encoder, encode};

use crate::digest::Digest;
use crate::key::{Kid, PublicKey, SigningKey};

/// Up to the key identifier: array of 4; byte string of 34; map of 3; 1: -19 (Ed25519);
/// 4: byte string of 16.
const BEFORE_KID: [u8; 8] = [0x84, 0x58, 0x22, 0xa3, 0x01, 0x32, 0x04, 0x50];
/// After it: 16: text of 11, the type; then the empty unprotected header.
const AFTER_KID: [u8; 14] = *b"\x10\x6bfinp2p+cose\xa0";
/// The protected header starts after the array's and its own initial bytes.
const PROTECTED: std::ops::Range<usize> = 3..37;
/// Major type and length of the signature: byte string of 64.
const BEFORE_SIGNATURE: [u8; 2] = [0x58, 0x40];

/// What an envelope is for. Part of what is signed, so that no message can pass for another.
/// The numbers are the protocol's; those without a message yet are reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// A certificate.
    Cert = 1,
    /// First message of a client.
    Hello = 2,
    /// Answer to a hello.
    HelloOk = 3,
    /// Request within a session.
    Req = 4,
    /// Response to a request.
    Res = 5,
    /// Batch of a lane (reserved).
    Lane = 6,
    /// Acknowledgement of a batch (reserved).
    Ack = 7,
    /// Doorbell (reserved).
    Bell = 8,
    /// Audit checkpoint (reserved).
    Audit = 9,
}

impl Kind {
    /// Every kind, in the order of its number.
    pub const ALL: [Self; 9] = [
        Self::Cert,
        Self::Hello,
        Self::HelloOk,
        Self::Req,
        Self::Res,
        Self::Lane,
        Self::Ack,
        Self::Bell,
        Self::Audit,
    ];

    /// The kind's number on the wire.
    pub fn number(self) -> u8 {
        self as u8
    }
}

/// The bytes are not an envelope: another header, or another shape (1002).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an envelope of this protocol")]
pub struct NotAnEnvelope;

/// The signature is not this key's over this payload, network and kind (3000).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct BadSignature;

/// Signs a payload and wraps it.
pub fn seal(kind: Kind, network: &str, key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    let signature = key.sign(&signing_input(kind, network, key.kid(), payload));
    assemble(key.kid(), payload, &signature)
}

/// The bytes to sign (Sig_structure, RFC 9052 §4.4), for a signer that is not in this process.
pub fn signing_input(kind: Kind, network: &str, kid: Kid, payload: &[u8]) -> Vec<u8> {
    let header = header(kid);
    let protected = header.get(PROTECTED).unwrap_or_default();
    sig_structure(protected, &external_aad(kind, network), payload)
}

/// The envelope of a payload and a signature over its [`signing_input`].
pub fn assemble(kid: Kid, payload: &[u8], signature: &[u8; 64]) -> Vec<u8> {
    let mut envelope = header(kid);
    append(&mut envelope, |encoder| encoder.bytes(payload).map(|_| ()));
    envelope.extend_from_slice(&BEFORE_SIGNATURE);
    envelope.extend_from_slice(signature);
    envelope
}

/// The digest that names an envelope: SHA-256 of its bytes.
pub fn digest(envelope: &[u8]) -> Digest {
    Digest::of(envelope)
}

/// Reads an envelope without believing it: the header fits the template, the payload and a
/// signature are there, nothing follows.
///
/// # Errors
/// [`NotAnEnvelope`].
pub fn open(bytes: &[u8]) -> Result<Opened<'_>, NotAnEnvelope> {
    let rest = bytes.strip_prefix(&BEFORE_KID).ok_or(NotAnEnvelope)?;
    let (kid, rest) = rest.split_first_chunk::<16>().ok_or(NotAnEnvelope)?;
    let rest = rest.strip_prefix(&AFTER_KID).ok_or(NotAnEnvelope)?;
    let (payload_item, signature) = rest.split_last_chunk::<64>().ok_or(NotAnEnvelope)?;
    let payload_item = payload_item
        .strip_suffix(&BEFORE_SIGNATURE)
        .ok_or(NotAnEnvelope)?;
    let payload = byte_string(payload_item).ok_or(NotAnEnvelope)?;
    let protected = bytes.get(PROTECTED).ok_or(NotAnEnvelope)?;
    Ok(Opened {
        bytes,
        protected,
        kid: Kid(*kid),
        payload,
        signature,
    })
}

/// An envelope that was read and not yet verified.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    bytes: &'a [u8],
    protected: &'a [u8],
    kid: Kid,
    payload: &'a [u8],
    signature: &'a [u8; 64],
}

impl<'a> Opened<'a> {
    /// Which key claims to have signed.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// The payload **before** its signature was checked: for finding the session and the key, and
    /// for the checks that are cheaper than the signature. Act on [`Opened::verify`]'s result only.
    pub fn unverified_payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The envelope's digest.
    pub fn digest(&self) -> Digest {
        digest(self.bytes)
    }

    /// The payload, if this key signed it as this kind on this network.
    ///
    /// # Errors
    /// [`BadSignature`], also when the envelope names another key.
    pub fn verify(
        &self,
        kind: Kind,
        network: &str,
        key: &PublicKey,
    ) -> Result<&'a [u8], BadSignature> {
        if key.kid() != self.kid {
            return Err(BadSignature);
        }
        let message = sig_structure(self.protected, &external_aad(kind, network), self.payload);
        if key.verifies(&message, self.signature) {
            Ok(self.payload)
        } else {
            Err(BadSignature)
        }
    }
}

fn header(kid: Kid) -> Vec<u8> {
    let mut header = BEFORE_KID.to_vec();
    header.extend_from_slice(&kid.0);
    header.extend_from_slice(&AFTER_KID);
    header
}

fn external_aad(kind: Kind, network: &str) -> Vec<u8> {
    let mut aad = Vec::with_capacity(16 + network.len());
    append(&mut aad, |encoder| {
        encoder
            .array(3)?
            .str("finp2p/1")?
            .str(network)?
            .u8(kind.number())
            .map(|_| ())
    });
    aad
}

fn sig_structure(protected: &[u8], external_aad: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(32 + protected.len() + external_aad.len() + payload.len());
    append(&mut out, |encoder| {
        encoder.array(4)?.str("Signature1")?;
        encoder
            .bytes(protected)?
            .bytes(external_aad)?
            .bytes(payload)
            .map(|_| ())
    });
    out
}

type VecEncoder<'a> = Encoder<&'a mut Vec<u8>>;

fn append(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut VecEncoder<'_>) -> Result<(), encode::Error<std::convert::Infallible>>,
) {
    let written = write(&mut Encoder::new(out));
    debug_assert!(written.is_ok(), "an encoder failed on a vector");
}

/// The content of exactly one byte string in shortest form.
fn byte_string(item: &[u8]) -> Option<&[u8]> {
    crate::cbor::gate(item).ok()?;
    minicbor::Decoder::new(item).bytes().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// cose-wg/Examples, sign1-tests/sign-pass-02: the only part of that message that does not
    /// depend on its algorithm.
    #[test]
    fn makes_the_published_bytes_to_sign() {
        let expected = "846A5369676E61747572653143A101264C11AA22BB33CC44DD5500669954546869732069732074686520636F6E74656E742E";
        let external_aad = hex::decode("11aa22bb33cc44dd55006699").unwrap();
        let made = sig_structure(b"\xa1\x01\x26", &external_aad, b"This is the content.");
        assert_eq!(hex::encode_upper(made), expected);
    }

    #[test]
    fn the_template_is_the_documented_header() {
        let header = header(Kid([0xaa; 16]));
        let protected = header.get(PROTECTED).unwrap();
        crate::cbor::gate(protected).unwrap();
        assert_eq!(protected.len(), 34);
        assert_eq!(header.first_chunk(), Some(&[0x84, 0x58, 34]));
        assert_eq!(header.last(), Some(&0xa0));
    }
}
