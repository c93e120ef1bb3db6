//! Namespaces compared with namespaces: the whole of a difference, as plain data.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::access::Facts;
use finp2p_crds::entry::AssetEntry;
use jiff::Timestamp;
use serde::Serialize;

use super::access::{Bounds, Direction, Group, compare};
use super::changed::Changed;
use super::class::Two;
use super::eligibility::{Loosened, looser};
use super::trust::{Trust, wider};
use super::unresolved;
use super::world::{Place, Refused, World};

/// How much a comparison of files may take: minutes at most, for what no review would pass anyway.
const BOUNDS: Bounds = Bounds {
    groups: 10_000,
    questions: 200_000_000,
};
/// Most names of readers or resources that one group lists; `pairs` says how many there are.
const GROUP_MAX_NAMES: usize = 1_000;

/// Why two sides cannot be compared. Never taken for "nothing gained".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// Nobody knows whose policies these are.
    #[error(
        "namespace {0:?} has assets or policies and no accepted local organization on either side, so nobody can say what they grant: give the PeerOrganization with node on both sides, and mend what is refused in it"
    )]
    NoLocalOrganization(String),
    /// There are too many policies on the same readers and resources.
    #[error(
        "namespace {0:?} is too large to be compared: too many policies with too many fields select the same peers and assets"
    )]
    TooLarge(String),
}

/// Everything that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What the newer side has and the older does not.
    pub gained: Changes,
    /// What the older side has and the newer does not.
    pub lost: Changes,
    /// Objects of the newer side that count as not there.
    pub refused: Vec<Refused>,
    /// What a reader of this should know beside it.
    pub remarks: Vec<String>,
}

/// One direction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Access, by namespace.
    pub access: Vec<AccessChange>,
    /// Groups that there was no room for.
    pub omitted: usize,
    /// Number of readers of all groups.
    pub peers: usize,
    /// Number of resources of all groups.
    pub resources: usize,
    /// Whom our node trusts.
    pub trust: Vec<TrustChange>,
    /// What buyers must prove, and what our users are offered.
    pub eligibility: Vec<EligibilityChange>,
}

/// Access of some readers to some resources of one namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AccessChange {
    /// Namespace.
    pub namespace: String,
    /// Number of readers times number of resources.
    pub pairs: usize,
    /// Readers, resources and what there is between them.
    #[serde(flatten)]
    pub group: Group,
    /// Those of the readers and resources that do not exist yet: names that a policy names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unresolved: Vec<String>,
}

/// Something that is trusted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct TrustChange {
    /// Organization id.
    pub organization: String,
    /// Which of its records.
    pub record: Place,
    /// What of it.
    #[serde(flatten)]
    pub trust: Trust,
    /// The namespaces in which it is so.
    pub namespaces: Vec<String>,
}

/// A demand that is not made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct EligibilityChange {
    /// Namespace.
    pub namespace: String,
    /// Resource id.
    pub resource: String,
    /// Which demand.
    #[serde(flatten)]
    pub loosened: Loosened,
}

impl Changes {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.access.is_empty()
            && self.omitted == 0
            && self.trust.is_empty()
            && self.eligibility.is_empty()
    }
}

/// Compares all namespaces, as of `now` and later.
///
/// # Errors
/// [`CompareError`] when something of the newer side cannot be judged.
pub fn namespaces(
    before: &[World],
    after: &[World],
    now: Timestamp,
) -> Result<Difference, CompareError> {
    let mut difference = Difference::default();
    for (before, after) in pairs(before, after) {
        one(before, after, now, &mut difference)?;
    }
    for changes in [&mut difference.gained, &mut difference.lost] {
        changes.access.sort();
        changes.eligibility.sort();
        changes.trust = together(std::mem::take(&mut changes.trust));
    }
    difference.refused.sort();
    Ok(difference)
}

/// Which namespace is which: by name; what is left, by its local organization; and what is then
/// left alone on both sides, by being the only one.
fn pairs<'w>(
    before: &'w [World],
    after: &'w [World],
) -> Vec<(Option<&'w World>, Option<&'w World>)> {
    let organization = |world: &World| world.facts.as_ref().map(|f| f.organization().to_owned());
    let mut left: Vec<&World> = before.iter().collect();
    let mut right: Vec<&World> = after.iter().collect();
    let mut pairs = Vec::new();
    let mut match_by = |alike: &dyn Fn(&World, &World) -> bool| {
        right.retain(|new| {
            let Some(position) = left.iter().position(|old| alike(old, new)) else {
                return true;
            };
            pairs.push((Some(left.remove(position)), Some(*new)));
            false
        });
    };
    match_by(&|old, new| old.namespace == new.namespace);
    match_by(&|old, new| organization(old).is_some() && organization(old) == organization(new));
    if let ([old], [new]) = (left.as_slice(), right.as_slice())
        && (organization(old).is_none() || organization(new).is_none())
    {
        pairs.push((Some(*old), Some(*new)));
        return pairs;
    }
    pairs.extend(left.into_iter().map(|old| (Some(old), None)));
    pairs.extend(right.into_iter().map(|new| (None, Some(new))));
    pairs
}

fn one(
    before: Option<&World>,
    after: Option<&World>,
    now: Timestamp,
    difference: &mut Difference,
) -> Result<(), CompareError> {
    let namespace = after
        .or(before)
        .map(|world| world.namespace.clone())
        .unwrap_or_default();
    let facts = [before, after].map(|world| world.and_then(|world| world.facts.as_ref()));
    if let (Some(world), [None, None]) = (after.filter(|world| world.shares), facts) {
        return Err(CompareError::NoLocalOrganization(world.namespace.clone()));
    }
    if let (Some(world), [Some(_), None]) = (after, facts) {
        let why = world.homeless.as_deref().unwrap_or_default();
        difference.remarks.push(format!(
            "namespace {namespace} has no accepted local organization on the newer side ({why}): all of its access counts as lost, but a node that runs goes on with what it has"
        ));
    }
    trust(before, after, &namespace, difference);
    difference
        .refused
        .extend(after.iter().flat_map(|world| world.refused.iter().cloned()));
    let nothing = |facts: &Facts| {
        Facts::new(
            facts.organization().to_owned(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
        )
    };
    let (old, new) = match facts {
        [None, None] => return Ok(()),
        [Some(old), None] => (old.clone(), nothing(old)),
        [None, Some(new)] => (nothing(new), new.clone()),
        [Some(old), Some(new)] => (old.clone(), new.clone()),
    };
    eligibility(&old, &new, &namespace, difference);
    access(&old, &new, [before, after], &namespace, now, difference)
}

fn access(
    old: &Facts,
    new: &Facts,
    worlds: [Option<&World>; 2],
    namespace: &str,
    now: Timestamp,
    difference: &mut Difference,
) -> Result<(), CompareError> {
    let known = worlds
        .into_iter()
        .flatten()
        .flat_map(|world| world.organizations.iter().cloned());
    let completed = unresolved::complete(old, new, &known.collect());
    let changed = Changed::between(&completed.before, &completed.after);
    let two = Two {
        before: &completed.before,
        after: &completed.after,
        changed: &changed,
    };
    let compared = compare(&two, now, BOUNDS);
    if !compared.complete {
        return Err(CompareError::TooLarge(namespace.to_owned()));
    }
    difference
        .gained
        .take(namespace, compared.gained, &completed.names);
    difference
        .lost
        .take(namespace, compared.lost, &completed.names);
    Ok(())
}

fn trust(
    before: Option<&World>,
    after: Option<&World>,
    namespace: &str,
    difference: &mut Difference,
) {
    let records = |world: Option<&World>| world.map(|w| w.records.clone()).unwrap_or_default();
    let (before, after) = (records(before), records(after));
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for key in keys {
        let (organization, record) = key;
        let (old, new) = (before.get(key), after.get(key));
        let change = |trust| TrustChange {
            organization: organization.clone(),
            record: *record,
            trust,
            namespaces: vec![namespace.to_owned()],
        };
        difference
            .gained
            .trust
            .extend(wider(old, new).into_iter().map(change));
        difference
            .lost
            .trust
            .extend(wider(new, old).into_iter().map(change));
    }
}

/// The same of several namespaces, once.
fn together(changes: Vec<TrustChange>) -> Vec<TrustChange> {
    let mut all: BTreeMap<(String, Place, Trust), Vec<String>> = BTreeMap::new();
    for TrustChange {
        organization,
        record,
        trust,
        namespaces,
    } in changes
    {
        all.entry((organization, record, trust))
            .or_default()
            .extend(namespaces);
    }
    let change = |((organization, record, trust), namespaces)| TrustChange {
        organization,
        record,
        trust,
        namespaces,
    };
    all.into_iter().map(change).collect()
}

fn eligibility(old: &Facts, new: &Facts, namespace: &str, difference: &mut Difference) {
    let by_id = |facts: &Facts| -> BTreeMap<String, AssetEntry> {
        let assets = facts.assets().iter();
        assets
            .map(|a| (a.payload.resource_id.clone(), a.payload.clone()))
            .collect()
    };
    let (old, new) = (by_id(old), by_id(new));
    for (resource, after) in &new {
        let Some(before) = old.get(resource) else {
            continue;
        };
        let change = |loosened| EligibilityChange {
            namespace: namespace.to_owned(),
            resource: resource.clone(),
            loosened,
        };
        difference
            .gained
            .eligibility
            .extend(looser(before, after).into_iter().map(change));
        difference
            .lost
            .eligibility
            .extend(looser(after, before).into_iter().map(change));
    }
}

impl Changes {
    fn take(&mut self, namespace: &str, direction: Direction, names: &BTreeMap<String, String>) {
        self.omitted += direction.omitted;
        self.peers += direction.peers.len();
        self.resources += direction.resources.len();
        for mut group in direction.groups {
            let pairs = group.peers.len().saturating_mul(group.resources.len());
            let mut unresolved = Vec::new();
            for id in group.peers.iter_mut().chain(&mut group.resources) {
                if let Some(name) = names.get(id) {
                    id.clone_from(name);
                    unresolved.push(name.clone());
                }
            }
            group.peers.truncate(GROUP_MAX_NAMES);
            group.resources.truncate(GROUP_MAX_NAMES);
            let namespace = namespace.to_owned();
            self.access.push(AccessChange {
                namespace,
                pairs,
                group,
                unresolved,
            });
        }
    }
}
