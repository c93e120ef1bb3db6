//! When the report is written, and when it is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use finp2p_crds::sidecar_config::{AppliedSlice, Exception, PeerReport};
use http::Method;
use serde_json::Value;

use super::*;
use crate::config::kubernetes::fake::{Answer, Asked, Fake, refusal, until};

fn status(generation: i64, peers: usize) -> SidecarConfigStatus {
    SidecarConfigStatus {
        incarnation: Some(1),
        applied: vec![AppliedSlice {
            slice: "bank-a-s1-0".to_owned(),
            generation,
        }],
        peers: (0..peers)
            .map(|n| PeerReport {
                organization_id: format!("bank-{n}"),
                reachable: n % 2 == 0,
                message: Some("m".repeat(1024)),
            })
            .collect(),
        ..SidecarConfigStatus::default()
    }
}

struct Scene {
    fake: Fake,
    report: StatusReport,
    seen: watch::Sender<RootSeen>,
    broken: Arc<AtomicBool>,
}

impl Scene {
    async fn new(seen: RootSeen) -> Self {
        let broken = Arc::new(AtomicBool::new(false));
        let refusing = Arc::clone(&broken);
        let version = AtomicU64::new(100);
        let fake = Fake::start(move |_| {
            if refusing.load(Ordering::SeqCst) {
                return refusal(500);
            }
            let version = version.fetch_add(1, Ordering::SeqCst).to_string();
            let object = json!({"metadata": {"uid": "u", "resourceVersion": version}});
            Answer::Json(200, object)
        })
        .await;
        let (report, wanted) = StatusReport::new();
        let (seen, seeing) = watch::channel(seen);
        let writer = Writer {
            server: Server::new(fake.client()),
            path: "/sidecarconfigs/bank-a/status".to_owned(),
            root: "bank-a".to_owned(),
            wanted,
            seen: seeing,
        };
        tokio::spawn(writer.run());
        Self {
            fake,
            report,
            seen,
            broken,
        }
    }

    fn writes(&self) -> Vec<Asked> {
        let asked = self.fake.asked().into_iter();
        asked.filter(|a| a.method == Method::PATCH).collect()
    }

    async fn written(&self, count: usize) -> Value {
        until("so many writes", || self.writes().len() == count).await;
        self.writes()[count - 1].json()["status"].clone()
    }

    /// Long enough for a write that is due at once.
    async fn nothing_more(&self, count: usize) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(self.writes().len(), count);
    }
}

fn there(version: &str, status: Option<SidecarConfigStatus>) -> RootSeen {
    RootSeen {
        object: Some(("u".to_owned(), version.to_owned())),
        status,
        lists: 1,
    }
}

#[tokio::test]
async fn what_was_applied_is_reported_at_once_and_the_rest_at_leisure() {
    let scene = Scene::new(there("9", None)).await;
    scene.report.take(status(1, 0).into());
    assert_eq!(scene.written(1).await["applied"][0]["generation"], 1);
    let first = Instant::now();
    scene.report.take(status(1, 2).into());
    scene.nothing_more(1).await;
    scene.report.take(status(2, 2).into());
    assert_eq!(scene.written(2).await["applied"][0]["generation"], 2);
    assert!(first.elapsed() < ORDINARY_INTERVAL);
    let second = Instant::now();
    scene.report.take(status(2, 4).into());
    scene.written(3).await;
    assert!(second.elapsed() >= ORDINARY_INTERVAL - Duration::from_millis(500));
    let write = &scene.writes()[0];
    assert!(write.query.contains("fieldManager=finp2p-node"));
    assert_eq!(write.json()["kind"], "SidecarConfig");
}

#[tokio::test]
async fn going_back_and_being_accepted_are_reported_at_once() {
    let scene = Scene::new(there("9", None)).await;
    let mut back = status(1, 0);
    back.exceptions = vec![Exception {
        kind: "Node".to_owned(),
        name: "bank-a".to_owned(),
        reason: "ConfigurationRolledBack".to_owned(),
        message: "m".to_owned(),
    }];
    let first = Instant::now();
    for (number, status) in [status(1, 0), back, status(1, 0)].into_iter().enumerate() {
        scene.report.take(status.into());
        scene.written(number + 1).await;
    }
    assert!(first.elapsed() < ORDINARY_INTERVAL);
}

#[tokio::test]
async fn what_stands_there_is_not_written_again() {
    // After a restart: the watch brings what was written before.
    let scene = Scene::new(there("9", Some(status(1, 2)))).await;
    scene.report.take(status(1, 2).into());
    scene.nothing_more(0).await;
    scene.report.take(status(2, 2).into());
    scene.written(1).await;
    // The watch is behind: it still shows what stood there before.
    scene.seen.send_replace(there("50", Some(status(1, 2))));
    scene.nothing_more(1).await;
    scene.seen.send_replace(there("100", Some(status(2, 2))));
    scene.nothing_more(1).await;
    // Somebody else took it away.
    scene.seen.send_replace(there("120", None));
    scene.written(2).await;
    // The control plane went back in time: a list shows less than was written.
    scene.seen.send_replace(RootSeen {
        lists: 2,
        ..there("60", Some(status(1, 2)))
    });
    scene.written(3).await;
}

#[tokio::test]
async fn a_mark_waits_for_a_report_that_says_more() {
    let marked = |generation: i64, mark: &str| SidecarConfigStatus {
        mark: Some(mark.repeat(16)),
        ..status(generation, 0)
    };
    let scene = Scene::new(there("9", Some(status(1, 0)))).await;
    scene.report.take(marked(1, "a").into());
    scene.nothing_more(0).await;
    scene.report.take(marked(2, "b").into());
    assert_eq!(scene.written(1).await["mark"], "b".repeat(16));
}

#[tokio::test]
async fn without_a_root_there_is_nowhere_to_report_to() {
    let scene = Scene::new(RootSeen::default()).await;
    scene.report.take(status(1, 0).into());
    scene.nothing_more(0).await;
    scene.seen.send_replace(there("9", None));
    scene.written(1).await;
}

#[tokio::test]
async fn a_write_that_fails_is_tried_again_with_what_is_true_then() {
    let scene = Scene::new(there("9", None)).await;
    scene.broken.store(true, Ordering::SeqCst);
    scene.report.take(status(1, 0).into());
    until("two tries", || scene.writes().len() >= 2).await;
    scene.report.take(status(7, 0).into());
    scene.broken.store(false, Ordering::SeqCst);
    let last = || scene.writes().last().map(Asked::json);
    until("the newest", || {
        last().is_some_and(|body| body["status"]["applied"][0]["generation"] == 7)
    })
    .await;
}

#[test]
fn a_report_that_is_too_large_loses_words_first_and_what_was_applied_never() {
    let mut large = status(3, 100);
    large.exceptions = (0..100)
        .map(|n| Exception {
            kind: "SharedAsset".to_owned(),
            name: format!("asset-{n}"),
            reason: "ContentInvalid".to_owned(),
            message: "e".repeat(1024),
        })
        .collect();
    let fitted = fit(large.clone().into());
    assert!(serde_json::to_vec(&fitted).unwrap().len() <= REPORT_MAX_BYTES);
    assert_eq!(fitted.applied, large.applied);
    assert_eq!(fitted.exceptions[0], large.exceptions[0]);
    assert!(fitted.exceptions.len() > 40);
    let left_out = 101 - fitted.exceptions.len();
    let last = fitted.exceptions.last().unwrap();
    assert_eq!((&*last.kind, &*last.reason), ("Node", "ReportFull"));
    let count = format!("{left_out} more are not told");
    assert!(last.message.starts_with(&count), "{}", last.message);
    assert!(fitted.peers.iter().all(|peer| !peer.reachable));
    assert_eq!(fitted.peers.len(), 50);
    let small = status(3, 2);
    assert_eq!(fit(small.clone().into()), small);
}
