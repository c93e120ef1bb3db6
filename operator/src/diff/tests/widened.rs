//! The short form for an Event: what it says, how long it is, and how fast at the scale goal.

use finp2p_crds::access::Facts;
use finp2p_crds::sharing_policy::SharingPolicySpec;

use super::worlds::*;
use crate::diff::changed::Changed;
use crate::diff::widened::{NOTE_MAX_BYTES, Widened};

fn widened(before: &Facts, after: &Facts) -> Option<Widened> {
    Widened::between(before, after, &Changed::between(before, after), at(0))
}

/// 10,000 assets, 100 peers, 1,000 policies: each policy gives a desk's assets to two peers.
fn market() -> Declared {
    let mut declared = Declared::default();
    for number in 0..100 {
        declared
            .peers
            .push(peer(&format!("bank-{number}"), &format!("bank-{number}")));
    }
    for number in 0..10_000 {
        let mut asset = asset(&format!("bond-{number}"), &format!("BOND{number}"));
        asset.payload.labels = labels(&[("desk", &format!("desk-{}", number % 500))]);
        declared.assets.push(asset);
    }
    for number in 0..1_000 {
        let spec = SharingPolicySpec {
            assets: Some(labelled(&[("desk", &format!("desk-{}", number % 500))])),
            peers: named(&[
                &format!("bank-{}", number % 100),
                &format!("bank-{}", (number + 7) % 100),
            ]),
            fields: Some(strings(&["/isin", "/name"])),
            all_fields: None,
            ..open()
        };
        declared
            .policies
            .push(policy(&format!("policy-{number}"), spec));
    }
    declared
}

#[test]
fn one_changed_object_of_each_kind_is_told_at_the_scale_goal() {
    let old = market();
    let before = old.facts();
    let mut new = old.clone();
    new.policies[17].payload.spec.fields = Some(strings(&["/isin", "/name", "/price"]));
    let found = widened(&before, &new.facts()).unwrap();
    assert_eq!(
        (found.peers, found.resources, found.access.len()),
        (2, 20, 1)
    );
    assert!(found.complete);
    assert_eq!(
        found.note(),
        "access gained (peers: 2, assets: 20): bank-17, bank-24 may see listed, fetch /price of us:102:BOND1017, us:102:BOND1517, us:102:BOND17 and 17 more for any purpose"
    );

    let mut new = old.clone();
    new.assets[3].payload.labels = labels(&[("desk", "desk-4")]);
    let found = widened(&before, &new.facts()).unwrap();
    assert_eq!((found.peers, found.resources, found.complete), (2, 1, true));

    let mut new = old.clone();
    new.policies[17].payload.spec = open();
    let found = widened(&before, &new.facts()).unwrap();
    assert_eq!(
        (found.peers, found.resources, found.complete),
        (100, 10_000, true)
    );

    let mut new = old.clone();
    new.peers[5].payload.keys.push(root_key("2027-a"));
    let found = widened(&before, &new.facts()).unwrap();
    assert_eq!(
        found.note(),
        "access gained (points of trust: 1): bank-5: root key 2027-a"
    );

    let mut new = old;
    new.policies.remove(17);
    new.peers[5].payload.suspended = true;
    assert_eq!(widened(&before, &new.facts()), None);
}

#[test]
fn a_note_fits_into_an_event_and_counts_what_it_leaves_out() {
    let mut old = Declared::default();
    let mut new = Declared::default();
    for number in 0..40 {
        let name = format!("{}-{number}", "a-bank-with-a-rather-long-name");
        old.peers.push(peer(&name, &name));
        let field = format!("/a-member-with-a-rather-long-name-{number}");
        let spec = SharingPolicySpec {
            peers: named(&[&name]),
            fields: Some(vec![field]),
            all_fields: None,
            ..open()
        };
        new.policies.push(policy(&name, spec));
    }
    old.assets.push(asset("bond", "BOND"));
    new.peers.clone_from(&old.peers);
    new.assets.clone_from(&old.assets);
    let found = widened(&old.facts(), &new.facts()).unwrap();
    let note = found.note();
    assert!(note.len() <= NOTE_MAX_BYTES, "{}", note.len());
    assert!(
        note.starts_with("access gained (peers: 40, assets: 1): "),
        "{note}"
    );
    let shown = note.matches(" may ").count();
    assert!(
        note.ends_with(&format!("; and {} more", 40 - shown)),
        "{note}"
    );
}

#[test]
fn a_note_names_the_changes_behind_what_was_gained_and_no_others() {
    let mut old = Declared::default();
    old.peers.push(peer("bank-b", "bank-b"));
    old.peers[0].payload.suspended = true;
    old.peers.push(peer("bank-c", "bank-c"));
    old.assets.push(asset("bond", "BOND"));
    old.policies.push(policy(
        "to-b",
        SharingPolicySpec {
            peers: named(&["bank-b"]),
            ..open()
        },
    ));
    old.policies[0].payload.change = Some("CHG-1".to_owned());
    // A lifted suspension gives back what an older policy grants.
    let mut new = old.clone();
    new.peers[0].payload.suspended = false;
    new.peers[0].payload.change = Some("CHG-2".to_owned());
    new.peers[1].payload.change = Some("CHG-3".to_owned());
    let note = widened(&old.facts(), &new.facts()).unwrap().note();
    let head = "access gained (peers: 1, assets: 1, points of trust: 1, change CHG-2): bank-b: not suspended";
    assert!(note.starts_with(head), "{note}");

    let mut new = old.clone();
    new.policies[0].payload.spec.peers = everything();
    new.policies[0].payload.change = Some("C".repeat(500));
    let note = widened(&old.facts(), &new.facts()).unwrap().note();
    let head = format!(
        "access gained (peers: 1, assets: 1, change {}): ",
        "C".repeat(64)
    );
    assert!(note.starts_with(&head), "{note}");

    // The annotation alone is no difference.
    let mut new = old.clone();
    new.assets[0].payload.change = Some("CHG-4".to_owned());
    new.peers[1].payload.change = Some("CHG-4".to_owned());
    new.policies[0].payload.change = Some("CHG-4".to_owned());
    assert!(Changed::between(&old.facts(), &new.facts()).is_empty());
}
