//! Time as evidence and coarse protection: what is expired stays expired, and a clock that is off
//! is noticed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use finp2p_wire::limits::CLOCK_SKEW_S;
use jiff::Timestamp;

/// Fewest organizations whose clocks, by their median, can make ours suspect: with two, one liar
/// would do.
pub const WITNESSES_MIN: usize = 3;

/// Further than this ahead of the latest time kept, in seconds, a clock may be one that was set
/// wrong: no node is busy with a step of a day.
const LEAP_S: u64 = 86_400;

/// How often in a row such a clock is seen, at one look a minute, before it is kept: long enough
/// for a person or a time service to put it right.
const LEAP_LOOKS: u32 = 10;

/// The node's view of time. Thread-safe.
#[derive(Debug, Default)]
pub struct Timekeeper {
    /// What is kept for the next start.
    kept: Mutex<Kept>,
    /// The latest time ever seen, unix seconds.
    floor: AtomicU64,
    /// Their clock minus ours at the last hello of each pinned organization, in seconds.
    offsets: Mutex<BTreeMap<String, i64>>,
}

/// The time that is kept, and how often in a row the clock was far ahead of it.
#[derive(Debug, Default)]
struct Kept {
    second: u64,
    ahead: u32,
}

impl Timekeeper {
    /// A clock that does not believe any time before `floor`, the latest time that was kept
    /// (unix seconds; 0 without one).
    #[must_use]
    pub fn resume(floor: u64) -> Self {
        Self {
            kept: Mutex::new(Kept {
                second: floor,
                ahead: 0,
            }),
            floor: AtomicU64::new(floor),
            offsets: Mutex::default(),
        }
    }

    /// The time by which validity is judged, unix seconds: `now`, but never before the latest time
    /// seen, or a clock that is set back would revive what expired.
    pub fn believed(&self, now: Timestamp) -> u64 {
        let now = unix(now);
        self.floor.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// The time to be kept for [`Timekeeper::resume`], unix seconds; to be asked once a minute.
    /// It never goes back, and follows a clock that leaped a day ahead only when that has stayed
    /// so for ten minutes: what is kept outlives every restart, and a clock that was wrong for a
    /// moment must not make a node of the future for good.
    pub fn keep(&self, now: Timestamp) -> u64 {
        let now = unix(now);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let leaped = kept.second != 0 && now > kept.second.saturating_add(LEAP_S);
        kept.ahead = if leaped {
            kept.ahead.saturating_add(1)
        } else {
            0
        };
        if !leaped || kept.ahead >= LEAP_LOOKS {
            kept.second = kept.second.max(now);
            kept.ahead = 0;
        }
        kept.second
    }

    /// Remembers how far the organization's clock is from ours; `theirs` is unix seconds.
    pub fn witness(&self, now: Timestamp, organization: &str, theirs: u64) {
        let theirs = i64::try_from(theirs).unwrap_or(i64::MAX);
        let offset = theirs.saturating_sub(now.as_second());
        self.offsets().insert(organization.to_owned(), offset);
    }

    /// Forgets what the clocks of organizations said that are no longer pinned.
    pub fn retain_witnesses(&self, is_pinned: impl Fn(&str) -> bool) {
        self.offsets()
            .retain(|organization, _| is_pinned(organization));
    }

    /// Whether our clock is more than two minutes off the median of at least [`WITNESSES_MIN`]
    /// organizations.
    pub fn is_suspect(&self) -> bool {
        let mut offsets: Vec<i64> = self.offsets().values().copied().collect();
        offsets.sort_unstable();
        offsets.len() >= WITNESSES_MIN
            && offsets
                .get(offsets.len() / 2)
                .is_some_and(|median| median.unsigned_abs() > CLOCK_SKEW_S)
    }

    fn offsets(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970; a time before that is 1970.
pub fn unix(now: Timestamp) -> u64 {
    u64::try_from(now.as_second()).unwrap_or(0)
}

/// Whether a message's time is close enough to ours, both in unix seconds.
pub fn is_close(now: u64, time: u64) -> bool {
    now.abs_diff(time) <= CLOCK_SKEW_S
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_clock_set_back_is_not_believed() {
        let clock = Timekeeper::default();
        assert_eq!(clock.believed(at(5000)), 5000);
        assert_eq!(clock.believed(at(1400)), 5000);
        assert_eq!(clock.believed(at(5001)), 5001);
        assert_eq!(clock.keep(at(5001)), 5001);
        assert_eq!(clock.keep(at(1400)), 5001);
    }

    #[test]
    fn a_restart_does_not_forget_the_latest_time() {
        let clock = Timekeeper::resume(9000);
        assert_eq!(clock.believed(at(5000)), 9000);
        assert_eq!(clock.keep(at(5000)), 9000);
    }

    #[test]
    fn a_clock_that_leaps_ahead_is_kept_only_when_it_stays_there() {
        let leap = 1000 + 86_401;
        let clock = Timekeeper::resume(1000);
        assert_eq!(
            clock.believed(at(leap)),
            leap.unsigned_abs(),
            "believed at once"
        );
        for look in 0..9 {
            assert_eq!(clock.keep(at(leap + 60 * look)), 1000);
        }
        // Put right before it was kept: the next start knows nothing of it.
        assert_eq!(clock.keep(at(2000)), 2000);
        for look in 0..9 {
            assert_eq!(clock.keep(at(leap + 2000 + 60 * look)), 2000);
        }
        assert_eq!(clock.keep(at(leap + 3000)), leap.unsigned_abs() + 3000);
        // A day is no leap.
        let a_day_on = leap + 3000 + 86_400;
        assert_eq!(clock.keep(at(a_day_on)), a_day_on.unsigned_abs());
        // Nor is a first start, which has nothing to compare with.
        assert_eq!(Timekeeper::default().keep(at(leap)), leap.unsigned_abs());
    }

    #[test]
    fn a_time_before_1970_is_1970() {
        assert_eq!(unix(at(-5)), 0);
        assert_eq!(unix(at(5)), 5);
    }

    #[test]
    fn two_minutes_are_close_and_a_second_more_is_not() {
        assert!(is_close(1000, 1120));
        assert!(is_close(1000, 880));
        assert!(!is_close(1000, 1121));
        assert!(!is_close(1000, 879));
        assert!(!is_close(1000, u64::MAX));
    }

    #[test]
    fn three_peers_who_agree_make_our_clock_suspect_and_two_do_not() {
        let clock = Timekeeper::default();
        clock.witness(at(1000), "bank-b", 1121);
        clock.witness(at(1000), "bank-c", 1121);
        assert!(!clock.is_suspect());
        clock.witness(at(1000), "bank-d", 1000);
        assert!(clock.is_suspect());
        clock.witness(at(1000), "bank-c", 1120);
        assert!(!clock.is_suspect());
        clock.witness(at(1000), "bank-c", 879);
        clock.witness(at(1000), "bank-b", 0);
        assert!(clock.is_suspect());
    }

    #[test]
    fn of_five_peers_the_one_in_the_middle_decides() {
        let clock = Timekeeper::default();
        for (organization, theirs) in [
            ("bank-b", 1000),
            ("bank-c", 1000),
            ("bank-d", 1121),
            ("bank-e", 1121),
            ("bank-f", 1121),
        ] {
            clock.witness(at(1000), organization, theirs);
        }
        assert!(clock.is_suspect());
        clock.witness(at(1000), "bank-d", 1000);
        assert!(!clock.is_suspect());
    }
}
