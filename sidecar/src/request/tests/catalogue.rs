//! The catalogue: what it lists, and in pages of which size and cost.

use finp2p_wire::cbor;
use finp2p_wire::limits::{CBOR_ITEMS_MAX, RESPONSE_FRAME_MAX_BYTES};
use finp2p_wire::message::{Answer, Body, Catalog, CatalogItem, Mode, Resource};
use serde_json::{Value, json};

use super::answers::record;
use super::world::*;

pub fn ids(items: &[CatalogItem]) -> Vec<&str> {
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
    let (world, names) = with_assets(300);
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

/// A world in which bank-b may see all of so many assets.
fn with_assets(number: usize) -> (World, Vec<String>) {
    let mut world = World::new();
    let names: Vec<String> = (0..number).map(|n| format!("asset-{n:03}")).collect();
    world.edit(|resources| {
        resources.assets.clear();
        names.iter().for_each(|name| resources.asset(name));
        let each: Vec<&str> = names.iter().map(String::as_str).collect();
        resources.policy("all-of-them", &each, json!({"allFields": true}));
    });
    (world, names)
}

/// What the catalogue says of the first asset when it has this content.
fn listed_with(world: &World, content: &Value) -> CatalogItem {
    world.publish("asset-000", content);
    let talk = world.connect(&world.b);
    talk.catalog(1, None, 1).items[0].clone()
}

#[test]
fn a_page_that_is_full_to_the_byte_fits_its_frame() {
    // Two hundred of these would fill a frame that holds nothing else.
    const EACH_BYTES: usize = RESPONSE_FRAME_MAX_BYTES / 200 + 1;
    let (world, names) = with_assets(201);
    let content = |last: usize| {
        let units = (0..24).map(|n| format!("{n:02}{}", "x".repeat(200)));
        let units = units.chain(["z".repeat(last)]);
        units.map(|unit| (unit, json!(1))).collect::<Value>()
    };
    let size = cbor::encode(&listed_with(&world, &content(100))).len();
    let content = content(100 + EACH_BYTES - size);
    let size = cbor::encode(&listed_with(&world, &content)).len();
    assert_eq!(size, EACH_BYTES);
    names.iter().for_each(|name| world.publish(name, &content));
    let page = world.connect(&world.b).catalog(1, None, u64::MAX);
    assert_eq!(page.items.len(), 199);
    assert!(page.next.is_some());
}

#[test]
fn a_page_of_assets_with_many_units_is_one_that_a_reader_takes() {
    // 255 of these leave one data item for the rest of the answer.
    const EACH_ITEMS: usize = CBOR_ITEMS_MAX / 255;
    let (world, names) = with_assets(260);
    let content = |units: usize| (0..units).map(|n| (format!("{n}"), json!(1))).collect();
    let inside = |item: &CatalogItem| cbor::gate(&cbor::encode(item)).unwrap().items;
    let beside = inside(&listed_with(&world, &content(200))) - 200;
    let content: Value = content(EACH_ITEMS - beside);
    names.iter().for_each(|name| world.publish(name, &content));
    let talk = world.connect(&world.b);
    let (mut listed, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        pages += 1;
        // Read as a reader does: within the bounds of CBOR.
        let page = talk.catalog(pages, after.as_deref(), u64::MAX);
        assert!(page.items.iter().all(|item| inside(item) == EACH_ITEMS));
        listed.extend(page.items.iter().map(|item| item.r.to_string()));
        after = page.next.map(|next| next.to_string());
        if after.is_none() {
            break;
        }
        assert_eq!(page.items.len(), 254);
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
