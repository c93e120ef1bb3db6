//! Own assets: written, read, listed.

use serde_json::{Value, json};

use crate::program::Answer;
use crate::world::{Config, World};

const BOND: &str = "/v1/assets/bond";

fn content() -> Value {
    json!({"isin": "XS2712345672", "terms": {"coupon": "3.25", "price": 101}})
}

#[test]
fn content_is_signed_as_a_version_and_read_back_as_it_was_written() {
    let world = World::new();
    let written = world.trading().put(BOND, &content());
    assert_eq!(written.status, 201, "{}", written.text);
    let hash = written.body["hash"].as_str().unwrap();
    assert_eq!(hash.len(), 64);
    assert_eq!(written.header("etag"), format!("\"{hash}\""));
    assert_eq!(written.body["resourceId"], "bank-b:102:bond");

    let read = world.trading().get(BOND);
    assert_eq!(read.status, 200, "{}", read.text);
    assert_eq!(read.header("cache-control"), "no-store");
    assert_eq!(read.header("etag"), written.header("etag"));
    let expected = json!({
        "resourceId": "bank-b:102:bond",
        "assetId": "bond",
        "name": "bond",
        "source": "api",
        "version": written.body["version"],
        "hash": hash,
        "units": ["/isin", "/terms/coupon", "/terms/price"],
        "issuedAt": "2027-01-15T08:00:00Z",
        "data": content(),
    });
    assert_eq!(read.body, expected);
    assert!(read.body["version"].is_string());
}

#[test]
fn content_that_is_published_already_makes_no_new_version() {
    let world = World::new();
    let first = world.trading().put(BOND, &content());
    let again = world.trading().put(BOND, &content());
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body, again.body);
    let mut other = content();
    other["terms"]["price"] = json!(102);
    let second = world.trading().put(BOND, &other);
    assert_eq!(second.status, 201);
    assert_ne!(second.body["version"], first.body["version"]);
    assert_eq!(world.trading().get(BOND).body["data"], other);
}

#[test]
fn a_list_names_every_own_asset_and_shows_no_data() {
    let world = World::new();
    world.trading().put(BOND, &content());
    let list = world.trading().get("/v1/assets");
    assert_eq!(list.status, 200);
    let assets = list.body["assets"].as_array().unwrap();
    let sources: Vec<_> = assets
        .iter()
        .map(|asset| (&asset["assetId"], &asset["source"]))
        .collect();
    assert_eq!(
        sources,
        [
            (&json!("bond"), &json!("api")),
            (&json!("listed"), &json!("secret"))
        ]
    );
    assert!(assets[1]["version"].is_null());
    assert!(list.body["next"].is_null());
    for value in ["XS2712345672", "3.25", "101"] {
        assert!(!list.text.contains(value), "{}", list.text);
    }
}

#[test]
fn a_long_list_is_read_page_by_page() {
    const NAMES: usize = 256 + 3;
    let names: Vec<&'static str> = (0..NAMES)
        .map(|n| -> &'static str { Box::leak(format!("a{n:04}").into_boxed_str()) })
        .collect();
    let world = World::with(&Config {
        assets: names
            .iter()
            .map(|name| (*name, json!({"api": {}})))
            .collect(),
        ..Config::default()
    });
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/v1/assets".to_owned();
    let mut pages = 0;
    loop {
        let page = world.trading().get(&path);
        assert_eq!(page.status, 200, "{}", page.text);
        pages += 1;
        let assets = page.body["assets"].as_array().unwrap();
        seen.extend(
            assets
                .iter()
                .map(|a| a["assetId"].as_str().unwrap().to_owned()),
        );
        match page.body["next"].as_str() {
            Some(next) => path = format!("/v1/assets?after={next}"),
            None => break,
        }
    }
    assert_eq!(pages, 2);
    assert_eq!(seen, names);
}

#[test]
fn if_match_writes_only_over_the_version_it_names() {
    let world = World::new();
    let put = |tag: &str, price: u64| {
        let body = json!({"isin": "XS1", "price": price});
        world.trading().header("if-match", tag).put(BOND, &body)
    };
    put("*", 1).refusal(412, 1002, "version-changed");
    let first = world
        .trading()
        .put(BOND, &json!({"isin": "XS1", "price": 0}));
    let tag = first.header("etag").to_owned();
    put("\"0000\"", 2).refusal(412, 1002, "version-changed");
    put(&format!("W/{tag}"), 2).refusal(412, 1002, "version-changed");
    assert_eq!(world.trading().get(BOND).header("etag"), tag);
    assert_eq!(put(&format!("\"0000\", {tag}"), 2).status, 201);
    put(&tag, 3).refusal(412, 1002, "version-changed");
    let current = world.trading().get(BOND).header("etag").to_owned();
    let answer = put(current.trim_matches('"'), 3);
    let detail = answer.refusal(400, 1002, "if-match");
    assert!(detail.contains("double quotes"), "{detail}");
    assert!(!detail.contains(current.trim_matches('"')), "{detail}");
    assert_eq!(world.trading().get(BOND).header("etag"), current);
    assert_eq!(put("*", 3).status, 201);
    assert_eq!(world.trading().get(BOND).body["data"]["price"], 3);
}

#[test]
fn an_asset_that_is_not_ours_or_has_no_content_is_not_found() {
    let world = World::new();
    let trading = world.trading();
    trading
        .get("/v1/assets/other")
        .refusal(404, 1100, "unknown-asset");
    trading
        .put("/v1/assets/other", &content())
        .refusal(404, 1100, "unknown-asset");
    trading.get(BOND).refusal(404, 1100, "no-content");
    for id in ["bank-b:102:bond", "%2e%2e", "a%2Fb", "%ff", "-"] {
        let path = format!("/v1/assets/{id}");
        trading.get(&path).refusal(400, 1002, "asset-id");
        trading
            .put(&path, &content())
            .refusal(400, 1002, "asset-id");
    }
}

#[test]
fn an_asset_with_another_source_is_not_written_here() {
    let world = World::new();
    let answer = world.trading().put("/v1/assets/listed", &content());
    let detail = answer.refusal(409, 1002, "not-by-api");
    assert!(detail.contains("Secret"), "{detail}");
}

#[test]
fn bad_content_is_refused_with_its_place() {
    let world = World::new();
    let send = |body: &[u8]| -> Answer {
        world
            .trading()
            .header("content-type", "application/json; charset=utf-8")
            .send("PUT", BOND, body.to_vec())
    };
    let answer = send(b"{\n  \"isin\": nonsense\n}");
    let detail = answer.refusal(400, 1002, "json");
    assert!(detail.contains("line 2, column 12"), "{detail}");
    for (body, title, word) in [
        (&b"[1]"[..], "content", "JSON object"),
        (br#"{"a":1,"a":2}"#, "content", "twice"),
        (br#"{"a":9007199254740993}"#, "content", "number"),
        (br#"{"a":1e400}"#, "json", "line 1"),
        (b"{\"a\":\"\xff\"}", "json", "line 1"),
        (br#"{"_sd":["x"]}"#, "content", "_sd"),
        (b"{} {}", "json", "line 1"),
        (b"\xff", "json", "line 1"),
    ] {
        let answer = send(body);
        let detail = answer.refusal(400, 1002, title);
        assert!(detail.contains(word), "{detail}");
    }
    let many: serde_json::Map<_, _> = (0..257).map(|n| (format!("m{n}"), json!(n))).collect();
    world
        .trading()
        .put(BOND, &Value::Object(many))
        .refusal(400, 1002, "content");
    world.trading().get(BOND).refusal(404, 1100, "no-content");
}

#[test]
fn content_that_does_not_meet_its_schema_is_refused_with_the_places() {
    let schema =
        r#"{"type":"object","properties":{"price":{"type":"number"}},"required":["isin"]}"#;
    let world = World::with(&Config {
        schemas: vec![("bond", schema)],
        ..Config::default()
    });
    let answer = world
        .trading()
        .put(BOND, &json!({"isin": "XS1", "price": "PLANTED"}));
    let detail = answer.refusal(400, 1002, "schema");
    assert!(
        detail.contains("/price") && !detail.contains("PLANTED"),
        "{detail}"
    );
    assert_eq!(
        world
            .trading()
            .put(BOND, &json!({"isin": "XS1", "price": 1}))
            .status,
        201
    );

    let broken = World::with(&Config {
        schemas: vec![("bond", r#"{"type":"nonsense"}"#)],
        ..Config::default()
    });
    let answer = broken.trading().put(BOND, &json!({"isin": "XS1"}));
    answer.refusal(409, 1002, "schema-unusable");
}

#[test]
fn a_body_that_is_too_large_or_no_json_is_refused() {
    let world = World::new();
    let large = json!({"isin": "x".repeat(256 * 1024)});
    let detail = world.trading().put(BOND, &large);
    assert!(detail.refusal(413, 9001, "too-large").contains("262144"));
    let fits = json!({"isin": "x".repeat(256 * 1024 - 11)});
    assert_eq!(fits.to_string().len(), 256 * 1024);
    assert_eq!(world.trading().put(BOND, &fits).status, 201);
    for media in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/jsonp",
        "",
    ] {
        let answer = world.trading().header("content-type", media).send(
            "PUT",
            BOND,
            content().to_string().into_bytes(),
        );
        answer.refusal(415, 1002, "media-type");
    }
}

#[test]
fn an_unknown_member_of_the_query_is_refused() {
    let world = World::new();
    for path in ["/v1/assets?limit=5", "/v1/assets?after=a&after=b"] {
        world.trading().get(path).refusal(400, 1002, "query");
    }
}

#[test]
fn each_access_is_audited_with_client_version_and_hash() {
    let world = World::new();
    let written = world.trading().put(BOND, &content());
    let read = world.trading().get(BOND);
    world.trading().get("/v1/assets");
    world.trading().get("/v1/assets/other");

    let entries = world.entries_of("api.write-asset");
    assert_eq!(entries.len(), 2, "before and after");
    assert_eq!(entries[0]["detail"], "about to write");
    assert!(entries[0]["h"].is_null());
    let after = &entries[1];
    assert_eq!(after["detail"], "new");
    assert_eq!(after["h"], written.body["hash"]);

    let entries = world.entries_of("api.read-asset");
    assert_eq!(entries.len(), 2);
    let entry = &entries[0];
    assert_eq!(entry["client"], "trading");
    assert_eq!(entry["code"], 0);
    assert_eq!(entry["r"], "bank-b:102:bond");
    assert_eq!(entry["h"], read.body["hash"]);
    assert_eq!(
        entry["ver"].to_string(),
        read.body["version"].as_str().unwrap()
    );
    assert_ne!(entry["config"], "0".repeat(64));
    assert_eq!(entries[1]["code"], 1100);
    assert_eq!(world.entries_of("api.list-assets").len(), 1);
}

#[test]
fn what_cannot_be_audited_is_neither_answered_nor_done() {
    let world = World::new();
    world.trading().put(BOND, &content());
    world.set_full(true);
    for path in [BOND, "/v1/assets"] {
        let answer = world.trading().get(path);
        let detail = answer.refusal(503, 2002, "unavailable");
        assert!(detail.contains("audit"), "{detail}");
        assert!(!answer.text.contains("XS2712345672"));
    }
    let answer = world.trading().put(BOND, &json!({"isin": "other"}));
    answer.refusal(503, 2002, "unavailable");
    world.set_full(false);
    assert_eq!(world.trading().get(BOND).body["data"], content());
}

#[test]
fn a_query_that_would_do_nothing_is_refused() {
    let world = World::new();
    let asked = format!("{BOND}?x=1");
    let trading = world.trading();
    trading.put(&asked, &content()).refusal(400, 1002, "query");
    trading.get(BOND).refusal(404, 1100, "no-content");
    assert_eq!(trading.put(BOND, &content()).status, 201);
    for path in ["/v1/assets?x=1", asked.as_str()] {
        trading.get(path).refusal(400, 1002, "query");
    }
}

#[test]
fn nothing_is_signed_before_the_key_is_certified() {
    let world = World::with(&Config {
        certified: false,
        ..Config::default()
    });
    let answer = world.trading().put(BOND, &content());
    let detail = answer.refusal(503, 2002, "not-ready");
    assert!(detail.contains("certificates"), "{detail}");
    world.configure(&Config {
        sequence: 6,
        ..Config::default()
    });
    world.trading().get(BOND).refusal(404, 1100, "no-content");
    assert_eq!(world.trading().put(BOND, &content()).status, 201);
}
