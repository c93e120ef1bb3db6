//! What is refused before a signature was verified: counted, and recorded once per period.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{Count, Counted, Entry};

/// How long refusals are gathered before they become one entry.
pub const PERIOD: SignedDuration = SignedDuration::from_secs(10);

/// Most pairs of organization and code that are kept apart in a period. Only pinned
/// organizations have a name here, so this is a hundred peers with a few codes each; it also
/// keeps the entry below the longest one that is allowed.
pub const MAX_PAIRS: usize = 256;

/// Counters of refusals by organization and code. Thread-safe; time is an input.
#[derive(Debug, Default)]
pub struct Counters {
    period: Mutex<Option<Period>>,
}

#[derive(Debug)]
struct Period {
    from: Timestamp,
    counts: BTreeMap<(Option<String>, u16), u64>,
    more: u64,
}

impl Counters {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one refusal with `code` (0 when the connection was closed without an answer).
    /// `organization` is the pinned organization that the connection has proved to be, if any.
    pub fn count(&self, now: Timestamp, organization: Option<&str>, code: u16) {
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        let period = period.get_or_insert_with(|| Period {
            from: now,
            counts: BTreeMap::new(),
            more: 0,
        });
        let room = period.counts.len() < MAX_PAIRS;
        let pair = (organization.map(str::to_owned), code);
        match period.counts.get_mut(&pair) {
            Some(n) => *n = n.saturating_add(1),
            None if room => {
                period.counts.insert(pair, 1);
            }
            None => period.more = period.more.saturating_add(1),
        }
    }

    /// The entry of the period, once it is [`PERIOD`] long; counting starts anew. `None` while
    /// there is nothing to record. Call it at least once per period, and append what it gives.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Entry> {
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.duration_since(period.as_ref()?.from);
        // A clock that was set back must not stop the counting for good.
        if age < PERIOD && !age.is_negative() {
            return None;
        }
        period.take().map(|period| period.close(now))
    }

    /// The entry of the period so far, however short: for an orderly end.
    #[must_use]
    pub fn finish(&self, now: Timestamp) -> Option<Entry> {
        let mut period = self.period.lock().unwrap_or_else(PoisonError::into_inner);
        period.take().map(|period| period.close(now))
    }
}

impl Period {
    fn close(self, now: Timestamp) -> Entry {
        let counts = self.counts.into_iter();
        Entry::Counted(Counted {
            at: now,
            from: self.from,
            counts: counts
                .map(|((organization, code), n)| Count {
                    organization,
                    code,
                    n,
                })
                .collect(),
            more: self.more,
        })
    }
}
