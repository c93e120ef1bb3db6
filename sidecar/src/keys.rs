//! The node's own keys: born on its volume, sealed in its store, never anywhere else.
//!
//! Three keys, each for one thing (PROTOCOL.md §1): the peer key is the libp2p identity, the
//! session key signs hellos, requests and responses, the record key signs records. The operator
//! certifies the public halves: they go out as certificate requests in the node's report, and the
//! certificates come back in the root of its configuration.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::sidecar_config::CertificateRequest;
use finp2p_wire::certificate::{Certificate, Role};
use finp2p_wire::envelope;
use finp2p_wire::key::{Kid, SigningKey};
use libp2p::identity::{Keypair, PeerId};
use zeroize::Zeroizing;

use crate::request::RecordCertificate;
use crate::store::{Key, Space, Store, StoreError, Write};

const SESSION: &str = "session-key";
const RECORD: &str = "record-key";
const PEER: &str = "peer-key";
const SEED_BYTES: usize = 32;

/// Why the node has no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The store does not take or give them.
    #[error("the private store does not take or give the node's keys")]
    Store(#[from] StoreError),
    /// A kept key is not 32 bytes, or only some of the keys are there.
    #[error(
        "the node's kept keys are damaged: restore the volume, or raise spec.node.incarnation and start with an empty one"
    )]
    Damaged,
}

/// The node's private keys. Wiped from memory when dropped; in no `Debug`.
pub struct NodeKeys {
    /// Signs hellos, requests and responses.
    pub session: SigningKey,
    /// Signs records.
    pub record: SigningKey,
    /// The libp2p identity.
    pub peer: Keypair,
}

impl std::fmt::Debug for NodeKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeKeys(peer {})", self.peer_id())
    }
}

impl NodeKeys {
    /// The keys in `store`; at the first start they are made there, in one commit.
    ///
    /// # Errors
    /// [`KeysError`]: a node that has lost one key must not quietly make another.
    pub fn load_or_create(store: &dyn Store) -> Result<Self, KeysError> {
        let seeds = [SESSION, RECORD, PEER].map(|name| seed(store, name));
        let [session, record, peer] = seeds;
        match (session?, record?, peer?) {
            (Some(session), Some(record), Some(peer)) => Self::from_seeds(&session, &record, peer),
            (None, None, None) => Self::create(store),
            _ => Err(KeysError::Damaged),
        }
    }

    fn create(store: &dyn Store) -> Result<Self, KeysError> {
        let mut seeds =
            [SESSION, RECORD, PEER].map(|name| (name, Zeroizing::new([0_u8; SEED_BYTES])));
        let mut writes = Vec::new();
        for (name, seed) in &mut seeds {
            rand::fill(seed.as_mut());
            writes.push(Write::Put(
                Key::new(Space::Identity, *name)?,
                seed.as_ref().into(),
            ));
        }
        store.commit(writes)?;
        let [(_, session), (_, record), (_, peer)] = seeds;
        Self::from_seeds(&session, &record, peer)
    }

    fn from_seeds(
        session: &[u8; SEED_BYTES],
        record: &[u8; SEED_BYTES],
        mut peer: Zeroizing<[u8; SEED_BYTES]>,
    ) -> Result<Self, KeysError> {
        Ok(Self {
            session: SigningKey::from_seed(session),
            record: SigningKey::from_seed(record),
            peer: Keypair::ed25519_from_bytes(peer.as_mut()).map_err(|_| KeysError::Damaged)?,
        })
    }

    /// The libp2p identity that other nodes see.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.peer.public().to_peer_id()
    }

    /// What the operator is asked to certify.
    #[must_use]
    pub fn requests(&self) -> Vec<CertificateRequest> {
        vec![
            CertificateRequest {
                use_: "net".to_owned(),
                public_key: self.session.public().to_spki_base64(),
                peer_ids: vec![self.peer_id().to_string()],
            },
            CertificateRequest {
                use_: "rec".to_owned(),
                public_key: self.record.public().to_spki_base64(),
                peer_ids: Vec::new(),
            },
        ]
    }

    /// The session key, for whoever speaks with it.
    #[must_use]
    pub fn session_key(&self) -> SigningKey {
        SigningKey::from_seed(&self.session.to_seed())
    }

    /// The certificates of `root` (base64) that this node speaks with, if its session and record
    /// keys are both among them. It presents for every key the one that ends last, after the
    /// certificates of the issuing keys behind them.
    #[must_use]
    pub fn certified(&self, certificates: &[String], incarnation: u64) -> Option<Certified> {
        let known: Vec<_> = certificates
            .iter()
            .filter_map(|text| Presentable::decode(text))
            .filter(|known| known.fits(incarnation))
            .collect();
        let last = |role: Role, kid: Kid| {
            known
                .iter()
                .filter(|known| known.is(role, kid))
                .max_by_key(|known| known.certificate.not_after)
        };
        let session = last(Role::Session, self.session.kid())?;
        let record = last(Role::Record, self.record.kid())?;
        let record_issuing = last(Role::Issuing, record.issuer)?;
        let mut presented = vec![record_issuing];
        if session.issuer != record.issuer {
            presented.push(last(Role::Issuing, session.issuer)?);
        }
        presented.extend([session, record]);
        Some(Certified {
            ends: presented.iter().map(|p| p.certificate.not_after).min()?,
            presented: presented.iter().map(|p| p.bytes.clone()).collect(),
            records: record_certificates(&known, self.record.kid()),
        })
    }
}

/// Every certificate of the record key, each with the issuing certificate that it shares most time
/// with.
fn record_certificates(known: &[Presentable], key: Kid) -> Vec<RecordCertificate> {
    let with_issuing = |record: &Presentable| {
        known
            .iter()
            .filter(|known| known.is(Role::Issuing, record.issuer))
            .filter_map(|issuing| {
                RecordCertificate::new(record.bytes.clone(), issuing.bytes.clone())
            })
            .max_by_key(RecordCertificate::life)
    };
    known
        .iter()
        .filter(|known| known.is(Role::Record, key))
        .filter_map(with_issuing)
        .collect()
}

/// The certificates that a node speaks with, as their envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certified {
    /// What a hello presents: issuing, session and record certificates.
    pub presented: Vec<Vec<u8>>,
    /// All certificates of the record key, past ones too.
    pub records: Vec<RecordCertificate>,
    /// Last second at which all of them are valid, unix seconds.
    pub ends: u64,
}

/// A certificate of our own, read but not verified: peers do that.
struct Presentable {
    certificate: Certificate,
    issuer: Kid,
    bytes: Vec<u8>,
}

impl Presentable {
    fn decode(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text).ok()?;
        Some(Self {
            certificate: Certificate::decode_unverified(&bytes).ok()?,
            issuer: envelope::open(&bytes).ok()?.kid(),
            bytes,
        })
    }

    /// Issuing certificates hold for later incarnations too, a node's for its own only.
    fn fits(&self, incarnation: u64) -> bool {
        let said = self.certificate.incarnation;
        match self.certificate.role() {
            Ok(Role::Issuing) => said <= incarnation,
            _ => said == incarnation,
        }
    }

    fn is(&self, role: Role, kid: Kid) -> bool {
        self.certificate.role() == Ok(role) && Kid::of(&self.certificate.key.0) == kid
    }
}

fn seed(store: &dyn Store, name: &str) -> Result<Option<Zeroizing<[u8; SEED_BYTES]>>, KeysError> {
    let Some(value) = store.get(&Key::new(Space::Identity, name)?)? else {
        return Ok(None);
    };
    let seed = value
        .as_bytes()
        .try_into()
        .map_err(|_| KeysError::Damaged)?;
    Ok(Some(Zeroizing::new(seed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;

    #[test]
    fn keys_are_made_once_and_found_again() {
        let store = MemoryStore::default();
        let first = NodeKeys::load_or_create(&store).unwrap();
        let second = NodeKeys::load_or_create(&store).unwrap();
        assert_eq!(first.peer_id(), second.peer_id());
        assert_eq!(first.requests(), second.requests());
        assert_ne!(first.session.kid(), first.record.kid());
    }

    #[test]
    fn a_node_that_lost_one_key_does_not_make_another() {
        let store = MemoryStore::default();
        NodeKeys::load_or_create(&store).unwrap();
        store
            .remove(Key::new(Space::Identity, RECORD).unwrap())
            .unwrap();
        assert!(matches!(
            NodeKeys::load_or_create(&store),
            Err(KeysError::Damaged)
        ));
    }
}
