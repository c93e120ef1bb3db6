//! etcd restored to before a policy was withdrawn: still refused, until a person says otherwise.

use std::time::Duration;

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::{ControlPlane, Settings, condition};
use finp2p_tests::http::{Answer, Api};
use serde_json::json;

const BOND: &str = "bank-a:102:ZZGREEN20318";
/// Longest until everybody has noticed that the API server went back in time: watches are tried
/// again after up to half a minute.
const NOTICED: Duration = Duration::from_secs(120);

fn fetch(api: &Api) -> Answer {
    api.fetch(&json!({"resource": BOND})).expect("an answer")
}

fn refused(reader: &Api) -> Result<(), String> {
    let answer = fetch(reader);
    (answer.body["code"] == 7104)
        .then_some(())
        .ok_or(format!("{answer:?}"))
}

fn granted(reader: &Api) -> Result<(), String> {
    let answer = fetch(reader);
    (answer.status == 200)
        .then_some(())
        .ok_or(format!("{answer:?}"))
}

#[test]
fn a_policy_withdrawn_since_the_backup_stays_withdrawn_until_it_is_accepted() {
    let cluster = ControlPlane::start(Settings::default());
    let mut banks = Consortium::install(&cluster, &["bank-a", "bank-b"], &[]);
    banks.start();
    let clients = json!([{"serviceAccount": "operations", "allow": ["Administer"]}]);
    let patch = json!({"spec": {"node": {"api": {"clients": clients}}}}).to_string();
    let bank_a = &banks.bank("bank-a").namespace;
    let patch = [
        "patch",
        "peerorganization",
        "local",
        "--type=merge",
        "-p",
        &patch,
    ];
    bank_a.kubectl(&patch, "").ok().expect("the edit");
    // Accounts that are in the backup: their tokens are good afterwards.
    let reader = banks.bank("bank-b").api("trading");
    let operations = banks.bank("bank-a").api("operations");
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
    bank_a.until("the bond at its reader", NOTICED, || granted(&reader));

    let backup = cluster.back_up();
    let gone = bank_a.kubectl(&["delete", "sharingpolicies", "--all"], "");
    gone.ok().expect("the policies go");
    bank_a.until("the withdrawal", NOTICED, || refused(&reader));
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");

    cluster.restore(&backup);
    let told = bank_a.until("word of the roll-back", NOTICED, || {
        refused(&reader)?; // meanwhile
        let local = bank_a.get("peerorganizations", "local")?;
        let text = local["status"]["conditions"].to_string();
        text.contains("ConfigurationRolledBack")
            .then_some(text.clone())
            .ok_or(text)
    });
    eprintln!("{told}");
    refused(&reader).unwrap();
    let again = bank_a.get("sharingpolicies", "bond-terms-to-distributors");
    again.expect("the restored API server has the policy");

    let accepted = operations
        .post("/v1/configuration/accept", &json!({}))
        .expect("an answer");
    assert_eq!(accepted.body, json!({"accepted": true}), "{accepted:?}");
    bank_a.until("what the restored objects grant", NOTICED, || {
        granted(&reader)
    });
    bank_a.until("the end of the warning", NOTICED, || {
        let local = bank_a.get("peerorganizations", "local")?;
        condition(&local, "Ready", "True")
    });
}
