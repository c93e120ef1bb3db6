//! What stood in the way when the last plan was written, until the next one meets something else.

use std::time::Duration;

use tokio::time::Instant;

use super::Keeper;
use crate::node::plan::owned::Obstacle;

/// So often what stands in the way may be something else each time before it has to last.
const TURNS_AT_ONCE: u32 = 3;
/// After that a change is taken note of this long after the last one: who refuses with other words each
/// time (a number of the request) writes no status more often.
const TURN_PAUSE: Duration = Duration::from_secs(10);
/// Configuration that was not taken is written again after this long, doubled each time: access that was
/// withdrawn is open until then.
const RETRY_FIRST: Duration = Duration::from_secs(1);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// The obstacles, and when they were met.
#[derive(Debug, Default)]
pub struct Met {
    obstacles: Vec<Obstacle>,
    /// Generations of the local organizations then.
    at: Vec<Option<i64>>,
    /// When they became something else, and how often before they lasted.
    turned: Option<Instant>,
    turns: u32,
    /// Whether they were something else since, and that is not told.
    is_held: bool,
    /// Pause until configuration is written again; `None` while nothing stands in its way.
    retry: Option<Duration>,
}

impl Met {
    /// What stood in the way.
    pub fn obstacles(&self) -> &[Obstacle] {
        &self.obstacles
    }

    /// Takes note of what stood in the way now, with the generations of the local organizations. Returns
    /// whether that is something else than before, which is to be told.
    ///
    /// The API server lists what is wrong with a map in another order each time: while the same words
    /// are said of the same generation, the first text stands.
    pub fn take(&mut self, obstacles: &[Obstacle], at: &[Option<i64>], now: Instant) -> bool {
        let is_held_up = obstacles.iter().any(|o| o.holds_up_configuration);
        self.retry = is_held_up.then(|| match self.retry {
            Some(pause) => (pause * 2).min(RETRY_MAX),
            None => RETRY_FIRST,
        });
        let lasted = self
            .turned
            .is_none_or(|turned| now.duration_since(turned) >= TURN_PAUSE);
        let is_edited = at != self.at;
        if !is_edited && said(obstacles) == said(&self.obstacles) {
            if lasted {
                self.turns = if self.is_held { self.turns } else { 0 };
                self.is_held = false;
            }
            return false;
        }
        if is_edited {
            self.turns = 0;
        } else if self.turns >= TURNS_AT_ONCE && !lasted {
            self.is_held = true;
            return false;
        }
        self.is_held = false;
        self.at = at.to_vec();
        if obstacles == self.obstacles {
            return false;
        }
        self.turns = self.turns.saturating_add(1).min(TURNS_AT_ONCE);
        self.turned = Some(now);
        self.obstacles = obstacles.to_vec();
        true
    }

    /// How soon to try again because of what stands in the way; `None` when that is not to be hurried.
    pub fn try_again(&self) -> Option<Duration> {
        let held = self.is_held.then_some(TURN_PAUSE);
        [self.retry, held].into_iter().flatten().min()
    }
}

impl Keeper {
    /// Takes note of what stood in the way. Returns whether that is something else than before.
    pub(super) fn meet(&mut self, obstacles: &[Obstacle]) -> bool {
        let locals = self.watched.organizations.objects();
        let locals = locals.iter().filter(|o| o.spec.node.is_some());
        let at: Vec<_> = locals.map(|o| o.metadata.generation).collect();
        let before = self.met.obstacles().to_vec();
        let is_other = self.met.take(obstacles, &at, Instant::now());
        if is_other {
            let new = obstacles.iter().filter(|o| !before.contains(o));
            let held_up = new.filter(|o| o.holds_up_configuration);
            for Obstacle { text, .. } in held_up {
                let namespace = &self.namespace;
                tracing::warn!(
                    namespace,
                    "the node's configuration stays as it was, what was withdrawn with it: {text}; trying again"
                );
            }
        }
        is_other
    }
}

/// The words of every obstacle, in an order of ours, and what it means.
fn said(obstacles: &[Obstacle]) -> Vec<(Vec<&str>, bool, bool)> {
    let all = obstacles.iter();
    all.map(|o| (words(&o.text), o.is_mistake, o.holds_up_configuration))
        .collect()
}

fn words(text: &str) -> Vec<&str> {
    let is_between = |c: char| c.is_whitespace() || ",;[]".contains(c);
    let words = text.split(is_between).filter(|word| !word.is_empty());
    let mut words: Vec<_> = words.collect();
    words.sort_unstable();
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> Vec<Obstacle> {
        vec![Obstacle {
            text: format!("the API server refuses StatefulSet x: {text}"),
            ..Obstacle::default()
        }]
    }

    fn texts(met: &Met) -> Vec<&str> {
        met.obstacles().iter().map(|o| o.text.as_str()).collect()
    }

    #[test]
    fn another_reason_for_the_same_refusal_is_told() {
        let (mut met, now) = (Met::default(), Instant::now());
        assert!(met.take(&refused("policy says ONE (403)"), &[Some(1)], now));
        assert!(met.take(&refused("policy says TWO (403)"), &[Some(1)], now));
        assert!(texts(&met)[0].contains("TWO"));
        assert!(met.take(&[], &[Some(1)], now));
        assert_eq!(met.try_again(), None);
    }

    #[test]
    fn the_same_items_in_another_order_are_the_same_refusal() {
        let (mut met, now) = (Met::default(), Instant::now());
        let one = refused("x is invalid: [a.b: Required value, c: Invalid value: \"1\"]. Mend it");
        let two = refused("x is invalid: [c: Invalid value: \"1\", a.b: Required value]. Mend it");
        assert!(met.take(&one, &[Some(1)], now));
        assert!(!met.take(&two, &[Some(1)], now));
        assert_eq!(met.obstacles(), one);
        assert!(met.take(&two, &[Some(2)], now), "it was edited meanwhile");
    }

    #[test]
    fn refusals_that_take_turns_are_told_at_a_pace() {
        let (mut met, begin) = (Met::default(), Instant::now());
        let mut told = 0;
        // A try every 100 ms for a minute, with other words each time, and then with two.
        for (n, kinds) in (0..600)
            .map(|n| (n, 600))
            .chain((600..1200).map(|n| (n, 2)))
        {
            let now = begin + Duration::from_millis(100 * n);
            let text = format!("request {} is denied", n % kinds);
            told += u32::from(met.take(&refused(&text), &[Some(1)], now));
        }
        assert!((8..=16).contains(&told), "{told}");
        assert_eq!(met.try_again(), Some(TURN_PAUSE));
        // An edit is told at once.
        let now = begin + Duration::from_secs(121);
        assert!(met.take(&[], &[Some(2)], now));
        assert_eq!(met.try_again(), None);
    }

    #[test]
    fn configuration_that_is_not_taken_is_tried_again_soon_and_then_less_often() {
        let (mut met, now) = (Met::default(), Instant::now());
        let mut denied = refused("SidecarConfig x");
        denied
            .iter_mut()
            .for_each(|o| o.holds_up_configuration = true);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            met.take(&denied, &[Some(1)], now);
            pauses.extend(met.try_again().map(|pause| pause.as_secs()));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 10, 10]);
        met.take(&refused("a pod"), &[Some(1)], now);
        assert_eq!(met.try_again(), None, "what is no configuration can wait");
        met.take(&denied, &[Some(1)], now);
        assert_eq!(met.try_again(), Some(RETRY_FIRST));
    }
}
