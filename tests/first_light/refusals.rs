//! What is refused before a signature or a token was verified is seen where a person looks: status,
//! log, metrics and the audit's counters.

use std::fs;
use std::time::Duration;

use finp2p_tests::banks::Banks;
use finp2p_tests::http::{Answer, Api};
use finp2p_tests::wait;
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
/// Counts reach the audit every ten seconds.
const SEEN: Duration = Duration::from_secs(60);

fn fetch(banks: &Banks) -> Answer {
    let trading = banks.api("bank-b", "trading").unwrap();
    trading.fetch(&json!({"resource": BOND})).unwrap()
}

fn metrics(banks: &Banks) -> String {
    let endpoint = banks.endpoint("bank-a").unwrap();
    let address = endpoint["metrics"].as_str().unwrap();
    let mut answer = ureq::get(format!("http://{address}/metrics"))
        .call()
        .unwrap();
    answer.body_mut().read_to_string().unwrap()
}

fn log(banks: &Banks) -> String {
    fs::read_to_string(banks.state().join("bank-a/sidecar.log")).unwrap()
}

/// What bank-a's audit log has counted.
fn counted(banks: &Banks) -> Vec<Value> {
    let folder = fs::read_dir(banks.state().join("bank-a/node/audit")).unwrap();
    let paths = folder.map(|file| file.unwrap().path());
    let segments = paths.filter(|path| path.extension().is_some_and(|e| e == "jsonl"));
    segments
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let lines = text
                .lines()
                .filter_map(|line| serde_json::from_str(line).ok());
            lines.collect::<Vec<Value>>()
        })
        .filter(|line| line["entry"]["k"] == "counted")
        .flat_map(|line| line["entry"]["counts"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn a_suspended_peer_and_a_wrong_token_are_seen_at_the_primary() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    banks.start().unwrap();
    assert_eq!(fetch(&banks).status, 200);
    let desk = banks.api("bank-a", "fixed-income-desk").unwrap();
    let nobody = Api {
        token: "no-such-token-no-such-token-no-such-token".to_owned(),
        ..desk.clone()
    };
    assert_eq!(nobody.get("/v1/status").unwrap().status, 401);
    let suspend = |text: String| text.replace("spec:\n", "spec:\n  suspended: true\n");
    banks.edit("members/bank-b.yaml", suspend).unwrap();
    let refused = wait::until("bank-b is refused", SEEN, || {
        let answer = fetch(&banks);
        (answer.status != 200)
            .then_some(answer)
            .ok_or_else(|| "it is answered".to_owned())
    });
    let reference = refused.body["reference"].as_str().unwrap();

    let status = desk.get("/v1/status").unwrap().body;
    let peers = status["peers"].as_array().unwrap();
    let suspended: Vec<_> = peers.iter().map(|peer| &peer["suspended"]).collect();
    assert_eq!(suspended, [&json!(true), &json!(false)], "{status}");
    let metrics = metrics(&banks);
    for kind in [
        r#"{door="network",organization="bank-b",code="3000",reason="suspended"}"#,
        r#"{door="api",organization="",code="3000",reason="authentication"} 1"#,
    ] {
        let line = format!("finp2p_refusals_counted_total{kind}");
        assert!(metrics.contains(&line), "{line} is not in {metrics}");
    }
    let log = log(&banks);
    let line = log.lines().find(|line| line.contains(reference));
    let line = line.unwrap_or_else(|| panic!("{reference} is not in {log}"));
    for part in ["INFO", "bank-b", "3000", "authentication", "suspended"] {
        assert!(line.contains(part), "{line}");
    }
    wait::until("the audit counts both", SEEN, || {
        let counted = counted(&banks);
        let has = |door: &str, detail: &str| {
            let mut counted = counted.iter();
            counted.any(|count| count["door"] == door && count["detail"] == detail)
        };
        (has("network", "suspended") && has("api", "authentication"))
            .then_some(())
            .ok_or_else(|| format!("{counted:?}"))
    });
    banks.stop().unwrap();
}
