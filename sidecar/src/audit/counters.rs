//! What is refused before a signature or token was verified: counted, and recorded once per
//! period.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{Count, Counted, Door, Entry};

/// How long refusals are gathered before they become one entry.
pub const PERIOD: SignedDuration = SignedDuration::from_secs(10);

/// Most kinds of refusals that are kept apart in a period. Only pinned organizations have a name
/// here, so this is a hundred peers with a few codes each; it also keeps the entry below the
/// longest one that is allowed.
pub const MAX_KINDS: usize = 256;

/// Most kinds of which the sum since the start is kept: a hundred peers with every code that is
/// only counted. Each is a line of the metrics.
pub const MAX_TOTALS: usize = 1024;

/// A refusal that is only counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused<'r> {
    /// Where it happened.
    pub door: Door,
    /// The pinned organization that the connection has proved to be, if any.
    pub organization: Option<&'r str>,
    /// The code; 0 when the connection was closed without an answer.
    pub code: u16,
    /// Why, finer than the code: for our own people.
    pub detail: &'static str,
}

/// What refusals are counted by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// Where they happened.
    pub door: Door,
    /// Whose they were, if that was known.
    pub organization: Option<String>,
    /// Their code.
    pub code: u16,
    /// Why, in particular.
    pub detail: &'static str,
}

/// How often each kind was refused since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// By kind.
    pub kinds: BTreeMap<Kind, u64>,
    /// Refusals of further kinds, when there were more than are kept apart.
    pub more: u64,
}

/// Counters of refusals by kind. Thread-safe; time is an input.
#[derive(Debug, Default)]
pub struct Counters(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    period: Option<Period>,
    totals: Totals,
}

#[derive(Debug)]
struct Period {
    from: Timestamp,
    counts: Totals,
}

impl Counters {
    /// Counters at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one refusal.
    pub fn count(&self, now: Timestamp, refused: Refused<'_>) {
        let kind = Kind {
            door: refused.door,
            organization: refused.organization.map(str::to_owned),
            code: refused.code,
            detail: refused.detail,
        };
        let mut inner = self.inner();
        inner.totals.add(kind.clone(), 1, MAX_TOTALS);
        let period = inner.period.get_or_insert_with(|| Period {
            from: now,
            counts: Totals::default(),
        });
        period.counts.add(kind, 1, MAX_KINDS);
    }

    /// How often each kind was refused since the start.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.inner().totals.clone()
    }

    /// The entry of the period, once it is [`PERIOD`] long; counting starts anew. `None` while
    /// there is nothing to record. Call it at least once per period, and append what it gives.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<Entry> {
        let mut inner = self.inner();
        let age = now.duration_since(inner.period.as_ref()?.from);
        // A clock that was set back must not stop the counting for good.
        if age < PERIOD && !age.is_negative() {
            return None;
        }
        inner.period.take().map(|period| period.close(now))
    }

    /// The entry of the period so far, however short: for an orderly end.
    #[must_use]
    pub fn finish(&self, now: Timestamp) -> Option<Entry> {
        let period = self.inner().period.take();
        period.map(|period| period.close(now))
    }

    /// Takes an entry back that could not be written: its refusals are counted on.
    pub fn put_back(&self, entry: Entry) {
        let Entry::Counted(counted) = entry else {
            return;
        };
        let mut inner = self.inner();
        let period = inner.period.get_or_insert_with(|| Period {
            from: counted.from,
            counts: Totals::default(),
        });
        period.from = period.from.min(counted.from);
        period.counts.more = period.counts.more.saturating_add(counted.more);
        for count in counted.counts {
            let kind = Kind {
                door: count.door,
                organization: count.organization,
                code: count.code,
                detail: count.detail,
            };
            period.counts.add(kind, count.n, MAX_KINDS);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Totals {
    fn add(&mut self, kind: Kind, times: u64, most: usize) {
        let room = self.kinds.len() < most;
        match self.kinds.get_mut(&kind) {
            Some(n) => *n = n.saturating_add(times),
            None if room => {
                self.kinds.insert(kind, times);
            }
            None => self.more = self.more.saturating_add(times),
        }
    }
}

impl Period {
    fn close(self, now: Timestamp) -> Entry {
        let counts = self.counts.kinds.into_iter();
        Entry::Counted(Counted {
            at: now,
            from: self.from,
            counts: counts
                .map(|(kind, n)| Count {
                    door: kind.door,
                    organization: kind.organization,
                    code: kind.code,
                    detail: kind.detail,
                    n,
                })
                .collect(),
            more: self.counts.more,
        })
    }
}
