//! What others wrote into an object that is ours.
//!
//! The API server keeps, for each manager, which fields it set last: `metadata.managedFields`, trees in the
//! form FieldsV1 (sigs.k8s.io/structured-merge-diff). In them `f:NAME` is a field, `k:{…}` an item
//! of a list by its keys, `v:…` an item by its value, `i:N` one by its place, and `.` the thing
//! itself. What another manager owns and we do not is not what was planned, also where nothing that
//! was planned is missing. Defaults of the API server and the changes of admission webhooks to our
//! own writes belong to nobody, and stay.
//!
//! It finds what people and controllers leave behind under their own names, and puts it back. It
//! is no lock: who may write these objects may also write as us, or run a pod of his own.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::core::DynamicObject;
use serde_json::{Map, Value, json};

use super::FIELD_MANAGER;

/// What others may add, by kind.
const ALLOWED: [(&str, &[&str]); 5] = [
    // `kubectl rollout restart`, an ordinary thing to do with a pod.
    (
        "StatefulSet",
        &[
            "f:spec",
            "f:template",
            "f:metadata",
            "f:annotations",
            "f:kubectl.kubernetes.io/restartedAt",
        ],
    ),
    // Controllers of load balancers without a cloud write the address that they chose here.
    ("Service", &["f:spec", "f:loadBalancerIP"]),
    // It cannot be taken away once it is set.
    ("Service", &["f:spec", "f:loadBalancerClass"]),
    // It only narrows who may connect, and nothing of ours says it.
    ("Service", &["f:spec", "f:loadBalancerSourceRanges"]),
    // The number of a port that is open anyway; the API server keeps it.
    ("Service", &["f:spec", "f:ports", "k:", "f:nodePort"]),
];
/// What is no part of what was planned: labels and annotations of the object, and its status.
const BESIDE: [&str; 2] = ["f:metadata", "f:status"];
/// Most fields that a sentence names.
const NAMED_MAX: usize = 4;
/// Longest name of a field in a sentence; keys of maps are free text.
const NAME_MAX_CHARS: usize = 120;

/// A field, or an item of a list, that another manager owns alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// Who wrote it.
    pub manager: String,
    /// Steps to it, as FieldsV1 writes them.
    path: Vec<String>,
}

/// Whether we have applied the object, and the API server remembers it.
pub fn is_applied(entries: &[ManagedFieldsEntry]) -> bool {
    entries.iter().any(|entry| {
        entry.manager.as_deref() == Some(FIELD_MANAGER)
            && entry.operation.as_deref() == Some("Apply")
    })
}

/// What others own alone in an object of a kind, but for what they may.
pub fn additions(kind: &str, entries: &[ManagedFieldsEntry]) -> Vec<Addition> {
    let mut ours = Owned::default();
    let own = |entry: &&ManagedFieldsEntry| entry.manager.as_deref() == Some(FIELD_MANAGER);
    for entry in entries.iter().filter(own) {
        ours.add(Owned::read(
            entry.fields_v1.as_ref().map(|fields| &fields.0),
        ));
    }
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| is_foreign(entry)) {
        let mut theirs = Owned::read(entry.fields_v1.as_ref().map(|fields| &fields.0));
        theirs
            .below
            .retain(|step, _| !BESIDE.contains(&step.as_str()));
        for (_, allowed) in ALLOWED.iter().filter(|(of, _)| *of == kind) {
            theirs.forgive(allowed);
        }
        let mut paths = Vec::new();
        theirs.without(&ours, &mut Vec::new(), &mut paths);
        let manager = entry.manager.clone().unwrap_or_default();
        found.extend(paths.into_iter().map(|path| Addition {
            manager: manager.clone(),
            path,
        }));
    }
    found
}

/// A merge patch (RFC 7396) that takes the additions of others away from the object as it was
/// read, and makes them own nothing of it; `None` when there are none.
///
/// That nobody owns them is said beside: what the API server fills in again by itself (a default)
/// would otherwise be theirs for ever.
pub fn cleaning(kind: &str, live: &DynamicObject) -> Option<Value> {
    let entries = live.metadata.managed_fields.as_deref().unwrap_or_default();
    let additions = additions(kind, entries);
    // What we never applied is not ours to clean.
    if additions.is_empty() || !is_applied(entries) {
        return None;
    }
    let mut clean = live.data.clone();
    for addition in &additions {
        remove(&mut clean, &addition.path);
    }
    close_gaps(&mut clean);
    let mut patch = difference(&live.data, &clean);
    let entries: Vec<_> = entries.iter().filter_map(disowned).collect();
    if let Value::Object(patch) = &mut patch {
        let metadata = json!({
            "resourceVersion": live.metadata.resource_version,
            "managedFields": entries,
        });
        patch.insert("metadata".to_owned(), metadata);
    }
    Some(patch)
}

/// Who wrote what, as a clause: `kubectl-patch wrote spec.externalIPs`.
pub fn clause(additions: &[Addition]) -> String {
    if additions.is_empty() {
        return "somebody wrote what is the operator's".to_owned();
    }
    let mut by_manager: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for addition in additions {
        let fields = by_manager.entry(&addition.manager).or_default();
        fields.push(addition.to_string());
    }
    let clauses = by_manager.into_iter().map(|(manager, fields)| {
        let more = fields.len().saturating_sub(NAMED_MAX);
        let named: Vec<_> = fields.into_iter().take(NAMED_MAX).collect();
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{manager} wrote {}{rest}", named.join(", "))
    });
    clauses.collect::<Vec<_>>().join("; ")
}

impl std::fmt::Display for Addition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for step in &self.path {
            match step.split_once(':') {
                Some(("f", name)) if text.is_empty() => text.push_str(name),
                Some(("f", name)) if name.contains(['.', '/']) => {
                    text.push_str(&format!("[{name}]"));
                }
                Some(("f", name)) => text.push_str(&format!(".{name}")),
                Some((_, item)) => text.push_str(&format!("[{}]", shown(item))),
                None => text.push_str(&format!("[{step}]")),
            }
        }
        if text.chars().count() > NAME_MAX_CHARS {
            text = text.chars().take(NAME_MAX_CHARS - 1).collect();
            text.push('…');
        }
        f.write_str(&text)
    }
}

/// The keys of an item without their JSON: `name=proxy`.
fn shown(item: &str) -> String {
    match serde_json::from_str::<Map<String, Value>>(item) {
        Ok(keys) => {
            let keys = keys.into_iter().map(|(key, value)| match value {
                Value::String(text) => format!("{key}={text}"),
                value => format!("{key}={value}"),
            });
            keys.collect::<Vec<_>>().join(",")
        }
        Err(_) => item.to_owned(),
    }
}

/// Whether an entry is another's, and about the object itself: a status, or a number of replicas by
/// way of `scale`, is written beside it.
fn is_foreign(entry: &ManagedFieldsEntry) -> bool {
    let beside = entry.subresource.as_deref().is_some_and(|s| !s.is_empty());
    entry.manager.as_deref() != Some(FIELD_MANAGER) && !beside
}

/// An entry as it is after nobody else owns anything that was planned or added; `None` when nothing
/// is left of it.
fn disowned(entry: &ManagedFieldsEntry) -> Option<ManagedFieldsEntry> {
    let mut entry = entry.clone();
    if is_foreign(&entry) {
        let Some(FieldsV1(Value::Object(fields))) = &mut entry.fields_v1 else {
            return None;
        };
        fields.retain(|step, _| BESIDE.contains(&step.as_str()));
        if fields.is_empty() {
            return None;
        }
    }
    Some(entry)
}

/// What one manager owns of a thing.
#[derive(Clone, Debug, Default, PartialEq)]
struct Owned {
    /// The thing itself: a value, or that there is such an object, list or item.
    itself: bool,
    /// What is in it, by step.
    below: BTreeMap<String, Owned>,
}

impl Owned {
    fn read(fields: Option<&Value>) -> Self {
        let Some(Value::Object(fields)) = fields else {
            return Self::default();
        };
        let mut this = Self {
            itself: fields.is_empty() || fields.contains_key("."),
            below: BTreeMap::new(),
        };
        for (step, below) in fields.iter().filter(|(step, _)| *step != ".") {
            this.below.insert(step.clone(), Self::read(Some(below)));
        }
        this
    }

    fn add(&mut self, other: Self) {
        self.itself |= other.itself;
        for (step, other) in other.below {
            self.below.entry(step).or_default().add(other);
        }
    }

    /// Forgets what may be there, and that it made the objects on the way to it. Returns whether
    /// there was such a thing. An item that is theirs as a whole is not forgiven in parts.
    fn forgive(&mut self, allowed: &[&str]) -> bool {
        let Some((first, rest)) = allowed.split_first() else {
            return false;
        };
        let is_item = first.ends_with(':');
        let mut forgiven = false;
        self.below.retain(|step, below| {
            let meant = if is_item {
                step.starts_with(*first) && !below.itself
            } else {
                step == first
            };
            if !meant {
                return true;
            }
            if rest.is_empty() {
                forgiven = true;
                return false;
            }
            let found = below.forgive(rest);
            forgiven |= found;
            !found || !below.below.is_empty()
        });
        self.itself &= !forgiven;
        forgiven
    }

    /// What is in this and not in `ours`: the whole of a thing that we know nothing of, else the
    /// parts of it.
    fn without(&self, ours: &Self, path: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
        for (step, theirs) in &self.below {
            path.push(step.clone());
            match ours.below.get(step) {
                None if theirs.itself => found.push(path.clone()),
                None => theirs.without(&Self::default(), path, found),
                Some(ours) => theirs.without(ours, path, found),
            }
            path.pop();
        }
    }
}

/// Takes what a path leads to out of a value. In lists a gap is left, so that places stay.
fn remove(value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    if !rest.is_empty() {
        if let Some(child) = child(value, step) {
            remove(child, rest);
        }
        return;
    }
    match (value, step.strip_prefix("f:")) {
        (Value::Object(fields), Some(name)) => {
            fields.remove(name);
        }
        (value, _) => {
            if let Some(item) = child(value, step) {
                *item = Value::Null;
            }
        }
    }
}

fn child<'v>(value: &'v mut Value, step: &str) -> Option<&'v mut Value> {
    let (sort, rest) = step.split_once(':')?;
    match (value, sort) {
        (Value::Object(fields), "f") => fields.get_mut(rest),
        (Value::Array(items), "i") => items.get_mut(rest.parse::<usize>().ok()?),
        (Value::Array(items), "v") => {
            let wanted: Value = serde_json::from_str(rest).ok()?;
            items.iter_mut().find(|item| **item == wanted)
        }
        (Value::Array(items), "k") => {
            let keys: Map<String, Value> = serde_json::from_str(rest).ok()?;
            let has_keys = |item: &Value| keys.iter().all(|(k, v)| item.get(k) == Some(v));
            items.iter_mut().find(|item| has_keys(item))
        }
        _ => None,
    }
}

/// No list of Kubernetes holds nulls: they are the gaps.
fn close_gaps(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(close_gaps),
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(close_gaps);
        }
        _ => {}
    }
}

/// The merge patch from a value to one that lacks some of it.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else {
        return to.clone();
    };
    let differing = from
        .iter()
        .filter(|(name, value)| to.get(*name) != Some(*value));
    let patched = differing.map(|(name, value)| {
        let patch = to.get(name).map_or(Value::Null, |to| difference(value, to));
        (name.clone(), patch)
    });
    Value::Object(patched.collect())
}

#[cfg(test)]
mod tests;
