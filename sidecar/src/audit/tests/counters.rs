//! What is only counted.

use std::fs;

use jiff::SignedDuration;
use tempfile::TempDir;

use super::{NOW, entries, only_segment};
use crate::audit::{Audit, Counters, Door, Entry, Refused};

fn refused(organization: Option<&str>, code: u16) -> Refused<'_> {
    Refused {
        door: Door::Network,
        organization,
        code,
        detail: "suspended",
    }
}

#[test]
fn a_hundred_thousand_counted_refusals_grow_the_log_by_less_than_a_megabyte() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    let counters = Counters::new();
    let codes = [0, 1002, 3000, 9001, 9003, 9004];
    let mut now = NOW;
    for n in 0..100_000_usize {
        // A thousand refusals a second: a hundred seconds.
        now = now.checked_add(SignedDuration::from_millis(1)).unwrap();
        let organization = format!("bank-{}", n % 7);
        let known = (n % 3 > 0).then_some(organization.as_str());
        counters.count(now, refused(known, codes[n % codes.len()]));
        if let Some(entry) = counters.due(now) {
            audit.append(&entry).unwrap();
        }
    }
    audit.append(&counters.finish(now).unwrap()).unwrap();
    assert!(counters.finish(now).is_none());
    let recorded = entries(dir.path());
    let counts = recorded
        .iter()
        .flat_map(|entry| entry["counts"].as_array().unwrap());
    assert_eq!(
        counts
            .map(|count| count["n"].as_u64().unwrap())
            .sum::<u64>(),
        100_000
    );
    assert!(recorded.len() <= 11, "{}", recorded.len());
    assert!(fs::metadata(only_segment(dir.path())).unwrap().len() < 1_000_000);
}

#[test]
fn more_kinds_than_are_kept_apart_are_counted_together_and_still_fit_an_entry() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    let counters = Counters::new();
    for n in 0..1000_u16 {
        let organization = format!("{}{n}", "o".repeat(400));
        counters.count(NOW, refused(Some(&organization), n));
    }
    assert!(counters.due(NOW).is_none());
    audit.append(&counters.finish(NOW).unwrap()).unwrap();
    let entry = &entries(dir.path())[0];
    assert_eq!(entry["counts"].as_array().unwrap().len(), 256);
    assert_eq!(entry["more"], 744);
}

#[test]
fn a_clock_that_was_set_back_does_not_stop_the_counting() {
    let counters = Counters::new();
    counters.count(NOW, refused(None, 0));
    let earlier = NOW.checked_sub(SignedDuration::from_hours(1)).unwrap();
    assert!(counters.due(earlier).is_some());
}

#[test]
fn refusals_are_told_apart_by_door_and_reason() {
    let dir = TempDir::new().unwrap();
    let audit = Audit::open(dir.path(), NOW).unwrap();
    let counters = Counters::new();
    let suspended = refused(Some("bank-b"), 3000);
    let revoked = Refused {
        detail: "certificate revoked",
        ..suspended
    };
    let token = Refused {
        door: Door::Api,
        organization: None,
        detail: "authentication",
        ..suspended
    };
    for refused in [suspended, revoked, token, suspended] {
        counters.count(NOW, refused);
    }
    audit.append(&counters.finish(NOW).unwrap()).unwrap();
    let expected = serde_json::json!([
        {"door": "network", "org": "bank-b", "code": 3000, "detail": "certificate revoked", "n": 1},
        {"door": "network", "org": "bank-b", "code": 3000, "detail": "suspended", "n": 2},
        {"door": "api", "code": 3000, "detail": "authentication", "n": 1},
    ]);
    assert_eq!(entries(dir.path())[0]["counts"], expected);
}

#[test]
fn the_totals_outlast_the_periods_and_are_bounded() {
    let counters = Counters::new();
    for n in 0..3000_u16 {
        counters.count(NOW, refused(None, n % 1500));
        let _recorded = counters.finish(NOW);
    }
    let totals = counters.totals();
    assert_eq!(totals.kinds.len(), 1024);
    assert!(totals.kinds.values().all(|n| *n == 2));
    assert_eq!(totals.more, 3000 - 2048);
}

#[test]
fn what_could_not_be_written_is_counted_on() {
    let counters = Counters::new();
    counters.count(NOW, refused(Some("bank-b"), 3000));
    let lost = counters.finish(NOW).unwrap();
    let later = NOW.checked_add(SignedDuration::from_secs(20)).unwrap();
    counters.count(later, refused(Some("bank-b"), 3000));
    counters.count(later, refused(None, 2002));
    counters.put_back(lost);
    let Some(Entry::Counted(counted)) = counters.due(later) else {
        panic!("it is due since the first of them");
    };
    let counts: Vec<_> = counted.counts.iter().map(|c| (c.code, c.n)).collect();
    assert_eq!((counted.from, counts), (NOW, vec![(2002, 1), (3000, 2)]));
    // In the totals they were all along.
    assert_eq!(counters.totals().kinds.values().sum::<u64>(), 3);
}
