//! The real kstatus reads our conditions as it should.

use finp2p_tests::control_plane::kstatus::verdicts;
use serde_json::{Value, json};

#[test]
fn kstatus_tells_what_is_applied_from_what_is_not() {
    let asset = |status: Value| {
        json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset",
            "metadata": {"name": "x", "namespace": "n", "generation": 2}, "status": status})
    };
    let condition = |kind: &str, status: &str| json!([{"type": kind, "status": status, "reason": "R", "message": "m", "observedGeneration": 2}]);
    let objects = [
        asset(json!({"observedGeneration": 1, "conditions": condition("Ready", "True")})),
        asset(json!({"observedGeneration": 2, "conditions": condition("Ready", "True")})),
        asset(json!({"observedGeneration": 2, "conditions": condition("Ready", "False")})),
        asset(json!({"observedGeneration": 2, "conditions": condition("Stalled", "True")})),
    ];
    let found: Vec<String> = verdicts(&objects).into_iter().map(|v| v.status).collect();
    assert_eq!(found, ["InProgress", "Current", "InProgress", "Failed"]);
}
