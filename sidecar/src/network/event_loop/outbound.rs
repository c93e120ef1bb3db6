//! Our requests: connect where needed, keep a bounded number in flight, hand the answers back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use libp2p::request_response::{OutboundFailure, OutboundRequestId};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, DialError};
use libp2p::{Multiaddr, PeerId, Swarm};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::network::NetworkError;
use crate::network::behaviour::Behaviour;
use crate::network::client::Call;
use crate::network::counters::Counters;
use crate::network::dial::{BackOff, Target};

/// Requests of ours in flight to one peer: half of the streams of one connection, the other half
/// being the peer's.
const IN_FLIGHT_MAX: usize = 128;

/// Requests of ours that wait for one peer, or for one dial: more would only time out.
const WAITING_MAX: usize = 1024;

type DialReply = oneshot::Sender<Result<PeerId, NetworkError>>;
type CallReply = oneshot::Sender<Result<Vec<u8>, NetworkError>>;

/// Our requests and dials.
pub(super) struct Outbound {
    counters: Arc<Counters>,
    peers: HashMap<PeerId, Outbox>,
    sent: HashMap<OutboundRequestId, (PeerId, CallReply)>,
    dials: HashMap<ConnectionId, Dialling>,
    /// Connections that were opened by address, for using them again.
    dialled: HashMap<ConnectionId, (Vec<Multiaddr>, PeerId)>,
    back_off: BackOff,
}

#[derive(Default)]
struct Outbox {
    waiting: VecDeque<Call>,
    in_flight: usize,
    dialling: bool,
}

enum Dialling {
    Peer(PeerId),
    Addresses {
        all: Vec<Multiaddr>,
        rest: VecDeque<Multiaddr>,
        replies: Vec<DialReply>,
    },
}

impl Outbound {
    pub(super) fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            peers: HashMap::new(),
            sent: HashMap::new(),
            dials: HashMap::new(),
            dialled: HashMap::new(),
            back_off: BackOff::default(),
        }
    }

    /// Nothing waits for an answer or a connection.
    pub(super) fn is_idle(&self) -> bool {
        self.sent.is_empty() && self.dials.is_empty() && self.peers.is_empty()
    }

    /// Sends a request, or lets it wait for a connection or for its turn.
    pub(super) fn request(&mut self, swarm: &mut Swarm<Behaviour>, call: Call) {
        let peer = call.peer;
        let outbox = self.peers.entry(peer).or_default();
        if outbox.waiting.len() >= WAITING_MAX {
            outbox.waiting.retain(|waiting| !waiting.reply.is_closed());
        }
        if outbox.waiting.len() >= WAITING_MAX {
            let _ = call.reply.send(Err(NetworkError::Overloaded));
            return;
        }
        let addresses = call.addresses.clone();
        outbox.waiting.push_back(call);
        if swarm.behaviour().requests.is_connected(&peer) {
            self.flush(swarm, peer);
        } else if !outbox.dialling {
            self.dial_peer(swarm, peer, addresses);
        }
    }

    /// Sends what waits for a connected peer, as much as may be in flight.
    fn flush(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId) {
        let Some(outbox) = self.peers.get_mut(&peer) else {
            return;
        };
        while outbox.in_flight < IN_FLIGHT_MAX
            && let Some(call) = outbox.waiting.pop_front()
        {
            if call.reply.is_closed() {
                continue;
            }
            let id = swarm
                .behaviour_mut()
                .requests
                .send_request(&peer, call.request);
            self.counters.sent.add_one();
            outbox.in_flight = outbox.in_flight.saturating_add(1);
            self.sent.insert(id, (peer, call.reply));
        }
        self.tidy(peer);
    }

    fn tidy(&mut self, peer: PeerId) {
        let idle = self.peers.get(&peer).is_some_and(|outbox| {
            outbox.waiting.is_empty() && outbox.in_flight == 0 && !outbox.dialling
        });
        if idle {
            self.peers.remove(&peer);
        }
    }

    fn dial_peer(&mut self, swarm: &mut Swarm<Behaviour>, peer: PeerId, addresses: Vec<Multiaddr>) {
        if addresses.is_empty() {
            return self.fail_waiting(peer, &NetworkError::NoAddress);
        }
        let target = Target::Peer(peer);
        if let Some(retry_after) = self.back_off.remaining(&target, Instant::now()) {
            return self.fail_waiting(peer, &NetworkError::BackingOff { retry_after });
        }
        let options = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(addresses)
            // From a port of its own: two nodes that dial each other from their listening ports
            // at the same time would collide.
            .allocate_new_port()
            .build();
        let connection = options.connection_id();
        self.counters.dials.add_one();
        match swarm.dial(options) {
            Ok(()) => {
                self.dials.insert(connection, Dialling::Peer(peer));
                self.peers.entry(peer).or_default().dialling = true;
            }
            Err(error) => self.peer_unreachable(peer, error),
        }
    }

    fn peer_unreachable(&mut self, peer: PeerId, error: DialError) {
        self.counters.dials_failed.add_one();
        self.back_off
            .failed(Target::Peer(peer), Instant::now(), rand::random());
        self.fail_waiting(peer, &NetworkError::Unreachable(Arc::new(error)));
    }

    fn fail_waiting(&mut self, peer: PeerId, error: &NetworkError) {
        if let Some(outbox) = self.peers.get_mut(&peer) {
            for call in outbox.waiting.drain(..) {
                let _ = call.reply.send(Err(error.clone()));
            }
        }
        self.tidy(peer);
    }

    /// Connects to whoever answers at one of `addresses`.
    pub(super) fn dial(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        addresses: Vec<Multiaddr>,
        reply: DialReply,
    ) {
        if let Some((_, peer)) = self.dialled.values().find(|(of, _)| *of == addresses) {
            let _ = reply.send(Ok(*peer));
            return;
        }
        let running = self.dials.values_mut().find_map(|dialling| match dialling {
            Dialling::Addresses { all, replies, .. } if *all == addresses => Some(replies),
            _ => None,
        });
        if let Some(replies) = running {
            replies.retain(|waiting| !waiting.is_closed());
            if replies.len() < WAITING_MAX {
                replies.push(reply);
            } else {
                let _ = reply.send(Err(NetworkError::Overloaded));
            }
            return;
        }
        let target = Target::Addresses(addresses);
        if let Some(retry_after) = self.back_off.remaining(&target, Instant::now()) {
            let _ = reply.send(Err(NetworkError::BackingOff { retry_after }));
            return;
        }
        let Target::Addresses(all) = target else {
            return;
        };
        let rest = all.iter().cloned().collect();
        self.dial_next(swarm, all, rest, vec![reply], NetworkError::NoAddress);
    }

    /// Tries the next address; with none left, everybody who waits gets the last error.
    fn dial_next(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        all: Vec<Multiaddr>,
        mut rest: VecDeque<Multiaddr>,
        replies: Vec<DialReply>,
        mut last: NetworkError,
    ) {
        while let Some(address) = rest.pop_front() {
            let options = DialOpts::unknown_peer_id()
                .address(address)
                .allocate_new_port()
                .build();
            let connection = options.connection_id();
            self.counters.dials.add_one();
            match swarm.dial(options) {
                Ok(()) => {
                    self.dials
                        .insert(connection, Dialling::Addresses { all, rest, replies });
                    return;
                }
                Err(error) => {
                    self.counters.dials_failed.add_one();
                    last = NetworkError::Unreachable(Arc::new(error));
                }
            }
        }
        if !all.is_empty() {
            self.back_off
                .failed(Target::Addresses(all), Instant::now(), rand::random());
        }
        for reply in replies {
            let _ = reply.send(Err(last.clone()));
        }
    }

    /// A connection is open, ours or the peer's.
    pub(super) fn connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        connection: ConnectionId,
    ) {
        match self.dials.remove(&connection) {
            Some(Dialling::Peer(_)) => {
                if let Some(outbox) = self.peers.get_mut(&peer) {
                    outbox.dialling = false;
                }
            }
            Some(Dialling::Addresses { all, replies, .. }) => {
                for reply in replies {
                    let _ = reply.send(Ok(peer));
                }
                self.back_off.succeeded(&Target::Addresses(all.clone()));
                self.dialled.insert(connection, (all, peer));
            }
            None => {}
        }
        self.back_off.succeeded(&Target::Peer(peer));
        self.flush(swarm, peer);
    }

    /// A connection has ended. What waits is sent by another, or by a new one.
    pub(super) fn disconnected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        connection: ConnectionId,
    ) {
        self.dialled.remove(&connection);
        let Some(outbox) = self.peers.get(&peer) else {
            return;
        };
        if outbox.dialling || swarm.behaviour().requests.is_connected(&peer) {
            return;
        }
        if let Some(call) = outbox.waiting.front() {
            let addresses = call.addresses.clone();
            self.dial_peer(swarm, peer, addresses);
        }
    }

    /// A dial has failed.
    pub(super) fn dial_failed(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        connection: ConnectionId,
        error: DialError,
    ) {
        match self.dials.remove(&connection) {
            Some(Dialling::Peer(peer)) => {
                if let Some(outbox) = self.peers.get_mut(&peer) {
                    outbox.dialling = false;
                }
                self.peer_unreachable(peer, error);
            }
            Some(Dialling::Addresses { all, rest, replies }) => {
                self.counters.dials_failed.add_one();
                let last = NetworkError::Unreachable(Arc::new(error));
                self.dial_next(swarm, all, rest, replies, last);
            }
            None => {}
        }
    }

    /// A request has its answer, or will have none.
    pub(super) fn answered(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        id: OutboundRequestId,
        answer: Result<Vec<u8>, OutboundFailure>,
    ) {
        let Some((peer, reply)) = self.sent.remove(&id) else {
            return;
        };
        if answer.is_err() {
            self.counters.sent_without_answer.add_one();
        }
        let _ = reply.send(answer.map_err(|failure| without_answer(&failure)));
        if let Some(outbox) = self.peers.get_mut(&peer) {
            outbox.in_flight = outbox.in_flight.saturating_sub(1);
        }
        if swarm.behaviour().requests.is_connected(&peer) {
            self.flush(swarm, peer);
        } else {
            self.tidy(peer);
        }
    }
}

fn without_answer(failure: &OutboundFailure) -> NetworkError {
    match failure {
        OutboundFailure::Timeout => NetworkError::Timeout,
        OutboundFailure::UnsupportedProtocols => NetworkError::Foreign,
        OutboundFailure::Io(error) if error.kind() == std::io::ErrorKind::FileTooLarge => {
            NetworkError::ResponseTooLarge
        }
        OutboundFailure::Io(_)
        | OutboundFailure::ConnectionClosed
        | OutboundFailure::DialFailure => NetworkError::Closed,
    }
}
