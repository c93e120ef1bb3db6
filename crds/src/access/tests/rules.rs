//! Who gets something at all, one sentence each.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::*;
use super::bond::{ask, declared, fields, refusal, shortfall, units};
use super::world::{
    Ask, Declared, asset, at, everyone, labelled, labels, named, open, peer, policy, set_not_yet,
    strings,
};
use crate::shared_asset::From;
use crate::sharing_policy::{Selection, UserSelection};

#[test]
fn without_a_policy_nothing_is_shared() {
    let refusal = refusal(&ask(), &declared(&[]));
    assert_eq!(refusal.told, Reason::NotShared);
    assert_eq!((refusal.requester, refusal.resource), (None, None));
}

#[test]
fn a_grant_names_the_policy_its_generation_and_its_change() {
    let mut world = declared(&[open()]);
    world.policies[0].generation = 7;
    world.policies[0].payload.change = Some("CHG-1".to_owned());
    let access = ask().of(&decide, &world).unwrap();
    let policy = &access.grants[0].policy;
    assert_eq!((policy.name.as_str(), policy.generation), ("policy-0", 7));
    assert_eq!(policy.uid, "uid-of-policy-0");
    assert_eq!(policy.payload.change.as_deref(), Some("CHG-1"));
}

#[test]
fn peers_and_assets_are_selected_by_name_of_the_object_by_label_or_all() {
    for (assets, peers, granted) in [
        (everyone(), everyone(), true),
        (named(&["bond"]), named(&["b"]), true),
        (named(&["ghost", "bond"]), named(&["ghost", "b"]), true),
        (
            labelled(&[("desk", "bonds")]),
            labelled(&[("region", "eu")]),
            true,
        ),
        (named(&["BOND"]), everyone(), false),
        (everyone(), named(&["bank-b"]), false),
        (named(&["loan"]), everyone(), false),
        (everyone(), named(&["c"]), false),
        (labelled(&[("desk", "loans")]), everyone(), false),
        (labelled(&[]), everyone(), false),
        (everyone(), labelled(&[]), false),
        (Selection::default(), everyone(), false),
        (everyone(), Selection::default(), false),
        (
            Selection {
                all: Some(false),
                ..named(&["bond"])
            },
            everyone(),
            false,
        ),
        (
            Selection {
                all: Some(false),
                ..Selection::default()
            },
            everyone(),
            false,
        ),
    ] {
        let spec = SharingPolicySpec {
            assets: Some(assets),
            peers,
            ..open()
        };
        let access = ask().of(&decide, &declared(std::slice::from_ref(&spec)));
        assert_eq!(access.is_ok(), granted, "{spec:?}");
    }
}

#[test]
fn a_policy_that_breaks_a_rule_of_the_schema_grants_nothing() {
    type Break = fn(&mut SharingPolicySpec);
    let malformed: [Break; 9] = [
        |spec| spec.assets = None,
        |spec| spec.users = Some(UserSelection::default()),
        |spec| spec.all_fields = None,
        |spec| spec.all_fields = Some(false),
        |spec| spec.fields = Some(strings(&["/name"])),
        |spec| spec.assets = Some(Selection::default()),
        |spec| spec.peers = Selection::default(),
        |spec| spec.peers.all = Some(false),
        |spec| spec.peers.names = Some(strings(&["b"])),
    ];
    for (n, change) in malformed.iter().enumerate() {
        let mut spec = open();
        change(&mut spec);
        assert_eq!(standing(&spec, at(10)), Err(Shortfall::Malformed), "{n}");
        assert!(ask().of(&decide, &declared(&[spec])).is_err(), "{n}");
    }
    let empty: [Break; 2] = [
        |spec| spec.purposes = Some(vec![]),
        |spec| *spec = fields(&["", "/", "name"]),
    ];
    for (n, change) in empty.iter().enumerate() {
        let mut spec = open();
        change(&mut spec);
        assert!(ask().of(&decide, &declared(&[spec])).is_err(), "{n}");
    }
}

#[test]
fn a_selection_that_is_not_exactly_one_thing_picks_nothing() {
    let two = Selection {
        all: Some(true),
        ..named(&["b"])
    };
    let three = Selection {
        names: two.names.clone(),
        all: Some(true),
        ..labelled(&[("x", "y")])
    };
    let refused = Selection {
        all: Some(false),
        ..Selection::default()
    };
    for selection in [
        two,
        three,
        refused,
        Selection::default(),
        named(&[]),
        labelled(&[]),
    ] {
        assert!(
            !selects(&selection, "b", &labels(&[("x", "y")])),
            "{selection:?}"
        );
    }
}

#[test]
fn a_grant_of_neither_fields_nor_all_fields_opens_nothing() {
    let spec = SharingPolicySpec {
        all_fields: None,
        ..open()
    };
    let policy = Arc::new(policy("none", spec));
    assert!(!Grant { policy }.opens("/name"));
}

#[test]
fn who_is_no_reader_gets_nothing_and_the_audit_says_why() {
    type Change = fn(&mut Declared, &mut Ask);
    let cases: [(RequesterFault, Change); 6] = [
        (RequesterFault::Suspended, |world, _| {
            world.peers[0].payload.suspended = true
        }),
        (RequesterFault::NoKeys, |world, _| {
            world.peers[0].payload.keys.clear()
        }),
        (RequesterFault::Unknown, |_, ask| {
            ask.requester = "bank-x".to_owned()
        }),
        (RequesterFault::Local, |world, ask| {
            world.peers.push(peer("self", "us"));
            ask.requester = "us".to_owned();
        }),
        (RequesterFault::Disputed, |world, _| {
            world.peers.push(peer("b2", "bank-b"))
        }),
        (RequesterFault::Disputed, |world, _| {
            world.peers.push(peer("b", "bank-d"))
        }),
    ];
    for (fault, change) in cases {
        let (mut world, mut ask) = (declared(&[open()]), ask());
        change(&mut world, &mut ask);
        let refusal = refusal(&ask, &world);
        assert_eq!(
            (refusal.requester, refusal.told),
            (Some(fault), Reason::NotShared)
        );
    }
}

#[test]
fn what_is_not_our_own_asset_is_not_shared_and_the_audit_says_why() {
    type Change = fn(&mut Declared, &mut Ask);
    let cases: [(ResourceFault, Change); 7] = [
        (ResourceFault::Unknown, |_, ask| {
            ask.resource = "us:102:NONE".to_owned()
        }),
        (ResourceFault::AnotherPrimary, |_, ask| {
            ask.resource = "bank-c:102:BOND".to_owned()
        }),
        (ResourceFault::NotAnAsset, |_, ask| {
            ask.resource = "us:101:BOND".to_owned()
        }),
        (ResourceFault::NotAnAsset, |_, ask| {
            ask.resource = "us:1000:BOND".to_owned()
        }),
        (ResourceFault::Disputed, |world, _| {
            world.assets.push(asset("bond2", "us:102:BOND"))
        }),
        (ResourceFault::Disputed, |world, _| {
            world.assets.push(asset("bond", "us:102:OTHER"))
        }),
        (ResourceFault::Unknown, |world, _| {
            world.assets[0].payload.from = Some(From {
                peer: "c".to_owned(),
                asset_id: "BOND".to_owned(),
                mode: Mode::Pull,
            });
        }),
    ];
    for (fault, change) in cases {
        let (mut world, mut ask) = (declared(&[open()]), ask());
        change(&mut world, &mut ask);
        let refusal = refusal(&ask, &world);
        assert_eq!(
            (refusal.resource, refusal.told),
            (Some(fault), Reason::NotShared)
        );
    }
}

#[test]
fn each_field_that_is_not_enforced_yet_makes_its_policy_grant_nothing() {
    for (n, entry) in NOT_YET_ENFORCED.iter().enumerate() {
        let mut spec = SharingPolicySpec {
            mode: Mode::Push,
            ..open()
        };
        set_not_yet(&mut spec, n);
        assert_eq!(not_yet_enforced(&spec), [entry.field]);
        assert_eq!(
            standing(&spec, at(10)),
            Err(Shortfall::NotYetSupported(vec![entry.field]))
        );
        let world = declared(&[spec, fields(&["/name"])]);
        assert_eq!(units(&ask(), &world), ["/name"], "{}", entry.field);
    }
}

#[test]
fn a_window_includes_its_begin_and_excludes_its_end() {
    let window = SharingPolicySpec {
        not_before: Some(Time(at(10))),
        not_after: Some(Time(at(20))),
        ..open()
    };
    let when = |second| Ask {
        now: at(second),
        ..ask()
    };
    assert_eq!(shortfall(&when(9), window.clone()), Shortfall::NotYetValid);
    assert!(
        when(10)
            .of(&decide, &declared(std::slice::from_ref(&window)))
            .is_ok()
    );
    assert!(
        when(19)
            .of(&decide, &declared(std::slice::from_ref(&window)))
            .is_ok()
    );
    assert_eq!(shortfall(&when(20), window.clone()), Shortfall::Expired);
    let facts = declared(&[window]).facts();
    assert_eq!(facts.next_boundary(at(9)), Some(at(10)));
    assert_eq!(facts.next_boundary(at(10)), Some(at(20)));
    assert_eq!(facts.next_boundary(at(20)), None);
}

#[test]
fn fetching_needs_any_mode_and_subscribing_needs_push() {
    let subscribe = Ask {
        operation: Operation::Subscribe,
        ..ask()
    };
    let push = SharingPolicySpec {
        mode: Mode::Push,
        ..open()
    };
    assert_eq!(shortfall(&subscribe, open()), Shortfall::Mode);
    assert!(
        subscribe
            .of(&decide, &declared(std::slice::from_ref(&push)))
            .is_ok()
    );
    assert!(ask().of(&decide, &declared(&[push])).is_ok());
}
