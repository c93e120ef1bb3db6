//! A reader with a Primary that is honest, and with one that is not.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finp2p_sidecar::network::{Admissions, Answer, Bounds, NetworkError, Responder};
use finp2p_sidecar::reader::{
    AnswerFault, Fault, FetchError, Fetched, LocalFault, Reader, ReaderCounters,
};
use finp2p_sidecar::request::Incarnations;
use finp2p_sidecar::request::time::Timekeeper;
use finp2p_sidecar::store::MemoryStore;
use finp2p_wire::cbor::List;
use finp2p_wire::error::{Code, Reason, Refusal};
use finp2p_wire::frame::{self, Hint};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{self, FetchAnswer, Mismatch, SessionId};

use crate::bank::Bank;
use crate::node::{NOW, Node, clock, echo, soon};
use crate::primary::{BOND, Heard, Primary, SECRET, hint, terms};

/// Bank B, who reads, and bank A, who is asked.
pub struct Scene {
    pub reader: Arc<Reader>,
    pub primary: Arc<Primary>,
    pub node: Node,
    pub server: Node,
    pub incarnations: Arc<Incarnations>,
    pub timekeeper: Arc<Timekeeper>,
    pub counters: Arc<ReaderCounters>,
}

pub async fn scene() -> Scene {
    scene_with(Bank::new("bank-a"), |_| {}).await
}

/// With this bank A, and its entry at bank B changed.
pub async fn scene_with(
    bank: Bank,
    change: impl FnOnce(&mut finp2p_crds::entry::PeerEntry),
) -> Scene {
    let keypair = bank.peer.clone();
    let primary = Arc::new(Primary::new(bank));
    let responder = Arc::clone(&primary) as Arc<dyn Responder>;
    let bounds = Bounds {
        hello_timeout: Duration::from_secs(60),
        ..Bounds::default()
    };
    let server = Node::start_as(keypair, responder, bounds, Admissions::new(64)).await;
    let own = Bank::new("bank-b");
    let node = Node::start_as(
        own.peer.clone(),
        echo(),
        Bounds::default(),
        Admissions::new(64),
    )
    .await;
    // As the session layer would after a hello.
    server.admissions.admit(node.peer, "bank-b");
    let incarnations = Arc::new(Incarnations::new(Arc::new(MemoryStore::default())));
    let timekeeper = Arc::new(Timekeeper::default());
    let counters = Arc::new(ReaderCounters::default());
    let reader = Arc::new(Reader::new(
        node.client.clone(),
        node.admissions.clone(),
        Arc::clone(&incarnations),
        Arc::clone(&timekeeper),
        clock(),
        Arc::clone(&counters),
    ));
    reader.set_identity(Arc::new(own.identity()));
    let mut entry = primary.bank.entry(&server.addresses);
    change(&mut entry);
    reader.set_peers([entry]);
    Scene {
        reader,
        primary,
        node,
        server,
        incarnations,
        timekeeper,
        counters,
    }
}

impl Scene {
    pub async fn fetch(&self, resource: &str) -> Result<Fetched, FetchError> {
        soon("a fetch", self.reader.fetch(resource, None, None)).await
    }

    /// The fault of a fetch of the bond, which must fail without a word about access.
    pub async fn fault(&self) -> Fault {
        let error = self.fetch(BOND).await.unwrap_err();
        assert!(!says_not_shared(&error), "{error:?}");
        error.fault
    }
}

/// What a caller would take for a word about access.
fn says_not_shared(error: &FetchError) -> bool {
    matches!(
        error.code(),
        Code::NotShared | Code::NotPermitted | Code::NotFound
    ) || matches!(
        error.slug(),
        "not-shared" | "fields" | "purpose" | "not-found"
    )
}

#[tokio::test]
async fn a_fetch_brings_the_verified_record_and_what_proves_it() {
    let scene = scene().await;
    let fetched = scene.fetch(BOND).await.unwrap();
    assert_eq!(fetched.resource, BOND);
    assert_eq!(fetched.version, 1);
    assert_eq!(fetched.hash, scene.primary.record.hash());
    assert_eq!(fetched.data["coupon"], "3.25");
    assert_eq!(fetched.terms, terms());
    assert_eq!(fetched.issued_at, NOW as u64 - 60);
    assert!(fetched.presented.starts_with(scene.primary.record.jwt()));
    assert!(!format!("{fetched:?}").contains("3.25"));
    let counts = scene.counters.read();
    assert_eq!(
        (
            counts.hellos,
            counts.sessions,
            counts.requests,
            counts.answers
        ),
        (1, 1, 1, 1)
    );
    assert!(scene.reader.contacts()["bank-a"].is_reachable());
    assert_eq!(scene.incarnations.highest("bank-a").unwrap(), 1);
}

#[tokio::test]
async fn a_fetch_of_named_units_brings_those() {
    let scene = scene().await;
    let units = ["/coupon".to_owned()];
    let fetched = soon(
        "a fetch",
        scene.reader.fetch(BOND, Some(&units), Some("trading")),
    )
    .await;
    let fetched = fetched.unwrap();
    assert_eq!(fetched.data.keys().collect::<Vec<_>>(), ["coupon"]);
    assert_eq!(fetched.units.names(), ["/coupon"]);
}

#[tokio::test]
async fn many_fetches_at_once_share_one_session_and_no_number() {
    let scene = scene().await;
    let fetches: Vec<_> = (0..200)
        .map(|_| {
            let reader = Arc::clone(&scene.reader);
            tokio::spawn(async move { reader.fetch(BOND, None, None).await })
        })
        .collect();
    for fetch in fetches {
        soon("a fetch", fetch).await.unwrap().unwrap();
    }
    assert_eq!(scene.primary.hellos.load(Ordering::Relaxed), 1);
    let numbers = scene.primary.counters.lock().unwrap();
    assert_eq!(numbers.len(), 200);
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 200);
}

#[tokio::test]
async fn a_signed_refusal_is_the_primarys_word() {
    let scene = scene().await;
    let refused = scene.fetch(SECRET).await.unwrap_err();
    assert!(matches!(refused.fault, Fault::Refused(refusal) if refusal == Refusal::NOT_SHARED));
    assert_eq!(
        (refused.code(), refused.slug()),
        (Code::NotShared, "not-shared")
    );
    assert!(!refused.sentence().is_empty());
    assert_eq!(refused.reference.unwrap().to_string().len(), 16);

    scene.primary.twist(|primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, _) = primary.response(request, *digest);
        response.answer = message::Answer::Refused(Refusal::not_permitted(Reason::Purpose));
        Some(primary.reply(&response, &[]))
    });
    let refused = scene.fetch(BOND).await.unwrap_err();
    assert_eq!(
        (refused.code(), refused.slug()),
        (Code::NotPermitted, "purpose")
    );
}

#[tokio::test]
async fn attack_10_answers_that_were_swapped_are_rejected() {
    let scene = scene().await;
    scene.fetch(BOND).await.unwrap();
    // The answer to one request is kept back and given for the next: same session, same
    // operation, same resource, good signature.
    let kept: Mutex<Option<Answer>> = Mutex::default();
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (response, attachments) = primary.response(request, *digest);
        let own = primary.reply(&response, &attachments);
        kept.lock().unwrap().replace(own)
    });
    // The first has nothing to swap with and is answered honestly.
    scene.fetch(BOND).await.unwrap();
    for _ in 0..3 {
        let fault = scene.fault().await;
        assert!(
            matches!(
                fault,
                Fault::NotAnAnswer(AnswerFault::Mismatch(Mismatch::Request))
            ),
            "{fault:?}"
        );
    }
    assert_eq!(scene.counters.read().rejected, 3);
}

#[tokio::test]
async fn attack_10_each_part_that_binds_an_answer_is_looked_at() {
    let scene = scene().await;
    type Change = fn(&mut message::Response);
    let changes: [Change; 4] = [
        |response| response.req.0[0] ^= 1,
        |response| response.ctr += 1,
        |response| response.sid = SessionId([8; 16]),
        |response| {
            let two = vec![FetchAnswer::Refused(Refusal::NOT_SHARED); 2];
            response.answer = message::Answer::Fetch(List::new(two).unwrap());
        },
    ];
    for change in changes {
        scene.primary.twist(move |primary, heard| {
            let Heard::Request { request, digest } = heard else {
                return None;
            };
            let (mut response, attachments) = primary.response(request, *digest);
            change(&mut response);
            Some(primary.reply(&response, &attachments))
        });
        let fault = scene.fault().await;
        assert!(
            matches!(fault, Fault::NotAnAnswer(AnswerFault::Mismatch(_))),
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn an_answer_of_another_kind_key_or_form_is_rejected() {
    let scene = scene().await;
    let stranger = SigningKey::generate(&mut rand::rng());
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (response, attachments) = primary.response(request, *digest);
        Some(primary.reply_as(&stranger, &response, &attachments))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::NotAnAnswer(AnswerFault::Signature)
    ));

    scene.primary.twist(|primary, heard| {
        let Heard::Request { digest, .. } = heard else {
            return None;
        };
        Some(primary.welcome(&primary.hello_ok(*digest)))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::NotAnAnswer(AnswerFault::Signature)
    ));

    for garbage in [vec![0_u8], vec![0xff; 3000], b"{}".to_vec()] {
        scene.primary.twist(move |_, heard| {
            matches!(heard, Heard::Request { .. }).then(|| Answer::Respond(garbage.clone()))
        });
        assert!(matches!(
            scene.fault().await,
            Fault::NotAnAnswer(AnswerFault::Malformed)
        ));
    }
}

#[tokio::test]
async fn attack_11_an_unsigned_refusal_is_never_reported_as_not_shared() {
    let scene = scene().await;
    for code in Code::ALL {
        scene
            .primary
            .twist(move |_, heard| matches!(heard, Heard::Request { .. }).then(|| hint(*code)));
        let before = scene.primary.requests.load(Ordering::Relaxed);
        let error = scene.fetch(BOND).await.unwrap_err();
        assert!(!says_not_shared(&error), "{code}: {error:?}");
        assert!(matches!(error.fault, Fault::Hinted(hinted) if hinted.code == *code));
        assert!(error.reference.is_some());
        let tries = scene.primary.requests.load(Ordering::Relaxed) - before;
        assert!((1..=3).contains(&tries), "{code}: asked {tries} times");
    }
}

#[tokio::test]
async fn attack_11_an_unsigned_refusal_of_the_hello_is_a_hint_too() {
    let scene = scene().await;
    for code in [Code::NotShared, Code::NotPermitted, Code::Authentication] {
        scene
            .primary
            .twist(move |_, heard| matches!(heard, Heard::Hello { .. }).then(|| hint(code)));
        assert!(matches!(scene.fault().await, Fault::Hinted(_)));
    }
    scene.primary.twist(|_, _| None);
    scene.fetch(BOND).await.unwrap();
}

#[tokio::test]
async fn attack_11_a_hint_makes_the_reader_say_hello_again_and_the_fetch_succeed() {
    let scene = scene().await;
    scene.fetch(BOND).await.unwrap();
    for code in [
        Code::SessionUnknown,
        Code::Authentication,
        Code::NotShared,
        Code::Audience,
    ] {
        let hellos = scene.primary.hellos.load(Ordering::Relaxed);
        scene.primary.twist(move |primary, heard| {
            let renewed = primary.hellos.load(Ordering::Relaxed) > hellos;
            (matches!(heard, Heard::Request { .. }) && !renewed).then(|| hint(code))
        });
        scene.fetch(BOND).await.unwrap();
        assert_eq!(
            scene.primary.hellos.load(Ordering::Relaxed),
            hellos + 1,
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_hint_to_wait_is_followed_when_short_and_passed_on_when_long() {
    let scene = scene().await;
    let limited = |retry_s| {
        let hint = Hint {
            retry_s: Some(retry_s),
            ..Hint::new(Code::RateLimited)
        };
        Answer::Respond(frame::encode_hint(&hint))
    };
    scene.primary.twist(move |primary, heard| {
        let first = primary.requests.load(Ordering::Relaxed) == 1;
        (matches!(heard, Heard::Request { .. }) && first).then(|| limited(1))
    });
    scene.fetch(BOND).await.unwrap();
    assert_eq!(
        scene.primary.hellos.load(Ordering::Relaxed),
        1,
        "waiting needs no hello"
    );

    scene
        .primary
        .twist(move |_, heard| matches!(heard, Heard::Request { .. }).then(|| limited(600)));
    let error = scene.fetch(BOND).await.unwrap_err();
    assert_eq!(
        (error.code(), error.retry_s()),
        (Code::RateLimited, Some(600))
    );
    assert_eq!(scene.primary.requests.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_number_that_was_used_is_replaced_by_the_next() {
    let scene = scene().await;
    scene.primary.twist(|primary, heard| {
        let first = primary.requests.load(Ordering::Relaxed) == 1;
        (matches!(heard, Heard::Request { .. }) && first).then(|| hint(Code::Replay))
    });
    scene.fetch(BOND).await.unwrap();
    assert_eq!(*scene.primary.counters.lock().unwrap(), [1, 2]);
    assert_eq!(scene.primary.hellos.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn nothing_is_asked_of_whom_nothing_may_be_asked() {
    let scene = scene_with(Bank::new("bank-a"), |entry| entry.suspended = true).await;
    assert!(matches!(
        scene.fault().await,
        Fault::Local(LocalFault::Suspended)
    ));
    let fault = |error: FetchError| (error.code(), error.fault);
    let (code, why) = fault(scene.fetch("bank-z:102:X").await.unwrap_err());
    assert!(matches!(why, Fault::Local(LocalFault::UnknownPeer)));
    assert_eq!(code, Code::NotPrimary);
    let (_, why) = fault(scene.fetch("bank-b:102:X").await.unwrap_err());
    assert!(matches!(why, Fault::Local(LocalFault::Own)));
    let (code, _) = fault(scene.fetch("no resource").await.unwrap_err());
    assert_eq!(code, Code::Malformed);
    assert_eq!(scene.node.counters.read().dials, 0);
}

#[tokio::test]
async fn a_peer_that_is_down_is_an_answer_of_its_own() {
    let closed = "/ip4/127.0.0.1/tcp/1".to_owned();
    let scene = scene_with(Bank::new("bank-a"), |entry| entry.addresses = vec![closed]).await;
    let error = scene.fetch(BOND).await.unwrap_err();
    assert!(matches!(
        error.fault,
        Fault::Network(NetworkError::Unreachable(_))
    ));
    assert_eq!(error.code(), Code::Unavailable);
    assert!(!scene.reader.contacts()["bank-a"].is_reachable());
    assert!(scene.reader.contacts()["bank-a"].message.is_some());
}

#[tokio::test]
async fn a_connection_that_was_lost_is_made_again() {
    let scene = scene().await;
    scene.fetch(BOND).await.unwrap();
    scene.node.client.hang_up(scene.server.peer).await;
    scene.fetch(BOND).await.unwrap();
}
