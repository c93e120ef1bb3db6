//! The reader and the responder of two real nodes, with nothing between them but a socket.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::ResourceId;
use finp2p_crds::access::Facts;
use finp2p_crds::entry::Entry as Declared;
use finp2p_sidecar::audit::{self, AuditError, Decision, Entry};
use finp2p_sidecar::keys::NodeKeys;
use finp2p_sidecar::network::{Admissions, Bounds, NetworkError};
use finp2p_sidecar::reader::{Fault, FetchError, Fetched, Reader, ReaderCounters};
use finp2p_sidecar::record::Record;
use finp2p_sidecar::request::time::Timekeeper;
use finp2p_sidecar::request::{
    Configuration, Incarnations, Parts, RecordCertificate, Records, Responder, Snapshot,
    StoredRecord, Trail, Unreadable,
};
use finp2p_sidecar::store::MemoryStore;
use finp2p_wire::digest::Digest;
use finp2p_wire::error::{Code, Refusal};
use finp2p_wire::key::SigningKey;
use serde_json::{Value, json};

use crate::bank::Bank;
use crate::node::{NOW, Node, clock, echo, soon};
use crate::primary::{BOND, SECRET, signed_at};

/// When the records were signed: longer ago than two clocks may differ.
const SIGNED: u64 = NOW as u64 - 600;

/// Two records in memory.
struct TwoRecords(BTreeMap<String, Record>);

impl Records for TwoRecords {
    fn current(&self, resource: &ResourceId) -> Result<Option<StoredRecord>, Unreadable> {
        let record = self.0.get(&resource.to_string()).cloned();
        Ok(record.map(|record| StoredRecord { version: 1, record }))
    }

    fn have_stopped(&self) -> bool {
        false
    }
}

/// An audit log in memory.
#[derive(Default)]
struct Log(Mutex<Vec<Decision>>);

impl Trail for Log {
    fn record(&self, entries: &[Entry]) -> Result<(), AuditError> {
        let decisions = entries.iter().filter_map(|entry| match entry {
            Entry::Decision(decision) => Some((**decision).clone()),
            _ => None,
        });
        self.0.lock().unwrap().extend(decisions);
        Ok(())
    }
}

/// Bank A, whose bond a policy opens to bank B in part, with the clock of its node.
struct Market {
    a: Bank,
    pinned: Vec<Bank>,
    configuration: Arc<Configuration>,
    log: Arc<Log>,
    records: Arc<TwoRecords>,
    store: Arc<MemoryStore>,
    server: Node,
}

fn declared<T: serde::de::DeserializeOwned>(name: &str, payload: Value) -> Declared<T> {
    Declared {
        uid: format!("uid-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload: serde_json::from_value(payload).unwrap(),
    }
}

fn snapshot(a: &Bank, pinned: &[Bank], policies: &[Value]) -> Snapshot {
    let peers = pinned.iter().map(|bank| Declared {
        uid: format!("uid-{}", bank.org),
        generation: 1,
        name: bank.org.to_owned(),
        payload: bank.entry(&[]),
    });
    let policies = policies.iter().enumerate();
    let policies =
        policies.map(|(n, spec)| declared(&format!("policy-{n}"), json!({ "spec": spec })));
    let assets = [BOND, SECRET].map(|id| declared(id, json!({ "resourceId": id })));
    let facts = Facts::new(
        a.org.to_owned(),
        peers.collect(),
        policies.collect(),
        assets.to_vec(),
    );
    let record = RecordCertificate::new(
        a.record_certificate(a.record.public()),
        a.issuing_certificate(),
    );
    Snapshot {
        generation: 0,
        set: Digest([1; 32]),
        identity: Arc::new(a.identity()),
        record_keys: BTreeMap::from([(a.record.kid(), vec![record.unwrap()])]),
        facts: Arc::new(facts),
        restrained_by: None,
        stale: false,
        requests_per_second: 1000,
    }
}

fn policy() -> Value {
    json!({
        "assets": {"names": [BOND]},
        "peers": {"names": ["bank-b"]},
        "mode": "Pull",
        "fields": ["/name", "/coupon"],
    })
}

impl Market {
    async fn open(pinned: Vec<Bank>) -> Self {
        let a = Bank::new("bank-a");
        let configuration = Arc::new(Configuration::new(snapshot(&a, &pinned, &[policy()])));
        let records = [BOND, SECRET].map(|id| (id.to_owned(), signed_at(SIGNED, &a.record, id, 1)));
        let records = Arc::new(TwoRecords(BTreeMap::from(records)));
        let (log, store) = (Arc::new(Log::default()), Arc::new(MemoryStore::default()));
        let responder = |admissions: &Admissions| {
            Responder::new(Parts {
                configuration: Arc::clone(&configuration),
                records: Arc::clone(&records) as Arc<dyn Records>,
                trail: Arc::clone(&log) as Arc<dyn Trail>,
                counters: Arc::new(audit::Counters::new()),
                incarnations: Arc::new(Incarnations::new(Arc::clone(&store) as Arc<_>)),
                admissions: admissions.clone(),
                timekeeper: Arc::new(Timekeeper::default()),
            })
        };
        let admissions = Admissions::new(64);
        let responder = Arc::new(responder(&admissions));
        let server = Node::start_as(a.peer.clone(), responder, Bounds::default(), admissions).await;
        Self {
            a,
            pinned,
            configuration,
            log,
            records,
            store,
            server,
        }
    }

    /// A reader of this bank, on a node of its own.
    async fn reader(&self, bank: &Bank) -> (Reader, Node) {
        let node = Node::start_as(
            bank.peer.clone(),
            echo(),
            Bounds::default(),
            Admissions::new(64),
        )
        .await;
        let reader = Reader::new(
            node.client.clone(),
            node.admissions.clone(),
            Arc::new(Incarnations::new(Arc::new(MemoryStore::default()))),
            Arc::new(Timekeeper::default()),
            clock(),
            Arc::new(ReaderCounters::default()),
        );
        reader.set_identity(Arc::new(bank.identity()));
        reader.set_peers([self.a.entry(&self.server.addresses)]);
        (reader, node)
    }

    fn apply(&self, policies: &[Value]) {
        self.configuration
            .apply(snapshot(&self.a, &self.pinned, policies));
    }
}

async fn fetch(reader: &Reader, resource: &str) -> Result<Fetched, FetchError> {
    soon("a fetch", reader.fetch(resource, None, None)).await
}

fn is_not_shared(result: &Result<Fetched, FetchError>) -> bool {
    let Err(error) = result else { return false };
    matches!(error.fault, Fault::Refused(refusal) if refusal == Refusal::NOT_SHARED)
}

#[tokio::test]
async fn a_reader_gets_what_the_policy_opens_and_both_banks_find_the_same_event() {
    let b = Bank::new("bank-b");
    let market = Market::open(vec![Bank::clone_of(&b)]).await;
    let (reader, _node) = market.reader(&b).await;
    let fetched = fetch(&reader, BOND).await.unwrap();
    assert_eq!(fetched.units.names(), ["/coupon", "/name"]);
    assert_eq!(fetched.data.keys().collect::<Vec<_>>(), ["coupon", "name"]);
    assert!(is_not_shared(&fetch(&reader, SECRET).await));

    let log = market.log.0.lock().unwrap();
    let [hello, granted, refused] = &log[..] else {
        panic!("{} entries", log.len())
    };
    assert_eq!((hello.op.as_str(), hello.code), ("hello", 0));
    assert_eq!(granted.record, Some(fetched.hash));
    assert_eq!(refused.code, Code::NotShared.number());
    let request = granted.request.unwrap();
    assert_eq!(hex::encode(&request[..8]), fetched.reference.to_string());
    assert_eq!(granted.reference, fetched.reference.to_string());
}

#[tokio::test]
async fn a_catalogue_lists_what_is_shared_and_nothing_else() {
    let (b, c) = (Bank::new("bank-b"), Bank::new("bank-c"));
    let market = Market::open(vec![Bank::clone_of(&b), Bank::clone_of(&c)]).await;
    let (reader, _node) = market.reader(&b).await;
    let part = soon("the catalogue", reader.catalog("bank-a", None, 1000))
        .await
        .unwrap();
    let listed: Vec<_> = part.items.iter().map(|item| item.r.as_str()).collect();
    assert_eq!(listed, [BOND]);
    let (reader, _node) = market.reader(&c).await;
    assert!(
        soon("the catalogue", reader.catalog("bank-a", None, 1000))
            .await
            .unwrap()
            .items
            .is_empty()
    );
    assert!(is_not_shared(&fetch(&reader, BOND).await));
    assert!(is_not_shared(&fetch(&reader, "bank-a:102:NOTHING").await));
}

#[tokio::test]
async fn a_record_is_served_after_its_key_was_certified_again() {
    let b = Bank::new("bank-b");
    let market = Market::open(vec![Bank::clone_of(&b)]).await;
    let a = &market.a;
    // What the node of bank A takes from its root: the renewed certificate ends later, and holds
    // from after the record was signed.
    let keys = NodeKeys {
        session: SigningKey::from_seed(&a.session.to_seed()),
        record: SigningKey::from_seed(&a.record.to_seed()),
        peer: a.peer.clone(),
    };
    let renewed = a.renewed_record_certificate(NOW as u64 - 300);
    let root: Vec<String> = a
        .certificates()
        .iter()
        .chain([&renewed])
        .map(|bytes| STANDARD.encode(bytes))
        .collect();
    let certified = keys.certified(&root, a.incarnation).unwrap();
    assert!(certified.presented.contains(&renewed));
    assert!(
        !certified
            .presented
            .contains(&a.record_certificate(a.record.public())),
        "a hello has room for the newest only"
    );
    let before = snapshot(a, &market.pinned, &[policy()]);
    market.configuration.apply(Snapshot {
        identity: Arc::new(finp2p_sidecar::identity::Identity {
            certificates: certified.presented,
            ..a.identity()
        }),
        record_keys: BTreeMap::from([(a.record.kid(), certified.records)]),
        ..before
    });
    let (reader, _node) = market.reader(&b).await;
    for _ in 0..3 {
        let fetched = fetch(&reader, BOND).await.unwrap();
        assert_eq!(fetched.issued_at, SIGNED);
    }
    let log = market.log.0.lock().unwrap();
    let asked: Vec<_> = log.iter().map(|decision| decision.op.as_str()).collect();
    assert_eq!(asked, ["hello", "fetch", "keys", "fetch", "fetch"]);
}

#[tokio::test]
async fn an_edited_policy_is_obeyed_by_the_next_answer_in_the_same_session() {
    let b = Bank::new("bank-b");
    let market = Market::open(vec![Bank::clone_of(&b)]).await;
    let (reader, _node) = market.reader(&b).await;
    fetch(&reader, BOND).await.unwrap();
    market.apply(&[]);
    assert!(is_not_shared(&fetch(&reader, BOND).await));
    market.apply(&[policy()]);
    fetch(&reader, BOND).await.unwrap();
    let hellos = market
        .log
        .0
        .lock()
        .unwrap()
        .iter()
        .filter(|d| d.op == "hello")
        .count();
    assert_eq!(hellos, 1);
}

#[tokio::test]
async fn attack_1_an_organization_that_is_not_pinned_gets_no_answer_at_all() {
    let market = Market::open(vec![Bank::new("bank-b")]).await;
    // The name is pinned, the root is not.
    for stranger in [Bank::new("bank-z"), Bank::new("bank-b")] {
        let (reader, node) = market.reader(&stranger).await;
        let error = fetch(&reader, BOND).await.unwrap_err();
        assert!(
            matches!(error.fault, Fault::Network(NetworkError::Closed)),
            "{:?}",
            error.fault
        );
        assert_eq!(market.server.admissions.organization(&node.peer), None);
    }
    assert_eq!(market.server.counters.read().connections_closed, 2);
    assert!(
        market.log.0.lock().unwrap().is_empty(),
        "nothing is written for a stranger"
    );
}

#[tokio::test]
async fn a_reader_outlives_a_restart_of_the_primary() {
    let b = Bank::new("bank-b");
    let market = Market::open(vec![Bank::clone_of(&b)]).await;
    let (reader, _node) = market.reader(&b).await;
    fetch(&reader, BOND).await.unwrap();

    // The same node again, with no memory of its sessions.
    let admissions = Admissions::new(64);
    let responder = Arc::new(Responder::new(Parts {
        configuration: Arc::clone(&market.configuration),
        records: Arc::clone(&market.records) as Arc<dyn Records>,
        trail: Arc::clone(&market.log) as Arc<dyn Trail>,
        counters: Arc::new(audit::Counters::new()),
        incarnations: Arc::new(Incarnations::new(Arc::clone(&market.store) as Arc<_>)),
        admissions: admissions.clone(),
        timekeeper: Arc::new(Timekeeper::default()),
    }));
    let addresses = market.server.addresses.clone();
    soon(
        "shutdown",
        market.server.network.shutdown(std::time::Duration::ZERO),
    )
    .await;
    assert!(fetch(&reader, BOND).await.is_err());
    let key = market.a.peer.clone();
    let _again = Node::start_at(addresses, key, responder, Bounds::default(), admissions).await;
    // The first attempts may still be held back.
    let tries = AtomicU64::new(0);
    soon("the first fetch", async {
        while fetch(&reader, BOND).await.is_err() {
            tries.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    })
    .await;
    let log = market.log.0.lock().unwrap();
    assert_eq!(
        log.iter().filter(|decision| decision.op == "hello").count(),
        2
    );
    assert_eq!(log.last().unwrap().at.as_second(), NOW);
}
