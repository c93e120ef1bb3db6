//! Starts the node's parts, keeps them in step, and ends them in order.
//!
//! Modules in reading order: `source` (a directory or the Kubernetes API, and who may call the local
//! API by it), `volume` (store, audit log, keys), `running` (the loop), `tokens` (the folder of token
//! files).
//!
//! ```text
//! store, audit, keys, kept configuration ─► Node ──tick, at every change────────► Served
//!                                                                               │ first: network, responder
//!                                                                               └ then: Configuration::apply, Reader
//! ```
//! The order of the end: no new requests, those under way are answered, counts and time are
//! kept, the audit log is brought to disk.

mod publishing;
mod running;
mod source;
mod tokens;
mod volume;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinError;

use crate::api::probes::{self, Probes};
use crate::api::serve::{API_CONNECTIONS_MAX, PROBE_CONNECTIONS_MAX};
use crate::api::{self, Local};
use crate::args::Args;
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::kubernetes::connect::ConnectError;
use crate::keys::KeysError;
use crate::metrics::Metrics;
use crate::network::{Admissions, Counters, StartError};
use crate::node::NodeError;
use crate::request::{Incarnations, Trail};
use crate::volume::VolumeError;
use running::Running;
use source::Origin;
use volume::Volume;

/// How often the audit log is brought to disk: an answer about an asset may leave this much before
/// its entry survives a power cut.
const AUDIT_SYNC: Duration = Duration::from_millis(10);
/// Why the node does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The node's own volume cannot be used.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// The node's keys are not to be had.
    #[error("the node has no keys")]
    Keys(#[from] KeysError),
    /// There is no way to the Kubernetes API.
    #[error("the node cannot take its configuration from the Kubernetes API")]
    Cluster(#[from] ConnectError),
    /// What the volume remembers cannot be used.
    #[error("the node cannot start from what its volume remembers")]
    Node(#[from] NodeError),
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
    /// The private store has stopped, and a restart mends it.
    #[error(
        "the private store stopped on a full disk, which takes writes again: the node ends to be \
         started again, and reads the store anew"
    )]
    StoreStopped,
    /// A part of the node panicked: a fault of ours.
    #[error("a part of the node failed")]
    Failed(#[from] JoinError),
    /// The thread that publishes contents cannot be started.
    #[error("the thread that publishes contents cannot be started")]
    Thread(#[source] std::io::Error),
    /// The thread that publishes contents panicked: a fault of ours.
    #[error("publishing contents failed")]
    Publishing,
}

/// Runs the node until `stop` resolves.
///
/// # Errors
/// [`RunError`] when it does not start.
pub async fn run(args: Args, clock: Clock, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let origin = Origin::of(&args, &clock).await?;
    let Volume { node, audit, store } = Volume::open(&args, &clock, &origin)?;
    let api_listener = bind("the local API", args.api, "--api").await?;
    let metrics_listener = bind("metrics", args.metrics, "--metrics").await?;
    let counters = Arc::new(Counters::default());
    let state = {
        let (node, clock) = (Arc::clone(&node), clock.clone());
        Arc::new(move || node.state(clock.now()))
    };
    let refusals = node.counters();
    let metrics = Metrics::new(Arc::clone(&counters), refusals, state, clock.clone());
    let metrics = Arc::new(metrics);
    let trail: Arc<dyn Trail> = Arc::new(metrics.counting(Arc::clone(&audit)));
    let mut running = Running {
        node: Arc::clone(&node),
        clock: clock.clone(),
        listen: args.listen.clone(),
        trail: Arc::clone(&trail),
        incarnations: Arc::new(Incarnations::new(store)),
        admissions: Admissions::new(0),
        counters,
        peers: Arc::default(),
        link: None,
    };
    let (stopping, stopped) = watch::channel(false);
    let local = api::router(Local {
        clock: clock.clone(),
        callers: origin.callers.clone(),
        node: Arc::clone(&node),
        trail,
        peers: Arc::clone(&running.peers),
    });
    let probes = probes::router(Probes {
        node: Arc::clone(&node),
        clock,
        metrics,
    });
    let api = serve(api_listener, local, API_CONNECTIONS_MAX, stopped.clone());
    let probes = serve(
        metrics_listener,
        probes,
        PROBE_CONNECTIONS_MAX,
        stopped.clone(),
    );
    let (api, probes) = (tokio::spawn(api), tokio::spawn(probes));
    let syncs = tokio::spawn(sync_audit(audit, stopped));
    tracing::info!(api = %args.api, metrics = %args.metrics, configuration = origin.name, "started; waiting for configuration");

    let result = running.keep_in_step(origin.tokens, stop).await;

    tracing::info!("stopping: requests under way are answered first");
    let _no_listener_left = stopping.send(true);
    running.end().await;
    api.await?;
    probes.await?;
    syncs.await?;
    tracing::info!("stopped");
    result
}

/// Serves HTTP until the node ends.
async fn serve(
    listener: TcpListener,
    router: axum::Router,
    connections_max: usize,
    mut stopped: watch::Receiver<bool>,
) {
    api::serve::serve(listener, router, connections_max, async move {
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
