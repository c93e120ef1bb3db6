//! What `kubectl get` prints, healthy and broken. `UPDATE_GENERATED=1 cargo test` rewrites the
//! texts after a change that was meant.

use std::fmt::Write as _;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::scene::*;
use crate::node::inputs::SourceKind;
use crate::print::Printer;

fn tables(scene: &Scene) -> String {
    let printer = Printer::new().unwrap();
    let mut text = String::new();
    let mut add = |kind: &str, objects: Vec<Value>| {
        let _ = writeln!(text, "{}", printer.table(kind, &objects, scene.inputs.now));
    };
    add(
        "PeerOrganization",
        shown(scene, &scene.inputs.organizations),
    );
    add("SharedAsset", shown(scene, &scene.inputs.assets));
    add("SharingPolicy", shown(scene, &scene.inputs.policies));
    text
}

fn shown<K: Serialize>(scene: &Scene, observed: &[crate::node::Observed<K>]) -> Vec<Value> {
    let born: Timestamp = scene
        .inputs
        .now
        .checked_sub(SignedDuration::from_mins(42))
        .unwrap();
    observed
        .iter()
        .map(|o| {
            let mut object = serde_json::to_value(o.object.as_ref()).unwrap();
            object["metadata"]["creationTimestamp"] = json!(born.to_string());
            object
        })
        .collect()
}

fn messages(scene: &Scene) -> String {
    let plan = scene.plan();
    let names = |list: Vec<&str>| list.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut text = String::new();
    for (kind, names) in [
        (
            "PeerOrganization",
            names(plan.organizations.iter().map(|o| o.name.as_str()).collect()),
        ),
        (
            "SharedAsset",
            names(plan.assets.iter().map(|o| o.name.as_str()).collect()),
        ),
        (
            "SharingPolicy",
            names(plan.policies.iter().map(|o| o.name.as_str()).collect()),
        ),
    ] {
        for name in names {
            let (status, reason, message) = condition(&plan, kind, &name, "Ready");
            let _ = writeln!(
                text,
                "{kind} {name}: {} {reason}\n  {message}",
                status.as_str()
            );
        }
    }
    text
}

/// Compares with what was kept.
pub fn compare(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/node/tests")
        .join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{name} differs; it would be now:\n{text}");
}

fn base() -> Scene {
    let mut scene = Scene::bank_a();
    scene.source(SourceKind::Secret, "bonds", true, &["bond.json"]);
    scene.asset("green-bond-2031", bond());
    scene.edit_asset("green-bond-2031", |a| {
        a.metadata.labels = Some(labels(&[("desk", "fixed-income")]))
    });
    scene.asset(
        "bank-b-fund",
        json!({"from": {"peer": "bank-b", "assetId": "LU0000000007", "mode": "Pull"}}),
    );
    scene.policy(
        "bonds-to-distributors",
        json!({
            "assets": {"selector": {"matchLabels": {"desk": "fixed-income"}}},
            "peers": {"names": ["bank-b"]}, "mode": "Pull", "fields": ["/name", "/coupon"], "purposes": ["trade"]
        }),
    );
    scene
}

#[test]
fn a_healthy_namespace() {
    let mut scene = base();
    scene.settle();
    scene.peer_answers("bank-b", true);
    scene.settle();
    compare(
        "healthy.txt",
        &format!("{}{}", tables(&scene), messages(&scene)),
    );
}

#[test]
fn a_broken_namespace() {
    let mut scene = base();
    scene.inputs.sources[0].permitted = false;
    scene.inputs.signer = crate::node::SignerState::Missing;
    scene.organization("bank-c", json!({"keys": [{
        "id": "2026-a", "publicKey": "MCowBQYDK2VwAyEA////////////////////////////////////////////",
        "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2028-01-01T00:00:00Z"
    }]}));
    scene.organization("bank-d", json!({"keys": keys(4), "suspended": true}));
    scene.asset(
        "bond-again",
        json!({"assetId": "XS2712345672", "content": {"api": {}}}),
    );
    scene.asset(
        "bank-x-fund",
        json!({"from": {"peer": "bank-x", "assetId": "LU1", "mode": "Pull"}}),
    );
    scene.policy("to-nobody", share("green-bond-2031", "bank-x"));
    scene.policy("typo", json!({
        "assets": {"selector": {"matchLabels": {"desk": "fixed-incom"}}}, "peers": {"all": true},
        "mode": "Pull", "allFields": true
    }));
    scene.policy("retained", json!({
        "assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true, "retentionDays": 90
    }));
    scene.policy(
        "last-year",
        json!({
            "assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true,
            "notAfter": "2026-01-01T00:00:00Z"
        }),
    );
    scene.settle();
    scene.peer_answers("bank-b", false);
    scene.settle();
    compare(
        "broken.txt",
        &format!("{}{}", tables(&scene), messages(&scene)),
    );
}
