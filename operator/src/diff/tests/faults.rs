//! Faults planted in what a comparison says, and in what it looks at: the properties notice them.

use std::sync::OnceLock;

use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::model::{BOUNDS, compared};
use super::properties::Granted;
use super::worlds::{Declared, MOMENTS, at, pairs};
use crate::diff::access::{Compared, compare};
use crate::diff::changed::Changed;
use crate::diff::class::Two;
use crate::diff::reach::Right;
use crate::diff::scope::Scope;

/// Pairs that are tried, the same every time.
const CASES: usize = 100;

/// A pair, and what the model grants on both sides of it.
struct Tried {
    old: Declared,
    new: Declared,
    granted: Granted,
}

fn tried() -> &'static [Tried] {
    static TRIED: OnceLock<Vec<Tried>> = OnceLock::new();
    TRIED.get_or_init(|| {
        let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        (0..CASES)
            .map(|_| {
                let (old, new) = pairs().new_tree(&mut runner).unwrap().current();
                let granted = Granted::of(&old.facts(), &new.facts());
                Tried { old, new, granted }
            })
            .collect()
    })
}

/// Whether a property fails on some pair once a comparison is tampered with.
fn noticed(tampered: impl Fn(&Declared, &Declared) -> Compared) -> bool {
    tried().iter().any(|Tried { old, new, granted }| {
        let found = tampered(old, new);
        !granted.unsaid(&found.gained).is_empty() || !granted.untrue(&found.gained).is_empty()
    })
}

fn with_changed(old: &Declared, new: &Declared, spoil: impl Fn(&mut Changed)) -> Compared {
    let (before, after) = (old.facts(), new.facts());
    let mut changed = Changed::between(&before, &after);
    spoil(&mut changed);
    compare(
        &Two {
            before: &before,
            after: &after,
            changed: &changed,
        },
        at(MOMENTS.start),
        BOUNDS,
    )
}

fn edited(old: &Declared, new: &Declared, edit: impl Fn(&mut Compared)) -> Compared {
    let mut found = compared(&old.facts(), &new.facts());
    edit(&mut found);
    found
}

#[test]
fn what_is_right_is_not_noticed() {
    assert!(!noticed(|old, new| edited(old, new, |_| {})));
}

#[test]
fn every_planted_fault_is_noticed() {
    // Not looking at a kind of object.
    assert!(
        noticed(|old, new| with_changed(old, new, |c| c.peers.clear())),
        "peers"
    );
    assert!(
        noticed(|old, new| with_changed(old, new, |c| c.assets.clear())),
        "assets"
    );
    assert!(
        noticed(|old, new| with_changed(old, new, |c| c.policies.clear())),
        "policies"
    );
    // Saying less than there is, or more.
    let rows = |edit: fn(&mut crate::diff::pair::Row)| {
        noticed(|old, new| {
            edited(old, new, |found| {
                found
                    .gained
                    .groups
                    .iter_mut()
                    .for_each(|group| edit(&mut group.row));
            })
        })
    };
    assert!(
        rows(|row| row.rights.retain(|right| *right != Right::Subscribe)),
        "subscribe"
    );
    assert!(
        rows(|row| row.rights.retain(|right| *right != Right::Redistribute)),
        "pass on"
    );
    assert!(
        rows(|row| row.rights.retain(|right| *right != Right::List)),
        "listed"
    );
    assert!(rows(|row| row.rights.push(Right::Subscribe)), "more rights");
    assert!(rows(|row| row.from = None), "too early");
    assert!(rows(|row| row.from = row.from.or(Some(at(1)))), "too late");
    assert!(
        rows(|row| row.until = row.until.and(Some(at(2)))),
        "too short"
    );
    assert!(rows(|row| row.until = None), "too long");
    assert!(
        rows(|row| row.purposes = Scope::All { except: vec![] }),
        "every purpose"
    );
    assert!(
        rows(|row| if let Scope::All { except } = &mut row.purposes {
            except.push("trade".to_owned());
        }),
        "a purpose less"
    );
    assert!(
        rows(|row| if let Scope::Only(fields) = &mut row.fields {
            fields.pop();
        }),
        "a field less"
    );
    assert!(
        rows(|row| if let Scope::Only(fields) = &mut row.fields {
            fields.push("/a".to_owned());
        }),
        "a field more"
    );
}
