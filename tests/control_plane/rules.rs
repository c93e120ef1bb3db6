//! Each CEL rule refuses on the API server what it is there to refuse, with its message.

use finp2p_crds::definition::{self, Definition};
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::identity::Refusal;
use finp2p_tests::control_plane::namespace::Namespace;
use serde::Deserialize;
use serde_json::{Value, json};

/// As in the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    rule: String,
    message: String,
    spec: Value,
    old: Option<Value>,
}

#[test]
fn the_api_server_refuses_with_the_message_of_the_rule() {
    let cases: Vec<Case> =
        serde_yaml::from_str(include_str!("../../crds/testdata/rules.yaml")).unwrap();
    let definitions = definition::all().unwrap();
    let namespace = ControlPlane::shared().namespace("rules");
    for (n, case) in cases.iter().enumerate() {
        let kind = case.rule.split('.').next().unwrap();
        let definition = definitions.iter().find(|d| d.kind == kind).unwrap();
        let rule = messages(&definition.crd)
            .into_iter()
            .find(|message| message.starts_with(&case.message))
            .unwrap_or_else(|| panic!("no rule says {}", case.message));
        let refusal = try_it(&namespace, definition, case, &format!("case-{n}")).expect_err(
            &format!("{}: {} passes: {}", case.rule, case.message, case.spec),
        );
        assert_eq!(refusal.code, 422, "{refusal:?}");
        assert_eq!(
            refusal.causes.len(),
            1,
            "this rule and no other: {refusal:?}"
        );
        assert!(refusal.causes[0].contains(&rule), "{rule}: {refusal:?}");
    }
}

fn try_it(
    namespace: &Namespace<'_>,
    definition: &Definition,
    case: &Case,
    name: &str,
) -> Result<Value, Refusal> {
    let plural = definition.crd["spec"]["names"]["plural"].as_str().unwrap();
    let object = |spec: &Value| json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": definition.kind, "metadata": {"name": name}, "spec": spec});
    let admin = namespace.cluster().admin();
    let Some(old) = &case.old else {
        return admin.create(plural, &namespace.name, &object(&case.spec));
    };
    let mut stored = admin
        .create(plural, &namespace.name, &object(old))
        .expect("the object before the edit is good");
    stored["spec"] = case.spec.clone();
    admin.replace(plural, &namespace.name, name, &stored)
}

/// The messages of all rules below.
fn messages(schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match schema {
        Value::Object(members) => {
            for rule in schema["x-kubernetes-validations"]
                .as_array()
                .into_iter()
                .flatten()
            {
                found.extend(rule["message"].as_str().map(str::to_owned));
            }
            found.extend(members.values().flat_map(messages));
        }
        Value::Array(items) => found.extend(items.iter().flat_map(messages)),
        _ => {}
    }
    found
}
