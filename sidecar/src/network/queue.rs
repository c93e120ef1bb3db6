//! Requests that wait for a worker, in fair turns.
//!
//! Each organization has a queue of its own and so has, all together, everybody who has not said
//! hello; workers take one request from each in turn. Inside the strangers' queue each peer id
//! has its turn again. Whoever sends ten thousand requests waits for ten thousand turns of his
//! own; nobody else waits longer than one round.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;

use libp2p::PeerId;

/// Requests of one organization that may wait: two connections full of streams. More than a
/// second's work for any organization at its rate limit would only be answered too late.
const ORGANIZATION_WAITING_MAX: usize = 256;

/// Requests of one stranger that may wait: he has a hello to say.
const STRANGER_WAITING_MAX: usize = 2;

/// Requests of all strangers that may wait: one round of hellos for as many strangers as may be
/// connected.
const STRANGERS_WAITING_MAX: usize = 128;

/// Bytes of all waiting requests: a thousand of the largest.
const WAITING_MAX_BYTES: usize = 64 * 1024 * 1024;

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Sender {
    /// A peer that was admitted for this organization.
    Organization(Arc<str>),
    /// A peer that was not admitted.
    Stranger(PeerId),
}

/// The queue. `T` is what waits.
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    /// `None` stands for all strangers together.
    parties: Turns<Option<Arc<str>>>,
    organizations: HashMap<Arc<str>, VecDeque<(usize, T)>>,
    strangers: HashMap<PeerId, VecDeque<(usize, T)>>,
    stranger_turns: Turns<PeerId>,
    strangers_waiting: usize,
    bytes: usize,
}

impl<T> FairQueue<T> {
    pub(super) fn new() -> Self {
        Self {
            parties: Turns::new(),
            organizations: HashMap::new(),
            strangers: HashMap::new(),
            stranger_turns: Turns::new(),
            strangers_waiting: 0,
            bytes: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.parties.is_empty()
    }

    /// Lets `item` of `bytes` bytes wait, or gives it back when its sender, or everybody
    /// together, has too much waiting already.
    pub(super) fn push(&mut self, sender: Sender, bytes: usize, item: T) -> Result<(), T> {
        let total = self.bytes.saturating_add(bytes);
        if total > WAITING_MAX_BYTES {
            return Err(item);
        }
        match sender {
            Sender::Organization(name) => {
                let queue = self.organizations.entry(Arc::clone(&name)).or_default();
                if queue.len() >= ORGANIZATION_WAITING_MAX {
                    return Err(item);
                }
                queue.push_back((bytes, item));
                self.parties.join(Some(name));
            }
            Sender::Stranger(peer) => {
                if self.strangers_waiting >= STRANGERS_WAITING_MAX {
                    return Err(item);
                }
                let queue = self.strangers.entry(peer).or_default();
                if queue.len() >= STRANGER_WAITING_MAX {
                    return Err(item);
                }
                queue.push_back((bytes, item));
                self.strangers_waiting = self.strangers_waiting.saturating_add(1);
                self.stranger_turns.join(peer);
                self.parties.join(None);
            }
        }
        self.bytes = total;
        Ok(())
    }

    /// The next request in turn.
    pub(super) fn pop(&mut self) -> Option<T> {
        let party = self.parties.next()?;
        let (bytes, item) = match &party {
            Some(name) => {
                let taken = take(&mut self.organizations, name)?;
                if self.organizations.contains_key(name) {
                    self.parties.join(party);
                }
                taken
            }
            None => {
                let taken = self.pop_stranger()?;
                if !self.stranger_turns.is_empty() {
                    self.parties.join(None);
                }
                taken
            }
        };
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(item)
    }

    fn pop_stranger(&mut self) -> Option<(usize, T)> {
        let peer = self.stranger_turns.next()?;
        let taken = take(&mut self.strangers, &peer)?;
        if self.strangers.contains_key(&peer) {
            self.stranger_turns.join(peer);
        }
        self.strangers_waiting = self.strangers_waiting.saturating_sub(1);
        Some(taken)
    }
}

/// The first of `key`'s queue, which is removed when that was all.
fn take<K: Eq + Hash, T>(queues: &mut HashMap<K, VecDeque<T>>, key: &K) -> Option<T> {
    let queue = queues.get_mut(key)?;
    let taken = queue.pop_front();
    if queue.is_empty() {
        queues.remove(key);
    }
    taken
}

/// Who is next; everybody is in it once.
#[derive(Debug)]
struct Turns<K> {
    order: VecDeque<K>,
    members: std::collections::HashSet<K>,
}

impl<K: Clone + Eq + Hash> Turns<K> {
    fn new() -> Self {
        Self {
            order: VecDeque::new(),
            members: std::collections::HashSet::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    fn join(&mut self, key: K) {
        if self.members.insert(key.clone()) {
            self.order.push_back(key);
        }
    }

    fn next(&mut self) -> Option<K> {
        let key = self.order.pop_front()?;
        self.members.remove(&key);
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organization(name: &str) -> Sender {
        Sender::Organization(name.into())
    }

    fn drain(queue: &mut FairQueue<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn gives_each_organization_one_turn_in_each_round() {
        let mut queue = FairQueue::new();
        for _ in 0..100 {
            queue.push(organization("loud"), 1, "loud").unwrap();
        }
        queue.push(organization("b"), 1, "b").unwrap();
        queue.push(organization("c"), 1, "c").unwrap();
        queue.push(organization("b"), 1, "b").unwrap();
        let order = drain(&mut queue);
        assert_eq!(order[..6], ["loud", "b", "c", "loud", "b", "loud"]);
        assert_eq!(order.len(), 103);
        assert!(queue.is_empty());
    }

    #[test]
    fn gives_all_strangers_together_the_turns_of_one_organization() {
        let mut queue = FairQueue::new();
        for _ in 0..50 {
            queue
                .push(Sender::Stranger(PeerId::random()), 1, "stranger")
                .unwrap();
        }
        for _ in 0..50 {
            queue.push(organization("bank"), 1, "bank").unwrap();
        }
        let order = drain(&mut queue);
        assert_eq!(order[..20].iter().filter(|who| **who == "bank").count(), 10);
    }

    #[test]
    fn gives_each_stranger_his_turn_among_strangers() {
        let mut queue = FairQueue::new();
        let (one, two) = (PeerId::random(), PeerId::random());
        queue.push(Sender::Stranger(one), 1, "one").unwrap();
        queue.push(Sender::Stranger(one), 1, "one").unwrap();
        queue.push(Sender::Stranger(two), 1, "two").unwrap();
        assert_eq!(drain(&mut queue), ["one", "two", "one"]);
    }

    #[test]
    fn keeps_the_order_of_one_sender() {
        let mut queue = FairQueue::new();
        for item in ["1", "2", "3"] {
            queue.push(organization("bank"), 1, item).unwrap();
        }
        assert_eq!(drain(&mut queue), ["1", "2", "3"]);
    }

    #[test]
    fn refuses_what_is_too_much_of_one_sender_and_takes_what_others_send() {
        let mut queue = FairQueue::new();
        for _ in 0..ORGANIZATION_WAITING_MAX {
            queue.push(organization("loud"), 1, "loud").unwrap();
        }
        assert_eq!(queue.push(organization("loud"), 1, "more"), Err("more"));
        assert!(queue.push(organization("bank"), 1, "bank").is_ok());
        let stranger = PeerId::random();
        for _ in 0..STRANGER_WAITING_MAX {
            queue
                .push(Sender::Stranger(stranger), 1, "stranger")
                .unwrap();
        }
        assert!(queue.push(Sender::Stranger(stranger), 1, "more").is_err());
        assert!(
            queue
                .push(Sender::Stranger(PeerId::random()), 1, "other")
                .is_ok()
        );
    }

    #[test]
    fn bounds_strangers_together_and_bytes_of_all() {
        let mut queue = FairQueue::new();
        let taken = (0..10 * STRANGERS_WAITING_MAX)
            .filter(|_| {
                queue
                    .push(Sender::Stranger(PeerId::random()), 1, "")
                    .is_ok()
            })
            .count();
        assert_eq!(taken, STRANGERS_WAITING_MAX);
        assert_eq!(drain(&mut queue).len(), STRANGERS_WAITING_MAX);
        assert!(queue.push(organization("a"), WAITING_MAX_BYTES, "").is_ok());
        assert!(queue.push(organization("b"), 1, "").is_err());
        assert!(queue.pop().is_some());
        assert!(queue.push(organization("b"), 1, "").is_ok());
    }

    #[test]
    fn keeps_nothing_of_senders_who_have_nothing_waiting() {
        let mut queue = FairQueue::new();
        queue.push(organization("bank"), 1, "").unwrap();
        queue
            .push(Sender::Stranger(PeerId::random()), 1, "")
            .unwrap();
        drain(&mut queue);
        assert!(queue.organizations.is_empty() && queue.strangers.is_empty());
        assert_eq!((queue.bytes, queue.strangers_waiting), (0, 0));
    }
}
