//! Who is trying identifiers.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How long misses of one organization are added up, in seconds.
pub const PERIOD_S: u64 = 60;

/// Misses in a period that are no longer an accident: a reader with a list of a few hundred
/// resources that were just un-shared stays below, whoever counts through identifiers does not.
pub const MISSES_ALARM: usize = 1000;

/// Items refused as "not shared", by organization. Only pinned organizations come this far, so
/// the number of entries is bounded by the configuration.
#[derive(Debug, Default)]
pub struct Probes {
    periods: Mutex<HashMap<String, Period>>,
}

#[derive(Clone, Copy, Debug)]
struct Period {
    from: u64,
    misses: usize,
}

impl Probes {
    /// Adds misses at `now` (unix seconds). `true` when these are the ones that raise the alarm,
    /// which happens at most once in a period.
    pub fn add(&self, now: u64, organization: &str, misses: usize) -> bool {
        if misses == 0 {
            return false;
        }
        let mut periods = self.periods.lock().unwrap_or_else(PoisonError::into_inner);
        let period = periods
            .entry(organization.to_owned())
            .and_modify(|period| {
                if now.saturating_sub(period.from) >= PERIOD_S {
                    *period = Period {
                        from: now,
                        misses: 0,
                    };
                }
            })
            .or_insert(Period {
                from: now,
                misses: 0,
            });
        let before = period.misses;
        period.misses = before.saturating_add(misses);
        before < MISSES_ALARM && period.misses >= MISSES_ALARM
    }

    /// The organizations over the alarm at `now`, sorted.
    pub fn over(&self, now: u64) -> Vec<String> {
        let periods = self.periods.lock().unwrap_or_else(PoisonError::into_inner);
        let mut over: Vec<String> = periods
            .iter()
            .filter(|(_, period)| {
                period.misses >= MISSES_ALARM && now.saturating_sub(period.from) < PERIOD_S
            })
            .map(|(organization, _)| organization.clone())
            .collect();
        over.sort();
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raises_the_alarm_once_in_a_period() {
        let probes = Probes::default();
        assert!(!probes.add(0, "bank-b", MISSES_ALARM - 1));
        assert!(probes.over(0).is_empty());
        assert!(!probes.add(0, "bank-b", 0));
        assert!(probes.add(PERIOD_S - 1, "bank-b", 1));
        assert!(!probes.add(PERIOD_S - 1, "bank-b", 5000));
        assert_eq!(probes.over(PERIOD_S - 1), ["bank-b"]);
        assert!(probes.over(PERIOD_S).is_empty());
    }

    #[test]
    fn a_new_period_begins_at_nothing() {
        let probes = Probes::default();
        assert!(probes.add(0, "bank-b", MISSES_ALARM));
        assert!(!probes.add(PERIOD_S, "bank-b", MISSES_ALARM - 1));
        assert!(probes.add(PERIOD_S, "bank-b", 1));
    }

    #[test]
    fn several_are_named_in_order() {
        let probes = Probes::default();
        for organization in ["bank-d", "bank-b", "bank-e", "bank-c"] {
            probes.add(0, organization, MISSES_ALARM);
        }
        assert_eq!(probes.over(0), ["bank-b", "bank-c", "bank-d", "bank-e"]);
    }

    #[test]
    fn organizations_are_counted_apart() {
        let probes = Probes::default();
        assert!(!probes.add(0, "bank-b", MISSES_ALARM - 1));
        assert!(!probes.add(0, "bank-c", MISSES_ALARM - 1));
    }
}
