//! What the configuration's absence, age and roll-back do to the API, and the status that tells it.

use finp2p_crds::peer_organization::ApiVerb;
use serde_json::json;

use crate::world::{ALL, Config, World, client};

#[test]
fn nothing_is_answered_before_the_first_configuration() {
    let world = World::empty();
    world.give_token("trading");
    for path in ["/v1/status", "/v1/assets", "/v1/shared"] {
        let answer = world.trading().get(path);
        let detail = answer.refusal(503, 2002, "not-ready");
        assert!(detail.contains("configuration"), "{detail}");
    }
    world
        .nobody()
        .get("/v1/status")
        .refusal(401, 3000, "authentication");
}

#[test]
fn the_status_tells_what_the_node_is_in() {
    let world = World::new();
    let status = world.trading().get("/v1/status");
    assert_eq!(status.status, 200, "{}", status.text);
    let body = &status.body;
    assert_eq!(body["organization"], "bank-b");
    assert_eq!(body["network"], "test-net");
    assert_eq!(body["serving"], true);
    assert!(body["message"].is_null());
    let standing = world.node.standing(world.clock.now()).unwrap();
    assert_eq!(
        body["configuration"],
        json!({
            "sequence": 5,
            "set": "1",
            "digest": hex::encode(standing.applied.digest),
            "age": "fresh",
            "rolledBack": false,
        })
    );
    assert_eq!(body["certificatesEnd"], "2027-02-13T08:00:00Z");
    assert_eq!(body["peerId"], world.keys.peer_id().to_string());
    assert_eq!(body["client"]["name"], "trading");
    assert_eq!(body["client"]["allow"].as_array().unwrap().len(), ALL.len());
    // The Secret of the other asset is not there.
    assert_eq!(body["exceptions"][0]["kind"], "SharedAsset");
    assert_eq!(body["exceptions"][0]["reason"], "ContentNotFound");
    assert_eq!(body["peers"], json!([]));
}

#[test]
fn a_node_without_certificates_says_so() {
    let world = World::with(&Config {
        certified: false,
        ..Config::default()
    });
    let body = world.trading().get("/v1/status").body;
    assert_eq!(body["serving"], false);
    assert!(body["message"].as_str().unwrap().contains("certificates"));
    assert!(body["certificatesEnd"].is_null());
}

#[test]
fn a_configuration_that_is_too_old_answers_nothing_but_the_status() {
    let world = World::new();
    world
        .trading()
        .put("/v1/assets/bond", &json!({"isin": "XS1"}));
    world.pass(3600);
    assert_eq!(
        world.trading().get("/v1/status").body["configuration"]["age"],
        "warn"
    );
    assert_eq!(world.trading().get("/v1/assets/bond").status, 200);
    world.pass(3600);
    let status = world.trading().get("/v1/status");
    assert_eq!(status.body["configuration"]["age"], "stale");
    assert_eq!(status.body["serving"], false);
    let trading = world.trading();
    for answer in [
        trading.get("/v1/assets"),
        trading.get("/v1/assets/bond"),
        trading.put("/v1/assets/bond", &json!({"isin": "XS2"})),
        trading.get("/v1/shared"),
        trading.post("/v1/fetch", &json!({"resource": "bank-a:102:XS1"})),
        trading.post("/v1/configuration/accept", &json!({})),
    ] {
        answer.refusal(503, 2002, "not-ready");
    }
    world.node.tick(world.clock.now());
    assert_eq!(
        world.trading().get("/v1/assets/bond").body["data"]["isin"],
        "XS1"
    );
}

/// A node whose configuration went from sequence 5 back to 4, with these clients.
fn rolled_back(before: &[ApiVerb], after: &[ApiVerb]) -> World {
    let world = World::with(&Config {
        clients: vec![client("trading", before)],
        ..Config::default()
    });
    world.configure(&Config {
        sequence: 4,
        clients: vec![client("trading", after), client("restored", &ALL)],
        ..Config::default()
    });
    world
}

#[test]
fn after_a_roll_back_a_client_may_do_only_what_both_configurations_let_it_do() {
    let world = rolled_back(
        &[ApiVerb::ReadAssets, ApiVerb::Administer],
        &[ApiVerb::WriteAssets, ApiVerb::Administer],
    );
    let trading = world.trading();
    trading.get("/v1/assets").refusal(403, 3400, "verb");
    let answer = trading.put("/v1/assets/bond", &json!({}));
    let detail = answer.refusal(403, 3400, "rolled-back");
    assert!(detail.contains("verb WriteAssets is listed"), "{detail}");
    let status = trading.get("/v1/status").body;
    assert_eq!(status["serving"], true);
    assert_eq!(status["configuration"]["rolledBack"], true);
    assert_eq!(status["configuration"]["sequence"], 4);
    assert_eq!(status["client"]["allow"], json!(["Administer"]));
    let exception = &status["exceptions"][0];
    assert_eq!(exception["reason"], "ConfigurationRolledBack");
    let message = exception["message"].as_str().unwrap();
    assert!(message.contains("accept it at the node"), "{message}");
    assert!(
        message.contains("sharing.finp2p.io/sequence above 5"),
        "{message}"
    );
}

#[test]
fn who_is_listed_hears_that_it_is_not_in_force_yet_and_a_stranger_hears_what_he_always_did() {
    let world = rolled_back(&ALL, &ALL);
    let answer = world.as_client("restored").get("/v1/status");
    let detail = answer.refusal(403, 3400, "rolled-back");
    assert!(detail.contains("This client is listed"), "{detail}");
    assert!(detail.contains("/v1/configuration/accept"), "{detail}");
    let stranger = |world: &World| {
        world.give_token("stranger");
        let answer = world.as_client("stranger").get("/v1/status");
        answer.refusal(403, 3400, "client-unknown").to_owned()
    };
    let meanwhile = stranger(&world);
    assert_eq!(meanwhile, stranger(&World::new()));
    assert!(!meanwhile.contains("RolledBack"), "{meanwhile}");
}

#[test]
fn where_nobody_may_accept_the_node_says_what_else_ends_the_roll_back() {
    let world = rolled_back(&ALL, &[ApiVerb::ReadAssets]);
    let warnings = world.node.warnings(world.clock.now());
    let message = &warnings[0].message;
    assert!(message.contains("no client may accept it"), "{message}");
    assert!(
        message.contains("sharing.finp2p.io/sequence above 5"),
        "{message}"
    );
}

#[test]
fn a_rolled_back_configuration_is_accepted_by_a_person_and_audited() {
    let world = rolled_back(&ALL, &ALL);
    let path = "/v1/configuration/accept";
    let answer = world.trading().post(path, &json!({}));
    assert_eq!(
        (answer.status, &answer.body),
        (200, &json!({"accepted": true}))
    );
    world.node.tick(world.clock.now());
    let status = world.trading().get("/v1/status").body;
    assert_eq!(status["configuration"]["rolledBack"], false);
    assert_eq!(status["configuration"]["sequence"], 4);
    assert_eq!(world.as_client("restored").get("/v1/assets").status, 200);
    let again = world.trading().post(path, &json!({}));
    assert_eq!(again.body, json!({"accepted": false}));
    let entries = world.entries_of("api.accept-configuration");
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["client"], "trading");
    assert_eq!(world.entries_of("configuration-accepted").len(), 1);
}

#[test]
fn an_acceptance_that_cannot_be_audited_does_not_happen() {
    let world = rolled_back(&ALL, &ALL);
    world.set_full(true);
    let answer = world.trading().post("/v1/configuration/accept", &json!({}));
    answer.refusal(503, 2002, "unavailable");
    world.set_full(false);
    let status = world.trading().get("/v1/status").body;
    assert_eq!(status["configuration"]["rolledBack"], true);
}
