//! The chart over time: upgraded, another list of namespaces, uninstalled, installed again.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use finp2p_tests::wait;
use serde_json::{Value, json};

use crate::helm::{RELEASE, chart, helm};
use crate::installed::{bare, run};

/// Everything that may carry the chart's label.
const KINDS: &str = "deployments,services,serviceaccounts,roles,rolebindings,clusterroles,clusterrolebindings,\
     customresourcedefinitions,poddisruptionbudgets,validatingadmissionpolicies,validatingadmissionpolicybindings";

/// What is there of the chart: `KIND NAME`, without namespaces.
fn present(cluster: &ControlPlane) -> BTreeSet<String> {
    let answer = cluster
        .admin()
        .kubectl(&[
            "get",
            KINDS,
            "-A",
            "-l",
            "app.kubernetes.io/part-of=finp2p",
            "-o",
            "json",
        ])
        .ok()
        .unwrap();
    let list: Value = serde_json::from_str(&answer).unwrap();
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .filter(|item| item["metadata"]["deletionTimestamp"].is_null())
        .map(|item| {
            let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
            format!(
                "{} {}",
                text(&item["kind"]),
                text(&item["metadata"]["name"])
            )
        })
        .collect()
}

fn helm_here(cluster: &ControlPlane, arguments: &[&str]) -> String {
    run(cluster.admin(), helm(arguments)).unwrap_or_else(|why| panic!("{arguments:?}: {why}"))
}

fn property(cluster: &ControlPlane, name: &str) -> Value {
    let crd = cluster
        .admin()
        .get(
            "customresourcedefinitions",
            "",
            "sharedassets.sharing.finp2p.io",
        )
        .unwrap();
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        [name]
        .clone()
}

/// A copy of the chart with one more field in a CRD.
fn newer(to: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-r").arg(chart()).arg(to);
    crate::helm::run(copy).unwrap();
    let file = to.join("files/crds/sharedassets.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let begin = "          spec:\n";
    let at = text.find(begin).unwrap();
    let properties = at + text[at..].find("properties:\n").unwrap() + "properties:\n".len();
    let (before, after) = text.split_at(properties);
    let field = "              fieldOfTomorrow:\n                type: string\n";
    std::fs::write(&file, format!("{before}{field}{after}")).unwrap();
}

/// What is left of the chart when it is uninstalled.
const STAYS: [&str; 7] = [
    "ClusterRole finp2p-node",
    "ClusterRoleBinding finp2p-node",
    "CustomResourceDefinition peerorganizations.sharing.finp2p.io",
    "CustomResourceDefinition sharedassets.sharing.finp2p.io",
    "CustomResourceDefinition sharingpolicies.sharing.finp2p.io",
    "CustomResourceDefinition sidecarconfigs.sharing.finp2p.io",
    "ServiceAccount finp2p-node",
];

/// `install` or `upgrade` of the release from a chart.
fn release(cluster: &ControlPlane, verb: &str, chart: &str, namespace: &str, more: &[&str]) {
    let mut arguments = vec![verb, RELEASE, chart, "-n", namespace];
    arguments.extend(more);
    helm_here(cluster, &arguments);
}

fn is_gone(namespace: &Namespace<'_>, resource: &str) -> bool {
    let found = namespace.get(resource, "finp2p-operator");
    found.is_err_and(|refusal| refusal.code == 404)
}

#[test]
fn upgrades_crds_follows_the_list_of_namespaces_and_leaves_what_must_stay() {
    let cluster = bare();
    let system = cluster.namespace("system");
    let [first, second] = [cluster.namespace("bank"), cluster.namespace("bank")];
    let both = format!("namespaces={{{},{}}}", first.name, second.name);
    let one = format!("namespaces={{{}}}", first.name);
    let released = "charts/finp2p";
    release(
        &cluster,
        "install",
        released,
        &system.name,
        &["--set", &both],
    );
    let whole = present(&cluster);

    // An asset of a user, which nothing below may touch.
    let asset = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SharedAsset\nmetadata: {name: bond}\nspec: {content: {api: {}}}\n";
    first.until("the kinds", SEEN, || first.apply(asset).ok());

    // Upgrade: Helm never upgrades crds/, and here it does.
    assert_eq!(property(&cluster, "fieldOfTomorrow"), Value::Null);
    let folder = tempfile::TempDir::new().unwrap();
    let tomorrow = folder.path().join("finp2p");
    newer(&tomorrow);
    let upgrade = |more: &[&str]| {
        let tomorrow = tomorrow.to_str().unwrap();
        release(&cluster, "upgrade", tomorrow, &system.name, more);
    };
    upgrade(&["--reset-then-reuse-values"]);
    let added = property(&cluster, "fieldOfTomorrow");
    assert_eq!(added, json!({"type": "string"}));
    assert_eq!(present(&cluster), whole);

    // A namespace less: the operator has no right there any more; the node's account stays.
    upgrade(&["--set", &one]);
    assert!(is_gone(&second, "roles") && is_gone(&second, "rolebindings"));
    assert!(!is_gone(&first, "roles"));
    second.get("serviceaccounts", "finp2p-node").unwrap();

    // Without the CRDs of the chart they are not deleted.
    upgrade(&["--set", &one, "--set", "crds.install=false"]);
    assert_eq!(present(&cluster), whole);
    upgrade(&["--set", &one]);

    helm_here(&cluster, &["uninstall", RELEASE, "-n", &system.name]);
    let stays: BTreeSet<String> = STAYS.map(str::to_owned).into();
    wait::try_ask_until(SEEN, || match present(&cluster) {
        left if left == stays => Ok(()),
        left => Err(format!("{left:?}")),
    })
    .unwrap();

    // The same release finds all of it.
    release(
        &cluster,
        "install",
        released,
        &system.name,
        &["--set", &one],
    );
    assert_eq!(present(&cluster), whole);
    first.get("sharedassets", "bond").unwrap();
}

#[test]
fn a_second_release_lives_beside_the_first() {
    let cluster = bare();
    let [system, other] = [cluster.namespace("system"), cluster.namespace("other")];
    let [first, second] = [cluster.namespace("bank"), cluster.namespace("bank")];
    let allow = format!(
        "admissionPolicies.alsoAllow={{system:serviceaccount:{}:test-finp2p-operator}}",
        other.name
    );
    let list = |name: &str| format!("namespaces={{{name}}}");
    helm_here(
        &cluster,
        &[
            "install",
            RELEASE,
            "charts/finp2p",
            "-n",
            &system.name,
            "--set",
            &list(&first.name),
            "--set",
            &allow,
        ],
    );
    helm_here(
        &cluster,
        &[
            "install",
            "test",
            "charts/finp2p",
            "-n",
            &other.name,
            "--set",
            &list(&second.name),
            "--set",
            "crds.install=false,roles.install=false,admissionPolicies.install=false",
        ],
    );
    let slice = json!({
        "apiVersion": "sharing.finp2p.io/v1alpha1",
        "kind": "SidecarConfig",
        "metadata": {"name": "slice"},
        "spec": {"slice": {"set": "s1", "bucket": 0, "entries": []}},
    });
    let guarded = |namespace: &str| {
        let path = format!(
            "/apis/sharing.finp2p.io/v1alpha1/namespaces/{namespace}/sidecarconfigs?dryRun=All"
        );
        match cluster.admin().ask("POST", &path, Some(&slice)) {
            Err(refusal) if refusal.code == 403 => Ok(()),
            answer => Err(format!("{answer:?}")),
        }
    };
    second.until("a guarded SidecarConfig", SEEN, || guarded(&second.name));
    let operators = [
        system.account("finp2p-operator"),
        other.account("test-finp2p-operator"),
    ];
    operators[0]
        .create("sidecarconfigs", &first.name, &slice)
        .unwrap();
    operators[1]
        .create("sidecarconfigs", &second.name, &slice)
        .unwrap();
    // Each in its own namespaces.
    let refusal = operators[1]
        .create("sidecarconfigs", &first.name, &slice)
        .unwrap_err();
    assert_eq!(refusal.code, 403, "{refusal:?}");
}
