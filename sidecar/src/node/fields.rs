//! Pointers of policies that open nothing on an asset they match (`FieldUnknown`).
//!
//! Whatever it finds only ever goes into the report, and a thousand policies over ten thousand
//! assets are ten million pairs. So what was found is kept, an edit has those pairs looked at again
//! that it touches, and a bounded part of that is done at each look. At rest the rows are those of
//! a first round over everything.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use finp2p_crds::ResourceId;
use finp2p_crds::access::{self, Facts};
use finp2p_crds::condition::reasons;
use finp2p_crds::entry::{AssetEntry, Entry};
use finp2p_crds::sharing_policy::SharingPolicySpec;
use finp2p_crds::sidecar_config::{Exception, REPORT_MAX_ROWS};

use crate::config::Applied;
use crate::primary::Primary;

/// Most pairs of a policy and an asset that one look goes through: some ten milliseconds at worst.
/// An asset that was touched goes through all policies at once.
const PAIRS_PER_STEP: usize = 4096;

/// Most rows about policies, and about assets: together they fill the report and no more.
const ROWS_MAX: usize = REPORT_MAX_ROWS / 2;
/// Longest message of an exception, characters, as in the schema.
const MESSAGE_MAX_CHARS: usize = 1024;

/// Units of the current version of an asset; `None` when there is none.
type Units<'a> = &'a dyn Fn(&ResourceId) -> Option<Arc<[String]>>;

/// The check, and what is known of every policy.
#[derive(Clone, Debug)]
pub struct FieldCheck {
    facts: Option<Arc<Facts>>,
    /// Of each policy of `facts`, in their order.
    looks: Vec<Look>,
    /// Assets that every policy is to be looked at with again.
    touched: BTreeSet<ResourceId>,
    under_way: bool,
    /// [`ROWS_MAX`], but for tests.
    rows_max: usize,
    /// As of the last rest.
    rows: Vec<Exception>,
}

/// What is known of one policy.
#[derive(Clone, Debug, Default)]
struct Look {
    /// Assets within reach on which one of its pointers opens nothing.
    found: BTreeSet<ResourceId>,
    reach: Reach,
}

/// How far a policy was looked at, in the order of the assets' ids. It goes no further than the
/// rows of a report: in that order, nothing behind them is ever told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Reach {
    #[default]
    Nothing,
    UpTo(ResourceId),
    All,
}

impl Default for FieldCheck {
    fn default() -> Self {
        Self {
            facts: None,
            looks: Vec::new(),
            touched: BTreeSet::new(),
            under_way: false,
            rows_max: ROWS_MAX,
            rows: Vec::new(),
        }
    }
}

impl FieldCheck {
    /// Looks at some of what configuration or versions touched. Returns whether it came to rest.
    pub fn step(&mut self, applied: &Applied, primary: &Primary) -> bool {
        self.notice(&applied.facts, primary.take_changed());
        let mut pairs = PAIRS_PER_STEP;
        self.under_way && self.work(&|resource| primary.units(resource), &mut pairs)
    }

    /// Whether something is left to be looked at.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// At most one exception an asset and one a policy.
    pub fn found(&self) -> impl Iterator<Item = Exception> {
        self.rows.iter().cloned()
    }

    /// Takes note of what is to be looked at again; `changed` are assets with other units.
    fn notice(&mut self, facts: &Arc<Facts>, changed: BTreeSet<ResourceId>) {
        self.under_way |= !changed.is_empty();
        self.touched.extend(changed);
        let known = self.facts.as_ref();
        if known.is_some_and(|known| Arc::ptr_eq(known, facts)) {
            return;
        }
        self.under_way = true;
        let looks = std::mem::take(&mut self.looks);
        let before = self.facts.replace(Arc::clone(facts));
        if let Some(before) = &before {
            self.touched.extend(touched(before, facts));
        }
        let policies = before.iter().flat_map(|before| before.policies());
        let mut kept: HashMap<&str, _> = policies
            .zip(looks)
            .map(|(policy, look)| (policy.uid.as_str(), (&policy.payload.spec, look)))
            .collect();
        self.looks = facts
            .policies()
            .iter()
            .map(|policy| match kept.remove(policy.uid.as_str()) {
                Some((spec, look)) if *spec == policy.payload.spec => look,
                _ => Look::default(),
            })
            .collect();
    }

    /// Looks at so many `pairs`, which it counts down. Returns whether it came to rest.
    fn work(&mut self, units: Units<'_>, pairs: &mut usize) -> bool {
        let Some(facts) = self.facts.clone() else {
            return false;
        };
        let policies = facts.policies();
        while *pairs > 0
            && let Some(resource) = self.touched.pop_first()
        {
            let asset = facts.own_asset(&resource).ok();
            let units = asset.and_then(|_| units(&resource));
            for (policy, look) in policies.iter().zip(&mut self.looks) {
                if look.reaches(&resource) {
                    let found = asset.is_some_and(|asset| {
                        opens_nothing(&policy.payload.spec, asset, || units.clone())
                    });
                    look.again(&resource, found, self.rows_max);
                }
            }
            *pairs = pairs.saturating_sub(policies.len());
        }
        for (policy, look) in policies.iter().zip(&mut self.looks) {
            look.go_on(&policy.payload.spec, &facts, units, self.rows_max, pairs);
        }
        let is_open = |look: &Look| look.is_open(self.rows_max);
        if !self.touched.is_empty() || self.looks.iter().any(is_open) {
            return false;
        }
        self.under_way = false;
        self.rows = self.rows(&facts, units);
        true
    }

    /// One row a policy, which names the first of its assets, and one an asset, which names the
    /// first of its policies.
    fn rows(&self, facts: &Facts, units: Units<'_>) -> Vec<Exception> {
        let (mut policies, mut assets) = (BTreeMap::new(), BTreeMap::new());
        for (policy, look) in facts.policies().iter().zip(&self.looks) {
            for resource in &look.found {
                let of_policy =
                    policies.len() < self.rows_max && !policies.contains_key(&policy.name);
                let of_asset = assets.len() < self.rows_max && !assets.contains_key(resource);
                if !of_policy && !of_asset {
                    continue;
                }
                let (Ok(asset), Some(units)) = (facts.own_asset(resource), units(resource)) else {
                    continue;
                };
                let fields = access::fields_unknown(&policy.payload.spec, &units);
                if fields.is_empty() {
                    continue; // a version that came meanwhile: it is looked at next
                }
                let why = access::why_unknown(&fields, &units);
                let fields = fields.join(", ");
                if of_policy {
                    let row = row_of_policy(&policy.name, &asset.name, &fields, &why);
                    policies.insert(policy.name.clone(), row);
                }
                if of_asset {
                    let row = row_of_asset(&policy.name, &asset.name, &fields, &why);
                    assets.insert(resource.clone(), row);
                }
            }
        }
        policies.into_values().chain(assets.into_values()).collect()
    }
}

impl Look {
    /// Whether there is more to be looked at.
    fn is_open(&self, rows_max: usize) -> bool {
        self.reach != Reach::All && self.found.len() < rows_max
    }

    /// Goes on behind what is within reach.
    fn go_on(
        &mut self,
        policy: &SharingPolicySpec,
        facts: &Facts,
        units: Units<'_>,
        rows_max: usize,
        pairs: &mut usize,
    ) {
        if policy.fields.is_none() {
            self.reach = Reach::All;
        }
        if !self.is_open(rows_max) {
            return;
        }
        let from = std::mem::take(&mut self.reach);
        let (mut assets, mut last) = match &from {
            Reach::UpTo(last) => (facts.own_assets(Some(last)), Some(last)),
            _ => (facts.own_assets(None), None),
        };
        let ended = loop {
            if *pairs == 0 || self.found.len() >= rows_max {
                break false;
            }
            let Some((resource, asset)) = assets.next() else {
                break true;
            };
            *pairs -= 1;
            last = Some(resource);
            if opens_nothing(policy, asset, || units(resource)) {
                self.found.insert(resource.clone());
            }
        };
        self.reach = match last {
            _ if ended => Reach::All,
            Some(last) => Reach::UpTo(last.clone()),
            None => Reach::Nothing,
        };
    }

    fn reaches(&self, resource: &ResourceId) -> bool {
        match &self.reach {
            Reach::Nothing => false,
            Reach::UpTo(last) => resource <= last,
            Reach::All => true,
        }
    }

    /// An asset within reach was looked at again.
    fn again(&mut self, resource: &ResourceId, found: bool, rows_max: usize) {
        if !found {
            self.found.remove(resource);
            return;
        }
        self.found.insert(resource.clone());
        if self.found.len() > rows_max {
            self.found.pop_last();
            let last = self.found.last().cloned();
            self.reach = last.map_or(Reach::Nothing, Reach::UpTo);
        }
    }
}

/// Own assets whose entries are not the same, or are in one only.
fn touched(before: &Facts, now: &Facts) -> BTreeSet<ResourceId> {
    let mut known: HashMap<_, _> = before.own_assets(None).collect();
    let other = now
        .own_assets(None)
        .filter(|(resource, asset)| known.remove(resource) != Some(*asset));
    let mut touched: BTreeSet<ResourceId> = other.map(|(resource, _)| resource.clone()).collect();
    touched.extend(known.into_keys().cloned());
    touched
}

/// Whether a pointer of a policy opens nothing on an asset that it matches.
fn opens_nothing(
    policy: &SharingPolicySpec,
    asset: &Entry<AssetEntry>,
    units: impl FnOnce() -> Option<Arc<[String]>>,
) -> bool {
    policy.fields.is_some()
        && access::selects_asset(policy, asset)
        && units().is_some_and(|units| !access::fields_unknown(policy, &units).is_empty())
}

fn row_of_policy(policy: &str, asset: &str, fields: &str, why: &str) -> Exception {
    let message = format!("{fields} opens nothing on SharedAsset {asset}: {why}");
    row("SharingPolicy", policy, &message)
}

fn row_of_asset(policy: &str, asset: &str, fields: &str, why: &str) -> Exception {
    let message = format!("policy {policy} opens {fields}, which opens nothing here: {why}");
    row("SharedAsset", asset, &message)
}

fn row(kind: &str, name: &str, message: &str) -> Exception {
    Exception {
        kind: kind.to_owned(),
        name: name.to_owned(),
        reason: reasons::FIELD_UNKNOWN.to_owned(),
        message: message.chars().take(MESSAGE_MAX_CHARS).collect(),
    }
}

#[cfg(test)]
mod tests;
