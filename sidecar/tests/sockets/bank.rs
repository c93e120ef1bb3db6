//! An organization with all its keys and certificates.

use std::sync::Arc;

use finp2p_crds::entry::PeerEntry;
use finp2p_sidecar::identity::Identity;
use finp2p_wire::cbor::{Bytes, List, Text};
use finp2p_wire::certificate::{Certificate, KeyBytes, Use};
use finp2p_wire::key::{PublicKey, SigningKey};
use jiff::{SignedDuration, Timestamp};
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

use crate::node::NOW;

pub const NETWORK: &str = "test-net";
const DAY_S: u64 = 86_400;
const ISSUED: u64 = NOW as u64 - DAY_S;

/// An organization.
pub struct Bank {
    pub org: &'static str,
    pub incarnation: u64,
    root: SigningKey,
    issuing: SigningKey,
    pub session: Arc<SigningKey>,
    pub record: SigningKey,
    pub peer: Keypair,
}

impl Bank {
    pub fn new(org: &'static str) -> Self {
        let mut rng = rand::rng();
        Self {
            org,
            incarnation: 1,
            root: SigningKey::generate(&mut rng),
            issuing: SigningKey::generate(&mut rng),
            session: Arc::new(SigningKey::generate(&mut rng)),
            record: SigningKey::generate(&mut rng),
            peer: Keypair::generate_ed25519(),
        }
    }

    /// The same organization, for whoever pins it.
    pub fn clone_of(other: &Self) -> Self {
        let copy = |key: &SigningKey| SigningKey::from_seed(&key.to_seed());
        Self {
            org: other.org,
            incarnation: other.incarnation,
            root: copy(&other.root),
            issuing: copy(&other.issuing),
            session: Arc::clone(&other.session),
            record: copy(&other.record),
            peer: other.peer.clone(),
        }
    }

    pub fn peer_id(&self) -> PeerId {
        self.peer.public().to_peer_id()
    }

    /// The certificate of the issuing key.
    pub fn issuing_certificate(&self) -> Vec<u8> {
        self.certificate(&self.root, &[Use::Issue], self.issuing.public(), None, 1)
    }

    /// The certificate of a session key for this peer id.
    pub fn session_certificate(&self, key: &PublicKey, peer: PeerId) -> Vec<u8> {
        self.certificate(&self.issuing, &[Use::Net], key, Some(peer), 2)
    }

    /// The certificate of a record key.
    pub fn record_certificate(&self, key: &PublicKey) -> Vec<u8> {
        self.certificate(&self.issuing, &[Use::Rec], key, None, 3)
    }

    /// Another certificate of the organization's record key, from `not_before` on.
    pub fn renewed_record_certificate(&self, not_before: u64) -> Vec<u8> {
        let mut says = self.says(&[Use::Rec], self.record.public(), None, 4);
        says.not_before = not_before;
        says.not_after = not_before + 60 * DAY_S;
        says.issue(NETWORK, &self.issuing).unwrap()
    }

    fn certificate(
        &self,
        issuer: &SigningKey,
        uses: &[Use],
        key: &PublicKey,
        peer: Option<PeerId>,
        serial: u64,
    ) -> Vec<u8> {
        let says = self.says(uses, key, peer, serial);
        says.issue(NETWORK, issuer).unwrap()
    }

    fn says(
        &self,
        uses: &[Use],
        key: &PublicKey,
        peer: Option<PeerId>,
        serial: u64,
    ) -> Certificate {
        Certificate {
            org: Text::new(self.org).unwrap(),
            uses: List::new(uses.to_vec()).unwrap(),
            key: KeyBytes(*key.as_bytes()),
            peers: peer.map(|peer| List::new(vec![Bytes::new(peer.to_bytes()).unwrap()]).unwrap()),
            serial,
            incarnation: self.incarnation,
            not_before: ISSUED,
            not_after: ISSUED + 30 * DAY_S,
        }
    }

    /// What a node of the organization presents.
    pub fn certificates(&self) -> Vec<Vec<u8>> {
        vec![
            self.issuing_certificate(),
            self.session_certificate(self.session.public(), self.peer_id()),
            self.record_certificate(self.record.public()),
        ]
    }

    pub fn identity(&self) -> Identity {
        Identity {
            organization: self.org.to_owned(),
            network: NETWORK.to_owned(),
            incarnation: self.incarnation,
            certificates: self.certificates(),
            session: SigningKey::from_seed(&self.session.to_seed()),
            peer: self.peer.clone(),
        }
    }

    /// What another organization pins for it.
    pub fn entry(&self, addresses: &[Multiaddr]) -> PeerEntry {
        let now = Timestamp::from_second(NOW).unwrap();
        let year = SignedDuration::from_hours(365 * 24);
        let entry = serde_json::json!({
            "organizationId": self.org,
            "keys": [{
                "id": "k1",
                "publicKey": self.root.public().to_spki_base64(),
                "notBefore": (now - year).to_string(),
                "notAfter": (now + year).to_string(),
            }],
            "addresses": addresses,
        });
        serde_json::from_value(entry).unwrap()
    }
}
