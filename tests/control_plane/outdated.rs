//! An operator that finds CRDs of an older version does nothing but say so.

use std::time::Duration;

use finp2p_tests::binaries::root;
use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::{ControlPlane, Settings};
use finp2p_tests::http::Api;
use serde_json::Value;

/// Longest that an operator may take to say what it waits for, on a busy machine.
const TOLD: Duration = Duration::from_secs(60);
const DEFINITION: &str = "sharingpolicies.sharing.finp2p.io";

#[test]
fn an_operator_does_not_plan_against_older_crds_and_goes_on_when_they_are_brought_up_to_date() {
    let cluster = ControlPlane::start(Settings::default());
    let mut banks = Consortium::install_alone(&cluster, &["bank-a"]);
    // As a version that did not know `redistribute` would have left it.
    let admin = cluster.admin();
    let mut definition = admin
        .get("customresourcedefinitions", "", DEFINITION)
        .unwrap();
    let spec = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties";
    let properties = definition.pointer_mut(spec).unwrap();
    let taken = properties.as_object_mut().unwrap().remove("redistribute");
    assert!(taken.is_some(), "choose another property");
    admin
        .replace("customresourcedefinitions", "", DEFINITION, &definition)
        .unwrap();

    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    let probes = Api {
        base: banks.operator_url(),
        token: String::new(),
    };
    let ready = || probes.get("/readyz").map(|answer| answer.status);
    let bank_a = &banks.bank("bank-a").namespace;
    let told = bank_a.until("CRDOutdated in /readyz", TOLD, || {
        let said = text(&probes, "/readyz")?;
        said.contains("CRDOutdated")
            .then_some(said.clone())
            .ok_or(said)
    });
    for part in [
        DEFINITION,
        ".spec.redistribute",
        "apply the CRDs of its release",
    ] {
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(ready(), Ok(503));
    assert_eq!(
        probes.get("/healthz").unwrap().status,
        200,
        "it is no reason to restart it"
    );
    let log = || banks_log(&cluster);
    bank_a.until("a second look, in the log", TOLD, || {
        let lines = log().matches("CRDOutdated").count();
        (lines >= 2).then_some(()).ok_or(format!("{lines} lines"))
    });
    // Two looks later it has done nothing.
    assert!(bank_a.list("sidecarconfigs").unwrap().is_empty());
    assert!(bank_a.list("statefulsets").unwrap().is_empty());
    let policies = bank_a.list("sharingpolicies").unwrap();
    let reason = |policy: &Value| policy["status"]["conditions"][0]["reason"].clone();
    assert!(
        policies.iter().all(|policy| reason(policy) == "Pending"),
        "{policies:?}"
    );

    let folder = root().join("crds/yaml");
    let apply = [
        "apply",
        "--server-side",
        "--force-conflicts",
        "-f",
        folder.to_str().unwrap(),
    ];
    admin.kubectl(&apply).ok().unwrap();
    bank_a.until("the operator to be ready", TOLD, || {
        let status = ready()?;
        (status == 200).then_some(()).ok_or(status.to_string())
    });
    banks.start_node("bank-a");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
}

fn text(api: &Api, path: &str) -> Result<String, String> {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut answer = agent
        .get(format!("{}{path}", api.base))
        .call()
        .map_err(|e| e.to_string())?;
    answer
        .body_mut()
        .read_to_string()
        .map_err(|e| e.to_string())
}

fn banks_log(cluster: &ControlPlane) -> String {
    std::fs::read_to_string(cluster.folder().join("logs/finp2p-0.log")).unwrap_or_default()
}
