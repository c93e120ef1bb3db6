//! Starts the node's parts, keeps them in step, and ends them in order.
//!
//! ```text
//! store, audit, keys, kept configuration ─► Node ──tick, ten times a second──► Served
//!                                                                               │ first: network, responder
//!                                                                               └ then: Configuration::apply, Reader
//! ```
//! The order of the end: no new requests, those under way are answered, counts and time are
//! kept, the audit log is brought to disk.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use finp2p_crds::sidecar_config::PeerReport;
use libp2p::Multiaddr;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinError;

use crate::api::auth::Tokens;
use crate::api::probes::{self, Probes};
use crate::api::{self, Local, Peers};
use crate::args::Args;
use crate::audit::{Audit, AuditError};
use crate::clock::Clock;
use crate::config::Directory;
use crate::keys::{KeysError, NodeKeys};
use crate::metrics::Metrics;
use crate::network::{Admissions, Bounds, Counters, Network, Service, StartError};
use crate::node::served::Served;
use crate::node::{Node, NodeError, Parts};
use crate::reader::{Reader, ReaderCounters};
use crate::request::{self, Configuration, Incarnations, Responder, Trail};
use crate::store::{SledStore, Store, StoreError, StoreKey};

/// How often the configuration is looked at. An edit is in force after this at most, and a look
/// costs three calls of stat.
const TICK: Duration = Duration::from_millis(50);
/// How often the audit log is brought to disk: an answer about an asset may leave this much before
/// its entry survives a power cut.
const AUDIT_SYNC: Duration = Duration::from_millis(10);
/// Longest that requests under way may take when the node ends; below the 30 seconds that
/// Kubernetes grants.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Why the node does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A folder cannot be made.
    #[error("the state directory {path} cannot be made")]
    State {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The private store does not open.
    #[error("the private store does not open")]
    Store(#[from] StoreError),
    /// The audit log does not open.
    #[error("the audit log does not open")]
    Audit(#[from] AuditError),
    /// The node's keys are not to be had.
    #[error("the node has no keys")]
    Keys(#[from] KeysError),
    /// What the volume remembers cannot be used.
    #[error("the node cannot start from what its volume remembers")]
    Node(#[from] NodeError),
    /// An address in `--listen` is not a multiaddr.
    #[error("--listen {0} is not a multiaddr: write /ip4/0.0.0.0/tcp/4001")]
    Listen(String),
    /// The network does not start.
    #[error("the network does not start")]
    Network(#[from] StartError),
    /// The local API or the metrics cannot be served.
    #[error("{what} cannot be served on {address}: is the port taken? Choose another with {flag}")]
    Bind {
        /// Which server.
        what: &'static str,
        /// Where.
        address: std::net::SocketAddr,
        /// What changes it.
        flag: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A part of the node panicked: a fault of ours.
    #[error("a part of the node failed")]
    Failed(#[from] JoinError),
}

/// The parts of a node that has been started.
struct Running {
    node: Arc<Node>,
    clock: Clock,
    listen: Vec<Multiaddr>,
    trail: Arc<dyn Trail>,
    incarnations: Arc<Incarnations>,
    admissions: Admissions,
    counters: Arc<Counters>,
    peers: Arc<OnceLock<Peers>>,
    link: Option<Link>,
}

/// What exists once the node may serve.
struct Link {
    network: Network,
    configuration: Arc<Configuration>,
    reader: Arc<Reader>,
}

/// Runs the node until `stop` resolves.
///
/// # Errors
/// [`RunError`] when it does not start.
pub async fn run(args: Args, clock: Clock, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let listen = parse(&args.listen)?;
    let Volume { node, audit, store } = open(&args, &clock)?;
    let api_listener = bind("the local API", args.api, "--api").await?;
    let metrics_listener = bind("metrics", args.metrics, "--metrics").await?;
    let counters = Arc::new(Counters::default());
    let state = {
        let (node, clock) = (Arc::clone(&node), clock.clone());
        Arc::new(move || node.state(clock.now()))
    };
    let metrics = Arc::new(Metrics::new(Arc::clone(&counters), state, clock.clone()));
    let trail: Arc<dyn Trail> = Arc::new(metrics.counting(Arc::clone(&audit)));
    let mut running = Running {
        node: Arc::clone(&node),
        clock: clock.clone(),
        listen,
        trail: Arc::clone(&trail),
        incarnations: Arc::new(Incarnations::new(store)),
        admissions: Admissions::new(0),
        counters,
        peers: Arc::default(),
        link: None,
    };
    let tokens = Arc::new(Tokens::default());
    let (stopping, stopped) = watch::channel(false);
    let local = api::router(Local {
        clock: clock.clone(),
        tokens: Arc::clone(&tokens),
        node: Arc::clone(&node),
        trail,
        peers: Arc::clone(&running.peers),
    });
    let probes = probes::router(Probes {
        node: Arc::clone(&node),
        clock,
        metrics,
    });
    let api = tokio::spawn(serve(api_listener, local, stopped.clone()));
    let probes = tokio::spawn(serve(metrics_listener, probes, stopped.clone()));
    let syncs = tokio::spawn(sync_audit(audit, stopped));
    tracing::info!(api = %args.api, metrics = %args.metrics, "started; waiting for configuration");

    let result = running
        .keep_in_step(&tokens, args.api_tokens.as_deref(), stop)
        .await;

    tracing::info!("stopping: requests under way are answered first");
    let _no_listener_left = stopping.send(true);
    running.end().await;
    api.await?;
    probes.await?;
    syncs.await?;
    tracing::info!("stopped");
    result
}

impl Running {
    async fn keep_in_step(
        &mut self,
        tokens: &Tokens,
        token_folder: Option<&Path>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut reading = TokenFolder::default();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                _ = ticks.tick() => {}
            }
            if let Some(folder) = token_folder {
                reading.load(tokens, folder);
            }
            self.step().await?;
        }
    }

    /// One look at the configuration; what it changes is in force when this returns.
    async fn step(&mut self) -> Result<(), RunError> {
        let (node, clock) = (Arc::clone(&self.node), self.clock.clone());
        let tick = tokio::task::spawn_blocking(move || node.tick(clock.now())).await?;
        if let (true, Some(served)) = (tick.changed, &tick.served) {
            self.put_in_force(served).await?;
        }
        let peers = self
            .link
            .as_ref()
            .map(|link| peers(&link.reader))
            .unwrap_or_default();
        let (node, clock) = (Arc::clone(&self.node), self.clock.clone());
        tokio::task::spawn_blocking(move || node.report(clock.now(), peers)).await?;
        Ok(())
    }

    async fn put_in_force(&mut self, served: &Arc<Served>) -> Result<(), RunError> {
        let limits = served.applied.root.limits;
        self.admissions
            .set_connections_max(usize::try_from(limits.connections).unwrap_or(usize::MAX));
        let snapshot = served.snapshot(&self.node.keys());
        let reader = match &self.link {
            Some(link) => {
                link.configuration.apply(snapshot);
                Arc::clone(&link.reader)
            }
            None => {
                self.start(Arc::new(Configuration::new(snapshot)), served)
                    .await?
            }
        };
        reader.set_identity(Arc::clone(&served.identity));
        reader.set_peers(
            served
                .applied
                .facts
                .peers()
                .iter()
                .filter(|peer| !peer.payload.suspended)
                .map(|peer| peer.payload.clone()),
        );
        let facts = &served.applied.facts;
        self.admissions
            .retain(|organization| facts.reader(organization).is_ok());
        Ok(())
    }

    async fn start(
        &mut self,
        configuration: Arc<Configuration>,
        served: &Served,
    ) -> Result<Arc<Reader>, RunError> {
        // Certified, so there is a configuration, so there is a primary.
        let Some(primary) = self.node.primary() else {
            return Err(StartError::ListenerLost.into());
        };
        let responder = Responder::new(request::Parts {
            configuration: Arc::clone(&configuration),
            records: primary,
            trail: Arc::clone(&self.trail),
            counters: self.node.counters(),
            incarnations: Arc::clone(&self.incarnations),
            admissions: self.admissions.clone(),
            timekeeper: self.node.timekeeper(),
        });
        let service = Service {
            responder: Arc::new(responder),
            admissions: self.admissions.clone(),
            clock: self.clock.clone(),
            counters: Arc::clone(&self.counters),
        };
        let peer = served.identity.peer.clone();
        let network = Network::start(peer, self.listen.clone(), Bounds::default(), service).await?;
        let reader = Arc::new(Reader::new(
            network.client(),
            self.admissions.clone(),
            Arc::clone(&self.incarnations),
            self.node.timekeeper(),
            self.clock.clone(),
            Arc::new(ReaderCounters::default()),
        ));
        tracing::info!(peer = %served.identity.peer.public().to_peer_id(), listening = ?network.listening(), "serving");
        let _first = self.peers.set(Peers {
            reader: Arc::clone(&reader),
            listening: network.listening(),
        });
        self.link = Some(Link {
            network,
            configuration,
            reader: Arc::clone(&reader),
        });
        Ok(reader)
    }

    async fn end(self) {
        if let Some(link) = self.link {
            link.network.shutdown(SHUTDOWN_GRACE).await;
        }
        self.node.finish(self.clock.now());
    }
}

/// Serves HTTP until the node ends.
async fn serve(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    api::serve::serve(listener, router, async move {
        let _sender_gone = stopped.wait_for(|stopped| *stopped).await;
    })
    .await;
}

/// Brings the audit log to disk every few milliseconds, and a last time at the end.
async fn sync_audit(audit: Arc<Audit>, mut stopped: watch::Receiver<bool>) {
    let mut ticks = tokio::time::interval(AUDIT_SYNC);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            _ = ticks.tick() => {}
        }
        let audit = Arc::clone(&audit);
        match tokio::task::spawn_blocking(move || audit.sync()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                // From now on every append fails, and every answer with it: that is told there.
                tracing::error!(%error, "the audit log cannot be brought to disk");
                return;
            }
            Err(_) => return,
        }
    }
}

/// The folder of token files, read when one of them was changed.
#[derive(Default)]
struct TokenFolder {
    seen: Option<BTreeMap<PathBuf, SystemTime>>,
    told: Vec<String>,
}

impl TokenFolder {
    fn load(&mut self, tokens: &Tokens, folder: &Path) {
        let now = std::fs::read_dir(folder).ok().map(|files| {
            files
                .filter_map(|file| Some(file.ok()?.path()))
                .filter_map(|path| Some((path.clone(), path.metadata().ok()?.modified().ok()?)))
                .collect::<BTreeMap<_, _>>()
        });
        if now.is_some() && now == self.seen {
            return;
        }
        self.seen = now;
        let errors: Vec<_> = tokens
            .load(folder)
            .iter()
            .map(ToString::to_string)
            .collect();
        for error in errors.iter().filter(|error| !self.told.contains(error)) {
            tracing::warn!("{error}");
        }
        self.told = errors;
    }
}

/// What is on the node's volume.
struct Volume {
    node: Arc<Node>,
    audit: Arc<Audit>,
    store: Arc<dyn Store>,
}

fn open(args: &Args, clock: &Clock) -> Result<Volume, RunError> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&args.state)
        .map_err(|source| RunError::State {
            path: args.state.clone(),
            source,
        })?;
    let key = StoreKey::read(&args.store_key)?;
    let store: Arc<dyn Store> = Arc::new(SledStore::open(&args.state.join("store"), &key)?);
    let audit = Arc::new(Audit::open(&args.state.join("audit"), clock.now())?);
    let report = args.report.clone();
    let node = Node::resume(Parts {
        directory: Directory::new(&args.config),
        keys: Arc::new(NodeKeys::load_or_create(&*store)?),
        store: Arc::clone(&store),
        audit: Arc::clone(&audit),
        report: report.unwrap_or_else(|| args.state.join("report.yaml")),
    })?;
    Ok(Volume {
        node: Arc::new(node),
        audit,
        store,
    })
}

fn parse(listen: &[String]) -> Result<Vec<Multiaddr>, RunError> {
    listen
        .iter()
        .map(|text| text.parse().map_err(|_| RunError::Listen(text.clone())))
        .collect()
}

async fn bind(
    what: &'static str,
    address: std::net::SocketAddr,
    flag: &'static str,
) -> Result<TcpListener, RunError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| RunError::Bind {
            what,
            address,
            flag,
            source,
        })
}

fn peers(reader: &Reader) -> Vec<PeerReport> {
    reader
        .contacts()
        .into_iter()
        // A peer that was never asked is neither reachable nor not.
        .filter(|(_, contact)| contact.last_hello.is_some() || contact.message.is_some())
        .map(|(organization_id, contact)| PeerReport {
            organization_id,
            reachable: contact.is_reachable(),
            message: contact
                .message
                .map(|text| text.chars().take(1024).collect()),
        })
        .collect()
}
