//! A node of bank-b with its API on loopback, and programs that call it.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock, RwLockWriteGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::entry::{ASSET, PEER, POLICY, SCHEMA};
use finp2p_crds::peer_organization::{ApiClient, ApiVerb};
use finp2p_crds::sidecar_config::{
    NodeLimits, RawEntry, Root, SLICE_MAX_ENTRIES, SidecarConfigStatus, Slice,
};
use finp2p_crds::{SidecarConfig, SidecarConfigSpec};
use finp2p_sidecar::api::auth::{Callers, Tokens};
use finp2p_sidecar::api::probes::{self, Probes};
use finp2p_sidecar::api::serve::{API_CONNECTIONS_MAX, PROBE_CONNECTIONS_MAX};
use finp2p_sidecar::api::{self, Local, Peers, serve};
use finp2p_sidecar::audit::{self, Audit, AuditError, Entry};
use finp2p_sidecar::clock::Clock;
use finp2p_sidecar::config::{Directory, Source};
use finp2p_sidecar::keys::NodeKeys;
use finp2p_sidecar::metrics::Metrics;
use finp2p_sidecar::network::Counters;
use finp2p_sidecar::node::report::ReportFile;
use finp2p_sidecar::node::{Node, Parts, Tick};
use finp2p_sidecar::request::Trail;
use finp2p_sidecar::store::Store;
use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::bank::{Bank, NETWORK};
use crate::node::NOW;
use crate::program::{DEADLINE, Program};
use crate::volume::Volume;

pub const ALL: [ApiVerb; 8] = [
    ApiVerb::ReadAssets,
    ApiVerb::WriteAssets,
    ApiVerb::ReadUsers,
    ApiVerb::WriteUsers,
    ApiVerb::Fetch,
    ApiVerb::Decide,
    ApiVerb::Audit,
    ApiVerb::Administer,
];

/// Where decisions go; a test can make it take none, and make whoever is answered wait.
struct Log {
    audit: Arc<Audit>,
    full: Arc<AtomicBool>,
    held: Arc<Held>,
}

/// Written by a test that holds up the audit log, read by what is recorded.
#[derive(Default)]
struct Held {
    lock: RwLock<()>,
    recording: AtomicUsize,
}

impl Trail for Log {
    fn record(&self, entries: &[Entry]) -> Result<(), AuditError> {
        if self.full.load(Ordering::SeqCst) {
            return Err(AuditError::Stopped { step: "write" });
        }
        self.held.recording.fetch_add(1, Ordering::SeqCst);
        let free = self.held.lock.read().unwrap();
        self.held.recording.fetch_sub(1, Ordering::SeqCst);
        drop(free);
        self.audit.append_all(entries).map(|_| ())
    }
}

/// A configuration as the operator would write it.
#[derive(Clone)]
pub struct Config {
    pub sequence: i64,
    pub clients: Vec<ApiClient>,
    pub certified: bool,
    pub assets: Vec<(&'static str, Value)>,
    /// Assets whose content the operator left out.
    pub left_out: Vec<&'static str>,
    pub schemas: Vec<(&'static str, &'static str)>,
    pub peers: Vec<Value>,
    /// Name, and what the policy says.
    pub policies: Vec<(&'static str, Value)>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sequence: 5,
            clients: vec![client("trading", &ALL)],
            certified: true,
            assets: vec![
                ("bond", json!({"api": {}})),
                (
                    "listed",
                    json!({"secret": {"name": "bonds", "key": "listed.json"}}),
                ),
            ],
            left_out: Vec::new(),
            schemas: Vec::new(),
            peers: Vec::new(),
            policies: Vec::new(),
        }
    }
}

pub fn client(name: &str, allow: &[ApiVerb]) -> ApiClient {
    ApiClient {
        service_account: name.to_owned(),
        allow: allow.to_vec(),
    }
}

pub fn token(client: &str) -> String {
    format!("token-of-{client}-{}", "0123456789abcdef".repeat(2))
}

pub struct World {
    pub node: Arc<Node>,
    pub bank: Bank,
    pub keys: Arc<NodeKeys>,
    pub peers: Arc<OnceLock<Peers>>,
    pub clock: Clock,
    pub api: SocketAddr,
    pub probes: SocketAddr,
    pub runtime: Runtime,
    pub tokens: Arc<Tokens>,
    pub volume: Arc<Volume>,
    folder: TempDir,
    full: Arc<AtomicBool>,
    held: Arc<Held>,
    shift_s: Arc<AtomicI64>,
    stop: watch::Sender<bool>,
    served: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl World {
    /// With the usual configuration in force.
    pub fn new() -> Self {
        Self::with(&Config::default())
    }

    pub fn with(config: &Config) -> Self {
        let world = Self::empty();
        world.configure(config);
        world
    }

    /// Before any configuration.
    pub fn empty() -> Self {
        Self::over(|directory| Arc::new(directory))
    }

    /// Before any configuration, which comes by what is laid over the directory.
    pub fn over(source: impl FnOnce(Directory) -> Arc<dyn Source>) -> Self {
        crate::private::listen_to_the_log();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config");
        fs::create_dir_all(config.join("slices")).unwrap();
        let shift_s = Arc::new(AtomicI64::new(0));
        let clock = {
            let shift = Arc::clone(&shift_s);
            Clock::new(move || Timestamp::from_second(NOW + shift.load(Ordering::SeqCst)).unwrap())
        };
        let volume = Arc::new(Volume::default());
        let audit = Audit::open(&folder.path().join("audit"), clock.now()).unwrap();
        let audit = Arc::new(audit);
        let keys = Arc::new(NodeKeys::load_or_create(&*volume).unwrap());
        let node = Node::resume(Parts {
            source: source(Directory::new(&config)),
            store: Arc::clone(&volume) as Arc<dyn Store>,
            audit: Arc::clone(&audit),
            keys: Arc::clone(&keys),
            report: Arc::new(ReportFile::new(folder.path().join("report.yaml"))),
        })
        .unwrap();
        let node = Arc::new(node);
        let full = Arc::new(AtomicBool::new(false));
        let metrics = {
            let (refusals, node, clock) = (node.counters(), Arc::clone(&node), clock.clone());
            let state = Arc::new(move || node.state(clock.now()));
            let network = Arc::new(Counters::default());
            Metrics::new(network, refusals, state, Clock::new(now))
        };
        let held = Arc::new(Held::default());
        let trail = Log {
            audit,
            full: Arc::clone(&full),
            held: Arc::clone(&held),
        };
        let tokens = Arc::new(Tokens::default());
        let peers = Arc::new(OnceLock::new());
        let local = Local {
            clock: clock.clone(),
            callers: Callers::Files(Arc::clone(&tokens)),
            node: Arc::clone(&node),
            trail: Arc::new(trail),
            peers: Arc::clone(&peers),
        };
        let router = api::router(local);
        let probing = probes::router(Probes {
            node: Arc::clone(&node),
            metrics: Arc::new(metrics),
            clock: clock.clone(),
        });
        let runtime = Runtime::new().unwrap();
        let (stop, stopped) = watch::channel(false);
        let (api, served) = start(&runtime, router, API_CONNECTIONS_MAX, stopped.clone());
        let (probes, _) = start(&runtime, probing, PROBE_CONNECTIONS_MAX, stopped);
        Self {
            node,
            bank: Bank::new("bank-b"),
            keys,
            peers,
            clock,
            api,
            probes,
            runtime,
            tokens,
            volume,
            folder,
            full,
            held,
            shift_s,
            stop,
            served: Mutex::new(Some(served)),
        }
    }

    /// Writes the configuration and the clients' tokens, and puts them in force.
    pub fn configure(&self, config: &Config) {
        self.write(config);
        self.look();
    }

    /// A look at the configuration, and all that is to be published.
    pub fn look(&self) -> Tick {
        let tick = self.node.tick(self.clock.now());
        while self.node.publish(self.clock.now()).more {}
        tick
    }

    /// Writes the configuration and the clients' tokens.
    pub fn write(&self, config: &Config) {
        let folder = self.folder.path().join("config");
        let entries = self.entries(config);
        let mut slices = Vec::new();
        for (bucket, entries) in entries.chunks(SLICE_MAX_ENTRIES).enumerate() {
            let name = format!("bank-b-{bucket}");
            let spec = SidecarConfigSpec {
                root: None,
                slice: Some(Slice {
                    set: "1".to_owned(),
                    bucket: i32::try_from(bucket).unwrap(),
                    entries: entries.to_vec(),
                }),
            };
            let path = folder.join(format!("slices/{name}.yaml"));
            write(&path, &object(&name, config.sequence, spec));
            slices.push(name);
        }
        let root = Root {
            organization_id: "bank-b".to_owned(),
            network: NETWORK.to_owned(),
            incarnation: 1,
            sequence: config.sequence,
            lineage: Vec::new(),
            certificates: if config.certified {
                self.certificates()
            } else {
                Vec::new()
            },
            limits: NodeLimits {
                requests_per_second: 1000,
                connections: 8,
                erase_after_seconds: 60,
                max_config_age_seconds: 7200,
            },
            api: config.clients.clone(),
            set: "1".to_owned(),
            slices,
        };
        let root = SidecarConfigSpec {
            root: Some(root),
            slice: None,
        };
        write(
            &folder.join("root.yaml"),
            &object("bank-b", config.sequence, root),
        );
        for client in &config.clients {
            self.give_token(&client.service_account);
        }
    }

    pub fn give_token(&self, client: &str) {
        let folder = self.folder.path().join("tokens");
        fs::create_dir_all(&folder).unwrap();
        let mut file = fs::OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(folder.join(client))
            .unwrap();
        file.write_all(token(client).as_bytes()).unwrap();
        assert_eq!(self.tokens.load(&folder), []);
    }

    fn entries(&self, config: &Config) -> Vec<RawEntry> {
        let entry = |kind: &str, name: &str, payload| RawEntry {
            kind: kind.to_owned(),
            uid: format!("uid-{name}"),
            generation: config.sequence,
            name: name.to_owned(),
            payload,
        };
        let assets = config.assets.iter().map(|(name, content)| {
            let payload = json!({
                "resourceId": format!("bank-b:102:{name}"),
                "content": content,
                "contentLeftOut": config.left_out.contains(name),
                "units": ["/terms"],
                "hasSchema": config.schemas.iter().any(|(asset, _)| asset == name),
            });
            entry(ASSET, name, payload)
        });
        let schemas = config.schemas.iter();
        let schemas = schemas.map(|(name, text)| entry(SCHEMA, name, json!({ "text": text })));
        let peers = config
            .peers
            .iter()
            .map(|peer| entry(PEER, peer["organizationId"].as_str().unwrap(), peer.clone()));
        let policies = config.policies.iter();
        let policies = policies.map(|(name, spec)| entry(POLICY, name, json!({ "spec": spec })));
        assets.chain(schemas).chain(peers).chain(policies).collect()
    }

    fn certificates(&self) -> Vec<String> {
        let (session, record) = (self.keys.session.public(), self.keys.record.public());
        [
            self.bank.issuing_certificate(),
            self.bank.session_certificate(session, self.keys.peer_id()),
            self.bank.record_certificate(record),
        ]
        .map(|certificate| STANDARD.encode(certificate))
        .to_vec()
    }

    /// Moves the clock, without a look at the configuration.
    pub fn pass(&self, seconds: i64) {
        self.shift_s.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Whether the audit log takes entries.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }

    /// Whoever is answered waits, where that is audited, until this is dropped.
    pub fn hold_audit(&self) -> RwLockWriteGuard<'_, ()> {
        self.held.lock.write().unwrap()
    }

    /// How many wait so.
    pub fn held_up(&self) -> usize {
        self.held.recording.load(Ordering::SeqCst)
    }

    /// What the node reports now; `None` before it has reported anything.
    pub fn report(&self) -> Option<SidecarConfigStatus> {
        self.node.report(self.clock.now(), Vec::new());
        let text = fs::read_to_string(self.folder.path().join("report.yaml")).ok()?;
        Some(serde_yaml::from_str(&text).unwrap())
    }

    /// Deletes the files of the audit log under the node.
    pub fn lose_audit(&self) {
        fs::remove_dir_all(self.folder.path().join("audit")).unwrap();
    }

    /// What the audit log holds.
    pub fn all_entries(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        audit::visit(&self.folder.path().join("audit"), &mut |_, text| {
            entries.push(serde_json::from_str(text).unwrap());
        })
        .unwrap();
        entries
    }

    /// What the audit log holds of an operation or change.
    pub fn entries_of(&self, op: &str) -> Vec<Value> {
        let entries = self.all_entries().into_iter();
        entries
            .filter(|entry| entry["op"] == op || entry["what"] == op)
            .collect()
    }

    /// Waits until `condition` holds.
    pub fn until(&self, what: &str, condition: impl Fn() -> bool) {
        self.runtime.block_on(crate::node::until(what, condition));
    }

    /// Tells the API to end, without waiting.
    pub fn stop(&self) {
        self.stop.send(true).unwrap();
    }

    /// Waits until the API has ended.
    pub fn ended(&self) {
        let served = self.served.lock().unwrap().take().unwrap();
        self.runtime
            .block_on(async { tokio::time::timeout(DEADLINE, served).await })
            .unwrap()
            .unwrap();
    }

    pub fn as_client(&self, name: &str) -> Program {
        Program {
            base: format!("http://{}", self.api),
            headers: vec![(
                "authorization".to_owned(),
                format!("Bearer {}", token(name)),
            )],
        }
    }

    pub fn trading(&self) -> Program {
        self.as_client("trading")
    }

    pub fn nobody(&self) -> Program {
        Program {
            base: format!("http://{}", self.api),
            headers: Vec::new(),
        }
    }

    pub fn prober(&self) -> Program {
        Program {
            base: format!("http://{}", self.probes),
            headers: Vec::new(),
        }
    }
}

fn now() -> Timestamp {
    Timestamp::from_second(NOW).unwrap()
}

fn start(
    runtime: &Runtime,
    router: axum::Router,
    connections_max: usize,
    mut stopped: watch::Receiver<bool>,
) -> (SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    let served = runtime.spawn(async move {
        serve::serve(listener, router, connections_max, async move {
            let _gone = stopped.wait_for(|stop| *stop).await;
        })
        .await;
    });
    (address, served)
}

fn object(name: &str, generation: i64, spec: SidecarConfigSpec) -> SidecarConfig {
    let mut object = SidecarConfig::new(name, spec);
    object.metadata.uid = Some("uid-1".to_owned());
    object.metadata.generation = Some(generation);
    object
}

fn write(path: &Path, object: &SidecarConfig) {
    let new = path.with_extension("new");
    fs::write(&new, serde_yaml::to_string(object).unwrap()).unwrap();
    fs::rename(new, path).unwrap();
}
