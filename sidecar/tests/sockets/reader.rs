//! A reader with a Primary that is honest, and with one that is not.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finp2p_sidecar::network::{Admissions, Answer, Bounds, NetworkError, Responder};
use finp2p_sidecar::reader::{
    AnswerFault, Fault, FetchError, Fetched, HelloFault, LocalFault, Reader, ReaderCounters,
    RecordFault,
};
use finp2p_sidecar::request::Incarnations;
use finp2p_sidecar::request::time::Timekeeper;
use finp2p_sidecar::store::MemoryStore;
use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::certificate::ChainError;
use finp2p_wire::error::{Code, Reason, Refusal};
use finp2p_wire::frame::{self, Expect, Frame, Hint};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{self, Body, CatalogPage, FetchAnswer, KeysAnswer, Mismatch, SessionId};
use jiff::Timestamp;

use crate::bank::Bank;
use crate::node::{NOW, Node, clock, echo, soon};
use crate::primary::{BOND, Heard, Primary, SECRET, hint, signed, terms};

/// Bank B, who reads, and bank A, who is asked.
pub struct Scene {
    pub reader: Arc<Reader>,
    pub primary: Arc<Primary>,
    node: Node,
    server: Node,
    incarnations: Arc<Incarnations>,
    timekeeper: Arc<Timekeeper>,
    counters: Arc<ReaderCounters>,
}

async fn scene() -> Scene {
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
    async fn fetch(&self, resource: &str) -> Result<Fetched, FetchError> {
        soon("a fetch", self.reader.fetch(resource, None, None)).await
    }

    /// The fault of a fetch of the bond, which must fail without a word about access.
    async fn fault(&self) -> Fault {
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

/// Makes the Primary give this record for whatever is fetched.
fn give(
    scene: &Scene,
    make: impl Fn(&Primary) -> finp2p_sidecar::record::Record + Send + Sync + 'static,
) {
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        if !matches!(request.body, Body::Fetch(_)) {
            return None;
        }
        let record = make(primary);
        let mut attachments = Vec::new();
        let answer = primary.attach(&record, &record.units().names(), &mut attachments);
        let (mut response, _) = primary.response(request, *digest);
        response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        Some(primary.reply(&response, &attachments))
    });
}

#[tokio::test]
async fn attack_30_a_record_of_another_resource_or_under_another_key_is_refused() {
    let scene = scene().await;
    give(&scene, |primary| signed(&primary.bank.record, SECRET, 1));
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::Verify(_))
    ));
    give(&scene, |primary| signed(&primary.bank.session, BOND, 1));
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::UnknownKey)
    ));
    let unknown = SigningKey::generate(&mut rand::rng());
    give(&scene, move |_| signed(&unknown, BOND, 1));
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::UnknownKey)
    ));
}

#[tokio::test]
async fn a_record_that_is_not_the_one_signed_for_is_refused() {
    let scene = scene().await;
    type Change = fn(&mut finp2p_wire::message::RecordRef, &mut Vec<Vec<u8>>);
    let changes: [Change; 4] = [
        |named, _| named.h.0[0] ^= 1,
        |named, _| named.dd.0[0] ^= 1,
        |named, _| named.a = 1,
        |_, attachments| attachments[0].push(b'x'),
    ];
    for change in changes {
        scene.primary.twist(move |primary, heard| {
            let Heard::Request { request, digest } = heard else {
                return None;
            };
            let (mut response, mut attachments) = primary.response(request, *digest);
            let message::Answer::Fetch(answers) = response.answer.clone() else {
                return None;
            };
            let Some(FetchAnswer::Record { mut record, terms }) = answers.into_iter().next() else {
                return None;
            };
            change(&mut record, &mut attachments);
            let answer = FetchAnswer::Record { record, terms };
            response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
            Some(primary.reply(&response, &attachments))
        });
        assert!(matches!(scene.fault().await, Fault::Record(_)));
    }
}

#[tokio::test]
async fn a_claim_that_our_copy_is_current_is_refused_because_we_keep_none() {
    let scene = scene().await;
    scene.primary.twist(|primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, _) = primary.response(request, *digest);
        let answer = FetchAnswer::Unchanged { terms: terms() };
        response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        Some(primary.reply(&response, &[]))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::NotAnAnswer(AnswerFault::NoCopy)
    ));
}

#[tokio::test]
async fn a_record_under_a_past_key_is_verified_with_a_certificate_asked_for_once() {
    let scene = scene().await;
    let past = Arc::new(SigningKey::generate(&mut rand::rng()));
    let asked = Arc::new(Mutex::new(0));
    let (key, count) = (Arc::clone(&past), Arc::clone(&asked));
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, mut attachments) = primary.response(request, *digest);
        match &request.body {
            Body::Keys(keys) => {
                assert_eq!(keys.kids[..], [key.kid()]);
                *count.lock().unwrap() += 1;
                let certificates = [
                    primary.bank.issuing_certificate(),
                    primary.bank.record_certificate(key.public()),
                ];
                let certificates = certificates.map(|bytes| Bytes::new(bytes).unwrap());
                let certs = Some(List::new(certificates.to_vec()).unwrap());
                response.answer = message::Answer::Keys(KeysAnswer { certs });
            }
            _ => {
                attachments.clear();
                let record = signed(&key, BOND, 3);
                let answer = primary.attach(&record, &record.units().names(), &mut attachments);
                response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
            }
        }
        Some(primary.reply(&response, &attachments))
    });
    for _ in 0..3 {
        assert_eq!(scene.fetch(BOND).await.unwrap().version, 3);
    }
    assert_eq!(*asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn a_key_that_another_organization_certified_signs_no_record() {
    let scene = scene().await;
    let other = Bank::new("bank-a");
    let key = Arc::new(SigningKey::generate(&mut rand::rng()));
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let (mut response, mut attachments) = primary.response(request, *digest);
        if matches!(request.body, Body::Keys(_)) {
            let certificates = [
                other.issuing_certificate(),
                other.record_certificate(key.public()),
            ];
            let certificates = certificates.map(|bytes| Bytes::new(bytes).unwrap());
            let certs = Some(List::new(certificates.to_vec()).unwrap());
            response.answer = message::Answer::Keys(KeysAnswer { certs });
        } else {
            attachments.clear();
            let record = signed(&key, BOND, 1);
            let answer = primary.attach(&record, &record.units().names(), &mut attachments);
            response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        }
        Some(primary.reply(&response, &attachments))
    });
    assert!(matches!(
        scene.fault().await,
        Fault::Record(RecordFault::Key(_))
    ));
}

#[tokio::test]
async fn a_catalogue_is_followed_page_by_page() {
    let scene = scene().await;
    let ids = ["bank-a:102:A", "bank-a:102:B", "bank-a:102:C"];
    scene.primary.twist(move |primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let Body::Catalog(catalog) = &request.body else {
            return None;
        };
        let after = catalog.after.as_ref().map(|id| id.as_str());
        let id = ids
            .into_iter()
            .find(|id| after.is_none_or(|after| *id > after))?;
        let (mut response, _) = primary.response(request, *digest);
        let item = primary.item(id);
        let next = (id != ids[2]).then(|| item.r.clone());
        let items = List::new(vec![item]).unwrap();
        response.answer = message::Answer::Catalog(CatalogPage { items, next });
        Some(primary.reply(&response, &[]))
    });
    let items = soon("the catalogue", scene.reader.catalog("bank-a"))
        .await
        .unwrap();
    let listed: Vec<_> = items.iter().map(|item| item.r.as_str()).collect();
    assert_eq!(listed, ids);
}

#[tokio::test]
async fn a_catalogue_with_foreign_items_or_without_end_is_refused() {
    let scene = scene().await;
    for (id, next) in [
        ("bank-c:102:A", None),
        (BOND, Some(BOND)),
        (BOND, Some("bank-a:102:A")),
    ] {
        scene.primary.twist(move |primary, heard| {
            let Heard::Request { request, digest } = heard else {
                return None;
            };
            let (mut response, _) = primary.response(request, *digest);
            let items = List::new(vec![primary.item(id)]).unwrap();
            let next = next.map(|next| finp2p_wire::cbor::Text::new(next).unwrap());
            response.answer = message::Answer::Catalog(CatalogPage { items, next });
            Some(primary.reply(&response, &[]))
        });
        let error = soon("the catalogue", scene.reader.catalog("bank-a"))
            .await
            .unwrap_err();
        assert!(
            matches!(error.fault, Fault::NotAnAnswer(AnswerFault::Catalog)),
            "{error:?}"
        );
    }
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

#[tokio::test]
async fn a_connection_that_was_lost_is_made_again() {
    let scene = scene().await;
    scene.fetch(BOND).await.unwrap();
    scene.node.client.hang_up(scene.server.peer).await;
    scene.fetch(BOND).await.unwrap();
}
