//! Metrics and probes on their own listener.

use serde_json::json;

use crate::world::{Config, World};

#[test]
fn a_node_is_alive_before_it_is_ready_and_says_what_is_missing() {
    let world = World::empty();
    let probe = |path: &str| {
        let answer = world.prober().get(path);
        (answer.status, answer.text)
    };
    assert_eq!(probe("/healthz"), (200, "ok\n".to_owned()));
    let (status, text) = probe("/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("configuration"), "{text}");
    world.configure(&Config {
        certified: false,
        ..Config::default()
    });
    let (status, text) = probe("/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("certificates"), "{text}");
    world.configure(&Config {
        sequence: 6,
        ..Config::default()
    });
    assert_eq!(probe("/readyz"), (200, "ready\n".to_owned()));
    world.pass(7200);
    let (status, text) = probe("/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("configuration"), "{text}");
    assert_eq!(probe("/healthz").0, 200);
}

#[test]
fn a_node_in_roll_back_is_ready_and_says_so() {
    let world = World::new();
    world.configure(&Config {
        sequence: 4,
        ..Config::default()
    });
    let ready = || world.prober().get("/readyz");
    assert_eq!(ready().status, 200);
    let text = ready().text;
    assert!(
        text.starts_with("ready\nConfigurationRolledBack: "),
        "{text}"
    );
    let metrics = world.prober().get("/metrics").text;
    assert!(
        metrics.contains("finp2p_configuration_rolled_back 1\n"),
        "{metrics}"
    );
    assert!(world.node.accept(world.clock.now()).unwrap());
    world.node.tick(world.clock.now());
    assert_eq!(ready().text, "ready\n");
}

#[test]
fn a_node_whose_audit_log_cannot_be_written_is_not_ready() {
    let world = World::new();
    assert_eq!(world.prober().get("/readyz").status, 200);
    world.lose_audit();
    // Nobody asks the node anything: it finds out by itself.
    world.pass(5);
    world.node.tick(world.clock.now());
    let answer = world.prober().get("/readyz");
    assert_eq!(answer.status, 503);
    assert!(answer.text.contains("the audit log"), "{}", answer.text);
    assert_eq!(world.prober().get("/healthz").status, 200);
    let status = world.trading().get("/v1/status").body;
    assert_eq!(status["serving"], false);
    assert!(status["message"].as_str().unwrap().contains("audit"));
}

#[test]
fn metrics_are_scraped_as_openmetrics_and_hold_nothing_private() {
    let world = World::new();
    world
        .trading()
        .put("/v1/assets/bond", &json!({"isin": "PLANTED-IN-METRICS"}));
    let answer = world.prober().get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "finp2p_configuration_sequence 5",
        "finp2p_configuration_rolled_back 0",
        "finp2p_build_info",
    ] {
        assert!(answer.text.contains(line), "{}", answer.text);
    }
    assert!(answer.text.ends_with("# EOF\n"));
    assert!(!answer.text.contains("PLANTED") && !answer.text.contains("bond"));
}

#[test]
fn the_two_listeners_serve_nothing_of_each_other() {
    let world = World::new();
    for path in ["/v1/status", "/v1/assets", "/openapi.json"] {
        assert_eq!(world.prober().get(path).status, 404, "{path}");
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(world.trading().get(path).status, 404, "{path}");
    }
}
