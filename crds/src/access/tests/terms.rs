//! Terms, the catalog, and what statuses ask: one sentence each.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::*;
use super::world::{Ask, Declared, asset, at, named, open, peer, policy, strings};
use crate::entry::{Entry, PeerEntry};

fn ask() -> Ask {
    Ask {
        now: at(10),
        requester: "bank-b".to_owned(),
        resource: "us:102:A".to_owned(),
        operation: Operation::Fetch,
        purpose: None,
        wanted: None,
        units: Some(strings(&["/x", "/y"])),
    }
}

fn declared(specs: &[SharingPolicySpec]) -> Declared {
    Declared {
        peers: vec![peer("b", "bank-b")],
        policies: specs
            .iter()
            .enumerate()
            .map(|(i, spec)| policy(&format!("policy-{i}"), spec.clone()))
            .collect(),
        assets: ["C", "A", "B"]
            .map(|id| asset(&id.to_lowercase(), &format!("us:102:{id}")))
            .to_vec(),
    }
}

fn terms(specs: &[SharingPolicySpec]) -> Terms {
    ask().of(&decide, &declared(specs)).unwrap().terms
}

fn until(second: i64, spec: SharingPolicySpec) -> SharingPolicySpec {
    SharingPolicySpec {
        not_after: Some(Time(at(second))),
        ..spec
    }
}

fn only(field: &str, spec: SharingPolicySpec) -> SharingPolicySpec {
    SharingPolicySpec {
        all_fields: None,
        fields: Some(strings(&[field])),
        ..spec
    }
}

fn generous() -> SharingPolicySpec {
    SharingPolicySpec {
        mode: Mode::Push,
        redistribute: Some(true),
        ..open()
    }
}

fn listed(declared: &Declared, after: Option<&str>) -> Vec<String> {
    let after = after.map(|id| id.parse().unwrap());
    catalog(&declared.facts(), at(10), "bank-b", after.as_ref())
        .map(|listing| listing.resource.to_string())
        .collect()
}

#[test]
fn terms_of_one_policy_are_what_it_says() {
    let plain = terms(&[open()]);
    assert_eq!((plain.modes, plain.purposes), (vec![Mode::Pull], None));
    assert_eq!((plain.expires, plain.redistribute), (None, false));
    let rich = terms(&[until(20, generous())]);
    assert_eq!(rich.modes, [Mode::Pull, Mode::Push]);
    assert_eq!((rich.expires, rich.redistribute), (Some(at(20)), true));
}

#[test]
fn terms_are_the_best_on_each_unit_and_the_worst_over_all() {
    let mixed = terms(&[only("/x", generous()), only("/y", until(20, open()))]);
    assert_eq!((mixed.modes, mixed.redistribute), (vec![Mode::Pull], false));
    assert_eq!(mixed.expires, Some(at(20)));
    let longest = terms(&[until(20, open()), until(30, open())]);
    assert_eq!(longest.expires, Some(at(30)));
}

#[test]
fn a_term_does_not_outlive_the_policy_that_allows_it() {
    let short = terms(&[until(20, generous()), open()]);
    assert_eq!((short.expires, short.redistribute), (None, false));
    assert_eq!(short.modes, [Mode::Pull]);
}

#[test]
fn purposes_in_the_terms_hold_for_every_unit() {
    let for_purposes = |field, list: &[&str]| SharingPolicySpec {
        purposes: Some(strings(list)),
        ..only(field, open())
    };
    let specs = [
        for_purposes("/x", &["trade", "audit"]),
        for_purposes("/y", &["audit", "tax"]),
    ];
    let audit = Ask {
        purpose: Some("audit".to_owned()),
        ..ask()
    };
    let access = audit.of(&decide, &declared(&specs)).unwrap();
    assert_eq!(access.terms.purposes, Some(strings(&["audit"])));
    assert_eq!(access.grants.len(), 2);
    let trade = Ask {
        purpose: Some("trade".to_owned()),
        ..ask()
    };
    let access = trade.of(&decide, &declared(&specs)).unwrap();
    assert_eq!(access.terms.purposes, Some(strings(&["audit", "trade"])));
    assert_eq!(access.grants.len(), 1);
}

#[test]
fn a_unit_that_one_policy_opens_for_all_purposes_is_bound_to_none() {
    let audit = SharingPolicySpec {
        purposes: Some(strings(&["audit"])),
        ..open()
    };
    let asking = Ask {
        purpose: Some("audit".to_owned()),
        ..ask()
    };
    let purposes = |specs: &[SharingPolicySpec]| {
        let access = asking.of(&decide, &declared(specs)).unwrap();
        access.terms.purposes
    };
    assert_eq!(purposes(&[audit.clone(), open()]), None);
    let bound = purposes(&[audit, until(20, open())]);
    assert_eq!(bound, Some(strings(&["audit"])));
}

#[test]
fn no_units_have_no_terms_to_speak_of() {
    let nothing = Terms::of(&[]);
    assert_eq!(nothing.expires, Some(Timestamp::MIN));
    assert_eq!(
        (nothing.modes, nothing.redistribute),
        (vec![Mode::Pull], false)
    );
}

#[test]
fn the_catalog_lists_what_advertised_policies_open_in_order_and_after_a_cursor() {
    let world = declared(&[open()]);
    assert_eq!(listed(&world, None), ["us:102:A", "us:102:B", "us:102:C"]);
    assert_eq!(listed(&world, Some("us:102:A")), ["us:102:B", "us:102:C"]);
    assert_eq!(listed(&world, Some("us:102:AA")), ["us:102:B", "us:102:C"]);
    let hidden = SharingPolicySpec {
        advertise: Some(false),
        ..open()
    };
    assert!(listed(&declared(&[hidden]), None).is_empty());
    assert!(listed(&declared(&[until(10, open())]), None).is_empty());
    let mut suspended = world;
    suspended.peers[0].payload.suspended = true;
    assert!(listed(&suspended, None).is_empty());
}

#[test]
fn a_listing_offers_the_units_and_purposes_of_advertised_policies_only() {
    let audit = SharingPolicySpec {
        purposes: Some(strings(&["audit"])),
        ..only("/x", open())
    };
    let hidden = SharingPolicySpec {
        advertise: Some(false),
        purposes: Some(strings(&["secret"])),
        ..generous()
    };
    let trade = SharingPolicySpec {
        purposes: Some(strings(&["trade", "audit"])),
        ..only("/x", open())
    };
    let facts = declared(&[trade, audit, hidden]).facts();
    let listing = catalog(&facts, at(10), "bank-b", None).next().unwrap();
    assert_eq!(listing.purposes(), ["audit", "trade"]);
    let (units, terms) = listing.offer(&strings(&["/x", "/y"])).unwrap();
    assert_eq!(units, ["/x"]);
    assert_eq!(terms.purposes, Some(strings(&["audit", "trade"])));
    assert_eq!(terms.modes, [Mode::Pull]);
    assert!(listing.offer(&strings(&["/y"])).is_none());
}

#[test]
fn a_listing_offers_every_purpose_although_no_unit_is_for_all_of_them() {
    let for_purpose = |purpose, field| SharingPolicySpec {
        purposes: Some(strings(&[purpose])),
        ..only(field, open())
    };
    let facts = declared(&[for_purpose("trade", "/x"), for_purpose("audit", "/y")]).facts();
    let listing = catalog(&facts, at(10), "bank-b", None).next().unwrap();
    let (units, terms) = listing.offer(&strings(&["/x", "/y"])).unwrap();
    assert_eq!(units, ["/x", "/y"]);
    assert_eq!(terms.purposes, Some(strings(&["audit", "trade"])));
}

#[test]
fn a_listing_without_purposes_binds_to_none() {
    let facts = declared(&[open()]).facts();
    let listing = catalog(&facts, at(10), "bank-b", None).next().unwrap();
    let (_, terms) = listing.offer(&strings(&["/x"])).unwrap();
    assert_eq!(terms.purposes, None);
}

#[test]
fn statuses_see_selected_peers_and_matched_assets() {
    let mut world = declared(&[]);
    let suspended = Entry {
        payload: PeerEntry {
            suspended: true,
            ..peer("s", "bank-s").payload
        },
        ..peer("s", "bank-s")
    };
    let mut issuer = peer("issuer", "kyc");
    issuer.payload.keys.clear();
    world.peers.extend([suspended, issuer, peer("self", "us")]);
    let facts = world.facts();
    let names: Vec<_> = facts
        .selected_peers(&open())
        .iter()
        .map(|p| &p.name)
        .collect();
    assert_eq!(names, ["b", "s"]);
    let mut world = declared(&[]);
    world.assets.extend([
        asset("theirs", "bank-b:102:A"),
        asset("user", "us:101:A"),
        asset("broken", "us"),
    ]);
    let facts = world.facts();
    assert_eq!(facts.organization(), "us");
    let matched = |spec: &SharingPolicySpec| -> Vec<String> {
        let own = facts.own_assets(None).map(|(_, asset)| asset);
        let matched = own.filter(|asset| selects_asset(spec, asset));
        matched.map(|asset| asset.name.clone()).collect()
    };
    assert_eq!(matched(&open()).len(), 3);
    let spec = SharingPolicySpec {
        assets: Some(named(&["b", "ghost", "a"])),
        ..open()
    };
    assert_eq!(matched(&spec), ["a", "b"]);
    let users_only = SharingPolicySpec {
        assets: None,
        ..open()
    };
    assert!(matched(&users_only).is_empty());
}

#[test]
fn a_decision_looks_at_the_policies_of_one_peer_and_at_one_asset() {
    let mut world = declared(&[open()]);
    for i in 0..10_000 {
        world
            .assets
            .push(asset(&format!("n{i}"), &format!("us:102:N{i}")));
    }
    for i in 0..1_000 {
        let spec = SharingPolicySpec {
            peers: named(&[&format!("p{i}")]),
            ..open()
        };
        world
            .peers
            .push(peer(&format!("p{i}"), &format!("org-{i}")));
        world.policies.push(policy(&format!("for-{i}"), spec));
    }
    let facts = world.facts();
    assert_eq!(facts.policies_for("bank-b").count(), 1);
    assert_eq!(facts.policies_for("org-7").count(), 2);
    let id = "us:102:N9999".parse().unwrap();
    assert_eq!(facts.own_asset(&id).unwrap().name, "n9999");
}
