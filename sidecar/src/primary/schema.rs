//! The JSON Schema of an asset. Refers to nothing outside itself, matches in linear time, and
//! its findings name places, never values.

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

/// Most findings that one refusal names: a person mends them a few at a time.
const MAX_FINDINGS: usize = 5;

/// Why content does not meet its schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema itself cannot be used.
    #[error(
        "the schema of this asset is not a JSON Schema that can be used: it must be JSON, and refer to nothing outside itself"
    )]
    Schema,
    /// The content fails the schema at these places (JSON Pointers into content and schema).
    #[error("the content does not meet the asset's schema at {}", .0.join(", "))]
    Content(Vec<String>),
}

/// Checks `content` against the text of a JSON Schema (2020-12 when it does not say).
///
/// # Errors
/// [`SchemaError`].
pub fn check(schema: &str, content: &Map<String, Value>) -> Result<(), SchemaError> {
    let validator = compile(schema)?;
    let content = Value::Object(content.clone());
    let findings: Vec<_> = validator
        .iter_errors(&content)
        .take(MAX_FINDINGS)
        .map(|error| {
            let place = match error.instance_path().as_str() {
                "" => "its top level".to_owned(),
                place => format!("\"{place}\""),
            };
            format!("{place} (schema {})", error.schema_path())
        })
        .collect();
    if findings.is_empty() {
        Ok(())
    } else {
        Err(SchemaError::Content(findings))
    }
}

fn compile(schema: &str) -> Result<jsonschema::Validator, SchemaError> {
    let schema: Value = serde_json::from_str(schema).map_err(|_| SchemaError::Schema)?;
    jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|_| SchemaError::Schema)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn content(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn names_the_place_and_never_the_value() {
        let schema = r#"{"type":"object","properties":{"coupon":{"type":"number"}}}"#;
        let error = check(schema, &content(json!({"coupon": "planted"}))).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("/coupon"), "{text}");
        assert!(!text.contains("planted"), "{text}");
        assert_eq!(check(schema, &content(json!({"coupon": 4.5}))), Ok(()));
    }

    #[test]
    fn what_is_missing_at_the_top_has_a_place_too() {
        let error = check(r#"{"required":["isin"]}"#, &content(json!({}))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the content does not meet the asset's schema at its top level (schema /required)"
        );
    }

    #[test]
    fn refuses_a_schema_that_refers_outside_itself() {
        for schema in [
            r#"{"$ref":"https://example.com/schema.json"}"#,
            r#"{"$ref":"file:///etc/passwd"}"#,
            "not json",
            r#"{"type":"nonsense"}"#,
        ] {
            assert_eq!(
                check(schema, &content(json!({}))),
                Err(SchemaError::Schema),
                "{schema}"
            );
        }
    }
}
