//! What must hold in every world. Each property takes the decision as an argument, so that
//! `faults` can show that it fails for a broken one. `changes` compares two worlds,
//! `soundness` looks at one answer.

use std::collections::BTreeSet;

use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::super::*;
use super::changes::*;
use super::random::worlds;
use super::soundness::*;
use super::world::{Answer, Decide, World};

/// One property: what must hold of this decision in this world.
pub type Property = fn(Decide<'_>, &World) -> Verdict;
pub type Verdict = Result<(), TestCaseError>;

/// Fails the property with the condition as its message.
macro_rules! hold {
    ($condition:expr) => {
        proptest::prop_assert!($condition)
    };
}
pub(super) use hold;

/// Units granted; none when refused.
pub fn units(answer: &Answer) -> BTreeSet<String> {
    let units = answer.iter().flat_map(|access| &access.units);
    units.cloned().collect()
}

/// What peer and auditor see of an answer, leaving out the policies that failed.
pub type Essence = Result<(BTreeSet<String>, Vec<Grant>, Terms), (Reason, Reason)>;

pub fn essence(answer: &Answer) -> Essence {
    match answer {
        Ok(access) => Ok((units(answer), access.grants.clone(), access.terms.clone())),
        Err(refusal) => Err((refusal.reason, refusal.told)),
    }
}

/// All of them, by name.
pub const ALL: &[(&str, Property)] = &[
    ("adding", adding_a_policy_never_removes_access),
    ("order", order_never_matters),
    ("window", a_policy_outside_its_window_changes_nothing),
    ("suspension", suspension_always_wins),
    ("nobody", what_selects_nobody_changes_nothing),
    (
        "not yet",
        a_policy_with_a_field_that_is_not_enforced_changes_nothing,
    ),
    (
        "deleting",
        deleting_a_field_that_is_not_enforced_never_removes_access,
    ),
    (
        "subsets",
        exactly_the_subsets_of_what_is_granted_are_granted,
    ),
    (
        "union",
        everything_is_the_union_of_what_each_policy_grants_alone,
    ),
    (
        "told",
        what_is_told_never_depends_on_policies_that_are_not_advertised,
    ),
    ("absent", absent_unshared_and_expired_are_told_alike),
    ("ours", only_our_own_assets_are_granted_and_only_to_others),
    ("itself", a_grant_holds_by_itself),
    ("until", until_it_expires_access_and_its_terms_stay),
    ("boundary", nothing_changes_before_the_next_boundary),
];

/// Worlds that each property is tried on.
const CASES: u32 = 512;

#[test]
fn every_property_holds_in_random_worlds() {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&worlds(), |world| {
            ALL.iter()
                .try_for_each(|(_, property)| property(&decide, &world))
        })
        .unwrap();
}
