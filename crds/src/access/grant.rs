//! Grants in force, and what they disclose together.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::pointer::is_at_or_below;
use super::refusal::{Miss, Reason, Refusal, Shortfall};
use crate::entry::{Entry, PolicyEntry};
use crate::sharing_policy::{Mode, SharingPolicySpec};

/// Most pointers in one request. A record has at most 256 units, so nobody needs more; the
/// work per request is wanted pointers × units.
pub const WANTED_MAX_POINTERS: usize = 256;

/// Which units a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// Whatever the grants open.
    Everything,
    /// Exactly these units, or all units below these pointers. All of it or nothing.
    Units(&'a [String]),
}

/// What one policy gives one peer on one resource.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The policy: its name, uid and generation, and the change behind it in the payload.
    pub policy: Arc<Entry<PolicyEntry>>,
}

/// The grants in force for one requester, resource and operation: check 10 has passed.
/// Only [`super::grants_in_force`] makes one, so nothing is disclosed without it.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    grants: Vec<Grant>,
    misses: Vec<Miss>,
}

/// What is granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Access {
    /// The grants that open at least one of the units, by name and uid of the policy.
    pub grants: Vec<Grant>,
    /// The units to disclose, in the order of the record; never empty.
    pub units: Vec<String>,
    /// What the reader is bound to.
    pub terms: Terms,
}

/// What the reader is bound to. On each unit the best of the grants that open it, over all
/// units the worst; only grants that last until `expires` count for the other terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// How all units may be had: always Pull, and Push where that is granted.
    pub modes: Vec<Mode>,
    /// Purposes for which all units may be used, sorted. `None`: no purpose was demanded.
    pub purposes: Option<Vec<String>>,
    /// When the first unit stops being granted. `None`: none does by itself.
    pub expires: Option<Timestamp>,
    /// Whether all units may be passed on.
    pub redistribute: bool,
}

/// One unit of the record, and the grants that open it.
pub(super) struct Opened<'a> {
    unit: &'a str,
    by: Vec<&'a Grant>,
}

impl Grant {
    fn spec(&self) -> &SharingPolicySpec {
        &self.policy.payload.spec
    }

    /// Whether the policy is listed and lets the peer know why a request fails.
    pub fn is_advertised(&self) -> bool {
        // Absent means true here: only asset policies become grants.
        self.spec().advertise != Some(false)
    }

    /// Whether the policy carries a request for this purpose. Without `purposes` it carries
    /// every purpose and none; with them the request must name one of them.
    pub fn is_for(&self, purpose: Option<&str>) -> bool {
        match &self.spec().purposes {
            None => true,
            Some(list) => purpose.is_some_and(|p| list.iter().any(|listed| listed == p)),
        }
    }

    /// Whether the policy by itself opens a unit.
    pub fn opens(&self, unit: &str) -> bool {
        match &self.spec().fields {
            None => self.spec().all_fields == Some(true),
            Some(fields) => fields.iter().any(|field| is_at_or_below(unit, field)),
        }
    }

    fn ends(&self) -> Timestamp {
        let end = self.spec().not_after.as_ref();
        end.map_or(Timestamp::MAX, |end| end.0)
    }
}

impl InForce {
    pub(super) fn new(grants: Vec<Grant>, misses: Vec<Miss>) -> Self {
        Self { grants, misses }
    }

    /// The grants, by name and uid of the policy; at least one.
    pub fn grants(&self) -> &[Grant] {
        &self.grants
    }

    /// Check 11: what the grants disclose for this purpose. `units` are the leaf units of
    /// the current record as JSON Pointers, or `None` when no content has been loaded.
    ///
    /// # Errors
    /// [`Refusal`] with [`Reason::Purpose`], [`Reason::Fields`] or [`Reason::NoContent`].
    pub fn disclose(
        &self,
        purpose: Option<&str>,
        wanted: Wanted<'_>,
        units: Option<&[String]>,
    ) -> Result<Access, Refusal> {
        let all: Vec<&Grant> = self.grants.iter().collect();
        verdict(&all, purpose, wanted, units).map_err(|reason| Refusal {
            reason,
            told: self.told(purpose, wanted, units),
            requester: None,
            resource: None,
            policies: self.misses(reason, purpose),
            instead: self.instead(reason, purpose, wanted, units),
        })
    }

    /// The shortfall without which the request would have got further than `reason`: the first of
    /// these under which policies would have carried it, had it not been for that.
    fn instead(
        &self,
        reason: Reason,
        purpose: Option<&str>,
        wanted: Wanted<'_>,
        units: Option<&[String]>,
    ) -> Option<Shortfall> {
        // Not a malformed policy: nobody can say what it would have granted.
        let kinds: [fn(&Shortfall) -> bool; 4] = [
            |because| matches!(because, Shortfall::Expired),
            |because| matches!(because, Shortfall::NotYetValid),
            |because| matches!(because, Shortfall::NotYetSupported(_)),
            |because| matches!(because, Shortfall::Mode),
        ];
        kinds.into_iter().find_map(|kind| {
            let mut lacking = self.misses.iter().filter(|miss| kind(&miss.because));
            let spare: Vec<Grant> = lacking
                .clone()
                .map(|miss| Grant {
                    policy: Arc::clone(&miss.policy),
                })
                .collect();
            let all: Vec<&Grant> = self.grants.iter().chain(&spare).collect();
            let further = verdict(&all, purpose, wanted, units).err() != Some(reason);
            lacking
                .next()
                .filter(|_| further)
                .map(|miss| miss.because.clone())
        })
    }

    /// What a refused peer may know: the verdict as if policies that are not advertised did
    /// not exist. (They cannot have been what carried the request: more grants never refuse.)
    fn told(&self, purpose: Option<&str>, wanted: Wanted<'_>, units: Option<&[String]>) -> Reason {
        let advertised: Vec<&Grant> = self.grants.iter().filter(|g| g.is_advertised()).collect();
        if advertised.is_empty() {
            return Reason::NotShared;
        }
        verdict(&advertised, purpose, wanted, units)
            .err()
            .unwrap_or(Reason::NotShared)
    }

    fn misses(&self, reason: Reason, purpose: Option<&str>) -> Vec<Miss> {
        let because = |grant: &Grant| match reason {
            _ if !grant.is_for(purpose) => Some(Shortfall::Purpose),
            Reason::Fields => Some(Shortfall::Fields),
            _ => None,
        };
        let mut misses = self.misses.clone();
        misses.extend(self.grants.iter().filter_map(|grant| {
            Some(Miss {
                policy: Arc::clone(&grant.policy),
                because: because(grant)?,
            })
        }));
        misses
            .sort_by(|a, b| (&a.policy.name, &a.policy.uid).cmp(&(&b.policy.name, &b.policy.uid)));
        misses
    }
}

/// The rule itself: grants for the purpose, then the union of what each of them opens, then
/// all of what was wanted or nothing.
fn verdict(
    grants: &[&Grant],
    purpose: Option<&str>,
    wanted: Wanted<'_>,
    units: Option<&[String]>,
) -> Result<Access, Reason> {
    let satisfied: Vec<&Grant> = grants
        .iter()
        .copied()
        .filter(|g| g.is_for(purpose))
        .collect();
    if satisfied.is_empty() {
        return Err(Reason::Purpose);
    }
    let units = units.ok_or(Reason::NoContent)?;
    let chosen = choose(opened(&satisfied, units), wanted).ok_or(Reason::Fields)?;
    Ok(Access {
        grants: satisfied
            .into_iter()
            .filter(|grant| chosen.iter().any(|opened| grant.opens(opened.unit)))
            .cloned()
            .collect(),
        units: chosen.iter().map(|opened| opened.unit.to_owned()).collect(),
        terms: Terms::of(&chosen),
    })
}

/// Every unit with the grants that open it, also units that none opens.
pub(super) fn opened<'a>(grants: &[&'a Grant], units: &'a [String]) -> Vec<Opened<'a>> {
    let by = |unit: &str| grants.iter().copied().filter(|g| g.opens(unit)).collect();
    units
        .iter()
        .map(|unit| Opened { unit, by: by(unit) })
        .collect()
}

/// The units to disclose; `None` when any part of what was wanted is not granted, and when
/// nothing is. A pointer that names nothing is refused like one that is not granted.
pub(super) fn choose<'a>(all: Vec<Opened<'a>>, wanted: Wanted<'_>) -> Option<Vec<Opened<'a>>> {
    let is_wanted = |opened: &Opened<'_>| match wanted {
        Wanted::Everything => opened.is_granted(),
        Wanted::Units(pointers) => pointers.iter().any(|p| is_at_or_below(opened.unit, p)),
    };
    if let Wanted::Units(pointers) = wanted {
        let names_something = |pointer: &String| {
            all.iter()
                .any(|opened| is_at_or_below(opened.unit, pointer))
        };
        if pointers.len() > WANTED_MAX_POINTERS || !pointers.iter().all(names_something) {
            return None;
        }
    }
    let chosen: Vec<Opened<'a>> = all.into_iter().filter(is_wanted).collect();
    (!chosen.is_empty() && chosen.iter().all(Opened::is_granted)).then_some(chosen)
}

impl Opened<'_> {
    fn is_granted(&self) -> bool {
        !self.by.is_empty()
    }

    pub(super) fn unit(&self) -> &str {
        self.unit
    }
}

impl Terms {
    /// The terms of these units. Of no units at all: expired long ago, and nothing allowed.
    pub(super) fn of(units: &[Opened<'_>]) -> Self {
        let last = |opened: &Opened<'_>| opened.by.iter().map(|grant| grant.ends()).max();
        let end = units
            .iter()
            .filter_map(last)
            .min()
            .unwrap_or(Timestamp::MIN);
        let lasting = |opened: &Opened<'_>, holds: fn(&Grant) -> bool| {
            opened
                .by
                .iter()
                .any(|grant| grant.ends() >= end && holds(grant))
        };
        let on_all = |holds: fn(&Grant) -> bool| {
            !units.is_empty() && units.iter().all(|opened| lasting(opened, holds))
        };
        let mut modes = vec![Mode::Pull];
        if on_all(|grant| grant.spec().mode == Mode::Push) {
            modes.push(Mode::Push);
        }
        Self {
            modes,
            purposes: common_purposes(units, end),
            expires: (end < Timestamp::MAX).then_some(end),
            redistribute: on_all(|grant| grant.spec().redistribute == Some(true)),
        }
    }
}

/// Purposes that hold for every unit; `None` when no unit demands one.
fn common_purposes(units: &[Opened<'_>], end: Timestamp) -> Option<Vec<String>> {
    let mut common: Option<BTreeSet<&str>> = None;
    for opened in units {
        let lasting = || opened.by.iter().filter(|grant| grant.ends() >= end);
        if lasting().any(|grant| grant.spec().purposes.is_none()) {
            continue;
        }
        let here: BTreeSet<&str> = lasting()
            .flat_map(|grant| grant.spec().purposes.iter().flatten())
            .map(String::as_str)
            .collect();
        common = Some(match common {
            None => here,
            Some(before) => before.intersection(&here).copied().collect(),
        });
    }
    common.map(|set| set.into_iter().map(str::to_owned).collect())
}
