//! An organization with its keys and certificates.

use finp2p_crds::entry::{Entry as Declared, PeerEntry};
use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::certificate::{Certificate, KeyBytes, Use};
use finp2p_wire::digest::Digest;
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{self, Hello, Nonce, Organization, VERSION};
use jiff::Timestamp;
use libp2p::identity::Keypair;
use serde_json::json;

use super::resources::declared;
use crate::network::Remote;

pub const NETWORK: &str = "sandbox";
/// 2026-11-23, unix seconds.
pub const NOW: u64 = 1_795_400_000;
pub const DAY: u64 = 86_400;

pub fn at(second: u64) -> Timestamp {
    Timestamp::from_second(i64::try_from(second).unwrap()).unwrap()
}

pub fn now() -> Timestamp {
    at(NOW)
}

/// An organization with all its keys.
pub struct Bank {
    pub name: String,
    pub root: SigningKey,
    pub issuing: SigningKey,
    pub session: SigningKey,
    pub record: SigningKey,
    pub peer: Keypair,
    /// What it presents: issuing, session and record certificate.
    pub certificates: Vec<Vec<u8>>,
}

/// What one of its session certificates says, where it is not as usual.
#[derive(Clone, Copy)]
pub struct Certified {
    pub serial: u64,
    pub incarnation: u64,
    pub not_before: u64,
    pub not_after: u64,
}

pub const USUAL: Certified = Certified {
    serial: 12,
    incarnation: 3,
    not_before: NOW - DAY,
    not_after: NOW + 20 * DAY,
};

impl Bank {
    pub fn new(name: &str, seed: u8) -> Self {
        let key = |step: u8| SigningKey::from_seed(&[seed + step; 32]);
        let mut bank = Self {
            name: name.to_owned(),
            root: key(0),
            issuing: key(1),
            session: key(2),
            record: key(3),
            peer: Keypair::ed25519_from_bytes([seed + 4; 32]).unwrap(),
            certificates: Vec::new(),
        };
        bank.certificates = bank.certified(USUAL);
        bank
    }

    pub fn certified(&self, usual: Certified) -> Vec<Vec<u8>> {
        let peers = vec![Bytes::new(self.peer.public().to_peer_id().to_bytes()).unwrap()];
        let certificate = |uses: Vec<Use>, key: &SigningKey, peers, said: Certified| Certificate {
            org: Organization::new(self.name.as_str()).unwrap(),
            uses: List::new(uses).unwrap(),
            key: KeyBytes(*key.public().as_bytes()),
            peers,
            serial: said.serial,
            incarnation: said.incarnation,
            not_before: said.not_before,
            not_after: said.not_after,
        };
        let issuing = Certified {
            serial: 11,
            incarnation: 1,
            not_before: NOW - 100 * DAY,
            not_after: NOW + 200 * DAY,
        };
        let record = Certified {
            serial: 13,
            ..usual
        };
        let issued = |certificate: Certificate, by| certificate.issue(NETWORK, by).unwrap();
        let net = vec![Use::Net, Use::Hold];
        vec![
            issued(
                certificate(vec![Use::Issue], &self.issuing, None, issuing),
                &self.root,
            ),
            issued(
                certificate(net, &self.session, Some(List::new(peers).unwrap()), usual),
                &self.issuing,
            ),
            issued(
                certificate(vec![Use::Rec], &self.record, None, record),
                &self.issuing,
            ),
        ]
    }

    pub fn remote(&self) -> Remote {
        Remote {
            peer: self.peer.public().to_peer_id(),
            address: "/ip4/127.0.0.1/tcp/4001".parse().unwrap(),
        }
    }

    pub fn hello(&self) -> Hello {
        Hello {
            org: Organization::new(self.name.as_str()).unwrap(),
            certs: presented(&self.certificates),
            vers: List::new(vec![VERSION]).unwrap(),
            nonce: Nonce([7; 32]),
            time: NOW,
            caps: List::default(),
            trust: Digest([0; 32]),
            addrs: None,
        }
    }

    pub fn as_peer(&self) -> Declared<PeerEntry> {
        declared(
            &format!("peer-{}", self.name),
            json!({
                "organizationId": self.name,
                "keys": [{
                    "id": "2026-a",
                    "publicKey": self.root.public().to_spki_base64(),
                    "notBefore": "2026-01-01T00:00:00Z",
                    "notAfter": "2028-01-01T00:00:00Z",
                }],
            }),
        )
    }
}

pub fn presented(certificates: &[Vec<u8>]) -> message::Certificates {
    let certificates = certificates
        .iter()
        .map(|bytes| Bytes::new(bytes.as_slice()).unwrap());
    List::new(certificates.collect()).unwrap()
}
