//! What holds for every content, every opening and every grant.

use std::collections::BTreeSet;

use finp2p_crds::access;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::super::content::is_reserved;
use super::super::json::MAX_NUMBER;
use super::super::pointer::join;
use super::super::*;
use super::scene::{Scene, has_traces};

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-d]{1,2}",
        1 => "[/~.\"\\\\]{0,3}",
        1 => any::<String>().prop_map(|text| text.chars().take(12).collect()),
    ]
    .prop_filter("reserved", |name: &String| !is_reserved(name))
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_wrap)]
fn leaf() -> impl Strategy<Value = Value> {
    let largest = MAX_NUMBER as i64;
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-largest..=largest).prop_map(Value::from),
        any::<f64>()
            .prop_filter("what survives", move |number| number.abs()
                <= largest as f64
                && (*number != 0.0 || number.is_sign_positive()))
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "(_sd|\\.\\.\\.|~)".prop_map(Value::from),
    ]
}

fn object(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    btree_map(name(), value, 0..6).prop_map(|members| Value::Object(members.into_iter().collect()))
}

fn content() -> impl Strategy<Value = Value> {
    let value = leaf().prop_recursive(4, 40, 6, |inner| prop_oneof![3 => object(inner.clone()), 1 => vec(inner, 0..4).prop_map(Value::Array)]);
    object(value)
}

/// Pointers of every object that is not inside an array.
fn objects(prefix: &str, members: &Map<String, Value>, found: &mut Vec<Pointer>) {
    for (name, value) in members {
        let Ok(pointer) = Pointer::parse(&join(prefix, name)) else {
            continue;
        };
        if let Some(inner) = value.as_object() {
            objects(pointer.as_str(), inner, found);
            found.push(pointer);
        }
    }
}

fn chosen<'a>(from: impl IntoIterator<Item = &'a Pointer>, choice: &[bool]) -> BTreeSet<Pointer> {
    from.into_iter()
        .zip(choice.iter().cycle())
        .filter(|(_, taken)| **taken)
        .map(|(pointer, _)| pointer.clone())
        .collect()
}

fn names(pointers: &BTreeSet<Pointer>) -> Vec<&str> {
    pointers.iter().map(Pointer::as_str).collect()
}

/// The opened objects as `spec.units` of an asset, where the schema lets them be written: `explain`
/// and `diff` must see the units that records have.
fn as_declared(opening: &Opening) -> Option<Vec<String>> {
    let Opening::Objects(opened) = opening else {
        return None;
    };
    let texts = opened.iter().map(|pointer| pointer.as_str().to_owned());
    let texts: Vec<String> = texts.collect();
    texts
        .iter()
        .all(|text| access::is_pointer(text))
        .then_some(texts)
}

/// What the granted units are of the original, found without any code under test.
fn projection(original: &Value, granted: &BTreeSet<Pointer>) -> Value {
    let mut projected = json!({});
    for unit in granted {
        let names: Vec<String> = unit
            .as_str()
            .split('/')
            .skip(1)
            .map(|name| name.replace("~1", "/").replace("~0", "~"))
            .collect();
        let place = names.iter().fold(&mut projected, |object, name| {
            let members = object.as_object_mut().unwrap();
            members.entry(name.clone()).or_insert_with(|| json!({}))
        });
        *place = original.pointer(unit.as_str()).unwrap().clone();
    }
    projected
}

/// A record of any content, opened anyhow, with any grant on it.
fn granted_record() -> impl Strategy<Value = (Value, Scene, Record, BTreeSet<Pointer>)> {
    (
        content(),
        any::<Option<bool>>(),
        vec(any::<bool>(), 1..40),
        vec(any::<bool>(), 1..40),
        any::<u64>(),
    )
        .prop_filter_map(
            "names too long to ask for",
            |(original, every, opened, grants, seed)| {
                let mut found = Vec::new();
                objects("", original.as_object()?, &mut found);
                let opening = if every == Some(true) {
                    Opening::Every
                } else {
                    Opening::Objects(chosen(&found, &opened))
                };
                let scene = Scene::with(&original.to_string(), opening);
                let claims = scene.claims(1);
                let record = issue(
                    &scene.content,
                    &scene.opening,
                    &claims,
                    &scene.key,
                    &mut StdRng::seed_from_u64(seed),
                )
                .ok()?;
                let granted = chosen(record.units().iter(), &grants);
                Some((original, scene, record, granted))
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_grant_shows_exactly_its_part_of_any_content(input in granted_record()) {
        let (original, scene, record, granted) = input;
        let presented = record.disclose(&names(&granted));
        let verified = scene.verify(presented.as_str()).map_err(|error| TestCaseError::fail(format!("{error}: {original} {granted:?}")))?;
        prop_assert_eq!(json!(verified.data), projection(&original, &granted));
        prop_assert_eq!(&verified.units, &Units::from(granted));
        prop_assert_eq!(verified.hash, record.hash());
        prop_assert!(!has_traces(&json!(verified.data)));
        prop_assert_eq!(scene.content.units(&scene.opening).unwrap(), record.units());
        if let Some(opened) = as_declared(&scene.opening) {
            prop_assert_eq!(access::units_of(scene.content.members(), &opened), record.units().names());
        }
    }

    #[test]
    fn any_changed_byte_of_a_presented_record_is_refused(input in granted_record(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (_, scene, record, granted) = input;
        let presented = record.disclose(&names(&granted));
        let mut bytes = presented.as_str().as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = if bytes[at] == byte { byte ^ 1 } else { byte };
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(scene.verify(&changed).is_err(), "byte {at} of {}", presented.as_str());
        }
    }

    #[test]
    fn what_is_stored_discloses_what_was_issued(input in granted_record()) {
        let (_, _, record, granted) = input;
        let stored = serde_json::to_vec(&record).unwrap();
        let read: Record = serde_json::from_slice(&stored).unwrap();
        prop_assert!(read.disclose(&names(&granted)) == record.disclose(&names(&granted)));
        prop_assert_eq!((read.units(), read.hash()), (record.units(), record.hash()));
    }
}
