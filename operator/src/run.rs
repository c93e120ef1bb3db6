//! The operator on an API server.
//!
//! ```text
//! client ─► CRDs fit? ─► election ─► leads: per namespace, watches and one keeper
//!                            └─ loses, or the end: keepers stop, the Lease is given back
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use kube_lease_manager::LeaseManagerError;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster_error;
use crate::definitions;
use crate::keys::signer_command::SignerCommand;
use crate::leader::{Candidate, Election};
use crate::metrics::Metrics;
use crate::node::observe::Watched;
use crate::node::reconcile::{Keeper, World};
use crate::probes::{self, Waiting};

/// What does not start is tried again after this long.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is looked whether every namespace was read, until it was.
const LOOK: Duration = Duration::from_millis(100);

/// Why the operator does not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The probes cannot be served.
    #[error(
        "metrics and probes cannot be served on {address}: is the port taken? Choose another with --listen"
    )]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The namespaces that are kept; no other is looked at.
    pub namespaces: Vec<String>,
    /// Where the Lease is, and who we are.
    pub candidate: Candidate,
    /// Image of the sidecar.
    pub sidecar_image: String,
    /// Labels of the namespaces whose pods may scrape the nodes.
    pub metrics_from: Option<BTreeMap<String, String>>,
    /// Where metrics and probes are served.
    pub listen: SocketAddr,
    /// Signs with keys that are elsewhere.
    pub signer_command: Option<SignerCommand>,
}

/// Runs until `stop` resolves.
///
/// # Errors
/// [`RunError`] when it cannot serve its probes. Everything else is waited for, and told.
pub async fn run(
    options: Options,
    client: Client,
    clock: fn() -> Timestamp,
    stop: impl Future<Output = ()>,
) -> Result<(), RunError> {
    let bind = |source| RunError::Bind {
        address: options.listen,
        source,
    };
    let listener = TcpListener::bind(options.listen).await.map_err(bind)?;
    let (metrics, waiting) = (Arc::new(Metrics::new()), Waiting::default());
    waiting.begin("starting");
    let (stopping, stopped) = watch::channel(false);
    let router = probes::router(Arc::clone(&metrics), waiting.clone());
    let served = tokio::spawn(serve(listener, router, stopped));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        namespaces = options.namespaces.join(","),
        listen = %options.listen,
        identity = options.candidate.identity,
        "started"
    );
    let operator = Operator {
        options,
        client,
        clock,
        metrics,
        waiting,
    };
    tokio::pin!(stop);
    operator.operate(&mut stop).await;
    tracing::info!("stopping");
    let _no_probes_left = stopping.send(true);
    let _ended = served.await;
    tracing::info!("stopped");
    Ok(())
}

async fn serve(listener: TcpListener, router: axum::Router, mut stopped: watch::Receiver<bool>) {
    let stop = async move {
        let _sender_gone = stopped.wait_for(|stopped| *stopped).await;
    };
    if let Err(error) = axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await
    {
        tracing::error!(%error, "metrics and probes are not served any more");
    }
}

struct Operator {
    options: Options,
    client: Client,
    clock: fn() -> Timestamp,
    metrics: Arc<Metrics>,
    waiting: Waiting,
}

impl Operator {
    async fn operate(&self, stop: &mut (impl Future<Output = ()> + Unpin)) {
        loop {
            let election = tokio::select! {
                () = &mut *stop => return,
                election = self.prepare() => election,
            };
            let mut leads = election.leads.clone();
            let ended = tokio::select! {
                () = &mut *stop => true,
                () = self.take_turns(&mut leads) => false,
            };
            self.metrics.leads(false);
            drop(leads);
            election.leave().await;
            if ended {
                return;
            }
        }
    }

    /// Waits until the API server can be worked with, and enters the election.
    async fn prepare(&self) -> Election {
        loop {
            let why = match definitions::check(&self.client).await {
                Ok(()) => {
                    match Election::enter(self.client.clone(), &self.options.candidate).await {
                        Ok(election) => return election,
                        Err(error) => lease_clause(&self.options.candidate, &error),
                    }
                }
                Err(unfit) => cluster_error::chain(&unfit),
            };
            tracing::warn!("{why}; trying again");
            self.waiting.begin(why);
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Keeps the namespaces whenever this instance leads. Returns when the election ends.
    async fn take_turns(&self, leads: &mut watch::Receiver<bool>) {
        loop {
            tracing::info!("standing by: another instance leads, or none yet");
            self.waiting.end();
            if leads.wait_for(|leads| *leads).await.is_err() {
                return;
            }
            tracing::info!("leading");
            self.metrics.leads(true);
            let mut keepers = self.keep();
            let gone = leads.wait_for(|leads| !*leads).await.is_err();
            self.metrics.leads(false);
            keepers.shutdown().await;
            tracing::warn!("not leading any more");
            if gone {
                return;
            }
        }
    }

    /// Starts watches and keepers; they end when the set is dropped.
    fn keep(&self) -> JoinSet<()> {
        let namespaces = self.options.namespaces.iter();
        let all: BTreeMap<String, Arc<Watched>> = namespaces
            .map(|namespace| (namespace.clone(), Arc::default()))
            .collect();
        let world = Arc::new(World {
            client: self.client.clone(),
            sidecar_image: self.options.sidecar_image.clone(),
            metrics_from: self.options.metrics_from.clone(),
            signer_command: self.options.signer_command.clone(),
            instance: self.options.candidate.identity.clone(),
            clock: self.clock,
            metrics: Arc::clone(&self.metrics),
            claims: Mutex::default(),
            namespaces: all.clone(),
            claimed: watch::Sender::new(0),
        });
        let mut tasks = JoinSet::new();
        for (namespace, watched) in &all {
            let keeper = Keeper::new(namespace, Arc::clone(&world), Arc::clone(watched));
            tasks.spawn(keeper.keep());
        }
        tasks.spawn(tell_until_read(
            self.client.clone(),
            all,
            self.waiting.clone(),
        ));
        tasks
    }
}

/// Says which namespace could not be read yet, until all were.
async fn tell_until_read(client: Client, all: BTreeMap<String, Arc<Watched>>, waiting: Waiting) {
    loop {
        let unread = all.iter().find(|(_, watched)| !watched.is_complete());
        let Some((namespace, watched)) = unread else {
            waiting.end();
            if !tell_missing(&client, &all).await {
                tracing::info!("every namespace was read");
            }
            return;
        };
        waiting.begin(
            watched
                .trouble()
                .unwrap_or_else(|| format!("namespace {namespace} is being read")),
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Says which namespaces do not exist: the API server lists those like empty ones. Returns whether
/// there are such. An operator with the rights of the chart may not ask, and need not: rights are
/// in a namespace.
async fn tell_missing(client: &Client, all: &BTreeMap<String, Arc<Watched>>) -> bool {
    let api: Api<Namespace> = Api::all(client.clone());
    let mut found = false;
    for (name, _) in all.iter().filter(|(_, watched)| watched.is_empty()) {
        if let Ok(None) = api.get_opt(name).await {
            found = true;
            tracing::warn!(
                "namespace {name} does not exist: create it, or take it off the list (--namespaces)"
            );
        }
    }
    found
}

fn lease_clause(candidate: &Candidate, error: &LeaseManagerError) -> String {
    format!(
        "Lease {} in namespace {} cannot be used: {}",
        candidate.lease,
        candidate.namespace,
        cluster_error::chain(error)
    )
}
