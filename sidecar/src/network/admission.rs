//! Who has shown to be a pinned organization, and what everybody else may cost.
//!
//! Admission is about resources only: how many connections, streams and bytes somebody may take,
//! and how soon he must say hello. It gives no access to anything: every request is checked for
//! itself by the session layer, which is also what calls [`Admissions::admit`].

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use finp2p_wire::limits::{HELLO_FRAME_MAX_BYTES, REQUEST_FRAME_MAX_BYTES};
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;

/// Peer ids remembered for one organization: a certificate lists two, and two certificates are
/// alive while keys rotate; twice that.
const PEERS_PER_ORGANIZATION_MAX: usize = 8;

/// Streams on which a stranger may send at the same time: his hello, and one that he repeats
/// because the first was lost.
const STRANGER_STREAMS_MAX: usize = 2;

/// Connections of one peer id that has not said hello: the one it needs, and a second one for
/// two nodes that dial each other at the same time.
const STRANGER_CONNECTIONS_MAX: usize = 2;

/// The peer ids that have said hello, by organization. Clones share one table.
#[derive(Clone, Debug)]
pub struct Admissions(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    connections_max: usize,
    admitted: HashMap<PeerId, Arc<str>>,
    connections: HashMap<PeerId, Vec<Connection>>,
    /// Connections to close, until the network has taken them.
    doomed: Vec<(PeerId, ConnectionId)>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// The peer opened it: only these count against its limit, or a peer that has used up its
    /// own could not be asked anything any more.
    inbound: bool,
    allowance: Arc<Allowance>,
}

impl Admissions {
    /// Nobody is admitted; an organization may hold `connections_max` connections
    /// (`limits.connections` of the node's configuration).
    #[must_use]
    pub fn new(connections_max: usize) -> Self {
        Self(Arc::new(Mutex::new(Table {
            connections_max,
            admitted: HashMap::new(),
            connections: HashMap::new(),
            doomed: Vec::new(),
            waker: None,
        })))
    }

    /// Changes how many connections an organization may hold; those that are open stay open.
    pub fn set_connections_max(&self, connections_max: usize) {
        self.table().connections_max = connections_max;
    }

    /// `peer` has shown in a hello to speak for `organization`. Its connections get the room of a
    /// known peer before this returns; those over the organization's limit are closed.
    pub fn admit(&self, peer: PeerId, organization: &str) {
        let mut table = self.table();
        table.make_room(peer, organization);
        table.admitted.insert(peer, organization.into());
        for connection in table.connections.get(&peer).into_iter().flatten() {
            connection.allowance.raise();
        }
        table.doom_surplus(peer, organization);
        table.wake();
    }

    /// The organization that `peer` was admitted for.
    #[must_use]
    pub fn organization(&self, peer: &PeerId) -> Option<Arc<str>> {
        self.table().admitted.get(peer).cloned()
    }

    /// Keeps those organizations for which `keep` is true and closes every connection of the
    /// others: called when an organization is suspended or no longer pinned.
    pub fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut table = self.table();
        let gone: Vec<PeerId> = table
            .admitted
            .iter()
            .filter(|(_, organization)| !keep(organization))
            .map(|(peer, _)| *peer)
            .collect();
        for peer in gone {
            table.admitted.remove(&peer);
            let connections: Vec<_> = table
                .connections
                .get(&peer)
                .into_iter()
                .flatten()
                .map(|connection| (peer, connection.id))
                .collect();
            table.doomed.extend(connections);
        }
        table.wake();
    }

    /// Takes in a connection that is being established, with the room that its peer has.
    pub(super) fn enter(
        &self,
        peer: PeerId,
        id: ConnectionId,
        inbound: bool,
    ) -> Result<Entered, Surplus> {
        let mut table = self.table();
        let organization = table.admitted.get(&peer).cloned();
        let (held, max) = match &organization {
            Some(organization) => (table.held_by(organization), table.connections_max),
            None => (table.opened_by(&peer), STRANGER_CONNECTIONS_MAX),
        };
        if inbound && held >= max {
            return Err(Surplus { max });
        }
        let allowance = Arc::new(Allowance::default());
        if organization.is_some() {
            allowance.raise();
        }
        table.connections.entry(peer).or_default().push(Connection {
            id,
            inbound,
            allowance: Arc::clone(&allowance),
        });
        Ok(Entered {
            allowance,
            stranger: organization.is_none(),
        })
    }

    /// Forgets a connection that is closed or never came to be. The admission stays: the session
    /// behind it outlives a lost connection.
    pub(super) fn leave(&self, peer: PeerId, id: ConnectionId) {
        let mut table = self.table();
        let Some(connections) = table.connections.get_mut(&peer) else {
            return;
        };
        connections.retain(|connection| connection.id != id);
        if connections.is_empty() {
            table.connections.remove(&peer);
        }
    }

    /// Connections to close now; `waker` is woken when there are more.
    pub(super) fn take_doomed(&self, waker: &Waker) -> Vec<(PeerId, ConnectionId)> {
        let mut table = self.table();
        table.waker = Some(waker.clone());
        std::mem::take(&mut table.doomed)
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // No code of ours panics with the lock held, and the table is valid after each statement.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn held_by(&self, organization: &str) -> usize {
        self.admitted
            .iter()
            .filter(|(_, of)| &***of == organization)
            .map(|(peer, _)| self.opened_by(peer))
            .sum()
    }

    fn opened_by(&self, peer: &PeerId) -> usize {
        let connections = self.connections.get(peer).into_iter().flatten();
        connections.filter(|connection| connection.inbound).count()
    }

    /// Forgets a peer id of the organization when it has too many, one without a connection first.
    fn make_room(&mut self, peer: PeerId, organization: &str) {
        let others: Vec<PeerId> = self
            .admitted
            .iter()
            .filter(|(other, of)| **other != peer && &***of == organization)
            .map(|(other, _)| *other)
            .collect();
        if others.len() < PEERS_PER_ORGANIZATION_MAX {
            return;
        }
        let idle = others
            .iter()
            .find(|other| !self.connections.contains_key(*other));
        if let Some(out) = idle.or_else(|| others.first()) {
            self.admitted.remove(out);
        }
    }

    fn doom_surplus(&mut self, peer: PeerId, organization: &str) {
        let surplus = self
            .held_by(organization)
            .saturating_sub(self.connections_max);
        let newest = self
            .connections
            .get(&peer)
            .into_iter()
            .flatten()
            .rev()
            .filter(|connection| connection.inbound)
            .take(surplus);
        let doomed: Vec<_> = newest.map(|connection| (peer, connection.id)).collect();
        self.doomed.extend(doomed);
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A connection that was taken in.
pub(super) struct Entered {
    /// What it may cost.
    pub(super) allowance: Arc<Allowance>,
    /// Its peer has not said hello.
    pub(super) stranger: bool,
}

/// There are as many connections of this kind as there may be.
#[derive(Debug, thiserror::Error)]
#[error("this peer may hold {max} connections and does")]
pub(super) struct Surplus {
    max: usize,
}

/// What one connection may cost: little until its peer has said hello.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    raised: AtomicBool,
    reading: AtomicUsize,
}

impl Allowance {
    fn raise(&self) {
        self.raised.store(true, Ordering::Release);
    }

    /// The longest frame to read.
    pub(super) fn frame_max_bytes(&self) -> usize {
        if self.raised.load(Ordering::Acquire) {
            REQUEST_FRAME_MAX_BYTES
        } else {
            HELLO_FRAME_MAX_BYTES
        }
    }

    /// A turn to read from one more stream, unless there are too many already.
    pub(super) fn begin(self: &Arc<Self>) -> Option<Reading> {
        let before = self.reading.fetch_add(1, Ordering::AcqRel);
        let reading = Reading(Arc::clone(self));
        let raised = self.raised.load(Ordering::Acquire);
        (raised || before < STRANGER_STREAMS_MAX).then_some(reading)
    }
}

/// One stream is being read; ends with the value.
pub(super) struct Reading(Arc<Allowance>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.reading.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(number: usize) -> ConnectionId {
        ConnectionId::new_unchecked(number)
    }

    fn doomed(admissions: &Admissions) -> Vec<(PeerId, ConnectionId)> {
        admissions.take_doomed(Waker::noop())
    }

    #[test]
    fn gives_a_stranger_little_and_an_admitted_peer_its_room_at_once() {
        let admissions = Admissions::new(4);
        let peer = PeerId::random();
        let entered = admissions.enter(peer, connection(1), true).unwrap();
        assert!(entered.stranger);
        assert_eq!(entered.allowance.frame_max_bytes(), HELLO_FRAME_MAX_BYTES);
        let held: Vec<_> = (0..STRANGER_STREAMS_MAX)
            .map(|_| entered.allowance.begin())
            .collect();
        assert!(held.iter().all(Option::is_some));
        assert!(entered.allowance.begin().is_none());

        admissions.admit(peer, "bank-b");
        assert_eq!(entered.allowance.frame_max_bytes(), REQUEST_FRAME_MAX_BYTES);
        assert!(entered.allowance.begin().is_some());
        assert!(
            !admissions
                .enter(peer, connection(2), true)
                .unwrap()
                .stranger
        );
    }

    #[test]
    fn counts_reading_streams_down_again() {
        let allowance = Arc::new(Allowance::default());
        for _ in 0..10 * STRANGER_STREAMS_MAX {
            assert!(allowance.begin().is_some());
        }
    }

    #[test]
    fn holds_an_organization_to_its_connections_over_all_its_peer_ids() {
        let admissions = Admissions::new(3);
        let (one, two) = (PeerId::random(), PeerId::random());
        admissions.admit(one, "bank-b");
        admissions.admit(two, "bank-b");
        assert!(admissions.enter(one, connection(1), true).is_ok());
        assert!(admissions.enter(one, connection(2), true).is_ok());
        assert!(admissions.enter(two, connection(3), true).is_ok());
        assert!(admissions.enter(two, connection(4), true).is_err());
        assert!(
            admissions.enter(one, connection(7), false).is_ok(),
            "what we opened does not count"
        );
        assert!(
            admissions
                .enter(PeerId::random(), connection(5), true)
                .is_ok()
        );
        admissions.leave(one, connection(1));
        assert!(admissions.enter(two, connection(6), true).is_ok());
    }

    #[test]
    fn closes_what_a_hello_brings_over_the_limit_and_nothing_else() {
        let admissions = Admissions::new(1);
        let (one, two) = (PeerId::random(), PeerId::random());
        admissions.admit(one, "bank-b");
        admissions.enter(one, connection(1), true).unwrap();
        admissions.enter(two, connection(2), true).unwrap();
        assert_eq!(doomed(&admissions), []);
        admissions.admit(two, "bank-b");
        assert_eq!(doomed(&admissions), [(two, connection(2))]);
        assert_eq!(doomed(&admissions), []);
    }

    #[test]
    fn closes_every_connection_of_an_organization_that_is_no_longer_kept() {
        let admissions = Admissions::new(4);
        let (one, two) = (PeerId::random(), PeerId::random());
        admissions.admit(one, "bank-b");
        admissions.admit(two, "bank-c");
        admissions.enter(one, connection(1), true).unwrap();
        admissions.enter(two, connection(2), true).unwrap();
        admissions.retain(|organization| organization != "bank-b");
        assert_eq!(doomed(&admissions), [(one, connection(1))]);
        assert_eq!(admissions.organization(&one), None);
        assert_eq!(admissions.organization(&two).as_deref(), Some("bank-c"));
    }

    #[test]
    fn remembers_a_bounded_number_of_peer_ids_for_an_organization() {
        let admissions = Admissions::new(64);
        let used = PeerId::random();
        admissions.admit(used, "bank-b");
        admissions.enter(used, connection(1), true).unwrap();
        for _ in 0..3 * PEERS_PER_ORGANIZATION_MAX {
            admissions.admit(PeerId::random(), "bank-b");
        }
        assert_eq!(
            admissions.table().admitted.len(),
            PEERS_PER_ORGANIZATION_MAX
        );
        assert!(admissions.organization(&used).is_some());
    }

    #[test]
    fn keeps_no_trace_of_a_stranger_who_left() {
        let admissions = Admissions::new(4);
        let peer = PeerId::random();
        admissions.enter(peer, connection(1), true).unwrap();
        admissions.enter(peer, connection(2), true).unwrap();
        assert!(admissions.enter(peer, connection(3), true).is_err());
        admissions.leave(peer, connection(1));
        admissions.leave(peer, connection(2));
        assert!(admissions.table().connections.is_empty());
    }
}
