//! Lists of a pod whose items the API server finds by a key when it merges them. It answers an item
//! that is there twice, or without its key, with an error of its own (500) that names no field.

use serde_json::{Map, Value};

/// A list, and the members that tell its items apart, each with what it is when it is absent.
type Keyed = (
    &'static str,
    &'static [(&'static str, Option<&'static str>)],
);

/// Of the pod (`x-kubernetes-list-map-keys` of core/v1 PodSpec).
const OF_POD: &[Keyed] = &[
    ("containers", &[("name", None)]),
    ("initContainers", &[("name", None)]),
    ("volumes", &[("name", None)]),
    ("imagePullSecrets", &[("name", Some(""))]),
    ("hostAliases", &[("ip", None)]),
    ("resourceClaims", &[("name", None)]),
    ("schedulingGates", &[("name", None)]),
    (
        "topologySpreadConstraints",
        &[("topologyKey", None), ("whenUnsatisfiable", None)],
    ),
];
/// Of each container (core/v1 Container).
const OF_CONTAINER: &[Keyed] = &[
    ("env", &[("name", None)]),
    (
        "ports",
        &[("containerPort", None), ("protocol", Some("TCP"))],
    ),
    ("volumeMounts", &[("mountPath", None)]),
    ("volumeDevices", &[("devicePath", None)]),
];

/// Why the API server could not merge a pod, as the end of "podTemplate …".
///
/// # Errors
/// A sentence with the place of the first item that is there twice or has no key.
pub fn check(spec: &Map<String, Value>) -> Result<(), String> {
    check_lists(spec, "spec", OF_POD)?;
    for list in ["containers", "initContainers"] {
        for (at, container) in items(spec, list).iter().enumerate() {
            let Value::Object(container) = container else {
                continue;
            };
            check_lists(container, &format!("spec.{list}[{at}]"), OF_CONTAINER)?;
        }
    }
    Ok(())
}

fn check_lists(parent: &Map<String, Value>, place: &str, lists: &[Keyed]) -> Result<(), String> {
    for (list, keys) in lists {
        let mut seen: Vec<Vec<String>> = Vec::new();
        for (at, item) in items(parent, list).iter().enumerate() {
            let of_item = keys.iter().map(|(key, absent)| match item.get(*key) {
                Some(value) => Ok(shown(value)),
                None => absent
                    .map(|absent| format!("{absent:?}"))
                    .ok_or_else(|| format!("has an item without {key} at {place}.{list}[{at}]")),
            });
            let of_item = of_item.collect::<Result<Vec<_>, _>>()?;
            if let Some(first) = seen.iter().position(|other| *other == of_item) {
                let keys = keys.iter().zip(&of_item);
                let keys: Vec<_> = keys.map(|((key, _), v)| format!("{key} {v}")).collect();
                return Err(format!(
                    "has two items with {} at {place}.{list}: [{first}] and [{at}], leave one of them out or call it something else",
                    keys.join(" and ")
                ));
            }
            seen.push(of_item);
        }
    }
    Ok(())
}

/// What is no list has no items: what it is instead is told elsewhere.
fn items<'v>(parent: &'v Map<String, Value>, list: &str) -> &'v [Value] {
    let items = parent.get(list).and_then(Value::as_array);
    items.map_or(&[], Vec::as_slice)
}

/// A key for a message: anybody may write anything of any length.
fn shown(value: &Value) -> String {
    value.to_string().chars().take(130).collect()
}
