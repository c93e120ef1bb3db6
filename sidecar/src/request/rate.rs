//! How much one organization may ask: tokens per organization, never per connection.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

/// What an unused allowance amounts to, in nanoseconds: one second's worth of requests may come
/// at once, so that a batch at the top of the minute is served and a flood is not.
const BURST_NS: i128 = 1_000_000_000;

/// The deepest debt, in nanoseconds beyond the burst. Refused items are charged after the fact
/// (see [`Rates::charge`]); whoever tries identifiers waits up to this long before the next
/// request, and a mistake is forgotten after a second.
const DEBT_NS: i128 = 1_000_000_000;

/// The tokens of every organization. Only pinned organizations come this far, so the number of
/// entries is bounded by the configuration. Thread-safe; time is an input.
#[derive(Debug, Default)]
pub struct Rates {
    /// When the allowance of each organization is full again, in nanoseconds since 1970.
    full_at: Mutex<HashMap<String, i128>>,
}

impl Rates {
    /// Takes one token of the organization, of which it gets `per_second` in a second.
    ///
    /// # Errors
    /// Without a token: the seconds after which there is one, at least 1.
    pub fn take(&self, now: Timestamp, organization: &str, per_second: u32) -> Result<(), u32> {
        let now = now.as_nanosecond();
        let mut full_at = self.full_at();
        let before = level(full_at.get(organization), now);
        let after = before + interval(per_second);
        let wait = after - (now + BURST_NS);
        if wait > 0 {
            let seconds = (wait + BURST_NS - 1) / BURST_NS;
            return Err(u32::try_from(seconds).unwrap_or(u32::MAX));
        }
        full_at.insert(organization.to_owned(), after);
        Ok(())
    }

    /// Takes `tokens` that were not asked for, into debt if need be. Every item that is refused
    /// as "not shared" beyond the first of a request costs one, so that trying identifiers is
    /// paid by the identifier and not by the request, while honest batches cost what they did.
    pub fn charge(&self, now: Timestamp, organization: &str, per_second: u32, tokens: usize) {
        if tokens == 0 {
            return;
        }
        let now = now.as_nanosecond();
        let mut full_at = self.full_at();
        let before = level(full_at.get(organization), now);
        let tokens = i128::try_from(tokens).unwrap_or(i128::MAX);
        let after = before.saturating_add(interval(per_second).saturating_mul(tokens));
        full_at.insert(organization.to_owned(), after.min(now + BURST_NS + DEBT_NS));
    }

    fn full_at(&self) -> MutexGuard<'_, HashMap<String, i128>> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When the allowance was full again, and never before now. Further ahead than a debt can be is
/// a time before our clock was set back: forgotten, or the organization would be locked out.
fn level(full_at: Option<&i128>, now: i128) -> i128 {
    full_at
        .copied()
        .filter(|full_at| (now..=now + BURST_NS + DEBT_NS).contains(full_at))
        .unwrap_or(now)
}

/// Nanoseconds that one token takes to come back.
fn interval(per_second: u32) -> i128 {
    BURST_NS / i128::from(per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millisecond: i64) -> Timestamp {
        Timestamp::from_millisecond(1_790_000_000_000 + millisecond).unwrap()
    }

    #[test]
    fn gives_a_second_s_worth_at_once_and_then_one_per_interval() {
        let rates = Rates::default();
        for _ in 0..10 {
            assert_eq!(rates.take(at(0), "bank-b", 10), Ok(()));
        }
        assert_eq!(rates.take(at(0), "bank-b", 10), Err(1));
        assert_eq!(rates.take(at(99), "bank-b", 10), Err(1));
        assert_eq!(rates.take(at(100), "bank-b", 10), Ok(()));
        assert_eq!(rates.take(at(100), "bank-b", 10), Err(1));
    }

    #[test]
    fn an_organization_does_not_use_up_another_s_tokens() {
        let rates = Rates::default();
        assert_eq!(rates.take(at(0), "bank-b", 1), Ok(()));
        assert_eq!(rates.take(at(0), "bank-b", 1), Err(1));
        assert_eq!(rates.take(at(0), "bank-c", 1), Ok(()));
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let rates = Rates::default();
        assert_eq!(rates.take(at(0), "bank-b", 1), Ok(()));
        for _ in 0..100 {
            assert_eq!(rates.take(at(0), "bank-b", 1), Err(1));
        }
        assert_eq!(rates.take(at(1000), "bank-b", 1), Ok(()));
    }

    #[test]
    fn a_charge_goes_into_debt_but_not_deeper_than_a_second() {
        let rates = Rates::default();
        rates.charge(at(0), "bank-b", 10, 1_000_000);
        assert_eq!(rates.take(at(0), "bank-b", 10), Err(2));
        assert_eq!(rates.take(at(1099), "bank-b", 10), Err(1));
        assert_eq!(rates.take(at(1100), "bank-b", 10), Ok(()));
    }

    #[test]
    fn a_charge_costs_exactly_its_tokens() {
        let rates = Rates::default();
        rates.charge(at(0), "bank-b", 10, 0);
        rates.charge(at(0), "bank-b", 10, 7);
        for _ in 0..3 {
            assert_eq!(rates.take(at(0), "bank-b", 10), Ok(()));
        }
        assert_eq!(rates.take(at(0), "bank-b", 10), Err(1));
    }

    #[test]
    fn a_clock_set_back_does_not_lock_anybody_out() {
        let rates = Rates::default();
        assert_eq!(rates.take(at(3_600_000), "bank-b", 1), Ok(()));
        assert_eq!(rates.take(at(0), "bank-b", 1), Ok(()));
        assert_eq!(rates.take(at(0), "bank-b", 1), Err(1));
        assert_eq!(rates.take(at(1000), "bank-b", 1), Ok(()));
    }

    #[test]
    fn the_deepest_debt_is_still_a_debt() {
        let rates = Rates::default();
        rates.charge(at(0), "bank-b", 1, 100);
        assert_eq!(rates.take(at(0), "bank-b", 1), Err(2));
        assert_eq!(rates.take(at(1), "bank-b", 1), Err(2));
        assert_eq!(rates.take(at(1000), "bank-b", 1), Err(1));
        assert_eq!(rates.take(at(2000), "bank-b", 1), Ok(()));
    }
}
