//! Which objects are other in one configuration than in another, for the audit of what was applied.

use std::collections::BTreeMap;

use finp2p_crds::entry::{ASSET, PEER, POLICY, SCHEMA};
use finp2p_crds::sidecar_config::RawEntry;

use super::Applied;
use crate::audit::{ChangedObject, MAX_OBJECTS, Named, WhatBecame};

/// The objects that changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Policies first, then peers, then assets; at most [`MAX_OBJECTS`].
    pub objects: Vec<ChangedObject>,
    /// How many more there were.
    pub more: u64,
}

/// An object by the order in which it is told, its kind, and its uid.
type Key<'a> = (u8, &'a str, &'a str);
type Objects<'a> = BTreeMap<Key<'a>, Vec<&'a RawEntry>>;

impl Changes {
    /// What is other in `after`; everything in it when nothing was before. Slices that both share are
    /// not looked at: an edit costs one slice, however many there are.
    #[must_use]
    pub fn between(before: Option<&Applied>, after: &Applied) -> Self {
        let old = before.map_or_else(Objects::new, |before| objects(before, Some(after)));
        let new = objects(after, before);
        let gone = old.iter().filter(|(key, _)| !new.contains_key(*key));
        let gone = gone.map(|(key, was)| (*key, WhatBecame::Removed, was));
        let there = new.iter().filter_map(|(key, is)| match old.get(key) {
            Some(was) if was == is => None,
            Some(_) => Some((*key, WhatBecame::Changed, is)),
            None => Some((*key, WhatBecame::Added, is)),
        });
        let mut all: Vec<_> = gone.chain(there).collect();
        all.sort_by_key(|(key, ..)| *key);
        let named = all.iter().take(MAX_OBJECTS);
        let objects: Vec<_> = named
            .filter_map(|((_, kind, _), what, entries)| changed(kind, *what, entries))
            .collect();
        let more = all.len().saturating_sub(objects.len());
        Self {
            objects,
            more: u64::try_from(more).unwrap_or(u64::MAX),
        }
    }
}

fn changed(kind: &str, what: WhatBecame, entries: &[&RawEntry]) -> Option<ChangedObject> {
    let first = entries.first()?;
    let mut changes = entries
        .iter()
        .filter_map(|entry| entry.payload.get("change"));
    let change = changes.find_map(|change| change.as_str());
    Some(ChangedObject {
        kind: kind.to_owned(),
        what,
        object: Named::new(&first.name, &first.uid, first.generation, change),
    })
}

/// The objects of the slices that `other` does not share.
fn objects<'a>(of: &'a Applied, other: Option<&Applied>) -> Objects<'a> {
    let mut objects = Objects::new();
    for entry in of.entries_apart_from(other) {
        let (rank, kind) = match entry.kind.as_str() {
            POLICY => (0, POLICY),
            PEER => (1, PEER),
            // An asset and its schema are one object.
            ASSET | SCHEMA => (2, ASSET),
            unknown => (3, unknown),
        };
        let found = objects.entry((rank, kind, entry.uid.as_str())).or_default();
        found.push(entry);
    }
    objects
}

#[cfg(test)]
mod tests;
