//! Properties of one answer: that what is granted was written, and nothing else is told.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::*;
use super::properties::{Verdict, essence, hold, units};
use super::world::{Decide, Declared, World, at, open};
use crate::entry::{AssetEntry, Entry};

pub fn exactly_the_subsets_of_what_is_granted_are_granted(
    decide: Decide<'_>,
    world: &World,
) -> Verdict {
    let mut ask = world.ask.everything();
    let granted = units(&ask.of(decide, &world.declared));
    for unit in world.ask.units.iter().flatten() {
        let some: BTreeSet<String> = granted
            .iter()
            .filter(|other| *other <= unit)
            .cloned()
            .collect();
        ask.wanted = Some(some.iter().cloned().collect());
        hold!(units(&ask.of(decide, &world.declared)) == some);
        ask.wanted = Some(some.iter().chain([unit]).cloned().collect());
        hold!(ask.of(decide, &world.declared).is_ok() == granted.contains(unit));
    }
    let units: Vec<&String> = world.ask.units.iter().flatten().collect();
    let all_below = |pointer: &String| {
        let mut below = units
            .iter()
            .filter(|unit| is_at_or_below(unit, pointer))
            .peekable();
        below.peek().is_some() && below.all(|unit| granted.contains(*unit))
    };
    let expected = match &world.ask.wanted {
        None => !granted.is_empty(),
        Some(wanted) => !wanted.is_empty() && wanted.iter().all(all_below),
    };
    hold!(world.ask.of(decide, &world.declared).is_ok() == expected);
    Ok(())
}

pub fn everything_is_the_union_of_what_each_policy_grants_alone(
    decide: Decide<'_>,
    world: &World,
) -> Verdict {
    let ask = world.ask.everything();
    let together = units(&ask.of(decide, &world.declared));
    let mut apart = BTreeSet::new();
    for policy in &world.declared.policies {
        let alone = Declared {
            policies: vec![policy.clone()],
            ..world.declared.clone()
        };
        apart.extend(units(&ask.of(decide, &alone)));
    }
    hold!(together == apart);
    Ok(())
}

pub fn what_is_told_never_depends_on_policies_that_are_not_advertised(
    decide: Decide<'_>,
    world: &World,
) -> Verdict {
    let advertised = world.declared.only(|spec| spec.advertise != Some(false));
    let all = world.ask.of(decide, &world.declared);
    let without = world.ask.of(decide, &advertised);
    if let (Err(all), Err(without)) = (all, without) {
        hold!(all.told == without.told);
        hold!(without.told == without.reason);
    }
    Ok(())
}

pub fn absent_unshared_and_expired_are_told_alike(decide: Decide<'_>, world: &World) -> Verdict {
    let mut absent = world.ask.clone();
    absent.resource = "us:102:ABSENT".to_owned();
    let unshared = world.declared.only(|_| false);
    let expired = world.declared.with_policies(|spec| {
        spec.not_after = Some(Time(world.ask.now));
    });
    for answer in [
        absent.of(decide, &world.declared),
        world.ask.of(decide, &unshared),
        world.ask.of(decide, &expired),
    ] {
        hold!(answer.is_err_and(|refusal| refusal.told == Reason::NotShared));
    }
    Ok(())
}

pub fn only_our_own_assets_are_granted_and_only_to_others(
    decide: Decide<'_>,
    world: &World,
) -> Verdict {
    let answer = world.ask.of(decide, &world.declared.plus(open()));
    let mine = |asset: &&Entry<AssetEntry>| {
        asset.payload.resource_id == world.ask.resource && asset.payload.from.is_none()
    };
    let readers = world
        .declared
        .peers
        .iter()
        .filter(|peer| peer.payload.organization_id == world.ask.requester);
    let asset = world.declared.assets.iter().filter(mine).count() == 1
        && world.ask.resource.starts_with("us:102:");
    let reader = readers.clone().count() == 1
        && readers
            .clone()
            .all(|peer| !peer.payload.keys.is_empty() && !peer.payload.suspended)
        && world.ask.requester != "us";
    hold!((asset && reader) || answer.is_err_and(|refusal| refusal.told == Reason::NotShared));
    Ok(())
}

pub fn a_grant_holds_by_itself(decide: Decide<'_>, world: &World) -> Verdict {
    if let Ok(access) = world.ask.of(decide, &world.declared) {
        hold!(!access.units.is_empty() && !access.grants.is_empty());
        hold!(
            access
                .units
                .iter()
                .all(|unit| access.grants.iter().any(|grant| grant.opens(unit)))
        );
        for grant in &access.grants {
            // Judged by the policy as it was written, not as it came back.
            let written = world
                .declared
                .policies
                .iter()
                .find(|p| p.uid == grant.policy.uid);
            let written = Grant {
                policy: Arc::new(written.unwrap().clone()),
            };
            let spec = &written.policy.payload.spec;
            hold!(written.is_for(world.ask.purpose.as_deref()));
            hold!(access.units.iter().any(|unit| written.opens(unit)));
            hold!(standing(spec, world.ask.now).is_ok());
            hold!(world.ask.operation == Operation::Fetch || spec.mode == Mode::Push);
        }
    }
    Ok(())
}

pub fn until_it_expires_access_and_its_terms_stay(decide: Decide<'_>, world: &World) -> Verdict {
    if let Ok(access) = world.ask.of(decide, &world.declared) {
        let mut later = world.clone();
        while access.terms.expires.is_none_or(|end| later.ask.now < end) && later.ask.now < at(25) {
            let then = later.ask.of(decide, &world.declared);
            hold!(
                then.as_ref().is_ok_and(
                    |then| units(&Ok(access.clone())).is_subset(&units(&Ok(then.clone())))
                )
            );
            let grants = then.map(|then| then.grants).unwrap_or_default();
            let passed_on = |grant: &Grant| grant.policy.payload.spec.redistribute == Some(true);
            hold!(
                !access.terms.redistribute
                    || access
                        .units
                        .iter()
                        .all(|unit| grants.iter().any(|g| passed_on(g) && g.opens(unit)))
            );
            later.ask.now = later
                .ask
                .now
                .checked_add(SignedDuration::from_secs(1))
                .unwrap();
        }
    }
    Ok(())
}

pub fn nothing_changes_before_the_next_boundary(decide: Decide<'_>, world: &World) -> Verdict {
    let next = world
        .declared
        .facts()
        .next_boundary(world.ask.now)
        .unwrap_or(at(100));
    let mut later = world.clone();
    later.ask.now = next.checked_sub(SignedDuration::from_secs(1)).unwrap();
    let one = world.ask.of(decide, &world.declared);
    hold!(essence(&one) == essence(&later.ask.of(decide, &world.declared)));
    Ok(())
}
