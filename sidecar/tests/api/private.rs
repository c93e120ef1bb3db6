//! What was sent or stored is in no refusal and in no log line.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{Config, World, token};

static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Everything that is logged in this process from now on, in all detail.
struct Listener;

impl io::Write for Listener {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Listener {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

pub fn listen_to_the_log() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_env_filter("finp2p_sidecar=trace,hyper=trace,axum=trace")
            .with_writer(Listener)
            .with_ansi(false)
            .init();
    });
}

#[test]
fn what_was_sent_or_stored_is_in_no_refusal_and_in_no_log_line() {
    let schema = r#"{"properties":{"price":{"type":"number"}},"additionalProperties":true}"#;
    let world = World::with(&Config {
        schemas: vec![("listed", schema), ("bond", schema)],
        ..Config::default()
    });
    world.give_token("former");
    let trading = world.trading();
    let stored = trading.put("/v1/assets/bond", &json!({"isin": "PLANTED-stored"}));
    assert_eq!(stored.status, 201);
    let bond = "/v1/assets/bond";
    let json_type = trading.clone().header("content-type", "application/json");
    let planted = json!({"isin": "PLANTED-a", "PLANTED-b": "PLANTED-c"});
    let mut refusals = vec![
        world
            .nobody()
            .header("authorization", "Bearer PLANTED-token")
            .put(bond, &planted),
        world.as_client("former").put(bond, &planted),
        trading.put("/v1/assets/listed", &planted),
        trading.put("/v1/assets/PLANTED-path", &planted),
        trading.get("/v1/assets/PLANTED-path"),
        trading.get("/PLANTED-path"),
        trading.get("/v1/assets?PLANTED=PLANTED"),
        trading.put(bond, &json!({"price": "PLANTED-price"})),
        trading.put(bond, &json!({"isin": "PLANTED", "_sd": "PLANTED"})),
        json_type.send("PUT", bond, b"{\"isin\": \"PLANTED\", PLANTED}".to_vec()),
        json_type.send("PUT", bond, b"{\"PLANTED\": 1, \"PLANTED\": 2}".to_vec()),
        trading.put(bond, &json!({"isin": "PLANTED".repeat(256 * 1024 / 7)})),
        trading
            .clone()
            .header("if-match", "\"PLANTED\"")
            .put(bond, &planted),
        trading
            .clone()
            .header("origin", "http://PLANTED.example")
            .put(bond, &planted),
        trading.clone().header("content-type", "text/PLANTED").send(
            "PUT",
            bond,
            b"PLANTED".to_vec(),
        ),
        trading.post("/v1/fetch", &json!({"resource": "PLANTED"})),
        trading.post(
            "/v1/fetch",
            &json!({"resource": "bank-a:102:X", "PLANTED": "PLANTED"}),
        ),
        trading.post("/v1/fetch", &json!({"resource": ["PLANTED"]})),
        trading.post(
            "/v1/fetch",
            &json!({"resource": "bank-a:102:X", "fields": ["PLANTED"]}),
        ),
        trading.post(
            "/v1/fetch",
            &json!({"resource": "bank-a:102:X", "purpose": "PLANTED".repeat(10)}),
        ),
        trading.get("/v1/shared?peer=PLANTED"),
    ];
    world.set_full(true);
    refusals.push(trading.get(bond));
    refusals.push(trading.put(bond, &planted));
    world.set_full(false);
    world.pass(100_000);
    refusals.push(trading.get(bond));

    let secrets = ["PLANTED", &token("trading"), &token("former")];
    for answer in &refusals {
        assert!(answer.status >= 400, "{}", answer.text);
        assert!(answer.body["reference"].is_string(), "{}", answer.text);
        for secret in secrets {
            assert!(!answer.text.contains(secret), "{}", answer.text);
            let headers = format!("{:?}", answer.headers);
            assert!(!headers.contains(secret), "{headers}");
        }
    }
    let log = LOG.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let log = String::from_utf8(log).unwrap();
    // The control: the refusals are in the log, by their references.
    for answer in &refusals {
        assert!(
            log.contains(answer.body["reference"].as_str().unwrap()),
            "{}",
            answer.text
        );
    }
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None);
    }
    // The audit log names the resource that was asked for, and no value.
    let audited = format!("{:?}", world.all_entries());
    for value in [
        "PLANTED-a",
        "PLANTED-b",
        "PLANTED-stored",
        "PLANTED-price",
        "PLANTED-token",
    ] {
        assert!(!audited.contains(value), "{value}");
    }
}
