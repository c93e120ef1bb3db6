//! Names, labels and annotations; and the shape of Secrets and ConfigMaps, whose values no
//! message ever shows.

use finp2p_crds::{CHANGE_ANNOTATION, SEQUENCE_ANNOTATION};
use serde_json::Value;

use super::shape::suggestion;
use crate::finding::{Finding, quote};
use crate::manifest::Document;
use crate::manifest::place::escape;
use crate::node::plan::names::is_object_name;
use crate::node::validate::annotation::Idle;

/// Longest namespace, label value, and name part of a label key, bytes.
const LABEL_MAX_BYTES: usize = 63;
/// Most bytes of all annotations together: Kubernetes' own bound.
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;
/// Longest key of a Secret or ConfigMap, bytes.
const KEY_MAX_BYTES: usize = 253;
/// What a user writes under metadata.
const FIELDS: [&str; 4] = ["name", "namespace", "labels", "annotations"];

/// Checks the metadata of any object.
pub fn check(document: &Document) -> Vec<Finding> {
    let mut findings = Vec::new();
    if !is_object_name(&document.name) {
        findings.push(document.finding(
            "/metadata/name",
            "InvalidName",
            format!("{} cannot name an object", quote(&document.name)),
            "use 1 to 253 of a-z, 0-9, - and ., with a letter or digit at both ends of every part",
        ));
    }
    if !document.namespace.is_empty()
        && !finp2p_crds::resource_id::is_organization(&document.namespace)
    {
        findings.push(document.finding(
            "/metadata/namespace",
            "InvalidName",
            format!("{} cannot name a namespace", quote(&document.namespace)),
            "use 1 to 63 of a-z, 0-9 and -, with a letter or digit at both ends",
        ));
    }
    let Some(Value::Object(metadata)) = document.value.get("metadata") else {
        return findings;
    };
    for (field, value) in metadata {
        let pointer = format!("/metadata/{}", escape(field));
        match field.as_str() {
            "labels" => texts(document, &pointer, value, &mut findings, label),
            "annotations" => {
                texts(document, &pointer, value, &mut findings, annotation);
                idle(document, &pointer, value, &mut findings);
                if value.to_string().len() > ANNOTATIONS_MAX_BYTES {
                    findings.push(document.finding(
                        &pointer,
                        "TooLong",
                        "annotations of more than 256 KiB",
                        "remove some",
                    ));
                }
            }
            known if FIELDS.contains(&known) => {}
            unknown => findings.push(document.finding(
                &pointer,
                "UnknownField",
                format!("unknown field {}", quote(unknown)),
                &suggestion(unknown, &FIELDS),
            )),
        }
    }
    findings
}

/// Checks one entry of a map of texts; `Some` is what is wrong and how to mend it.
type Entry = fn(&str, &str) -> Option<(&'static str, &'static str)>;

fn texts(
    document: &Document,
    pointer: &str,
    value: &Value,
    findings: &mut Vec<Finding>,
    entry: Entry,
) {
    let Value::Object(map) = value else {
        findings.push(document.finding(
            pointer,
            "WrongType",
            "a mapping of texts is expected here",
            "write key: value lines below, or remove the line",
        ));
        return;
    };
    for (key, value) in map {
        let below = format!("{pointer}/{}", escape(key));
        let wrong = match value {
            Value::String(text) => entry(key, text),
            _ => Some(("the value is not text", "put it in quotes")),
        };
        if let Some((message, cure)) = wrong {
            findings.push(document.finding(
                &below,
                "InvalidLabel",
                format!("{}: {message}", quote(key)),
                cure,
            ));
        }
    }
}

fn label(key: &str, value: &str) -> Option<(&'static str, &'static str)> {
    if !is_label_key(key) {
        return Some((
            "not a label key",
            "use an optional DNS prefix and /, then 1 to 63 of A-Z, a-z, 0-9, -, _ and .",
        ));
    }
    if !is_label_value(value) {
        return Some((
            "not a label value",
            "use at most 63 of A-Z, a-z, 0-9, -, _ and ., with a letter or digit at both ends",
        ));
    }
    None
}

fn annotation(key: &str, _: &str) -> Option<(&'static str, &'static str)> {
    (!is_label_key(key)).then_some((
        "not an annotation key",
        "use an optional DNS prefix and /, then 1 to 63 of A-Z, a-z, 0-9, -, _ and .",
    ))
}

/// Annotations of ours that do nothing where they stand.
fn idle(document: &Document, pointer: &str, value: &Value, findings: &mut Vec<Finding>) {
    let is_local =
        document.kind == "PeerOrganization" && document.value.pointer("/spec/node").is_some();
    let keys = value.as_object().into_iter().flat_map(|map| map.keys());
    for key in keys.filter(|key| is_label_key(key)) {
        let Some(idle) = Idle::of(key, is_local) else {
            continue;
        };
        let below = format!("{pointer}/{}", escape(key));
        let message = format!("annotation {} does nothing here", quote(key));
        let cure = match idle {
            Idle::Unknown => {
                let known = [CHANGE_ANNOTATION, SEQUENCE_ANNOTATION].map(name);
                suggestion(name(key), &known)
            }
            idle => idle.cure(),
        };
        findings.push(
            document
                .finding(&below, "IdleAnnotation", message, &cure)
                .warn(),
        );
    }
}

/// A key of a label or annotation without its prefix.
fn name(key: &str) -> &str {
    key.split_once('/').map_or(key, |(_, name)| name)
}

/// Checks the shape of a Secret or ConfigMap. Its values are never shown.
pub fn check_keyed(document: &Document) -> Vec<Finding> {
    let fields: &[&str] = if document.kind == "Secret" {
        &[
            "apiVersion",
            "kind",
            "metadata",
            "type",
            "data",
            "stringData",
            "immutable",
        ]
    } else {
        &[
            "apiVersion",
            "kind",
            "metadata",
            "data",
            "binaryData",
            "immutable",
        ]
    };
    let mut findings = Vec::new();
    let Value::Object(map) = &document.value else {
        return findings;
    };
    for (field, value) in map {
        let pointer = format!("/{}", escape(field));
        if !fields.contains(&field.as_str()) {
            findings.push(document.finding(
                &pointer,
                "UnknownField",
                format!("unknown field {}", quote(field)),
                &suggestion(field, fields),
            ));
        }
        if value.is_null() {
            findings.push(document.finding(
                &pointer,
                "Null",
                "the field has no value",
                "remove the line, or give it a value",
            ));
        }
        let Value::Object(entries) = value else {
            continue;
        };
        for key in entries.keys().filter(|_| field != "metadata") {
            if !is_data_key(key) {
                findings.push(document.finding(
                    &format!("{pointer}/{}", escape(key)),
                    "InvalidName",
                    format!("{} cannot be a key here", quote(key)),
                    "use 1 to 253 of A-Z, a-z, 0-9, -, _ and .",
                ));
            }
        }
    }
    findings
}

fn is_data_key(key: &str) -> bool {
    (1..=KEY_MAX_BYTES).contains(&key.len())
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

/// Whether a text can be the key of a label.
pub fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_object_name) && !name.is_empty() && is_label_value(name)
}

/// Whether a text can be the value of a label.
pub fn is_label_value(value: &str) -> bool {
    value.is_empty()
        || (value.len() <= LABEL_MAX_BYTES
            && edges(value, |b| b.is_ascii_alphanumeric())
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')))
}

fn edges(text: &str, allowed: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    bytes.first().copied().is_some_and(&allowed) && bytes.last().copied().is_some_and(&allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_labels_follow_kubernetes() {
        for name in ["a", "bank-a", "a.b-c.d", "2031"] {
            assert!(is_object_name(name), "{name}");
        }
        for name in ["", "A", "-a", "a-", "a..b", "a_b", ".a", &"a".repeat(254)] {
            assert!(!is_object_name(name), "{name}");
        }
        for key in ["desk", "sharing.finp2p.io/content", "A_b.c-d"] {
            assert!(is_label_key(key), "{key}");
        }
        for key in ["", "/a", "a/", "a/b/c", "-a", "UP/x", &"a".repeat(64)] {
            assert!(!is_label_key(key), "{key}");
        }
        assert!(is_label_value("") && is_label_value("fixed-income"));
        assert!(!is_label_value("a b") && !is_label_value("-") && !is_label_value(&"a".repeat(64)));
    }
}
