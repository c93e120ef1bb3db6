//! What a schema leaves to the API server's own manners: nulls, unknown fields, lists that
//! are sets or maps. An API server drops a null and an unknown field without a word, and
//! what was meant is then not there; here both are refused.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::finding::{Finding, quote};
use crate::manifest::Document;
use crate::manifest::place::escape;

/// Most known fields that a cure lists.
const LISTED_MAX: usize = 12;
/// Longest field name that a suggestion is looked for, bytes.
const SUGGESTED_MAX_BYTES: usize = 64;
/// Most findings of one object; a person mends these first.
const FINDINGS_MAX: usize = 50;

/// What every object has, whatever the schema of its kind says.
const ENVELOPE: [&str; 3] = ["/apiVersion", "/kind", "/metadata"];

/// Checks one object against the schema of its kind.
pub fn check(document: &Document, schema: &Value) -> Vec<Finding> {
    let mut walk = Walk {
        document,
        findings: Vec::new(),
    };
    walk.node(schema, &document.value, "");
    walk.findings
}

struct Walk<'a> {
    document: &'a Document,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn report(&mut self, pointer: &str, reason: &str, message: String, cure: &str) {
        if self.findings.len() < FINDINGS_MAX {
            let finding = self.document.finding(pointer, reason, message, cure);
            self.findings.push(finding);
        }
    }

    fn node(&mut self, schema: &Value, value: &Value, pointer: &str) {
        if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true)) {
            return;
        }
        match value {
            Value::Null => self.report(
                pointer,
                "Null",
                "the field has no value".to_owned(),
                "remove the line, or give it a value",
            ),
            Value::Object(map) => self.object(schema, map, pointer),
            Value::Array(items) => self.list(schema, items, pointer),
            _ => {}
        }
    }

    fn object(&mut self, schema: &Value, map: &Map<String, Value>, pointer: &str) {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return; // the schema check says what is expected here
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        let others = schema.get("additionalProperties").filter(|s| s.is_object());
        for (key, value) in map {
            let below = format!("{pointer}/{}", escape(key));
            if ENVELOPE.contains(&below.as_str()) {
                continue; // not in the schema; checked by themselves
            }
            match properties.and_then(|p| p.get(key)).or(others) {
                Some(schema) => self.node(schema, value, &below),
                None => {
                    let known: Vec<&str> = properties
                        .map(|p| {
                            p.keys()
                                .map(String::as_str)
                                .filter(|k| *k != "status")
                                .collect()
                        })
                        .unwrap_or_default();
                    let message = format!("unknown field {}", quote(key));
                    self.report(&below, "UnknownField", message, &suggestion(key, &known));
                }
            }
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value], pointer: &str) {
        let Some(inner) = schema.get("items") else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.node(inner, item, &format!("{pointer}/{index}"));
        }
        let keys: Vec<&str> = schema
            .get("x-kubernetes-list-map-keys")
            .and_then(Value::as_array)
            .map(|keys| keys.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => self.distinct(items.iter().map(ToString::to_string), pointer),
            Some("map") => self.distinct(
                items.iter().map(|item| {
                    keys.iter()
                        .map(|key| item.get(*key).map(ToString::to_string).unwrap_or_default())
                        .collect::<Vec<_>>()
                        .join(", ")
                }),
                pointer,
            ),
            _ => {}
        }
    }

    fn distinct(&mut self, entries: impl Iterator<Item = String>, pointer: &str) {
        let mut seen = BTreeSet::new();
        for (index, entry) in entries.enumerate() {
            if !seen.insert(entry.clone()) {
                let message = format!("{} is in this list twice", quote(entry.trim_matches('"')));
                self.report(
                    &format!("{pointer}/{index}"),
                    "Duplicate",
                    message,
                    "keep one of the two",
                );
            }
        }
    }
}

/// "did you mean …?", or which words there are.
pub fn suggestion(word: &str, known: &[&str]) -> String {
    if known.is_empty() {
        return "remove it; nothing is written here".to_owned();
    }
    let lower = word.to_ascii_lowercase();
    let best = known
        .iter()
        .filter(|_| word.len() <= SUGGESTED_MAX_BYTES)
        .map(|candidate| {
            (
                strsim::osa_distance(&lower, &candidate.to_ascii_lowercase()),
                *candidate,
            )
        })
        .min();
    if let Some((distance, candidate)) = best
        && distance <= 1.max(candidate.len() / 3)
    {
        return format!("did you mean `{candidate}`?");
    }
    let listed: Vec<String> = known
        .iter()
        .take(LISTED_MAX)
        .map(|k| format!("`{k}`"))
        .collect();
    let more = if known.len() > LISTED_MAX {
        ", …"
    } else {
        ""
    };
    format!("remove it, or write one of {}{more}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn suggests_the_nearest_word_or_lists_them() {
        assert_eq!(
            suggestion("feilds", &["fields", "allFields"]),
            "did you mean `fields`?"
        );
        assert_eq!(
            suggestion("AllFields", &["fields", "allFields"]),
            "did you mean `allFields`?"
        );
        assert_eq!(
            suggestion("zzz", &["mode", "peers"]),
            "remove it, or write one of `mode`, `peers`"
        );
        assert_eq!(suggestion("x", &[]), "remove it; nothing is written here");
        assert!(suggestion(&"x".repeat(100_000), &["mode"]).starts_with("remove it"));
    }
}
