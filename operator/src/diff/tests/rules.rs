//! What counts as gained, one sentence each.

use finp2p_crds::label::Labels;
use finp2p_crds::sharing_policy::{Mode, SharingPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::model::compared;
use super::worlds::*;
use crate::diff::access::{Direction, Group};
use crate::diff::changed::What;
use crate::diff::reach::Right::{self, Fetch, List, Redistribute, Subscribe};
use crate::diff::scope::Scope;

/// One peer, one asset, one policy that grants `/a`.
fn bond() -> Declared {
    let mut declared = Declared {
        peers: vec![peer("p0", "o0")],
        policies: vec![policy(
            "k0",
            SharingPolicySpec {
                fields: Some(strings(&["/a"])),
                all_fields: None,
                ..open()
            },
        )],
        assets: vec![asset("a0", "A0")],
    };
    declared.peers[0].payload.labels = labels(&[("tier", "one")]);
    declared
}

/// What an edit gains; and that its reversal loses the same.
fn edit(edit: impl FnOnce(&mut Declared)) -> Vec<Group> {
    let old = bond();
    let mut new = old.clone();
    edit(&mut new);
    let there = compared(&old.facts(), &new.facts());
    let back = compared(&new.facts(), &old.facts());
    let rows = |direction: &Direction| -> Vec<_> {
        direction
            .groups
            .iter()
            .map(|group| group.row.clone())
            .collect()
    };
    assert_eq!(rows(&there.gained), rows(&back.lost));
    assert_eq!(rows(&there.lost), rows(&back.gained));
    there.gained.groups
}

fn edit_policy(change: impl FnOnce(&mut SharingPolicySpec)) -> Vec<Group> {
    edit(|declared| change(&mut declared.policies[0].payload.spec))
}

fn only(words: &[&str]) -> Scope {
    Scope::Only(strings(words))
}

fn all() -> Scope {
    Scope::All { except: vec![] }
}

fn all_but(words: &[&str]) -> Scope {
    Scope::All {
        except: strings(words),
    }
}

/// Rights, fields and purposes of the one group that there is.
fn one(groups: &[Group]) -> (Vec<Right>, Scope, Scope) {
    assert_eq!(groups.len(), 1, "{groups:#?}");
    let row = groups[0].row.clone();
    (row.rights, row.fields, row.purposes)
}

#[test]
fn the_same_gains_nothing_and_so_does_an_annotation() {
    assert_eq!(edit(|_| {}), []);
    assert_eq!(
        edit(|d| d.policies[0].payload.change = Some("commit".to_owned())),
        []
    );
}

#[test]
fn a_field_is_gained_and_what_was_had_before_is_not() {
    let groups = edit_policy(|spec| spec.fields = Some(strings(&["/a", "/b", "/b/c"])));
    assert_eq!(one(&groups), (vec![List, Fetch], only(&["/b"]), all()));
    assert_eq!(
        (&*groups[0].peers, &*groups[0].resources),
        (&strings(&["o0"])[..], &strings(&["us:102:A0"])[..])
    );
    assert_eq!(groups[0].because[0].name.as_deref(), Some("k0"));
    assert_eq!(groups[0].because[0].what, What::Changed);
    let groups = edit_policy(|spec| (spec.fields, spec.all_fields) = (None, Some(true)));
    assert_eq!(one(&groups), (vec![List, Fetch], all_but(&["/a"]), all()));
}

#[test]
fn a_narrower_pointer_gains_nothing() {
    assert_eq!(
        edit_policy(|spec| spec.fields = Some(strings(&["/a/b"]))),
        []
    );
}

#[test]
fn push_is_gained_over_pull() {
    let groups = edit_policy(|spec| spec.mode = Mode::Push);
    assert_eq!(one(&groups), (vec![Subscribe], only(&["/a"]), all()));
    assert_eq!(groups[0].row.policies[0].name, "k0");
}

#[test]
fn a_purpose_and_the_end_of_all_purposes_are_gained() {
    let with = |purposes: &[&str]| {
        let mut declared = bond();
        declared.policies[0].payload.spec.purposes = Some(strings(purposes));
        declared.facts()
    };
    let found = compared(&with(&["audit"]), &with(&["audit", "trade"]));
    assert_eq!(
        one(&found.gained.groups),
        (vec![List, Fetch], only(&["/a"]), only(&["trade"]))
    );
    let found = compared(&with(&["audit"]), &bond().facts());
    assert_eq!(
        one(&found.gained.groups),
        (vec![List, Fetch], only(&["/a"]), all_but(&["audit"]))
    );
    assert_eq!(found.lost, Direction::default());
}

#[test]
fn being_listed_and_passing_on_are_gained() {
    let mut hidden = bond();
    hidden.policies[0].payload.spec.advertise = Some(false);
    let found = compared(&hidden.facts(), &bond().facts());
    assert_eq!(
        one(&found.gained.groups),
        (vec![List], only(&["/a"]), all())
    );
    let groups = edit_policy(|spec| spec.redistribute = Some(true));
    assert_eq!(one(&groups), (vec![Redistribute], only(&["/a"]), all()));
}

#[test]
fn a_longer_window_is_gained_at_the_time_that_it_adds() {
    let until = |second| {
        let mut declared = bond();
        declared.policies[0].payload.spec.not_after = Some(Time(at(second)));
        declared.facts()
    };
    let found = compared(&until(5), &until(9));
    let row = &found.gained.groups[0].row;
    assert_eq!((row.from, row.until), (Some(at(5)), Some(at(9))));
    let found = compared(&until(5), &bond().facts());
    let row = &found.gained.groups[0].row;
    assert_eq!((row.from, row.until), (Some(at(5)), None));
    assert_eq!(compared(&until(9), &until(5)).gained, Direction::default());
}

#[test]
fn what_begins_later_counts_now_and_what_is_over_never() {
    let mut new = bond();
    let window = |begin, end| SharingPolicySpec {
        not_before: Some(Time(at(begin))),
        not_after: Some(Time(at(end))),
        ..open()
    };
    new.policies.push(policy("later", window(7, 8)));
    let found = compared(&bond().facts(), &new.facts());
    let row = &found.gained.groups[0].row;
    assert_eq!((row.from, row.until), (Some(at(7)), Some(at(8))));
    assert_eq!(row.policies[0].name, "later");
    new.policies[1] = policy("over", window(-7, -2));
    assert_eq!(
        compared(&bond().facts(), &new.facts()).gained,
        Direction::default()
    );
}

#[test]
fn labels_that_a_selector_matches_are_gained() {
    let selecting = |labels: Labels| {
        let mut declared = bond();
        declared.assets[0].payload.labels = labels;
        declared.policies[0].payload.spec.assets = Some(labelled(&[("desk", "x")]));
        declared.facts()
    };
    let found = compared(
        &selecting(labels(&[])),
        &selecting(labels(&[("desk", "x")])),
    );
    assert_eq!(
        one(&found.gained.groups),
        (vec![List, Fetch], only(&["/a"]), all())
    );
    assert_eq!(found.gained.groups[0].because[0].kind, "SharedAsset");
    let groups = edit(|d| {
        d.policies[0].payload.spec.peers = labelled(&[("tier", "one")]);
        d.peers.push(peer("p1", "o1"));
        d.peers[1].payload.labels = labels(&[("tier", "one")]);
    });
    assert_eq!(groups.len(), 1);
    assert_eq!(groups[0].peers, ["o1"]);
}

#[test]
fn a_lifted_suspension_gives_back_what_policies_say() {
    let mut suspended = bond();
    suspended.peers[0].payload.suspended = true;
    let found = compared(&suspended.facts(), &bond().facts());
    assert_eq!(
        one(&found.gained.groups),
        (vec![List, Fetch], only(&["/a"]), all())
    );
    assert_eq!(found.gained.groups[0].because[0].kind, "PeerOrganization");
}

#[test]
fn opening_an_object_gives_what_pointers_into_it_say() {
    let opened = |units: &[&str]| {
        let mut declared = bond();
        declared.policies[0].payload.spec.fields = Some(strings(&["/b/c"]));
        declared.assets[0].payload.units = strings(units);
        declared.facts()
    };
    let found = compared(&opened(&[]), &opened(&["/b"]));
    assert_eq!(
        one(&found.gained.groups),
        (vec![List, Fetch], only(&["/b/c"]), all())
    );
    assert_eq!(
        compared(&opened(&["/b"]), &opened(&[])).gained,
        Direction::default()
    );
}

#[test]
fn what_another_policy_grants_already_is_not_gained() {
    let groups = edit(|d| {
        d.policies
            .push(policy("same", d.policies[0].payload.spec.clone()))
    });
    assert_eq!(groups, []);
}

#[test]
fn settling_a_dispute_counts() {
    let mut disputed = bond();
    disputed.peers.push(peer("twin", "o0"));
    let found = compared(&disputed.facts(), &bond().facts());
    assert_eq!(found.gained.groups.len(), 1);
    let mut disputed = bond();
    disputed.assets.push(asset("twin", "A0"));
    let found = compared(&disputed.facts(), &bond().facts());
    assert_eq!(found.gained.groups.len(), 1);
}

#[test]
fn readers_and_resources_that_gain_the_same_are_one_group() {
    let mut old = bond();
    old.peers.extend([peer("p1", "o1"), peer("p2", "o2")]);
    old.assets.extend([asset("a1", "A1"), asset("a2", "A2")]);
    old.policies[0].payload.spec.assets = Some(named(&["a2"]));
    let mut new = old.clone();
    let spec = SharingPolicySpec {
        peers: named(&["p0", "p2"]),
        ..open()
    };
    new.policies.push(policy("k1", spec));
    let groups = compared(&old.facts(), &new.facts()).gained.groups;
    let said: Vec<_> = groups
        .iter()
        .map(|g| (g.peers.join(" "), g.resources.join(" "), &g.row.fields))
        .collect();
    let both = "o0 o2".to_owned();
    assert_eq!(
        said,
        [
            (both.clone(), "us:102:A0 us:102:A1".to_owned(), &all()),
            (both, "us:102:A2".to_owned(), &all_but(&["/a"]))
        ]
    );
}
