//! The generated CRD's schema, with messages for people.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::kind::KindChecks;
use super::{schema_at, shape};
use crate::finding::{Finding, quote};
use crate::manifest::Document;

/// Most findings of one object; a person mends these first.
const FINDINGS_MAX: usize = 50;

/// Checks one object against the schema of its kind.
pub fn check(document: &Document, checks: &KindChecks) -> Vec<Finding> {
    checks
        .validator
        .iter_errors(&document.value)
        .filter(|error| !error.instance().is_null()) // refused as a null already
        .take(FINDINGS_MAX)
        .map(|error| {
            let pointer = error.instance_path().as_str().to_owned();
            let said = say(
                error.kind(),
                error.instance(),
                schema_at(&checks.schema, &pointer),
            );
            document.finding(&pointer, said.reason, said.message, &said.cure)
        })
        .collect()
}

struct Said {
    reason: &'static str,
    message: String,
    cure: String,
}

fn said(reason: &'static str, message: impl Into<String>, cure: impl Into<String>) -> Said {
    Said {
        reason,
        message: message.into(),
        cure: cure.into(),
    }
}

fn say(kind: &ValidationErrorKind, instance: &Value, schema: Option<&Value>) -> Said {
    let described = schema
        .and_then(|schema| schema.get("description"))
        .and_then(Value::as_str)
        .map(|text| format!(" ({})", text.trim_end_matches('.')))
        .unwrap_or_default();
    match kind {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            said(
                "Required",
                format!("{} is missing", quote(name)),
                format!("add {name}{}", explained(schema, name)),
            )
        }
        ValidationErrorKind::Type { kind } => wrong_type(kind, instance),
        ValidationErrorKind::Enum { options } => not_an_option(options, instance),
        ValidationErrorKind::Pattern { pattern } => said(
            "WrongForm",
            format!(
                "{} does not have the form of this field{described}",
                value(instance)
            ),
            format!("write it so that it matches {pattern}"),
        ),
        ValidationErrorKind::Format { format } if format == "date-time" => said(
            "WrongForm",
            format!("{} is not a moment in time", value(instance)),
            "write it like 2026-03-01T00:00:00Z",
        ),
        ValidationErrorKind::MaxLength { limit } => said(
            "TooLong",
            format!("longer than {limit} characters"),
            "make it shorter",
        ),
        ValidationErrorKind::MinLength { limit } => said(
            "TooShort",
            format!("shorter than {limit} characters{described}"),
            "write it in full, or remove the field",
        ),
        ValidationErrorKind::MaxItems { limit } => said(
            "TooMany",
            format!("more than {limit} entries"),
            "split it into several objects, or remove entries",
        ),
        ValidationErrorKind::MinItems { limit } => said(
            "TooFew",
            format!("fewer than {limit} entries"),
            "add one, or remove the field",
        ),
        ValidationErrorKind::MaxProperties { limit } => said(
            "TooMany",
            format!("more than {limit} entries"),
            "remove entries",
        ),
        ValidationErrorKind::Minimum { limit } => said(
            "OutOfRange",
            format!("{} is below {}", value(instance), plain(limit)),
            format!("write {} or more", plain(limit)),
        ),
        ValidationErrorKind::Maximum { limit } => said(
            "OutOfRange",
            format!("{} is above {}", value(instance), plain(limit)),
            format!("write {} or less", plain(limit)),
        ),
        other => said(
            "Invalid",
            format!("it breaks `{}` of the schema", other.keyword()),
            "compare it with kubectl explain",
        ),
    }
}

fn explained(schema: Option<&Value>, name: &str) -> String {
    schema
        .and_then(|schema| schema.get("properties"))
        .and_then(|properties| properties.get(name))
        .and_then(|property| property.get("description"))
        .and_then(Value::as_str)
        .map(|text| format!(": {}", text.trim_end_matches('.')))
        .unwrap_or_default()
}

fn wrong_type(kind: &TypeKind, instance: &Value) -> Said {
    let wanted = match kind {
        TypeKind::Single(single) => single.to_string(),
        TypeKind::Multiple(_) => "another type".to_owned(),
    };
    let (wanted, cure) = match wanted.as_str() {
        "string" => ("text", "put it in quotes"),
        "boolean" => ("true or false", "write true or false, without quotes"),
        "integer" => ("a whole number", "write a whole number, without quotes"),
        "number" => ("a number", "write a number, without quotes"),
        "array" => ("a list", "begin each entry with - or put all into [ ]"),
        "object" => (
            "a mapping",
            "write its fields below, indented by two spaces",
        ),
        other => (other, "compare it with kubectl explain"),
    };
    let cure = match instance {
        Value::Object(_) | Value::Array(_) if wanted == "text" => "write one text here",
        _ => cure,
    };
    said(
        "WrongType",
        format!("{wanted} is expected here, not {}", name_of(instance)),
        cure,
    )
}

fn not_an_option(options: &Value, instance: &Value) -> Said {
    let all: Vec<Value> = options.as_array().cloned().unwrap_or_default();
    let texts: Vec<&str> = all.iter().filter_map(Value::as_str).collect();
    if let Some(text) = instance.as_str() {
        return said(
            "NotAnOption",
            format!("{} is not possible here", quote(text)),
            shape::suggestion(text, &texts).replace("remove it, or write", "write"),
        );
    }
    if all == [Value::Bool(true)] {
        return said(
            "NotAnOption",
            "the field is true or it is absent",
            "write true, or remove the line",
        );
    }
    let listed: Vec<String> = all.iter().map(ToString::to_string).collect();
    said(
        "NotAnOption",
        "not a possible value",
        format!("write one of {}", listed.join(", ")),
    )
}

fn name_of(instance: &Value) -> String {
    match instance {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("the boolean {value}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quote(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

fn value(instance: &Value) -> String {
    match instance {
        Value::String(text) => quote(text).to_string(),
        other => name_of(other),
    }
}

/// A bound of the schema without the `.0` that CRDs print.
fn plain(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0")
        .map_or(text.clone(), ToOwned::to_owned)
}
