//! Whose token the API server says it is, for how long that is believed, and what it costs.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::*;
use crate::config::kubernetes::fake::{Answer, Fake, refusal};

const NOW: i64 = 1_800_000_000;

fn token(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.c2lnbmF0dXJl",
        part(&json!({"alg": "RS256"})),
        part(claims)
    )
}

fn of(account: &str) -> String {
    token(&json!({
        "sub": format!("system:serviceaccount:bank-a:{account}"),
        "aud": ["finp2p-bank-a-api"],
        "exp": NOW + 3600,
    }))
}

struct Scene {
    fake: Fake,
    reviews: Arc<Reviews>,
    shift: Arc<AtomicI64>,
    away: Arc<AtomicBool>,
    status: Arc<Mutex<Value>>,
}

impl Scene {
    async fn new() -> Self {
        let (away, shift) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicI64::new(0)),
        );
        let status = Arc::new(Mutex::new(json!({
            "authenticated": true,
            "audiences": ["finp2p-bank-a-api"],
            "user": {"username": "system:serviceaccount:bank-a:trading"},
        })));
        let (gone, says) = (Arc::clone(&away), Arc::clone(&status));
        let fake = Fake::start(move |asked| {
            if gone.load(Ordering::SeqCst) {
                return refusal(503);
            }
            // The API server repeats the token, and so does this one.
            let mut review = asked.json();
            review["status"] = says.lock().unwrap().clone();
            Answer::Json(201, review)
        })
        .await;
        let clock = {
            let shift = Arc::clone(&shift);
            Clock::new(move || Timestamp::from_second(NOW + shift.load(Ordering::SeqCst)).unwrap())
        };
        let server = Server::new(fake.client());
        Self {
            reviews: Arc::new(Reviews::new(server, "bank-a", "bank-a".to_owned(), clock)),
            fake,
            shift,
            away,
            status,
        }
    }

    async fn ask(&self, token: &str) -> Result<String, NotACaller> {
        self.reviews.client(token).await
    }

    fn reviews(&self) -> usize {
        self.fake.asked().len()
    }

    fn at(&self, seconds: i64) {
        self.shift.store(seconds, Ordering::SeqCst);
    }

    fn says(&self, key: &str, value: Value) {
        self.status.lock().unwrap()[key] = value;
    }
}

fn refused(answer: Result<String, NotACaller>) -> String {
    match answer {
        Err(NotACaller::Token(words)) => words,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_caller_is_the_service_account_that_the_api_server_names() {
    let scene = Scene::new().await;
    assert_eq!(scene.ask(&of("trading")).await.as_deref(), Ok("trading"));
    let review = scene.fake.asked()[0].json();
    assert_eq!(review["spec"]["token"], of("trading"));
    assert_eq!(review["spec"]["audiences"], json!(["finp2p-bank-a-api"]));
}

#[tokio::test]
async fn an_answer_is_believed_for_a_minute_and_never_longer_than_the_token() {
    let scene = Scene::new().await;
    for second in [0, 1, 59] {
        scene.at(second);
        assert!(scene.ask(&of("trading")).await.is_ok());
    }
    assert_eq!(scene.reviews(), 1);
    scene.at(60);
    assert!(scene.ask(&of("trading")).await.is_ok());
    assert_eq!(scene.reviews(), 2);
    // A clock that was set back.
    scene.at(-5);
    assert!(scene.ask(&of("trading")).await.is_ok());
    assert_eq!(scene.reviews(), 3);
    // A token that ends sooner.
    scene.at(3590);
    assert!(scene.ask(&of("trading")).await.is_ok());
    scene.at(3601);
    scene.says("authenticated", json!(false));
    refused(scene.ask(&of("trading")).await);
}

#[tokio::test]
async fn a_no_is_believed_for_a_moment_only() {
    let scene = Scene::new().await;
    scene.says("authenticated", json!(false));
    let words = refused(scene.ask(&of("trading")).await);
    assert!(words.contains("does not accept"), "{words}");
    refused(scene.ask(&of("trading")).await);
    assert_eq!(scene.reviews(), 1);
    scene.says("authenticated", json!(true));
    scene.at(5);
    assert!(scene.ask(&of("trading")).await.is_ok());
}

#[tokio::test]
async fn a_yes_that_is_about_something_else_is_a_no() {
    for (key, value) in [
        ("audiences", json!([])),
        ("audiences", json!(["https://kubernetes.default.svc"])),
        (
            "user",
            json!({"username": "system:serviceaccount:bank-b:trading"}),
        ),
        ("user", json!({"username": "system:serviceaccount:bank-a:"})),
        (
            "user",
            json!({"username": "system:serviceaccount:bank-a:a:b"}),
        ),
        ("user", json!({"username": "trading"})),
        ("user", json!({})),
    ] {
        let scene = Scene::new().await;
        scene.says(key, value.clone());
        refused(scene.ask(&of("trading")).await);
        assert_eq!(scene.reviews(), 1, "{value}");
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_ours_costs_the_api_server_nothing() {
    let scene = Scene::new().await;
    let sub = "system:serviceaccount:bank-a:trading";
    let long = "x".repeat(MAX_TOKEN_BYTES + 1);
    for (wrong, word) in [
        ("opaque".to_owned(), "service account"),
        ("a.b".to_owned(), "service account"),
        ("a.!.c".to_owned(), "service account"),
        ("a.e30.c.d".to_owned(), "service account"),
        (long, "service account"),
        (token(&json!({"sub": sub})), "another audience"),
        (
            token(&json!({"sub": sub, "aud": "finp2p-bank-b-api"})),
            "--audience finp2p-bank-a-api",
        ),
        (
            token(&json!({"sub": "system:serviceaccount:bank-b:x", "aud": "finp2p-bank-a-api"})),
            "namespace bank-a",
        ),
        (
            token(&json!({"sub": "system:serviceaccount:bank-a2:x", "aud": "finp2p-bank-a-api"})),
            "namespace bank-a",
        ),
    ] {
        let words = refused(scene.ask(&wrong).await);
        assert!(words.contains(word), "{words}");
    }
    assert_eq!(scene.reviews(), 0);
}

#[tokio::test]
async fn without_the_api_server_known_callers_go_on_until_their_minute_is_over() {
    let scene = Scene::new().await;
    assert!(scene.ask(&of("trading")).await.is_ok());
    scene.away.store(true, Ordering::SeqCst);
    scene.at(59);
    assert!(scene.ask(&of("trading")).await.is_ok());
    assert_eq!(
        scene.ask(&of("audit")).await,
        Err(NotACaller::Unavailable(AWAY))
    );
    scene.at(60);
    assert_eq!(
        scene.ask(&of("trading")).await,
        Err(NotACaller::Unavailable(AWAY))
    );
    scene.away.store(false, Ordering::SeqCst);
    assert!(scene.ask(&of("trading")).await.is_ok());
}

#[tokio::test]
async fn strangers_cannot_turn_the_node_into_a_hammer_nor_shut_out_who_works() {
    let scene = Scene::new().await;
    assert!(scene.ask(&of("trading")).await.is_ok());
    scene.at(61);
    scene.says("authenticated", json!(false));
    let mut busy = 0;
    for stranger in 0..100 {
        let answer = scene.ask(&of(&format!("stranger-{stranger}"))).await;
        busy += usize::from(answer == Err(NotACaller::Unavailable(BUSY)));
    }
    assert_eq!(busy, 100 - 16);
    scene.says("authenticated", json!(true));
    assert!(scene.ask(&of("trading")).await.is_ok());
    assert!(scene.reviews.state().known.len() <= MAX_KNOWN);
}

#[tokio::test]
async fn one_token_is_asked_about_once_however_many_come_with_it() {
    let scene = Scene::new().await;
    let calls = (0..50).map(|_| {
        let reviews = Arc::clone(&scene.reviews);
        tokio::spawn(async move { reviews.client(&of("trading")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().as_deref(), Ok("trading"));
    }
    assert_eq!(scene.reviews(), 1);
}

#[tokio::test]
async fn what_is_remembered_is_bounded_and_holds_no_token() {
    let scene = Scene::new().await;
    for n in 0..=MAX_KNOWN {
        let digest = Sha256::digest(n.to_be_bytes()).into();
        scene
            .reviews
            .remember(digest, Some("trading".to_owned()), None);
    }
    assert_eq!(scene.reviews.state().known.len(), MAX_KNOWN);
    assert!(scene.ask(&of("trading")).await.is_ok());
    let printed = format!("{:?}", scene.reviews);
    assert!(!printed.contains(&of("trading")));
}
