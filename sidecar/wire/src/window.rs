//! Which counters of a session were used: a sliding window in the manner of RFC 6479.
//!
//! Requests of one session may overtake each other on several streams, so counters arrive out of
//! order; none may count twice. Testing is apart from marking, because a counter is spent only by
//! a request whose signature verified: or anybody could spend the next one.

/// How far behind the highest counter a request may be. As many requests as a session can have in
/// flight, many times over.
pub const WINDOW_BITS: u64 = 4096;

const WORD_BITS: u64 = 64;
/// One word more than the window: moving forward clears whole words, never single bits.
const WORDS: usize = (WINDOW_BITS / WORD_BITS) as usize + 1;

/// The counter was used, or is older than the window (9004).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the counter was used before or is too old")]
pub struct Replay;

/// The window of one session: half a kilobyte, whatever happens.
#[derive(Clone, Debug)]
pub struct Window {
    /// Bit of counter `c`: word `c / 64 mod WORDS`, bit `c mod 64`.
    words: [u64; WORDS],
    /// The highest counter marked, if any.
    highest: Option<u64>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            words: [0; WORDS],
            highest: None,
        }
    }
}

impl Window {
    /// Whether the counter may still be used. Changes nothing.
    ///
    /// # Errors
    /// [`Replay`].
    pub fn check(&self, counter: u64) -> Result<(), Replay> {
        let Some(highest) = self.highest else {
            return Ok(());
        };
        if counter > highest {
            return Ok(());
        }
        let used = self
            .words
            .get(word_of(counter))
            .is_none_or(|word| word & bit_of(counter) != 0);
        if highest - counter >= WINDOW_BITS || used {
            Err(Replay)
        } else {
            Ok(())
        }
    }

    /// Spends the counter.
    ///
    /// # Errors
    /// [`Replay`], and nothing changes: two requests with one counter may both have passed
    /// [`Window::check`] while their signatures were verified.
    pub fn mark(&mut self, counter: u64) -> Result<(), Replay> {
        self.check(counter)?;
        if self.highest.is_none_or(|highest| counter > highest) {
            self.advance(counter);
        }
        if let Some(word) = self.words.get_mut(word_of(counter)) {
            *word |= bit_of(counter);
        }
        Ok(())
    }

    /// Moves the upper end, clearing the words that come into the window.
    fn advance(&mut self, counter: u64) {
        let from = self.highest.map_or(0, |highest| highest / WORD_BITS);
        let fresh = (counter / WORD_BITS - from).min(WORDS as u64);
        for step in 1..=fresh {
            if let Some(word) = self.words.get_mut(index(from + step)) {
                *word = 0;
            }
        }
        self.highest = Some(counter);
    }
}

fn index(word: u64) -> usize {
    usize::try_from(word % WORDS as u64).unwrap_or(0)
}

fn word_of(counter: u64) -> usize {
    index(counter / WORD_BITS)
}

fn bit_of(counter: u64) -> u64 {
    1 << (counter % WORD_BITS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What the window means, without its tricks.
    #[derive(Default)]
    struct Naive {
        used: BTreeSet<u64>,
    }

    impl Naive {
        fn mark(&mut self, counter: u64) -> Result<(), Replay> {
            let highest = self.used.last().copied().unwrap_or(0);
            let too_old = highest.saturating_sub(counter) >= WINDOW_BITS;
            if too_old || !self.used.insert(counter) {
                Err(Replay)
            } else {
                Ok(())
            }
        }
    }

    /// Walks around a moving point: small steps, edges of the window, leaps, and the ends of u64.
    fn walk() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![
            6 => -80i128..80,
            2 => -4200i128..=-4000,
            2 => 4000i128..4300,
            1 => -10_000i128..10_000,
            1 => Just(i128::from(u64::MAX)),
        ];
        (
            prop_oneof![Just(0u64), Just(u64::MAX - 5000), any::<u64>()],
            prop::collection::vec(step, 1..400),
        )
            .prop_map(|(start, steps)| {
                let mut at = i128::from(start);
                steps
                    .into_iter()
                    .map(|step| {
                        at = (at + step).clamp(0, i128::from(u64::MAX));
                        u64::try_from(at).unwrap()
                    })
                    .collect()
            })
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_all_counters(counters in walk()) {
            let (mut window, mut naive) = (Window::default(), Naive::default());
            for counter in counters {
                let checked = window.check(counter);
                let expected = naive.mark(counter);
                prop_assert_eq!(checked, expected);
                prop_assert_eq!(window.mark(counter), expected);
                prop_assert_eq!(window.check(counter), Err(Replay));
            }
        }
    }

    #[test]
    fn accepts_the_oldest_counter_inside_and_refuses_the_next_older() {
        let mut window = Window::default();
        window.mark(10_000).unwrap();
        assert_eq!(window.check(10_000 - WINDOW_BITS + 1), Ok(()));
        assert_eq!(window.check(10_000 - WINDOW_BITS), Err(Replay));
    }

    #[test]
    fn testing_a_counter_does_not_spend_it() {
        let mut window = Window::default();
        assert_eq!(window.check(7), Ok(()));
        assert_eq!(window.check(7), Ok(()));
        assert_eq!(window.mark(7), Ok(()));
        assert_eq!(window.mark(7), Err(Replay));
    }
}
