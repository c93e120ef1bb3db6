//! The network: encrypted connections to other nodes, one frame each way per request.
//!
//! Modules in reading order: `error`; `admission` (who has said hello, and what a stranger may
//! cost); `codec` (frames with a bound); `gate` (which connections there may be); `behaviour`
//! (transports and behaviours); `listen` (where a node can listen); `queue` (fair turns); `dial` (when to try again); `client` (the
//! way in); `event_loop` (the one owner of the swarm); `counters`.
//!
//! ```text
//! peer ─► gate ─► codec (frame ≤ allowance) ─► fair queue ─► worker: Responder::answer ─► stream
//!                                                              │ hello verified
//!                                                              └► Admissions::admit: raises the allowance
//! Client::request ─► event loop ─► (dial, back-off) ─► ≤ 128 in flight per peer ─► answer
//! ```
//!
//! The swarm lives on a thread of its own with a current-thread runtime, which is faster than a
//! shared one; what costs time (signatures, the store) runs on blocking threads beside it.
//!
//! Nothing here knows what is in a frame. It keeps what anybody can make us spend bounded: before
//! a hello a connection may send two frames of 16 KiB at a time and lives five seconds.

mod admission;
mod behaviour;
mod client;
mod codec;
mod counters;
mod dial;
mod error;
mod event_loop;
mod gate;
mod listen;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use libp2p::identity::Keypair;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::Clock;
use client::Command;
use event_loop::EventLoop;

pub use admission::Admissions;
pub use client::Client;
pub use counters::{Counters, Counts};
pub use error::{NetworkError, StartError};
pub use listen::{ListenError, listen_address};

/// Commands that wait for the event loop: it takes them faster than they can be made, so this
/// is slack for a burst; whoever comes later waits with his own timeout running.
const COMMANDS_MAX: usize = 1024;

/// Longest that a worker may hold up the end of the process.
const WORKER_GRACE: Duration = Duration::from_secs(2);

/// Whoever answers the requests of other nodes.
///
/// Called on blocking threads, several at a time.
pub trait Responder: Send + Sync + 'static {
    /// Answers one frame that `remote` has sent at `now`.
    fn answer(&self, now: Timestamp, remote: &Remote, request: &[u8]) -> Answer;
}

/// Where a request came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// The peer id that the encrypted connection proved.
    pub peer: PeerId,
    /// The address at the other end of the connection: for the log, not for decisions.
    pub address: Multiaddr,
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Send this frame back, at most a megabyte.
    Respond(Vec<u8>),
    /// Close the connection without a word.
    Close,
}

/// What the network may spend, and on whom it waits how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// An inbound connection must have said hello by then.
    pub hello_timeout: Duration,
    /// A frame of a request must have arrived whole by then, from its stream's first byte.
    pub read_timeout: Duration,
    /// A request must have been read, answered and its answer taken by then, on either side.
    pub request_timeout: Duration,
    /// TCP, Noise and Yamux must be agreed by then.
    pub handshake_timeout: Duration,
    /// A connection on which nothing is under way is closed after this time.
    pub idle_timeout: Duration,
    /// Connections being established, in each direction.
    pub pending_max: usize,
    /// Inbound connections in all.
    pub inbound_max: usize,
    /// Outbound connections in all.
    pub outbound_max: usize,
    /// Inbound connections that have not said hello; one more closes the oldest of them.
    pub strangers_max: usize,
    /// Requests being answered at the same time: one per core.
    pub workers_max: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            hello_timeout: Duration::from_secs(5),
            // 64 KiB at 13 KB/s.
            read_timeout: Duration::from_secs(5),
            // A megabyte at 70 KB/s.
            request_timeout: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(5),
            // Longer than a reader that asks once a minute pauses.
            idle_timeout: Duration::from_secs(120),
            pending_max: 64,
            // A hundred peers with ten connections each.
            inbound_max: 1024,
            // A hundred peers, two nodes each while one is replaced, and room.
            outbound_max: 256,
            // Each costs at most 32 KiB of frames and the buffers of a connection.
            strangers_max: 64,
            workers_max: std::thread::available_parallelism().map_or(2, usize::from),
        }
    }
}

/// What the network needs from the rest of the node.
#[derive(Clone)]
pub struct Service {
    /// Answers requests.
    pub responder: Arc<dyn Responder>,
    /// Whoever answers hellos admits peers here.
    pub admissions: Admissions,
    /// Tells the responder the time.
    pub clock: Clock,
    /// Where the network counts.
    pub counters: Arc<Counters>,
}

/// A running network. Dropping it ends it without waiting for what is under way.
#[derive(Debug)]
pub struct Network {
    client: Client,
    listening: watch::Receiver<Vec<Multiaddr>>,
    stop: oneshot::Sender<Duration>,
    finished: oneshot::Receiver<()>,
}

impl Network {
    /// Starts the network of the node with this peer key and returns when it listens on all of
    /// `listen` (`/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one).
    ///
    /// # Errors
    /// [`StartError`]; nothing is left running then.
    pub async fn start(
        keypair: Keypair,
        listen: Vec<Multiaddr>,
        bounds: Bounds,
        service: Service,
    ) -> Result<Self, StartError> {
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (listening_in, listening) = watch::channel(Vec::new());
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = oneshot::channel();
        let (finishing, finished) = oneshot::channel();
        let start = Start {
            keypair,
            listen,
            bounds,
            service,
            received,
            listening: listening_in,
        };
        std::thread::Builder::new()
            .name("network".to_owned())
            .spawn(move || {
                start.run(ready, stopped);
                let _ = finishing.send(());
            })
            .map_err(StartError::Thread)?;
        is_ready.await.map_err(|_| StartError::ListenerLost)??;
        let client = Client::new(commands, bounds.request_timeout);
        Ok(Self {
            client,
            listening,
            stop,
            finished,
        })
    }

    /// The way to send requests.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The addresses that are listened on now.
    #[must_use]
    pub fn listening(&self) -> Vec<Multiaddr> {
        self.listening.borrow().clone()
    }

    /// Takes no more requests, gives those under way `within` to end, closes the connections and
    /// returns when nothing of the network runs any more.
    pub async fn shutdown(self, within: Duration) {
        let _ = self.stop.send(within);
        let _ = self.finished.await;
    }
}

/// What the network's thread starts from.
struct Start {
    keypair: Keypair,
    listen: Vec<Multiaddr>,
    bounds: Bounds,
    service: Service,
    received: mpsc::Receiver<Command>,
    listening: watch::Sender<Vec<Multiaddr>>,
}

impl Start {
    fn run(
        self,
        ready: oneshot::Sender<Result<(), StartError>>,
        stopped: oneshot::Receiver<Duration>,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .max_blocking_threads(self.bounds.workers_max.max(1))
            .build();
        match runtime {
            Ok(runtime) => {
                runtime.block_on(self.serve(ready, stopped));
                runtime.shutdown_timeout(WORKER_GRACE);
            }
            Err(error) => {
                let _ = ready.send(Err(StartError::Thread(error)));
            }
        }
    }

    async fn serve(
        self,
        ready: oneshot::Sender<Result<(), StartError>>,
        stopped: oneshot::Receiver<Duration>,
    ) {
        let admissions = self.service.admissions.clone();
        let counters = Arc::clone(&self.service.counters);
        let swarm = match behaviour::swarm(self.keypair, self.bounds, admissions, counters) {
            Ok(swarm) => swarm,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let workers_max = self.bounds.workers_max;
        let mut event_loop = EventLoop::new(
            swarm,
            self.received,
            self.listening,
            self.service,
            workers_max,
        );
        let listening = event_loop.listen(&self.listen).await;
        let failed = listening.is_err();
        if ready.send(listening).is_ok() && !failed {
            event_loop.run(stopped).await;
        }
    }
}
