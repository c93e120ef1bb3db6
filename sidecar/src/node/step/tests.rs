//! What a node remembers of its source, with a source that a test moves.

use std::sync::Mutex;
use std::sync::atomic::Ordering::SeqCst;

use finp2p_crds::shared_asset::Content;
use finp2p_crds::sidecar_config::{NodeLimits, RawEntry, Root, Slice};
use finp2p_crds::{SidecarConfig, SidecarConfigSpec};
use jiff::SignedDuration;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::*;
use crate::audit::{self, Audit};
use crate::config::content::ContentError;
use crate::config::tracker::Age;
use crate::config::{Reading, Source, SourceError};
use crate::keys::NodeKeys;
use crate::node::Parts;
use crate::node::report::{Draft, Report};
use crate::node::tests::Stopping;
use crate::store::Store;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
}

#[derive(Debug)]
struct Nowhere;

impl Report for Nowhere {
    fn take(&self, _draft: Draft) {}
}

/// A source that holds what it is told to.
#[derive(Debug, Default)]
struct Scripted(Mutex<Held>);

#[derive(Clone, Debug, Default)]
struct Held {
    changes: u64,
    reached: Option<Timestamp>,
    reading: Option<Reading>,
}

impl Scripted {
    fn hold(&self, reached: Timestamp, reading: Option<Reading>) {
        let mut held = self.0.lock().unwrap();
        held.changes += 1;
        held.reached = Some(reached);
        held.reading = reading;
    }

    fn held(&self) -> Held {
        self.0.lock().unwrap().clone()
    }
}

impl Source for Scripted {
    fn stamp(&self) -> Stamp {
        Stamp(vec![self.held().changes])
    }

    fn read(&self) -> Result<Reading, SourceError> {
        let reading = self.held().reading;
        reading.ok_or_else(|| SourceError("nothing is there".to_owned()))
    }

    fn reached(&self, _now: Timestamp) -> Option<Timestamp> {
        self.held().reached
    }

    fn contents_stamp(&self) -> Stamp {
        Stamp::default()
    }

    fn content_stamp(&self, _content: &Content) -> Stamp {
        Stamp::default()
    }

    fn content(&self, _content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        Err(ContentError::Api)
    }
}

fn reading(sequence: i64, generation: i64) -> Reading {
    reading_of(sequence, generation, Vec::new())
}

fn reading_of(sequence: i64, generation: i64, entries: Vec<RawEntry>) -> Reading {
    let object = |name: &str, spec| {
        let mut object = SidecarConfig::new(name, spec);
        object.metadata.uid = Some(format!("uid-{name}"));
        object.metadata.generation = Some(generation);
        Arc::new(object)
    };
    let root = Root {
        organization_id: "bank-a".to_owned(),
        network: "sandbox".to_owned(),
        incarnation: 1,
        sequence,
        limits: NodeLimits {
            max_config_age_seconds: 3 * 3600,
            ..NodeLimits::default()
        },
        set: "s1".to_owned(),
        slices: vec!["bank-a-s1-0".to_owned()],
        ..Root::default()
    };
    let slice = Slice {
        set: "s1".to_owned(),
        entries,
        ..Slice::default()
    };
    let root = SidecarConfigSpec {
        root: Some(root),
        slice: None,
    };
    let slice = SidecarConfigSpec {
        root: None,
        slice: Some(slice),
    };
    Reading {
        root: object("bank-a", root),
        slices: vec![object("bank-a-s1-0", slice)],
    }
}

struct Scene {
    source: Arc<Scripted>,
    store: Arc<Stopping>,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self {
            source: Arc::default(),
            store: Arc::default(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// The node, as after a start.
    fn node(&self) -> Node {
        Node::resume(Parts {
            source: Arc::clone(&self.source) as Arc<dyn Source>,
            store: Arc::clone(&self.store) as Arc<dyn Store>,
            audit: Arc::new(Audit::open(&self.folder.path().join("audit"), at(0)).unwrap()),
            keys: Arc::new(NodeKeys::load_or_create(&*self.store).unwrap()),
            report: Arc::new(Nowhere),
        })
        .unwrap()
    }

    fn audited(&self) -> String {
        let mut all = String::new();
        audit::visit(&self.folder.path().join("audit"), &mut |_, text| {
            all.push_str(text);
        })
        .unwrap();
        all
    }
}

fn age(node: &Node, now: Timestamp) -> Age {
    node.standing(now).unwrap().age
}

#[test]
fn a_restart_without_contact_does_not_make_an_old_configuration_fresh() {
    let scene = Scene::new();
    scene.source.hold(at(0), Some(reading(5, 5)));
    let node = scene.node();
    node.tick(at(0));
    assert_eq!(age(&node, at(1)), Age::Fresh);
    // Ninety minutes go by in which nobody reached the source; the node looks and keeps.
    node.tick(at(90));
    assert_eq!(age(&node, at(90)), Age::Warn);
    drop(node);

    let node = scene.node();
    assert_eq!(age(&node, at(91)), Age::Warn);
    node.tick(at(181));
    assert_eq!(age(&node, at(181)), Age::Stale);
    scene.source.hold(at(182), Some(reading(5, 5)));
    node.tick(at(182));
    assert_eq!(age(&node, at(182)), Age::Fresh);
}

#[test]
fn a_source_that_holds_nothing_takes_nothing_away_and_is_no_contact() {
    let scene = Scene::new();
    scene.source.hold(at(0), Some(reading(5, 5)));
    let node = scene.node();
    node.tick(at(0));
    for minutes in [70, 80] {
        // The API server is there, and the root is not.
        scene.source.hold(at(minutes), None);
        node.tick(at(minutes));
    }
    let standing = node.standing(at(80)).unwrap();
    assert_eq!(standing.applied.root.sequence, 5);
    assert_eq!(standing.age, Age::Warn);
}

#[test]
fn what_a_person_accepted_stays_accepted_after_a_restart() {
    let scene = Scene::new();
    scene.source.hold(at(0), Some(reading(5, 5)));
    let node = scene.node();
    node.tick(at(0));
    scene.source.hold(at(1), Some(reading(4, 4)));
    node.tick(at(1));
    assert!(node.standing(at(1)).unwrap().restrained_by.is_some());
    assert!(node.accept(at(1)).unwrap());
    assert!(!node.accept(at(1)).unwrap());
    drop(node);

    let node = scene.node();
    node.tick(at(2));
    let standing = node.standing(at(2)).unwrap();
    assert_eq!(standing.applied.root.sequence, 4);
    assert!(standing.restrained_by.is_none());
    drop(node);
    assert!(scene.audited().contains("configuration-accepted"));
}

#[test]
fn a_roll_back_that_is_not_accepted_is_one_after_a_restart_too() {
    let scene = Scene::new();
    scene.source.hold(at(0), Some(reading(5, 5)));
    let node = scene.node();
    node.tick(at(0));
    drop(node);
    scene.source.hold(at(1), Some(reading(4, 4)));
    let node = scene.node();
    node.tick(at(1));
    let standing = node.standing(at(1)).unwrap();
    assert_eq!(standing.applied.root.sequence, 4);
    assert_eq!(standing.restrained_by.unwrap().root.sequence, 5);
    assert_eq!(age(&node, at(1) + SignedDuration::from_mins(1)), Age::Fresh);
}

#[test]
fn each_applied_configuration_is_audited_with_the_objects_it_changed_and_the_changes_behind_them() {
    let terms = |generation: i64, change: &str| {
        let spec = serde_json::json!({"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true});
        RawEntry {
            kind: "Policy".to_owned(),
            uid: "uid-terms".to_owned(),
            generation,
            name: "terms".to_owned(),
            payload: serde_json::json!({"spec": spec, "change": change}),
        }
    };
    let scene = Scene::new();
    let node = scene.node();
    for (number, entries) in [vec![terms(1, "CHG-1")], vec![terms(1, "CHG-2")], vec![]]
        .into_iter()
        .enumerate()
    {
        let number = i64::try_from(number).unwrap();
        scene.source.hold(
            at(number),
            Some(reading_of(5 + number, 5 + number, entries)),
        );
        node.tick(at(number));
    }
    drop(node);
    let audited = scene.audited();
    for (was, change) in [
        ("added", "CHG-1"),
        ("changed", "CHG-2"),
        ("removed", "CHG-2"),
    ] {
        let objects = format!(
            "\"objects\":[{{\"kind\":\"Policy\",\"was\":\"{was}\",\"name\":\"terms\",\"uid\":\"uid-terms\",\"gen\":1,\"change\":\"{change}\"}}]"
        );
        assert!(audited.contains(&objects), "{objects} in {audited}");
    }
}

#[test]
fn a_volume_that_takes_nothing_is_reported_until_it_does() {
    let scene = Scene::new();
    scene.source.hold(at(0), Some(reading(5, 5)));
    let node = scene.node();
    let (there, away) = (
        scene.folder.path().join("audit"),
        scene.folder.path().join("away"),
    );
    let said = |now| {
        node.tick(now);
        let status = node.status(now, Vec::new());
        let said = status.of_node("StoreUnavailable");
        said.map(|exception| (exception.name.clone(), exception.message.clone()))
    };
    assert_eq!(said(at(0)), None);
    std::fs::rename(&there, &away).unwrap();
    let (name, message) = said(at(1)).unwrap();
    assert_eq!(name, "bank-a");
    assert!(message.contains("free space on the volume"), "{message}");
    std::fs::rename(&away, &there).unwrap();
    assert_eq!(said(at(2)), None);
}

#[test]
fn the_mark_of_a_sequence_is_reported_once_it_is_on_the_volume() {
    let marked = |sequence: i64| {
        let mut reading = reading(sequence, sequence);
        let root = Arc::make_mut(&mut reading.root).spec.root.as_mut().unwrap();
        root.lineage = vec![format!("{sequence:0>16}")];
        Some(reading)
    };
    let mark = |node: &Node, now| {
        node.tick(now);
        node.status(now, Vec::new()).mark
    };
    let scene = Scene::new();
    scene.source.hold(at(0), marked(5));
    let node = scene.node();
    assert_eq!(node.status(at(0), Vec::new()).mark, None);
    assert_eq!(mark(&node, at(0)).as_deref(), Some("0000000000000005"));
    // What went back in time is in force beside it, and not kept.
    scene.source.hold(at(1), marked(4));
    assert_eq!(mark(&node, at(1)).as_deref(), Some("0000000000000005"));
    drop(node);
    scene.source.hold(at(2), None);
    let node = scene.node();
    assert_eq!(mark(&node, at(2)).as_deref(), Some("0000000000000005"));
    // In force, and the volume did not take it: a restart would begin with the one before.
    scene.store.stopped.store(true, SeqCst);
    scene.source.hold(at(3), marked(6));
    assert_eq!(mark(&node, at(3)), None);
    assert_eq!(node.standing(at(3)).unwrap().applied.root.sequence, 6);
    scene.store.stopped.store(false, SeqCst);
    scene.source.hold(at(4), marked(7));
    assert_eq!(mark(&node, at(4)).as_deref(), Some("0000000000000007"));
}
