//! The one owner of the swarm: takes commands and events, and never waits for either alone.

mod inbound;
mod outbound;

use std::collections::{HashMap, HashSet};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::request_response::{Event, Message};
use libp2p::swarm::{ConnectionId, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout};

use self::inbound::{Answered, Inbound, Waiting};
use self::outbound::Outbound;
use super::behaviour::{Behaviour, BehaviourEvent};
use super::client::Command;
use super::counters::Counters;
use super::{Answer, Remote, Service, StartError};

type RequestEvent = Event<Vec<u8>, Vec<u8>>;

/// How long a listener may take to say its address: it is a system call.
const LISTEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection stays open after its last answer has left: a peer that finds answer and
/// end in the same read drops the answer. Three slow round trips around the world.
const LINGER: Duration = Duration::from_secs(1);

/// How long closing connections may take to reach the other side.
const GOODBYE_TIMEOUT: Duration = Duration::from_millis(500);

/// The loop's state; see [`EventLoop::run`].
pub(super) struct EventLoop {
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    counters: Arc<Counters>,
    inbound: Inbound,
    outbound: Outbound,
    remotes: HashMap<ConnectionId, Multiaddr>,
    /// Who waits for the last connection with a peer to close.
    hanging_up: HashMap<PeerId, Vec<oneshot::Sender<()>>>,
    listeners: HashMap<ListenerId, Vec<Multiaddr>>,
    listening: watch::Sender<Vec<Multiaddr>>,
}

impl EventLoop {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        listening: watch::Sender<Vec<Multiaddr>>,
        service: Service,
        workers_max: usize,
    ) -> Self {
        let counters = service.counters;
        Self {
            swarm,
            commands,
            inbound: Inbound::new(
                service.responder,
                service.clock,
                service.admissions,
                Arc::clone(&counters),
                workers_max,
            ),
            outbound: Outbound::new(Arc::clone(&counters)),
            counters,
            remotes: HashMap::new(),
            hanging_up: HashMap::new(),
            listeners: HashMap::new(),
            listening,
        }
    }

    /// Listens on all of `addresses`; returns when each is bound and nobody else listens there.
    pub(super) async fn listen(&mut self, addresses: &[Multiaddr]) -> Result<(), StartError> {
        let mut waiting = HashSet::new();
        for address in addresses {
            refuse_taken(address)?;
            let listener =
                self.swarm
                    .listen_on(address.clone())
                    .map_err(|source| StartError::Listen {
                        address: address.clone(),
                        source,
                    })?;
            waiting.insert(listener);
        }
        let bound = async {
            while !waiting.is_empty() {
                let event = self.swarm.select_next_some().await;
                if let SwarmEvent::NewListenAddr { listener_id, .. } = &event {
                    waiting.remove(listener_id);
                }
                if matches!(event, SwarmEvent::ListenerClosed { .. }) {
                    return Err(StartError::ListenerLost);
                }
                self.on_swarm_event(event);
            }
            Ok(())
        };
        timeout(LISTEN_TIMEOUT, bound)
            .await
            .map_err(|_| StartError::ListenerLost)?
    }

    /// Runs until `stop` says how long what is under way may still take, or is dropped, which
    /// gives it no time.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<Duration>) {
        let within = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm_event(event),
                answered = self.inbound.answered() => self.on_answered(answered),
                Some(command) = self.commands.recv() => self.on_command(command),
                within = &mut stop => break within.unwrap_or_default(),
            }
        };
        self.finish(within).await;
        self.say_goodbye().await;
    }

    /// Takes no more in, and ends when nothing is under way any more or the time is over.
    async fn finish(&mut self, within: Duration) {
        let listeners: Vec<ListenerId> = self.listeners.keys().copied().collect();
        for listener in listeners {
            self.swarm.remove_listener(listener);
        }
        self.commands.close();
        let deadline = Instant::now() + within;
        loop {
            let idle = self.inbound.is_idle() && self.outbound.is_idle();
            let linger = self.inbound.last_left.map(|left| left + LINGER);
            let end = match (idle, linger) {
                (false, _) => deadline,
                (true, Some(linger)) => linger.min(deadline),
                (true, None) => return,
            };
            tokio::select! {
                event = self.swarm.select_next_some() => {
                    if !is_request(&event) {
                        self.on_swarm_event(event);
                    }
                }
                answered = self.inbound.answered() => self.on_answered(answered),
                // Came before the door closed; dropping it tells its caller at once.
                Some(_) = self.commands.recv() => {}
                () = sleep_until(end) => {
                    if !idle {
                        tracing::warn!("shutting down with requests under way: their time is over");
                    }
                    return;
                }
            }
        }
    }

    async fn say_goodbye(mut self) {
        let peers: Vec<PeerId> = self.swarm.connected_peers().copied().collect();
        for peer in peers {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        if timeout(GOODBYE_TIMEOUT, closed).await.is_err() {
            tracing::debug!("some connections did not close in time");
        }
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Dial { addresses, reply } => {
                self.outbound.dial(&mut self.swarm, addresses, reply);
            }
            Command::Request(call) => self.outbound.request(&mut self.swarm, call),
            Command::HangUp { peer, done } => {
                if self.swarm.disconnect_peer_id(peer).is_ok() {
                    self.hanging_up.entry(peer).or_default().push(done);
                }
            }
        }
    }

    fn on_swarm_event(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Requests(event)) => self.on_request_event(event),
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                self.remotes
                    .insert(connection_id, endpoint.get_remote_address().clone());
                self.outbound
                    .connected(&mut self.swarm, peer_id, connection_id);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                ..
            } => {
                self.remotes.remove(&connection_id);
                if !self.swarm.is_connected(&peer_id) {
                    self.hanging_up.remove(&peer_id);
                }
                self.outbound
                    .disconnected(&mut self.swarm, peer_id, connection_id);
            }
            SwarmEvent::OutgoingConnectionError {
                connection_id,
                error,
                ..
            } => {
                self.outbound
                    .dial_failed(&mut self.swarm, connection_id, error);
            }
            SwarmEvent::NewListenAddr {
                listener_id,
                address,
            } => {
                self.listeners.entry(listener_id).or_default().push(address);
                self.announce();
            }
            SwarmEvent::ExpiredListenAddr {
                listener_id,
                address,
            } => {
                if let Some(addresses) = self.listeners.get_mut(&listener_id) {
                    addresses.retain(|known| *known != address);
                }
                self.announce();
            }
            SwarmEvent::ListenerClosed {
                listener_id,
                reason,
                ..
            } => {
                self.listeners.remove(&listener_id);
                self.announce();
                if let Err(error) = reason {
                    tracing::error!(%error, "a listener has ended");
                }
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener could not take a connection");
            }
            _ => {}
        }
    }

    fn announce(&self) {
        let addresses = self.listeners.values().flatten().cloned().collect();
        self.listening.send_replace(addresses);
    }

    fn on_request_event(&mut self, event: RequestEvent) {
        match event {
            Event::Message {
                peer,
                connection_id,
                message,
            } => match message {
                Message::Request {
                    request_id,
                    request,
                    channel,
                } => {
                    let address = self
                        .remotes
                        .get(&connection_id)
                        .cloned()
                        .unwrap_or_else(Multiaddr::empty);
                    self.inbound.receive(Waiting {
                        remote: Remote { peer, address },
                        connection: connection_id,
                        id: request_id,
                        request,
                        channel,
                    });
                }
                Message::Response {
                    request_id,
                    response,
                } => {
                    self.outbound
                        .answered(&mut self.swarm, request_id, Ok(response));
                }
            },
            Event::OutboundFailure {
                request_id, error, ..
            } => {
                self.outbound
                    .answered(&mut self.swarm, request_id, Err(error));
            }
            Event::InboundFailure { request_id, .. } | Event::ResponseSent { request_id, .. } => {
                self.inbound.arrived_or_lost(request_id);
            }
        }
    }

    fn on_answered(&mut self, answered: Option<Answered>) {
        let Some(Answered {
            connection,
            id,
            channel,
            answer,
        }) = answered
        else {
            return;
        };
        match answer {
            Answer::Respond(bytes) if self.inbound.fits(&bytes) => {
                let requests = &mut self.swarm.behaviour_mut().requests;
                if requests.send_response(channel, bytes).is_ok() {
                    self.inbound.left(id);
                }
            }
            // Dropping the channel closes the stream without a byte.
            Answer::Respond(_) => {}
            Answer::Close => {
                self.counters.connections_closed.add_one();
                self.swarm.close_connection(connection);
            }
        }
    }
}

/// Refuses an address that another process listens on. libp2p shares listening ports
/// (`SO_REUSEPORT`): a second node started by mistake would get every other connection of the
/// first one, and nobody an error.
fn refuse_taken(address: &Multiaddr) -> Result<(), StartError> {
    let taken = match (address.iter().next(), address.iter().nth(1)) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => TcpListener::bind((ip, port)),
        (Some(Protocol::Ip6(ip)), Some(Protocol::Tcp(port))) => TcpListener::bind((ip, port)),
        _ => return Ok(()),
    };
    match taken {
        Ok(_) => Ok(()),
        Err(source) => Err(StartError::Taken {
            address: address.clone(),
            source,
        }),
    }
}

fn is_request(event: &SwarmEvent<BehaviourEvent>) -> bool {
    matches!(
        event,
        SwarmEvent::Behaviour(BehaviourEvent::Requests(Event::Message {
            message: Message::Request { .. },
            ..
        }))
    )
}
