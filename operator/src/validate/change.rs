//! The rules about edits: what an API server refuses to change. In files nobody stands
//! between the editor and the node, so whoever follows a folder asks here first.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::{Checker, rule};
use crate::finding::Finding;
use crate::manifest::{Document, Folder, Manifest, Object, ObjectId};

impl Checker {
    /// Takes out of `new` what may not be changed into it from `old` (immutable fields), as
    /// findings and as refused objects; whoever applies the folder keeps their former version.
    pub fn refuse_changes(&self, old: &Folder, new: &mut Folder) {
        let namespaces = old.namespaces.iter();
        let former: BTreeMap<&ObjectId, &Object> = namespaces
            .flat_map(|namespace| {
                let disputed = namespace.disputed.values();
                let objects = namespace.objects.iter();
                objects.chain(disputed.filter_map(|dispute| dispute.former.as_ref()))
            })
            .map(|object| (&object.id, object))
            .collect();
        let mut findings = Vec::new();
        for namespace in &mut new.namespaces {
            let refused = &mut namespace.refused;
            namespace.objects.retain(|object| {
                let wrong = former
                    .get(&object.id)
                    .map(|old| self.check_change(old, object))
                    .unwrap_or_default();
                if wrong.is_empty() {
                    return true;
                }
                let spots = refused.entry(object.id.clone()).or_default();
                spots.push(object.spot());
                findings.extend(wrong);
                false
            });
        }
        new.findings.extend(findings);
        new.findings.sort();
        new.findings.dedup();
    }

    /// What of an edit breaks a rule about edits.
    pub fn check_change(&self, old: &Object, new: &Object) -> Vec<Finding> {
        let before = spec(&old.manifest);
        before.map_or_else(Vec::new, |before| self.check_change_of(&before, new))
    }

    /// The same of an edit of what a cluster holds, `before` as [`seen`] gives it.
    pub fn check_change_of(&self, before: &Value, new: &Object) -> Vec<Finding> {
        let Some(checks) = self.kinds.get(&new.id.kind) else {
            return Vec::new();
        };
        let Some(after) = spec(&new.manifest) else {
            return Vec::new();
        };
        let document = Document {
            source: new.source.clone(),
            place: new.place.clone(),
            value: after,
            api_version: String::new(),
            kind: new.id.kind.clone(),
            namespace: new.id.namespace.clone(),
            name: new.id.name.clone(),
        };
        rule::check_change(&document, checks, before)
    }
}

/// An object with this spec as the rules see it.
pub fn seen(spec: &impl Serialize) -> Option<Value> {
    Some(json!({"spec": serde_json::to_value(spec).ok()?}))
}

fn spec(manifest: &Manifest) -> Option<Value> {
    match manifest {
        Manifest::PeerOrganization(object) => seen(&object.spec),
        Manifest::SharedAsset(object) => seen(&object.spec),
        Manifest::SharingPolicy(object) => seen(&object.spec),
        Manifest::Secret(_) | Manifest::ConfigMap(_) => None,
    }
}
