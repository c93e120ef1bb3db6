//! Planted faults: broken decisions, and the property that must notice each of them. A
//! property that noticed nothing would be no evidence.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::*;
use super::properties::ALL;
use super::random::fixed_worlds;
use super::world::{Answer, Declared, World, delete_not_yet, everyone, key};
use crate::entry::{Entry, PolicyEntry};
use crate::sharing_policy::Selection;

/// What is broken, how, and the property that notices.
type Fault<F> = (&'static str, F, &'static str);

type Broken = fn(&Facts, &Question<'_>) -> Answer;

/// Faults that read what is declared in a wrong way.
const MISREADINGS: &[Fault<fn(&mut Declared)>] = &[
    (
        "only the last policy counts",
        |d| drop(d.policies.drain(..d.policies.len().saturating_sub(1))),
        "union",
    ),
    (
        "the first of two claims is believed",
        |d| {
            let mut seen = BTreeSet::new();
            d.peers
                .retain(|peer| seen.insert(peer.payload.organization_id.clone()));
            d.assets
                .retain(|asset| seen.insert(asset.payload.resource_id.clone()));
        },
        "ours",
    ),
    (
        "a policy that names its peers hides the others",
        |d| {
            if d.policies
                .iter()
                .any(|p| p.payload.spec.peers.names.is_some())
            {
                *d = d.only(|spec| spec.peers.names.is_some());
            }
        },
        "adding",
    ),
    (
        "the order of the peers decides",
        |d| {
            if d.peers
                .get(1)
                .is_some_and(|peer| peer.payload.organization_id == "o1")
            {
                d.peers.truncate(2);
            }
        },
        "order",
    ),
    (
        "expired policies go on",
        |d| each(d, |spec| spec.not_after = None),
        "window",
    ),
    (
        "policies begin too early",
        |d| each(d, |spec| spec.not_before = None),
        "window",
    ),
    (
        "the last second of a window counts",
        |d| {
            each(d, |spec| {
                let longer = |end: &Time| end.0.checked_add(SignedDuration::from_secs(1)).map(Time);
                spec.not_after = spec.not_after.as_ref().map(|end| longer(end).unwrap());
            })
        },
        "absent",
    ),
    (
        "suspension is ignored",
        |d| {
            d.peers
                .iter_mut()
                .for_each(|peer| peer.payload.suspended = false)
        },
        "suspension",
    ),
    (
        "issuers may read",
        |d| {
            d.peers
                .iter_mut()
                .for_each(|peer| peer.payload.keys = vec![key()])
        },
        "ours",
    ),
    (
        "an empty selector selects all",
        |d| {
            each_selection(d, |selection| {
                if selection
                    .selector
                    .as_ref()
                    .is_some_and(|s| s.match_labels.is_empty())
                {
                    *selection = everyone();
                }
            })
        },
        "nobody",
    ),
    (
        "an unknown name selects all",
        |d| {
            each_selection(d, |selection| {
                if selection
                    .names
                    .iter()
                    .flatten()
                    .any(|name| name == "nobody")
                {
                    *selection = everyone();
                }
            })
        },
        "nobody",
    ),
    (
        "fields that are not enforced are ignored",
        |d| each(d, delete_not_yet),
        "not yet",
    ),
    (
        "without such fields a policy stops",
        |d| {
            let blocked = |p: &Entry<PolicyEntry>| !not_yet_enforced(&p.payload.spec).is_empty();
            if !d.policies.iter().any(blocked) {
                d.policies.clear()
            }
        },
        "deleting",
    ),
    (
        "an asset that we take from a peer is ours",
        |d| d.assets.iter_mut().for_each(|a| a.payload.from = None),
        "ours",
    ),
    (
        "purposes are ignored",
        |d| each(d, |spec| spec.purposes = None),
        "itself",
    ),
];

/// Faults in the decision itself.
const MISJUDGEMENTS: &[Fault<Broken>] = &[
    (
        "grants that open nothing are named",
        |f, q| {
            decide(f, q).map(|mut access| {
                let in_force = grants_in_force(f, q.now, q.requester, q.resource, q.operation);
                let grants = in_force.map(|in_force| in_force.grants().to_vec());
                access.grants = grants.unwrap_or_default();
                access.grants.retain(|grant| grant.is_for(q.purpose));
                access
            })
        },
        "itself",
    ),
    (
        "boundaries are late",
        |f, q| {
            let now = q.now.checked_add(SignedDuration::from_secs(1)).unwrap();
            decide(f, &Question { now, ..*q })
        },
        "boundary",
    ),
    (
        "a purpose of one policy satisfies another",
        |f, q| {
            decide(f, q)?;
            misread(f, q, |d| each(d, |spec| spec.purposes = None))
        },
        "union",
    ),
    (
        "a subscription is granted by Pull",
        |f, q| {
            decide(
                f,
                &Question {
                    operation: Operation::Fetch,
                    ..*q
                },
            )
        },
        "itself",
    ),
    (
        "a wish is granted in part",
        |f, q| {
            let mut access = decide(
                f,
                &Question {
                    wanted: Wanted::Everything,
                    ..*q
                },
            )?;
            if let Wanted::Units(pointers) = q.wanted {
                access
                    .units
                    .retain(|unit| pointers.iter().any(|p| is_at_or_below(unit, p)));
            }
            Ok(access)
        },
        "subsets",
    ),
    (
        "the peer is told the true reason",
        |f, q| {
            decide(f, q).map_err(|refusal| Refusal {
                told: refusal.reason,
                ..refusal
            })
        },
        "told",
    ),
    (
        "an absent asset is told apart",
        |f, q| {
            decide(f, q).map_err(|refusal| match refusal.resource {
                Some(ResourceFault::Unknown) => Refusal {
                    told: Reason::NoContent,
                    ..refusal
                },
                _ => refusal,
            })
        },
        "absent",
    ),
    (
        "access is said to last for ever",
        |f, q| {
            decide(f, q).map(|mut access| {
                access.terms.expires = None;
                access
            })
        },
        "until",
    ),
    (
        "what one policy lets pass on, all do",
        |f, q| {
            decide(f, q).map(|mut access| {
                let mut grants = access.grants.iter();
                access.terms.redistribute =
                    grants.any(|g| g.policy.payload.spec.redistribute == Some(true));
                access
            })
        },
        "until",
    ),
];

fn misread(facts: &Facts, question: &Question<'_>, change: fn(&mut Declared)) -> Answer {
    let mut declared = Declared::of(facts);
    change(&mut declared);
    decide(&declared.facts(), question)
}

fn each(declared: &mut Declared, change: fn(&mut SharingPolicySpec)) {
    *declared = declared.with_policies(change);
}

fn each_selection(declared: &mut Declared, change: fn(&mut Selection)) {
    *declared = declared.with_policies(|spec| {
        change(&mut spec.peers);
        spec.assets.iter_mut().for_each(change);
    });
}

/// Worlds in which a fault must be noticed; their seed is fixed, so this is no lottery.
const WORLDS: usize = 1_500;

#[test]
fn each_planted_fault_is_noticed_and_each_property_notices_one() {
    let worlds: Vec<World> = fixed_worlds(WORLDS).collect();
    let mut noticed = BTreeSet::new();
    let mut notice = |fault: &str, broken: &dyn Fn(&Facts, &Question<'_>) -> Answer, name| {
        let (_, property) = ALL.iter().find(|(other, _)| *other == name).unwrap();
        let seen = worlds.iter().any(|world| property(broken, world).is_err());
        assert!(seen, "{name} did not notice that {fault}");
        noticed.insert(name);
    };
    for (fault, change, name) in MISREADINGS {
        notice(fault, &|f, q| misread(f, q, *change), *name);
    }
    for (fault, broken, name) in MISJUDGEMENTS {
        notice(fault, broken, *name);
    }
    assert_eq!(noticed, ALL.iter().map(|(name, _)| *name).collect());
}

#[test]
fn random_worlds_are_granted_and_refused_for_every_reason() {
    let (mut granted, mut reasons) = (0, vec![]);
    for world in fixed_worlds(WORLDS) {
        match world.ask.of(&decide, &world.declared) {
            Ok(_) => granted += 1,
            Err(refusal) => reasons.push(refusal.reason),
        }
    }
    assert!(granted > WORLDS / 10, "{granted} granted");
    for reason in [
        Reason::NotShared,
        Reason::Purpose,
        Reason::Fields,
        Reason::NoContent,
    ] {
        let count = reasons.iter().filter(|other| **other == reason).count();
        assert!(count > WORLDS / 100, "{reason:?}: {count}");
    }
}
