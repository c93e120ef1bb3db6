//! Hello: what is agreed, what is remembered.

use std::sync::atomic::Ordering;

use finp2p_wire::cbor::List;
use finp2p_wire::digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::limits::{ITEMS_MAX, REQUEST_FRAME_MAX_BYTES, RESPONSE_FRAME_MAX_BYTES};
use finp2p_wire::message::{Hello, PeerLimits, VERSION};

use super::world::*;
use crate::session::SESSION_LIFE_S;
use crate::store::{Key, Space, Store};

fn greet(world: &World, bank: &Bank, hello: &Hello) -> Got {
    world.answer(bank, &sealed(Kind::Hello, &bank.session, &hello.encode()))
}

#[test]
fn the_answer_binds_the_hello_and_says_what_holds() {
    let world = World::new();
    let hello = world.b.hello();
    let ok = world.hello_ok(&greet(&world, &world.b, &hello));
    let envelope = envelope::seal(Kind::Hello, NETWORK, &world.b.session, &hello.encode());
    assert_eq!(ok.hello, envelope::digest(&envelope));
    assert_eq!(ok.org.as_str(), "bank-a");
    assert_eq!(ok.certs, presented(&world.a.certificates));
    assert_eq!(
        (ok.ver, ok.vers.to_vec(), ok.time),
        (VERSION, vec![VERSION], NOW)
    );
    assert_eq!(ok.trust, digest::trust("bank-b", [world.b.root.public()]));
    let limits = PeerLimits {
        items: ITEMS_MAX as u64,
        request_bytes: REQUEST_FRAME_MAX_BYTES as u64,
        response_bytes: RESPONSE_FRAME_MAX_BYTES as u64,
        session_s: SESSION_LIFE_S,
    };
    assert_eq!(ok.limits, limits);
}

#[test]
fn a_session_is_bound_to_both_hellos_and_to_who_said_them() {
    let world = World::new();
    let hello = world.b.hello();
    let got = greet(&world, &world.b, &hello);
    let ok = world.hello_ok(&got);
    let session = world.responder.sessions.get(NOW, &ok.sid).unwrap();
    let Got::Signed(signed) = got else {
        unreachable!()
    };
    let binding = &session.binding;
    assert_eq!(binding.organization, "bank-b");
    assert_eq!(binding.peer, world.b.remote().peer);
    assert_eq!(binding.kid, world.b.session.kid());
    assert_eq!(binding.our_kid, world.a.session.kid());
    assert_eq!((binding.version, binding.hello), (VERSION, ok.hello));
    assert_eq!(binding.hello_ok, envelope::digest(&signed.envelope));
    assert_eq!(session.expires, NOW + SESSION_LIFE_S);
    let admitted = world
        .admissions
        .organization(&world.b.remote().peer)
        .unwrap();
    assert_eq!(&*admitted, "bank-b");
}

#[test]
fn each_hello_gets_a_session_of_its_own() {
    let world = World::new();
    let ids: std::collections::HashSet<_> = (0..8)
        .map(|_| {
            world
                .hello_ok(&greet(&world, &world.b, &world.b.hello()))
                .sid
        })
        .collect();
    assert_eq!(ids.len(), 8);
}

#[test]
fn an_accepted_hello_is_written_with_its_envelope_before_the_answer() {
    let world = World::new();
    greet(&world, &world.b, &world.b.hello());
    let entries = world.trail.take();
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].op.as_str(), entries[0].code), ("hello", 0));
    assert_eq!(entries[0].organization.as_deref(), Some("bank-b"));
    let envelope = envelope::seal(
        Kind::Hello,
        NETWORK,
        &world.b.session,
        &world.b.hello().encode(),
    );
    assert_eq!(entries[0].envelope.as_deref(), Some(&*envelope));
}

#[test]
fn a_hello_that_cannot_be_written_opens_no_session() {
    let world = World::new();
    world.trail.full.store(true, Ordering::SeqCst);
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 2002);
    assert_eq!(world.responder.tally(now()).sessions, 0);
    assert_eq!(world.admissions.organization(&world.b.remote().peer), None);
    assert_eq!(world.counted(), [(Some("bank-b".to_owned()), 2002)]);
}

#[test]
fn a_node_whose_store_has_stopped_opens_no_session() {
    let world = World::new();
    world.records.stopped.store(true, Ordering::SeqCst);
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 2002);
    assert_eq!(world.responder.tally(now()).sessions, 0);
    assert_eq!(world.counted(), [(Some("bank-b".to_owned()), 2002)]);
    world.records.stopped.store(false, Ordering::SeqCst);
    world.connect(&world.b);
}

#[test]
fn a_version_below_the_pinned_minimum_is_refused() {
    let mut world = World::new();
    let least = |least| {
        move |resources: &mut Resources| {
            resources.peer("bank-b").minimum_protocol_version = Some(least);
        }
    };
    world.edit(least(1));
    world.hello_ok(&greet(&world, &world.b, &world.b.hello()));
    world.edit(least(2));
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 9008);
}

#[test]
fn a_version_in_common_is_found_among_others() {
    let world = World::new();
    let hello = Hello {
        vers: List::new(vec![VERSION, VERSION + 7]).unwrap(),
        ..world.b.hello()
    };
    assert_eq!(
        world.hello_ok(&greet(&world, &world.b, &hello)).ver,
        VERSION
    );
}

#[test]
fn the_node_does_not_talk_to_itself() {
    let world = World::new();
    assert_eq!(greet(&world, &world.a, &world.a.hello()), Got::Closed);
}

#[test]
fn a_higher_incarnation_is_remembered_over_a_restart_and_a_lower_one_refused_from_then_on() {
    let mut world = World::new();
    let next = Certified {
        incarnation: USUAL.incarnation + 1,
        ..USUAL
    };
    let newer = Hello {
        certs: presented(&world.b.certified(next)),
        ..world.b.hello()
    };
    let older = world.b.hello();
    let talk = world.connect(&world.b);
    world.hello_ok(&greet(&world, &world.b, &newer));
    // Also within a session that was opened before.
    let request = talk.request(1, fetch_body(vec![asset("bond")]));
    assert_eq!(talk.send(&request).hint(), 3000);
    assert_eq!(greet(&world, &world.b, &older).hint(), 3000);
    world.restart();
    assert_eq!(greet(&world, &world.b, &older).hint(), 3000);
    world.hello_ok(&greet(&world, &world.b, &newer));
    let row = world
        .store
        .get(&Key::new(Space::Peer, "incarnation/bank-b").unwrap())
        .unwrap();
    assert_eq!(row.unwrap().as_bytes(), next.incarnation.to_be_bytes());
}

#[test]
fn a_forged_hello_raises_no_incarnation() {
    let world = World::new();
    let next = Certified {
        incarnation: USUAL.incarnation + 1,
        ..USUAL
    };
    let newer = Hello {
        certs: presented(&world.b.certified(next)),
        ..world.b.hello()
    };
    let frame = sealed(Kind::Req, &world.b.session, &newer.encode());
    assert_eq!(world.answer(&world.b, &frame).hint(), 3000);
    assert_eq!(world.responder.incarnations.highest("bank-b").unwrap(), 0);
    world.connect(&world.b);
    assert_eq!(
        world.responder.incarnations.highest("bank-b").unwrap(),
        USUAL.incarnation
    );
}

#[test]
fn an_incarnation_that_cannot_be_read_lets_nobody_in() {
    let world = World::new();
    let key = Key::new(Space::Peer, "incarnation/bank-b").unwrap();
    world.store.put(key, b"short".to_vec().into()).unwrap();
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 3000);
}

#[test]
fn a_chain_is_verified_once_per_configuration() {
    let mut world = World::new();
    let chains = |world: &World| world.responder.tally(now()).chains;
    let talk = world.connect(&world.b);
    for ctr in 1..10 {
        talk.fetch(ctr, vec![asset("bond")]);
    }
    let sid = talk.sid;
    assert_eq!(chains(&world), 1);
    world.edit(|_| {});
    for ctr in 10..20 {
        Talk {
            world: &world,
            bank: &world.b,
            sid,
            now: NOW,
        }
        .fetch(ctr, vec![asset("bond")]);
    }
    assert_eq!(chains(&world), 2);
    // And again once a certificate in it could have ended.
    let later = USUAL.not_after + 121;
    assert_eq!(world.responder.tally(now()).signatures, 20);
    let hello = Hello {
        time: later,
        ..world.b.hello()
    };
    let frame = sealed(Kind::Hello, &world.b.session, &hello.encode());
    assert_eq!(world.answer_at(at(later), &world.b, &frame).hint(), 3000);
    assert_eq!(chains(&world), 3);
}

#[test]
fn a_root_that_is_revoked_ends_the_sessions_it_vouched_for() {
    let mut world = World::new();
    let sid = world.connect(&world.b).sid;
    world.edit(|resources| {
        let revoked = format!("{}", at(NOW + 60));
        let key = &mut resources.peer("bank-b").keys[0];
        key.revoked_at = Some(serde_json::from_value(revoked.into()).unwrap());
    });
    let talk = |now| Talk {
        world: &world,
        bank: &world.b,
        sid,
        now,
    };
    talk(NOW + 59).fetch(1, vec![asset("bond")]);
    let late = talk(NOW + 60);
    assert_eq!(
        late.send(&late.request(2, fetch_body(vec![asset("bond")])))
            .hint(),
        3000
    );
}

#[test]
fn an_organization_that_is_no_longer_pinned_is_refused_in_its_session() {
    let mut world = World::new();
    let sid = world.connect(&world.b).sid;
    world.edit(|resources| {
        resources
            .peers
            .retain(|peer| peer.payload.organization_id != "bank-b");
    });
    let talk = Talk {
        world: &world,
        bank: &world.b,
        sid,
        now: NOW,
    };
    assert_eq!(
        talk.send(&talk.request(1, fetch_body(vec![asset("bond")])))
            .hint(),
        3000
    );
    assert_eq!(greet(&world, &world.b, &world.b.hello()), Got::Closed);
}

#[test]
fn after_a_roll_back_only_roots_that_both_configurations_pin_count() {
    let mut world = World::new();
    let newer = world.resources.clone();
    let restrain = |edit: fn(&mut Resources)| {
        let mut newer = newer.clone();
        edit(&mut newer);
        move |resources: &mut Resources| resources.restrained_by = Some(newer.facts())
    };
    world.edit(restrain(|_| {}));
    world.hello_ok(&greet(&world, &world.b, &world.b.hello()));
    world.edit(restrain(|newer| newer.peer("bank-b").suspended = true));
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 3000);
    world.edit(restrain(|newer| {
        newer.peer("bank-b").revoked_serials.push(12)
    }));
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 3000);
    world.edit(restrain(|newer| {
        newer.peer("bank-b").minimum_protocol_version = Some(2)
    }));
    assert_eq!(greet(&world, &world.b, &world.b.hello()).hint(), 9008);
    world.edit(restrain(|newer| {
        let other = Bank::new("bank-b", 70).root.public().to_spki_base64();
        newer.peer("bank-b").keys[0].public_key = other;
    }));
    assert_eq!(greet(&world, &world.b, &world.b.hello()), Got::Closed);
    world.edit(restrain(|newer| newer.peers.clear()));
    assert_eq!(greet(&world, &world.b, &world.b.hello()), Got::Closed);
}
