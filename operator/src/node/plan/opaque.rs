//! Fields of `node` that take any JSON, held against what Kubernetes knows there. Whatever it does not
//! know an API server would drop without a word: a misspelt `securityContext`, or a thousand levels of
//! nothing.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::quantity;

/// Maps of quantities, and single ones. People write them as numbers too; the types of Kubernetes know
/// them as text.
const QUANTITIES: [&str; 2] = ["limits", "requests"];
const QUANTITY: [&str; 2] = ["sizeLimit", "divisor"];

/// A field as a `T` of Kubernetes, with its quantities as text.
///
/// # Errors
/// A sentence with the place, when it is none, has a quantity that is none, or a member that no `T` has.
pub fn known<T: DeserializeOwned + Serialize>(
    field: &str,
    kind: &str,
    value: &Value,
) -> Result<Value, String> {
    let mut value = without_nulls(value);
    write_out_quantities(&mut value);
    let typed: T = serde_path_to_error::deserialize(&value).map_err(|error| {
        let place = match error.path().to_string().as_str() {
            "." => String::new(),
            place => format!(" at {}", shown_place(place)),
        };
        format!("{field} is no {kind}{place}: {}", error.inner())
    })?;
    if let Some((place, text)) = wrong_quantity(&value) {
        return Err(format!(
            "{field} is no {kind} at {}: {:?} is no quantity, write it as 500m or 2Gi",
            shown_place(&place),
            shown(text)
        ));
    }
    let typed =
        serde_json::to_value(typed).map_err(|error| format!("{field} is no {kind}: {error}"))?;
    match unknown(&value, &typed) {
        None => Ok(value),
        Some(member) => Err(format!(
            "{field} has {member}, which is in no {kind} that this operator knows: correct it, or leave it out"
        )),
    }
}

/// The same without members that are null, which to Kubernetes are not there.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, member)| !member.is_null());
            let members = members.map(|(name, member)| (name.clone(), without_nulls(member)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        plain => plain.clone(),
    }
}

fn write_out_quantities(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member {
                    Value::Number(number) if QUANTITY.contains(&name.as_str()) => {
                        *member = Value::String(number.to_string());
                    }
                    Value::Object(map) if QUANTITIES.contains(&name.as_str()) => {
                        map.values_mut().filter(|v| v.is_number()).for_each(|v| {
                            *v = Value::String(v.to_string());
                        });
                    }
                    member => write_out_quantities(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(write_out_quantities),
        _ => {}
    }
}

/// The first quantity that is none, with its place. The types of Kubernetes take any text, and an API
/// server answers it with an error of its own.
fn wrong_quantity(value: &Value) -> Option<(String, &str)> {
    let is_wrong = |value: &Value| value.as_str().is_some_and(|text| !quantity::is(text));
    let text = |value| Value::as_str(value).unwrap_or_default();
    match value {
        Value::Object(members) => members.iter().find_map(|(name, member)| match member {
            Value::String(_) if QUANTITY.contains(&name.as_str()) && is_wrong(member) => {
                Some((name.clone(), text(member)))
            }
            Value::Object(map) if QUANTITIES.contains(&name.as_str()) => {
                let (key, value) = map.iter().find(|(_, value)| is_wrong(value))?;
                Some((within(name, key), text(value)))
            }
            member => {
                let (place, text) = wrong_quantity(member)?;
                Some((within(name, &place), text))
            }
        }),
        Value::Array(items) => items.iter().enumerate().find_map(|(at, item)| {
            let (place, text) = wrong_quantity(item)?;
            Some((within(&format!("[{at}]"), &place), text))
        }),
        _ => None,
    }
}

/// The first member of `value` that got lost on the way to `typed`, as `spec.containers[0].imagee`.
fn unknown(value: &Value, typed: &Value) -> Option<String> {
    match (value, typed) {
        (Value::Object(members), Value::Object(typed)) => {
            members.iter().find_map(|(name, member)| {
                let Some(typed) = typed.get(name) else {
                    return Some(shown(name));
                };
                Some(within(&shown(name), &unknown(member, typed)?))
            })
        }
        (Value::Array(items), Value::Array(typed)) => {
            let pairs = items.iter().zip(typed).enumerate();
            pairs.into_iter().find_map(|(at, (item, typed))| {
                Some(within(&format!("[{at}]"), &unknown(item, typed)?))
            })
        }
        _ => None,
    }
}

/// The place of a member inside another.
fn within(outer: &str, inside: &str) -> String {
    let dot = if inside.starts_with('[') { "" } else { "." };
    format!("{outer}{dot}{inside}")
}

/// A place for a message, as short as a condition needs it.
fn shown_place(place: &str) -> String {
    place.chars().take(200).collect()
}

/// A name for a message: anybody may write anything of any length.
fn shown(name: &str) -> String {
    name.chars().take(63).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::{PodTemplateSpec, ResourceRequirements};
    use serde_json::json;

    use super::*;

    fn template(value: Value) -> Result<Value, String> {
        known::<PodTemplateSpec>("node.podTemplate", "part of a pod", &value)
    }

    #[test]
    fn what_a_pod_has_is_taken_as_it_is() {
        let overlay = json!({
            "metadata": {"annotations": {"a": "b"}},
            "spec": {
                "containers": [{"name": "trading", "image": "t", "env": []}],
                "tolerations": [{"key": "k", "operator": "Exists"}],
                "volumes": [{"name": "v", "emptyDir": {}}],
            }
        });
        assert_eq!(template(overlay.clone()), Ok(overlay));
    }

    #[test]
    fn a_member_that_no_pod_has_is_told_with_its_place() {
        for (overlay, member) in [
            (
                json!({"spec": {"containers": [{"name": "a"}, {"name": "b", "imagee": "t"}]}}),
                "spec.containers[1].imagee",
            ),
            (
                json!({"spec": {"securitycontext": {}}}),
                "spec.securitycontext",
            ),
            (
                json!({"spec": {"affinity": {"nodeAffinity": {"needed": [{"a": [1]}]}}}}),
                "spec.affinity.nodeAffinity.needed",
            ),
            (json!({"extra": [[{}]]}), "extra"),
        ] {
            let told = template(overlay).unwrap_err();
            assert!(told.contains(&format!("has {member}, which")), "{told}");
        }
    }

    #[test]
    fn nesting_without_end_is_a_member_that_no_pod_has() {
        let deep = (0..90).fold(json!({}), |inner, _| json!({"n": [inner]}));
        let told = template(json!({"spec": {"nodeSelector": {}, "deep": deep}})).unwrap_err();
        assert!(told.contains("has spec.deep, which"), "{told}");
        let long = template(json!({"spec": {"x".repeat(10_000): 1}})).unwrap_err();
        assert!(long.len() < 300, "{long}");
    }

    #[test]
    fn what_is_null_is_not_there() {
        let overlay = json!({"metadata": {"annotations": {"a": null}}, "spec": {"volumes": null}});
        let bare = json!({"metadata": {"annotations": {}}, "spec": {}});
        assert_eq!(template(overlay), Ok(bare));
    }

    #[test]
    fn quantities_may_be_numbers() {
        let resources = json!({"limits": {"cpu": 2, "memory": "1Gi"}, "requests": {"cpu": 0.5}});
        let read = known::<ResourceRequirements>("node.resources", "list of resources", &resources);
        let text = json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "0.5"}});
        assert_eq!(read, Ok(text));
        let container = json!({"name": "t", "resources": {"limits": {"cpu": 1}}});
        let volume = json!({"name": "v", "emptyDir": {"sizeLimit": 1_048_576}});
        let read = template(json!({"spec": {"containers": [container], "volumes": [volume]}}));
        let read = read.unwrap();
        assert_eq!(
            read.pointer("/spec/containers/0/resources/limits/cpu"),
            Some(&json!("1"))
        );
    }
}
