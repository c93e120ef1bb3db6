//! `kubectl explain` has something to say about every field.

use std::time::Duration;

use finp2p_crds::access::NOT_YET_ENFORCED;
use finp2p_crds::definition;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::wait;
use serde_json::Value;

/// Longest until the API server publishes the schema of a CRD.
const PUBLISHED: Duration = Duration::from_secs(60);
/// Fewer fields than this in all kinds together: the walk has not seen them.
const FIELDS: usize = 150;

#[test]
fn every_field_of_every_kind_has_a_text() {
    let cluster = ControlPlane::shared();
    let kinds: Vec<String> = definition::all()
        .unwrap()
        .into_iter()
        .map(|d| d.kind)
        .collect();
    // What kubectl explain reads.
    let path = "/openapi/v3/apis/sharing.finp2p.io/v1alpha1";
    let schemas = wait::try_ask_until(PUBLISHED, || {
        let document = cluster.admin().ask("GET", path, None)?;
        let schemas = &document["components"]["schemas"];
        match kinds.iter().find(|kind| schema(schemas, kind).is_null()) {
            Some(kind) => Err(format!("{kind} is not published")),
            None => Ok(schemas.clone()),
        }
    })
    .unwrap();
    let mut fields = Vec::new();
    for kind in &kinds {
        walk(kind, schema(&schemas, kind), &mut fields);
    }
    assert!(fields.len() >= FIELDS, "only {} fields", fields.len());
    let silent: Vec<&String> = fields
        .iter()
        .filter(|(_, text)| text.trim().is_empty())
        .map(|(path, _)| path)
        .collect();
    assert!(silent.is_empty(), "fields without a text: {silent:#?}");
}

#[test]
fn kubectl_explain_says_of_what_is_not_enforced_yet_that_it_grants_nothing() {
    let cluster = ControlPlane::shared();
    for entry in NOT_YET_ENFORCED {
        let path = format!("sharingpolicy.spec.{}", entry.field);
        let printed = cluster.admin().kubectl(&["explain", &path]);
        let told = printed
            .stdout
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let because = format!("Not enforced in this version ({}): a policy", entry.because);
        assert!(told.contains(&because), "{path}: {told}{}", printed.stderr);
        assert!(told.contains("grants nothing at all"), "{path}: {told}");
    }
    for path in ["sharedasset.spec.from.mode", "sharingpolicy.spec.mode"] {
        let printed = cluster.admin().kubectl(&["explain", path]);
        let told: Vec<&str> = printed.stdout.split_whitespace().collect();
        let told = told.join(" ");
        assert!(
            told.contains("Push is not in this version"),
            "{path}: {told}"
        );
    }
    let version = cluster
        .admin()
        .kubectl(&["explain", "sharedasset.status.version"]);
    assert!(version.stdout.contains("Filled once"), "{}", version.stdout);
}

#[test]
fn kubectl_explains_each_kind_by_its_short_and_its_long_name() {
    let cluster = ControlPlane::shared();
    for definition in definition::all().unwrap() {
        let names = &definition.crd["spec"]["names"];
        let mut all: Vec<&str> = names["shortNames"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        all.extend(names["plural"].as_str());
        for name in all {
            for path in [
                name.to_owned(),
                format!("{name}.spec"),
                format!("{name}.status"),
            ] {
                let printed = cluster.admin().kubectl(&["explain", &path]);
                assert!(printed.success, "{path}: {}", printed.stderr);
                assert!(
                    printed.stdout.contains("DESCRIPTION:"),
                    "{path}: {}",
                    printed.stdout
                );
                assert!(
                    !printed.stdout.contains("<empty>"),
                    "{path}: {}",
                    printed.stdout
                );
            }
        }
    }
}

fn schema<'a>(schemas: &'a Value, kind: &str) -> &'a Value {
    &schemas[format!("io.finp2p.sharing.v1alpha1.{kind}")]
}

/// Every field below with its text.
fn walk(path: &str, schema: &Value, found: &mut Vec<(String, String)>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        found.push((
            path.clone(),
            field["description"].as_str().unwrap_or_default().to_owned(),
        ));
        walk(&path, field, found);
    }
    for inner in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(inner) {
            walk(&format!("{path}[]"), inner, found);
        }
    }
}
