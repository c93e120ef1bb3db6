//! Two nodes in one process: bank-a has a bond of 1 KiB, bank-b may pull it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use finp2p_crds::ResourceId;
use finp2p_crds::access::Facts;
use finp2p_crds::entry::{AssetEntry, Entry, PeerEntry, PolicyEntry};
use finp2p_sidecar::audit::{self, Audit};
use finp2p_sidecar::clock::Clock;
use finp2p_sidecar::identity::Identity;
use finp2p_sidecar::network::{
    Admissions, Answer, Bounds, Counters, Network, Remote, Responder, Service,
};
use finp2p_sidecar::reader::{Reader, ReaderCounters};
use finp2p_sidecar::record::{self, Claims, Content, Opening};
use finp2p_sidecar::request::time::Timekeeper;
use finp2p_sidecar::request::{
    self, Configuration, Incarnations, RecordCertificate, Records, Snapshot, StoredRecord,
    Unreadable,
};
use finp2p_sidecar::store::{Key, SledStore, Space, Store, StoreKey};
use finp2p_wire::cbor::{Bytes, List, Text};
use finp2p_wire::certificate::{Certificate, KeyBytes, Use};
use finp2p_wire::digest::Digest;
use finp2p_wire::key::SigningKey;
use jiff::Timestamp;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use serde_json::json;
use tokio::task::JoinSet;

use crate::Seen;

pub const RESOURCE: &str = "bank-a:102:BOND";
const NETWORK: &str = "bench";
const DAY_S: u64 = 86_400;
/// Size of the bare request: a signed fetch has about as many bytes.
const BARE_REQUEST: usize = 300;

struct Bank {
    organization: &'static str,
    root: SigningKey,
    issuing: SigningKey,
    session: SigningKey,
    record: SigningKey,
    peer: Keypair,
}

impl Bank {
    fn new(organization: &'static str) -> Self {
        let mut rng = rand::rng();
        Self {
            organization,
            root: SigningKey::generate(&mut rng),
            issuing: SigningKey::generate(&mut rng),
            session: SigningKey::generate(&mut rng),
            record: SigningKey::generate(&mut rng),
            peer: Keypair::generate_ed25519(),
        }
    }

    fn certificate(
        &self,
        by: &SigningKey,
        role: Use,
        of: &SigningKey,
        serial: u64,
    ) -> Result<Vec<u8>, String> {
        let peers = match role {
            Use::Net => Some(text(List::new(vec![text(Bytes::new(
                self.peer.public().to_peer_id().to_bytes(),
            ))?]))?),
            _ => None,
        };
        let now = unix();
        let certificate = Certificate {
            org: text(Text::new(self.organization))?,
            uses: text(List::new(vec![role]))?,
            key: KeyBytes(*of.public().as_bytes()),
            peers,
            serial,
            incarnation: 1,
            not_before: now - DAY_S,
            not_after: now + 7 * DAY_S,
        };
        certificate.issue(NETWORK, by).map_err(|e| e.to_string())
    }

    fn identity(&self) -> Result<(Identity, RecordCertificate), String> {
        let issuing = self.certificate(&self.root, Use::Issue, &self.issuing, 1)?;
        let record = self.certificate(&self.issuing, Use::Rec, &self.record, 3)?;
        let identity = Identity {
            organization: self.organization.to_owned(),
            network: NETWORK.to_owned(),
            incarnation: 1,
            certificates: vec![
                issuing.clone(),
                self.certificate(&self.issuing, Use::Net, &self.session, 2)?,
                record.clone(),
            ],
            session: SigningKey::from_seed(&self.session.to_seed()),
            peer: self.peer.clone(),
        };
        let record = RecordCertificate::new(record, issuing).ok_or("not a certificate")?;
        Ok((identity, record))
    }

    fn entry(&self, addresses: &[Multiaddr]) -> Result<PeerEntry, String> {
        serde_json::from_value(json!({
            "organizationId": self.organization,
            "keys": [{
                "id": "k1",
                "publicKey": self.root.public().to_spki_base64(),
                "notBefore": "2020-01-01T00:00:00Z",
                "notAfter": "2099-01-01T00:00:00Z",
            }],
            "addresses": addresses,
        }))
        .map_err(|e| e.to_string())
    }
}

/// The two nodes.
pub struct Nodes {
    a: Network,
    b: Network,
    echo: Network,
    echo_peer: PeerId,
    answer_bytes: usize,
    pub reader: Arc<Reader>,
    _folder: tempfile::TempDir,
}

/// The records of bank-a, on disk and sealed.
struct Kept(Arc<dyn Store>);

impl Records for Kept {
    fn current(&self, resource: &ResourceId) -> Result<Option<StoredRecord>, Unreadable> {
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| Unreadable(error);
        let key = Key::new(Space::Record, resource.to_string()).map_err(|e| failed(Box::new(e)))?;
        let value = self.0.get(&key).map_err(|e| failed(Box::new(e)))?;
        value
            .map(|value| serde_json::from_slice(&value))
            .transpose()
            .map(|record| record.map(|record| StoredRecord { version: 1, record }))
            .map_err(|e| failed(Box::new(e)))
    }

    fn have_stopped(&self) -> bool {
        self.0.trouble().is_some()
    }
}

struct Echo(Vec<u8>);

impl Responder for Echo {
    fn answer(&self, _: Timestamp, _: &Remote, _: &[u8]) -> Answer {
        Answer::Respond(self.0.clone())
    }
}

impl Nodes {
    pub async fn start() -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let (a, b) = (Bank::new("bank-a"), Bank::new("bank-b"));
        let store: Arc<dyn Store> = Arc::new(text(SledStore::open(
            &folder.path().join("store"),
            &text(StoreKey::generate())?,
        ))?);
        let audit = text(Audit::open(&folder.path().join("audit"), clock().now()))?;
        let record = bond(&a)?;
        let answer_bytes = serde_json::to_vec(&record)
            .map_err(|e| e.to_string())?
            .len();
        text(
            store.put(
                text(Key::new(Space::Record, RESOURCE))?,
                serde_json::to_vec(&record)
                    .map_err(|e| e.to_string())?
                    .into(),
            ),
        )?;
        let (identity, certificate) = a.identity()?;
        let snapshot = Snapshot {
            generation: 0,
            set: Digest([1; 32]),
            identity: Arc::new(identity),
            record_keys: BTreeMap::from([(a.record.kid(), vec![certificate])]),
            facts: Arc::new(facts(&b)?),
            restrained_by: None,
            stale: false,
            requests_per_second: u32::MAX,
        };
        let admissions = Admissions::new(64);
        let responder = request::Responder::new(request::Parts {
            configuration: Arc::new(Configuration::new(snapshot)),
            records: Arc::new(Kept(Arc::clone(&store))),
            trail: Arc::new(audit),
            counters: Arc::new(audit::Counters::new()),
            incarnations: Arc::new(Incarnations::new(Arc::clone(&store))),
            admissions: admissions.clone(),
            timekeeper: Arc::new(Timekeeper::default()),
        });
        let network_a = network(&a.peer, Arc::new(responder), admissions).await?;
        let echo_peer = Keypair::generate_ed25519();
        let echo_admissions = Admissions::new(64);
        echo_admissions.admit(b.peer.public().to_peer_id(), "bank-b");
        let echo = network(
            &echo_peer,
            Arc::new(Echo(vec![7; answer_bytes])),
            echo_admissions,
        )
        .await?;
        let reader_admissions = Admissions::new(64);
        let network_b = network(
            &b.peer,
            Arc::new(Echo(Vec::new())),
            reader_admissions.clone(),
        )
        .await?;
        let reader = Arc::new(Reader::new(
            network_b.client(),
            reader_admissions.clone(),
            Arc::new(Incarnations::new(store)),
            Arc::new(Timekeeper::default()),
            clock(),
            Arc::new(ReaderCounters::default()),
        ));
        reader.set_identity(Arc::new(b.identity()?.0));
        reader.set_peers([a.entry(&network_a.listening())?]);
        reader_admissions.admit(echo_peer.public().to_peer_id(), "echo");
        Ok(Self {
            a: network_a,
            b: network_b,
            echo,
            echo_peer: echo_peer.public().to_peer_id(),
            answer_bytes,
            reader,
            _folder: folder,
        })
    }

    /// One pull, looked at: a benchmark of refusals would be worthless.
    pub async fn check(&self) -> Result<usize, String> {
        let fetched = text(self.reader.fetch(RESOURCE, None, None).await)?;
        if fetched.data.len() == 20 {
            Ok(fetched.presented.len())
        } else {
            Err(format!(
                "20 fields were expected, and {} came",
                fetched.data.len()
            ))
        }
    }

    /// Requests and responses of the same sizes without any signature.
    #[allow(clippy::disallowed_methods)] // a benchmark measures time
    pub async fn bare(&self, in_flight: usize, measure: Duration) -> Result<Seen, String> {
        let begun = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..in_flight {
            let (client, peer) = (self.b.client(), self.echo_peer);
            let (addresses, bytes) = (self.echo.listening(), self.answer_bytes);
            workers.spawn(async move {
                let mut took = Vec::new();
                while begun.elapsed() < measure {
                    let asked = Instant::now();
                    let answer = client
                        .request(peer, addresses.clone(), vec![3; BARE_REQUEST])
                        .await
                        .map_err(|e| e.to_string())?;
                    if answer.len() != bytes {
                        return Err("a bare answer is not whole".to_owned());
                    }
                    took.push(asked.elapsed());
                }
                Ok(took)
            });
        }
        let mut took = Vec::new();
        while let Some(worker) = workers.join_next().await {
            took.extend(worker.map_err(|e| e.to_string())??);
        }
        Ok(Seen::of(took, begun.elapsed()))
    }

    pub async fn stop(self) {
        for network in [self.b, self.a, self.echo] {
            network.shutdown(Duration::from_secs(1)).await;
        }
    }
}

async fn network(
    peer: &Keypair,
    responder: Arc<dyn Responder>,
    admissions: Admissions,
) -> Result<Network, String> {
    let service = Service {
        responder,
        admissions,
        clock: clock(),
        counters: Arc::new(Counters::default()),
    };
    let listen = vec![text("/ip4/127.0.0.1/tcp/0".parse())?];
    text(Network::start(peer.clone(), listen, Bounds::default(), service).await)
}

/// A bond of 1 KiB in 20 fields.
fn bond(bank: &Bank) -> Result<record::Record, String> {
    let fields: serde_json::Map<_, _> = (0..20)
        .map(|n| (format!("field{n:02}"), json!("x".repeat(38))))
        .collect();
    let content = text(Content::parse(
        serde_json::Value::Object(fields).to_string().as_bytes(),
    ))?;
    let claims = Claims {
        iss: bank.organization.to_owned(),
        sub: RESOURCE.to_owned(),
        ver: 1,
        iat: unix(),
        net: NETWORK.to_owned(),
    };
    let opening = Opening::Objects(std::collections::BTreeSet::new());
    text(record::issue(
        &content,
        &opening,
        &claims,
        &bank.record,
        &mut rand::rng(),
    ))
}

fn facts(reader: &Bank) -> Result<Facts, String> {
    let policy: PolicyEntry = serde_json::from_value(json!({"spec": {
        "assets": {"all": true}, "peers": {"names": ["bank-b"]}, "mode": "Pull", "allFields": true
    }}))
    .map_err(|e| e.to_string())?;
    let asset: AssetEntry =
        serde_json::from_value(json!({"resourceId": RESOURCE, "content": {"api": {}}}))
            .map_err(|e| e.to_string())?;
    Ok(Facts::new(
        "bank-a".to_owned(),
        vec![entry("bank-b", reader.entry(&[])?)],
        vec![entry("terms", policy)],
        vec![entry("bond", asset)],
    ))
}

fn entry<T>(name: &str, payload: T) -> Entry<T> {
    Entry {
        uid: format!("uid-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload,
    }
}

#[allow(clippy::disallowed_methods)] // a benchmark is a main
fn clock() -> Clock {
    Clock::new(Timestamp::now)
}

fn unix() -> u64 {
    u64::try_from(clock().now().as_second()).unwrap_or(0)
}

fn text<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}
