//! Which declarations differ between two configurations.

use std::collections::BTreeMap;

use finp2p_crds::access::Facts;
use finp2p_crds::entry::{AssetEntry, PeerEntry};
use finp2p_crds::sharing_policy::SharingPolicySpec;
use serde::Serialize;

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum What {
    /// It was not there before.
    New,
    /// It says something else.
    Changed,
    /// It is not there any more.
    Gone,
}

/// Names of the objects that differ, by more than the annotation with the change behind them. What is
/// not in here is the same on both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// PeerOrganizations.
    pub peers: BTreeMap<String, What>,
    /// SharedAssets.
    pub assets: BTreeMap<String, What>,
    /// SharingPolicies.
    pub policies: BTreeMap<String, What>,
}

impl Changed {
    /// Everything that differs: one pass over both, cheap beside what it saves.
    pub fn between(before: &Facts, after: &Facts) -> Self {
        Self {
            peers: differing(
                &by_name(before.peers().iter().map(|p| (&*p.name, &p.payload))),
                &by_name(after.peers().iter().map(|p| (&*p.name, &p.payload))),
            ),
            assets: differing(
                &by_name(before.assets().iter().map(|a| (&*a.name, &a.payload))),
                &by_name(after.assets().iter().map(|a| (&*a.name, &a.payload))),
            ),
            policies: differing(
                &by_name(
                    before
                        .policies()
                        .iter()
                        .map(|p| (&*p.name, &p.payload.spec)),
                ),
                &by_name(after.policies().iter().map(|p| (&*p.name, &p.payload.spec))),
            ),
        }
    }

    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.assets.is_empty() && self.policies.is_empty()
    }
}

/// Of one name there may be more than one entry; all of them count.
type ByName<'e, T> = BTreeMap<&'e str, Vec<&'e T>>;

fn by_name<'e, T>(entries: impl Iterator<Item = (&'e str, &'e T)>) -> ByName<'e, T> {
    let mut map = ByName::new();
    for (name, payload) in entries {
        map.entry(name).or_default().push(payload);
    }
    map
}

/// What an object says, the annotation with the change behind it aside.
trait Says: Clone + PartialEq {
    /// Where it has that annotation.
    fn change(&mut self) -> Option<&mut Option<String>> {
        None
    }

    fn says_as(&self, other: &Self) -> bool {
        let without = |one: &Self| {
            let mut one = one.clone();
            if let Some(change) = one.change() {
                *change = None;
            }
            one
        };
        self == other || without(self) == without(other)
    }
}

impl Says for SharingPolicySpec {}

impl Says for PeerEntry {
    fn change(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.change)
    }
}

impl Says for AssetEntry {
    fn change(&mut self) -> Option<&mut Option<String>> {
        Some(&mut self.change)
    }
}

fn differing<T: Says>(before: &ByName<'_, T>, after: &ByName<'_, T>) -> BTreeMap<String, What> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let gone = gone.map(|name| ((*name).to_owned(), What::Gone));
    let there = after
        .iter()
        .filter_map(|(name, now)| match before.get(name) {
            None => Some(((*name).to_owned(), What::New)),
            Some(then) if !same(then, now) => Some(((*name).to_owned(), What::Changed)),
            Some(_) => None,
        });
    gone.chain(there).collect()
}

/// Whether two lists hold the same, in any order.
fn same<T: Says>(a: &[&T], b: &[&T]) -> bool {
    let holds = |all: &[&T], one: &T| all.iter().any(|other| other.says_as(one));
    a.len() == b.len() && a.iter().all(|x| holds(b, x)) && b.iter().all(|x| holds(a, x))
}
