//! The generated CRD's schema, with messages for people.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::{Map, Value};

use super::kind::KindChecks;
use super::{schema_at, shape};
use crate::finding::{Finding, quote};
use crate::manifest::Document;
use crate::manifest::place::escape;

/// Most findings of one object; a person mends these first.
const FINDINGS_MAX: usize = 50;

/// Checks one object against the schema of its kind.
pub fn check(document: &Document, checks: &KindChecks) -> Vec<Finding> {
    let errors = checks.validator.iter_errors(&document.value);
    let all: Vec<_> = errors
        .filter(|error| !error.instance().is_null()) // refused as a null already
        .take(FINDINGS_MAX)
        .map(|error| {
            let mut pointer = error.instance_path().as_str().to_owned();
            let schema = schema_at(&checks.schema, &pointer);
            let said = say(error.kind(), error.instance(), schema);
            if let ValidationErrorKind::Required { property } = error.kind() {
                // The field that is missing is the one to write, and no line has it yet.
                let name = property.as_str().unwrap_or_default();
                pointer.push_str(&format!("/{}", escape(name)));
            }
            document.finding(&pointer, said.reason, said.message, &said.cure)
        })
        .collect();
    // A text that is too short for its form does not have the form either: that says it all.
    let formless: BTreeSet<_> = all
        .iter()
        .filter(|finding| finding.reason == "WrongForm")
        .map(|finding| finding.field.clone())
        .collect();
    all.into_iter()
        .filter(|finding| finding.reason != "TooShort" || !formless.contains(&finding.field))
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
        ValidationErrorKind::Type { kind } => wrong_type(kind, instance, schema),
        ValidationErrorKind::Enum { options } => not_an_option(options, instance),
        ValidationErrorKind::Pattern { .. } if is_private_key(instance) => said(
            "PrivateKey",
            "this is a private key, and the field is for the public one",
            "take it out of this file and of its history, and make new keys with finp2p-operator keygen: whoever could read this file can use them",
        ),
        ValidationErrorKind::Pattern { pattern } => said(
            "WrongForm",
            format!(
                "{} does not have the form of this field{described}",
                value(instance)
            ),
            match example(pattern) {
                Some(example) => format!("{example} (it matches {pattern})"),
                None => format!("write it so that it matches {pattern}"),
            },
        ),
        ValidationErrorKind::Format { format } if format == "date-time" => said(
            "WrongForm",
            format!("{} is not a moment in time", value(instance)),
            moment(instance),
        ),
        ValidationErrorKind::MaxLength { limit } => said(
            "TooLong",
            format!("longer than {limit} characters"),
            "make it shorter",
        ),
        ValidationErrorKind::MinLength { limit: 1 } => said(
            "TooShort",
            format!("an empty text{described}"),
            "write it in full, or remove the field",
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
        ValidationErrorKind::MinItems { limit: 1 } => said(
            "TooFew",
            "an empty list",
            "write at least one entry, or remove the field",
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

/// How a moment is written: the day that stands there, if one does.
fn moment(instance: &Value) -> String {
    let day = instance.as_str().and_then(|text| text.parse::<Date>().ok());
    match day {
        Some(day) => format!("write it with time and zone: {day}T00:00:00Z"),
        None => "write it like 2026-03-01T00:00:00Z".to_owned(),
    }
}

/// Whether a text is a private key (PKCS#8 as DER in base64, or PEM), which nothing may repeat.
fn is_private_key(instance: &Value) -> bool {
    /// How an Ed25519 private key begins (RFC 8410): version and algorithm, version 1 and version 2.
    const DER: [&str; 2] = ["MC4CAQAwBQYDK2VwBCIE", "MFECAQEwBQYDK2VwBCIE"];
    let text = instance.as_str().unwrap_or_default().trim_start();
    DER.iter().any(|begin| text.starts_with(begin)) || text.contains("PRIVATE KEY")
}

fn explained(schema: Option<&Value>, name: &str) -> String {
    schema
        .and_then(|schema| schema.get("properties"))
        .and_then(|properties| properties.get(name))
        .and_then(|property| property.get("description"))
        .and_then(Value::as_str)
        .map(|text| {
            let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
            format!(": {}", line.trim_end_matches('.'))
        })
        .unwrap_or_default()
}

/// How a text of a form is written, for those who read no regular expressions.
fn example(pattern: &str) -> Option<&'static str> {
    EXAMPLES
        .iter()
        .find(|(begin, _)| pattern.starts_with(begin))
        .map(|(_, example)| *example)
}

/// By how the pattern begins, the more special first.
const EXAMPLES: [(&str, &str); 9] = [
    (
        "^(/([^/~]",
        "write it as a JSON Pointer, like /terms/coupon",
    ),
    (
        "^/(ip4|ip6|",
        "write it like /dns4/finp2p.bank-b.example/tcp/4001",
    ),
    ("^https://", "write it like https://registry.example"),
    (
        "^MCow",
        "copy it from the organization's own record (finp2p-operator export prints it)",
    ),
    (
        "^[0-9]+(\\.[0-9]+)?(Ki|",
        "write a number and a unit, like 50Gi",
    ),
    (
        "^[A-Za-z0-9_-]{43}",
        "write 32 bytes as base64url without padding, as in the issuer's JWK",
    ),
    (
        "^[a-z0-9]([a-z0-9.-]",
        "use a-z, 0-9, - and ., with a letter or digit at both ends",
    ),
    (
        "^[a-z0-9]([a-z0-9-]",
        "use a-z, 0-9 and -, with a letter or digit at both ends",
    ),
    (
        "^[A-Za-z0-9]([A-Za-z0-9._-]",
        "use A-Z, a-z, 0-9, ., _ and -, with a letter or digit at both ends",
    ),
];

fn wrong_type(kind: &TypeKind, instance: &Value, schema: Option<&Value>) -> Said {
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
    let member = |name: &str| schema.and_then(|schema| schema.get(name));
    let fields = member("properties").and_then(Value::as_object);
    let form = member("pattern").and_then(Value::as_str).and_then(example);
    let cure = match (instance, form, fields) {
        (Value::Object(_) | Value::Array(_), _, _) if wanted == "text" => {
            "write one text here: in quotes, or as lines below | (a block)".to_owned()
        }
        // In quotes a number may still not be what it should: a size without a unit is bytes.
        (Value::Number(_), Some(form), _) if wanted == "text" => format!("{form}, as text"),
        (_, _, _) if member("format") == Some(&Value::from("date-time")) => moment(instance),
        (_, _, Some(fields)) if !fields.is_empty() => format!(
            "write its fields below, indented by two spaces: {}",
            listed(fields)
        ),
        _ => cure.to_owned(),
    };
    said(
        "WrongType",
        format!("{wanted} is expected here, not {}", name_of(instance)),
        cure,
    )
}

/// The fields of a mapping.
fn listed(fields: &Map<String, Value>) -> String {
    /// Enough for every mapping but the largest two, which people copy from a sample.
    const FIELDS_SHOWN: usize = 6;
    let mut names: Vec<&str> = fields.keys().map(String::as_str).collect();
    if names.len() > FIELDS_SHOWN {
        names.truncate(FIELDS_SHOWN);
        names.push("…");
    }
    names.join(", ")
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

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                let pattern = members.get("pattern").and_then(Value::as_str);
                found.extend(pattern.map(ToOwned::to_owned));
                members.values().for_each(|below| patterns(below, found));
            }
            Value::Array(items) => items.iter().for_each(|below| patterns(below, found)),
            _ => {}
        }
    }

    #[test]
    #[allow(clippy::unwrap_used)]
    fn every_form_that_a_person_writes_has_words_beside_its_regular_expression() {
        let mut found = BTreeSet::new();
        for definition in finp2p_crds::definition::all().unwrap() {
            let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec";
            patterns(definition.crd.pointer(schema).unwrap(), &mut found);
        }
        assert!(found.len() >= EXAMPLES.len(), "{found:?}");
        let mute: Vec<_> = found.iter().filter(|p| example(p).is_none()).collect();
        assert!(mute.is_empty(), "forms without words: {mute:?}");
        for (_, words) in EXAMPLES {
            let used = found.iter().any(|pattern| example(pattern) == Some(words));
            assert!(used, "words for no form: {words}");
        }
    }
}
