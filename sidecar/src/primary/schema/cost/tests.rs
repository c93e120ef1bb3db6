use serde_json::json;

use super::*;

/// So many definitions, each made of a reference to the next one.
fn chain(levels: usize, link: impl Fn(Value) -> Value) -> Value {
    let mut definitions = Map::new();
    for level in 0..levels {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        definitions.insert(format!("d{level}"), link(next));
    }
    definitions.insert(format!("d{levels}"), json!({}));
    json!({"$defs": definitions, "$ref": "#/$defs/d0"})
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!({}), |inner, _| json!({"x": inner}))
}

#[test]
fn definitions_that_name_the_next_one_twice_are_too_much_work() {
    for keyword in ["allOf", "anyOf", "oneOf"] {
        let twice = |levels| chain(levels, |next| json!({keyword: [next.clone(), next]}));
        assert!(steps(&twice(12), &json!({})).is_ok(), "{keyword}");
        assert_eq!(
            steps(&twice(28), &json!({})),
            Err(CostError::Work),
            "{keyword}"
        );
        assert!(steps(&twice(60), &json!({})).is_err(), "{keyword}");
    }
    let chosen = chain(28, |next| json!({"if": next.clone(), "then": next}));
    assert_eq!(steps(&chosen, &json!({})), Err(CostError::Work));
}

#[test]
fn a_tree_that_is_looked_at_twice_at_each_depth_is_too_much_work_when_it_is_deep() {
    let both = json!([{"$ref": "#"}, {"$ref": "#"}]);
    let twice = json!({"properties": {"x": {"allOf": both}}});
    assert!(steps(&twice, &nested(10)).is_ok());
    assert_eq!(steps(&twice, &nested(31)), Err(CostError::Work));
    let once = json!({"properties": {"x": {"$ref": "#"}}});
    assert!(steps(&once, &nested(31)).unwrap() < 1000);
    // By an anchor, whose name may be taken anywhere.
    let anchored = json!({
        "$dynamicAnchor": "node",
        "properties": {"x": {"allOf": [{"$dynamicRef": "#node"}, {"$dynamicRef": "#node"}]}},
    });
    assert_eq!(steps(&anchored, &nested(31)), Err(CostError::Work));
    let older = json!({
        "$recursiveAnchor": true,
        "properties": {"x": {"allOf": [{"$recursiveRef": "#"}, {"$recursiveRef": "#"}]}},
    });
    assert_eq!(steps(&older, &nested(31)), Err(CostError::Work));
}

#[test]
fn what_people_write_costs_little() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://bank-a.example/bond",
        "type": "object",
        "required": ["isin", "terms"],
        "properties": {
            "isin": {"type": "string", "pattern": "^[A-Z]{2}[A-Z0-9]{9}[0-9]$"},
            "terms": {"$ref": "#/$defs/terms"},
            "id": {"type": "string", "default": {"$ref": "nowhere"}},
            "holders": {"items": {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/terms"}]}},
            "any": {"$ref": "#/$defs/any"},
            "enum": {"enum": [{"$id": "data"}]},
        },
        "$defs": {
            "terms": {"properties": {"coupon": {"type": "number"}}},
            "a/b": {"minimum": 1},
            "any": true,
        },
        "dependentRequired": {"isin": ["terms"]},
        "allOf": [{"$ref": "#/$defs/a~1b"}, {"$ref": "#%2F$defs%2Fterms"}],
    });
    let holders: Vec<_> = (0..10_000).map(|n| json!(n.to_string())).collect();
    let content = json!({"isin": "XS", "terms": {"coupon": 4}, "holders": holders});
    assert!(steps(&schema, &content).unwrap() < STEPS_MAX / 10);
    assert_eq!(steps(&json!(true), &content), Ok(0));
}

#[test]
fn the_work_grows_with_the_content() {
    let schema = json!({"items": {"enum": [1, 2, 3]}});
    let of = |items: usize| steps(&schema, &Value::from(vec![1; items])).unwrap();
    assert!(of(100) > 300 && of(1000) > 9 * of(100));
    // As many patterns as a schema has room for, over as many members as a content has.
    let patterns: Map<_, _> = (0..1500).map(|n| (format!("p{n}"), json!({}))).collect();
    let members: Map<_, _> = (0..20_000).map(|n| (n.to_string(), json!(1))).collect();
    let refused = steps(
        &json!({"patternProperties": patterns}),
        &Value::Object(members),
    );
    assert_eq!(refused, Err(CostError::Work));
}

#[test]
fn circles_at_one_value_and_ways_that_are_too_long_are_refused() {
    let circle = json!({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"});
    assert!(matches!(
        steps(&circle, &json!({})),
        Err(CostError::Circle(_))
    ));
    let line = |levels| chain(levels, |next| json!({"allOf": [next]}));
    assert!(steps(&line(25), &json!({})).is_ok());
    assert_eq!(steps(&line(40), &json!({})), Err(CostError::Chain));
}

#[test]
fn references_that_are_not_followed_here_are_refused() {
    for reference in [
        "https://example.com/s",
        "other",
        "#nowhere",
        "#/$defs/nowhere",
        "#/default",
    ] {
        let schema = json!({"$ref": reference, "default": {}});
        let refused = steps(&schema, &json!({}));
        assert_eq!(refused, Err(CostError::Reference(reference.to_owned())));
    }
    for (version, name) in [("2020-12", "$id"), ("draft-04", "id")] {
        let schema = json!({"$schema": version, "$defs": {"a": {name: "x", "$ref": "#/$defs/b"}}});
        let refused = steps(&schema, &json!({}));
        assert_eq!(refused, Err(CostError::Identifier("/$defs/a".to_owned())));
    }
}
