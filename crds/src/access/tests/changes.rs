//! Properties of change: what another world may and may not answer.

use super::super::*;
use super::properties::{Verdict, essence, hold, units};
use super::world::{Decide, World, delete_not_yet, labelled, named, open};
use crate::sharing_policy::Selection;

pub fn adding_a_policy_never_removes_access(decide: Decide<'_>, world: &World) -> Verdict {
    let mut fewer = world.declared.clone();
    let dropped = fewer.policies.pop();
    let before = world.ask.of(decide, &fewer);
    let after = world.ask.of(decide, &world.declared);
    hold!(dropped.is_none() || before.is_err() || after.is_ok());
    hold!(units(&before).is_subset(&units(&after)));
    Ok(())
}

pub fn order_never_matters(decide: Decide<'_>, world: &World) -> Verdict {
    let mut turned = world.clone();
    turned.declared.peers.reverse();
    turned.declared.policies.reverse();
    turned.declared.assets.reverse();
    for list in [&mut turned.ask.units, &mut turned.ask.wanted]
        .into_iter()
        .flatten()
    {
        list.reverse();
    }
    let one = world.ask.of(decide, &world.declared);
    let other = turned.ask.of(decide, &turned.declared);
    hold!(essence(&one) == essence(&other));
    hold!(one.err() == other.err());
    Ok(())
}

pub fn a_policy_outside_its_window_changes_nothing(decide: Decide<'_>, world: &World) -> Verdict {
    let now = world.ask.now;
    let open_now = world.declared.only(|spec| {
        spec.not_before.as_ref().is_none_or(|begin| begin.0 <= now)
            && spec.not_after.as_ref().is_none_or(|end| now < end.0)
    });
    hold!(
        essence(&world.ask.of(decide, &open_now))
            == essence(&world.ask.of(decide, &world.declared))
    );
    Ok(())
}

pub fn suspension_always_wins(decide: Decide<'_>, world: &World) -> Verdict {
    let mut suspended = world.declared.plus(open());
    for peer in &mut suspended.peers {
        peer.payload.suspended |= peer.payload.organization_id == world.ask.requester;
    }
    let refused = (Reason::NotShared, Reason::NotShared);
    hold!(essence(&world.ask.of(decide, &suspended)) == Err(refused));
    Ok(())
}

pub fn what_selects_nobody_changes_nothing(decide: Decide<'_>, world: &World) -> Verdict {
    let before = world.ask.of(decide, &world.declared);
    let none = [
        named(&["nobody"]),
        named(&[]),
        labelled(&[]),
        labelled(&[("desk", "nowhere")]),
        Selection::default(),
    ];
    for none in none {
        let nobody = SharingPolicySpec {
            peers: none.clone(),
            ..open()
        };
        let nothing = SharingPolicySpec {
            assets: Some(none),
            ..open()
        };
        for spec in [nobody, nothing] {
            let after = world.ask.of(decide, &world.declared.plus(spec));
            hold!(essence(&after) == essence(&before));
        }
    }
    let one_more = world.declared.with_policies(|spec| {
        for names in [
            &mut spec.peers.names,
            &mut spec.assets.get_or_insert_default().names,
        ]
        .into_iter()
        .flatten()
        {
            names.push("nobody".to_owned());
        }
    });
    hold!(units(&world.ask.of(decide, &one_more)) == units(&before));
    Ok(())
}

pub fn a_policy_with_a_field_that_is_not_enforced_changes_nothing(
    decide: Decide<'_>,
    world: &World,
) -> Verdict {
    let without = world
        .declared
        .only(|spec| not_yet_enforced(spec).is_empty());
    hold!(
        essence(&world.ask.of(decide, &without)) == essence(&world.ask.of(decide, &world.declared))
    );
    Ok(())
}

pub fn deleting_a_field_that_is_not_enforced_never_removes_access(
    decide: Decide<'_>,
    world: &World,
) -> Verdict {
    let deleted = world.declared.with_policies(delete_not_yet);
    let before = world.ask.of(decide, &world.declared);
    let after = world.ask.of(decide, &deleted);
    hold!(before.is_err() || after.is_ok());
    hold!(units(&before).is_subset(&units(&after)));
    Ok(())
}
