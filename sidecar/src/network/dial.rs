//! When to dial again: each failure doubles the wait, a success forgets it.

use std::collections::HashMap;
use std::time::Duration;

use libp2p::{Multiaddr, PeerId};
use tokio::time::Instant;

/// Wait after the first failure: a node that restarts is back in about this time.
const BACK_OFF_MIN: Duration = Duration::from_millis(200);

/// Longest wait: what a peer's operator will notice between mending it and seeing it used.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

/// Targets remembered. They come from the configuration, which has at most a few hundred peers.
const TARGETS_MAX: usize = 1024;

/// Whom to reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    /// A node whose peer id is known.
    Peer(PeerId),
    /// Whoever answers at these addresses.
    Addresses(Vec<Multiaddr>),
}

/// The targets that could not be reached, and when to try again.
#[derive(Debug, Default)]
pub(super) struct BackOff(HashMap<Target, Wait>);

#[derive(Debug)]
struct Wait {
    failures: u32,
    until: Instant,
}

impl BackOff {
    /// How long until `target` may be dialled again; `None` when it may be now.
    pub(super) fn remaining(&self, target: &Target, now: Instant) -> Option<Duration> {
        let wait = self.0.get(target)?;
        wait.until
            .checked_duration_since(now)
            .filter(|rest| !rest.is_zero())
    }

    /// `target` could not be reached. `jitter` (0 to 1) spreads the attempts of many nodes over
    /// the second half of the wait.
    pub(super) fn failed(&mut self, target: Target, now: Instant, jitter: f64) {
        if self.0.len() >= TARGETS_MAX && !self.0.contains_key(&target) {
            self.0.retain(|_, wait| wait.until > now);
            if self.0.len() >= TARGETS_MAX {
                return;
            }
        }
        let wait = self.0.entry(target).or_insert(Wait {
            failures: 0,
            until: now,
        });
        let doubled = BACK_OFF_MIN.saturating_mul(1 << wait.failures.min(16));
        wait.failures = wait.failures.saturating_add(1);
        wait.until = now
            + doubled
                .min(BACK_OFF_MAX)
                .mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    }

    /// `target` was reached.
    pub(super) fn succeeded(&mut self, target: &Target) {
        self.0.remove(target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_the_wait_up_to_its_bound_and_forgets_it_on_success() {
        let mut back_off = BackOff::default();
        let target = Target::Peer(PeerId::random());
        let now = Instant::now();
        assert_eq!(back_off.remaining(&target, now), None);
        let mut waits = Vec::new();
        for _ in 0..40 {
            back_off.failed(target.clone(), now, 1.0);
            waits.push(back_off.remaining(&target, now).unwrap());
        }
        assert_eq!(waits[0], BACK_OFF_MIN);
        assert_eq!(waits[1], BACK_OFF_MIN * 2);
        assert_eq!(waits[39], BACK_OFF_MAX);
        assert_eq!(back_off.remaining(&target, now + BACK_OFF_MAX), None);
        back_off.succeeded(&target);
        assert_eq!(back_off.remaining(&target, now), None);
    }

    #[test]
    fn spreads_attempts_over_the_second_half_of_the_wait() {
        let mut back_off = BackOff::default();
        let target = Target::Addresses(vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()]);
        let now = Instant::now();
        back_off.failed(target.clone(), now, 0.0);
        assert_eq!(back_off.remaining(&target, now).unwrap(), BACK_OFF_MIN / 2);
    }

    #[test]
    fn remembers_a_bounded_number_of_targets() {
        let mut back_off = BackOff::default();
        let now = Instant::now();
        for _ in 0..2 * TARGETS_MAX {
            back_off.failed(Target::Peer(PeerId::random()), now, 0.5);
        }
        assert_eq!(back_off.0.len(), TARGETS_MAX);
    }
}
