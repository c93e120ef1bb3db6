//! Certificates, roots and incarnations.

use std::sync::Arc;

use finp2p_wire::certificate::RootKey;
use finp2p_wire::envelope::Kind;
use finp2p_wire::limits::CLOCK_SKEW_S;
use finp2p_wire::message::Hello;

use super::world::*;
use crate::request::RecordCertificate;
use crate::request::trust::{Chains, Incarnations, Pinned, roots};
use crate::store::MemoryStore;

#[test]
fn roots_are_read_as_they_are_pinned() {
    let mut peer = World::new().resources.peer("bank-b").clone();
    let bank = Bank::new("bank-b", 30);
    let plain = RootKey {
        public: bank.root.public().clone(),
        // 2026-01-01 and the second before 2028-01-01.
        not_before: 1_767_225_600,
        not_after: 1_830_297_599,
        verify_only: false,
        revoked_at: None,
    };
    assert_eq!(roots(&peer), std::slice::from_ref(&plain));
    let key = &mut peer.keys[0];
    key.verify_only = Some(true);
    key.revoked_at = Some(serde_json::from_value("1970-01-02T00:00:00Z".into()).unwrap());
    let retired = RootKey {
        verify_only: true,
        revoked_at: Some(DAY),
        ..plain
    };
    assert_eq!(roots(&peer), [retired]);
    // The point of order 1: signatures under it prove nothing.
    peer.keys[0].public_key =
        "MCowBQYDK2VwAyEAAQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned();
    assert_eq!(roots(&peer), []);
}

fn greet(world: &World, hello: &Hello) -> Got {
    let frame = sealed(Kind::Hello, &world.b.session, &hello.encode());
    world.answer_at(at(hello.time), &world.b, &frame)
}

#[test]
fn a_root_that_is_retired_or_outside_its_time_opens_no_session() {
    let cases: [fn(&mut Resources); 3] = [
        |resources| resources.peer("bank-b").keys[0].verify_only = Some(true),
        |resources| {
            let future = serde_json::from_value("2027-06-01T00:00:00Z".into()).unwrap();
            resources.peer("bank-b").keys[0].not_before = future;
        },
        |resources| {
            let past = serde_json::from_value("2026-06-01T00:00:00Z".into()).unwrap();
            resources.peer("bank-b").keys[0].not_after = past;
        },
    ];
    for edit in cases {
        let mut world = World::new();
        world.edit(edit);
        assert_eq!(greet(&world, &world.b.hello()).hint(), 3000);
    }
}

#[test]
fn a_certificate_that_ends_ends_its_session() {
    let mut world = World::new();
    let soon = Certified {
        not_after: NOW + 10,
        ..USUAL
    };
    world.b.certificates = world.b.certified(soon);
    let sid = world.connect(&world.b).sid;
    let talk = |now| Talk {
        world: &world,
        bank: &world.b,
        sid,
        now,
    };
    talk(NOW + 130).fetch(1, vec![asset("bond")]);
    let late = talk(NOW + 131);
    let request = late.request(2, fetch_body(vec![asset("bond")]));
    assert_eq!(late.send(&request).hint(), 3000);
}

#[test]
fn a_session_certificate_that_is_revoked_ends_its_session_while_a_request_is_decided() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let revoked = world.edited(|resources| {
        resources.peer("bank-b").revoked_serials.extend([12, 13]);
    });
    let configuration = world.configuration.clone();
    world.records.hook(move || {
        configuration.apply(revoked.clone());
    });
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 3000);
    let entry = &world.trail.take()[0];
    assert_eq!(entry.detail.as_deref(), Some("certificate revoked"));
}

#[test]
fn a_session_key_without_a_certificate_in_force_is_refused_though_the_record_key_has_one() {
    let mut world = World::new();
    let sid = world.connect(&world.b).sid;
    world.edit(|resources| resources.peer("bank-b").revoked_serials.push(12));
    let talk = Talk {
        world: &world,
        bank: &world.b,
        sid,
        now: NOW,
    };
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 3000);
}

#[test]
fn a_certificate_that_nobody_signed_lends_no_libp2p_identity() {
    // Bank-b's own keys on a connection that its certificate does not list, and beside the good
    // certificate one that does, issued by nobody.
    let world = World::new();
    let mut made_up = Bank::new("bank-b", 90);
    made_up.session = finp2p_wire::key::SigningKey::from_seed(&world.b.session.to_seed());
    made_up.peer = world.c.peer.clone();
    let mut certificates = world.b.certificates.clone();
    certificates.push(made_up.certified(USUAL)[1].clone());
    let hello = Hello {
        certs: presented(&certificates),
        ..world.b.hello()
    };
    let frame = sealed(Kind::Hello, &world.b.session, &hello.encode());
    assert_eq!(world.answer(&world.c, &frame).hint(), 3000);
    assert_eq!(world.responder.tally(now()).sessions, 0);
    // The control: on its own connection the addition does no harm.
    assert!(matches!(world.answer(&world.b, &frame), Got::Signed(_)));
}

#[test]
fn verdicts_are_kept_for_a_few_lists_of_certificates_and_the_oldest_goes_first() {
    let world = World::new();
    let peer = world.resources.peers[0].payload.clone();
    let pinned = Pinned {
        generation: 1,
        network: NETWORK,
        peer: &peer,
    };
    let chains = Chains::default();
    let list = |serial| presented(&world.b.certified(Certified { serial, ..USUAL }));
    let judge = |serial| chains.judge(NOW, &pinned, &list(serial)).unwrap();
    (100..108).for_each(|serial| drop(judge(serial)));
    (100..108).for_each(|serial| drop(judge(serial)));
    assert_eq!(chains.verified(), 8);
    judge(108);
    judge(101);
    assert_eq!(chains.verified(), 9);
    judge(100);
    assert_eq!(chains.verified(), 10);
    // The clock went back before the verdict: judged again, in the same place.
    chains.judge(NOW - 1, &pinned, &list(107)).unwrap();
    assert_eq!(chains.verified(), 11);
    for serial in [102, 103, 104, 105, 106, 108] {
        judge(serial);
    }
    assert_eq!(chains.verified(), 11);
}

#[test]
fn a_verdict_belongs_to_its_organization_and_configuration() {
    let world = World::new();
    let [b, c] = [0, 1].map(|index| world.resources.peers[index].payload.clone());
    let pinned = |peer, generation| Pinned {
        generation,
        network: NETWORK,
        peer,
    };
    let chains = Chains::default();
    let list = presented(&world.b.certificates);
    chains.judge(NOW, &pinned(&b, 1), &list).unwrap();
    chains.judge(NOW, &pinned(&c, 1), &list).unwrap_err();
    chains.judge(NOW, &pinned(&b, 2), &list).unwrap();
    assert_eq!(chains.verified(), 3);
    chains.judge(NOW, &pinned(&b, 2), &list).unwrap();
    assert_eq!(chains.verified(), 3);
}

#[test]
fn the_highest_incarnation_never_goes_down() {
    let store = Arc::new(MemoryStore::new());
    let incarnations = Incarnations::new(store.clone());
    assert_eq!(incarnations.highest("bank-b").unwrap(), 0);
    for (raised, highest) in [(5, 5), (3, 5), (5, 5), (6, 6)] {
        incarnations.raise("bank-b", raised).unwrap();
        assert_eq!(incarnations.highest("bank-b").unwrap(), highest);
        assert_eq!(
            Incarnations::new(store.clone()).highest("bank-b").unwrap(),
            highest
        );
    }
    assert_eq!(incarnations.highest("bank-c").unwrap(), 0);
}

#[test]
fn an_organization_that_both_configurations_suspend_is_suspended() {
    let mut world = World::new();
    world.edit(|resources| {
        resources.peer("bank-b").suspended = true;
        resources.restrained_by = Some(resources.facts());
    });
    assert_eq!(greet(&world, &world.b.hello()).hint(), 3000);
}

#[test]
fn a_verdict_of_the_first_second_of_a_certificate_is_kept_too() {
    let world = World::new();
    let peer = world.resources.peers[0].payload.clone();
    let pinned = Pinned {
        generation: 1,
        network: NETWORK,
        peer: &peer,
    };
    let begins = Certified {
        not_before: NOW + CLOCK_SKEW_S,
        ..USUAL
    };
    let list = presented(&world.b.certified(begins));
    let chains = Chains::default();
    chains.judge(NOW - 1, &pinned, &list).unwrap_err();
    for _ in 0..3 {
        chains.judge(NOW, &pinned, &list).unwrap();
    }
    assert_eq!(chains.verified(), 2);
}

#[test]
fn a_record_certificate_holds_while_it_and_its_issuer_s_do() {
    let a = Bank::new("bank-a", 10);
    // The issuer's holds from a hundred days ago for three hundred.
    let known = |not_before, not_after| {
        let said = Certified {
            not_before,
            not_after,
            ..USUAL
        };
        RecordCertificate::new(a.certified(said)[2].clone(), a.certificates[0].clone())
    };
    let (first, last) = (NOW - 100 * DAY, NOW - 90 * DAY);
    let early = known(first - 10 * DAY, last).unwrap();
    assert_eq!((early.not_after(), early.life()), (last, 10 * DAY));
    for (second, covered) in [
        (first - CLOCK_SKEW_S - 1, false),
        (first - CLOCK_SKEW_S, true),
        (last + CLOCK_SKEW_S, true),
        (last + CLOCK_SKEW_S + 1, false),
    ] {
        assert_eq!(early.covers(second), covered, "{second}");
    }
    let end = NOW + 200 * DAY;
    let late = known(end - 5 * DAY, end + DAY).unwrap();
    assert_eq!((late.not_after(), late.life()), (end, 5 * DAY));
    assert_eq!(known(end, end + DAY).unwrap().life(), 0);
    assert_eq!(known(end + 1, end + DAY), None);
}
