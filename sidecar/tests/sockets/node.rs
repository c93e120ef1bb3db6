//! Nodes on loopback, and waiting with a deadline.

use std::sync::Arc;
use std::time::Duration;

use finp2p_sidecar::clock::Clock;
use finp2p_sidecar::network::{
    Admissions, Answer, Bounds, Client, Counters, Network, Remote, Responder, Service,
};
use jiff::Timestamp;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};

/// What every clock of the tests says, unix seconds.
pub const NOW: i64 = 1_800_000_000;

/// Longest that a test waits for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// The result of `future`, or a failed test.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited too long for {what}"),
    }
}

/// Waits until `condition` holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    soon(what, async {
        while !condition() {
            tick.tick().await;
        }
    })
    .await;
}

/// A responder made of a function.
pub struct Respond<F>(pub F);

impl<F> Responder for Respond<F>
where
    F: Fn(&Remote, &[u8]) -> Answer + Send + Sync + 'static,
{
    fn answer(&self, _: Timestamp, remote: &Remote, request: &[u8]) -> Answer {
        (self.0)(remote, request)
    }
}

/// Sends back what came.
pub fn echo() -> Arc<dyn Responder> {
    Arc::new(Respond(|_: &Remote, request: &[u8]| {
        Answer::Respond(request.to_vec())
    }))
}

/// A running node.
pub struct Node {
    pub network: Network,
    pub client: Client,
    pub admissions: Admissions,
    pub counters: Arc<Counters>,
    pub peer: PeerId,
    pub addresses: Vec<Multiaddr>,
}

impl Node {
    pub async fn start(responder: Arc<dyn Responder>, bounds: Bounds) -> Self {
        let admissions = Admissions::new(64);
        Self::start_as(Keypair::generate_ed25519(), responder, bounds, admissions).await
    }

    pub async fn start_as(
        keypair: Keypair,
        responder: Arc<dyn Responder>,
        bounds: Bounds,
        admissions: Admissions,
    ) -> Self {
        let listen = vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        Self::start_at(listen, keypair, responder, bounds, admissions).await
    }

    pub async fn start_at(
        listen: Vec<Multiaddr>,
        keypair: Keypair,
        responder: Arc<dyn Responder>,
        bounds: Bounds,
        admissions: Admissions,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let peer = keypair.public().to_peer_id();
        let service = Service {
            responder,
            admissions: admissions.clone(),
            clock: clock(),
            counters: Arc::clone(&counters),
        };
        let network = soon("start", Network::start(keypair, listen, bounds, service))
            .await
            .unwrap();
        let (client, addresses) = (network.client(), network.listening());
        Self {
            network,
            client,
            admissions,
            counters,
            peer,
            addresses,
        }
    }

    /// Sends a request to another node.
    pub async fn ask(
        &self,
        other: &Self,
        request: &[u8],
    ) -> Result<Vec<u8>, finp2p_sidecar::network::NetworkError> {
        let addresses = other.addresses.clone();
        soon(
            "answer",
            self.client.request(other.peer, addresses, request.to_vec()),
        )
        .await
    }
}

pub fn clock() -> Clock {
    Clock::new(|| Timestamp::from_second(NOW).unwrap())
}
