//! Attacks on the envelope, the session, the clock and the moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use finp2p_wire::cbor::List;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::message::{Answer, Body, Catalog, FetchAnswer, Hello, Keys, Request};

use super::world::*;
use crate::request::{Configuration, Responder, Snapshot};
use crate::session::SESSION_LIFE_S;

fn is_record(answers: &[FetchAnswer]) -> bool {
    matches!(answers, [FetchAnswer::Record { .. }])
}

#[test]
fn attack_04_a_captured_request_is_void_wherever_it_is_replayed() {
    let mut world = World::new();
    let talk = world.connect(&world.b);
    let frame = talk.frame(&talk.request(1, fetch_body(vec![asset("bond")])));
    assert!(matches!(world.answer(&world.b, &frame), Got::Signed(_)));
    // In the same session, also on another connection of the same node.
    assert_eq!(world.answer(&world.b, &frame).hint(), 9004);
    // On the session of somebody else.
    world.connect(&world.c);
    assert_eq!(world.answer(&world.c, &frame).hint(), 9002);
    // At another node of the same organization, with another session key.
    let other = World::new();
    other.connect(&other.b);
    assert_eq!(other.answer(&other.b, &frame).hint(), 9002);
    // After a restart, whether or not there is a session again.
    world.restart();
    assert_eq!(world.answer(&world.b, &frame).hint(), 9002);
    world.connect(&world.b);
    assert_eq!(world.answer(&world.b, &frame).hint(), 9002);
    // The store was read for the one request that was answered.
    assert_eq!(world.records.reads(), 1);
}

#[test]
fn attack_04_a_request_for_another_node_of_the_organization_is_not_ours() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let mut request = talk.request(1, fetch_body(vec![asset("bond")]));
    request.aud.kid = Bank::new("bank-a", 70).session.kid();
    assert_eq!(talk.send(&request).hint(), 9006);
}

#[test]
fn of_many_copies_at_once_one_is_answered() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let frame = talk.frame(&talk.request(1, fetch_body(vec![asset("bond")])));
    let answered = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| match world.answer(&world.b, &frame) {
                Got::Signed(_) => {
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                got => assert_eq!(got.hint(), 9004),
            });
        }
    });
    assert_eq!(answered.load(Ordering::SeqCst), 1);
    assert_eq!(world.trail.take().len(), 1);
}

#[test]
fn a_session_is_bound_to_the_keys_of_both_sides() {
    let mut world = World::new();
    let talk = world.connect(&world.b);
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    // Another key of the same organization, as if certified.
    let frame = sealed(Kind::Req, &world.b.record, &request.encode());
    assert_eq!(world.answer(&world.b, &frame).hint(), 9002);
    let frame = talk.frame(&request);
    // Our own key was replaced meanwhile.
    world.a.session = finp2p_wire::key::SigningKey::from_seed(&[99; 32]);
    world.edit(|_| {});
    assert_eq!(world.answer(&world.b, &frame).hint(), 9002);
}

#[test]
fn attack_05_no_kind_of_envelope_passes_for_another() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Req) {
        let frame = sealed(kind, &world.b.session, &request.encode());
        assert_eq!(
            world.answer(&world.b, &frame).hint(),
            3000,
            "{kind:?} as request"
        );
        assert_eq!(world.trail.take().len(), 1);
    }
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Hello) {
        let frame = sealed(kind, &world.b.session, &world.b.hello().encode());
        assert_eq!(
            world.answer(&world.b, &frame).hint(),
            3000,
            "{kind:?} as hello"
        );
        assert_eq!(world.trail.take().len(), 1);
    }
    // What we signed ourselves, and certificates, are no requests at all.
    let (_, signed) = talk.ask(&request);
    assert_eq!(
        world.answer(&world.b, &framed(&signed.envelope)).hint(),
        1002
    );
    for certificate in &world.b.certificates {
        assert_eq!(world.answer(&world.b, &framed(certificate)).hint(), 1002);
    }
}

#[test]
fn attack_06_another_network_is_another_world() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let request = talk.request(1, fetch_body(vec![asset("bond")])).encode();
    let envelope = envelope::seal(Kind::Req, "production", &world.b.session, &request);
    assert_eq!(world.answer(&world.b, &framed(&envelope)).hint(), 3000);
    let hello = world.b.hello().encode();
    let envelope = envelope::seal(Kind::Hello, "production", &world.b.session, &hello);
    assert_eq!(world.answer(&world.b, &framed(&envelope)).hint(), 3000);
    assert_eq!(world.records.reads(), 0);
}

#[test]
fn attack_16_another_time_is_told_both_times() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let from = |time| Request {
        time,
        ..talk.request(1, fetch_body(vec![asset("bond")]))
    };
    for time in [
        NOW + 121,
        NOW - 121,
        NOW + 3600,
        NOW - 3600,
        NOW - 365 * DAY,
        0,
        u64::MAX,
    ] {
        let Got::Hint(hint, _) = talk.send(&from(time)) else {
            panic!("answered at {time}")
        };
        assert_eq!((hint.code.number(), hint.now), (9005, Some(NOW)), "{time}");
    }
    assert!(matches!(talk.send(&from(NOW - 120)), Got::Signed(_)));
    let other = Request {
        ctr: 2,
        ..from(NOW + 120)
    };
    assert!(matches!(talk.send(&other), Got::Signed(_)));
}

#[test]
fn attack_16_a_clock_set_back_revives_nothing_that_expired() {
    let mut world = World::new();
    world.edit(|resources| {
        let end = format!("{}", at(NOW + 50));
        let some = serde_json::json!({"allFields": true, "notAfter": end});
        resources.policy("ends-soon", &["secret"], some);
    });
    let sid = world.connect(&world.b).sid;
    let talk = |now| Talk {
        world: &world,
        bank: &world.b,
        sid,
        now,
    };
    assert!(is_record(&talk(NOW + 49).fetch(1, vec![asset("secret")]).0));
    assert_eq!(
        refused(&talk(NOW + 50).fetch(2, vec![asset("secret")]).0[0]),
        (7104, None)
    );
    // The clock jumps back: the grant stays over.
    assert_eq!(
        refused(&talk(NOW + 10).fetch(3, vec![asset("secret")]).0[0]),
        (7104, None)
    );
    assert!(is_record(&talk(NOW + 10).fetch(4, vec![asset("bond")]).0));
    // An hour on, the session is over, and stays over when the clock goes back.
    let fetch =
        |talk: &Talk<'_>, ctr| talk.send(&talk.request(ctr, fetch_body(vec![asset("bond")])));
    assert_eq!(fetch(&talk(NOW + SESSION_LIFE_S), 5).hint(), 9002);
    assert_eq!(fetch(&talk(NOW), 6).hint(), 9002);
}

#[test]
fn attack_16_a_certificate_that_expired_stays_expired() {
    let world = World::new();
    let greet = |second| {
        let hello = Hello {
            time: second,
            ..world.b.hello()
        };
        let frame = sealed(Kind::Hello, &world.b.session, &hello.encode());
        world.answer_at(at(second), &world.b, &frame)
    };
    assert!(matches!(greet(NOW), Got::Signed(_)));
    assert_eq!(greet(USUAL.not_after + 121).hint(), 3000);
    for back in [3600, DAY, 365 * DAY] {
        assert_eq!(greet(USUAL.not_after + 121 - back).hint(), 3000);
    }
}

#[test]
fn attack_16_three_peers_whose_clocks_agree_against_ours_make_it_suspect() {
    let mut world = World::new();
    let d = Bank::new("bank-d", 70);
    world.edit(|resources| {
        let mut peer = resources.peers[0].clone();
        peer.name = "peer-bank-d".to_owned();
        peer.payload.organization_id = "bank-d".to_owned();
        peer.payload.keys[0].public_key = d.root.public().to_spki_base64();
        resources.peers.push(peer);
    });
    let greet = |bank: &Bank, time| {
        let hello = Hello {
            time,
            ..bank.hello()
        };
        world.answer(bank, &sealed(Kind::Hello, &bank.session, &hello.encode()))
    };
    for bank in [&world.b, &world.c] {
        assert_eq!(greet(bank, NOW + 3600).hint(), 9005);
        assert!(!world.responder.tally(now()).clock_suspect);
    }
    assert_eq!(greet(&d, NOW + 3500).hint(), 9005);
    assert!(world.responder.tally(now()).clock_suspect);
    for bank in [&world.b, &world.c] {
        assert!(matches!(greet(bank, NOW), Got::Signed(_)));
    }
    assert!(!world.responder.tally(now()).clock_suspect);
}

#[test]
fn attack_19_a_policy_removed_while_a_request_is_decided_is_obeyed() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let removed = world.edited(|resources| resources.policies.clear());
    let configuration = world.configuration.clone();
    world.records.hook(move || {
        configuration.apply(removed.clone());
    });
    let (answers, signed) = talk.fetch(1, vec![asset("bond")]);
    assert_eq!(refused(&answers[0]), (7104, None));
    assert!(signed.attachments.is_empty());
    // What was decided by the earlier configuration never left, and stands nowhere as given.
    let entries = world.trail.take();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].code, entries[0].configuration), (7104, [2; 32]));
    assert_eq!(world.records.reads(), 1);
}

#[test]
fn attack_19_a_peer_suspended_while_its_request_is_decided_gets_nothing() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let suspended = world.edited(|resources| resources.peer("bank-b").suspended = true);
    let configuration = world.configuration.clone();
    world.records.hook(move || {
        configuration.apply(suspended.clone());
    });
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 3000);
    // After the signature: so it is written, with the request.
    let entries = world.trail.take();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].code, entries[0].detail.as_deref()),
        (3000, Some("suspended"))
    );
    assert!(entries[0].envelope.is_some());
    assert_eq!(world.counted(), [(Some("bank-b".to_owned()), 3000)]);
}

#[test]
fn attack_19_a_configuration_that_never_rests_is_not_decided_with() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let same = world.edited(|_| {});
    let configuration = world.configuration.clone();
    world.records.hook(move || {
        configuration.apply(same.clone());
    });
    let (answer, _) = talk.ask(&talk.request(1, fetch_body(vec![asset("bond")])));
    let Answer::Refused(refusal) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(refusal.code().number(), 2002);
    assert_eq!(world.records.reads(), 4);
    let entries = world.trail.take();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].code, entries[0].resource.as_deref()),
        (2002, None)
    );
}

#[test]
fn attack_19_once_applied_no_answer_leaves_by_what_was_before() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 100_000);
    let frames: Vec<Vec<u8>> = {
        let talk = world.connect(&world.b);
        (1..400)
            .map(|ctr| talk.frame(&talk.request(ctr, fetch_body(vec![asset("bond")]))))
            .collect()
    };
    let removed = world.edited(|resources| resources.policies.clear());
    let (next, started) = (AtomicUsize::new(0), AtomicBool::new(false));
    let responder: &Responder = &world.responder;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(frame) = frames.get(next.fetch_add(1, Ordering::SeqCst)) {
                    responder.answer(now(), &world.b.remote(), frame);
                    started.store(true, Ordering::SeqCst);
                }
            });
        }
        while !started.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
        world.configuration.apply(removed);
        world.trail.closed.store(true, Ordering::SeqCst);
    });
    assert_eq!(world.trail.granted_when_closed.load(Ordering::SeqCst), 0);
    let entries = world.trail.take();
    assert_eq!(entries.len(), frames.len());
    assert!(entries.iter().any(|entry| entry.code == 0));
    assert!(entries.iter().any(|entry| entry.code == 7104));
}

#[test]
fn a_configuration_numbers_its_snapshots_itself() {
    let world = World::new();
    let numbered = |generation| Snapshot {
        generation,
        ..world.edited(|_| {})
    };
    // Whatever number they come with: it must not stand for two of them.
    let configuration = Configuration::new(numbered(7));
    assert_eq!(configuration.current().generation, 1);
    assert_eq!(configuration.apply(numbered(1)), 2);
    assert_eq!(configuration.current().generation, 2);
}

#[test]
fn a_configuration_that_is_too_old_grants_nothing() {
    let mut world = World::new();
    world.edit(|resources| resources.stale = true);
    let talk = world.connect(&world.b);
    let (answer, _) = talk.ask(&talk.request(1, fetch_body(vec![asset("bond")])));
    let Answer::Refused(refusal) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(refusal.code().number(), 2002);
    assert_eq!(world.records.reads(), 0);
    let entries = world.trail.take();
    assert_eq!(
        (entries[0].code, entries[0].slug.as_str()),
        (2002, "unavailable")
    );
}

#[test]
fn a_decision_that_cannot_be_written_does_not_leave() {
    let world = World::new();
    let talk = world.connect(&world.b);
    world.trail.full.store(true, Ordering::SeqCst);
    for (ctr, name) in [(1, "bond"), (2, "secret")] {
        let (answer, signed) = talk.ask(&talk.request(ctr, fetch_body(vec![asset(name)])));
        let Answer::Refused(refusal) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(refusal.code().number(), 2002, "{name}");
        assert!(signed.attachments.is_empty());
    }
    assert_eq!(world.counted(), vec![(Some("bank-b".to_owned()), 2002); 2]);
    world.trail.full.store(false, Ordering::SeqCst);
    assert!(is_record(&talk.fetch(3, vec![asset("bond")]).0));
}

#[test]
fn a_node_whose_store_has_stopped_answers_no_request_although_it_could_read() {
    let world = World::new();
    let talk = world.connect(&world.b);
    world.records.stopped.store(true, Ordering::SeqCst);
    let fetched = |name| fetch_body(vec![asset(name)]);
    let page = Catalog {
        after: None,
        max: 10,
    };
    let kid = world.a.record.kid();
    let asked = Keys {
        kids: List::new(vec![kid]).unwrap(),
        at: None,
    };
    let bodies = [
        fetched("bond"),
        fetched("secret"),
        Body::Catalog(page),
        Body::Keys(asked),
    ];
    for (ctr, body) in (1..).zip(bodies) {
        let (answer, signed) = talk.ask(&talk.request(ctr, body));
        let Answer::Refused(refusal) = answer else {
            panic!("{answer:?}")
        };
        assert_eq!(refusal.code().number(), 2002);
        assert!(signed.attachments.is_empty());
    }
    assert_eq!(world.records.reads(), 0);
    // A full disk is not filled by refusals.
    assert_eq!(world.trail.take(), []);
    assert_eq!(world.counted(), vec![(Some("bank-b".to_owned()), 2002); 4]);
    world.records.stopped.store(false, Ordering::SeqCst);
    assert!(is_record(&talk.fetch(5, vec![asset("bond")]).0));
}

#[test]
fn an_organization_gets_its_tokens_whatever_the_number_of_its_sessions() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 5);
    // Two hellos are two of the five.
    let (one, two) = (world.connect(&world.b), world.connect(&world.b));
    for (talk, ctr) in [(&one, 1), (&two, 1), (&one, 2)] {
        assert!(is_record(&talk.fetch(ctr, vec![asset("bond")]).0));
    }
    let request = two.request(2, fetch_body(vec![asset("bond")]));
    let Got::Hint(hint, _) = two.send(&request) else {
        panic!("answered")
    };
    assert_eq!((hint.code.number(), hint.retry_s), (9003, Some(1)));
    // Another organization has its own, and a second later there is one again.
    world.connect(&world.c);
    let later = Talk {
        now: NOW + 1,
        ..two
    };
    assert!(is_record(&later.fetch(2, vec![asset("bond")]).0));
}

#[test]
fn the_responder_is_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    let world = World::new();
    shared(&world.responder);
    shared(&Arc::clone(&world.configuration));
}
