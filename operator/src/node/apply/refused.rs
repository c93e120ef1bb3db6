//! Where the fields that the API server refuses are written: some of what the operator sends is the
//! user's own text, and then nothing but an edit of the PeerOrganization mends it.

use kube::core::Status;
use serde_json::Value;

use crate::node::plan::names::CONTAINER;

/// The fields of the PeerOrganization that a refusal is about; `None` when any part of it is about
/// something else: an admission policy names no field, and what the operator wrote no user can mend.
pub fn places(kind: &str, sent: &Value, status: &Status) -> Option<Vec<&'static str>> {
    if status.code != 422 {
        return None;
    }
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let places: Option<Vec<_>> = causes
        .map(|cause| place(kind, sent, &cause.field))
        .collect();
    let mut places = places?;
    places.sort_unstable();
    places.dedup();
    (!places.is_empty()).then_some(places)
}

/// What a refusal says, its items in an order of ours: the API server goes through maps and lists what
/// is wrong in another order each time.
pub fn in_order(status: &Status) -> String {
    let message = &status.message;
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut items: Vec<String> = causes
        .map(|cause| format!("{}: {}", cause.field, cause.message))
        .collect();
    items.sort_unstable();
    items.dedup();
    let Some((head, _)) = message.split_once(": [") else {
        return message.clone();
    };
    let whole = format!("{head}: [{}]", items.join(", "));
    // Otherwise it says something beside them.
    let is_all = whole.len() == message.len() && items.iter().all(|item| message.contains(item));
    if is_all { whole } else { message.clone() }
}

/// The field that a field of an object, as `spec.template.spec.containers[0].image`, comes from.
fn place(kind: &str, sent: &Value, field: &str) -> Option<&'static str> {
    match kind {
        "NetworkPolicy" if is_within(field, "spec.egress") => {
            Some("spec.node.networkPolicy.egress")
        }
        "StatefulSet" if is_within(field, "spec.volumeClaimTemplates") => Some("spec.node.storage"),
        "StatefulSet" if is_within(field, "spec.template") => match of_sidecar(sent, field) {
            None => Some("spec.node.podTemplate"),
            Some(own) if is_within(own, "resources") => Some("spec.node.resources"),
            Some(own) if is_within(own, "image") => Some("spec.node.image"),
            Some(_) => None,
        },
        _ => None,
    }
}

/// The rest of a field's path within the operator's own container, if it leads there.
fn of_sidecar<'f>(sent: &Value, field: &'f str) -> Option<&'f str> {
    ["containers", "initContainers"].iter().find_map(|list| {
        let inside = field.strip_prefix(&format!("spec.template.spec.{list}["))?;
        let (at, rest) = inside.split_once(']')?;
        let pointer = format!("/spec/template/spec/{list}/{at}/name");
        let is_sidecar = sent.pointer(&pointer).and_then(Value::as_str) == Some(CONTAINER);
        is_sidecar.then(|| rest.trim_start_matches('.'))
    })
}

/// Whether a path is the outer one or leads on from it.
fn is_within(path: &str, outer: &str) -> bool {
    let rest = path.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(kind: &str, code: u16, fields: &[&str]) -> Option<Vec<&'static str>> {
        let sent = json!({"spec": {"template": {"spec": {
            "initContainers": [{"name": "sidecar"}],
            "containers": [{"name": "trading"}],
        }}}});
        let causes: Vec<Value> = fields.iter().map(|field| json!({"field": field})).collect();
        let status = json!({"status": "Failure", "code": code, "details": {"causes": causes}});
        places(kind, &sent, &serde_json::from_value(status).unwrap())
    }

    #[test]
    fn a_refused_field_is_told_as_the_one_that_the_user_wrote() {
        for (kind, field, place) in [
            (
                "StatefulSet",
                "spec.template.spec.containers[0].image",
                "spec.node.podTemplate",
            ),
            (
                "StatefulSet",
                "spec.template.labels",
                "spec.node.podTemplate",
            ),
            (
                "StatefulSet",
                "spec.template.spec.initContainers[0].resources.requests",
                "spec.node.resources",
            ),
            (
                "StatefulSet",
                "spec.template.spec.initContainers[0].image",
                "spec.node.image",
            ),
            (
                "StatefulSet",
                "spec.volumeClaimTemplates[0].spec",
                "spec.node.storage",
            ),
            (
                "NetworkPolicy",
                "spec.egress[0].to[1]",
                "spec.node.networkPolicy.egress",
            ),
        ] {
            assert_eq!(told(kind, 422, &[field]), Some(vec![place]), "{field}");
        }
        let two = [
            "spec.template.spec.initContainers[0].image",
            "spec.template.spec.volumes[2]",
        ];
        let places = Some(vec!["spec.node.image", "spec.node.podTemplate"]);
        assert_eq!(told("StatefulSet", 422, &two), places);
    }

    #[test]
    fn items_of_a_refusal_are_in_one_order() {
        let cause = |field: &str| json!({"field": field, "message": format!("Invalid: {field:?}")});
        let item = |field: &str| format!("{field}: Invalid: {field:?}");
        let said = |items: &[&str], causes: &[&str]| {
            let items: Vec<_> = items.iter().map(|i| item(i)).collect();
            let causes: Vec<_> = causes.iter().map(|c| cause(c)).collect();
            let status = json!({"status": "Failure", "code": 422,
                "message": format!("x is invalid: [{}]", items.join(", ")),
                "details": {"causes": causes}});
            in_order(&serde_json::from_value(status).unwrap())
        };
        let sorted = format!("x is invalid: [{}, {}]", item("a"), item("b"));
        assert_eq!(said(&["a", "b"], &["a", "b"]), sorted);
        assert_eq!(said(&["b", "a"], &["b", "a"]), sorted);
        let more = format!("x is invalid: [{}, {}]", item("b"), item("a"));
        assert_eq!(said(&["b", "a"], &["b"]), more, "as it was said");
    }

    #[test]
    fn what_no_edit_of_the_user_mends_is_no_mistake_of_his() {
        let pod = "spec.template.spec.containers[0].image";
        assert_eq!(
            told("StatefulSet", 403, &[pod]),
            None,
            "an admission policy"
        );
        assert_eq!(
            told("StatefulSet", 422, &[""]),
            None,
            "one that answers with 422"
        );
        assert_eq!(told("StatefulSet", 422, &[]), None);
        assert_eq!(
            told("StatefulSet", 422, &["spec"]),
            None,
            "what cannot be changed"
        );
        assert_eq!(told("StatefulSet", 422, &[pod, "spec"]), None);
        assert_eq!(told("StatefulSet", 422, &["spec.templates"]), None);
        let own = "spec.template.spec.initContainers[0].restartPolicy";
        assert_eq!(
            told("StatefulSet", 422, &[own]),
            None,
            "the operator's own field"
        );
        assert_eq!(told("NetworkPolicy", 422, &["spec.ingress[0]"]), None);
        assert_eq!(told("Role", 422, &["rules[0]"]), None);
    }
}
