//! Another root under the same name, made by an operator that knows nothing of the one before: what
//! was withdrawn stays withdrawn, until a person says otherwise.

use std::time::Duration;

use finp2p_tests::banks::Banks;
use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::{ControlPlane, condition};
use finp2p_tests::http::Api;
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
const POLICY: &str = "bond-terms-to-distributors";
/// Longest that an edit may take to be in force and told, on a busy machine.
const EDIT: Duration = Duration::from_secs(60);

fn status(reader: &Api, wanted: u16) -> Result<(), String> {
    let answer = reader.fetch(&json!({"resource": BOND}))?;
    (answer.status == wanted)
        .then_some(())
        .ok_or(format!("{answer:?}"))
}

fn sequence(root: &Value) -> i64 {
    root["spec"]["root"]["sequence"].as_i64().expect("a number")
}

#[test]
fn a_root_made_anew_brings_nothing_back_that_was_withdrawn_until_a_person_says_so() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let reader = banks.bank("bank-b").api("trading");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("the bond at its reader", EDIT, || status(&reader, 200));
    for field in ["/isin", "/name", "/issuer"] {
        bank_a.edit_spec("sharingpolicy", POLICY, json!({"fields": [field]}));
        bank_a.until_condition("sharingpolicies", POLICY, "Ready", "True");
    }
    let gone = bank_a.kubectl(&["delete", "sharingpolicies", "--all"], "");
    gone.ok().expect("the policies go");
    bank_a.until("the withdrawal", EDIT, || status(&reader, 403));
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
    let before = bank_a.get("sidecarconfigs", "bank-a").expect("the root");

    let stopped = banks.operators()[0].stop().expect("it stops");
    assert!(stopped.success(), "{stopped}");
    let bank_a = &banks.bank("bank-a").namespace;
    let deleted = bank_a.kubectl(&["delete", "sidecarconfigs", "--all"], "");
    deleted.ok().expect("they are deleted");
    let policy = Banks::samples().join("bank-a/policy-terms.yaml");
    let again = bank_a.kubectl(&["apply", "-f", policy.to_str().expect("a path")], "");
    again.ok().expect("the withdrawn policy comes back");
    banks.start_operator();

    let bank_a = &banks.bank("bank-a").namespace;
    let told = bank_a.until("word of it", EDIT, || {
        status(&reader, 403)?; // meanwhile
        let local = bank_a.get("peerorganizations", "local")?;
        let text = local["status"]["conditions"].to_string();
        text.contains("ConfigurationRolledBack")
            .then_some(text.clone())
            .ok_or(text)
    });
    let now = bank_a.get("sidecarconfigs", "bank-a").expect("the root");
    assert_ne!(now["metadata"]["uid"], before["metadata"]["uid"]);
    assert!(sequence(&now) < sequence(&before), "{told}");
    status(&reader, 403).expect("refused");

    let above = format!("sharing.finp2p.io/sequence={}", sequence(&before) + 1);
    let meant = ["annotate", "peerorganization", "local", &above];
    bank_a.kubectl(&meant, "").ok().expect("the annotation");
    bank_a.until("what the policy grants", EDIT, || status(&reader, 200));
    bank_a.until("the end of the warning", EDIT, || {
        condition(&bank_a.get("peerorganizations", "local")?, "Ready", "True")
    });
}
