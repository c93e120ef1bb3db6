//! The CRD's CEL rules, with the message that each carries.

use kube::core::cel::ErrorKind;
use serde_json::Value;

use super::kind::KindChecks;
use crate::finding::Finding;
use crate::manifest::Document;

/// The cure of a rule whose message holds none.
const CURE: &str = "correct what it names until this holds";

/// Checks the rules for a new object.
pub fn check(document: &Document, checks: &KindChecks) -> Vec<Finding> {
    evaluate(document, checks, None)
}

/// Checks the rules for an edit of an object that was `old`.
pub fn check_change(document: &Document, checks: &KindChecks, old: &Value) -> Vec<Finding> {
    evaluate(document, checks, Some(old))
}

fn evaluate(document: &Document, checks: &KindChecks, old: Option<&Value>) -> Vec<Finding> {
    let Err(errors) = checks
        .evaluator
        .validate_compiled(&checks.rules, &document.value, old)
    else {
        return Vec::new();
    };
    errors
        .into_vec()
        .into_iter()
        .map(|error| {
            let pointer = pointer(&error.field_path);
            let (reason, message) = match error.kind {
                ErrorKind::ValidationFailure => ("RuleBroken", error.message),
                // Fail closed: a rule that cannot be evaluated is not one that holds.
                _ => (
                    "RuleNotEvaluated",
                    format!("a rule could not be evaluated: {}", error.rule),
                ),
            };
            let cure = message
                .split_once(": ")
                .map_or(CURE, |(_, cure)| cure)
                .to_owned();
            document.finding(&pointer, reason, message, &cure)
        })
        .collect()
}

/// `spec.keys[0]` as `/spec/keys/0`.
fn pointer(path: &str) -> String {
    path.split(['.', '['])
        .filter(|part| !part.is_empty())
        .map(|part| format!("/{}", part.trim_end_matches(']')))
        .collect()
}

/// All rules below a schema node, as `(place, message)`.
pub fn list(schema: &Value, place: &str, all: &mut Vec<(String, String)>) {
    for rule in schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let message = rule
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default();
        all.push((place.to_owned(), message.to_owned()));
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        for (name, below) in properties {
            list(below, &format!("{place}.{name}"), all);
        }
    }
    for (key, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
        if let Some(below) = schema.get(key) {
            list(below, &format!("{place}{suffix}"), all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::pointer;

    #[test]
    fn a_path_becomes_a_pointer() {
        assert_eq!(pointer(""), "");
        assert_eq!(pointer("spec"), "/spec");
        assert_eq!(pointer("spec.keys[0].notAfter"), "/spec/keys/0/notAfter");
    }
}
