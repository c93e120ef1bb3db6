//! Whoever may not come in, and why.

use serde_json::json;

use crate::world::{ALL, Config, World, client};

#[test]
fn a_request_without_a_known_token_is_unauthenticated_and_only_counted() {
    let world = World::new();
    let bearer = |text: &str| world.nobody().header("authorization", text);
    let twice = world.trading().header(
        "authorization",
        &format!("Bearer {}", crate::world::token("trading")),
    );
    for program in [
        world.nobody(),
        bearer("Bearer nonsense"),
        bearer("Bearer "),
        bearer("Basic dHJhZGluZzp0cmFkaW5n"),
        world.as_client("stranger"),
        twice,
    ] {
        let answer = program.get("/v1/assets/bond");
        answer.refusal(401, 3000, "authentication");
        assert_eq!(answer.header("www-authenticate"), "Bearer");
    }
    assert!(world.entries_of("api.read-asset").is_empty());
    world.node.finish(world.clock.now());
    let entries = world.all_entries();
    let counted: Vec<_> = entries
        .iter()
        .filter(|entry| entry["k"] == "counted")
        .map(|entry| &entry["counts"])
        .collect();
    let six = json!([{"door": "api", "code": 3000, "detail": "authentication", "n": 6}]);
    assert_eq!(counted, [&six]);
    let line = r#"finp2p_refusals_counted_total{door="api",organization="",code="3000",reason="authentication"} 6"#;
    let metrics = world.prober().get("/metrics").text;
    assert!(metrics.contains(line), "{metrics}");
}

#[test]
fn what_is_refused_without_a_token_is_counted_and_not_written() {
    let world = World::new();
    let page = world.nobody().header("origin", "http://localhost");
    page.get("/v1/assets").refusal(403, 3400, "origin");
    world
        .nobody()
        .get("/nothing")
        .refusal(404, 1100, "unknown-route");
    let deleted = world.nobody().send("DELETE", "/v1/status", Vec::new());
    deleted.refusal(405, 1002, "method-not-allowed");
    let totals = world.node.counters().totals();
    let counted: Vec<_> = totals
        .kinds
        .iter()
        .map(|(kind, n)| (kind.detail, *n))
        .collect();
    assert_eq!(
        counted,
        [
            ("method-not-allowed", 1),
            ("unknown-route", 1),
            ("origin", 1)
        ]
    );
}

#[test]
fn a_known_token_whose_client_is_not_in_the_configuration_is_forbidden_and_audited() {
    let world = World::new();
    world.give_token("former");
    for path in ["/v1/status", "/v1/assets"] {
        let answer = world.as_client("former").get(path);
        let detail = answer.refusal(403, 3400, "client-unknown");
        assert!(detail.contains("spec.node.api.clients"), "{detail}");
    }
    let entries = world.entries_of("api.list-assets");
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0]["client"], "former");
    assert_eq!(entries[0]["code"], 3400);
    assert!(entries[0]["org"].is_null());
}

#[test]
fn a_client_that_the_next_configuration_no_longer_names_is_out() {
    let world = World::new();
    assert_eq!(world.trading().get("/v1/assets").status, 200);
    world.configure(&Config {
        sequence: 6,
        clients: vec![client("other", &ALL)],
        ..Config::default()
    });
    let answer = world.trading().get("/v1/assets");
    answer.refusal(403, 3400, "client-unknown");
}

#[test]
fn a_web_page_is_refused_whatever_it_holds() {
    let world = World::new();
    for (name, value) in [
        ("origin", "http://127.0.0.1:4080"),
        ("origin", "null"),
        ("sec-fetch-site", "same-origin"),
    ] {
        for path in ["/v1/assets", "/openapi.json"] {
            let answer = world.trading().header(name, value).get(path);
            answer.refusal(403, 3400, "origin");
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
    }
}

#[test]
fn an_unknown_route_and_an_unknown_method_are_told_apart() {
    let world = World::new();
    for path in [
        "/",
        "/v1",
        "/v2/status",
        "/v1/users",
        "/v1/assets/",
        "/v1/assets/a/b",
        "/metrics",
    ] {
        world
            .trading()
            .get(path)
            .refusal(404, 1100, "unknown-route");
        world.nobody().get(path).refusal(404, 1100, "unknown-route");
    }
    for (method, path, allowed) in [
        ("DELETE", "/v1/assets/bond", "GET, PUT"),
        ("POST", "/v1/status", "GET"),
        ("GET", "/v1/fetch", "POST"),
        ("OPTIONS", "/v1/assets", "GET"),
        ("PUT", "/v1/configuration/accept", "POST"),
    ] {
        let answer = world.trading().send(method, path, Vec::new());
        let detail = answer.refusal(405, 1002, "method-not-allowed");
        assert!(detail.contains(allowed), "{detail}");
        assert_eq!(answer.header("allow"), allowed);
    }
}

#[test]
fn a_head_request_is_a_get_without_its_body() {
    let world = World::new();
    world
        .trading()
        .put("/v1/assets/bond", &json!({"isin": "XS1"}));
    let head = world.trading().send("HEAD", "/v1/assets/bond", Vec::new());
    let get = world.trading().get("/v1/assets/bond");
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.header("etag"), get.header("etag"));
    let stranger = world.nobody().send("HEAD", "/v1/assets/bond", Vec::new());
    assert_eq!(stranger.status, 401);
    assert_eq!(world.entries_of("api.read-asset").len(), 2);
}

#[test]
fn the_description_is_for_anyone() {
    let world = World::empty();
    let answer = world.nobody().get("/openapi.json");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body["openapi"], "3.1.0");
    assert_eq!(
        answer.text,
        finp2p_sidecar::api::description::text().unwrap()
    );
}
