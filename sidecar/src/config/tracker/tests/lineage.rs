//! A configuration that went back in time and was counted on from there, past what the node remembers.

use finp2p_crds::sidecar_config::LINEAGE_MAX;

use super::*;

/// The marks of sequences `from..=to` in the past called `past`.
fn marks(past: &str, from: i64, to: i64) -> Vec<String> {
    (from..=to).map(|n| format!("{past}{n:0>10}")).collect()
}

/// A reading whose root has this lineage; the last mark is of `sequence`.
fn of_lineage(sequence: i64, lineage: Vec<String>, entries: Vec<RawEntry>) -> Reading {
    let mut reading = reading("r", sequence, sequence, entries);
    let root = Arc::make_mut(&mut reading.root).spec.root.as_mut().unwrap();
    root.lineage = lineage;
    reading
}

/// A node that had sequence 7, from which a peer had been taken away since sequence 4.
fn at_seven() -> Tracker {
    let mut tracker = Tracker::default();
    let seven = of_lineage(7, marks("first", 1, 7), vec![]);
    assert_eq!(observe(&mut tracker, at(0), seven), Outcome::Applied);
    tracker
}

/// Counted on from sequence 4, in another past than the node's.
fn restored(sequence: i64) -> Reading {
    let mut lineage = marks("first", 1, 4);
    lineage.extend(marks("other", 5, sequence));
    of_lineage(sequence, lineage, vec![peer("bank-c")])
}

fn rolls_back(tracker: &mut Tracker, reading: Reading) -> bool {
    let outcome = observe(tracker, at(1), reading);
    matches!(outcome, Outcome::RolledBack { remembered: 7, .. })
}

#[test]
fn counting_past_what_the_node_had_does_not_bring_back_what_was_taken_away() {
    let mut tracker = at_seven();
    for sequence in [7, 8, 9, 500] {
        assert!(
            rolls_back(&mut tracker, restored(sequence)),
            "sequence {sequence}"
        );
        let standing = tracker.standing(at(1)).unwrap();
        let newer = standing.restrained_by.unwrap();
        assert_eq!(newer.facts.peers().len(), 1);
    }
    let kept = tracker.kept().unwrap();
    assert_eq!(kept.remembered.sequence, 7);
    assert_eq!(kept.remembered.mark.as_deref(), Some("first0000000007"));
}

#[test]
fn a_node_that_was_away_takes_what_goes_on_from_what_it_had() {
    for edits in [1, 300, i64::try_from(LINEAGE_MAX).unwrap() - 1] {
        let mut tracker = at_seven();
        let mut lineage = marks("first", 1, 7 + edits);
        lineage.drain(..lineage.len().saturating_sub(LINEAGE_MAX));
        let newer = of_lineage(7 + edits, lineage, vec![peer("bank-c")]);
        assert_eq!(observe(&mut tracker, at(1), newer), Outcome::Applied);
        assert!(tracker.standing(at(1)).unwrap().restrained_by.is_none());
    }
}

#[test]
fn more_edits_than_the_lineage_holds_cannot_be_told_from_another_past() {
    let most = i64::try_from(LINEAGE_MAX).unwrap();
    let mut tracker = at_seven();
    let lineage = marks("first", 8, 7 + most);
    let newer = of_lineage(7 + most, lineage, vec![peer("bank-c")]);
    assert!(rolls_back(&mut tracker, newer));
}

#[test]
fn a_lineage_that_begins_above_what_the_node_had_is_what_a_person_asked_for() {
    let mut tracker = at_seven();
    assert!(rolls_back(&mut tracker, restored(9)));
    let asked = of_lineage(10, marks("asked", 10, 10), vec![peer("bank-c")]);
    assert_eq!(observe(&mut tracker, at(2), asked), Outcome::Applied);
    assert!(tracker.standing(at(2)).unwrap().restrained_by.is_none());
    // And goes on from there, also for who was away meanwhile.
    let mut away = at_seven();
    for tracker in [&mut tracker, &mut away] {
        let next = of_lineage(12, marks("asked", 10, 12), vec![]);
        assert_eq!(observe(tracker, at(3), next), Outcome::Applied);
    }
    // Below it, it is as old as any other.
    let below = of_lineage(6, marks("asked", 6, 6), vec![peer("bank-c")]);
    assert!(rolls_back(&mut at_seven(), below));
}

#[test]
fn a_new_root_that_counts_past_the_former_is_of_another_past() {
    let mut tracker = at_seven();
    let mut anew = of_lineage(9, marks("other", 1, 9), vec![peer("bank-c")]);
    Arc::make_mut(&mut anew.root).metadata.uid = Some("new".to_owned());
    assert!(rolls_back(&mut tracker, anew));
}

#[test]
fn what_was_accepted_is_gone_on_from() {
    let mut tracker = at_seven();
    assert!(rolls_back(&mut tracker, restored(9)));
    let waiting = tracker.standing(at(1)).unwrap().applied;
    assert!(tracker.accept(&waiting));
    assert_eq!(observe(&mut tracker, at(2), restored(10)), Outcome::Applied);
    // The past that was given up is now the other one.
    let former = of_lineage(11, marks("first", 1, 11), vec![]);
    assert!(matches!(
        observe(&mut tracker, at(3), former),
        Outcome::RolledBack { remembered: 10, .. }
    ));
}

#[test]
fn it_is_noticed_after_a_restart_too() {
    let store = MemoryStore::default();
    keep::save(&store, &at_seven().kept().unwrap(), None).unwrap();
    let mut restarted = keep::load(&store).unwrap();
    assert!(rolls_back(&mut restarted, restored(9)));
}

#[test]
fn a_configuration_without_a_lineage_is_told_by_its_sequence_alone() {
    // What an operator without lineages wrote, and what is kept of it.
    let mut tracker = Tracker::default();
    observe(&mut tracker, at(0), of_lineage(7, vec![], vec![]));
    assert_eq!(tracker.kept().unwrap().remembered.mark, None);
    assert_eq!(observe(&mut tracker, at(1), restored(9)), Outcome::Applied);
    let kept: Remembered = serde_json::from_value(json!({"uid": "r", "sequence": 7})).unwrap();
    assert_eq!(kept.mark, None);
    // Files that a person writes have none either.
    let mut by_hand = at_seven();
    let next = of_lineage(8, vec![], vec![]);
    assert_eq!(observe(&mut by_hand, at(1), next), Outcome::Applied);
}

#[test]
fn another_configuration_under_the_same_sequence_is_of_another_past_for_good() {
    // What stood at 7 was accepted after a first restore; the same backup is restored once more.
    let store = MemoryStore::default();
    let mut tracker = at_seven();
    keep::save(&store, &tracker.kept().unwrap(), None).unwrap();
    let mut lineage = marks("first", 1, 6);
    lineage.extend(marks("backup", 7, 7));
    // Generations do not tell: edits have outgrown them.
    let mut again = of_lineage(7, lineage, vec![peer("bank-c")]);
    Arc::make_mut(&mut again.slices[1]).metadata.generation = Some(99);
    assert!(rolls_back(&mut tracker, again.clone()));
    // It is one after a restart, too.
    let mut restarted = keep::load(&store).unwrap();
    assert!(rolls_back(&mut restarted, again));
}
