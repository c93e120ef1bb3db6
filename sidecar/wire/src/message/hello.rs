//! Hello and its answer: who are you, which versions, which session.

use minicbor::{Decode, Encode};

use super::{Certificates, Nonce, Organization, SessionId};
use crate::cbor::{List, Malformed, Text, decode, encode};
use crate::digest::Digest;
use crate::limits::{
    ADDRESS_MAX_BYTES, ADDRESSES_MAX, CAPABILITIES_MAX, CAPABILITY_MAX_BYTES, VERSIONS_MAX,
};

/// The version of the protocol that this crate speaks.
pub const VERSION: u64 = 1;

/// The highest version of theirs that this crate speaks, if any.
pub fn choose_version(theirs: &[u64]) -> Option<u64> {
    theirs.contains(&VERSION).then_some(VERSION)
}

/// The first message, signed by the session key of one of its certificates.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Hello {
    /// Who says hello.
    #[n(1)]
    pub org: Organization,
    /// Certificates of the sender's keys and of the issuing key that signed them.
    #[n(2)]
    pub certs: Certificates,
    /// Versions the sender speaks.
    #[n(3)]
    pub vers: List<u64, 1, VERSIONS_MAX>,
    /// Random: two hellos never have the same digest.
    #[n(4)]
    pub nonce: Nonce,
    /// The sender's clock, unix seconds.
    #[n(5)]
    pub time: u64,
    /// Names of optional abilities; unknown ones are ignored.
    #[n(6)]
    pub caps: List<Text<1, CAPABILITY_MAX_BYTES>, 0, CAPABILITIES_MAX>,
    /// Digest of the roots the sender pins for the receiver ([`crate::digest::trust`]).
    #[n(7)]
    pub trust: Digest,
    // 8 lane, 9 ckpt: reserved.
    /// Where the sender can be reached, as multiaddresses.
    #[n(10)]
    pub addrs: Option<List<Text<1, ADDRESS_MAX_BYTES>, 1, ADDRESSES_MAX>>,
}

impl Hello {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Malformed`] (1002).
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        decode(payload)
    }
}

/// What the answering node allows within the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PeerLimits {
    /// Items in one fetch.
    #[n(1)]
    pub items: u64,
    /// Bytes of a request's frame.
    #[n(2)]
    pub request_bytes: u64,
    /// Bytes of a response's frame.
    #[n(3)]
    pub response_bytes: u64,
    /// Life of the session in seconds.
    #[n(4)]
    pub session_s: u64,
}

/// The answer to a hello, signed by the answering node's session key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct HelloOk {
    /// Who answers.
    #[n(1)]
    pub org: Organization,
    /// Certificates of the answering node.
    #[n(2)]
    pub certs: Certificates,
    /// Versions the answering node speaks.
    #[n(3)]
    pub vers: List<u64, 1, VERSIONS_MAX>,
    /// The version it chose.
    #[n(4)]
    pub ver: u64,
    /// Digest of the hello's envelope: this answer is to that hello, version list included.
    #[n(5)]
    pub hello: Digest,
    /// The session.
    #[n(6)]
    pub sid: SessionId,
    /// The answering node's clock, unix seconds.
    #[n(7)]
    pub time: u64,
    // 8 lane: reserved.
    /// What the session allows.
    #[n(9)]
    pub limits: PeerLimits,
    /// Digest of the roots the answering node pins for the sender of the hello.
    #[n(10)]
    pub trust: Digest,
    // 11 ckpt: reserved.
}

impl HelloOk {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Malformed`] (1002).
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        decode(payload)
    }
}
