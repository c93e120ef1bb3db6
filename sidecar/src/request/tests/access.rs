//! Attacks on access and existence.

use finp2p_wire::digest::Digest;
use finp2p_wire::error::Code;
use finp2p_wire::message::{FetchAnswer, FetchItem};
use serde_json::json;

use super::world::*;
use crate::request::Records;

/// Everything that must look the same to bank-b: what it is, and how it is asked for.
fn not_shared() -> Vec<(&'static str, FetchItem)> {
    vec![
        ("absent", asset("nobodys")),
        ("unshared", asset("secret")),
        ("expired", asset("past")),
        ("a user", item("bank-a:101:nobody")),
        ("unknown type", item("bank-a:1234:nobody")),
        ("absent, with units", units("nobodys", &["/name"])),
        ("unshared, with units", units("secret", &["/name"])),
        (
            "unshared, and known by hash",
            FetchItem {
                have: Some(Digest([1; 32])),
                ..asset("secret")
            },
        ),
        ("unadvertised, without the purpose", asset("quiet")),
    ]
}

/// What an answer cost and how large it was.
#[derive(Debug, PartialEq)]
struct Work {
    bytes: usize,
    body: Vec<FetchAnswer>,
    reads: usize,
    signatures: u64,
    chains: u64,
    entries: usize,
}

fn work(world: &World, ask: impl FnOnce() -> (Vec<FetchAnswer>, Signed)) -> Work {
    let before = (world.records.reads(), world.responder.tally(now()));
    world.trail.take();
    let (body, signed) = ask();
    let after = world.responder.tally(now());
    Work {
        bytes: signed.bytes,
        body,
        reads: world.records.reads() - before.0,
        signatures: after.signatures - before.1.signatures,
        chains: after.chains - before.1.chains,
        entries: world.trail.take().len(),
    }
}

#[test]
fn attack_17_what_is_not_shared_and_what_is_not_there_cost_and_look_the_same() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let expected = work(&world, || talk.fetch(1, vec![asset("nobodys")]));
    assert_eq!(refused(&expected.body[0]), (7104, None));
    assert_eq!(
        (expected.reads, expected.signatures, expected.chains),
        (0, 1, 0)
    );
    assert_eq!(expected.entries, 1);
    for (name, item) in not_shared() {
        // The number stays in one byte, as the first.
        let talk = world.connect(&world.b);
        assert_eq!(
            work(&world, || talk.fetch(1, vec![item])),
            expected,
            "{name}"
        );
    }
    // To whom nothing at all is shared, everything looks like that.
    let talk = world.connect(&world.c);
    for (ctr, name) in [(1, "bond"), (2, "research"), (3, "broken"), (4, "empty")] {
        assert_eq!(
            work(&world, || talk.fetch(ctr, vec![asset(name)])),
            expected,
            "{name}"
        );
    }
}

#[test]
fn attack_17_a_planted_look_up_would_be_seen() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let honest = work(&world, || talk.fetch(1, vec![asset("secret")]));
    let planted = work(&world, || {
        Records::current(world.records.as_ref(), &resource("bank-a:102:secret")).unwrap();
        talk.fetch(2, vec![asset("secret")])
    });
    assert_ne!(planted, honest);
    // And what is granted is read: the count counts.
    assert_eq!(work(&world, || talk.fetch(3, vec![asset("bond")])).reads, 1);
}

#[test]
fn attack_17_the_true_reason_stands_in_the_audit_only() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let mut details = Vec::new();
    for (ctr, (_, item)) in (1..).zip(not_shared()) {
        talk.fetch(ctr, vec![item]);
        let entries = world.trail.take();
        assert_eq!(entries[0].code, 7104);
        details.push((entries[0].slug.clone(), entries[0].detail.clone().unwrap()));
    }
    let said = |slug: &str, detail: &str| (slug.to_owned(), detail.to_owned());
    let expected = [
        said("not-shared", "no such asset"),
        said("not-shared", "no policy"),
        said("not-shared", "policy expired"),
        said("not-shared", "not an asset"),
        said("not-shared", "not an asset"),
        said("not-shared", "no such asset"),
        said("not-shared", "no policy"),
        said("not-shared", "no policy"),
        said("purpose", "no grant for this purpose"),
    ];
    assert_eq!(details, expected);
}

#[test]
fn attack_18_ungranted_unknown_and_above_granted_are_one_refusal() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let mut answers = Vec::new();
    for (ctr, pointers) in [
        (1, &["/price"][..]),
        (2, &["/nothing"]),
        (3, &["/address"]),
        (4, &["/address/street"]),
        (5, &["/name", "/price"]),
        (6, &["/name/first"]),
        (7, &["no pointer"]),
    ] {
        let (answer, signed) = talk.fetch(ctr, vec![units("bond", pointers)]);
        assert_eq!(refused(&answer[0]), (3400, Some("fields")), "{pointers:?}");
        assert!(signed.attachments.is_empty());
        answers.push((answer, signed.bytes));
        let entries = world.trail.take();
        assert_eq!(
            (entries[0].code, entries[0].slug.as_str()),
            (3400, "fields")
        );
        assert_eq!(
            (entries[0].record, entries[0].units, entries[0].version),
            (None, None, None)
        );
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn exactly_the_granted_units_are_disclosed() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let granted = json!({"name": "Green bond 2031", "coupon": "2.1", "country": "DE"});
    for (ctr, item, expected) in [
        (1, asset("bond"), &granted),
        (
            2,
            units("bond", &["/name", "/coupon", "/address/country"]),
            &granted,
        ),
        (3, units("bond", &["/coupon"]), &json!({"coupon": "2.1"})),
    ] {
        let (answers, signed) = talk.fetch(ctr, vec![item]);
        let FetchAnswer::Record { record, .. } = &answers[0] else {
            panic!("{answers:?}")
        };
        assert_eq!((record.a, signed.attachments.len()), (0, 1));
        let mut shown = talk.opened(&signed.attachments[0]);
        // The object around the country holds digests only.
        if let Some(address) = shown.as_object_mut().unwrap().remove("address") {
            assert_eq!(
                address.as_object().unwrap().keys().collect::<Vec<_>>(),
                ["_sd"]
            );
        }
        assert_eq!(&shown, expected);
        for planted in ["planted-price", "planted-street"] {
            let found = |bytes: &[u8]| {
                bytes
                    .windows(planted.len())
                    .any(|w| w == planted.as_bytes())
            };
            assert!(!found(&signed.attachments[0]) && !found(&signed.envelope));
        }
    }
}

#[test]
fn a_purpose_that_is_demanded_must_be_named() {
    let world = World::new();
    let talk = world.connect(&world.b);
    for (ctr, purpose) in [(1, None), (2, Some("marketing")), (3, Some("Settlement"))] {
        let (answers, _) = talk.fetch_for(ctr, vec![asset("research")], purpose);
        assert_eq!(refused(&answers[0]), (3400, Some("purpose")), "{purpose:?}");
        assert_eq!(world.records.reads(), 0);
        let entry = &world.trail.take()[0];
        assert_eq!((entry.code, entry.slug.as_str()), (3400, "purpose"));
        assert_eq!(entry.purpose.as_deref(), purpose);
        assert_eq!(policies_of(entry), ["settlement"]);
    }
    // A purpose comes before units.
    let (answers, _) = talk.fetch(4, vec![units("research", &["/nothing"])]);
    assert_eq!(refused(&answers[0]), (3400, Some("purpose")));
    let (answers, _) = talk.fetch_for(5, vec![asset("research")], Some("settlement"));
    let FetchAnswer::Record { terms, .. } = &answers[0] else {
        panic!("{answers:?}")
    };
    assert_eq!(terms.purposes[0].as_str(), "settlement");
}

#[test]
fn what_is_not_advertised_tells_no_reason() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let (answers, _) = talk.fetch(1, vec![asset("quiet")]);
    assert_eq!(refused(&answers[0]), (7104, None));
    let (answers, _) = talk.fetch_for(2, vec![units("quiet", &["/price"])], Some("settlement"));
    assert_eq!(refused(&answers[0]), (7104, None));
    let entries = world.trail.take();
    assert_eq!(
        (entries[1].code, entries[1].slug.as_str()),
        (7104, "fields")
    );
    let (answers, _) = talk.fetch_for(3, vec![asset("quiet")], Some("settlement"));
    assert!(matches!(answers[0], FetchAnswer::Record { .. }));
}

#[test]
fn a_granted_reader_learns_that_there_is_no_record_yet_and_that_the_store_fails() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let (answers, _) = talk.fetch(1, vec![asset("empty"), asset("broken"), asset("bond")]);
    assert_eq!(refused(&answers[0]), (1100, None));
    assert_eq!(refused(&answers[1]), (2202, None));
    assert!(matches!(answers[2], FetchAnswer::Record { .. }));
    let codes: Vec<_> = world.trail.take().iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [1100, 2202, 0]);
}

#[test]
fn what_an_organization_may_not_ask_for_is_told_by_no_other_code() {
    // Whatever is asked by whom nothing is shared with, the answers are of three codes.
    let world = World::new();
    let talk = world.connect(&world.c);
    let mut items: Vec<FetchItem> = not_shared().into_iter().map(|(_, item)| item).collect();
    items.extend([item("bank-b:102:bond"), item("nonsense"), asset("bond")]);
    let (answers, _) = talk.fetch_for(1, items, Some("settlement"));
    let codes: Vec<u16> = answers.iter().map(|answer| refused(answer).0).collect();
    let not_shared = Code::NotShared.number();
    assert_eq!(codes[..9], [not_shared; 9]);
    assert_eq!(codes[9..], [9007, 1002, not_shared]);
    assert_eq!(world.records.reads(), 0);
}

#[test]
fn the_audit_says_what_a_policy_lacked() {
    let cases = [
        (
            json!({"allFields": true, "notBefore": "2027-06-01T00:00:00Z"}),
            "policy not valid yet",
        ),
        (
            json!({"allFields": true, "retentionDays": 3}),
            "policy not supported yet",
        ),
        (
            json!({"allFields": true, "fields": ["/name"]}),
            "policy malformed",
        ),
    ];
    for (spec, detail) in cases {
        let mut world = World::new();
        world.edit(|resources| resources.policy("another", &["secret"], spec));
        let talk = world.connect(&world.b);
        assert_eq!(
            refused(&talk.fetch(1, vec![asset("secret")]).0[0]),
            (7104, None)
        );
        let entry = &world.trail.take()[0];
        assert_eq!(entry.detail.as_deref(), Some(detail));
        assert_eq!(policies_of(entry), ["another"]);
    }
    let mut world = World::new();
    world.edit(|resources| {
        let mut second = resources.assets[0].clone();
        second.name = "bond-again".to_owned();
        resources.assets.push(second);
    });
    world.connect(&world.b).fetch(1, vec![asset("bond")]);
    let entry = &world.trail.take()[0];
    assert_eq!(
        entry.detail.as_deref(),
        Some("claimed by more than one asset")
    );
    assert_eq!((entry.code, world.records.reads()), (7104, 0));
}

#[test]
fn the_audit_says_that_the_policy_a_peer_counts_on_has_expired() {
    let mut world = World::new();
    let over = json!({"allFields": true, "notAfter": "2026-06-01T00:00:00Z"});
    world.edit(|resources| resources.policy("for-anything", &["research", "bond"], over));
    let talk = world.connect(&world.b);
    for (ctr, item, told, detail, near) in [
        (
            1,
            asset("research"),
            "purpose",
            "no grant for this purpose; policy expired",
            ["for-anything", "settlement"],
        ),
        (
            2,
            units("bond", &["/price"]),
            "fields",
            "units that are not granted or not there; policy expired",
            ["bonds", "for-anything"],
        ),
    ] {
        let (answers, _) = talk.fetch(ctr, vec![item]);
        assert_eq!(refused(&answers[0]), (3400, Some(told)));
        let entry = &world.trail.take()[0];
        assert_eq!(
            (entry.slug.as_str(), entry.detail.as_deref()),
            (told, Some(detail))
        );
        assert_eq!(policies_of(entry), near);
    }
}

#[test]
fn the_audit_says_everything_that_policies_lacked() {
    let mut world = World::new();
    world.edit(|resources| {
        for (name, spec) in [
            ("a", json!({"allFields": true, "retentionDays": 3})),
            (
                "b",
                json!({"allFields": true, "notAfter": "2026-06-01T00:00:00Z"}),
            ),
            (
                "c",
                json!({"allFields": true, "notAfter": "2026-06-02T00:00:00Z"}),
            ),
        ] {
            resources.policy(name, &["secret"], spec);
        }
    });
    world.connect(&world.b).fetch(1, vec![asset("secret")]);
    let entry = &world.trail.take()[0];
    let detail = entry.detail.as_deref();
    assert_eq!(detail, Some("policy expired; policy not supported yet"));
    assert_eq!(policies_of(entry), ["a", "b", "c"]);
}
