//! What each verb opens, and that it opens nothing else.

use finp2p_crds::peer_organization::ApiVerb;
use finp2p_sidecar::api::route::{Access, ROUTES, Route};
use serde_json::json;

use crate::program::{Answer, Program};
use crate::world::{ALL, Config, World, client};

/// A request to this route that is fine but for the verb.
fn call(program: &Program, route: &Route) -> Answer {
    let path = route.path.replace("{assetId}", "bond");
    match route.method.as_str() {
        "GET" => program.get(&path),
        "PUT" => program.put(&path, &json!({"isin": "XS1"})),
        "POST" => program.post(&path, &json!({"resource": "bank-a:102:XS1"})),
        other => panic!("no request for {other}"),
    }
}

/// A node with one client for each verb, which has that verb alone.
fn specialists() -> World {
    let clients = ALL.map(|verb| client(&name(verb), &[verb]));
    World::with(&Config {
        clients: clients.to_vec(),
        ..Config::default()
    })
}

fn name(verb: ApiVerb) -> String {
    format!("only-{verb:?}").to_lowercase()
}

fn opens(verb: ApiVerb) -> Vec<&'static str> {
    let world = specialists();
    let program = world.as_client(&name(verb));
    let mut open = Vec::new();
    for route in &ROUTES {
        let answer = call(&program, route);
        if answer.body["title"] != "verb" {
            assert!(
                ![401, 403, 404, 405].contains(&answer.status) || route.op == "api.read-asset",
                "{}",
                answer.text
            );
            open.push(route.op);
            continue;
        }
        let Access::Verb(needed) = route.access else {
            panic!("{} needs no verb", route.path);
        };
        let detail = answer.refusal(403, 3400, "verb");
        assert!(detail.contains(&format!("{needed:?}")), "{detail}");
        let audited = world.entries_of(route.op);
        let last = audited.last().unwrap();
        assert_eq!(last["client"], name(verb));
        assert_eq!(last["slug"], "verb");
        assert_eq!(last["ref"], answer.body["reference"]);
    }
    // Nothing was written by whoever may not write.
    if verb != ApiVerb::WriteAssets {
        assert!(
            world
                .entries_of("api.write-asset")
                .iter()
                .all(|entry| entry["code"] == 3400)
        );
    }
    open
}

const PUBLIC: [&str; 2] = ["api.description", "api.status"];

#[test]
fn read_assets_opens_reading_own_assets_and_nothing_else() {
    let open = opens(ApiVerb::ReadAssets);
    assert_eq!(
        open,
        [PUBLIC[0], PUBLIC[1], "api.list-assets", "api.read-asset"]
    );
}

#[test]
fn write_assets_opens_writing_own_assets_and_nothing_else() {
    let open = opens(ApiVerb::WriteAssets);
    assert_eq!(open, [PUBLIC[0], PUBLIC[1], "api.write-asset"]);
}

#[test]
fn fetch_opens_what_peers_share_and_nothing_else() {
    let open = opens(ApiVerb::Fetch);
    assert_eq!(open, [PUBLIC[0], PUBLIC[1], "api.list-shared", "api.fetch"]);
}

#[test]
fn administer_opens_the_node_itself_and_nothing_else() {
    let open = opens(ApiVerb::Administer);
    assert_eq!(open, [PUBLIC[0], PUBLIC[1], "api.accept-configuration"]);
}

#[test]
fn read_users_opens_nothing_yet() {
    assert_eq!(opens(ApiVerb::ReadUsers), PUBLIC);
}

#[test]
fn write_users_opens_nothing_yet() {
    assert_eq!(opens(ApiVerb::WriteUsers), PUBLIC);
}

#[test]
fn decide_opens_nothing_yet() {
    assert_eq!(opens(ApiVerb::Decide), PUBLIC);
}

#[test]
fn audit_opens_nothing_yet() {
    assert_eq!(opens(ApiVerb::Audit), PUBLIC);
}

#[test]
fn every_verb_but_the_needed_one_is_not_enough() {
    for route in &ROUTES {
        let Access::Verb(needed) = route.access else {
            continue;
        };
        let others: Vec<ApiVerb> = ALL.into_iter().filter(|verb| *verb != needed).collect();
        let world = World::with(&Config {
            clients: vec![client("trading", &others)],
            ..Config::default()
        });
        let answer = call(&world.trading(), route);
        answer.refusal(403, 3400, "verb");
    }
}

#[test]
fn every_route_of_the_table_is_served() {
    let world = World::new();
    for route in &ROUTES {
        let answer = call(&world.trading(), route);
        let title = answer.body["title"].as_str().unwrap_or_default();
        assert!(
            !["unknown-route", "method-not-allowed", "verb"].contains(&title),
            "{} {}: {}",
            route.method,
            route.path,
            answer.text
        );
    }
}
