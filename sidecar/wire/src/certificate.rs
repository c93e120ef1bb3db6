//! Certificates: what a key may be used for, for how long, and who says so.
//!
//! ```text
//! cert = { 1 org, 2 use, 3 key, ? 4 peer, 5 serial, 6 inc, 7 nbf, 8 exp }      in an envelope of kind `cert`
//!
//! root R (pinned) ── signs ──► issuing key I (use: issue) ── signs ──► session S (net, hold), record K (rec, dec)
//! ```
//!
//! The chain has exactly these two links: the offline root certifies issuing keys and nothing
//! else, an issuing key certifies the node's keys and no further issuing key. Uses that would let
//! one kind of signature pass for another are never on one key. [`verify_chain`] in `chain.rs`
//! decides.

mod chain;

pub use chain::{
    ChainError, Moment, NodeCertificate, RootKey, SkippedCertificate, Trust, VerifiedCertificates,
    verify_chain,
};

use minicbor::{Decode, Encode};

use crate::cbor::{self, Bytes, List, Malformed, fixed_bytes};
use crate::envelope::{self, Kind};
use crate::key::{Kid, SigningKey};
use crate::limits::{
    ISSUING_LIFE_MAX_S, PEER_ID_MAX_BYTES, PEER_IDS_MAX, RECORD_LIFE_MAX_S, SERIAL_MAX,
    SESSION_LIFE_MAX_S,
};
use crate::message::Organization;

fixed_bytes!(
    /// A public key as it stands in a certificate, not yet parsed.
    KeyBytes, 32
);

/// A libp2p peer id in its bytes.
pub type PeerIdBytes = Bytes<1, PEER_ID_MAX_BYTES>;

/// What a key may be used for. The numbers are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Use {
    /// Certifying the keys of nodes.
    #[n(1)]
    Issue,
    /// Signing hellos, requests and responses.
    #[n(2)]
    Net,
    /// Signing records.
    #[n(3)]
    Rec,
    /// Signing eligibility decisions.
    #[n(4)]
    Dec,
    /// Proving, by a request's signature, to be the holder of the organization's credentials.
    #[n(5)]
    Hold,
}

/// Which of the three keys a certificate is for, by its uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// An issuing key: `issue` alone.
    Issuing,
    /// A session key: `net`, perhaps with `hold`.
    Session,
    /// A record key: `rec` or `dec` or both.
    Record,
}

impl Role {
    /// Longest life of a certificate in seconds.
    pub fn max_life_s(self) -> u64 {
        match self {
            Self::Issuing => ISSUING_LIFE_MAX_S,
            Self::Session => SESSION_LIFE_MAX_S,
            Self::Record => RECORD_LIFE_MAX_S,
        }
    }
}

/// What a certificate says.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Certificate {
    /// Whose key it is.
    #[n(1)]
    pub org: Organization,
    /// What the key may be used for, ascending and without repetition.
    #[n(2)]
    pub uses: List<Use, 1, 5>,
    /// The key.
    #[n(3)]
    pub key: KeyBytes,
    /// The libp2p identities that may use a session key; absent on every other.
    #[n(4)]
    pub peers: Option<List<PeerIdBytes, 1, PEER_IDS_MAX>>,
    /// Unique per organization; what `revokedSerials` names.
    #[n(5)]
    pub serial: u64,
    /// The node's incarnation: may only grow, and a lower one is refused by whoever saw a higher.
    #[n(6)]
    pub incarnation: u64,
    /// First second of validity, unix seconds.
    #[n(7)]
    pub not_before: u64,
    /// Last second of validity, unix seconds.
    #[n(8)]
    pub not_after: u64,
}

/// Why a certificate contradicts the rules that need no other certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not an envelope of this protocol.
    #[error("not an envelope")]
    Envelope,
    /// Not a certificate inside.
    #[error("not a certificate")]
    Malformed(#[source] Malformed),
    /// Uses that are not ascending, or that may not be on one key.
    #[error("uses that do not belong on one key")]
    Uses,
    /// A session key without peer ids, or another key with them.
    #[error("peer ids belong on session keys, and only there")]
    Peers,
    /// It ends before it begins.
    #[error("it ends before it begins")]
    Window,
    /// It lives longer than its kind of key may.
    #[error("it lives too long for its kind of key")]
    Life,
    /// The serial or incarnation is zero or too large.
    #[error("the serial or incarnation is out of range")]
    Number,
}

impl Certificate {
    /// The role that the uses describe.
    ///
    /// # Errors
    /// [`CertificateError::Uses`] when they are not ascending or do not belong together.
    pub fn role(&self) -> Result<Role, CertificateError> {
        match *self.uses {
            [Use::Issue] => Ok(Role::Issuing),
            [Use::Net] | [Use::Net, Use::Hold] => Ok(Role::Session),
            [Use::Rec] | [Use::Dec] | [Use::Rec, Use::Dec] => Ok(Role::Record),
            _ => Err(CertificateError::Uses),
        }
    }

    /// Checks what the certificate says against the rules that need nothing else.
    ///
    /// # Errors
    /// The first rule broken.
    pub fn check(&self) -> Result<Role, CertificateError> {
        let role = self.role()?;
        if self.peers.is_some() != (role == Role::Session) {
            return Err(CertificateError::Peers);
        }
        let numbers = 1..=SERIAL_MAX;
        if !numbers.contains(&self.serial) || !numbers.contains(&self.incarnation) {
            return Err(CertificateError::Number);
        }
        match self.not_after.checked_sub(self.not_before) {
            None => Err(CertificateError::Window),
            Some(life) if life > role.max_life_s() => Err(CertificateError::Life),
            Some(_) => Ok(role),
        }
    }

    /// Signs the certificate with the key that issues it.
    ///
    /// # Errors
    /// [`CertificateError`] when every verifier would refuse it.
    pub fn issue(&self, network: &str, issuer: &SigningKey) -> Result<Vec<u8>, CertificateError> {
        self.check()?;
        Ok(envelope::seal(
            Kind::Cert,
            network,
            issuer,
            &cbor::encode(self),
        ))
    }

    /// The bytes that an issuer outside this process signs; [`Certificate::assemble`] makes the
    /// certificate of the answer.
    ///
    /// # Errors
    /// [`CertificateError`] when every verifier would refuse it.
    pub fn signing_input(&self, network: &str, issuer: Kid) -> Result<Vec<u8>, CertificateError> {
        self.check()?;
        Ok(envelope::signing_input(
            Kind::Cert,
            network,
            issuer,
            &cbor::encode(self),
        ))
    }

    /// The certificate of a signature over [`Certificate::signing_input`].
    pub fn assemble(&self, issuer: Kid, signature: &[u8; 64]) -> Vec<u8> {
        envelope::assemble(issuer, &cbor::encode(self), signature)
    }

    /// What a certificate says, without believing it: for showing it, and for finding out when to
    /// renew one's own. Checks the rules of [`Certificate::check`], no signature.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn decode_unverified(bytes: &[u8]) -> Result<Self, CertificateError> {
        let opened = envelope::open(bytes).map_err(|_| CertificateError::Envelope)?;
        let certificate: Self =
            cbor::decode(opened.unverified_payload()).map_err(CertificateError::Malformed)?;
        certificate.check()?;
        Ok(certificate)
    }
}
