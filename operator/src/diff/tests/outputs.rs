//! What is printed, against golden files, and what hostile names can do to it.

use std::path::Path;

use jiff::Timestamp;

use super::worlds::at;
use crate::diff::access::{Cause, Group};
use crate::diff::changed::What;
use crate::diff::compare::{AccessChange, Difference, EligibilityChange, TrustChange};
use crate::diff::eligibility::Loosened;
use crate::diff::pair::{PolicyRef, Row};
use crate::diff::reach::Right;
use crate::diff::report::Report;
use crate::diff::scope::Scope;
use crate::diff::trust::Trust;
use crate::diff::world::{Place, Refused};

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn access(peers: &[&str], resources: &[&str]) -> AccessChange {
    let row = Row {
        rights: vec![Right::List, Right::Fetch],
        fields: Scope::Only(strings(&["/isin", "/terms/coupon"])),
        purposes: Scope::All { except: vec![] },
        from: None,
        until: None,
        policies: vec![PolicyRef {
            name: "bond-terms".to_owned(),
            change: Some("4f2a91c".to_owned()),
        }],
    };
    let cause = Cause {
        kind: "SharingPolicy",
        name: Some("bond-terms".to_owned()),
        what: What::Changed,
    };
    AccessChange {
        namespace: "bank-a".to_owned(),
        pairs: peers.len() * resources.len(),
        group: Group {
            peers: strings(peers),
            resources: strings(resources),
            row,
            because: vec![cause],
        },
        unresolved: vec![],
    }
}

fn trust(organization: &str, record: Place, trust: Trust, namespaces: &[&str]) -> TrustChange {
    TrustChange {
        organization: organization.to_owned(),
        record,
        trust,
        namespaces: strings(namespaces),
    }
}

fn difference() -> Difference {
    let mut found = Difference::default();
    let mut push = access(
        &["bank-c"],
        &["bank-a:102:ZZGREEN20318", "bank-a:102:ZZVAULT20295"],
    );
    push.group.row = Row {
        rights: vec![Right::Fetch, Right::Subscribe, Right::Redistribute],
        fields: Scope::All {
            except: strings(&["/investors"]),
        },
        purposes: Scope::Only(strings(&["audit", "settlement"])),
        from: Some(moment("2027-01-01T00:00:00Z")),
        until: Some(moment("2028-01-01T00:00:00Z")),
        policies: push.group.row.policies.clone(),
    };
    push.group.because = vec![
        Cause {
            kind: "PeerOrganization",
            name: None,
            what: What::New,
        },
        Cause {
            kind: "SharedAsset",
            name: None,
            what: What::Changed,
        },
    ];
    let mut pending = access(&["bank-x"], &["bank-a:102:ZZGREEN20318"]);
    pending.unresolved = strings(&["bank-x"]);
    found.gained.access = vec![
        access(&["bank-b"], &["bank-a:102:ZZGREEN20318"]),
        push,
        pending,
    ];
    (found.gained.peers, found.gained.resources) = (3, 2);
    found.gained.trust = vec![
        trust(
            "bank-b",
            Place::Record,
            Trust::NotSuspended,
            &["bank-a", "bank-c"],
        ),
        trust(
            "bank-a",
            Place::Local,
            Trust::ApiVerb {
                service_account: "trading".to_owned(),
                verb: finp2p_crds::peer_organization::ApiVerb::Administer,
            },
            &["bank-a"],
        ),
    ];
    found.gained.eligibility = vec![EligibilityChange {
        namespace: "bank-a".to_owned(),
        resource: "bank-a:102:ZZGREEN20318".to_owned(),
        loosened: Loosened::Field {
            field: "/lei".to_owned(),
        },
    }];
    let mut lost = access(&["bank-d"], &["bank-a:102:ZZGREEN20318"]);
    lost.group.because = vec![Cause {
        kind: "SharingPolicy",
        name: Some("old".to_owned()),
        what: What::Gone,
    }];
    found.lost.access = vec![lost];
    (found.lost.peers, found.lost.resources) = (1, 1);
    found.refused = vec![Refused {
        namespace: "bank-a".to_owned(),
        kind: "SharingPolicy".to_owned(),
        name: "users".to_owned(),
        place: Some("bank-a/users.yaml:3".to_owned()),
        reason: "NotYetSupported".to_owned(),
        message: "this version does not enforce users".to_owned(),
        kept: false,
    }];
    found
}

fn report() -> Report {
    Report::new(difference(), moment("2026-12-01T00:00:00Z"))
}

fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/diff/tests")
        .join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found, expected,
        "{name}: UPDATE_GENERATED=1 rewrites it after a change that was meant"
    );
}

#[test]
fn the_three_outputs_are_as_they_were_agreed() {
    golden("diff.txt", &report().text());
    golden("diff.md", &report().markdown());
    golden("diff.json", &report().json().unwrap());
    assert!(report().widens());
}

#[test]
fn no_difference_is_one_line() {
    let report = Report::new(Difference::default(), at(0));
    assert_eq!(report.text(), "access gained: nothing; lost: nothing\n");
    assert_eq!(
        report.markdown(),
        "**access gained: nothing; lost: nothing**\n"
    );
    assert!(!report.widens());
}

#[test]
fn names_of_others_cannot_write_into_a_terminal_or_a_comment() {
    let mut found = Difference::default();
    let mut change = access(&["bank-b"], &["bank-a:102:X"]);
    change.group.row.fields = Scope::Only(strings(&[
        "/a`|b\n| gained | @everyone",
        "/\u{1b}[2Jx\u{202e}",
    ]));
    change.group.row.policies[0].change = Some("](https://x) <img> `\r\n# heading".to_owned());
    found.gained.access = vec![change];
    let report = Report::new(found, at(0));
    let table = report.markdown();
    assert_eq!(table.lines().count(), 5, "{table}");
    let cells = table.lines().last().unwrap().replace("\\|", "");
    assert_eq!(cells.matches('|').count(), 5, "{table}");
    assert_eq!(cells.matches('`').count() % 2, 0, "{table}");
    for text in [table, report.text()] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\r']), "{text:?}");
    }
}

#[test]
fn outputs_are_bounded_and_say_what_they_leave_out() {
    let mut found = Difference::default();
    for number in 0..3_000 {
        let mut change = access(&[&format!("bank-{number}")], &["bank-a:102:X"]);
        let fields = (0..12).map(|i| format!("/{}/{i}", "long-name-of-a-member".repeat(8)));
        change.group.row.fields = Scope::Only(fields.collect());
        found.gained.access.push(change);
        found.refused.push(Refused {
            namespace: "bank-a".to_owned(),
            kind: "SharingPolicy".to_owned(),
            name: format!("policy-{number}"),
            place: None,
            reason: "Invalid".to_owned(),
            message: "x".repeat(5_000),
            kept: false,
        });
    }
    found.gained.omitted = 7;
    let report = Report::new(found, at(0));
    let table = report.markdown();
    assert!(table.chars().count() < 65_536, "{}", table.len());
    let rows = table
        .lines()
        .filter(|line| line.starts_with("| gained |"))
        .count();
    assert!(table.contains(&format!(
        "gained {} more that are not shown here",
        3_007 - rows
    )));
    assert!(table.contains("- 2980 more that are not shown here"));
    let text = report.text();
    assert!(
        text.contains("+ 2507 more that are not shown here"),
        "{}",
        text.len()
    );
}
