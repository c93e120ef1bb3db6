//! The health check for Argo CD, in the Lua interpreter that Argo CD uses, beside kstatus.

use std::io::Write as _;
use std::process::{Command, Stdio};

use finp2p_tests::control_plane::parts::programs;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::helm::chart;

#[derive(Debug, Deserialize)]
struct Verdict {
    status: String,
    message: String,
}

fn ask(mut command: Command, objects: &Value) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let text = objects.to_string();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn argo_cd(objects: &[Value]) -> Vec<Verdict> {
    let [gitops] = programs(["gitops"]);
    let mut command = Command::new(gitops);
    command.arg("health").arg(chart().join("argocd/health.lua"));
    serde_json::from_str(&ask(command, &json!(objects))).unwrap()
}

fn kstatus(objects: &[Value]) -> Vec<Verdict> {
    let [kstatus] = programs(["kstatus"]);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    ask(Command::new(kstatus), &list)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Every mix of what the two look at, on an object of generation 2.
fn mixes() -> Vec<Value> {
    let mut all = Vec::new();
    for deleted in [false, true] {
        for observed in [None, Some(-1), Some(1), Some(2)] {
            for ready in ["True", "False", "Unknown"] {
                for stalled in [None, Some("True"), Some("False")] {
                    let mut conditions = vec![
                        json!({"type": "Ready", "status": ready, "reason": "R", "message": "ready"}),
                    ];
                    if let Some(stalled) = stalled {
                        conditions.push(json!({"type": "Stalled", "status": stalled, "reason": "S", "message": "stalled"}));
                    }
                    let mut object = json!({
                        "apiVersion": "sharing.finp2p.io/v1alpha1",
                        "kind": "SharingPolicy",
                        "metadata": {"name": "policy", "generation": 2},
                        "status": {"conditions": conditions},
                    });
                    if let Some(observed) = observed {
                        object["status"]["observedGeneration"] = json!(observed);
                    }
                    if deleted {
                        object["metadata"]["deletionTimestamp"] = json!("2026-03-01T00:00:00Z");
                    }
                    all.push(object);
                }
            }
        }
    }
    all
}

#[test]
fn the_health_check_says_what_kstatus_says() {
    let objects = mixes();
    let (argo_cd, kstatus) = (argo_cd(&objects), kstatus(&objects));
    assert_eq!(
        (argo_cd.len(), kstatus.len()),
        (objects.len(), objects.len())
    );
    let mut seen = std::collections::BTreeSet::new();
    for ((object, health), status) in objects.iter().zip(&argo_cd).zip(&kstatus) {
        let expected = match status.status.as_str() {
            "Current" => "Healthy",
            "Failed" => "Degraded",
            "InProgress" | "Terminating" => "Progressing",
            other => panic!("{other}"),
        };
        assert_eq!(health.status, expected, "{object}: {health:?}, {status:?}");
        seen.insert(expected);
    }
    assert_eq!(seen.len(), 3, "the mixes show every verdict");
}

#[test]
fn the_health_check_tells_what_the_operator_told() {
    let object = |observed: i64, conditions: Value| json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed, "conditions": conditions}});
    let ready = |status: &str, message: &str| json!({"type": "Ready", "status": status, "message": message});
    let cases = [
        (
            json!({"metadata": {"generation": 1}}),
            "Progressing",
            "waiting for the operator",
        ),
        (
            object(-1, json!([ready("Unknown", "")])),
            "Progressing",
            "the operator has not looked at this edit yet",
        ),
        (
            object(2, json!([])),
            "Progressing",
            "waiting for the operator",
        ),
        (
            object(2, json!([ready("False", "no peer bank-x")])),
            "Progressing",
            "no peer bank-x",
        ),
        (
            object(
                2,
                json!([ready("False", "not yet"), {"type": "Stalled", "status": "True", "message": "edit spec.fields"}]),
            ),
            "Degraded",
            "edit spec.fields",
        ),
        (
            object(2, json!([ready("True", "in force in the node")])),
            "Healthy",
            "in force in the node",
        ),
    ];
    let objects: Vec<Value> = cases.iter().map(|(object, _, _)| object.clone()).collect();
    for ((object, status, message), found) in cases.iter().zip(argo_cd(&objects)) {
        assert_eq!(
            (found.status.as_str(), found.message.as_str()),
            (*status, *message),
            "{object}"
        );
    }
}

#[test]
fn argocd_cm_is_the_health_check_for_each_kind() {
    let script = std::fs::read_to_string(chart().join("argocd/health.lua")).unwrap();
    let mut text = "# Generated by `make generate` from health.lua; do not edit. For `kubectl patch`, see the README.\ndata:\n".to_owned();
    for kind in ["PeerOrganization", "SharedAsset", "SharingPolicy"] {
        text += &format!("  resource.customizations.health.sharing.finp2p.io_{kind}: |\n");
        for line in script.lines() {
            text += format!("    {line}").trim_end();
            text += "\n";
        }
    }
    let path = chart().join("argocd/argocd-cm.yaml");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "argocd-cm.yaml is not of health.lua: run `make generate` and commit the result"
    );
    let read: Value =
        serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap()).unwrap();
    let data = read["data"].as_object().unwrap();
    assert_eq!(data.len(), 3);
    assert!(data.values().all(|found| found == &json!(script)));
}
