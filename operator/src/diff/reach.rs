//! What one organization may do with one resource at one moment, asked of the access model.
//!
//! The content is not known here, so the questions are put about every value it may have: each
//! pointer that a policy or the asset names stands for itself and what is below it, and one more
//! for all that nobody names. Two values that no named pointer tells apart are granted alike. The
//! same holds for purposes.

use std::collections::BTreeSet;

use finp2p_crds::ResourceId;
use finp2p_crds::access::{Facts, Grant, InForce, Operation, Wanted, grants_in_force, unit_of};
use finp2p_crds::sharing_policy::SharingPolicySpec;
use jiff::Timestamp;
use serde::Serialize;

/// What a reader may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Right {
    /// See it in its list, and be told why a request for it fails.
    List,
    /// Ask for it.
    Fetch,
    /// Keep a replica.
    Subscribe,
    /// Pass it on.
    Redistribute,
}

/// A right on one value for one purpose: positions in a [`Frame`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Atom {
    /// What may be done.
    pub right: Right,
    /// Position of the purpose.
    pub purpose: usize,
    /// Position of the value.
    pub value: usize,
}

/// The values and purposes that questions are asked about.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Purposes that policies name. After them stands one that nobody names, and none.
    pub purposes: Vec<String>,
    /// Pointers that policies or the asset name. After them stands one that nobody names.
    pub values: Vec<String>,
    unnamed_purpose: String,
    unnamed_value: String,
}

impl Frame {
    /// The frame of these policies, on an asset that opens these objects.
    pub fn new<'s>(
        specs: impl Iterator<Item = &'s SharingPolicySpec>,
        opened: impl Iterator<Item = &'s String>,
    ) -> Self {
        let (mut purposes, mut values) = (BTreeSet::new(), BTreeSet::new());
        values.extend(opened.cloned());
        for spec in specs {
            purposes.extend(spec.purposes.iter().flatten().cloned());
            values.extend(spec.fields.iter().flatten().cloned());
        }
        Self {
            unnamed_purpose: apart("*", &purposes),
            unnamed_value: apart("/*", &values),
            purposes: purposes.into_iter().collect(),
            values: values.into_iter().collect(),
        }
    }

    /// Number of questions that one look at one side asks.
    pub fn size(&self) -> usize {
        (self.purposes.len() + 2).saturating_mul(self.values.len() + 1)
    }

    fn purposes(&self) -> impl Iterator<Item = (usize, Option<&str>)> {
        let named = self.purposes.iter().chain([&self.unnamed_purpose]);
        // A policy that grants for every purpose grants for none too, and no other one does.
        let nameless = (self.purposes.len(), None);
        named
            .map(|p| Some(p.as_str()))
            .enumerate()
            .chain([nameless])
    }

    fn values(&self) -> impl Iterator<Item = (usize, &str)> {
        let values = self.values.iter().chain([&self.unnamed_value]);
        values.map(String::as_str).enumerate()
    }
}

/// A word that none of these begins with.
fn apart(word: &str, others: &BTreeSet<String>) -> String {
    let mut word = word.to_owned();
    while others.iter().any(|other| other.starts_with(&word)) {
        word.push('*');
    }
    word
}

/// One side of a comparison: who asks for what, of which declarations.
#[derive(Clone, Copy, Debug)]
pub struct Side<'f> {
    /// What is declared.
    pub facts: &'f Facts,
    /// Organization id of the reader.
    pub requester: &'f str,
    /// The resource.
    pub resource: &'f ResourceId,
}

impl Side<'_> {
    fn in_force(&self, now: Timestamp, operation: Operation) -> Option<InForce> {
        grants_in_force(self.facts, now, self.requester, self.resource, operation).ok()
    }

    /// Everything that is granted at a moment.
    pub fn reach(&self, now: Timestamp, frame: &Frame) -> BTreeSet<Atom> {
        let mut atoms = BTreeSet::new();
        let Some(fetch) = self.in_force(now, Operation::Fetch) else {
            return atoms;
        };
        let subscribe = self.in_force(now, Operation::Subscribe);
        let units = self.units(frame);
        let all: Vec<String> = units.iter().map(|unit| (*unit).to_owned()).collect();
        let all: Vec<String> = BTreeSet::from_iter(all).into_iter().collect();
        for (purpose, name) in frame.purposes() {
            let mut add = |right, granted: &BTreeSet<String>| {
                for (value, unit) in units.iter().enumerate() {
                    if granted.contains(*unit) {
                        atoms.insert(Atom {
                            right,
                            purpose,
                            value,
                        });
                    }
                }
            };
            add(Right::List, &listed(&fetch, name, &all));
            for (right, in_force) in [
                (Right::Fetch, Some(&fetch)),
                (Right::Subscribe, subscribe.as_ref()),
            ] {
                let Some(in_force) = in_force else { continue };
                let granted = granted(in_force, name, &all);
                add(Right::Redistribute, &passed_on(in_force, name, &granted));
                add(right, &granted);
            }
        }
        atoms
    }

    /// The unit by which each value of the frame is disclosed.
    fn units<'v>(&self, frame: &'v Frame) -> Vec<&'v str> {
        let asset = self.facts.own_asset(self.resource);
        let opened = asset
            .map(|a| a.payload.units.as_slice())
            .unwrap_or_default();
        frame
            .values()
            .map(|(_, value)| unit_of(opened, value))
            .collect()
    }

    /// The grants that carry one of these atoms at a moment.
    pub fn carriers(&self, now: Timestamp, frame: &Frame, atoms: &[Atom]) -> Vec<Grant> {
        let Some(fetch) = self.in_force(now, Operation::Fetch) else {
            return Vec::new();
        };
        let units = self.units(frame);
        let purposes: Vec<(usize, Option<&str>)> = frame.purposes().collect();
        let carries = |grant: &&Grant| {
            atoms.iter().any(|atom| {
                let opens = units.get(atom.value).is_some_and(|unit| grant.opens(unit));
                let mut named = purposes.iter().filter(|(at, _)| *at == atom.purpose);
                opens && named.any(|(_, name)| grant.is_for(*name))
            })
        };
        fetch.grants().iter().filter(carries).cloned().collect()
    }
}

fn granted(in_force: &InForce, purpose: Option<&str>, units: &[String]) -> BTreeSet<String> {
    let access = in_force.disclose(purpose, Wanted::Everything, Some(units));
    access
        .map(|a| a.units.into_iter().collect())
        .unwrap_or_default()
}

/// The units that a list shows: those that an advertised grant opens.
fn listed(in_force: &InForce, purpose: Option<&str>, units: &[String]) -> BTreeSet<String> {
    let advertised: Vec<&Grant> = in_force
        .grants()
        .iter()
        .filter(|grant| grant.is_advertised() && grant.is_for(purpose))
        .collect();
    let shown = units
        .iter()
        .filter(|unit| advertised.iter().any(|g| g.opens(unit)));
    shown.cloned().collect()
}

/// The granted units that may be passed on, asked for one by one: terms of several are the worst.
fn passed_on(
    in_force: &InForce,
    purpose: Option<&str>,
    granted: &BTreeSet<String>,
) -> BTreeSet<String> {
    let allows = |grant: &Grant| grant.policy.payload.spec.redistribute == Some(true);
    if !in_force.grants().iter().any(allows) {
        return BTreeSet::new();
    }
    let may = |unit: &&String| {
        let one = std::slice::from_ref(*unit);
        let access = in_force.disclose(purpose, Wanted::Everything, Some(one));
        access.is_ok_and(|access| access.terms.redistribute)
    };
    granted.iter().filter(may).cloned().collect()
}
