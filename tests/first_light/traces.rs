//! Pull replicates nothing: what was pulled is nowhere on the reader's disk, not even under the
//! seal of its own store.

use std::path::Path;

use finp2p_sidecar::store::{SledStore, Space, Store, StoreKey};
use finp2p_tests::banks::Banks;
use finp2p_tests::wait;
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
const PULLS: usize = 1000;
/// What bank-b holds itself: the control.
const OWN: &str = "planted-content-of-bank-b";
const OWN_ASSET: &str = r#"
apiVersion: v1
kind: Secret
metadata:
  name: own
  labels: {sharing.finp2p.io/content: "true"}
stringData:
  content.json: '{"note": "planted-content-of-bank-b"}'
---
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: own}
spec:
  content:
    secret: {name: own, key: content.json}
"#;

/// Everything that a store holds, decrypted, and one row per text.
fn listing(state: &Path, organization: &str) -> Vec<String> {
    let home = state.join(organization);
    let key = StoreKey::read(&home.join("store.key")).unwrap();
    let store = SledStore::open(&home.join("node/store"), &key).unwrap();
    Space::ALL
        .into_iter()
        .flat_map(|space| store.list(space, "").unwrap())
        .map(|(key, value)| format!("{} {}", key.name(), String::from_utf8_lossy(&value)))
        .collect()
}

fn finds(listing: &[String], text: &str) -> bool {
    listing.iter().any(|row| row.contains(text))
}

/// The disclosures of the bond, in the form in which they travel.
fn disclosures(listing: &[String]) -> Vec<String> {
    let row = listing
        .iter()
        .find(|row| row.starts_with(BOND))
        .expect("bank-a holds its bond");
    let (_, held) = row.split_once(' ').unwrap();
    let held: Value = serde_json::from_str(held).unwrap();
    let disclosures = held["record"]["disclosures"].as_array().unwrap();
    disclosures
        .iter()
        .map(|disclosure| disclosure["encoded"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn after_a_thousand_pulls_a_restart_and_a_kill_the_reader_holds_no_disclosure() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    std::fs::write(folder.path().join("bank-b/own.yaml"), OWN_ASSET).unwrap();
    banks.start().unwrap();
    let pull = |banks: &Banks| {
        let api = banks.api("bank-b", "trading").unwrap();
        let answer = api.fetch(&json!({"resource": BOND})).unwrap();
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.body["data"]["terms"]["coupon"], "3.125");
    };
    for _ in 0..PULLS {
        pull(&banks);
    }
    banks.stop().unwrap();
    banks.start().unwrap();
    pull(&banks);
    banks.kill("bank-b").unwrap();
    wait::until("bank-b is back", std::time::Duration::from_secs(60), || {
        let api = banks.api("bank-b", "trading")?;
        let answer = api.fetch(&json!({"resource": BOND}))?;
        (answer.status == 200)
            .then_some(())
            .ok_or_else(|| answer.body.to_string())
    });
    banks.stop().unwrap();

    let primary = listing(&banks.state(), "bank-a");
    let reader = listing(&banks.state(), "bank-b");
    let disclosed = disclosures(&primary);
    assert!(
        disclosed.len() > 8,
        "the bond has more than eight units: {disclosed:?}"
    );
    for disclosure in &disclosed {
        assert!(
            finds(&primary, disclosure),
            "the search finds what is there"
        );
        assert!(
            !finds(&reader, disclosure),
            "bank-b holds a disclosure of the bond"
        );
    }
    for value in ["Example Wind Park SE", "2031-06-16", "EX-00417"] {
        assert!(!finds(&reader, value), "bank-b holds {value}");
    }
    // The control: the same listing finds what bank-b's own asset holds, as it is kept.
    let own = reader
        .iter()
        .find(|row| row.starts_with("bank-b:102:own "))
        .expect("its own asset");
    assert!(decoded(own).contains(OWN));
}

/// The row with its disclosures decoded.
fn decoded(row: &str) -> String {
    use base64::Engine as _;
    let (_, held) = row.split_once(' ').unwrap();
    let held: Value = serde_json::from_str(held).unwrap();
    held["record"]["disclosures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|d| {
            let text = d["encoded"].as_str().unwrap();
            let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
                .decode(text)
                .unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        })
        .collect()
}
