//! What the node reports of its assets and policies, and when.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use finp2p_crds::shared_asset::Content;
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use finp2p_sidecar::config::content::ContentError;
use finp2p_sidecar::config::{Directory, Reading, Source, SourceError, Stamp};
use jiff::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::world::{Config, World};

/// A directory whose contents come late, as from an API server.
#[derive(Debug)]
struct Late {
    directory: Directory,
    contents: Arc<Contents>,
}

#[derive(Debug, Default)]
struct Contents {
    /// By key; another is being read.
    given: Mutex<Vec<(&'static str, &'static str)>>,
    changes: AtomicU64,
}

impl Contents {
    fn give(&self, key: &'static str, text: &'static str) {
        self.given.lock().unwrap().push((key, text));
        self.changes.fetch_add(1, Ordering::SeqCst);
    }
}

impl Source for Late {
    fn stamp(&self) -> Stamp {
        self.directory.stamp()
    }

    fn read(&self) -> Result<Reading, SourceError> {
        Source::read(&self.directory)
    }

    fn reached(&self, now: Timestamp) -> Option<Timestamp> {
        self.directory.reached(now)
    }

    fn contents_stamp(&self) -> Stamp {
        Stamp(vec![self.contents.changes.load(Ordering::SeqCst)])
    }

    fn content_stamp(&self, content: &Content) -> Stamp {
        let key = &content.secret.as_ref().unwrap().key;
        let given = self.contents.given.lock().unwrap();
        let at = given.iter().position(|(known, _)| known == key);
        Stamp(at.map(|at| at as u64).into_iter().collect())
    }

    fn content(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let reference = content.secret.as_ref().unwrap();
        let given = self.contents.given.lock().unwrap();
        let found = given.iter().find(|(known, _)| *known == reference.key);
        let (_, text) = found.ok_or_else(|| ContentError::Pending {
            kind: "Secret",
            name: reference.name.clone(),
        })?;
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    }
}

struct Scene {
    world: World,
    contents: Arc<Contents>,
    config: Config,
}

impl Scene {
    fn new() -> Self {
        let contents = Arc::<Contents>::default();
        let given = Arc::clone(&contents);
        let world = World::over(|directory| {
            Arc::new(Late {
                directory,
                contents: given,
            })
        });
        let config = Config {
            assets: Vec::new(),
            ..Config::default()
        };
        Self {
            world,
            contents,
            config,
        }
    }

    /// In force when this returns.
    fn edit(&mut self, edit: impl FnOnce(&mut Config)) {
        edit(&mut self.config);
        self.config.sequence += 1;
        self.world.write(&self.config);
        let tick = self.world.node.tick(self.world.clock.now());
        if self.config.certified {
            let sequence = tick.served.unwrap().applied.root.sequence;
            assert_eq!(sequence, self.config.sequence, "it is not in force");
        }
    }

    fn add(&mut self, name: &'static str) {
        let content = json!({"secret": {"name": name, "key": name}});
        self.edit(|config| config.assets.push((name, content)));
    }

    fn report(&self) -> Option<SidecarConfigStatus> {
        self.world.look();
        self.world.report()
    }

    /// Generation of the slice, and what is told of objects: `NAME REASON`.
    fn told(&self) -> (Option<i64>, Vec<String>) {
        let report = self.report().unwrap();
        let exceptions = report.exceptions.into_iter();
        let told = exceptions.map(|e| format!("{} {}", e.name, e.reason));
        let generation = report.applied.first().map(|slice| slice.generation);
        (generation, told.collect())
    }
}

#[test]
fn what_is_in_force_is_reported_as_applied_once_its_contents_were_looked_at() {
    let mut scene = Scene::new();
    scene.add("good");
    assert!(scene.report().is_none(), "nothing is known of its content");
    scene.contents.give("good", "{\"isin\": \"ZZ\"}");
    let first = scene.config.sequence;
    assert_eq!(scene.told(), (Some(first), vec![]));

    scene.add("bad");
    assert_eq!(scene.told(), (Some(first), vec![]));
    scene.contents.give("bad", "{\"isin\": ");
    let second = scene.config.sequence;
    let bad = || vec!["bad ContentInvalid".to_owned()];
    assert_eq!(scene.told(), (Some(second), bad()));

    // An edit that names no other content waits for none.
    scene.edit(|config| config.clients.clear());
    assert_eq!(scene.told(), (Some(second + 1), bad()));
    // An asset that is edited is looked at again, and so is what else was read.
    scene.edit(|config| config.schemas.push(("good", "{\"required\": [\"name\"]}")));
    let both = vec![
        "bad ContentInvalid".to_owned(),
        "good ContentInvalid".to_owned(),
    ];
    let (applied, mut told) = scene.told();
    told.sort();
    assert_eq!((applied, told), (Some(second + 2), both));
}

#[test]
fn content_that_is_not_given_holds_up_no_report_for_long() {
    let mut scene = Scene::new();
    scene.add("good");
    scene.contents.give("good", "{\"isin\": \"ZZ\"}");
    let first = scene.config.sequence;
    assert_eq!(scene.told(), (Some(first), vec![]));
    scene.add("never");
    for seconds in [0, 2, 2] {
        scene.world.pass(seconds);
        assert_eq!(scene.told(), (Some(first), vec![]));
    }
    scene.world.pass(1);
    assert_eq!(scene.told(), (Some(first + 1), vec![]));
    // It has had its time: what comes later does not wait for it again.
    scene.edit(|config| config.clients.clear());
    assert_eq!(scene.told(), (Some(first + 2), vec![]));
    scene.contents.give("never", "[]");
    assert_eq!(
        scene.told(),
        (Some(first + 2), vec!["never ContentInvalid".to_owned()])
    );
}

#[test]
fn a_node_without_certificates_reports_its_requests_and_no_asset_as_applied() {
    let mut scene = Scene::new();
    scene.config.certified = false;
    scene.edit(|_| {});
    let applied = |scene: &Scene| scene.report().unwrap().applied.len();
    assert_eq!(applied(&scene), 0, "there is no slice");
    scene.contents.give("bad", "[]");
    scene.add("bad");
    let report = scene.report().unwrap();
    assert_eq!(report.certificate_requests.len(), 2);
    assert!(report.applied.is_empty(), "{:?}", report.applied);
    scene.edit(|config| config.certified = true);
    let told = vec!["bad ContentInvalid".to_owned()];
    assert_eq!(scene.told(), (Some(scene.config.sequence), told));
}

fn policy(fields: &[&str]) -> Value {
    json!({"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "fields": fields})
}

#[test]
fn a_pointer_that_opens_nothing_is_told_until_policy_or_content_is_mended() {
    let mut scene = Scene::new();
    scene.edit(|config| {
        config.assets.push(("bond", json!({"api": {}})));
        config.policies.push(("terms", policy(&["/isin", "/name"])));
    });
    let told = |scene: &Scene| scene.told().1;
    assert!(told(&scene).is_empty(), "there is no content yet");
    let unknown = ["terms FieldUnknown", "bond FieldUnknown"];
    let put = |scene: &Scene, content: Value| {
        let answer = scene.world.trading().put("/v1/assets/bond", &content);
        assert_eq!(answer.status, 201, "{}", answer.text);
    };
    put(&scene, json!({"isin": "ZZ"}));
    assert_eq!(told(&scene), unknown);
    put(&scene, json!({"isin": "ZZ", "name": "Bond"}));
    assert!(told(&scene).is_empty());
    scene.edit(|config| config.policies[0].1 = policy(&["/ghost"]));
    assert_eq!(told(&scene), unknown);
    scene.edit(|config| config.policies[0].1 = policy(&["/name"]));
    assert!(told(&scene).is_empty());
    put(&scene, json!({"isin": "ZZ"}));
    assert_eq!(told(&scene), unknown);
    scene.edit(|config| config.policies.clear());
    assert!(told(&scene).is_empty());
}
