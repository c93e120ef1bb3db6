//! Two answers to the same question about one reader and one resource, over all time to come.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::access::Grant;
use jiff::Timestamp;
use serde::Serialize;

use super::reach::{Atom, Frame, Right, Side};
use super::scope::Scope;

/// What one reader may do with one resource on one side and not on the other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Row {
    /// What it may do.
    pub rights: Vec<Right>,
    /// With which fields, as pointers into the content.
    pub fields: Scope,
    /// For which purposes. A request that names none is among "all but".
    pub purposes: Scope,
    /// Since when; absent: from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Until when; absent: without end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The policies that grant it, by name.
    pub policies: Vec<PolicyRef>,
}

/// A policy as it stands behind a row.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct PolicyRef {
    /// Name of the object.
    pub name: String,
    /// Commit or ticket behind it (annotation `sharing.finp2p.io/change`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
}

/// What a pair has on one side only: rows by direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Granted after and not before.
    pub gained: Vec<Row>,
    /// Granted before and not after.
    pub lost: Vec<Row>,
}

/// A stretch of time in which nothing changes by itself, with what each side grants in it.
struct Segment {
    begin: Timestamp,
    before: BTreeSet<Atom>,
    after: BTreeSet<Atom>,
}

/// Compares both sides now and at each later moment; `moments` are sorted, the first is now.
pub fn compare(
    before: &Side<'_>,
    after: &Side<'_>,
    frame: &Frame,
    moments: &[Timestamp],
) -> Difference {
    let segments: Vec<Segment> = moments
        .iter()
        .map(|&begin| Segment {
            begin,
            before: before.reach(begin, frame),
            after: after.reach(begin, frame),
        })
        .collect();
    let gained = |s: &Segment| s.after.difference(&s.before).copied().collect();
    let lost = |s: &Segment| s.before.difference(&s.after).copied().collect();
    Difference {
        gained: rows(after, frame, &segments, gained),
        lost: rows(before, frame, &segments, lost),
    }
}

/// Positions of the first segment and of the one after the last.
type Interval = (usize, usize);
/// What values may share a row for.
type Kind = (Interval, BTreeSet<usize>, BTreeSet<Right>);

fn rows(
    side: &Side<'_>,
    frame: &Frame,
    segments: &[Segment],
    only: impl Fn(&Segment) -> Vec<Atom>,
) -> Vec<Row> {
    let mut when: BTreeMap<Atom, Vec<usize>> = BTreeMap::new();
    for (position, segment) in segments.iter().enumerate() {
        for atom in only(segment) {
            when.entry(atom).or_default().push(position);
        }
    }
    // Purposes that go together, then rights that go together, then values.
    let mut purposes: BTreeMap<(usize, Right, Interval), BTreeSet<usize>> = BTreeMap::new();
    for (atom, positions) in when {
        for interval in runs(&positions) {
            let key = (atom.value, atom.right, interval);
            purposes.entry(key).or_default().insert(atom.purpose);
        }
    }
    let mut rights: BTreeMap<(usize, Interval, BTreeSet<usize>), BTreeSet<Right>> = BTreeMap::new();
    for ((value, right, interval), purposes) in purposes {
        rights
            .entry((value, interval, purposes))
            .or_default()
            .insert(right);
    }
    let mut values: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for ((value, interval, purposes), rights) in rights {
        values
            .entry((interval, purposes, rights))
            .or_default()
            .push(value);
    }
    values
        .into_iter()
        .map(|(kind, values)| row(side, frame, segments, &kind, &values))
        .collect()
}

fn row(side: &Side<'_>, frame: &Frame, segments: &[Segment], kind: &Kind, values: &[usize]) -> Row {
    let ((first, end), purposes, rights) = kind;
    let begin = |position: &usize| segments.get(*position).map(|s| s.begin);
    let atoms: Vec<Atom> = rights
        .iter()
        .flat_map(|&right| purposes.iter().map(move |&purpose| (right, purpose)))
        .flat_map(|(right, purpose)| {
            values.iter().map(move |&value| Atom {
                right,
                purpose,
                value,
            })
        })
        .collect();
    let grants = begin(first)
        .map(|now| side.carriers(now, frame, &atoms))
        .unwrap_or_default();
    Row {
        rights: rights.iter().copied().collect(),
        fields: Scope::of(values.iter().copied(), &frame.values).without_those_below(),
        purposes: Scope::of(purposes.iter().copied(), &frame.purposes),
        from: begin(first).filter(|_| *first > 0),
        until: begin(end),
        policies: grants.iter().map(PolicyRef::of).collect(),
    }
}

impl PolicyRef {
    fn of(grant: &Grant) -> Self {
        Self {
            name: grant.policy.name.clone(),
            change: grant.policy.payload.change.clone(),
        }
    }
}

/// Runs of positions that follow one another.
fn runs(positions: &[usize]) -> Vec<Interval> {
    let mut runs: Vec<Interval> = Vec::new();
    for &position in positions {
        match runs.last_mut() {
            Some((_, end)) if *end == position => *end = position + 1,
            _ => runs.push((position, position + 1)),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_that_follow_one_another_are_one_run() {
        assert_eq!(runs(&[0, 1, 2, 5, 7, 8]), [(0, 3), (5, 6), (7, 9)]);
        assert_eq!(runs(&[]), []);
    }
}
