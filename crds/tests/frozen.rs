//! Today's CRDs accept what the frozen ones accepted: no field is gone, no type has changed, no
//! bound is narrower, nothing new is required.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::path::Path;

use serde_json::Value;

/// Everything in which `now` accepts less than `then`, as sentences.
fn narrower(path: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    if then["type"] != now["type"] {
        found.push(format!("{path} is another type"));
    }
    for (bound, is_narrower) in [
        ("maxLength", (|t, n| n < t) as fn(f64, f64) -> bool),
        ("maxItems", |t, n| n < t),
        ("maxProperties", |t, n| n < t),
        ("maximum", |t, n| n < t),
        ("minLength", |t, n| n > t),
        ("minItems", |t, n| n > t),
        ("minimum", |t, n| n > t),
    ] {
        let upper = bound.starts_with("max");
        let open = if upper {
            f64::INFINITY
        } else {
            f64::NEG_INFINITY
        };
        let of = |schema: &Value| schema[bound].as_f64().unwrap_or(open);
        if is_narrower(of(then), of(now)) {
            found.push(format!("{path}: {bound} is narrower"));
        }
    }
    let names = |schema: &Value, list: &str| -> Vec<String> {
        let items = schema[list].as_array().cloned().unwrap_or_default();
        items.iter().map(ToString::to_string).collect()
    };
    let required = names(then, "required");
    for name in names(now, "required") {
        if !required.contains(&name) {
            found.push(format!("{path}: {name} is required now"));
        }
    }
    let values = names(now, "enum");
    for value in names(then, "enum") {
        if !values.contains(&value) {
            found.push(format!("{path}: {value} is no longer a value"));
        }
    }
    for (name, schema) in then["properties"].as_object().into_iter().flatten() {
        match now["properties"].get(name) {
            Some(after) => narrower(&format!("{path}.{name}"), schema, after, found),
            None => found.push(format!("{path}.{name} is gone")),
        }
    }
    for inner in ["items", "additionalProperties"] {
        if then[inner].is_object() {
            narrower(&format!("{path}[]"), &then[inner], &now[inner], found);
        }
    }
}

fn frozen(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/v1alpha1")
        .join(file);
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

const SCHEMA: &str = "/spec/versions/0/schema/openAPIV3Schema";

#[test]
fn what_the_frozen_crds_accepted_is_accepted_now() {
    let mut found = Vec::new();
    for definition in finp2p_crds::definition::all().unwrap() {
        let then = frozen(&definition.file);
        let (then, now) = (then.pointer(SCHEMA), definition.crd.pointer(SCHEMA));
        narrower(&definition.kind, then.unwrap(), now.unwrap(), &mut found);
    }
    assert_eq!(found, [""; 0]);
}

#[test]
fn each_way_of_accepting_less_is_noticed() {
    let then = frozen("sharingpolicies.yaml");
    let then = then.pointer(SCHEMA).unwrap();
    let spec = "/properties/spec";
    type Plant = fn(&mut Value);
    let plants: [(&str, Plant); 5] = [
        ("is gone", |spec| {
            spec["properties"]
                .as_object_mut()
                .unwrap()
                .remove("purposes");
        }),
        ("is required now", |spec| {
            spec["required"]
                .as_array_mut()
                .unwrap()
                .push("purposes".into());
        }),
        ("is narrower", |spec| {
            spec["properties"]["fields"]["maxItems"] = 3.into()
        }),
        ("is another type", |spec| {
            spec["properties"]["fields"]["type"] = "string".into()
        }),
        ("is no longer a value", |spec| {
            spec["properties"]["mode"]["enum"] = serde_json::json!(["Pull"]);
        }),
    ];
    for (sentence, plant) in plants {
        let mut now = then.clone();
        plant(now.pointer_mut(spec).unwrap());
        let mut found = Vec::new();
        narrower("SharingPolicy", then, &now, &mut found);
        assert!(
            found.iter().any(|f| f.contains(sentence)),
            "{sentence}: {found:?}"
        );
    }
}
