//! The next moment at which time alone changes the answer.

use jiff::Timestamp;

/// Collects moments and keeps the earliest that is still to come.
#[derive(Clone, Copy, Debug)]
pub struct Boundary {
    now: Timestamp,
    earliest: Option<Timestamp>,
}

impl Boundary {
    /// Nothing is known to happen after `now`.
    pub fn after(now: Timestamp) -> Self {
        Self {
            now,
            earliest: None,
        }
    }

    /// Something changes at this moment.
    pub fn at(&mut self, moment: Timestamp) {
        if moment > self.now && self.earliest.is_none_or(|earliest| moment < earliest) {
            self.earliest = Some(moment);
        }
    }

    /// The next moment to plan again.
    pub fn earliest(&self) -> Option<Timestamp> {
        self.earliest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_earliest_moment_that_is_still_to_come() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut boundary = Boundary::after(at(100));
        for second in [50, 100, 300, 101, 200] {
            boundary.at(at(second));
        }
        assert_eq!(boundary.earliest(), Some(at(101)));
        assert_eq!(Boundary::after(at(0)).earliest(), None);
    }
}
