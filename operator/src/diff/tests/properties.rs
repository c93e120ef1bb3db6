//! What holds of every comparison.

use std::collections::BTreeSet;

use finp2p_crds::access::Facts;
use proptest::prelude::*;

use super::model::{Point, compared, granted, says};
use super::worlds::{declared, pairs, policy, some_policy};
use crate::diff::access::{Compared, Direction, Group};
use crate::diff::reach::Right;
use crate::diff::scope::Scope;

/// Everything that the model grants on the two sides of a pair.
#[derive(Clone, Debug)]
pub struct Granted {
    pub before: BTreeSet<Point>,
    pub after: BTreeSet<Point>,
}

impl Granted {
    pub fn of(before: &Facts, after: &Facts) -> Self {
        Self {
            before: granted(before),
            after: granted(after),
        }
    }

    fn turned(self) -> Self {
        Self {
            before: self.after,
            after: self.before,
        }
    }

    /// What the model grants after and not before, and no group says. Must be empty.
    pub fn unsaid(&self, gained: &Direction) -> Vec<Point> {
        let new = self.after.difference(&self.before).cloned();
        new.filter(|point| !gained.groups.iter().any(|group| says(group, point)))
            .collect()
    }

    /// What a group says of a field that it names, and the model does not grant so. Must be empty.
    pub fn untrue(&self, gained: &Direction) -> Vec<Point> {
        let all = self.after.union(&self.before);
        let said = all.filter(|point| gained.groups.iter().any(|group| names(group, point)));
        let untrue = |point: &&Point| !self.after.contains(point) || self.before.contains(point);
        said.filter(untrue).cloned().collect()
    }
}

fn names(group: &Group, point: &Point) -> bool {
    let purposes = match &group.row.purposes {
        Scope::Only(words) => words
            .iter()
            .any(|word| Some(word.as_str()) == point.purpose),
        Scope::All { except } => !except
            .iter()
            .any(|word| Some(word.as_str()) == point.purpose),
    };
    let fields = &group.row.fields;
    matches!(fields, Scope::Only(words) if words.iter().any(|word| word == point.value))
        && purposes
        && point.right != Right::List
        && says(group, point)
}

fn nothing() -> Compared {
    Compared {
        complete: true,
        ..Compared::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_model_grants_anew_is_reported_and_what_is_named_is_true((old, new) in pairs()) {
        let (before, after) = (old.facts(), new.facts());
        let found = compared(&before, &after);
        prop_assert!(found.complete);
        let granted = Granted::of(&before, &after);
        prop_assert_eq!(granted.unsaid(&found.gained), vec![]);
        prop_assert_eq!(granted.untrue(&found.gained), vec![]);
        let turned = granted.turned();
        prop_assert_eq!(turned.unsaid(&found.lost), vec![]);
        prop_assert_eq!(turned.untrue(&found.lost), vec![]);
    }

    #[test]
    fn nothing_differs_from_itself_in_any_order(one in declared()) {
        let mut turned = one.clone();
        turned.peers.reverse();
        turned.policies.reverse();
        turned.assets.reverse();
        prop_assert_eq!(compared(&one.facts(), &turned.facts()), nothing());
    }

    #[test]
    fn what_a_change_gains_its_reversal_loses((old, new) in pairs()) {
        let there = compared(&old.facts(), &new.facts());
        let back = compared(&new.facts(), &old.facts());
        let bare = |direction: &Direction| {
            let groups = direction.groups.iter().cloned().map(|mut group| {
                // New the one way is gone the other way.
                group.because.clear();
                group
            });
            let mut groups: Vec<_> = groups.collect();
            groups.sort();
            groups
        };
        prop_assert_eq!(bare(&there.gained), bare(&back.lost));
        prop_assert_eq!(bare(&there.lost), bare(&back.gained));
        prop_assert_eq!(&there.gained.peers, &back.lost.peers);
        prop_assert_eq!(&there.lost.resources, &back.gained.resources);
    }

    #[test]
    fn adding_a_policy_never_takes_access((old, spec) in (declared(), some_policy())) {
        let mut new = old.clone();
        new.policies.push(policy("added", spec));
        let found = compared(&old.facts(), &new.facts());
        // A grant that lasts longer and may not be passed on changes what a reader is bound to.
        let taken = found.lost.groups.iter().filter(|group| group.row.rights != [Right::Redistribute]);
        prop_assert_eq!(taken.count(), 0);
    }

    #[test]
    fn what_grants_nothing_is_no_difference((old, spec) in (declared(), some_policy())) {
        let mut new = old.clone();
        let mut dormant = policy("dormant", spec);
        dormant.payload.spec.retention_days = Some(1);
        new.policies.push(dormant);
        prop_assert_eq!(compared(&old.facts(), &new.facts()), nothing());
    }
}
