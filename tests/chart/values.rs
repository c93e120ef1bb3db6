//! What the chart refuses, with which words, and that its README knows every value.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::helm::{self, chart, template};

/// Values whose members are the user's own.
const FREE: [&str; 8] = [
    "global",
    "metrics.service.annotations",
    "metrics.service.labels",
    "metrics.serviceMonitor.labels",
    "operator.nodeSelector",
    "operator.podAnnotations",
    "operator.podLabels",
    "sidecar.metricsFrom",
];

fn defaults() -> Value {
    let text = std::fs::read_to_string(chart().join("values.yaml")).unwrap();
    serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap()).unwrap()
}

/// Every value by its path; the maps themselves go to `maps`.
fn flatten(
    path: &str,
    value: &Value,
    leaves: &mut BTreeMap<String, Value>,
    maps: &mut Vec<String>,
) {
    match value {
        Value::Object(members) if !members.is_empty() || path.is_empty() => {
            maps.push(path.to_owned());
            for (name, member) in members {
                let below = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                flatten(&below, member, leaves, maps);
            }
        }
        leaf => {
            if leaf.is_object() {
                maps.push(path.to_owned());
            }
            leaves.insert(path.to_owned(), leaf.clone());
        }
    }
}

fn set(arguments: &[&str]) -> Result<String, String> {
    template(&helm::values("default"), arguments)
}

fn refused(arguments: &[&str]) -> String {
    set(arguments).expect_err(&format!("{arguments:?} was accepted"))
}

#[test]
fn a_typing_error_is_refused_wherever_it_stands() {
    let (mut leaves, mut maps) = (BTreeMap::new(), Vec::new());
    flatten("", &defaults(), &mut leaves, &mut maps);
    let mut tried = 0;
    for map in maps {
        if FREE.contains(&map.as_str()) {
            continue;
        }
        let key = if map.is_empty() {
            "tpyo".to_owned()
        } else {
            format!("{map}.tpyo")
        };
        let message = refused(&["--set", &format!("{key}=1")]);
        let place = if map.is_empty() {
            String::new()
        } else {
            format!("/{}", map.replace('.', "/"))
        };
        let expected = format!("at '{place}': additional properties 'tpyo' not allowed");
        assert!(message.contains(&expected), "{key}: {message}");
        tried += 1;
    }
    assert!(tried >= 15, "only {tried} maps were found in values.yaml");
}

/// Wrong values, and what is said about each.
const WRONG: [(&[&str], &str); 25] = [
    (
        &["--set", "namespaces=bank-a"],
        "at '/namespaces': got string, want array",
    ),
    (
        &["--set", "namespaces={Bank_A}"],
        "at '/namespaces/0': 'Bank_A' does not match pattern",
    ),
    (
        &["--set", "namespaces={bank-a,bank-a}"],
        "at '/namespaces': items at 0 and 1 are equal",
    ),
    (
        &["--set", "operator.replicas=3"],
        "at '/operator/replicas': maximum: got 3, want 2",
    ),
    (
        &["--set", "operator.replicas=0"],
        "at '/operator/replicas': minimum: got 0, want 1",
    ),
    (
        &["--set-string", "operator.replicas=2"],
        "at '/operator/replicas': got string, want integer",
    ),
    (
        &["--set", "operator.logFormat=xml"],
        "at '/operator/logFormat': value must be one of 'json', 'text'",
    ),
    (
        &["--set", "operator.log="],
        "at '/operator/log': '' does not match pattern",
    ),
    (
        &["--set", "operator.log=infoo"],
        "at '/operator/log': 'infoo' does not match pattern",
    ),
    (
        &["--set", r"operator.log=info\,finp2p_operator"],
        "at '/operator/log': 'info,finp2p_operator' does not match pattern",
    ),
    (
        &["--set", "operator.resources.limits.memory=lots"],
        "at '/operator/resources/limits/memory': 'lots' does not match pattern",
    ),
    (
        &["--set", "operator.resources.requests.cpu=50x"],
        "at '/operator/resources/requests/cpu': '50x' does not match pattern",
    ),
    (
        &["--set", "operator.resources.requests.memory=-1"],
        "at '/operator/resources/requests/memory': minimum: got -1, want 0",
    ),
    (
        &["--set", "operator.resources.limits.mem=1Gi"],
        "at '/operator/resources/limits': additional properties 'mem' not allowed",
    ),
    (
        &["--set", "operator.resources.limits.hugepages=1Gi"],
        "at '/operator/resources/limits': additional properties 'hugepages' not allowed",
    ),
    (
        &["--set", "operator.signerCommand=sign"],
        "at '/operator/signerCommand': 'sign' does not match pattern",
    ),
    (
        &["--set", "operator.image.digest=sha256:12"],
        "at '/operator/image/digest': 'sha256:12' does not match pattern",
    ),
    (
        &["--set", "operator.image.registry=https://registry.example"],
        "at '/operator/image/registry': 'https://registry.example' does not match pattern",
    ),
    (
        &["--set", "sidecar.image.repository=finp2p-sidecar:0.1.0"],
        "at '/sidecar/image/repository': 'finp2p-sidecar:0.1.0' does not match pattern",
    ),
    (
        &["--set", "operator.image.pullPolicy=always"],
        "at '/operator/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'",
    ),
    (
        &["--set", "operator.imagePullSecrets[0].name=login"],
        "at '/operator/imagePullSecrets/0': got object, want string",
    ),
    (
        &["--set-string", "crds.install=false"],
        "at '/crds/install': got string, want boolean",
    ),
    (
        &["--set", "admissionPolicies.alsoAllow={admin}"],
        "at '/admissionPolicies/alsoAllow/0': 'admin' does not match pattern",
    ),
    (
        &["--set", "operator.tolerations[0].efect=NoSchedule"],
        "at '/operator/tolerations/0': additional properties 'efect' not allowed",
    ),
    (
        &["--set", "operator.extraVolumeMounts[0].name=x"],
        "at '/operator/extraVolumeMounts/0': missing property 'mountPath'",
    ),
];

#[test]
fn a_wrong_value_is_refused_with_its_place_and_what_would_be_right() {
    for (arguments, expected) in WRONG {
        let message = refused(arguments);
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
}

#[test]
fn what_no_schema_can_say_clearly_is_said_in_words() {
    let empty = refused(&["--set-json", "namespaces=[]"]);
    assert!(
        empty.contains("name the namespaces in which organizations run their nodes"),
        "{empty}"
    );
    let monitor = refused(&[
        "--set",
        "metrics.serviceMonitor.install=true,metrics.service.install=false",
    ]);
    assert!(
        monitor.contains("set metrics.service.install to true"),
        "{monitor}"
    );
}

#[test]
fn quantities_and_filters_that_are_right_pass() {
    for quantity in ["1", "0.5", "500m", "64Mi", "1e3", "2G"] {
        set(&[
            "--set",
            &format!("operator.resources.limits.cpu={quantity}"),
        ])
        .unwrap();
    }
    for resource in [
        "ephemeral-storage",
        "hugepages-2Mi",
        r"nvidia\.com/gpu",
        r"example\.com/hsm_Slot",
    ] {
        set(&["--set", &format!("operator.resources.limits.{resource}=1")]).unwrap();
    }
    for log in [
        "debug",
        r"warn\,finp2p_operator=trace",
        r"info\,finp2p_operator[plan{namespace=bank-a}]=debug",
    ] {
        set(&["--set", &format!("operator.log={log}")])
            .unwrap_or_else(|error| panic!("{log}: {error}"));
    }
}

#[test]
fn labels_that_the_chart_sets_itself_are_refused_and_no_rendering_has_a_key_twice() {
    let labels = [
        "app.kubernetes.io/name",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/component",
        "helm.sh/chart",
    ];
    let monitor = "metrics.serviceMonitor.install=true";
    for place in [
        "operator.podLabels",
        "metrics.service.labels",
        "metrics.serviceMonitor.labels",
    ] {
        for label in labels {
            let key = label.replace('.', r"\.");
            let message = refused(&["--set", monitor, "--set", &format!("{place}.{key}=x")]);
            let expected = format!("{place} sets the label {label}, which the chart sets itself");
            assert!(message.contains(&expected), "{message}");
        }
        set(&["--set", monitor, "--set", &format!("{place}.team=x")]).unwrap();
    }
    let annotation = r"operator.podAnnotations.kubectl\.kubernetes\.io/default-container=x";
    let message = refused(&["--set", annotation]);
    assert!(message.contains("leave it out"), "{message}");
}

#[test]
fn the_operators_own_namespace_is_no_organizations() {
    let list = format!("namespaces={{bank-a,{}}}", helm::NAMESPACE);
    let message = refused(&["--set", &list]);
    let expected = format!("namespaces names {}, where the operator", helm::NAMESPACE);
    assert!(message.contains(&expected), "{message}");
}

#[test]
fn lint_without_namespaces_says_once_what_is_missing() {
    let lint = helm::helm(&["lint", "charts/finp2p"]).output().unwrap();
    assert!(lint.status.success(), "{lint:?}");
    let said = String::from_utf8(lint.stderr).unwrap();
    assert_eq!(
        said.matches("namespaces is empty: name").count(),
        1,
        "{said}"
    );
}

#[test]
fn kubernetes_older_than_1_33_is_refused_and_a_vendors_1_33_is_not() {
    let old = refused(&["--kube-version", "1.32.9"]);
    assert!(
        old.contains("chart requires kubeVersion: >=1.33.0-0"),
        "{old}"
    );
    set(&["--kube-version", "1.33.2-gke.1"]).unwrap();
}

#[test]
fn the_readme_has_every_value_with_its_default_and_no_other() {
    let readme = std::fs::read_to_string(chart().join("README.md")).unwrap();
    let (_, table) = readme.split_once("\n## Values\n").unwrap();
    let described: BTreeMap<String, Value> = table
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let (_, name, default) = (cells.next()?, cells.next()?, cells.next()?);
            let name = name.strip_prefix('`')?.strip_suffix('`')?;
            let default = default.strip_prefix('`')?.strip_suffix('`')?;
            Some((name.to_owned(), serde_yaml::from_str(default).unwrap()))
        })
        .collect();
    let (mut leaves, mut maps) = (BTreeMap::new(), Vec::new());
    flatten("", &defaults(), &mut leaves, &mut maps);
    assert_eq!(described, leaves);
}

#[test]
fn the_rendering_of_every_option_leaves_none_out() {
    let text = std::fs::read_to_string(helm::values("everything")).unwrap();
    let given =
        serde_json::to_value(serde_yaml::from_str::<serde_yaml::Value>(&text).unwrap()).unwrap();
    let (mut leaves, mut maps) = (BTreeMap::new(), Vec::new());
    flatten("", &defaults(), &mut leaves, &mut maps);
    let same: Vec<&str> = leaves
        .iter()
        .filter(|(path, default)| {
            let found = given.pointer(&format!("/{}", path.replace('.', "/")));
            found.is_none_or(|found| found == *default)
        })
        .map(|(path, _)| path.as_str())
        .collect();
    // Switches that are on, and names of which the last wins.
    let others = [
        "admissionPolicies.install",
        "crds.install",
        "global",
        "metrics.service.install",
        "nameOverride",
        "roles.install",
        "sidecar.image.digest",
    ];
    assert_eq!(json!(same), json!(others));
}
