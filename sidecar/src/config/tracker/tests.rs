//! Complete sets, roll-back, age and restart; [`lineage`] has its own.

mod lineage;

use finp2p_crds::entry::{ASSET, PEER, POLICY};
use finp2p_crds::sidecar_config::{NodeLimits, RawEntry, Root, Slice};
use finp2p_crds::{SidecarConfig, SidecarConfigSpec};
use serde_json::json;

use super::*;
use crate::config::{Reading, keep};
use crate::store::{MemoryStore, Space, Store};

const NAMES: [&str; 2] = ["bank-a-1-0", "bank-a-1-1"];

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn object(name: &str, uid: &str, generation: i64, spec: SidecarConfigSpec) -> SidecarConfig {
    let mut object = SidecarConfig::new(name, spec);
    object.metadata.uid = Some(uid.to_owned());
    object.metadata.generation = Some(generation);
    object
}

fn entry(kind: &str, name: &str, payload: serde_json::Value) -> RawEntry {
    RawEntry {
        kind: kind.to_owned(),
        uid: format!("uid-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload,
    }
}

fn peer(name: &str) -> RawEntry {
    entry(PEER, name, json!({"organizationId": name}))
}

/// A set of two slices; the second one holds `entries` at `generation`.
fn reading(uid: &str, sequence: i64, generation: i64, entries: Vec<RawEntry>) -> Reading {
    let root = Root {
        organization_id: "bank-a".to_owned(),
        network: "sandbox".to_owned(),
        incarnation: 1,
        sequence,
        limits: NodeLimits {
            requests_per_second: 10,
            connections: 4,
            erase_after_seconds: 60,
            max_config_age_seconds: 10_000,
        },
        set: "1".to_owned(),
        slices: NAMES.map(str::to_owned).to_vec(),
        ..Root::default()
    };
    let slice = |bucket, entries| SidecarConfigSpec {
        root: None,
        slice: Some(Slice {
            set: "1".to_owned(),
            bucket,
            entries,
        }),
    };
    let root = SidecarConfigSpec {
        root: Some(root),
        slice: None,
    };
    Reading {
        root: Arc::new(object("bank-a", uid, 1, root)),
        slices: vec![
            Arc::new(object(NAMES[0], "s0", 1, slice(0, vec![peer("bank-b")]))),
            Arc::new(object(NAMES[1], "s1", generation, slice(1, entries))),
        ],
    }
}

fn observe(tracker: &mut Tracker, at: Timestamp, reading: Reading) -> Outcome {
    let decoded = Applied::decode(reading, tracker.newest().map(|newest| &**newest));
    tracker.observe(at, decoded)
}

fn peers(standing: &Standing) -> usize {
    standing.applied.facts.peers().len()
}

#[test]
fn nothing_is_in_force_before_a_complete_set() {
    let mut tracker = Tracker::default();
    assert!(tracker.standing(at(0)).is_none());
    let mut partial = reading("r", 1, 1, vec![]);
    partial.slices.pop();
    assert_eq!(
        observe(&mut tracker, at(0), partial),
        Outcome::Incomplete(Incomplete::SliceMissing(NAMES[1].to_owned()))
    );
    assert!(tracker.standing(at(0)).is_none());
}

#[test]
fn an_incomplete_set_never_replaces_a_complete_one() {
    let mut tracker = Tracker::default();
    assert_eq!(
        observe(&mut tracker, at(0), reading("r", 1, 1, vec![])),
        Outcome::Applied
    );
    let mut missing = reading("r", 2, 1, vec![]);
    missing.slices.pop();
    let mut mixed = reading("r", 2, 1, vec![]);
    Arc::make_mut(&mut mixed.slices[1])
        .spec
        .slice
        .as_mut()
        .unwrap()
        .set = "2".to_owned();
    let mut crowded = reading("r", 2, 1, vec![]);
    Arc::make_mut(&mut crowded.slices[1])
        .spec
        .slice
        .as_mut()
        .unwrap()
        .entries = vec![peer("x"); 257];
    let mut rootless = reading("r", 2, 1, vec![]);
    Arc::make_mut(&mut rootless.root).spec.root = None;
    for partial in [missing, mixed, crowded, rootless] {
        assert!(matches!(
            observe(&mut tracker, at(1), partial),
            Outcome::Incomplete(_)
        ));
        let standing = tracker.standing(at(1)).unwrap();
        assert_eq!(standing.applied.root.sequence, 1);
        assert!(standing.restrained_by.is_none());
    }
}

#[test]
fn an_edit_of_one_slice_is_applied_and_repeating_it_is_not() {
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), reading("r", 1, 1, vec![]));
    let edited = reading("r", 1, 2, vec![peer("bank-c")]);
    assert_eq!(
        observe(&mut tracker, at(1), edited.clone()),
        Outcome::Applied
    );
    assert_eq!(peers(&tracker.standing(at(1)).unwrap()), 2);
    assert_eq!(observe(&mut tracker, at(2), edited), Outcome::Same);
}

#[test]
fn a_rolled_back_configuration_is_restrained_by_the_newer_one() {
    let newer = || reading("r", 5, 3, vec![]);
    for (older, why) in [
        (reading("r", 4, 9, vec![peer("bank-c")]), "lower sequence"),
        (reading("other", 5, 3, vec![peer("bank-c")]), "another root"),
        (reading("r", 5, 2, vec![peer("bank-c")]), "older slice"),
    ] {
        let mut tracker = Tracker::default();
        observe(&mut tracker, at(0), newer());
        assert!(
            matches!(
                observe(&mut tracker, at(1), older.clone()),
                Outcome::RolledBack { remembered: 5, .. }
            ),
            "{why}"
        );
        let standing = tracker.standing(at(1)).unwrap();
        assert_eq!(peers(&standing), 2, "{why}");
        assert_eq!(
            standing.restrained_by.as_ref().unwrap().facts.peers().len(),
            1
        );
        assert_eq!(observe(&mut tracker, at(2), older.clone()), Outcome::Same);

        // A higher sequence ends it.
        assert_eq!(
            observe(&mut tracker, at(3), reading("r", 6, 1, vec![])),
            Outcome::Applied
        );
        assert!(tracker.standing(at(3)).unwrap().restrained_by.is_none());
    }
}

#[test]
fn once_it_went_back_only_a_higher_sequence_or_the_same_configuration_ends_it() {
    let newer = || reading("r", 5, 3, vec![]);
    let restored = || reading("r", 4, 2, vec![peer("bank-c")]);
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), newer());
    observe(&mut tracker, at(1), restored());
    // An edit after the restore: it says something else at a sequence and a generation that were
    // applied before.
    for generation in [3, 4] {
        let edited = reading("r", 5, generation, vec![peer("bank-c"), peer("bank-d")]);
        assert!(matches!(
            observe(&mut tracker, at(2), edited),
            Outcome::RolledBack { seen: 5, .. }
        ));
    }
    // The restore is undone.
    assert_eq!(observe(&mut tracker, at(3), newer()), Outcome::Applied);
    assert!(tracker.standing(at(3)).unwrap().restrained_by.is_none());
}

#[test]
fn another_content_at_the_same_generation_is_of_another_past() {
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), reading("r", 5, 3, vec![]));
    assert!(matches!(
        observe(
            &mut tracker,
            at(1),
            reading("r", 5, 3, vec![peer("bank-c")])
        ),
        Outcome::RolledBack { .. }
    ));
    // Slices written by hand have no generation, and may be edited.
    let mut by_hand = Tracker::default();
    observe(&mut by_hand, at(0), reading("r", 5, 0, vec![]));
    assert_eq!(
        observe(
            &mut by_hand,
            at(1),
            reading("r", 5, 0, vec![peer("bank-c")])
        ),
        Outcome::Applied
    );
}

#[test]
fn what_did_not_change_is_not_decoded_again() {
    let mut tracker = Tracker::default();
    let first = reading("r", 5, 3, vec![peer("bank-c")]);
    observe(&mut tracker, at(0), first.clone());
    let before = tracker.kept().unwrap().applied;
    let mut next = reading("r", 6, 4, vec![peer("bank-d")]);
    next.slices[0] = Arc::clone(&first.slices[0]);
    let now = Applied::decode(next.clone(), Some(&before)).unwrap();
    assert!(now.shares_with(&before, 0));
    assert!(!now.shares_with(&before, 1));
    let alone = Applied::decode(next, None).unwrap();
    assert_eq!(now.digest, alone.digest);
    assert_eq!(now.facts.peers(), alone.facts.peers());
}

#[test]
fn a_person_can_accept_a_rolled_back_configuration() {
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), reading("r", 5, 1, vec![]));
    observe(
        &mut tracker,
        at(1),
        reading("r", 4, 1, vec![peer("bank-c")]),
    );
    let waiting = tracker.standing(at(1)).unwrap().applied;
    assert!(tracker.accept(&waiting));
    assert!(!tracker.accept(&waiting));
    let standing = tracker.standing(at(1)).unwrap();
    assert!(standing.restrained_by.is_none());
    assert_eq!(tracker.kept().unwrap().remembered.sequence, 4);
}

#[test]
fn a_set_of_another_organization_or_network_is_not_applied() {
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), reading("r", 1, 1, vec![]));
    for field in ["organization", "network"] {
        let mut foreign = reading("r", 2, 1, vec![]);
        let root = Arc::make_mut(&mut foreign.root).spec.root.as_mut().unwrap();
        match field {
            "organization" => root.organization_id = "bank-b".to_owned(),
            _ => root.network = "production".to_owned(),
        }
        assert_eq!(
            observe(&mut tracker, at(1), foreign),
            Outcome::Foreign,
            "{field}"
        );
        assert_eq!(tracker.standing(at(1)).unwrap().applied.root.sequence, 1);
    }
}

#[test]
fn without_contact_the_configuration_ages_until_it_is_stale() {
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), reading("r", 1, 1, vec![]));
    let age = |tracker: &Tracker, s| tracker.standing(at(s)).unwrap().age;
    assert_eq!(age(&tracker, 3599), Age::Fresh);
    assert_eq!(age(&tracker, 3600), Age::Warn);
    assert_eq!(age(&tracker, 9_999), Age::Warn);
    assert_eq!(age(&tracker, 10_000), Age::Stale);
    tracker.touch(at(10_000));
    assert_eq!(age(&tracker, 10_001), Age::Fresh);
    let unknown = Tracker::resume(tracker.kept().map(|kept| kept.applied), None, None);
    assert_eq!(age(&unknown, 0), Age::Stale);
}

#[test]
fn an_entry_that_does_not_decode_harms_no_other_and_never_widens() {
    let mut tracker = Tracker::default();
    observe(
        &mut tracker,
        at(0),
        reading(
            "r",
            1,
            1,
            vec![
                entry(
                    PEER,
                    "bank-c",
                    json!({"organizationId": "bank-c", "addedLater": true}),
                ),
                entry(POLICY, "p", json!({"spec": {"from": "the future"}})),
                entry(
                    ASSET,
                    "a",
                    json!({"resourceId": "bank-a:102:A", "addedLater": 1}),
                ),
                entry("Verdict", "v", json!({})),
                entry(ASSET, "good", json!({"resourceId": "bank-a:102:G"})),
            ],
        ),
    );
    let applied = tracker.standing(at(0)).unwrap().applied;
    let c = applied
        .facts
        .peers()
        .iter()
        .find(|p| p.name == "bank-c")
        .unwrap();
    assert!(c.payload.suspended);
    assert!(applied.facts.policies().is_empty());
    assert_eq!(applied.facts.assets().len(), 1);
    let told: Vec<_> = applied.exceptions.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(told, ["bank-c", "p", "a", "v"]);
}

#[test]
fn a_restart_starts_from_what_was_kept() {
    let store = MemoryStore::default();
    let mut tracker = keep::load(&store).unwrap();
    assert!(tracker.standing(at(0)).is_none());
    observe(
        &mut tracker,
        at(0),
        reading("r", 5, 2, vec![peer("bank-c")]),
    );
    keep::save(&store, &tracker.kept().unwrap(), None).unwrap();
    keep::save_contact(&store, at(0)).unwrap();

    let mut restarted = keep::load(&store).unwrap();
    assert_eq!(peers(&restarted.standing(at(1)).unwrap()), 2);
    assert_eq!(restarted.standing(at(1)).unwrap().age, Age::Fresh);
    assert!(matches!(
        observe(&mut restarted, at(2), reading("r", 4, 1, vec![])),
        Outcome::RolledBack {
            seen: 4,
            remembered: 5
        }
    ));

    // Another set: the slices of the former one go.
    let mut next = reading("r", 6, 1, vec![]);
    let root = Arc::make_mut(&mut next.root).spec.root.as_mut().unwrap();
    root.slices.pop();
    next.slices.pop();
    observe(&mut restarted, at(3), next);
    keep::save(&store, &restarted.kept().unwrap(), None).unwrap();
    assert_eq!(
        store.names(Space::Configuration, "slice/").unwrap().len(),
        1
    );
    assert_eq!(
        keep::load(&store)
            .unwrap()
            .kept()
            .unwrap()
            .remembered
            .sequence,
        6
    );
}
