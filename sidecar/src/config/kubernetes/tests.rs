//! What a real API server cannot be made to do at a test's word: forget where a watch stood, be
//! busy, go deaf, send what nobody understands.

#![allow(clippy::disallowed_methods)] // the sockets of a test need the time of day

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use finp2p_crds::shared_asset::Content;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::fake::{Answer, Asked, Fake, Then, list, refusal, until};
use super::*;
use crate::config::content::ContentError;

const ROOT: &str = "/apis/sharing.finp2p.io/v1alpha1/namespaces/bank-a/sidecarconfigs/bank-a";

/// Times short enough for a test, in the order that they have.
const QUICK: Rhythm = Rhythm {
    probe: Duration::from_millis(300),
    lag: Duration::from_millis(200),
    watch_s: 1,
    grace: Duration::from_millis(300),
};
/// A probe that does not come within a test.
const NO_PROBE: Rhythm = Rhythm {
    probe: Duration::from_secs(600),
    ..QUICK
};

fn root(version: u64, sequence: i64, slices: &[&str]) -> Value {
    json!({
        "metadata": {
            "name": "bank-a", "uid": "root-uid", "generation": sequence,
            "resourceVersion": version.to_string(),
        },
        "spec": {"root": {
            "organizationId": "bank-a", "network": "sandbox", "incarnation": 1,
            "sequence": sequence, "set": "s1", "slices": slices,
            "limits": {
                "requestsPerSecond": 1, "connections": 1, "eraseAfterSeconds": 1,
                "maxConfigAgeSeconds": 3600,
            },
        }},
    })
}

fn slice(name: &str, version: u64, generation: i64) -> Value {
    json!({
        "metadata": {
            "name": name, "uid": format!("uid-{name}"), "generation": generation,
            "resourceVersion": version.to_string(),
        },
        "spec": {"slice": {"set": "s1", "bucket": 0, "entries": []}},
    })
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

fn start(fake: &Fake, rhythm: Rhythm) -> (Arc<Kubernetes>, Arc<StatusReport>) {
    let clock = Clock::new(Timestamp::now);
    Kubernetes::start(fake.client(), "bank-a", "bank-a", clock, rhythm)
}

fn sequence(source: &Kubernetes) -> Option<i64> {
    let reading = source.read().ok()?;
    reading
        .complete()
        .ok()
        .map(|complete| complete.root.sequence)
}

fn is_config(asked: &Asked) -> bool {
    asked.path.ends_with("/sidecarconfigs")
}

#[tokio::test]
async fn a_watch_that_the_server_forgot_is_begun_anew_and_nothing_is_missing_meanwhile() {
    let lists = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&lists);
    let fake = Fake::start(move |asked| {
        if !is_config(asked) {
            return refusal(404);
        }
        if asked.is_watch() {
            let gone = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": ""});
            return if asked.query.contains("resourceVersion=10") {
                Answer::Events(vec![event("ERROR", &gone)], Then::End)
            } else {
                Answer::Events(vec![], Then::Hang)
            };
        }
        match counted.fetch_add(1, Ordering::SeqCst) {
            0 => list("10", &[root(9, 1, &["bank-a-0"]), slice("bank-a-0", 8, 1)]),
            // While the second list is refused there is still the first.
            1 => refusal(503),
            _ => list(
                "20",
                &[root(19, 2, &["bank-a-0"]), slice("bank-a-0", 18, 2)],
            ),
        }
    })
    .await;
    let (source, _report) = start(&fake, NO_PROBE);
    until("the first list", || sequence(&source).is_some()).await;
    let never_empty = || {
        assert!(sequence(&source).is_some(), "configuration went missing");
        sequence(&source) == Some(2)
    };
    until("the list after the watch was forgotten", never_empty).await;
    assert!(lists.load(Ordering::SeqCst) >= 3);
}

#[tokio::test]
async fn a_busy_server_is_asked_again_when_it_says_and_not_before() {
    let fake = Fake::start(|asked| {
        if !is_config(asked) {
            return refusal(404);
        }
        Answer::Json(
            429,
            json!({"kind": "Status", "code": 429, "message": "later", "details": {"retryAfterSeconds": 2}}),
        )
    })
    .await;
    let (source, _report) = start(&fake, NO_PROBE);
    until("the first try", || fake.count(is_config) == 1).await;
    let first = tokio::time::Instant::now();
    until("the second try", || fake.count(is_config) == 2).await;
    assert!(first.elapsed() >= Duration::from_millis(1900));
    let error = source.read().unwrap_err().to_string();
    assert!(error.contains("busy (429)"), "{error}");
}

#[tokio::test]
async fn a_server_that_refuses_at_once_is_not_hammered() {
    let fake = Fake::start(|_| refusal(500)).await;
    let (_source, _report) = start(&fake, NO_PROBE);
    until("some tries", || fake.count(is_config) >= 3).await;
    let began = tokio::time::Instant::now();
    until("some more", || fake.count(is_config) >= 6).await;
    // Pauses of 400, 800, 1,600 ms, of which jitter leaves half.
    assert!(began.elapsed() >= Duration::from_millis(1200));
}

#[tokio::test]
async fn a_deaf_watch_is_noticed_because_the_root_says_something_else() {
    let fake = Fake::start(|asked| {
        let now = [root(30, 2, &["bank-a-0"]), slice("bank-a-0", 29, 2)];
        if asked.path == ROOT {
            return Answer::Json(200, now[0].clone());
        }
        if asked.is_watch() {
            // Half-open: the connection is there, and nothing comes.
            return Answer::Events(vec![], Then::Hang);
        }
        if asked.query.contains("limit") {
            static FIRST: AtomicUsize = AtomicUsize::new(0);
            return if FIRST.fetch_add(1, Ordering::SeqCst) == 0 {
                list("10", &[root(9, 1, &["bank-a-0"]), slice("bank-a-0", 8, 1)])
            } else {
                list("31", &now)
            };
        }
        refusal(404)
    })
    .await;
    let patient = Rhythm {
        watch_s: 600,
        ..QUICK
    };
    let (source, _report) = start(&fake, patient);
    until("the first list", || sequence(&source) == Some(1)).await;
    until("the newer root", || sequence(&source) == Some(2)).await;
}

#[tokio::test]
async fn a_watch_that_outlives_its_time_is_dead_and_resumed_anew() {
    let fake = Fake::start(|asked| {
        if asked.is_watch() {
            return Answer::Events(vec![], Then::Hang);
        }
        if is_config(asked) {
            return list("10", &[root(9, 1, &["bank-a-0"]), slice("bank-a-0", 8, 1)]);
        }
        refusal(404)
    })
    .await;
    let (source, _report) = start(&fake, NO_PROBE);
    until("two lists", || {
        fake.count(|asked| is_config(asked) && !asked.is_watch()) >= 2
    })
    .await;
    assert_eq!(sequence(&source), Some(1));
}

#[tokio::test]
async fn an_idle_watch_that_ends_in_its_time_goes_on_without_a_list() {
    let fake = Fake::start(|asked| {
        if asked.is_watch() {
            let bookmark = json!({"kind": "SidecarConfig", "metadata": {"resourceVersion": "77"}});
            return Answer::Events(vec![event("BOOKMARK", &bookmark)], Then::End);
        }
        if is_config(asked) {
            return list("10", &[root(9, 1, &["bank-a-0"]), slice("bank-a-0", 8, 1)]);
        }
        refusal(404)
    })
    .await;
    let (_source, _report) = start(&fake, NO_PROBE);
    let resumed = |asked: &Asked| asked.is_watch() && asked.query.contains("resourceVersion=77");
    until("a watch from the bookmark", || fake.count(resumed) >= 2).await;
    assert_eq!(fake.count(|asked| is_config(asked) && !asked.is_watch()), 1);
}

#[tokio::test]
async fn contact_is_only_what_the_server_has_confirmed() {
    let silent = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mute = Arc::clone(&silent);
    let fake = Fake::start(move |asked| {
        if mute.load(Ordering::SeqCst) {
            return Answer::Silence;
        }
        if asked.path == ROOT {
            return Answer::Json(200, root(9, 1, &["bank-a-0"]));
        }
        if asked.is_watch() {
            return Answer::Events(vec![], Then::Hang);
        }
        list("10", &[root(9, 1, &["bank-a-0"]), slice("bank-a-0", 8, 1)])
    })
    .await;
    let patient = Rhythm {
        watch_s: 600,
        ..QUICK
    };
    let (source, _report) = start(&fake, patient);
    assert_eq!(source.reached(Timestamp::now()), None);
    until("the first contact", || source.mirror.contact().is_some()).await;
    let first = source.mirror.contact();
    until("an idle watch that is alive", || {
        source.mirror.contact() > first
    })
    .await;
    silent.store(true, Ordering::SeqCst);
    let probes = fake.count(|asked| asked.path == ROOT);
    until("a probe into silence", || {
        fake.count(|asked| asked.path == ROOT) > probes
    })
    .await;
    let last = source.mirror.contact();
    tokio::time::sleep(2 * QUICK.probe).await; // two more would have come
    assert_eq!(source.mirror.contact(), last);
    assert_eq!(sequence(&source), Some(1));
}

#[tokio::test]
async fn an_object_that_nobody_understands_hides_no_other() {
    let mut strange = slice("bank-a-1", 7, 1);
    strange["spec"]["slice"]["addedLater"] = json!(true);
    let fake = Fake::start(move |asked| {
        if asked.is_watch() {
            let named = root(12, 2, &["bank-a-0", "bank-a-1"]);
            return Answer::Events(vec![event("MODIFIED", &named)], Then::Hang);
        }
        if is_config(asked) {
            let objects = [
                root(9, 1, &["bank-a-0"]),
                slice("bank-a-0", 8, 1),
                strange.clone(),
            ];
            return list("10", &objects);
        }
        refusal(404)
    })
    .await;
    let (source, _report) = start(&fake, NO_PROBE);
    let mut told = String::new();
    let told_of_it = || {
        source
            .read()
            .err()
            .is_some_and(|e| e.0.contains("bank-a-1"))
    };
    until("the root that names it", told_of_it).await;
    told.push_str(&source.read().unwrap_err().0);
    assert!(told.contains("same version"), "{told}");
}

#[tokio::test]
async fn what_the_server_sends_is_bounded() {
    let fake = Fake::start(|asked| {
        if asked.path.ends_with("/sidecarconfigs/bank-a") {
            return Answer::Text(200, format!("\"{}\"", "x".repeat(5 << 20)));
        }
        Answer::Text(200, format!("\"{}\"", "x".repeat(25 << 20)))
    })
    .await;
    let server = Server::new(fake.client());
    let collection = Collection {
        path: "/many".to_owned(),
        only: None,
    };
    let listed = server.list::<mirror::Raw>(&collection, 10).await;
    assert!(matches!(listed, Err(ServerError::TooLarge(_))));
    assert!(matches!(
        ask(&server, ROOT).await,
        Err(ServerError::TooLarge(_))
    ));
}

fn secret(name: &str) -> Content {
    serde_json::from_value(json!({"secret": {"name": name, "key": "k"}})).unwrap()
}

fn secret_object(version: u64, labelled: bool, value: &str) -> Value {
    let labels = if labelled {
        json!({"sharing.finp2p.io/content": "true"})
    } else {
        json!({})
    };
    json!({
        "metadata": {"name": "bonds", "resourceVersion": version.to_string(), "labels": labels},
        "data": {"k": value},
    })
}

#[tokio::test]
async fn contents_are_asked_for_by_exact_name_and_let_go() {
    let fake = Fake::start(|asked| {
        if asked.path.ends_with("/secrets") && !asked.is_watch() {
            return list("5", &[secret_object(5, true, "e30=")]);
        }
        if asked.path.ends_with("/secrets") {
            return Answer::Events(vec![], Then::Hang);
        }
        refusal(404)
    })
    .await;
    let (source, _report) = start(&fake, NO_PROBE);
    let content = secret("bonds");
    source.follow(&[&content]);
    assert!(matches!(
        source.content(&content),
        Err(ContentError::Pending { .. })
    ));
    until("the Secret", || source.content(&content).is_ok()).await;
    assert_eq!(*source.content(&content).unwrap(), b"{}");
    for asked in fake.asked() {
        if asked.path.ends_with("/secrets") {
            let exact = "fieldSelector=metadata.name%3Dbonds";
            assert!(asked.query.contains(exact), "{}", asked.query);
        }
    }
    source.follow(&[]);
    assert!(source.content(&content).is_err());
    let before = fake.count(|asked| asked.path.ends_with("/secrets"));
    tokio::time::sleep(Duration::from_millis(1600)).await; // a watch that went on would be back
    assert_eq!(fake.count(|asked| asked.path.ends_with("/secrets")), before);
}

#[tokio::test]
async fn a_refused_or_deleted_content_is_told_and_a_silent_server_takes_nothing_away() {
    let turn = Arc::new(Mutex::new(0));
    let script = Arc::clone(&turn);
    let fake = Fake::start(move |asked| {
        if !asked.path.ends_with("/secrets") {
            return refusal(404);
        }
        let turn = *script.lock().unwrap();
        match (turn, asked.is_watch()) {
            (0, false) => list("5", &[secret_object(5, true, "e30=")]),
            (0, true) => Answer::Events(vec![], Then::End),
            (1, _) => refusal(503),
            (2, false) => list("6", &[secret_object(6, false, "e30=")]),
            (3, _) => refusal(403),
            (4, false) => list("7", &[]),
            _ => Answer::Events(vec![], Then::Hang),
        }
    })
    .await;
    let (source, _report) = start(&fake, QUICK);
    let content = secret("bonds");
    source.follow(&[&content]);
    until("the Secret", || source.content(&content).is_ok()).await;
    let asked = fake.asked().len();
    *turn.lock().unwrap() = 1;
    until("refusals for a while", || fake.asked().len() > asked + 4).await;
    assert!(source.content(&content).is_ok());
    *turn.lock().unwrap() = 2;
    let unlabelled = || {
        matches!(
            source.content(&content),
            Err(ContentError::NotPermitted { .. })
        )
    };
    until("the label to go", unlabelled).await;
    *turn.lock().unwrap() = 3;
    let forbidden = || {
        matches!(
            source.content(&content),
            Err(ContentError::Forbidden { .. })
        )
    };
    until("the right to go", forbidden).await;
    *turn.lock().unwrap() = 4;
    let absent = || matches!(source.content(&content), Err(ContentError::NotFound { .. }));
    until("the Secret to go", absent).await;
}

#[tokio::test]
async fn no_more_objects_are_followed_than_a_node_may_read() {
    let fake = Fake::start(|asked| {
        if asked.is_watch() {
            return Answer::Events(vec![], Then::Hang);
        }
        if asked.path.ends_with("/secrets") {
            return list("5", &[]);
        }
        refusal(404)
    })
    .await;
    let (source, _report) = start(&fake, NO_PROBE);
    let many: Vec<Content> = (0..300).map(|n| secret(&format!("s{n:03}"))).collect();
    source.follow(&many.iter().collect::<Vec<_>>());
    let lists = |asked: &Asked| asked.path.ends_with("/secrets") && !asked.is_watch();
    until("all lists", || {
        fake.count(lists) == finp2p_crds::content::OBJECTS_MAX
    })
    .await;
    let error = source.content(&many[299]).unwrap_err();
    assert!(error.to_string().contains("at most 256"), "{error}");
}
