//! The objects of one namespace, and the names that stand for none of them.
//!
//! On an API server a name is one object. In files two manifests can claim one: which of them is
//! meant cannot be told, so neither counts (crds/ACCESS.md, "doubt gives nothing"), both are told,
//! and what they claim besides is nobody else's meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use super::object::{Object, ObjectId};
use super::place::Position;
use crate::finding::{Finding, quote};

/// Places of one name that a message lists; the rest is counted.
const PLACES_SHOWN: usize = 3;

/// The objects of one namespace.
#[derive(Clone, Debug, Default)]
pub struct Namespace {
    /// Its name.
    pub name: String,
    /// Objects that passed, by path and position: the order of creation.
    pub objects: Vec<Object>,
    /// Objects that are there and were refused: on an API server their former version would stay.
    /// With each the places at which it claims its name; what lies in the wrong folder claims none.
    pub refused: BTreeMap<ObjectId, Vec<Spot>>,
    /// Names that several manifests claim.
    pub disputed: BTreeMap<ObjectId, Dispute>,
    /// Names of Secrets that objects of other kinds say they make ([`Document::made_secrets`]).
    ///
    /// [`Document::made_secrets`]: super::Document::made_secrets
    pub made_secrets: BTreeSet<String>,
}

/// Where a manifest names its object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// File as the user named it.
    pub file: String,
    /// Line and column of the name.
    pub at: Position,
}

impl std::fmt::Display for Spot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.at.line)
    }
}

/// A name that several manifests claim: none of them counts.
#[derive(Clone, Debug, Default)]
pub struct Dispute {
    /// Where it is written.
    pub spots: Vec<Spot>,
    /// Those of the manifests that passed every check of what they show by themselves.
    pub objects: Vec<Object>,
    /// The version that counted before, where that is known. It does not count either: what may
    /// not be changed is compared with it once one manifest is left.
    pub former: Option<Object>,
}

impl Dispute {
    /// Everything that bears the name. What these claim besides (a resource id, an organization)
    /// stays theirs, or the doubt about one object would give another one more.
    pub fn claimants(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().chain(&self.former)
    }

    /// The same, to write notes into.
    pub fn claimants_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.objects.iter_mut().chain(&mut self.former)
    }

    /// Where it is written, for people.
    pub fn places(&self) -> String {
        places(self.spots.iter())
    }
}

impl Namespace {
    /// A namespace without objects.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    /// Takes out every object whose name is written more than once, also where a manifest was
    /// refused. Returns what there is to tell: one finding for each place.
    pub(super) fn dispute_names(&mut self) -> Vec<Finding> {
        let mut spots: BTreeMap<ObjectId, Vec<Spot>> = BTreeMap::new();
        let named = self.objects.iter().map(|o| (&o.id, o.spot()));
        let refused = self.refused.iter();
        let refused = refused.flat_map(|(id, spots)| spots.iter().map(move |s| (id, s.clone())));
        for (id, spot) in named.chain(refused) {
            spots.entry(id.clone()).or_default().push(spot);
        }
        spots.retain(|_, spots| spots.len() > 1);
        let mut findings = Vec::new();
        for (id, mut spots) in spots {
            spots.sort();
            findings.extend((0..spots.len()).filter_map(|number| told(&id, number, &spots)));
            self.refused.remove(&id);
            let dispute = Dispute {
                spots,
                ..Dispute::default()
            };
            self.disputed.insert(id, dispute);
        }
        for object in std::mem::take(&mut self.objects) {
            match self.disputed.get_mut(&object.id) {
                Some(dispute) => dispute.objects.push(object),
                None => self.objects.push(object),
            }
        }
        findings
    }
}

fn told(id: &ObjectId, number: usize, all: &[Spot]) -> Option<Finding> {
    let spot = all.get(number)?;
    let others = all.iter().enumerate().filter(|(other, _)| *other != number);
    let others = others.map(|(_, other)| other);
    let message = format!(
        "{} {} of namespace {} is written {} times (also at {}): which one is meant cannot be told, so none of them counts",
        quote(&id.kind),
        quote(&id.name),
        quote(&id.namespace),
        all.len(),
        places(others)
    );
    let cure = "remove all but one, or give each a name of its own";
    let mut finding = Finding::error(&spot.file, "DuplicateObject", message, cure);
    finding.kind = Some(id.kind.clone());
    finding.namespace = Some(id.namespace.clone()).filter(|n| !n.is_empty());
    finding.name = Some(id.name.clone());
    finding.field = Some("/metadata/name".to_owned());
    Some(finding.at(spot.at.line, spot.at.column))
}

fn places<'s>(spots: impl Iterator<Item = &'s Spot>) -> String {
    let all: BTreeSet<String> = spots.map(ToString::to_string).collect();
    let shown = all.iter().take(PLACES_SHOWN).cloned().collect::<Vec<_>>();
    match all.len().saturating_sub(PLACES_SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
