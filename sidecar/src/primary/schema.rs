//! The JSON Schema of an asset. Refers to nothing outside itself, matches in linear time, is no more work
//! than a node does ([`cost`]), and its findings name places, never values.

pub mod cost;

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

/// Most findings that one refusal names: a person mends them a few at a time.
const MAX_FINDINGS: usize = 5;

/// Why content does not meet its schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The schema itself is none.
    #[error("the schema of this asset is no JSON Schema: {0}")]
    Schema(String),
    /// It is one that is not used.
    #[error("the schema of this asset cannot be used: {0}")]
    Cost(#[from] cost::CostError),
    /// The content fails the schema at these places (JSON Pointers into content and schema).
    #[error("the content does not meet the asset's schema at {}", .0.join(", "))]
    Content(Vec<String>),
}

/// Checks `content` against the text of a JSON Schema (2020-12 when it does not say).
///
/// # Errors
/// [`SchemaError`].
pub fn check(schema: &str, content: &Map<String, Value>) -> Result<(), SchemaError> {
    let schema: Value = serde_json::from_str(schema).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        SchemaError::Schema(format!(
            "it is not JSON, look at line {line}, column {column}"
        ))
    })?;
    let content = Value::Object(content.clone());
    // Before anything is made of it.
    cost::steps(&schema, &content)?;
    let validator = compile(&schema)?;
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

fn compile(schema: &Value) -> Result<jsonschema::Validator, SchemaError> {
    let built = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema);
    built.map_err(|error| {
        let place = error.instance_path();
        SchemaError::Schema(format!("look at \"{place}\""))
    })
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
    fn says_why_a_schema_is_not_used() {
        for (schema, why) in [
            (
                r#"{"$ref":"https://example.com/schema.json"}"#,
                "begin with #",
            ),
            (r#"{"$ref":"file:///etc/passwd"}"#, "begin with #"),
            ("not json", "not JSON, look at line 1, column 2"),
            (
                r#"{"properties":{"a":{"type":"nonsense"}}}"#,
                "look at \"/properties/a/type\"",
            ),
            (r#"{"pattern":"(?=a)"}"#, "look at \"/pattern\""),
        ] {
            let refused = check(schema, &content(json!({"a": 1}))).unwrap_err();
            assert!(refused.to_string().contains(why), "{schema}: {refused}");
        }
    }

    #[test]
    fn what_is_allowed_fits_the_stack_of_any_thread() {
        // The longest way at each value, as deep as contents go.
        let links = cost::CHAIN_MAX / 2 - 2;
        let mut definitions: Map<String, Value> = (0..links)
            .map(|n| {
                (
                    format!("d{n}"),
                    json!({"allOf": [{"$ref": format!("#/$defs/d{}", n + 1)}]}),
                )
            })
            .collect();
        definitions.insert(
            format!("d{links}"),
            json!({"properties": {"x": {"$ref": "#"}}}),
        );
        let schema = json!({"$defs": definitions, "$ref": "#/$defs/d0"}).to_string();
        let deep =
            (1..crate::record::json::MAX_DEPTH).fold(json!({}), |inner, _| json!({"x": inner}));
        let checked = std::thread::spawn(move || check(&schema, &content(deep)));
        assert_eq!(checked.join().unwrap(), Ok(()));
    }
}
