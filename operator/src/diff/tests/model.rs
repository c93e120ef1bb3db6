//! The access model asked one question at a time, over everything that can be asked in a random
//! world; and what a comparison says of the same question.

use std::collections::BTreeSet;

use finp2p_crds::access::{
    Facts, Operation, Question, Wanted, catalog, decide, is_at_or_below, unit_of, units_of,
};

use super::worlds::{MOMENTS, at, content};
use crate::diff::access::{Bounds, Compared, Group, compare};
use crate::diff::changed::Changed;
use crate::diff::class::Two;
use crate::diff::reach::Right;
use crate::diff::scope::Scope;

pub const BOUNDS: Bounds = Bounds {
    groups: 10_000,
    questions: 10_000_000,
};

/// One thing that may be granted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Point {
    pub second: i64,
    pub peer: &'static str,
    pub resource: &'static str,
    pub right: Right,
    pub purpose: Option<&'static str>,
    pub value: &'static str,
}

const PEERS: [&str; 5] = ["o0", "o1", "o2", "us", "stranger"];
const RESOURCES: [&str; 4] = ["us:102:A0", "us:102:A1", "us:102:A2", "us:102:A9"];
const PURPOSES: [Option<&str>; 4] = [None, Some("audit"), Some("trade"), Some("other")];
const VALUES: [&str; 5] = ["/a", "/b/c", "/b/d", "/bb", "/e/f/g"];

/// Everything that the model grants, found by asking everything.
pub fn granted(facts: &Facts) -> BTreeSet<Point> {
    let mut points = BTreeSet::new();
    for second in MOMENTS.start..MOMENTS.end + 1 {
        for peer in PEERS {
            for resource in RESOURCES {
                asked(facts, second, peer, resource, &mut points);
            }
            listed(facts, second, peer, &mut points);
        }
    }
    points
}

/// The values that a unit discloses.
fn values(opened: &[String], unit: &str) -> impl Iterator<Item = &'static str> {
    VALUES
        .into_iter()
        .filter(move |value| unit_of(opened, value) == unit)
}

fn asked(
    facts: &Facts,
    second: i64,
    peer: &'static str,
    resource: &'static str,
    points: &mut BTreeSet<Point>,
) {
    let id = resource.parse().unwrap();
    let Ok(asset) = facts.own_asset(&id) else {
        return;
    };
    let opened = &asset.payload.units;
    let units = units_of(&content(), opened);
    let ask = |operation, purpose, units: &[String]| {
        let question = Question {
            now: at(second),
            requester: peer,
            resource: &id,
            operation,
            purpose,
            wanted: Wanted::Everything,
            units: Some(units),
        };
        decide(facts, &question)
    };
    for purpose in PURPOSES {
        for (operation, right) in [
            (Operation::Fetch, Right::Fetch),
            (Operation::Subscribe, Right::Subscribe),
        ] {
            let access = ask(operation, purpose, &units);
            for unit in access.map(|access| access.units).unwrap_or_default() {
                // What binds a reader is asked unit by unit: of several it is the worst.
                let terms = ask(operation, purpose, std::slice::from_ref(&unit))
                    .unwrap()
                    .terms;
                let passed_on = terms.redistribute.then_some(Right::Redistribute);
                for right in [right].into_iter().chain(passed_on) {
                    points.extend(values(opened, &unit).map(|value| Point {
                        second,
                        peer,
                        resource,
                        right,
                        purpose,
                        value,
                    }));
                }
            }
        }
    }
}

fn listed(facts: &Facts, second: i64, peer: &'static str, points: &mut BTreeSet<Point>) {
    for listing in catalog(facts, at(second), peer, None) {
        let opened = &listing.asset.payload.units;
        let offer = listing.offer(&units_of(&content(), opened));
        let resource = RESOURCES
            .into_iter()
            .find(|id| **id == listing.resource.to_string());
        for unit in offer.map(|(units, _)| units).unwrap_or_default() {
            points.extend(values(opened, &unit).map(|value| Point {
                second,
                peer,
                resource: resource.unwrap(),
                right: Right::List,
                // What is listed is listed whatever the purpose.
                purpose: None,
                value,
            }));
        }
    }
}

pub fn compared(before: &Facts, after: &Facts) -> Compared {
    let changed = Changed::between(before, after);
    compare(
        &Two {
            before,
            after,
            changed: &changed,
        },
        at(MOMENTS.start),
        BOUNDS,
    )
}

/// Whether a group says this.
pub fn says(group: &Group, point: &Point) -> bool {
    let named = |list: &[String], name: &str| list.iter().any(|listed| listed == name);
    let now = at(point.second);
    named(&group.peers, point.peer)
        && named(&group.resources, point.resource)
        && group.row.rights.contains(&point.right)
        && group.row.from.is_none_or(|from| from <= now)
        && group.row.until.is_none_or(|until| now < until)
        // Being listed does not depend on the purpose: some row says it for some purpose.
        && (point.right == Right::List || for_purpose(&group.row.purposes, point.purpose))
        && on_value(&group.row.fields, point.value)
}

fn for_purpose(scope: &Scope, purpose: Option<&str>) -> bool {
    let named = |words: &[String]| purpose.is_some_and(|p| words.iter().any(|word| word == p));
    match scope {
        Scope::Only(words) => named(words),
        Scope::All { except } => !named(except),
    }
}

fn on_value(scope: &Scope, value: &str) -> bool {
    let covered = |words: &[String]| words.iter().any(|word| is_at_or_below(value, word));
    match scope {
        Scope::Only(words) => covered(words),
        Scope::All { except } => !covered(except),
    }
}
