//! The node that is attacked: bank A's, with everything real. A sled store holds its records, an
//! audit log its decisions, both on disk; it listens on loopback and is reached in no other way.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finp2p_crds::ResourceId;
use finp2p_crds::access::Facts;
use finp2p_crds::entry::{Entry as Declared, PeerEntry};
use finp2p_sidecar::audit::{self, Audit};
use finp2p_sidecar::clock::Clock;
use finp2p_sidecar::network::{Admissions, Bounds, Counters, Network, Service};
use finp2p_sidecar::primary::Primary;
use finp2p_sidecar::primary::version::Held;
use finp2p_sidecar::reader::{Fetched, Reader, ReaderCounters};
use finp2p_sidecar::record::Record;
use finp2p_sidecar::request::time::Timekeeper;
use finp2p_sidecar::request::{
    Configuration, Incarnations, Parts, RecordCertificate, Records, Responder, Snapshot,
    StoredRecord, Unreadable,
};
use finp2p_sidecar::store::{Key, MemoryStore, SledStore, Space, Store, StoreKey};
use finp2p_wire::digest::Digest;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bank::{Bank, NETWORK};
use crate::node::{NOW, Node, clock, echo, soon};
use crate::primary::{BOND, SECRET, signed};

/// Shared once, by a policy that is over.
pub const PAST: &str = "bank-a:102:PAST";
/// Shared for settlement only.
pub const RESEARCH: &str = "bank-a:102:RESEARCH";

/// Called before every read of a record.
type Hook = Box<dyn Fn() + Send + Sync>;

/// The records, with a count of how often they are read.
struct Counted {
    primary: Primary,
    reads: Arc<AtomicUsize>,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
}

impl Records for Counted {
    fn current(&self, resource: &ResourceId) -> Result<Option<StoredRecord>, Unreadable> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        let hook = self.hook.lock().unwrap().clone();
        if let Some(hook) = hook {
            hook();
        }
        Records::current(&self.primary, resource)
    }

    fn have_stopped(&self) -> bool {
        self.primary.has_stopped()
    }
}

/// What runs, and ends at a restart.
struct Running {
    store: Arc<SledStore>,
    audit: Arc<Audit>,
    responder: Arc<Responder>,
    counters: Arc<audit::Counters>,
    node: Node,
}

/// Bank A's node. Banks B and D are pinned and attack; bank C is pinned and honest. Nothing is
/// shared with bank D.
pub struct Victim {
    pub a: Bank,
    pub pinned: Vec<Bank>,
    pub configuration: Arc<Configuration>,
    /// What the clock says, one reading after another, and again from the first.
    clock: Arc<Mutex<Vec<i64>>>,
    reads: Arc<AtomicUsize>,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
    dir: TempDir,
    key: StoreKey,
    running: Option<Running>,
    seen: AtomicUsize,
    honest: (Reader, Node),
}

/// What bank A has declared, but for peers and assets.
pub struct Declares {
    pub policies: Vec<Value>,
    pub suspended: Vec<&'static str>,
    pub requests_per_second: u32,
}

impl Default for Declares {
    fn default() -> Self {
        let both = json!({"names": ["bank-b", "bank-c"]});
        let fields = json!(["/name", "/coupon"]);
        let policy = |asset: &str, more: Value| {
            let mut spec = json!({
                "assets": {"names": [asset]}, "peers": both, "mode": "Pull", "fields": fields,
            });
            let members = spec.as_object_mut().unwrap();
            members.extend(more.as_object().unwrap().clone());
            spec
        };
        Self {
            policies: vec![
                policy(BOND, json!({})),
                policy(PAST, json!({"notAfter": "2026-06-01T00:00:00Z"})),
                policy(RESEARCH, json!({"purposes": ["settlement"]})),
            ],
            suspended: Vec::new(),
            // More than any test sends: the clock stands still, so no token comes back.
            requests_per_second: 100_000,
        }
    }
}

impl Victim {
    /// The node of a new bank A.
    pub async fn start() -> (Self, Bank) {
        let b = Bank::new("bank-b");
        let pinned = vec![Bank::clone_of(&b), Bank::new("bank-c"), Bank::new("bank-d")];
        (Self::start_as(Bank::new("bank-a"), pinned).await, b)
    }

    /// The node of this bank A; the second of `pinned` is the honest reader.
    pub async fn start_as(a: Bank, pinned: Vec<Bank>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = StoreKey::generate().unwrap();
        let configuration = snapshot(&a, &pinned, &Declares::default(), |_| {});
        let honest = reader(&pinned[1]).await;
        let mut victim = Self {
            a,
            pinned,
            configuration: Arc::new(Configuration::new(configuration)),
            clock: Arc::new(Mutex::new(vec![NOW])),
            reads: Arc::default(),
            hook: Arc::default(),
            dir,
            key,
            running: None,
            seen: AtomicUsize::new(0),
            honest,
        };
        victim.run("/ip4/127.0.0.1/tcp/0").await;
        for resource in [BOND, SECRET, PAST, RESEARCH] {
            victim.publish(resource, &signed(&victim.a.record, resource, 1));
        }
        victim
    }

    /// Ends the node as a shutdown does, and starts it from what is on its disk.
    pub async fn restart(&mut self) {
        let running = self.running.take().unwrap();
        let address = running.node.addresses[0].to_string();
        soon("the end", running.node.network.shutdown(Duration::ZERO)).await;
        drop((running.responder, running.store, running.audit));
        self.run(&address).await;
    }

    async fn run(&mut self, listen: &str) {
        let path = |name: &str| self.dir.path().join(name);
        let store = Arc::new(SledStore::open(&path("store"), &self.key).unwrap());
        let audit = Arc::new(Audit::open(&path("audit"), self.time()).unwrap());
        let admissions = Admissions::new(64);
        let counters = Arc::new(audit::Counters::new());
        let primary = Primary::new(
            Arc::clone(&store) as Arc<dyn Store>,
            self.a.org.to_owned(),
            NETWORK.to_owned(),
        );
        let responder = Arc::new(Responder::new(Parts {
            configuration: Arc::clone(&self.configuration),
            records: Arc::new(Counted {
                primary,
                reads: Arc::clone(&self.reads),
                hook: Arc::clone(&self.hook),
            }),
            trail: Arc::clone(&audit) as Arc<_>,
            counters: Arc::clone(&counters),
            incarnations: Arc::new(Incarnations::new(Arc::clone(&store) as Arc<_>)),
            admissions: admissions.clone(),
            timekeeper: Arc::new(Timekeeper::default()),
        }));
        let (clock, readings) = (Arc::clone(&self.clock), AtomicUsize::new(0));
        let clock = Clock::new(move || {
            let clock = clock.lock().unwrap();
            let reading = readings.fetch_add(1, Ordering::SeqCst);
            Timestamp::from_second(clock[reading % clock.len()]).unwrap()
        });
        let service = Service {
            responder: Arc::clone(&responder) as Arc<_>,
            admissions: admissions.clone(),
            clock,
            counters: Arc::new(Counters::default()),
        };
        let network_counters = Arc::clone(&service.counters);
        let listen = vec![listen.parse().unwrap()];
        let network = Network::start(self.a.peer.clone(), listen, Bounds::default(), service);
        let network = soon("start", network).await.unwrap();
        let node = Node {
            client: network.client(),
            peer: self.a.peer_id(),
            addresses: network.listening(),
            admissions,
            counters: network_counters,
            network,
        };
        self.honest.0.set_peers([self.a.entry(&node.addresses)]);
        self.running = Some(Running {
            store,
            audit,
            responder,
            counters,
            node,
        });
    }

    fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Its network.
    pub fn node(&self) -> &Node {
        &self.running().node
    }

    /// What answering has cost.
    pub fn responder(&self) -> &Responder {
        &self.running().responder
    }

    /// How often a record was read.
    pub fn reads(&self) -> usize {
        self.reads.load(Ordering::SeqCst)
    }

    /// Runs `hook` before every further read of a record.
    pub fn before_reads(&self, hook: impl Fn() + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Some(Arc::new(Box::new(hook)));
    }

    /// Sets the node's clock, in seconds from where the others' stand.
    pub fn set_clock(&self, offset: i64) {
        self.set_clocks(&[offset]);
    }

    /// Lets the node's clock jump from one of these to the next whenever it is read.
    pub fn set_clocks(&self, offsets: &[i64]) {
        let clock = offsets.iter().map(|offset| NOW + offset).collect();
        *self.clock.lock().unwrap() = clock;
    }

    /// What the clock says, or what it says first.
    pub fn time(&self) -> Timestamp {
        Timestamp::from_second(self.clock.lock().unwrap()[0]).unwrap()
    }

    /// Puts the record in place of the one before.
    pub fn publish(&self, resource: &str, record: &Record) {
        let held = Held {
            version: 1,
            fingerprint: [0; 32],
            record: record.clone(),
        };
        let key = Key::new(Space::Record, resource).unwrap();
        let value = serde_json::to_vec(&held).unwrap();
        self.running().store.put(key, value.into()).unwrap();
    }

    /// Puts other declarations in force.
    pub fn apply(&self, declares: &Declares) {
        self.apply_with(declares, |_| {});
    }

    /// The same, with what is pinned changed.
    pub fn apply_with(&self, declares: &Declares, change: impl Fn(&mut PeerEntry)) {
        let snapshot = snapshot(&self.a, &self.pinned, declares, change);
        self.configuration.apply(snapshot);
    }

    /// Entries of the audit files since the last call, with what was only counted so far as one
    /// more; each as it stands there. The whole log must verify.
    pub fn audited(&self) -> Vec<Value> {
        let running = self.running();
        if let Some(entry) = running.counters.finish(self.time()) {
            running.audit.append(&entry).unwrap();
        }
        let mut entries: Vec<Value> = Vec::new();
        audit::visit(&self.audit_dir(), &mut |_, entry| {
            entries.push(serde_json::from_str(entry).unwrap());
        })
        .unwrap();
        let seen = self.seen.swap(entries.len(), Ordering::SeqCst);
        entries.split_off(seen)
    }

    /// Number of the last entry of the audit log.
    pub fn audit_position(&self) -> u64 {
        self.running().audit.position().index
    }

    /// Bytes of the audit files.
    pub fn audit_bytes(&self) -> u64 {
        let files = std::fs::read_dir(self.audit_dir()).unwrap();
        files
            .map(|file| file.unwrap().metadata().unwrap().len())
            .sum()
    }

    fn audit_dir(&self) -> std::path::PathBuf {
        Path::new(self.dir.path()).join("audit")
    }

    /// An honest reader gets the bond, and exactly what the policy opens of it.
    pub async fn still_serves(&self) -> Fetched {
        let fetched = soon("an honest fetch", self.honest.0.fetch(BOND, None, None)).await;
        let fetched = fetched.unwrap_or_else(|error| panic!("{error:?}"));
        assert_eq!(fetched.units.names(), ["/coupon", "/name"]);
        fetched
    }
}

/// An honest reader, which knows nobody yet.
async fn reader(bank: &Bank) -> (Reader, Node) {
    let admissions = Admissions::new(64);
    let node = Node::start_as(bank.peer.clone(), echo(), Bounds::default(), admissions).await;
    let reader = Reader::new(
        node.client.clone(),
        node.admissions.clone(),
        Arc::new(Incarnations::new(Arc::new(MemoryStore::default()))),
        Arc::new(Timekeeper::default()),
        clock(),
        Arc::new(ReaderCounters::default()),
    );
    reader.set_identity(Arc::new(bank.identity()));
    (reader, node)
}

fn declared<T: serde::de::DeserializeOwned>(name: &str, payload: Value) -> Declared<T> {
    Declared {
        uid: format!("uid-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload: serde_json::from_value(payload).unwrap(),
    }
}

fn snapshot(
    a: &Bank,
    pinned: &[Bank],
    declares: &Declares,
    change: impl Fn(&mut PeerEntry),
) -> Snapshot {
    let peers = pinned.iter().map(|bank| {
        let mut payload = bank.entry(&[]);
        payload.suspended = declares.suspended.contains(&bank.org);
        change(&mut payload);
        Declared {
            uid: format!("uid-{}", bank.org),
            generation: 1,
            name: bank.org.to_owned(),
            payload,
        }
    });
    let policies = declares.policies.iter().enumerate();
    let policies =
        policies.map(|(n, spec)| declared(&format!("policy-{n}"), json!({ "spec": spec })));
    let assets = [BOND, SECRET, PAST, RESEARCH].map(|id| declared(id, json!({ "resourceId": id })));
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
        requests_per_second: declares.requests_per_second,
    }
}
