//! What others wrote is found and taken away, and nothing else: by examples as an API server writes
//! them, and by random objects.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

fn entry(manager: &str, operation: &str, fields: Value) -> ManagedFieldsEntry {
    serde_json::from_value(json!({
        "manager": manager, "operation": operation, "apiVersion": "apps/v1",
        "fieldsType": "FieldsV1", "fieldsV1": fields,
    }))
    .unwrap()
}

fn ours(fields: Value) -> ManagedFieldsEntry {
    entry(FIELD_MANAGER, "Apply", fields)
}

fn theirs(fields: Value) -> ManagedFieldsEntry {
    entry("kubectl-patch", "Update", fields)
}

fn live(entries: &[ManagedFieldsEntry], data: Value) -> DynamicObject {
    let mut object =
        json!({"metadata": {"name": "x", "resourceVersion": "7", "managedFields": entries}});
    let fields = object.as_object_mut().unwrap();
    fields.extend(data.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

/// RFC 7396.
fn merged(target: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut target = target.as_object().cloned().unwrap_or_default();
    for (name, patch) in patch {
        match patch {
            Value::Null => {
                target.remove(name);
            }
            patch => {
                let before = target.remove(name).unwrap_or(Value::Null);
                target.insert(name.clone(), merged(&before, patch));
            }
        }
    }
    Value::Object(target)
}

/// What is left, what is told, and that nobody else owns anything of it any more.
fn cleaned(kind: &str, entries: &[ManagedFieldsEntry], data: Value) -> (Value, String) {
    let live = live(entries, data.clone());
    let told = clause(&additions(kind, entries));
    let mut patch = cleaning(kind, &live).expect("there is something to clean");
    let metadata = patch.as_object_mut().unwrap().remove("metadata").unwrap();
    assert_eq!(metadata["resourceVersion"], "7", "no other write is lost");
    let left: Vec<ManagedFieldsEntry> =
        serde_json::from_value(metadata["managedFields"].clone()).unwrap();
    assert_eq!(additions(kind, &left), Vec::new(), "it ends");
    assert!(is_applied(&left), "what is ours stays ours");
    (merged(&data, &patch), told)
}

fn sidecar() -> Value {
    json!({"k:{\"name\":\"sidecar\"}": {".": {}, "f:name": {}, "f:image": {}}})
}

fn pod(pod: Value) -> Value {
    json!({"f:metadata": {"f:labels": {"f:by": {}}}, "f:spec": {"f:replicas": {}, "f:template": {"f:spec": pod}}})
}

#[test]
fn what_was_added_to_a_pod_goes_and_what_was_planned_and_defaulted_stays() {
    let own = pod(json!({"f:serviceAccountName": {}, "f:containers": sidecar()}));
    let added = pod(json!({
        "f:hostNetwork": {},
        "f:containers": {"k:{\"name\":\"sidecar\"}": {"f:stdin": {}}},
        "f:initContainers": {".": {}, "k:{\"name\":\"evil\"}": {".": {}, "f:name": {}, "f:image": {}}},
        "f:securityContext": {"f:runAsUser": {}},
    }));
    let data = json!({"spec": {"replicas": 1, "template": {"spec": {
        "serviceAccountName": "finp2p-node", "dnsPolicy": "ClusterFirst", "hostNetwork": true,
        "containers": [{"name": "sidecar", "image": "i", "stdin": true, "imagePullPolicy": "Always"}],
        "initContainers": [{"name": "evil", "image": "e", "imagePullPolicy": "Always"}],
        "securityContext": {"runAsUser": 0},
    }}}});
    let (clean, told) = cleaned("StatefulSet", &[ours(own), theirs(added)], data);
    let expected = json!({"spec": {"replicas": 1, "template": {"spec": {
        "serviceAccountName": "finp2p-node", "dnsPolicy": "ClusterFirst",
        "containers": [{"name": "sidecar", "image": "i", "imagePullPolicy": "Always"}],
        "securityContext": {},
    }}}});
    assert_eq!(clean, expected);
    assert_eq!(
        told,
        "kubectl-patch wrote spec.template.spec.containers[name=sidecar].stdin, spec.template.spec.hostNetwork, spec.template.spec.initContainers, spec.template.spec.securityContext.runAsUser"
    );
}

#[test]
fn an_item_among_ours_goes_with_all_that_is_in_it() {
    let own = pod(json!({"f:containers": sidecar()}));
    let added = pod(json!({"f:containers": {
        "k:{\"name\":\"proxy\"}": {".": {}, "f:name": {}, "f:image": {}},
    }}));
    let data = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "proxy", "image": "p", "terminationMessagePolicy": "File"},
        {"name": "sidecar", "image": "i"},
    ]}}}});
    let (clean, told) = cleaned("StatefulSet", &[ours(own), theirs(added)], data);
    let containers = &clean["spec"]["template"]["spec"]["containers"];
    assert_eq!(*containers, json!([{"name": "sidecar", "image": "i"}]));
    assert_eq!(
        told,
        "kubectl-patch wrote spec.template.spec.containers[name=proxy]"
    );
}

/// The annotations of a pod template.
fn annotations(names: &[&str]) -> Value {
    let names = names.iter().map(|name| (format!("f:{name}"), json!({})));
    let mut fields: Map<String, Value> = names.collect();
    fields.insert(".".to_owned(), json!({}));
    json!({"f:spec": {"f:template": {"f:metadata": {"f:annotations": fields}}}})
}

const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

#[test]
fn a_restart_is_an_ordinary_thing_to_ask_for() {
    let own = ours(pod(json!({"f:containers": sidecar()})));
    let restarted = entry("kubectl-rollout", "Update", annotations(&[RESTARTED]));
    let entries = [own.clone(), restarted];
    assert_eq!(additions("StatefulSet", &entries), Vec::new());
    let data = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED: "now"}}}}});
    assert_eq!(cleaning("StatefulSet", &live(&entries, data)), None);

    let both = theirs(annotations(&[RESTARTED, "inject.example/sidecar"]));
    let data = json!({"spec": {"template": {"metadata": {"annotations": {
        RESTARTED: "now", "inject.example/sidecar": "true",
    }}}}});
    let (clean, told) = cleaned("StatefulSet", &[own, both], data);
    let left = &clean["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(*left, json!({RESTARTED: "now"}));
    assert_eq!(
        told,
        "kubectl-patch wrote spec.template.metadata.annotations[inject.example/sidecar]"
    );
}

#[test]
fn a_status_a_scale_metadata_and_our_own_writes_are_no_additions() {
    let own = ours(json!({"f:spec": {"f:replicas": {}}}));
    let beside = |manager: &str, subresource: &str, fields: Value| {
        let mut entry = entry(manager, "Update", fields);
        entry.subresource = Some(subresource.to_owned());
        entry
    };
    let entries = [
        own,
        beside(
            "kube-controller-manager",
            "status",
            json!({"f:status": {"f:replicas": {}}, "f:spec": {"f:x": {}}}),
        ),
        beside(
            "kubectl",
            "scale",
            json!({"f:spec": {"f:replicas": {}, "f:y": {}}}),
        ),
        theirs(json!({"f:metadata": {"f:annotations": {".": {}, "f:team": {}}}})),
        theirs(json!({"f:status": {"f:conditions": {}}})),
        entry(FIELD_MANAGER, "Update", json!({"f:spec": {"f:z": {}}})),
    ];
    assert_eq!(additions("StatefulSet", &entries), Vec::new());
}

#[test]
fn what_another_owns_beside_us_is_no_addition() {
    let own = ours(
        json!({"f:spec": {"f:type": {}, "f:selector": {}, "f:ports": {
            "k:{\"port\":4001,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
        }}}),
    );
    let same = entry(
        "argocd",
        "Apply",
        json!({"f:spec": {"f:type": {}, "f:selector": {}, "f:ports": {
            "k:{\"port\":4001,\"protocol\":\"TCP\"}": {".": {}, "f:name": {}, "f:port": {}},
        }}}),
    );
    assert_eq!(additions("Service", &[own, same]), Vec::new());
}

#[test]
fn a_service_keeps_what_load_balancers_and_firewalls_need_and_no_port_of_others() {
    let tcp = |port: u16| format!("k:{{\"port\":{port},\"protocol\":\"TCP\"}}");
    let own = ours(json!({"f:spec": {"f:ports": {tcp(4001): {".": {}, "f:port": {}}}}}));
    let needed = theirs(json!({"f:spec": {
        "f:loadBalancerIP": {}, "f:loadBalancerClass": {}, "f:loadBalancerSourceRanges": {},
        "f:ports": {tcp(4001): {"f:nodePort": {}}},
    }}));
    assert_eq!(additions("Service", &[own.clone(), needed]), Vec::new());
    let more = theirs(json!({"f:spec": {"f:externalIPs": {}, "f:ports": {
        tcp(4090): {".": {}, "f:port": {}, "f:nodePort": {}, "f:protocol": {}},
    }}}));
    let data = json!({"spec": {"externalIPs": ["192.0.2.1"], "clusterIP": "10.0.0.1", "ports": [
        {"port": 4001, "protocol": "TCP", "nodePort": 30001},
        {"port": 4090, "protocol": "TCP", "nodePort": 30002},
    ]}});
    let (clean, told) = cleaned("Service", &[own, more], data);
    let port = json!({"port": 4001, "protocol": "TCP", "nodePort": 30001});
    let expected = json!({"spec": {"clusterIP": "10.0.0.1", "ports": [port]}});
    assert_eq!(clean, expected);
    assert_eq!(
        told,
        "kubectl-patch wrote spec.externalIPs, spec.ports[port=4090,protocol=TCP]"
    );
}

#[test]
fn every_manager_is_named_and_a_sentence_has_an_end() {
    let own = ours(json!({"f:spec": {"f:replicas": {}}}));
    let names = (0..9).map(|n| (format!("f:n{n}"), json!({})));
    let names: Map<String, Value> = names.collect();
    let long = format!("f:{}", "x".repeat(500));
    let entries = [
        own,
        theirs(json!({"f:spec": names})),
        entry(
            "argocd",
            "Apply",
            json!({"f:rules": {}, "f:spec": {long: {}}}),
        ),
    ];
    let told = clause(&additions("Role", &entries));
    assert!(told.starts_with("argocd wrote rules, spec.xxx"), "{told}");
    let end = "…; kubectl-patch wrote spec.n0, spec.n1, spec.n2, spec.n3 and 5 more";
    assert!(told.ends_with(end), "{told}");
    assert!(told.chars().count() < 300, "{told}");
}

#[test]
fn what_we_never_applied_is_not_cleaned() {
    let entries = [theirs(json!({"f:spec": {"f:replicas": {}}}))];
    assert!(!is_applied(&entries));
    let object = live(&entries, json!({"spec": {"replicas": 3}}));
    assert_eq!(cleaning("StatefulSet", &object), None);
    let updated = entry(FIELD_MANAGER, "Update", json!({"f:spec": {}}));
    assert!(!is_applied(&[updated]));
}

/// Random parts of an object. The first letter of a name says what it is, as a schema would: `o` an
/// object that is owned by itself, `s` one that is only what is in it, `l` a list of items with a
/// name, `a` a list that is one value, `v` a value.
fn object() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        ("v[0-3]", 0..3u8).prop_map(|(name, value)| (name, json!(value))),
        ("a[0-1]", prop::collection::vec(0..3u8, 0..3))
            .prop_map(|(name, list)| (name, json!(list))),
    ];
    let fields = |field: BoxedStrategy<(String, Value)>| {
        let fields = prop::collection::vec(field, 0..4);
        fields.prop_map(|fields| Value::Object(fields.into_iter().collect()))
    };
    let leaf = leaf.boxed();
    let flat = fields(leaf.clone()).boxed();
    (0..3).fold(flat, |inner, _| {
        let items = prop::collection::btree_map("[a-d]", inner.clone(), 0..3).prop_map(|items| {
            let items = items.into_iter().map(|(name, item)| {
                let mut item = item.as_object().unwrap().clone();
                item.insert("name".to_owned(), json!(name));
                Value::Object(item)
            });
            Value::Array(items.collect())
        });
        let field = prop_oneof![leaf.clone(), ("[os][0-2]", inner), ("l[0-1]", items),];
        fields(field.boxed()).boxed()
    })
}

/// What a manager owns who wrote a value.
fn fields_of(value: &Value) -> Map<String, Value> {
    let Value::Object(object) = value else {
        return Map::new();
    };
    let fields = object.iter().map(|(name, value)| {
        let mut below = match value {
            Value::Array(items) if name.starts_with('l') => items
                .iter()
                .map(|item| {
                    let mut fields = fields_of(item);
                    fields.insert(".".to_owned(), json!({}));
                    (
                        format!("k:{}", json!({"name": item["name"]})),
                        Value::Object(fields),
                    )
                })
                .collect(),
            value => fields_of(value),
        };
        if name.starts_with(['o', 'l']) && !below.is_empty() {
            below.insert(".".to_owned(), json!({}));
        }
        (format!("f:{name}"), Value::Object(below))
    });
    fields.collect()
}

/// Two objects in one; where they differ, the first has its way.
fn over(first: &Value, second: &Value, named: bool) -> Value {
    match (first, second) {
        (Value::Object(first), Value::Object(second)) => {
            let mut both = second.clone();
            for (name, value) in first {
                let other = both.remove(name).unwrap_or(Value::Null);
                both.insert(name.clone(), over(value, &other, name.starts_with('l')));
            }
            Value::Object(both)
        }
        (Value::Array(first), Value::Array(second)) if named => {
            let of =
                |list: &[Value], name: &Value| list.iter().find(|i| i["name"] == *name).cloned();
            let mut items: Vec<Value> = first
                .iter()
                .map(|item| {
                    over(
                        item,
                        &of(second, &item["name"]).unwrap_or(Value::Null),
                        false,
                    )
                })
                .collect();
            let others = second
                .iter()
                .filter(|item| of(first, &item["name"]).is_none());
            items.extend(others.cloned());
            Value::Array(items)
        }
        (first, _) => first.clone(),
    }
}

/// Without objects and lists in which nothing is.
fn essence(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields
                .iter()
                .map(|(name, value)| (name.clone(), essence(value)));
            let is_there = |value: &Value| *value != json!({}) && *value != json!([]);
            Value::Object(fields.filter(|(_, value)| is_there(value)).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(essence).collect()),
        value => value.clone(),
    }
}

proptest! {
    #[test]
    fn what_is_left_is_what_was_planned(planned in object(), added in object()) {
        let entries = [
            ours(json!({"f:spec": fields_of(&planned)})),
            theirs(json!({"f:spec": fields_of(&added)})),
        ];
        let data = json!({"spec": over(&planned, &added, false)});
        let clean = match cleaning("StatefulSet", &live(&entries, data.clone())) {
            Some(_) => cleaned("StatefulSet", &entries, data).0,
            None => data,
        };
        prop_assert_eq!(essence(&clean["spec"]), essence(&planned));
    }

    #[test]
    fn no_entry_however_written_is_too_much(steps in prop::collection::vec("([fkvi]:|)([{\\[\"a0-9.:-]|spec){0,6}", 1..5), data in object()) {
        let mut fields = json!({});
        for step in steps.iter().rev() {
            fields = json!({step: fields, "f:spec": {step: {}}});
        }
        let entries = [ours(json!({"f:spec": {}})), theirs(fields)];
        let object = live(&entries, json!({"spec": data}));
        let found = additions("Service", &entries);
        prop_assert_eq!(cleaning("Service", &object).is_some(), !found.is_empty());
        prop_assert!(clause(&found).chars().count() < 4 * 140 + 100);
    }
}
