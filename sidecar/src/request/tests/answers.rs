//! What an answer holds: records and their terms, the catalogue, keys.

use finp2p_crds::sharing_policy::Mode as Declared;
use finp2p_wire::cbor::List;
use finp2p_wire::digest::Digest;
use finp2p_wire::key::Kid;
use finp2p_wire::limits::RESPONSE_FRAME_MAX_BYTES;
use finp2p_wire::message::{FetchAnswer, FetchItem, Mode, Prepared, RecordRef, Terms};
use serde_json::json;

use super::catalogue::ids;
use super::world::*;
use crate::record::disclosures_digest;
use crate::request::decision::Asked;
use crate::request::{RecordCertificate, Snapshot, fetch};

pub fn record(answer: &FetchAnswer) -> (RecordRef, Terms) {
    match answer {
        FetchAnswer::Record { record, terms } => (*record, terms.clone()),
        other => panic!("no record: {other:?}"),
    }
}

#[test]
fn an_answer_binds_the_record_and_what_is_disclosed_of_it() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let (answers, signed) = talk.fetch(1, vec![asset("bond")]);
    let (bound, terms) = record(&answers[0]);
    let text = std::str::from_utf8(&signed.attachments[0]).unwrap();
    assert_eq!(bound.dd, Digest(disclosures_digest(text)));
    let signing_input = text.split('~').next().unwrap().rsplit_once('.').unwrap().0;
    assert_eq!(bound.h, Digest::of(signing_input));
    let expected = Terms {
        modes: List::new(vec![Mode::Pull]).unwrap(),
        purposes: List::default(),
        exp: None,
        retain: None,
        lease: None,
        redistribute: false,
        grant: terms.grant,
    };
    assert_eq!(terms, expected);
}

#[test]
fn terms_say_what_the_policy_says() {
    let mut world = World::new();
    world.edit(|resources| {
        let more = json!({
            "mode": "Push", "allFields": true, "purposes": ["audit", "settlement"],
            "notAfter": "2027-01-01T00:00:00Z", "redistribute": true,
        });
        resources.policy("more", &["secret"], more);
    });
    let talk = world.connect(&world.b);
    let (answers, _) = talk.fetch_for(1, vec![asset("secret")], Some("audit"));
    let (_, terms) = record(&answers[0]);
    assert_eq!(terms.modes.to_vec(), [Mode::Pull, Mode::Push]);
    let purposes: Vec<&str> = terms
        .purposes
        .iter()
        .map(|purpose| purpose.as_str())
        .collect();
    assert_eq!(purposes, ["audit", "settlement"]);
    assert_eq!((terms.exp, terms.redistribute), (Some(1_798_761_600), true));
}

#[test]
fn the_grant_s_digest_changes_with_the_policy_and_with_the_units() {
    let mut world = World::new();
    let grant = |world: &World, item: FetchItem| {
        let talk = world.connect(&world.b);
        record(&talk.fetch(1, vec![item]).0[0]).1.grant
    };
    let first = grant(&world, asset("bond"));
    assert_eq!(grant(&world, asset("bond")), first);
    assert_ne!(grant(&world, units("bond", &["/name"])), first);
    world.edit(|resources| resources.policies[0].generation += 1);
    let second = grant(&world, asset("bond"));
    assert_ne!(second, first);
    world.edit(|resources| resources.policies[0].uid.push('2'));
    assert_ne!(grant(&world, asset("bond")), second);
}

#[test]
fn a_copy_that_is_current_is_not_sent_again() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let (answers, full) = talk.fetch(1, vec![asset("bond")]);
    let (bound, terms) = record(&answers[0]);
    world.trail.take();
    let have = |have| {
        vec![FetchItem {
            have: Some(have),
            ..asset("bond")
        }]
    };
    let (answers, short) = talk.fetch(2, have(bound.h));
    assert_eq!(answers, [FetchAnswer::Unchanged { terms }]);
    assert!(short.attachments.is_empty() && short.bytes < full.bytes);
    assert_eq!(world.trail.take()[0].code, 0);
    let (answers, _) = talk.fetch(3, have(Digest([0; 32])));
    assert_eq!(record(&answers[0]).0.h, bound.h);
    // It is no way around a grant.
    let (answers, _) = world.connect(&world.c).fetch(1, have(bound.h));
    assert_eq!(refused(&answers[0]), (7104, None));
}

#[test]
fn a_record_that_does_not_fit_beside_others_is_asked_for_alone() {
    let mut world = World::new();
    for name in ["one", "two", "three", "four"] {
        world.edit(|resources| resources.asset(name));
        world.publish(name, &json!({ "text": "x".repeat(240 * 1024) }));
    }
    world.edit(|resources| {
        let all = json!({"allFields": true});
        resources.policy("large", &["one", "two", "three", "four"], all);
    });
    let talk = world.connect(&world.b);
    let names = ["one", "two", "three", "four", "bond"];
    let (answers, signed) = talk.fetch(1, names.map(asset).to_vec());
    assert!(signed.bytes <= RESPONSE_FRAME_MAX_BYTES);
    assert_eq!(signed.attachments.len(), 4);
    assert_eq!(refused(&answers[3]), (9001, None));
    assert_eq!(record(&answers[4]).0.a, 3, "what is small still fits");
    let entries = world.trail.take();
    let codes: Vec<u16> = entries.iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [0, 0, 0, 9001, 0]);
    let left = &entries[3];
    assert_eq!(
        (left.slug.as_str(), left.record, left.units, left.version),
        ("too-large", None, None, None)
    );
    assert_eq!(left.resource.as_deref(), Some("bank-a:102:four"));
    assert!(matches!(
        talk.fetch(2, vec![asset("four")]).0[0],
        FetchAnswer::Record { .. }
    ));
}

#[test]
fn record_keys_come_with_what_certifies_them() {
    let world = World::new();
    let talk = world.connect(&world.c);
    let known = world.a.record.kid();
    let (issuing, certificate) = (&world.a.certificates[0], &world.a.certificates[2]);
    let answer = talk.keys(1, vec![known, Kid([0; 16]), known], None);
    assert_eq!(
        answer.certs,
        Some(presented(&[issuing.clone(), certificate.clone()]))
    );
    assert_eq!(talk.keys(2, vec![Kid([0; 16])], None).certs, None);
    let entries = world.trail.take();
    assert_eq!((entries[0].op.as_str(), entries[0].code), ("keys", 0));
}

#[test]
fn a_key_that_was_certified_again_is_told_with_the_certificate_of_the_record_s_time() {
    let world = World::new();
    let issuing = world.a.certificates[0].clone();
    let certified = |serial: u64, not_before: u64| {
        let said = Certified {
            serial,
            not_before,
            not_after: not_before + 20 * DAY,
            ..USUAL
        };
        world.a.certified(said)[2].clone()
    };
    // Four times, ten days apart, each for twenty days.
    let each: Vec<_> = (1..=4).map(|n| certified(n, NOW - 10 * DAY * n)).collect();
    let known = each
        .iter()
        .map(|one| RecordCertificate::new(one.clone(), issuing.clone()).unwrap());
    let snapshot = Snapshot {
        record_keys: [(world.a.record.kid(), known.collect())].into(),
        ..world.edited(|_| {})
    };
    world.configuration.apply(snapshot);
    let kid = world.a.record.kid();
    let talk = world.connect(&world.c);
    let told = |ctr, at| talk.keys(ctr, vec![kid], at).certs.unwrap();
    let in_order = |order: [usize; 3]| {
        let records = order.map(|n| each[n].clone());
        presented(&[vec![issuing.clone()], records.to_vec()].concat())
    };
    assert_eq!(told(1, None), in_order([0, 1, 2]));
    assert_eq!(told(2, Some(NOW - 35 * DAY)), in_order([3, 0, 1]));
    assert_eq!(told(3, Some(NOW - 25 * DAY)), in_order([2, 3, 0]));
    assert_eq!(told(4, Some(NOW - 80 * DAY)), in_order([0, 1, 2]));
}

#[test]
fn after_a_roll_back_only_what_both_configurations_grant_is_served() {
    let mut world = World::new();
    world.edit(|resources| resources.assets.retain(|asset| asset.name != "broken"));
    let newer = world.resources.clone();
    let mut narrowed = newer.clone();
    // Since the backup one policy was withdrawn, and one narrowed.
    narrowed
        .policies
        .retain(|policy| policy.name != "settlement");
    let bonds = &mut narrowed.policies[0].payload.spec;
    bonds.fields = Some(vec!["/name".to_owned(), "/price".to_owned()]);
    let end = json!("2027-01-01T00:00:00Z");
    bonds.not_after = Some(serde_json::from_value(end).unwrap());
    bonds.mode = Declared::Push;
    world.edit(|resources| resources.restrained_by = Some(narrowed.facts()));

    let talk = world.connect(&world.b);
    let (answers, _) = talk.fetch_for(1, vec![asset("research")], Some("settlement"));
    assert_eq!(refused(&answers[0]), (7104, None));
    let (answers, signed) = talk.fetch(2, vec![asset("bond")]);
    let (_, terms) = record(&answers[0]);
    assert_eq!(
        talk.opened(&signed.attachments[0]),
        json!({"name": "Green bond 2031"})
    );
    assert_eq!(
        (terms.exp, terms.modes.to_vec()),
        (Some(1_798_761_600), vec![Mode::Pull])
    );
    for (ctr, pointer) in [(3, "/price"), (4, "/coupon")] {
        let (answers, _) = talk.fetch(ctr, vec![units("bond", &[pointer])]);
        assert_eq!(refused(&answers[0]), (3400, Some("fields")), "{pointer}");
    }
    let page = talk.catalog(5, None, 9);
    assert_eq!(ids(&page.items), ["bank-a:102:bond"]);
    assert_eq!(
        page.items[0]
            .units
            .iter()
            .map(|u| u.as_str())
            .collect::<Vec<_>>(),
        ["/name"]
    );
    // Nothing in common is nothing.
    let mut apart = newer;
    apart.policies[0].payload.spec.fields = Some(vec!["/price".to_owned()]);
    let apart = apart.facts();
    let sid = talk.sid;
    world.edit(|resources| resources.restrained_by = Some(apart));
    let talk = Talk {
        world: &world,
        bank: &world.b,
        sid,
        now: NOW,
    };
    assert_eq!(
        refused(&talk.fetch(6, vec![asset("bond")]).0[0]),
        (3400, Some("fields"))
    );
    assert_eq!(
        ids(&talk.catalog(7, None, 9).items),
        ["bank-a:102:research"]
    );
}

#[test]
fn as_many_record_keys_are_given_as_fit_and_each_with_its_issuer() {
    let world = World::new();
    let mut snapshot = world.edited(|_| {});
    let kids: Vec<Kid> = (1..=5).map(|n| Kid([n; 16])).collect();
    let issuing = world.a.certificates[0].clone();
    let certificate = |kid: &Kid| {
        let incarnation = u64::from(kid.0[0]);
        let said = Certified {
            incarnation,
            ..USUAL
        };
        world.a.certified(said)[2].clone()
    };
    for kid in &kids {
        let known = RecordCertificate::new(certificate(kid), issuing.clone()).unwrap();
        snapshot.record_keys.insert(*kid, vec![known]);
    }
    let with_issuing = |kids: &[Kid]| {
        let mut all = vec![issuing.clone()];
        all.extend(kids.iter().map(certificate));
        presented(&all)
    };
    world.configuration.apply(snapshot);
    let talk = world.connect(&world.c);
    let told = |ctr, kids: &[Kid]| talk.keys(ctr, kids.to_vec(), None).certs.unwrap();
    assert_eq!(told(1, &kids), with_issuing(&kids[..3]));
    assert_eq!(told(2, &kids[3..]), with_issuing(&kids[3..]));
}

#[test]
fn a_request_never_holds_more_than_one_response() {
    let mut world = World::new();
    world.edit(|resources| {
        resources.asset("large");
        resources.policy("large", &["large"], json!({"allFields": true}));
    });
    world.publish("large", &json!({ "text": "x".repeat(240 * 1024) }));
    let snapshot = world.configuration.current();
    let asked = Asked {
        now: now(),
        snapshot: &snapshot,
        organization: "bank-b",
        purpose: None,
        records: world.records.as_ref(),
    };
    let items = List::new(vec![asset("large"); 64]).unwrap();
    let decided = fetch::prepared(&asked, &items);
    let held: Vec<usize> = decided
        .iter()
        .filter_map(|(prepared, _)| match prepared {
            Prepared::Record { attachment, .. } => Some(attachment.len()),
            _ => None,
        })
        .collect();
    assert_eq!(held.len(), 3);
    assert!(held.iter().sum::<usize>() <= RESPONSE_FRAME_MAX_BYTES);
    let codes: Vec<u16> = decided.iter().map(|(_, finding)| finding.code).collect();
    assert_eq!((&codes[..3], &codes[3..]), (&[0; 3][..], &[9001; 61][..]));
}
