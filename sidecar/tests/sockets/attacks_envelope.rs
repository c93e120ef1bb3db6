//! Attacks 4 to 6: envelopes that were captured or relabelled.

use finp2p_sidecar::network::Answer;
use finp2p_sidecar::reader::{AnswerFault, Fault, HelloFault};
use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::{self, Expect};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::Hello;
use libp2p::identity::Keypair;

use crate::attacker::{Attacker, Got, Talk, framed, sealed};
use crate::bank::{Bank, NETWORK};
use crate::kept::kept;
use crate::node::soon;
use crate::primary::{BOND, Heard, Primary};
use crate::reader::scene_with;
use crate::victim::Victim;

pub const B: &str = "bank-b";

/// What the audit holds of refusals that were decided one by one, by code.
pub fn decided(codes: &[u64]) -> Vec<(String, u64)> {
    codes.iter().map(|code| (B.to_owned(), *code)).collect()
}

/// Nothing was decided, and so often was `code` counted for bank B.
pub fn assert_only_counted(victim: &Victim, code: u64, times: u64) {
    let kept = kept(&victim.audited());
    assert_eq!(kept.decided, []);
    let counted = kept.counted.into_iter().collect::<Vec<_>>();
    assert_eq!(counted.iter().map(|((_, code), _)| *code).max(), Some(code));
    assert_eq!(counted.iter().map(|(_, n)| n).sum::<u64>(), times);
}

#[tokio::test]
async fn attack_04_a_captured_request_is_void_wherever_it_is_replayed() {
    let (mut victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    let captured = talk.frame(&talk.fetching(1, BOND));
    b.send(&victim, &captured).await.signed();
    let granted = victim.audited();
    assert_eq!(kept(&granted).decided, decided(&[0, 0]), "hello, fetch");

    // On the same session, and while there is a second one.
    assert_eq!(b.send(&victim, &captured).await.hint(), 9004);
    b.greet(&victim).await;
    assert_eq!(b.send(&victim, &captured).await.hint(), 9004);
    // By another bank that has a session, on its own connection.
    let thief = Attacker::new(Bank::clone_of(&victim.pinned[2])).await;
    thief.greet(&victim).await;
    assert_eq!(thief.send(&victim, &captured).await.hint(), 9002);
    // On a new session, when the old one is over by age.
    victim.set_clock(3600);
    assert_eq!(b.send(&victim, &captured).await.hint(), 9002);
    victim.set_clock(0);
    b.greet(&victim).await;
    assert_eq!(b.send(&victim, &captured).await.hint(), 9002);

    let after = kept(&victim.audited());
    assert!(after.decided.iter().all(|(_, code)| *code == 0), "hellos");
    assert_eq!(after.decided.len(), 3);
    assert_eq!(after.counted.values().sum::<u64>(), 5);
    assert_eq!(victim.reads(), 1, "the store was read for the one answer");

    // After a restart from the disk, before and after a new hello.
    victim.restart().await;
    assert_eq!(retried(&b, &victim, &captured).await.hint(), 9002);
    b.greet(&victim).await;
    assert_eq!(b.send(&victim, &captured).await.hint(), 9002);
    assert_eq!(kept(&victim.audited()).decided, decided(&[0]));
    assert_eq!(victim.reads(), 1);
    victim.still_serves().await;
}

/// Sends until the connection that a restart broke is made again.
async fn retried(b: &Attacker, victim: &Victim, frame: &[u8]) -> Got {
    loop {
        match b.node.ask(victim.node(), frame).await {
            Ok(answer) => return Got::read(&answer),
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn attack_04_at_another_node_of_the_organization_a_captured_request_is_void() {
    let (victim, b) = Victim::start().await;
    let mut other = Bank::clone_of(&victim.a);
    other.peer = Keypair::generate_ed25519();
    other.session = SigningKey::generate(&mut rand::rng()).into();
    let pinned = victim.pinned.iter().map(Bank::clone_of).collect();
    let other = Victim::start_as(other, pinned).await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    let there = b.greet(&other).await;
    let captured = talk.frame(&talk.fetching(1, BOND));
    assert_eq!(b.send(&other, &captured).await.hint(), 9002);
    // Even with a session there: it is addressed to the first node's key.
    let relayed = Talk {
        aud: talk.aud.clone(),
        ..there
    };
    let relayed = relayed.fetching(1, BOND);
    assert_eq!(there.send(&other, &relayed).await.hint(), 9006);
    assert_eq!(kept(&other.audited()).decided, decided(&[0]), "the hello");
    assert_eq!(other.reads(), 0);
    // Nobody used it up for its owner.
    b.send(&victim, &captured).await.signed();
    other.still_serves().await;
}

#[tokio::test]
async fn attack_05_no_kind_of_envelope_passes_for_another() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    let request = talk.fetching(1, BOND).encode();
    victim.audited();
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Req) {
        let got = b
            .send(&victim, &sealed(kind, &b.bank.session, &request))
            .await;
        assert_eq!(got.hint(), 3000, "{kind:?} as request");
    }
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Hello) {
        let hello = b.hello().encode();
        let got = b
            .send(&victim, &sealed(kind, &b.bank.session, &hello))
            .await;
        assert_eq!(got.hint(), 3000, "{kind:?} as hello");
    }
    // Each is an entry, without the envelope that nobody signed.
    let entries = victim.audited();
    assert_eq!(kept(&entries).decided, decided(&[3000; 16]));
    assert!(entries.iter().all(|entry| entry.get("env").is_none()));

    // Back: what it signed itself, and certificates, are no requests at all.
    let answered = talk.send(&victim, &talk.fetching(1, BOND)).await.signed();
    let (issuing, session) = (
        b.bank.issuing_certificate(),
        b.bank.certificates().remove(1),
    );
    victim.audited();
    for envelope in [&answered.envelope, &issuing, &session] {
        let got = b.send(&victim, &framed(envelope)).await;
        assert_eq!(got.hint(), 1002);
    }
    assert_only_counted(&victim, 1002, 3);
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_05_a_request_is_no_certificate() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    let request = talk.fetching(1, BOND).encode();
    let request = envelope::seal(Kind::Req, NETWORK, &b.bank.session, &request);
    victim.audited();
    let mut certificates = b.bank.certificates();
    certificates[2] = request;
    let certificates = certificates.into_iter().map(|one| Bytes::new(one).unwrap());
    let hello = Hello {
        certs: List::new(certificates.collect()).unwrap(),
        ..b.hello()
    };
    let frame = sealed(Kind::Hello, &b.bank.session, &hello.encode());
    assert_eq!(b.send(&victim, &frame).await, Got::Closed);
    assert_only_counted(&victim, 3000, 1);
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_06_bytes_of_another_network_are_refused() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    for network in ["production", "test-ne", "test-net2", ""] {
        let request = talk.fetching(1, BOND).encode();
        let request = envelope::seal(Kind::Req, network, &b.bank.session, &request);
        assert_eq!(b.send(&victim, &framed(&request)).await.hint(), 3000);
        let hello = b.hello().encode();
        let hello = envelope::seal(Kind::Hello, network, &b.bank.session, &hello);
        assert_eq!(b.send(&victim, &framed(&hello)).await.hint(), 3000);
    }
    assert_eq!(kept(&victim.audited()).decided, decided(&[3000; 8]));
    assert_eq!(victim.reads(), 0);
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_05_no_kind_of_envelope_passes_for_an_answer() {
    let scene = scene_with(Bank::new("bank-a"), |_| {}).await;
    let as_kind = |kind, primary: &Primary, payload: &[u8], attachments: &[Vec<u8>]| {
        let envelope = envelope::seal(kind, NETWORK, &primary.bank.session, payload);
        Some(Answer::Respond(
            frame::encode(Expect::Response, &envelope, attachments).unwrap(),
        ))
    };
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::HelloOk) {
        scene.primary.twist(move |primary, heard| match heard {
            Heard::Hello { digest } => {
                as_kind(kind, primary, &primary.hello_ok(*digest).encode(), &[])
            }
            Heard::Request { .. } => None,
        });
        let error = soon("a fetch", scene.reader.fetch(BOND, None, None)).await;
        let fault = error.unwrap_err().fault;
        assert!(
            matches!(fault, Fault::Hello(HelloFault::Signature)),
            "{kind:?}: {fault:?}"
        );
    }
    for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Res) {
        scene.primary.twist(move |primary, heard| match heard {
            Heard::Hello { .. } => None,
            Heard::Request { request, digest } => {
                let (response, attachments) = primary.response(request, *digest);
                as_kind(kind, primary, &response.encode(), &attachments)
            }
        });
        let error = soon("a fetch", scene.reader.fetch(BOND, None, None)).await;
        let fault = error.unwrap_err().fault;
        let is_refused = matches!(fault, Fault::NotAnAnswer(AnswerFault::Signature));
        assert!(is_refused, "{kind:?}: {fault:?}");
    }
    // The control: each as what it is.
    scene.primary.twist(|_, _| None);
    soon("a fetch", scene.reader.fetch(BOND, None, None))
        .await
        .unwrap();
}
