//! What comes from peers: a real reader and network, and a Primary on the other end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use finp2p_sidecar::api::Peers;
use finp2p_sidecar::network::{Admissions, Bounds, Responder};
use finp2p_sidecar::reader::{Reader, ReaderCounters};
use finp2p_sidecar::request::Incarnations;
use finp2p_sidecar::request::time::Timekeeper;
use finp2p_sidecar::store::MemoryStore;
use finp2p_wire::cbor::{List, Text};
use finp2p_wire::error::Code;
use finp2p_wire::message::{self, Body, CatalogPage};
use serde_json::{Value, json};

use crate::bank::Bank;
use crate::node::{Node, echo};
use crate::primary::{BOND, Heard, Primary, SECRET, hint};
use crate::world::{Config, World};

/// bank-b with its way to bank-a, which answers, and to bank-c, which is down.
struct Market {
    world: World,
    primary: Arc<Primary>,
    nodes: (Node, Node),
}

impl Market {
    fn open() -> Self {
        let world = World::empty();
        let (a, c) = (Bank::new("bank-a"), Bank::new("bank-c"));
        let keypair = a.peer.clone();
        let primary = Arc::new(Primary::new(a));
        let nodes = world.runtime.block_on(async {
            let responder = Arc::clone(&primary) as Arc<dyn Responder>;
            let bounds = Bounds::default();
            let server = Node::start_as(keypair, responder, bounds, Admissions::new(64)).await;
            let keypair = world.keys.peer.clone();
            let own = Node::start_as(keypair, echo(), Bounds::default(), Admissions::new(64)).await;
            server.admissions.admit(own.peer, "bank-b");
            (own, server)
        });
        let nowhere = ["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
        let entries = [primary.bank.entry(&nodes.1.addresses), c.entry(&nowhere)];
        world.configure(&Config {
            peers: entries
                .iter()
                .map(|entry| serde_json::to_value(entry).unwrap())
                .collect(),
            ..Config::default()
        });
        let reader = Reader::new(
            nodes.0.client.clone(),
            nodes.0.admissions.clone(),
            Arc::new(Incarnations::new(Arc::new(MemoryStore::default()))),
            Arc::new(Timekeeper::default()),
            world.clock.clone(),
            Arc::new(ReaderCounters::default()),
        );
        let tick = world.node.tick(world.clock.now());
        reader.set_identity(Arc::clone(&tick.served.unwrap().identity));
        reader.set_peers(entries);
        let connected = Peers {
            reader: Arc::new(reader),
            listening: nodes.0.addresses.clone(),
        };
        assert!(world.peers.set(connected).is_ok());
        Self {
            world,
            primary,
            nodes,
        }
    }

    fn fetch(&self, body: &Value) -> crate::program::Answer {
        self.world.trading().post("/v1/fetch", body)
    }
}

#[test]
fn a_fetch_brings_the_verified_record_with_its_terms_and_is_audited() {
    let market = Market::open();
    let answer = market.fetch(&json!({"resource": BOND, "purpose": "settlement"}));
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), "no-store");
    let reference = answer.body["reference"].as_str().unwrap();
    let expected = json!({
        "resourceId": BOND,
        "primary": "bank-a",
        "version": "1",
        "hash": hex::encode(market.primary.record.hash()),
        "issuedAt": "2027-01-15T07:59:00Z",
        "data": {"coupon": "3.25", "name": "Green Bond", "price": 101},
        "fields": ["/coupon", "/name", "/price"],
        "terms": {"modes": ["Pull"], "purposes": [], "redistribute": false, "grant": "09".repeat(32)},
        "reference": reference,
    });
    assert_eq!(answer.body, expected);
    let entries = market.world.entries_of("api.fetch");
    assert_eq!(entries.len(), 1);
    let entry = &entries[0];
    assert_eq!(entry["client"], "trading");
    assert_eq!((&entry["r"], &entry["ver"]), (&json!(BOND), &json!(1)));
    assert_eq!(entry["h"], expected["hash"]);
    assert_eq!(entry["purpose"], "settlement");
    assert_eq!(entry["ref"], reference);
}

#[test]
fn a_fetch_of_some_fields_brings_those() {
    let market = Market::open();
    let answer = market.fetch(&json!({"resource": BOND, "fields": ["/name"]}));
    assert_eq!(answer.body["data"], json!({"name": "Green Bond"}));
    assert_eq!(answer.body["fields"], json!(["/name"]));
}

#[test]
fn a_refusal_of_the_primary_is_passed_on_with_its_reference() {
    let market = Market::open();
    let answer = market.fetch(&json!({"resource": SECRET}));
    let detail = answer.refusal(403, 7104, "not-shared");
    assert!(detail.contains("policy"), "{detail}");
    let entries = market.world.entries_of("api.fetch");
    assert_eq!(entries[0]["code"], 7104);
    assert_eq!(entries[0]["ref"], answer.body["reference"]);
}

#[test]
fn a_refusal_that_nobody_signed_is_never_told_as_not_shared() {
    let market = Market::open();
    market.primary.twist(|_, _| Some(hint(Code::NotShared)));
    market
        .fetch(&json!({"resource": BOND}))
        .refusal(503, 2002, "unavailable");
}

#[test]
fn a_fetch_that_cannot_be_audited_shows_nothing() {
    let market = Market::open();
    market.world.set_full(true);
    let answer = market.fetch(&json!({"resource": BOND}));
    answer.refusal(503, 2002, "unavailable");
    assert!(!answer.text.contains("Green Bond"));
}

#[test]
fn a_peer_that_is_down_unknown_or_ourselves_is_told_as_such() {
    let market = Market::open();
    market
        .fetch(&json!({"resource": "bank-c:102:X"}))
        .refusal(503, 2002, "unavailable");
    market
        .fetch(&json!({"resource": "bank-x:102:X"}))
        .refusal(400, 9007, "not-primary");
    let answer = market.fetch(&json!({"resource": "bank-b:102:bond"}));
    let detail = answer.refusal(400, 9007, "not-primary");
    assert!(detail.contains("own"), "{detail}");
}

#[test]
fn a_fetch_that_is_not_of_its_shape_asks_nobody() {
    let market = Market::open();
    let fields = |fields: Value| json!({"resource": BOND, "fields": fields});
    for (body, title) in [
        (json!({"resource": "bond"}), "malformed"),
        (fields(json!([])), "malformed"),
        (fields(json!(["name"])), "malformed"),
        (fields(json!(vec!["/n"; 65])), "malformed"),
        (
            fields(json!([format!("/{}", "n".repeat(256))])),
            "malformed",
        ),
        (json!({"resource": BOND, "purpose": ""}), "malformed"),
        (
            json!({"resource": BOND, "purpose": "settlement\n"}),
            "malformed",
        ),
        (
            json!({"resource": BOND, "purpose": "p".repeat(64)}),
            "malformed",
        ),
        (json!({}), "json"),
        (json!([]), "json"),
        (json!({"resource": 5}), "json"),
        (json!({"resource": BOND, "feilds": []}), "json"),
    ] {
        market.fetch(&body).refusal(400, 1002, title);
    }
    let large = json!({"resource": "x".repeat(128 * 1024)});
    market.fetch(&large).refusal(413, 9001, "too-large");
    assert_eq!(market.primary.requests.load(Ordering::Relaxed), 0);
}

#[test]
fn a_peer_that_is_down_hides_no_other_in_the_list() {
    let market = Market::open();
    let answer = market.world.trading().get("/v1/shared");
    assert_eq!(answer.status, 200, "{}", answer.text);
    let peers = answer.body["peers"].as_array().unwrap();
    assert_eq!(peers.len(), 2);
    assert_eq!(peers[0]["organizationId"], "bank-a");
    let hash = hex::encode(market.primary.record.hash());
    assert_eq!(
        peers[0]["resources"],
        json!([{
            "resourceId": BOND,
            "version": "1",
            "hash": hash,
            "fields": [],
            "modes": ["Pull"],
            "purposes": [],
            "terms": {"modes": ["Pull"], "purposes": [], "redistribute": false, "grant": "09".repeat(32)},
        }])
    );
    assert!(peers[0]["problem"].is_null());
    assert_eq!(peers[1]["organizationId"], "bank-c");
    assert_eq!(peers[1]["resources"], json!([]));
    assert_eq!(peers[1]["problem"]["code"], 2002);
    let status = market.world.trading().get("/v1/status").body;
    assert_eq!(status["peers"][0]["reachable"], true);
    assert_eq!(status["peers"][1]["reachable"], false);
    assert!(
        status["peers"][1]["message"]
            .as_str()
            .unwrap()
            .contains("reached")
    );
    assert_eq!(
        status["listening"][0],
        market.nodes.0.addresses[0].to_string()
    );
}

#[test]
fn the_list_of_one_peer_is_that_peers_or_its_problem() {
    let market = Market::open();
    let get = |path: &str| market.world.trading().get(path);
    let answer = get("/v1/shared?peer=bank-a");
    assert_eq!(answer.body["peers"][0]["resources"][0]["resourceId"], BOND);
    let after = get(&format!("/v1/shared?peer=bank-a&after={BOND}"));
    assert_eq!(after.body["peers"][0]["resources"], json!([]));
    get("/v1/shared?peer=bank-c").refusal(503, 2002, "unavailable");
    get("/v1/shared?peer=bank-x").refusal(400, 9007, "not-primary");
    get("/v1/shared?after=x").refusal(400, 1002, "query");
    get("/v1/shared?page=2").refusal(400, 1002, "query");
    for after in ["x", "bank-c:102:X"] {
        let answer = get(&format!("/v1/shared?peer=bank-a&after={after}"));
        let detail = answer.refusal(400, 1002, "query");
        assert!(detail.contains("next"), "{detail}");
    }
    let entries = market.world.entries_of("api.list-shared");
    assert_eq!(entries.len(), 8);
}

#[test]
fn a_page_of_the_list_goes_on_where_the_peer_says() {
    let market = Market::open();
    market.primary.twist(|primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        let Body::Catalog(catalog) = &request.body else {
            return None;
        };
        let first = catalog.after.as_ref().map_or(0, |after| {
            after.as_str()["bank-a:102:N".len()..].parse().unwrap()
        });
        let last = 1500.min(first + usize::try_from(catalog.max).unwrap());
        let id = |n: usize| format!("bank-a:102:N{n:04}");
        let items = (first..last).map(|n| primary.item(&id(n + 1))).collect();
        let (mut response, _) = primary.response(request, *digest);
        response.answer = message::Answer::Catalog(CatalogPage {
            items: List::new(items).unwrap(),
            next: (last < 1500).then(|| Text::new(id(last)).unwrap()),
        });
        Some(primary.reply(&response, &[]))
    });
    let page = |path: &str| market.world.trading().get(path).body["peers"][0].take();
    let asked = || market.primary.requests.load(Ordering::Relaxed);
    let first = page("/v1/shared?peer=bank-a");
    assert_eq!(first["resources"].as_array().unwrap().len(), 1000);
    assert_eq!(first["next"], "bank-a:102:N1000");
    assert_eq!(asked(), 4);
    let second = page("/v1/shared?peer=bank-a&after=bank-a:102:N1000");
    assert_eq!(second["resources"].as_array().unwrap().len(), 500);
    assert_eq!(second["resources"][0]["resourceId"], "bank-a:102:N1001");
    assert_eq!(second["next"], Value::Null);
    assert_eq!(asked(), 4 + 2);
}

#[test]
fn a_suspended_peer_is_told_as_such() {
    let mut suspended = Bank::new("bank-c").entry(&[]);
    suspended.suspended = true;
    let world = World::with(&Config {
        peers: vec![
            serde_json::to_value(suspended).unwrap(),
            serde_json::to_value(Bank::new("bank-a").entry(&[])).unwrap(),
        ],
        ..Config::default()
    });
    let peers = &world.trading().get("/v1/status").body["peers"];
    assert_eq!(
        peers[0],
        json!({"organizationId": "bank-a", "suspended": false})
    );
    assert_eq!(peers[1]["organizationId"], "bank-c");
    assert_eq!(peers[1]["suspended"], true);
    let message = peers[1]["message"].as_str().unwrap();
    assert!(message.contains("Remove suspended"), "{message}");
}

#[test]
fn nobody_is_asked_before_the_node_is_certified() {
    let world = World::with(&Config {
        certified: false,
        ..Config::default()
    });
    world
        .trading()
        .get("/v1/shared")
        .refusal(503, 2002, "not-ready");
    let body = json!({"resource": BOND});
    world
        .trading()
        .post("/v1/fetch", &body)
        .refusal(503, 2002, "not-ready");
}
