//! The node while it runs: looks at its configuration, and puts in force what it finds.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use finp2p_crds::sidecar_config::PeerReport;
use libp2p::Multiaddr;
use tokio::sync::watch;

use super::RunError;
use super::publishing::Publishing;
use super::tokens::TokenFolder;
use crate::api::Peers;
use crate::clock::Clock;
use crate::network::{Admissions, Bounds, Counters, Network, Service, StartError};
use crate::node::Node;
use crate::node::served::Served;
use crate::reader::{Reader, ReaderCounters};
use crate::request::{self, Configuration, Incarnations, Responder, Trail};

/// How often the configuration is looked at where nothing rings. An edit is in force after this at
/// most, and a look costs three calls of stat.
const TICK: Duration = Duration::from_millis(50);
/// Longest that requests under way may take when the node ends; below the 30 seconds that
/// Kubernetes grants.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The parts of a node that has been started.
pub struct Running {
    pub node: Arc<Node>,
    pub clock: Clock,
    pub listen: Vec<Multiaddr>,
    pub trail: Arc<dyn Trail>,
    pub incarnations: Arc<Incarnations>,
    pub admissions: Admissions,
    pub counters: Arc<Counters>,
    pub peers: Arc<OnceLock<Peers>>,
    pub link: Option<Link>,
}

/// What exists once the node may serve.
pub struct Link {
    network: Network,
    configuration: Arc<Configuration>,
    reader: Arc<Reader>,
}

impl Running {
    /// Looks at the configuration at every change until `stop` resolves.
    pub async fn keep_in_step(
        &mut self,
        mut tokens: Option<TokenFolder>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), RunError> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        let mut changes = self.node.changes();
        let publishing = Publishing::begin(Arc::clone(&self.node), self.clock.clone());
        let mut publishing = publishing.map_err(RunError::Thread)?;
        tokio::pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                _ = &mut publishing.ended => return Err(RunError::Publishing),
                () = publishing.told.notified() => {}
                () = rung(changes.as_mut()) => {}
                _ = ticks.tick() => {}
            }
            if let Some(folder) = &mut tokens {
                folder.load();
            }
            self.step().await?;
            publishing.ring();
        }
        publishing.end().await;
        Ok(())
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
        if self.node.wants_restart() {
            return Err(RunError::StoreStopped);
        }
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
        let facts = &served.applied.facts;
        // Suspended ones too: the reader asks nothing of them and can say why.
        reader.set_peers(facts.peers().iter().map(|peer| peer.payload.clone()));
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

    /// Answers what is under way, and keeps what must be kept.
    pub async fn end(self) {
        if let Some(link) = self.link {
            link.network.shutdown(SHUTDOWN_GRACE).await;
        }
        self.node.finish(self.clock.now());
    }
}

/// Resolves when the source rings; never, if it has no bell.
async fn rung(changes: Option<&mut watch::Receiver<u64>>) {
    if let Some(changes) = changes
        && changes.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
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
