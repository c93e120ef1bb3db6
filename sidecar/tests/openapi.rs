//! `sidecar/openapi.json` is what the code serves, and describes every route and nothing else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// A panic is how a test fails.

use std::collections::BTreeSet;
use std::path::Path;

use finp2p_sidecar::api::description;
use finp2p_sidecar::api::route::{Access, ROUTES};
use serde_json::Value;

const METHODS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

fn served() -> Value {
    serde_json::from_str(&description::text().unwrap()).unwrap()
}

/// Every operation: method, path, and what is said of it.
fn operations(description: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if METHODS.contains(&method.as_str()) {
                operations.push((method.to_uppercase(), path.clone(), operation.clone()));
            }
        }
    }
    operations
}

#[test]
fn the_kept_description_is_the_one_that_is_served() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    let text = description::text().unwrap();
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "sidecar/openapi.json is not what the code serves: run make generate"
    );
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let described: BTreeSet<_> = operations(&served())
        .into_iter()
        .map(|(method, path, _)| (method, path))
        .collect();
    let routes: BTreeSet<_> = ROUTES
        .iter()
        .map(|route| (route.method.to_string(), route.path.to_owned()))
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn every_operation_says_what_it_needs_and_what_it_is_refused_with() {
    let description = served();
    assert_eq!(description["openapi"], "3.1.0");
    for (method, path, operation) in operations(&description) {
        let route = ROUTES
            .iter()
            .find(|route| route.method.as_str() == method && route.path == path)
            .unwrap();
        let text = operation["description"].as_str().unwrap();
        let responses = operation["responses"].as_object().unwrap();
        match route.access {
            Access::Anyone => assert!(operation["security"].is_null(), "{path}"),
            Access::Client => assert!(text.contains("no verb"), "{path}"),
            Access::Verb(verb) => assert!(text.contains(&format!("verb {verb:?}")), "{path}"),
        }
        if route.access != Access::Anyone {
            assert_eq!(
                operation["security"],
                serde_json::json!([{"token": []}]),
                "{path}"
            );
            for status in ["401", "403", "503", "504"] {
                assert!(responses.contains_key(status), "{path} {status}");
            }
        }
        assert!(operation["summary"].is_string(), "{path}");
        for (status, response) in responses {
            assert!(response["description"].is_string(), "{path} {status}");
            if status.as_str() >= "400" {
                let schema = &response["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Problem", "{path} {status}");
            }
        }
    }
}

#[test]
fn every_code_of_the_catalogue_is_explained() {
    let description = served();
    let text = description["info"]["description"].as_str().unwrap();
    for code in finp2p_wire::error::Code::ALL {
        assert!(text.contains(&format!("| {} | {} |", code.number(), code.slug())));
        assert!(text.contains(code.sentence()));
    }
}

#[test]
fn every_reference_leads_to_a_schema_that_is_there() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                found.extend(
                    members
                        .get("$ref")
                        .and_then(Value::as_str)
                        .map(str::to_owned),
                );
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let description = served();
    let mut found = BTreeSet::new();
    references(&description, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
}
