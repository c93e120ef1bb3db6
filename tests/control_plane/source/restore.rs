//! The control plane goes away, hangs, or goes back in time: what was withdrawn stays withdrawn.

use finp2p_tests::control_plane::{ControlPlane, Settings};
use serde_json::json;

use super::{granted, price, refused, two_banks, value, with_a_bond};
use crate::bank::{Bank, asset, bonds};

fn alone() -> ControlPlane {
    ControlPlane::start(Settings {
        controllers: false,
        ..Settings::default()
    })
}

/// Seconds since the last contact, from the node's metrics.
fn age_s(bank: &Bank) -> Result<i64, String> {
    let (_, text) = bank.probe("/metrics");
    text.lines()
        .find_map(|line| line.strip_prefix("finp2p_configuration_age_seconds "))
        .and_then(|age| age.parse().ok())
        .ok_or(text)
}

fn older_than(bank: &Bank, seconds: i64) -> Result<(), String> {
    let age = age_s(bank)?;
    (age >= seconds)
        .then_some(())
        .ok_or_else(|| age.to_string())
}

#[test]
fn a_node_goes_on_without_the_api_server_and_catches_up_when_it_is_back() {
    let cluster = alone();
    let mut bank = with_a_bond(&cluster, "bank-a");
    let trading = bank.api("trading");
    let serves = |_: &Bank| {
        let answer = trading.get("/v1/assets/bond")?;
        (answer.status == 200)
            .then_some(())
            .ok_or_else(|| answer.body.to_string())
    };
    serves(&bank).unwrap();
    cluster.kill_api_server();
    bank.until("a contact that ages", |bank| older_than(bank, 3));
    bank.stays("readiness", Bank::ready);
    // Callers that are known go on; others are told what is the matter.
    bank.stays("a known caller", serves);
    let unknown = finp2p_tests::http::Api {
        token: trading.token.replace('.', "_"),
        ..trading.clone()
    };
    assert_eq!(unknown.get("/v1/status").unwrap().status, 401);
    // A restart meanwhile begins with what was kept.
    bank.stop();
    bank.start();
    bank.until("the node without an API server", Bank::ready);
    let answer = trading.get("/v1/status").unwrap();
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert_eq!(answer.body["title"], "authentication-unavailable");
    cluster.start_api_server();
    bank.until("the API server", |bank| price(bank, "bond", "101"));
    bank.put(
        "secrets",
        &bonds(&[("bond", value("102")), ("note", value("7"))], true),
    );
    bank.edit(|config| config.slices[0].1.push(asset("bank-a", "note")));
    bank.until("the edit", |bank| price(bank, "note", "7"));
    bank.until("the edited content", |bank| price(bank, "bond", "102"));
    bank.until("the report", Bank::applied);
}

#[test]
fn a_connection_that_died_unseen_is_not_taken_for_contact() {
    let cluster = alone();
    let mut bank = with_a_bond(&cluster, "bank-a");
    cluster.pause_api_server();
    // Every connection is there, and nothing comes: longer than an idle watch would be asked about.
    bank.until("a contact that ages", |bank| older_than(bank, 45));
    bank.ready().unwrap();
    cluster.resume_api_server();
    bank.edit(|config| config.slices[0].1.push(asset("bank-a", "note")));
    bank.until("the edit", Bank::applied);
    bank.until("contact", |bank| {
        let age = age_s(bank)?;
        (age < 5).then_some(()).ok_or_else(|| age.to_string())
    });
}

#[test]
fn without_contact_for_too_long_everything_is_denied_until_there_is() {
    let cluster = alone();
    let (mut primary, reader) = two_banks(&cluster);
    // More than the half minute after which an idle node asks again.
    primary.edit(|config| config.max_age_s = 40);
    primary.until("the edit", Bank::applied);
    granted(&reader).unwrap();
    cluster.kill_api_server();
    primary.until("staleness", |bank| match bank.probe("/readyz") {
        (503, why) if why.contains("too long") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    cluster.start_api_server();
    primary.until("contact", Bank::ready);
    reader.until("the bond", granted);
}

#[test]
fn a_control_plane_that_went_back_in_time_gives_nothing_back_that_was_withdrawn() {
    let cluster = alone();
    let (mut primary, reader) = two_banks(&cluster);
    let backup = cluster.back_up();
    primary.edit(|config| {
        config.slices[0].1.retain(|entry| entry["kind"] != "Policy");
    });
    primary.until("the withdrawal", Bank::applied);
    refused(&reader).unwrap();

    cluster.restore(&backup);
    primary.until("word of the roll-back", |bank| {
        bank.exception("bank-a", "ConfigurationRolledBack")
    });
    refused(&reader).unwrap();
    reader.stays("refusal", refused);
    // Nor after a restart of the node.
    primary.stop();
    primary.start();
    primary.until("the node", Bank::ready);
    primary.until("word of the roll-back", |bank| {
        let status = bank.status()?;
        (status["configuration"]["rolledBack"] == true)
            .then_some(())
            .ok_or_else(|| status.to_string())
    });
    reader.until("refusal", refused);
    let (status, ready) = primary.probe("/readyz");
    assert_eq!(status, 200, "{ready}");
    assert!(
        ready.starts_with("ready\nConfigurationRolledBack: "),
        "{ready}"
    );
    let (_, metrics) = primary.probe("/metrics");
    let metric = "finp2p_configuration_rolled_back 1\n";
    assert!(metrics.contains(metric), "{metrics}");
    // Until a person says that it is meant.
    let api = primary.api("trading");
    let answer = api.post("/v1/configuration/accept", &json!({})).unwrap();
    assert_eq!(answer.body, json!({"accepted": true}));
    reader.until("what was accepted", granted);
    primary.stop();
    primary.start();
    primary.until("the node", Bank::ready);
    reader.until("what was accepted, after a restart", granted);
    primary.until("an empty report", |bank| {
        let exceptions = bank.report()?["exceptions"].clone();
        (exceptions == json!([]))
            .then_some(())
            .ok_or_else(|| exceptions.to_string())
    });
}
