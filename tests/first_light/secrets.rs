//! No secret and no private value in a log, a metric, a report or an error: values are planted,
//! and everything that leaves a node is searched for them.

use std::path::Path;

use finp2p_tests::banks::{Banks, ORGANIZATIONS};
use finp2p_tests::http::Api;
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
/// Values of the bond and of the vault bond that nobody may read anywhere but in an answer.
const PRIVATE: [&str; 5] = [
    "EX-00417",
    "99.20",
    "Example Pension Fund",
    "BB-",
    "Vault Bond 2029",
];
/// What bank-b is granted: it is in answers, and nowhere else.
const GRANTED: &str = "Example Wind Park SE";

/// Everything that nodes and operator wrote where a person or a program reads it.
fn outputs(banks: &Banks) -> Vec<(String, String)> {
    let mut outputs = vec![read(&banks.folder().join("local.log"))];
    for organization in ORGANIZATIONS {
        let home = banks.state().join(organization);
        outputs.push(read(&home.join("sidecar.log")));
        outputs.push(read(&home.join("report.yaml")));
        outputs.push(read(&home.join("config/root.yaml")));
        for slice in std::fs::read_dir(home.join("config/slices")).unwrap() {
            outputs.push(read(&slice.unwrap().path()));
        }
        for segment in std::fs::read_dir(home.join("node/audit")).unwrap() {
            let path = segment.unwrap().path();
            if path.extension().is_some_and(|e| e == "jsonl") {
                outputs.push(read(&path));
            }
        }
        let metrics = banks.endpoint(organization).unwrap()["metrics"]
            .as_str()
            .unwrap()
            .to_owned();
        let text = ureq::get(format!("http://{metrics}/metrics"))
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        outputs.push((format!("metrics of {organization}"), text));
    }
    outputs
}

fn read(path: &Path) -> (String, String) {
    (
        path.display().to_string(),
        std::fs::read_to_string(path).unwrap(),
    )
}

fn secrets(banks: &Banks) -> Vec<(&'static str, String)> {
    let mut secrets = Vec::new();
    for organization in ORGANIZATIONS {
        let home = banks.state().join(organization);
        let key = std::fs::read(home.join("store.key")).unwrap();
        secrets.push(("store key", String::from_utf8_lossy(&key).trim().to_owned()));
        for token in std::fs::read_dir(home.join("tokens")).unwrap() {
            let token = std::fs::read_to_string(token.unwrap().path()).unwrap();
            secrets.push(("token", token.trim().to_owned()));
        }
        let issuer = banks.folder().join(organization).join("issuer.yaml");
        let issuer = std::fs::read_to_string(issuer).unwrap();
        let pem = issuer
            .lines()
            .map(str::trim)
            .skip_while(|line| !line.contains("BEGIN PRIVATE KEY"))
            .nth(1)
            .unwrap();
        secrets.push(("issuing key", pem.to_owned()));
    }
    secrets
}

/// Asks in every way that is granted and in many that are not.
fn exercise(banks: &Banks) -> Vec<Value> {
    let trading = banks.api("bank-b", "trading").unwrap();
    let stranger = banks.api("bank-c", "trading").unwrap();
    let desk = banks.api("bank-a", "fixed-income-desk").unwrap();
    let nobody = Api {
        token: "no-such-token-no-such-token-no-such-token".to_owned(),
        ..desk.clone()
    };
    let mut refusals = Vec::new();
    let mut ask = |answer: Result<finp2p_tests::http::Answer, String>| {
        let answer = answer.unwrap();
        if answer.status >= 400 {
            refusals.push(answer.body);
        }
    };
    for body in [
        json!({"resource": BOND}),
        json!({"resource": BOND, "fields": ["/settlement"], "purpose": "settlement"}),
        json!({"resource": BOND, "fields": ["/investors"]}),
        json!({"resource": BOND, "fields": ["/terms/reservePrice"]}),
        json!({"resource": "bank-a:102:ZZVAULT20295"}),
        json!({"resource": "not a resource id"}),
        json!({"resource": BOND, "surplus": 1}),
    ] {
        for api in [&trading, &stranger, &desk, &nobody] {
            ask(api.fetch(&body));
        }
    }
    for api in [&trading, &stranger, &desk, &nobody] {
        for path in [
            "/v1/status",
            "/v1/assets",
            "/v1/assets/ZZGREEN20318",
            "/v1/shared",
            "/v1/nothing",
        ] {
            ask(api.get(path));
        }
        ask(api.put("/v1/assets/ZZGREEN20318", &json!({"note": "EX-00417"})));
    }
    refusals
}

#[test]
fn nothing_private_leaves_a_node_but_in_an_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    banks.start().unwrap();
    let refusals = exercise(&banks);
    assert!(
        refusals.len() > 20,
        "most of what was asked was refused: {}",
        refusals.len()
    );
    let mut outputs = outputs(&banks);
    outputs.push(("refusals".to_owned(), Value::from(refusals).to_string()));
    let secrets = secrets(&banks);
    // The control: the search finds what is there.
    assert!(outputs.iter().any(|(_, text)| text.contains(BOND)));
    for (place, text) in &outputs {
        for value in PRIVATE.into_iter().chain([GRANTED]) {
            assert!(!text.contains(value), "{place} holds {value}");
        }
        for (what, secret) in &secrets {
            assert!(!text.contains(secret), "{place} holds a {what}");
        }
    }
    banks.stop().unwrap();
}
