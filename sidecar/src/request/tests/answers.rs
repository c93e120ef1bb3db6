//! What an answer holds: records and their terms, the catalogue, keys.

use finp2p_crds::sharing_policy::Mode as Declared;
use finp2p_wire::cbor::List;
use finp2p_wire::digest::Digest;
use finp2p_wire::key::Kid;
use finp2p_wire::limits::RESPONSE_FRAME_MAX_BYTES;
use finp2p_wire::message::{
    Answer, Body, Catalog, CatalogItem, FetchAnswer, FetchItem, Mode, Prepared, RecordRef,
    Resource, Terms,
};
use serde_json::json;

use super::world::*;
use crate::record::disclosures_digest;
use crate::request::decision::Asked;
use crate::request::{RecordCertificate, Snapshot, fetch};

fn record(answer: &FetchAnswer) -> (RecordRef, Terms) {
    match answer {
        FetchAnswer::Record { record, terms } => (*record, terms.clone()),
        other => panic!("no record: {other:?}"),
    }
}

#[test]
fn an_answer_binds_the_record_and_what_is_disclosed_of_it() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let (answers, signed) = talk.fetch(1, vec![asset("bond")]);
    let (bound, terms) = record(&answers[0]);
    let text = std::str::from_utf8(&signed.attachments[0]).unwrap();
    assert_eq!(bound.dd, Digest(disclosures_digest(text)));
    let signing_input = text.split('~').next().unwrap().rsplit_once('.').unwrap().0;
    assert_eq!(bound.h, Digest::of(signing_input));
    let expected = Terms {
        modes: List::new(vec![Mode::Pull]).unwrap(),
        purposes: List::default(),
        exp: None,
        retain: None,
        lease: None,
        redistribute: false,
        grant: terms.grant,
    };
    assert_eq!(terms, expected);
}

#[test]
fn terms_say_what_the_policy_says() {
    let mut world = World::new();
    world.edit(|resources| {
        let more = json!({
            "mode": "Push", "allFields": true, "purposes": ["audit", "settlement"],
            "notAfter": "2027-01-01T00:00:00Z", "redistribute": true,
        });
        resources.policy("more", &["secret"], more);
    });
    let talk = world.connect(&world.b);
    let (answers, _) = talk.fetch_for(1, vec![asset("secret")], Some("audit"));
    let (_, terms) = record(&answers[0]);
    assert_eq!(terms.modes.to_vec(), [Mode::Pull, Mode::Push]);
    let purposes: Vec<&str> = terms
        .purposes
        .iter()
        .map(|purpose| purpose.as_str())
        .collect();
    assert_eq!(purposes, ["audit", "settlement"]);
    assert_eq!((terms.exp, terms.redistribute), (Some(1_798_761_600), true));
}

#[test]
fn the_grant_s_digest_changes_with_the_policy_and_with_the_units() {
    let mut world = World::new();
    let grant = |world: &World, item: FetchItem| {
        let talk = world.connect(&world.b);
        record(&talk.fetch(1, vec![item]).0[0]).1.grant
    };
    let first = grant(&world, asset("bond"));
    assert_eq!(grant(&world, asset("bond")), first);
    assert_ne!(grant(&world, units("bond", &["/name"])), first);
    world.edit(|resources| resources.policies[0].generation += 1);
    let second = grant(&world, asset("bond"));
    assert_ne!(second, first);
    world.edit(|resources| resources.policies[0].uid.push('2'));
    assert_ne!(grant(&world, asset("bond")), second);
}

#[test]
fn a_copy_that_is_current_is_not_sent_again() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let (answers, full) = talk.fetch(1, vec![asset("bond")]);
    let (bound, terms) = record(&answers[0]);
    world.trail.take();
    let have = |have| {
        vec![FetchItem {
            have: Some(have),
            ..asset("bond")
        }]
    };
    let (answers, short) = talk.fetch(2, have(bound.h));
    assert_eq!(answers, [FetchAnswer::Unchanged { terms }]);
    assert!(short.attachments.is_empty() && short.bytes < full.bytes);
    assert_eq!(world.trail.take()[0].code, 0);
    let (answers, _) = talk.fetch(3, have(Digest([0; 32])));
    assert_eq!(record(&answers[0]).0.h, bound.h);
    // It is no way around a grant.
    let (answers, _) = world.connect(&world.c).fetch(1, have(bound.h));
    assert_eq!(refused(&answers[0]), (7104, None));
}

#[test]
fn a_record_that_does_not_fit_beside_others_is_asked_for_alone() {
    let mut world = World::new();
    for name in ["one", "two", "three", "four"] {
        world.edit(|resources| resources.asset(name));
        world.publish(name, &json!({ "text": "x".repeat(240 * 1024) }));
    }
    world.edit(|resources| {
        let all = json!({"allFields": true});
        resources.policy("large", &["one", "two", "three", "four"], all);
    });
    let talk = world.connect(&world.b);
    let names = ["one", "two", "three", "four", "bond"];
    let (answers, signed) = talk.fetch(1, names.map(asset).to_vec());
    assert!(signed.bytes <= RESPONSE_FRAME_MAX_BYTES);
    assert_eq!(signed.attachments.len(), 4);
    assert_eq!(refused(&answers[3]), (9001, None));
    assert_eq!(record(&answers[4]).0.a, 3, "what is small still fits");
    let entries = world.trail.take();
    let codes: Vec<u16> = entries.iter().map(|entry| entry.code).collect();
    assert_eq!(codes, [0, 0, 0, 9001, 0]);
    let left = &entries[3];
    assert_eq!(
        (left.slug.as_str(), left.record, left.units, left.version),
        ("too-large", None, None, None)
    );
    assert_eq!(left.resource.as_deref(), Some("bank-a:102:four"));
    assert!(matches!(
        talk.fetch(2, vec![asset("four")]).0[0],
        FetchAnswer::Record { .. }
    ));
}

fn ids(items: &[CatalogItem]) -> Vec<&str> {
    items.iter().map(|item| item.r.as_str()).collect()
}

#[test]
fn the_catalogue_lists_what_is_shared_and_advertised_and_has_a_record() {
    let mut world = World::new();
    world.edit(|resources| {
        // Nothing of a broken record can be listed; without it the page is whole.
        resources.assets.retain(|asset| asset.name != "broken");
    });
    let talk = world.connect(&world.b);
    let page = talk.catalog(1, None, 100);
    assert_eq!(ids(&page.items), ["bank-a:102:bond", "bank-a:102:research"]);
    assert_eq!(page.next, None);
    let bond = &page.items[0];
    let units: Vec<&str> = bond.units.iter().map(|unit| unit.as_str()).collect();
    assert_eq!(units, ["/address/country", "/coupon", "/name"]);
    assert_eq!((bond.ver, bond.needs.as_ref()), (41, None));
    assert_eq!(bond.modes.to_vec(), [Mode::Pull]);
    assert!(bond.purposes.is_empty());
    assert_eq!(page.items[1].purposes[0].as_str(), "settlement");
    let (answers, _) = talk.fetch(2, vec![asset("bond")]);
    let (bound, terms) = record(&answers[0]);
    assert_eq!((bond.h, &bond.terms), (bound.h, &terms));
    let entries = world.trail.take();
    assert_eq!((entries[0].op.as_str(), entries[0].code), ("catalog", 0));
    assert!(entries[0].envelope.is_some());
}

#[test]
fn the_catalogue_of_whom_nothing_is_shared_with_is_empty_and_costs_no_read() {
    let world = World::new();
    let talk = world.connect(&world.c);
    let page = talk.catalog(1, None, 100);
    assert!(page.items.is_empty() && page.next.is_none());
    assert_eq!(world.records.reads(), 0);
}

#[test]
fn the_catalogue_comes_in_pages() {
    let mut world = World::new();
    world.edit(|resources| resources.assets.retain(|asset| asset.name != "broken"));
    let talk = world.connect(&world.b);
    let first = talk.catalog(1, None, 1);
    assert_eq!(ids(&first.items), ["bank-a:102:bond"]);
    // The last that was looked at: shared with bank-b too, and without a record yet.
    assert_eq!(first.next.as_deref(), Some("bank-a:102:empty"));
    let second = talk.catalog(2, first.next.as_deref(), 1);
    assert_eq!(ids(&second.items), ["bank-a:102:research"]);
    assert_eq!(second.next, None);
    assert!(
        talk.catalog(3, Some("bank-a:102:research"), 9)
            .items
            .is_empty()
    );
}

#[test]
fn a_page_is_bounded_by_number_and_by_bytes() {
    let mut world = World::new();
    let names: Vec<String> = (0..300).map(|n| format!("asset-{n:03}")).collect();
    world.edit(|resources| {
        resources.assets.clear();
        names.iter().for_each(|name| resources.asset(name));
        let each: Vec<&str> = names.iter().map(String::as_str).collect();
        resources.policy("all-of-them", &each, json!({"allFields": true}));
    });
    for name in &names {
        world.publish(name, &json!({"name": name}));
    }
    let talk = world.connect(&world.b);
    let page = talk.catalog(1, None, u64::MAX);
    assert_eq!(page.items.len(), 256);
    assert_eq!(page.next.as_deref(), Some("bank-a:102:asset-255"));
    assert_eq!(
        talk.catalog(2, page.next.as_deref(), u64::MAX).items.len(),
        44
    );
    // With long names of units far fewer fit.
    let wide: serde_json::Map<_, _> = (0..100)
        .map(|n| (format!("{n:03}{}", "x".repeat(200)), json!(1)))
        .collect();
    for name in &names[..70] {
        world.publish(name, &wide.clone().into());
    }
    let request = talk.request(
        3,
        Body::Catalog(Catalog {
            after: None,
            max: 256,
        }),
    );
    let (answer, signed) = talk.ask(&request);
    let Answer::Catalog(page) = answer else {
        panic!("{answer:?}")
    };
    assert!(signed.bytes <= RESPONSE_FRAME_MAX_BYTES);
    assert!((40..60).contains(&page.items.len()), "{}", page.items.len());
    assert_eq!(page.next, page.items.last().map(|item| item.r.clone()));
}

#[test]
fn a_page_of_assets_with_many_units_is_one_that_a_reader_takes() {
    let mut world = World::new();
    let names: Vec<String> = (0..260).map(|n| format!("asset-{n:03}")).collect();
    world.edit(|resources| {
        resources.assets.clear();
        names.iter().for_each(|name| resources.asset(name));
        let each: Vec<&str> = names.iter().map(String::as_str).collect();
        resources.policy("all-of-them", &each, json!({"allFields": true}));
    });
    let units: serde_json::Map<_, _> = (0..250).map(|n| (format!("{n}"), json!(1))).collect();
    for name in &names {
        world.publish(name, &units.clone().into());
    }
    let talk = world.connect(&world.b);
    let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        pages += 1;
        // Read as a reader does: within the bounds of CBOR.
        let page = talk.catalog(pages, after.as_deref(), u64::MAX);
        assert!(page.items.iter().all(|item| item.units.len() == 250));
        listed.extend(page.items.iter().map(|item| item.r.to_string()));
        after = page.next.map(|next| next.to_string());
        if after.is_none() {
            break;
        }
        assert!(page.items.len() > 230, "{}", page.items.len());
    }
    assert_eq!((listed.len(), pages), (260, 2));
}

#[test]
fn a_page_after_nonsense_is_refused_and_a_page_of_nothing_is_no_request() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let after = Some(Resource::new("nonsense").unwrap());
    let (answer, _) = talk.ask(&talk.request(1, Body::Catalog(Catalog { after, max: 1 })));
    let Answer::Refused(refusal) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(refusal.code().number(), 1002);
    let none = talk.request(
        2,
        Body::Catalog(Catalog {
            after: None,
            max: 0,
        }),
    );
    assert_eq!(talk.send(&none).hint(), 1002);
}

#[test]
fn a_catalogue_that_the_store_does_not_give_is_an_internal_fault() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let request = talk.request(
        1,
        Body::Catalog(Catalog {
            after: None,
            max: 9,
        }),
    );
    let (answer, _) = talk.ask(&request);
    let Answer::Refused(refusal) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!(refusal.code().number(), 2202);
    assert_eq!(world.trail.take()[0].code, 2202);
}

#[test]
fn pages_cost_more_than_requests() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 64);
    let talk = world.connect(&world.c);
    talk.catalog(1, None, 1);
    talk.catalog(2, None, 1);
    let request = talk.request(
        3,
        Body::Catalog(Catalog {
            after: None,
            max: 1,
        }),
    );
    assert_eq!(talk.send(&request).hint(), 9003);
}

#[test]
fn record_keys_come_with_what_certifies_them() {
    let world = World::new();
    let talk = world.connect(&world.c);
    let known = world.a.record.kid();
    let (issuing, certificate) = (&world.a.certificates[0], &world.a.certificates[2]);
    let answer = talk.keys(1, vec![known, Kid([0; 16]), known], None);
    assert_eq!(
        answer.certs,
        Some(presented(&[issuing.clone(), certificate.clone()]))
    );
    assert_eq!(talk.keys(2, vec![Kid([0; 16])], None).certs, None);
    let entries = world.trail.take();
    assert_eq!((entries[0].op.as_str(), entries[0].code), ("keys", 0));
}

#[test]
fn a_key_that_was_certified_again_is_told_with_the_certificate_of_the_record_s_time() {
    let world = World::new();
    let issuing = world.a.certificates[0].clone();
    let certified = |serial: u64, not_before: u64| {
        let said = Certified {
            serial,
            not_before,
            not_after: not_before + 20 * DAY,
            ..USUAL
        };
        world.a.certified(said)[2].clone()
    };
    // Four times, ten days apart, each for twenty days.
    let each: Vec<_> = (1..=4).map(|n| certified(n, NOW - 10 * DAY * n)).collect();
    let known = each
        .iter()
        .map(|one| RecordCertificate::new(one.clone(), issuing.clone()).unwrap());
    let snapshot = Snapshot {
        record_keys: [(world.a.record.kid(), known.collect())].into(),
        ..world.edited(|_| {})
    };
    world.configuration.apply(snapshot);
    let kid = world.a.record.kid();
    let talk = world.connect(&world.c);
    let told = |ctr, at| talk.keys(ctr, vec![kid], at).certs.unwrap();
    let in_order = |order: [usize; 3]| {
        let records = order.map(|n| each[n].clone());
        presented(&[vec![issuing.clone()], records.to_vec()].concat())
    };
    assert_eq!(told(1, None), in_order([0, 1, 2]));
    assert_eq!(told(2, Some(NOW - 35 * DAY)), in_order([3, 0, 1]));
    assert_eq!(told(3, Some(NOW - 25 * DAY)), in_order([2, 3, 0]));
    assert_eq!(told(4, Some(NOW - 80 * DAY)), in_order([0, 1, 2]));
}

#[test]
fn after_a_roll_back_only_what_both_configurations_grant_is_served() {
    let mut world = World::new();
    world.edit(|resources| resources.assets.retain(|asset| asset.name != "broken"));
    let newer = world.resources.clone();
    let mut narrowed = newer.clone();
    // Since the backup one policy was withdrawn, and one narrowed.
    narrowed
        .policies
        .retain(|policy| policy.name != "settlement");
    let bonds = &mut narrowed.policies[0].payload.spec;
    bonds.fields = Some(vec!["/name".to_owned(), "/price".to_owned()]);
    let end = json!("2027-01-01T00:00:00Z");
    bonds.not_after = Some(serde_json::from_value(end).unwrap());
    bonds.mode = Declared::Push;
    world.edit(|resources| resources.restrained_by = Some(narrowed.facts()));

    let talk = world.connect(&world.b);
    let (answers, _) = talk.fetch_for(1, vec![asset("research")], Some("settlement"));
    assert_eq!(refused(&answers[0]), (7104, None));
    let (answers, signed) = talk.fetch(2, vec![asset("bond")]);
    let (_, terms) = record(&answers[0]);
    assert_eq!(
        talk.opened(&signed.attachments[0]),
        json!({"name": "Green bond 2031"})
    );
    assert_eq!(
        (terms.exp, terms.modes.to_vec()),
        (Some(1_798_761_600), vec![Mode::Pull])
    );
    for (ctr, pointer) in [(3, "/price"), (4, "/coupon")] {
        let (answers, _) = talk.fetch(ctr, vec![units("bond", &[pointer])]);
        assert_eq!(refused(&answers[0]), (3400, Some("fields")), "{pointer}");
    }
    let page = talk.catalog(5, None, 9);
    assert_eq!(ids(&page.items), ["bank-a:102:bond"]);
    assert_eq!(
        page.items[0]
            .units
            .iter()
            .map(|u| u.as_str())
            .collect::<Vec<_>>(),
        ["/name"]
    );
    // Nothing in common is nothing.
    let mut apart = newer;
    apart.policies[0].payload.spec.fields = Some(vec!["/price".to_owned()]);
    let apart = apart.facts();
    let sid = talk.sid;
    world.edit(|resources| resources.restrained_by = Some(apart));
    let talk = Talk {
        world: &world,
        bank: &world.b,
        sid,
        now: NOW,
    };
    assert_eq!(
        refused(&talk.fetch(6, vec![asset("bond")]).0[0]),
        (3400, Some("fields"))
    );
    assert_eq!(
        ids(&talk.catalog(7, None, 9).items),
        ["bank-a:102:research"]
    );
}

#[test]
fn as_many_record_keys_are_given_as_fit_and_each_with_its_issuer() {
    let world = World::new();
    let mut snapshot = world.edited(|_| {});
    let kids: Vec<Kid> = (1..=5).map(|n| Kid([n; 16])).collect();
    let issuing = world.a.certificates[0].clone();
    let certificate = |kid: &Kid| {
        let incarnation = u64::from(kid.0[0]);
        let said = Certified {
            incarnation,
            ..USUAL
        };
        world.a.certified(said)[2].clone()
    };
    for kid in &kids {
        let known = RecordCertificate::new(certificate(kid), issuing.clone()).unwrap();
        snapshot.record_keys.insert(*kid, vec![known]);
    }
    let with_issuing = |kids: &[Kid]| {
        let mut all = vec![issuing.clone()];
        all.extend(kids.iter().map(certificate));
        presented(&all)
    };
    world.configuration.apply(snapshot);
    let talk = world.connect(&world.c);
    let told = |ctr, kids: &[Kid]| talk.keys(ctr, kids.to_vec(), None).certs.unwrap();
    assert_eq!(told(1, &kids), with_issuing(&kids[..3]));
    assert_eq!(told(2, &kids[3..]), with_issuing(&kids[3..]));
}

#[test]
fn a_request_never_holds_more_than_one_response() {
    let mut world = World::new();
    world.edit(|resources| {
        resources.asset("large");
        resources.policy("large", &["large"], json!({"allFields": true}));
    });
    world.publish("large", &json!({ "text": "x".repeat(240 * 1024) }));
    let snapshot = world.configuration.current();
    let asked = Asked {
        now: now(),
        snapshot: &snapshot,
        organization: "bank-b",
        purpose: None,
        records: world.records.as_ref(),
    };
    let items = List::new(vec![asset("large"); 64]).unwrap();
    let decided = fetch::prepared(&asked, &items);
    let held: Vec<usize> = decided
        .iter()
        .filter_map(|(prepared, _)| match prepared {
            Prepared::Record { attachment, .. } => Some(attachment.len()),
            _ => None,
        })
        .collect();
    assert_eq!(held.len(), 3);
    assert!(held.iter().sum::<usize>() <= RESPONSE_FRAME_MAX_BYTES);
    let codes: Vec<u16> = decided.iter().map(|(_, finding)| finding.code).collect();
    assert_eq!((&codes[..3], &codes[3..]), (&[0; 3][..], &[9001; 61][..]));
}

#[test]
fn a_page_looks_at_a_bounded_number_of_assets_without_a_record() {
    let mut world = World::new();
    let names: Vec<String> = (0..600).map(|n| format!("asset-{n:03}")).collect();
    world.edit(|resources| {
        resources.assets.clear();
        names.iter().for_each(|name| resources.asset(name));
        resources.policies[0].payload.spec.assets =
            Some(serde_json::from_value(json!({"all": true})).unwrap());
    });
    world.publish("asset-599", &content());
    let talk = world.connect(&world.b);
    let page = talk.catalog(1, None, 10);
    assert!(page.items.is_empty());
    assert_eq!(page.next.as_deref(), Some("bank-a:102:asset-511"));
    assert_eq!(world.records.reads(), 512);
    let page = talk.catalog(2, page.next.as_deref(), 10);
    assert_eq!(ids(&page.items), ["bank-a:102:asset-599"]);
    assert_eq!(page.next, None);
}

#[test]
fn a_page_that_the_store_does_not_give_costs_as_much_as_any() {
    let mut world = World::new();
    world.edit(|resources| resources.requests_per_second = 32);
    let talk = world.connect(&world.b);
    let page = |ctr| {
        talk.request(
            ctr,
            Body::Catalog(Catalog {
                after: None,
                max: 9,
            }),
        )
    };
    let (answer, _) = talk.ask(&page(1));
    assert!(matches!(answer, Answer::Refused(_)));
    assert_eq!(talk.send(&page(2)).hint(), 9003);
}

#[test]
fn after_a_roll_back_what_one_configuration_does_not_advertise_is_not_listed() {
    let mut world = World::new();
    world.edit(|resources| resources.assets.retain(|asset| asset.name != "broken"));
    let mut quiet = world.resources.clone();
    quiet.policies[0].payload.spec.advertise = Some(false);
    let quiet = quiet.facts();
    world.edit(|resources| resources.restrained_by = Some(quiet));
    let talk = world.connect(&world.b);
    let page = talk.catalog(1, None, 9);
    assert_eq!(ids(&page.items), ["bank-a:102:research"]);
    let page = talk.catalog(2, None, 1);
    assert_eq!(
        (ids(&page.items), page.next),
        (vec!["bank-a:102:research"], None)
    );
}
