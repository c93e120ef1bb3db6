//! Which connections there may be, for how long without a hello, and with which allowance.
//!
//! First of the behaviours, so that nothing else is asked about a connection that is refused.
//! It is our own and not libp2p's `connection_limits` because the limits here are per
//! organization and end a stranger's connection early, and because that behaviour keeps a row
//! for every peer id that ever connected, which whoever makes peer ids could grow without end.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint, Multiaddr};
use libp2p::swarm::{
    CloseConnection, ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{PeerId, swarm::behaviour};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Bounds;
use super::admission::Admissions;
use super::codec::NextAllowance;
use super::counters::Counters;

/// The gate: a behaviour that speaks no protocol.
pub(super) struct Gate {
    admissions: Admissions,
    next_allowance: NextAllowance,
    counters: Arc<Counters>,
    bounds: Bounds,
    pending_inbound: HashSet<ConnectionId>,
    pending_outbound: HashSet<ConnectionId>,
    inbound: HashSet<ConnectionId>,
    outbound: HashSet<ConnectionId>,
    /// Inbound connections without a hello, oldest first.
    strangers: VecDeque<Stranger>,
    /// Runs until the oldest stranger's time is over.
    alarm: Option<Pin<Box<Sleep>>>,
    to_close: VecDeque<(PeerId, ConnectionId)>,
}

struct Stranger {
    peer: PeerId,
    id: ConnectionId,
    deadline: Instant,
}

/// There are as many connections of this kind as there may be.
#[derive(Debug, thiserror::Error)]
#[error("{max} {kind} connections are as many as there may be")]
struct Full {
    kind: &'static str,
    max: usize,
}

impl Gate {
    pub(super) fn new(
        admissions: Admissions,
        next_allowance: NextAllowance,
        counters: Arc<Counters>,
        bounds: Bounds,
    ) -> Self {
        Self {
            admissions,
            next_allowance,
            counters,
            bounds,
            pending_inbound: HashSet::new(),
            pending_outbound: HashSet::new(),
            inbound: HashSet::new(),
            outbound: HashSet::new(),
            strangers: VecDeque::new(),
            alarm: None,
            to_close: VecDeque::new(),
        }
    }

    fn room(&self, kind: &'static str, held: usize, max: usize) -> Result<(), ConnectionDenied> {
        if held < max {
            return Ok(());
        }
        self.counters.connections_refused.add_one();
        Err(ConnectionDenied::new(Full { kind, max }))
    }

    /// Takes the connection into its organization's or the stranger's count and lays out what it
    /// may cost. True when it is a stranger's.
    fn enter(
        &self,
        peer: PeerId,
        id: ConnectionId,
        inbound: bool,
    ) -> Result<bool, ConnectionDenied> {
        let entered = self
            .admissions
            .enter(peer, id, inbound)
            .map_err(|surplus| {
                self.counters.connections_refused.add_one();
                ConnectionDenied::new(surplus)
            })?;
        self.next_allowance.put(entered.allowance);
        Ok(entered.stranger)
    }

    /// Starts a stranger's time; the oldest stranger makes room when there are too many, because
    /// whoever means to say hello has done so in a moment.
    fn watch(&mut self, peer: PeerId, id: ConnectionId) {
        let deadline = Instant::now() + self.bounds.hello_timeout;
        self.strangers.push_back(Stranger { peer, id, deadline });
        if self.strangers.len() <= self.bounds.strangers_max {
            return;
        }
        if let Some(oldest) = self.strangers.pop_front()
            && self.admissions.organization(&oldest.peer).is_none()
        {
            self.counters.strangers_evicted.add_one();
            self.to_close.push_back((oldest.peer, oldest.id));
        }
    }

    fn forget(&mut self, peer: Option<PeerId>, id: ConnectionId) {
        self.inbound.remove(&id);
        self.outbound.remove(&id);
        self.strangers.retain(|stranger| stranger.id != id);
        if let Some(peer) = peer {
            self.admissions.leave(peer, id);
        }
    }

    /// Moves strangers whose time is over, and who are still strangers, to those to close.
    fn poll_strangers(&mut self, context: &mut Context<'_>) {
        while let Some(oldest) = self.strangers.front() {
            let deadline = oldest.deadline;
            let alarm = self
                .alarm
                .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if alarm.deadline() != deadline {
                alarm.as_mut().reset(deadline);
            }
            if alarm.as_mut().poll(context).is_pending() {
                return;
            }
            if let Some(late) = self.strangers.pop_front()
                && self.admissions.organization(&late.peer).is_none()
            {
                self.counters.hello_timeouts.add_one();
                self.to_close.push_back((late.peer, late.id));
            }
        }
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        self.room(
            "pending inbound",
            self.pending_inbound.len(),
            self.bounds.pending_max,
        )?;
        self.room("inbound", self.inbound.len(), self.bounds.inbound_max)?;
        self.pending_inbound.insert(id);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_inbound.remove(&id);
        self.room("inbound", self.inbound.len(), self.bounds.inbound_max)?;
        if self.enter(peer, id, true)? {
            self.watch(peer, id);
        }
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        self.room(
            "pending outbound",
            self.pending_outbound.len(),
            self.bounds.pending_max,
        )?;
        self.room("outbound", self.outbound.len(), self.bounds.outbound_max)?;
        self.pending_outbound.insert(id);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending_outbound.remove(&id);
        self.room("outbound", self.outbound.len(), self.bounds.outbound_max)?;
        // We called: there is nothing to wait for, so a stranger's time does not start.
        self.enter(peer, id, false)?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(established) => match established.endpoint {
                ConnectedPoint::Listener { .. } => {
                    self.counters.inbound_connections.add_one();
                    self.inbound.insert(established.connection_id);
                }
                ConnectedPoint::Dialer { .. } => {
                    self.counters.outbound_connections.add_one();
                    self.outbound.insert(established.connection_id);
                }
            },
            FromSwarm::ConnectionClosed(closed) => {
                self.forget(Some(closed.peer_id), closed.connection_id);
            }
            FromSwarm::DialFailure(behaviour::DialFailure {
                peer_id,
                connection_id,
                ..
            }) => {
                self.pending_outbound.remove(&connection_id);
                self.forget(peer_id, connection_id);
            }
            FromSwarm::ListenFailure(behaviour::ListenFailure {
                peer_id,
                connection_id,
                ..
            }) => {
                self.pending_inbound.remove(&connection_id);
                self.forget(peer_id, connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        _: PeerId,
        _: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {}
    }

    fn poll(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.poll_strangers(context);
        self.to_close
            .extend(self.admissions.take_doomed(context.waker()));
        match self.to_close.pop_front() {
            Some((peer_id, id)) => Poll::Ready(ToSwarm::CloseConnection {
                peer_id,
                connection: CloseConnection::One(id),
            }),
            None => Poll::Pending,
        }
    }
}
