//! Who the reader takes for the organization that it asked: the hello, and what is wrong with one.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use finp2p_sidecar::network::Answer;
use finp2p_sidecar::reader::{Fault, HelloFault, LocalFault};
use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::certificate::ChainError;
use finp2p_wire::error::Code;
use finp2p_wire::frame::{self, Expect, Frame};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message;
use jiff::Timestamp;

use crate::bank::Bank;
use crate::node::NOW;
use crate::primary::{BOND, Heard};
use crate::reader::{scene, scene_with};

#[tokio::test]
async fn attack_2_certificates_presented_from_another_peer_id_are_refused() {
    let mut thief = Bank::new("bank-a");
    let listed = thief.peer_id();
    thief.peer = libp2p::identity::Keypair::generate_ed25519();
    let scene = scene_with(thief, |_| {}).await;
    scene.primary.twist(move |primary, heard| {
        let Heard::Hello { digest, .. } = heard else {
            return None;
        };
        let mut hello_ok = primary.hello_ok(*digest);
        let bank = &primary.bank;
        let certificates = [
            bank.issuing_certificate(),
            bank.session_certificate(bank.session.public(), listed),
        ];
        let certificates = certificates.map(|bytes| Bytes::new(bytes).unwrap());
        hello_ok.certs = List::new(certificates.to_vec()).unwrap();
        Some(primary.welcome(&hello_ok))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::Hello(HelloFault::PeerId)
    ));
    assert_eq!(
        scene.primary.requests.load(Ordering::Relaxed),
        0,
        "nothing was asked of it"
    );
    assert!(!scene.reader.contacts()["bank-a"].is_reachable());
    assert_eq!(scene.node.admissions.organization(&scene.server.peer), None);
}

#[tokio::test]
async fn attack_1_a_self_made_root_opens_nothing() {
    let scene = scene_with(Bank::new("bank-a"), |entry| {
        entry.keys = Bank::new("bank-a").entry(&[]).keys;
    })
    .await;
    assert!(matches!(
        scene.fault().await,
        Fault::Hello(HelloFault::Chain(_))
    ));
    assert_eq!(scene.primary.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn attack_3_a_revoked_certificate_or_a_lower_incarnation_opens_nothing() {
    let scene = scene_with(Bank::new("bank-a"), |entry| entry.revoked_serials = vec![2]).await;
    assert!(matches!(scene.fault().await, Fault::Hello(_)));

    let mut replaced = Bank::new("bank-a");
    replaced.incarnation = 4;
    let scene = scene_with(replaced, |_| {}).await;
    scene.fetch(BOND).await.unwrap();
    assert_eq!(scene.incarnations.highest("bank-a").unwrap(), 4);
    scene.incarnations.raise("bank-a", 5).unwrap();
    scene.reader.set_peers([]);
    scene
        .reader
        .set_peers([scene.primary.bank.entry(&scene.server.addresses)]);
    assert!(matches!(
        scene.fault().await,
        Fault::Hello(HelloFault::Incarnation)
    ));
}

#[tokio::test]
async fn attack_16_a_clock_that_was_set_back_revives_no_certificate() {
    let scene = scene().await;
    let days = |days: i64| Timestamp::from_second(NOW + days * 86_400).unwrap();
    scene.timekeeper.believed(days(20));
    scene.fetch(BOND).await.unwrap();
    scene.timekeeper.believed(days(31));
    let fault = scene.fault().await;
    assert!(
        matches!(fault, Fault::Hello(HelloFault::Chain(ChainError::Expired))),
        "{fault:?}"
    );
}

#[tokio::test]
async fn an_answer_to_a_hello_with_an_attachment_is_refused() {
    let scene = scene().await;
    scene.primary.twist(|primary, heard| {
        let Heard::Hello { digest, .. } = heard else {
            return None;
        };
        let Answer::Respond(welcome) = primary.welcome(&primary.hello_ok(*digest)) else {
            return None;
        };
        let Ok(Frame::Signed { envelope, .. }) = frame::decode(Expect::Hello, &welcome) else {
            return None;
        };
        let with = frame::encode(Expect::Hello, envelope, &[b"more"]).unwrap();
        Some(Answer::Respond(with))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::Hello(HelloFault::Malformed)
    ));
    scene.primary.twist(|_, _| None);
    scene.fetch(BOND).await.unwrap();
}

#[tokio::test]
async fn an_answer_to_another_hello_is_refused() {
    let scene = scene().await;
    type Change = fn(&mut message::HelloOk);
    type Expected = fn(HelloFault) -> bool;
    let changes: [(Change, Expected); 5] = [
        (
            |ok| ok.hello.0[0] ^= 1,
            |fault| fault == HelloFault::OtherHello,
        ),
        (
            |ok| ok.org = finp2p_wire::cbor::Text::new("bank-c").unwrap(),
            |fault| fault == HelloFault::OtherHello,
        ),
        (|ok| ok.ver = 2, |fault| fault == HelloFault::Version),
        (
            |ok| ok.vers = List::new(vec![2]).unwrap(),
            |fault| fault == HelloFault::Version,
        ),
        (
            |ok| ok.time += 121,
            |fault| matches!(fault, HelloFault::Clock { .. }),
        ),
    ];
    for (change, expected) in changes {
        scene.primary.twist(move |primary, heard| {
            let Heard::Hello { digest, .. } = heard else {
                return None;
            };
            let mut hello_ok = primary.hello_ok(*digest);
            change(&mut hello_ok);
            Some(primary.welcome(&hello_ok))
        });
        let fault = scene.fault().await;
        assert!(
            matches!(fault, Fault::Hello(why) if expected(why)),
            "{fault:?}"
        );
    }
    let stranger = SigningKey::generate(&mut rand::rng());
    scene.primary.twist(move |primary, heard| {
        let Heard::Hello { digest, .. } = heard else {
            return None;
        };
        Some(primary.welcome_as(&stranger, &primary.hello_ok(*digest)))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::Hello(HelloFault::Signature)
    ));
    scene.primary.twist(|_, _| None);
    scene.fetch(BOND).await.unwrap();
}

#[tokio::test]
async fn a_record_key_cannot_say_hello() {
    let scene = scene().await;
    scene.primary.twist(|primary, heard| {
        let Heard::Hello { digest, .. } = heard else {
            return None;
        };
        Some(primary.welcome_as(&primary.bank.record, &primary.hello_ok(*digest)))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::Hello(HelloFault::Signature)
    ));
}

#[tokio::test]
async fn a_peer_below_the_demanded_version_is_refused() {
    let scene = scene_with(Bank::new("bank-a"), |entry| {
        entry.minimum_protocol_version = Some(2)
    })
    .await;
    let error = scene.fetch(BOND).await.unwrap_err();
    assert_eq!(error.code(), Code::Version);
}

#[tokio::test]
async fn a_session_does_not_outlive_the_entry_or_the_key_it_was_made_with() {
    let scene = scene().await;
    let hellos = || scene.primary.hellos.load(Ordering::Relaxed);
    let mut entry = scene.primary.bank.entry(&scene.server.addresses);
    scene.fetch(BOND).await.unwrap();
    scene.reader.set_peers([entry.clone()]);
    scene.fetch(BOND).await.unwrap();
    assert_eq!(hellos(), 1, "an unchanged entry keeps its session");
    entry.revoked_serials = vec![99];
    scene.reader.set_peers([entry]);
    scene.fetch(BOND).await.unwrap();
    assert_eq!(hellos(), 2);
    let mut other = Bank::new("bank-b");
    other.peer = libp2p::identity::Keypair::generate_ed25519();
    scene.reader.set_identity(Arc::new(other.identity()));
    scene.fetch(BOND).await.unwrap();
    assert_eq!(hellos(), 3);
    scene.reader.set_peers([]);
    assert!(matches!(
        scene.fault().await,
        Fault::Local(LocalFault::UnknownPeer)
    ));
}
