//! Sessions: what a peer's requests are bound to, in memory and nowhere else.
//!
//! The server chooses the identifier of a session at random when it accepts a hello, and forgets
//! it at a restart: so every captured request is void after one, with nothing persisted. A session
//! is bound to the peer's libp2p identity, to its session key and ours, and through the two hellos
//! (each carries or is the digest of the other) to everything that was said in them, the version
//! lists included. Within it every request has a number that is used once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use finp2p_wire::digest::Digest;
use finp2p_wire::key::Kid;
use finp2p_wire::message::{Certificates, SessionId};
use finp2p_wire::window::{Replay, Window};
use libp2p::PeerId;

/// Longest life of a session in seconds. A certificate that ends or a key that is dropped is
/// noticed at every request anyway; an hour bounds what a peer must remember of old keys.
pub const SESSION_LIFE_S: u64 = 3600;

/// Most sessions of one organization: as many as it may have connections by default. The oldest
/// ends when there would be one more, and its owner says hello again.
pub const SESSIONS_PER_ORGANIZATION_MAX: usize = 64;

/// Most sessions in all: a hundred organizations with a few dozen connections each, at about two
/// kilobytes a session eight megabytes.
pub const SESSIONS_MAX: usize = 4096;

/// What a session is bound to.
#[derive(Debug)]
pub struct Binding {
    /// The organization on the other side.
    pub organization: String,
    /// The libp2p identity that said hello.
    pub peer: PeerId,
    /// The peer's session key.
    pub kid: Kid,
    /// Our session key, to which the peer addresses its requests.
    pub our_kid: Kid,
    /// What the peer presented: judged again at every request.
    pub certificates: Certificates,
    /// The version that both speak.
    pub version: u64,
    /// Digest of the peer's hello, as its envelope.
    pub hello: Digest,
    /// Digest of our answer, as its envelope.
    pub hello_ok: Digest,
}

/// A session that was agreed on.
#[derive(Debug)]
pub struct Session {
    /// What it is bound to.
    pub binding: Binding,
    /// First second at which it is over, unix seconds.
    pub expires: u64,
    window: Mutex<Window>,
}

impl Session {
    /// Whether the number may still be used. Spends nothing: see [`Session::spend`].
    ///
    /// # Errors
    /// [`Replay`].
    pub fn check(&self, counter: u64) -> Result<(), Replay> {
        self.window().check(counter)
    }

    /// Spends the number, after the request's signature verified.
    ///
    /// # Errors
    /// [`Replay`] when another request with it was quicker.
    pub fn spend(&self, counter: u64) -> Result<(), Replay> {
        self.window().mark(counter)
    }

    fn window(&self) -> MutexGuard<'_, Window> {
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sessions of a node. Thread-safe; time is an input.
#[derive(Debug, Default)]
pub struct Sessions {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<SessionId, (u64, Arc<Session>)>,
    /// In the order in which they were opened.
    by_age: BTreeMap<u64, SessionId>,
    opened: u64,
}

impl Sessions {
    /// Opens a session that lives [`SESSION_LIFE_S`] from `now` (unix seconds). Ends the oldest of
    /// the organization, and the oldest of all, when there would be too many.
    pub fn open(&self, now: u64, id: SessionId, binding: Binding) -> Arc<Session> {
        let session = Arc::new(Session {
            binding,
            expires: now.saturating_add(SESSION_LIFE_S),
            window: Mutex::default(),
        });
        let mut table = self.table();
        table.end_those_over(now);
        table.make_room_for(&session.binding.organization);
        table.insert(id, Arc::clone(&session));
        session
    }

    /// The session with this identifier, if it is not over.
    pub fn get(&self, now: u64, id: &SessionId) -> Option<Arc<Session>> {
        let mut table = self.table();
        let session = table
            .by_id
            .get(id)
            .map(|(_, session)| Arc::clone(session))?;
        if session.expires <= now {
            table.end(id);
            return None;
        }
        Some(session)
    }

    /// Whether this libp2p identity has a session: only then is more read from it than a hello.
    pub fn knows(&self, now: u64, peer: &PeerId) -> bool {
        self.table()
            .by_id
            .values()
            .any(|(_, session)| session.binding.peer == *peer && session.expires > now)
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        self.table().by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[cfg(test)]
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        let table = self.table();
        table
            .by_id
            .values()
            .map(|(_, session)| Arc::clone(session))
            .collect()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn insert(&mut self, id: SessionId, session: Arc<Session>) {
        self.end(&id);
        self.by_age.insert(self.opened, id);
        self.by_id.insert(id, (self.opened, session));
        self.opened += 1;
    }

    fn end(&mut self, id: &SessionId) {
        if let Some((age, _)) = self.by_id.remove(id) {
            self.by_age.remove(&age);
        }
    }

    fn end_those_over(&mut self, now: u64) {
        let over = |session: &Session| session.expires <= now;
        let ids: Vec<_> = self
            .by_id
            .iter()
            .filter(|(_, (_, s))| over(s))
            .map(|(id, _)| *id)
            .collect();
        ids.iter().for_each(|id| self.end(id));
    }

    fn make_room_for(&mut self, organization: &str) {
        let mut theirs: Vec<_> = self
            .by_id
            .values()
            .filter(|(_, session)| session.binding.organization == organization)
            .map(|(age, _)| *age)
            .collect();
        theirs.sort_unstable();
        let too_many = (theirs.len() + 1).saturating_sub(SESSIONS_PER_ORGANIZATION_MAX);
        for age in theirs.into_iter().take(too_many) {
            if let Some(id) = self.by_age.remove(&age) {
                self.by_id.remove(&id);
            }
        }
        while self.by_id.len() >= SESSIONS_MAX {
            let Some((_, id)) = self.by_age.pop_first() else {
                break;
            };
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use finp2p_wire::cbor::Bytes;

    use super::*;

    fn peer(seed: u8) -> PeerId {
        let key = libp2p::identity::Keypair::ed25519_from_bytes([seed; 32]).unwrap();
        key.public().to_peer_id()
    }

    fn binding(organization: &str, peer: PeerId) -> Binding {
        Binding {
            organization: organization.to_owned(),
            peer,
            kid: Kid([1; 16]),
            our_kid: Kid([2; 16]),
            certificates: Certificates::new(vec![Bytes::new([0]).unwrap()]).unwrap(),
            version: 1,
            hello: Digest([3; 32]),
            hello_ok: Digest([4; 32]),
        }
    }

    fn id(number: usize) -> SessionId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
        SessionId(bytes)
    }

    #[test]
    fn a_session_is_over_after_an_hour_and_is_forgotten() {
        let sessions = Sessions::default();
        sessions.open(1000, id(1), binding("bank-b", peer(2)));
        assert!(sessions.get(1000 + SESSION_LIFE_S - 1, &id(1)).is_some());
        assert!(sessions.knows(1000 + SESSION_LIFE_S - 1, &peer(2)));
        assert!(!sessions.knows(1000 + SESSION_LIFE_S, &peer(2)));
        assert!(sessions.get(1000 + SESSION_LIFE_S, &id(1)).is_none());
        assert!(sessions.is_empty());
    }

    #[test]
    fn an_unknown_identifier_is_no_session() {
        let sessions = Sessions::default();
        sessions.open(0, id(1), binding("bank-b", peer(2)));
        assert!(sessions.get(0, &id(2)).is_none());
        assert!(!sessions.knows(0, &peer(3)));
        assert_eq!(sessions.len(), 1);
        assert!(!sessions.is_empty());
    }

    #[test]
    fn the_oldest_session_of_an_organization_ends_when_it_opens_one_too_many() {
        let sessions = Sessions::default();
        sessions.open(0, id(9999), binding("bank-c", peer(3)));
        for number in 0..SESSIONS_PER_ORGANIZATION_MAX {
            sessions.open(0, id(number), binding("bank-b", peer(2)));
        }
        assert!(sessions.get(0, &id(0)).is_some());
        sessions.open(0, id(1000), binding("bank-b", peer(2)));
        assert!(sessions.get(0, &id(0)).is_none());
        assert!(sessions.get(0, &id(1)).is_some());
        assert!(sessions.get(0, &id(1000)).is_some());
        assert!(
            sessions.get(0, &id(9999)).is_some(),
            "another organization's session ended"
        );
        assert_eq!(sessions.len(), SESSIONS_PER_ORGANIZATION_MAX + 1);
    }

    #[test]
    fn the_oldest_session_of_all_ends_when_there_are_too_many() {
        let (sessions, b) = (Sessions::default(), peer(2));
        for number in 0..=SESSIONS_MAX {
            sessions.open(0, id(number), binding(&format!("bank-{}", number % 100), b));
        }
        assert_eq!(sessions.len(), SESSIONS_MAX);
        assert!(sessions.get(0, &id(0)).is_none());
        assert!(sessions.get(0, &id(1)).is_some());
        assert!(sessions.get(0, &id(SESSIONS_MAX)).is_some());
    }

    #[test]
    fn sessions_that_are_over_make_room_first() {
        let sessions = Sessions::default();
        sessions.open(0, id(1), binding("bank-b", peer(2)));
        sessions.open(SESSION_LIFE_S, id(2), binding("bank-c", peer(3)));
        assert_eq!(sessions.len(), 1);
    }

    #[test]
    fn a_number_is_spent_once_and_checking_does_not_spend_it() {
        let sessions = Sessions::default();
        let session = sessions.open(0, id(1), binding("bank-b", peer(2)));
        assert_eq!(session.check(5), Ok(()));
        assert_eq!(session.check(5), Ok(()));
        assert_eq!(session.spend(5), Ok(()));
        assert_eq!(session.check(5), Err(Replay));
        assert_eq!(session.spend(5), Err(Replay));
    }
}
