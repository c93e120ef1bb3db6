//! The objects that entries name.

use tempfile::TempDir;

use super::super::*;
use super::{NOW, decision, entries};

#[test]
fn the_longest_decision_and_the_longest_change_fit_into_an_entry() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    // Quotes are two bytes each in JSON; control characters, six, are left out.
    let change = format!("\n{}", "\"".repeat(1000));
    let named = Named::new(&"n".repeat(253), &"u".repeat(128), i64::MAX, Some(&change));
    let Entry::Decision(mut longest) = decision(&"\"".repeat(MAX_TEXT_BYTES)) else {
        unreachable!()
    };
    longest.envelope = Some(vec![0; 64 * 1024]);
    longest.detail = Some("\"".repeat(MAX_TEXT_BYTES));
    longest.policies = vec![named.clone(); MAX_POLICIES];
    audit.append(&Entry::Decision(longest)).unwrap();
    let changed = ChangedObject {
        kind: "k".repeat(63),
        what: WhatBecame::Changed,
        object: named,
    };
    let change = Change {
        at: NOW,
        what: "configuration-applied".into(),
        digest: [7; 32],
        sequence: Some(u64::MAX),
        objects: vec![changed; MAX_OBJECTS],
        more: u64::MAX,
    };
    audit.append(&change.into()).unwrap();
    let kept = entries(dir.path());
    let kept = kept[0]["policies"][31]["change"].as_str().unwrap();
    assert_eq!(kept, "\"".repeat(MAX_TEXT_BYTES));
}

#[test]
fn a_policy_is_named_with_its_uid_its_generation_and_the_change_behind_it() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    let Entry::Decision(mut allowed) = decision("0") else {
        unreachable!()
    };
    let change = format!("CHG-7 {}", "é".repeat(200));
    allowed.policies = vec![
        Named::new("terms", "uid-1", 3, Some("CHG-7")),
        Named::new("more", "uid-2", 1, None),
        Named::new("long", "uid-3", 1, Some(&change)),
    ];
    audit.append(&Entry::Decision(allowed)).unwrap();
    let expected = serde_json::json!([
        {"name": "terms", "uid": "uid-1", "gen": 3, "change": "CHG-7"},
        {"name": "more", "uid": "uid-2", "gen": 1},
        {"name": "long", "uid": "uid-3", "gen": 1, "change": format!("CHG-7 {}", "é".repeat(125))},
    ]);
    assert_eq!(entries(dir.path())[0]["policies"], expected);
}
