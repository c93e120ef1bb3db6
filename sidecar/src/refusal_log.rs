//! One log line per refusal, and a bound on how many of them a person has to read.
//!
//! A line says where, whose, with which code and why, and the reference under which audit and peer
//! have the rest. It names no resource: the id of a user is private, and one rule is simpler than
//! two.

use std::collections::HashMap;
use std::fmt::Display;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::audit::Door;

/// Lines of one source that are written in a period: enough to see what somebody tries, and at a
/// hundred sources that all try at once still a log that disks and people bear.
const LINES_MAX: u32 = 10;
/// How long a source's lines count; as long as what is only counted is gathered.
const PERIOD: SignedDuration = SignedDuration::from_secs(10);
/// Sources that are told apart: the peers and clients of a configuration. More share one budget.
const SOURCES_MAX: usize = 256;

/// What a line says.
pub(crate) struct Line<'l> {
    pub door: Door,
    /// The organization or the client, once it has proved to be that.
    pub who: Option<&'l str>,
    pub code: u16,
    /// The code in words, or finer.
    pub reason: &'l str,
    /// Finer still, in words of this program.
    pub detail: Option<&'l str>,
    pub reference: &'l dyn Display,
}

/// Writes lines, source by source. Thread-safe; time is an input.
#[derive(Debug, Default)]
pub(crate) struct RefusalLog(Mutex<HashMap<Source, Budget>>);

type Source = (Door, Option<String>);

#[derive(Clone, Copy, Debug)]
struct Budget {
    from: Timestamp,
    lines: u32,
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Written,
    /// Written, and the last of its period.
    Last,
    /// Only for whoever wants every detail.
    Surplus,
}

impl RefusalLog {
    /// Writes the line, at a lower level once its source has had its lines of the period.
    pub(crate) fn tell(&self, now: Timestamp, line: &Line<'_>) {
        let turn = self.turn(now, line.door, line.who);
        write(line, turn);
        if turn == Turn::Last {
            tracing::info!(
                door = line.door.name(),
                who = line.who,
                seconds = PERIOD.as_secs(),
                "further refusals of this source are not logged for a while: audit and metrics have all of them"
            );
        }
    }

    fn turn(&self, now: Timestamp, door: Door, who: Option<&str>) -> Turn {
        let mut budgets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut source = (door, who.map(str::to_owned));
        if !budgets.contains_key(&source) && budgets.len() >= SOURCES_MAX {
            budgets.retain(|_, budget| !budget.is_over(now));
            if budgets.len() >= SOURCES_MAX {
                source.1 = None;
            }
        }
        let fresh = Budget {
            from: now,
            lines: 0,
        };
        let budget = budgets.entry(source).or_insert(fresh);
        if budget.is_over(now) {
            *budget = fresh;
        }
        budget.lines = budget.lines.saturating_add(1);
        match budget.lines {
            LINES_MAX => Turn::Last,
            lines if lines < LINES_MAX => Turn::Written,
            _ => Turn::Surplus,
        }
    }
}

impl Budget {
    /// A clock that was set back must not silence a source for good.
    fn is_over(self, now: Timestamp) -> bool {
        let age = now.duration_since(self.from);
        age >= PERIOD || age.is_negative()
    }
}

/// One event for each combination of level and door: their fields are fixed where they stand.
fn write(line: &Line<'_>, turn: Turn) {
    let Line {
        code,
        reason,
        detail,
        reference,
        ..
    } = *line;
    let (network, api) = match line.door {
        Door::Network => (line.who, None),
        Door::Api => (None, line.who),
    };
    let door = line.door.name();
    if turn == Turn::Surplus {
        tracing::debug!(door, organization = network, client = api, code, reason, detail, %reference, "refused");
    } else {
        tracing::info!(door, organization = network, client = api, code, reason, detail, %reference, "refused");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn turns(log: &RefusalLog, second: i64, who: Option<&str>, n: usize) -> Vec<Turn> {
        (0..n)
            .map(|_| log.turn(at(second), Door::Network, who))
            .collect()
    }

    fn written(turns: &[Turn]) -> usize {
        turns.iter().filter(|turn| **turn != Turn::Surplus).count()
    }

    #[test]
    fn a_loud_source_has_ten_lines_in_ten_seconds_and_silences_no_other() {
        let log = RefusalLog::default();
        let loud = turns(&log, 0, Some("bank-b"), 1000);
        assert_eq!(written(&loud), 10);
        assert_eq!(loud.iter().position(|turn| *turn == Turn::Last), Some(9));
        assert_eq!(turns(&log, 9, Some("bank-c"), 1), [Turn::Written]);
        assert_eq!(turns(&log, 9, Some("bank-b"), 1), [Turn::Surplus]);
        assert_eq!(log.turn(at(9), Door::Api, Some("bank-b")), Turn::Written);
        assert_eq!(written(&turns(&log, 10, Some("bank-b"), 1000)), 10);
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nobody() {
        let log = RefusalLog::default();
        turns(&log, 0, None, 20);
        assert_eq!(turns(&log, -3600, None, 1), [Turn::Written]);
    }

    #[test]
    fn sources_without_number_share_one_budget() {
        let log = RefusalLog::default();
        let turns_of = |second, n: usize| -> Vec<Turn> {
            (0..n)
                .map(|n| log.turn(at(second), Door::Api, Some(&format!("client-{n}"))))
                .collect()
        };
        assert_eq!(written(&turns_of(0, 10_000)), SOURCES_MAX + 10);
        assert!(log.0.lock().unwrap().len() <= SOURCES_MAX + 1);
        assert_eq!(written(&turns_of(10, SOURCES_MAX)), SOURCES_MAX);
    }
}
