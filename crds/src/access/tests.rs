//! The access model's tests: rules as sentences, properties over random worlds, and
//! planted faults that show that the properties can fail.

mod bond;
mod changes;
mod disclosure;
mod faults;
mod properties;
mod random;
mod rules;
mod soundness;
mod terms;
mod world;

use super::{NOT_YET_ENFORCED, Reason};

#[test]
fn the_page_for_policy_owners_lists_exactly_the_fields_that_are_not_enforced() {
    let page = include_str!("../../ACCESS.md");
    let (_, section) = page.split_once("## Not yet enforced").unwrap();
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = NOT_YET_ENFORCED
        .iter()
        .map(|entry| format!("| `{}` | {} |", entry.field, entry.because))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn the_page_for_policy_owners_names_every_reason_a_peer_can_be_told() {
    let page = include_str!("../../ACCESS.md");
    let told: Vec<&str> = page
        .lines()
        .filter_map(|line| line.split('|').nth(2).map(str::trim))
        .collect();
    for reason in [
        Reason::NotShared,
        Reason::Purpose,
        Reason::Fields,
        Reason::NoContent,
    ] {
        let words = match reason {
            Reason::NotShared => "not shared",
            Reason::Purpose => "purpose",
            Reason::Fields => "fields",
            Reason::NoContent => "no content",
        };
        assert!(told.contains(&words), "{reason:?}");
    }
}
