//! Attacks by many items, hostile identifiers and purposes; what is paid for them.

use finp2p_wire::cbor::List;
use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::{self, Expect};
use finp2p_wire::message::{Answer, FetchAnswer, Purpose, Request};
use serde_json::json;

use super::world::*;
use crate::request::probe::MISSES_ALARM;

#[test]
fn attack_20_policies_add_up_an_expired_one_adds_nothing_and_suspension_beats_all() {
    let mut world = World::new();
    world.edit(|resources| {
        resources.policy("price-too", &["bond"], json!({"fields": ["/price"]}));
        let over = json!({"allFields": true, "notAfter": "2026-06-01T00:00:00Z"});
        resources.policy("everything-once", &["bond"], over);
    });
    let sid = {
        let talk = world.connect(&world.b);
        let (answers, _) = talk.fetch(1, vec![units("bond", &["/name", "/price"])]);
        assert!(matches!(answers[0], FetchAnswer::Record { .. }));
        let entry = &world.trail.take()[0];
        assert_eq!(policies_of(entry), ["bonds", "price-too"]);
        let (answers, _) = talk.fetch(2, vec![units("bond", &["/address/street"])]);
        assert_eq!(refused(&answers[0]), (3400, Some("fields")));
        talk.sid
    };
    world.edit(|resources| resources.peer("bank-b").suspended = true);
    let talk = Talk {
        world: &world,
        bank: &world.b,
        sid,
        now: NOW,
    };
    let request = talk.request(3, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 3000);
}

#[test]
fn attack_21_trying_identifiers_is_paid_by_the_identifier_noticed_and_bounded_in_the_audit() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 100);
    let talk = world.connect(&world.b);
    world.counted();
    let mut refused_items = 0;
    let (mut limited, mut last) = (0, 0);
    for ctr in 1..=100 {
        let items = (0..64)
            .map(|n| asset(&format!("guess-{ctr}-{n}")))
            .collect();
        match talk.send(&talk.request(ctr, fetch_body(items))) {
            Got::Signed(_) => {
                refused_items += 64;
                last = ctr;
            }
            got => {
                assert_eq!(got.hint(), 9003);
                limited += 1;
            }
        }
    }
    // A second's worth of tokens, of which a request takes its items.
    assert_eq!((last, limited, refused_items), (2, 98, 128));
    let entries = world.trail.take();
    assert_eq!(entries.len(), 128);
    assert!(entries.iter().all(|entry| entry.code == 7104));
    assert_eq!(
        entries
            .iter()
            .filter(|entry| entry.envelope.is_some())
            .count(),
        2
    );
    assert_eq!(world.counted(), vec![(Some("bank-b".to_owned()), 9003); 98]);
    // The debt ends after a second, and the alarm is raised by the thousandth miss.
    assert!(world.responder.tally(now()).probing.is_empty());
    let mut misses = refused_items;
    let (mut second, mut ctr) = (NOW, 1000);
    while misses < MISSES_ALARM {
        second += 2;
        ctr += 1;
        let later = Talk {
            now: second,
            world: &world,
            bank: &world.b,
            sid: talk.sid,
        };
        later.fetch(
            ctr,
            (0..64)
                .map(|n| asset(&format!("guess-{ctr}-{n}")))
                .collect(),
        );
        misses += 64;
    }
    assert_eq!(world.responder.tally(at(second)).probing, ["bank-b"]);
    assert_eq!(world.records.reads(), 0);
}

#[test]
fn a_batch_of_what_is_shared_costs_one_token() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 4);
    let talk = world.connect(&world.b);
    for ctr in 1..=3 {
        talk.fetch(ctr, vec![asset("bond"); 64]);
    }
    let request = talk.request(4, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 9003);
}

#[test]
fn one_item_that_is_not_shared_costs_no_more_than_its_request() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 4);
    let talk = world.connect(&world.b);
    for ctr in 1..=3 {
        talk.fetch(ctr, vec![asset("secret")]);
    }
    let request = talk.request(4, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 9003);
}

#[test]
fn attack_22_another_organizations_resource_and_malformed_ids_are_told_as_such() {
    let world = World::new();
    let talk = world.connect(&world.b);
    for (ctr, text, code) in [
        (1, "bank-b:102:bond", 9007),
        (2, "bank-c:102:bond", 9007),
        (3, "bank:a:102:bond", 1002),
        (4, "b\u{430}nk-a:102:bond", 1002),
        (5, "bank-a:0102:bond", 1002),
        (6, "bank-a", 1002),
        (7, "bank-a:102:", 1002),
    ] {
        let (answers, signed) = talk.fetch(ctr, vec![item(text)]);
        assert_eq!(refused(&answers[0]), (code, None), "{text:?}");
        assert!(signed.attachments.is_empty());
        let entry = &world.trail.take()[0];
        assert_eq!((entry.code, entry.resource.as_deref()), (code, Some(text)));
    }
    assert_eq!(world.records.reads(), 0);
}

#[test]
fn attack_22_an_id_of_a_megabyte_is_not_read() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let mut payload = talk.request(1, fetch_body(vec![asset("bond")])).encode();
    // The id in a text of a megabyte: the frame is refused by its size before anything is read.
    let id = b"bank-a:102:bond";
    let start = payload
        .windows(id.len())
        .position(|window| window == id)
        .unwrap();
    let huge = |bytes: u32| {
        let mut text = vec![0x7a];
        text.extend(bytes.to_be_bytes());
        text.extend(vec![b'x'; usize::try_from(bytes).unwrap()]);
        text
    };
    let tail = payload.split_off(start + id.len());
    payload.truncate(start - 1);
    let with = |text: Vec<u8>| [payload.clone(), text, tail.clone()].concat();
    let envelope = envelope::seal(Kind::Req, NETWORK, &world.b.session, &with(huge(1 << 20)));
    let mut frame = vec![0x82, 0x5a];
    frame.extend(u32::try_from(envelope.len()).unwrap().to_be_bytes());
    frame.extend(&envelope);
    frame.push(0x80);
    assert_eq!(world.answer(&world.b, &frame).hint(), 9001);
    // And one that fits the frame, by its length.
    let frame = sealed(
        Kind::Req,
        &world.b.session,
        &with(
            vec![0x79, 0x01, 0x01]
                .into_iter()
                .chain(vec![b'x'; 257])
                .collect(),
        ),
    );
    assert_eq!(world.answer(&world.b, &frame).hint(), 1002);
    assert_eq!(world.trail.take().len(), 0);
}

#[test]
fn attack_23_a_forbidden_item_fails_alone_and_every_item_is_decided_and_written() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let mut items = vec![asset("bond"); 64];
    items[40] = asset("secret");
    let request = talk.request(1, fetch_body(items));
    let (answer, signed) = talk.ask(&request);
    let Answer::Fetch(answers) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((answers.len(), signed.attachments.len()), (64, 63));
    for (index, answer) in answers.iter().enumerate() {
        match answer {
            FetchAnswer::Record { record, .. } => {
                let expected = if index < 40 { index } else { index - 1 };
                assert_eq!(record.a, expected as u64);
            }
            other => assert_eq!((index, refused(other)), (40, (7104, None))),
        }
    }
    assert_eq!(world.records.reads(), 63);
    let entries = world.trail.take();
    assert_eq!(entries.len(), 64);
    let envelope = envelope::seal(Kind::Req, NETWORK, &world.b.session, &request.encode());
    let digest = envelope::digest(&envelope);
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.code, if index == 40 { 7104 } else { 0 });
        assert_eq!(
            entry.envelope.as_deref(),
            (index == 0).then_some(&*envelope)
        );
        assert_eq!(entry.request, Some(digest.0));
        assert_eq!(entry.organization.as_deref(), Some("bank-b"));
        assert_eq!((entry.op.as_str(), entry.configuration), ("fetch", [1; 32]));
    }
    assert_eq!(policies_of(&entries[0]), ["bonds"]);
    assert_eq!(
        (entries[0].version, entries[0].slug.as_str()),
        (Some(41), "granted")
    );
    assert_eq!(entries[0].resource.as_deref(), Some("bank-a:102:bond"));
    assert!(entries[0].units.is_some() && entries[0].record.is_some());
    assert_eq!(
        (entries[40].units, entries[40].record, entries[40].version),
        (None, None, None)
    );
}

#[test]
fn attack_24_an_empty_or_huge_purpose_is_no_request() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let request = Request {
        purpose: Some(Purpose::new("zz").unwrap()),
        ..talk.request(1, fetch_body(vec![asset("bond")]))
    };
    let payload = request.encode();
    let at = payload
        .windows(4)
        .position(|window| window == [0x07, 0x62, b'z', b'z'])
        .unwrap();
    let with = |text: &[u8]| [&payload[..=at], text, &payload[at + 4..]].concat();
    let long = [&[0x78, 64][..], &[b'z'; 64]].concat();
    for text in [&[0x60][..], &long] {
        let frame = sealed(Kind::Req, &world.b.session, &with(text));
        assert_eq!(world.answer(&world.b, &frame).hint(), 1002);
    }
    // The control: as it was, it is answered.
    let frame = sealed(Kind::Req, &world.b.session, &with(&[0x62, b'z', b'z']));
    assert!(matches!(world.answer(&world.b, &frame), Got::Signed(_)));
}

#[test]
fn attachments_that_no_digest_announces_are_no_request() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    let seal =
        |request: &Request| envelope::seal(Kind::Req, NETWORK, &world.b.session, &request.encode());
    let with = |envelope: &[u8], attachments: &[&[u8]]| {
        let expect = Expect::Request;
        let frame = frame::encode(expect, envelope, attachments).unwrap();
        world.answer(&world.b, &frame)
    };
    assert_eq!(with(&seal(&request), &[b"more"]).hint(), 1002);
    let announced = Request {
        pres: Some(List::new(vec![Digest([0; 32])]).unwrap()),
        ..request
    };
    assert_eq!(with(&seal(&announced), &[]).hint(), 1002);
    assert!(matches!(with(&seal(&announced), &[b"one"]), Got::Signed(_)));
}
