//! What a namespace would hold once files have been applied to it.
//!
//! As with `kubectl apply --server-side`: an object that is there keeps its age and its uid, what
//! the files do not name stays (or goes, with pruning), and a suspension that somebody set with a
//! field manager of its own stays although the file does not say it.

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_crds::PeerOrganization;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt as _};

use crate::node::files::Objects;
use crate::node::inputs::{Observed, Source};

/// The objects of a namespace after these files. `prune`: what the files do not name is deleted.
pub fn applied(live: &Objects, files: Objects, prune: bool) -> Objects {
    let Objects {
        organizations,
        assets,
        policies,
        sources,
        disputed,
    } = files;
    Objects {
        organizations: merged(&live.organizations, organizations, prune, |old, new| {
            if is_suspended_apart(old) {
                new.spec.suspended = Some(true);
            }
            old.spec != new.spec
        }),
        assets: merged(&live.assets, assets, prune, |old, new| old.spec != new.spec),
        policies: merged(&live.policies, policies, prune, |old, new| {
            old.spec != new.spec
        }),
        sources: merged_sources(&live.sources, sources, prune),
        disputed,
    }
}

/// `change` adds to the new object what applying keeps of the old one, and says whether the two
/// differ.
fn merged<K: Resource<DynamicType = ()> + Clone>(
    live: &[Observed<K>],
    files: Vec<Observed<K>>,
    prune: bool,
    change: impl Fn(&K, &mut K) -> bool,
) -> Vec<Observed<K>> {
    let mut left: BTreeMap<String, &Observed<K>> = live
        .iter()
        .map(|observed| (observed.object.name_any(), observed))
        .collect();
    let mut all = Vec::new();
    for mut observed in files {
        if let Some(old) = left.remove(&observed.object.name_any()) {
            let object = Arc::make_mut(&mut observed.object);
            let differs = change(&old.object, object);
            keep_identity(old.object.meta(), object.meta_mut(), differs);
            observed.age = old.age.clone();
        }
        all.push(observed);
    }
    if !prune {
        all.extend(left.into_values().cloned());
    }
    all
}

fn keep_identity(old: &ObjectMeta, new: &mut ObjectMeta, differs: bool) {
    new.uid.clone_from(&old.uid);
    new.creation_timestamp.clone_from(&old.creation_timestamp);
    new.generation = old.generation.map(|g| g.saturating_add(i64::from(differs)));
}

/// Whether a field manager that owns nothing else under `spec` has suspended the organization.
/// Applying the record with another manager does not lift that.
fn is_suspended_apart(object: &PeerOrganization) -> bool {
    let managers = object.metadata.managed_fields.iter().flatten();
    object.spec.suspended == Some(true)
        && managers
            .filter_map(|entry| entry.fields_v1.as_ref())
            .any(|fields| {
                let spec = fields.0.get("f:spec").and_then(|spec| spec.as_object());
                spec.is_some_and(|spec| spec.len() == 1 && spec.contains_key("f:suspended"))
            })
}

fn merged_sources(live: &[Source], files: Vec<Source>, prune: bool) -> Vec<Source> {
    let named = |source: &Source| {
        files
            .iter()
            .any(|f| (f.kind, &f.name) == (source.kind, &source.name))
    };
    let kept = live
        .iter()
        .filter(|source| !prune && !named(source))
        .cloned();
    let kept: Vec<Source> = kept.collect();
    files.into_iter().chain(kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::inputs::Age;
    use serde_json::{Value, json};

    fn record(metadata: Value, spec: Value) -> Observed<PeerOrganization> {
        let mut metadata = metadata;
        metadata["name"] = json!("bank-b");
        let object = json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "PeerOrganization",
            "metadata": metadata, "spec": spec
        });
        Observed {
            object: Arc::new(serde_json::from_value(object).unwrap()),
            age: Age::Written {
                since: 0,
                path: "f".to_owned(),
                document: 1,
                item: 0,
                line: 1,
            },
        }
    }

    fn objects(organizations: Vec<Observed<PeerOrganization>>) -> Objects {
        Objects {
            organizations,
            ..Objects::default()
        }
    }

    fn suspended_by(managed: Value) -> Objects {
        let metadata = json!({"uid": "u", "generation": 3, "managedFields": managed});
        objects(vec![record(
            metadata,
            json!({"suspended": true, "addresses": ["/dns4/b/tcp/1"]}),
        )])
    }

    fn after(live: &Objects, prune: bool) -> Vec<PeerOrganization> {
        let file = record(json!({}), json!({"addresses": ["/dns4/b/tcp/1"]}));
        let all = applied(live, objects(vec![file]), prune).organizations;
        all.iter()
            .map(|observed| (*observed.object).clone())
            .collect()
    }

    fn owner(manager: &str, spec: Value) -> Value {
        json!({"manager": manager, "operation": "Apply", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": spec}})
    }

    #[test]
    fn a_suspension_of_its_own_field_manager_survives_and_the_record_s_own_does_not() {
        let apart = suspended_by(json!([
            owner("flux", json!({"f:addresses": {}})),
            owner("suspend", json!({"f:suspended": {}})),
        ]));
        assert_eq!(after(&apart, false)[0].spec.suspended, Some(true));
        assert_eq!(after(&apart, false)[0].metadata.generation, Some(3));
        let own = suspended_by(json!([owner(
            "flux",
            json!({"f:addresses": {}, "f:suspended": {}})
        )]));
        assert_eq!(after(&own, false)[0].spec.suspended, None);
        assert_eq!(after(&own, false)[0].metadata.generation, Some(4));
        assert_eq!(after(&own, false)[0].metadata.uid.as_deref(), Some("u"));
    }

    #[test]
    fn what_files_do_not_name_stays_unless_it_is_pruned() {
        let mut live = suspended_by(json!([]));
        let mut other = record(json!({}), json!({"addresses": []}));
        Arc::make_mut(&mut other.object).metadata.name = Some("bank-c".to_owned());
        live.organizations.push(other);
        assert_eq!(after(&live, false).len(), 2);
        assert_eq!(after(&live, true).len(), 1);
    }

    #[test]
    fn a_secret_of_a_file_stands_for_the_one_that_is_there() {
        let source = |name: &str, permitted| Source {
            kind: crate::node::inputs::SourceKind::Secret,
            name: name.to_owned(),
            permitted,
            keys: None,
        };
        let live = [source("a", false), source("b", false)];
        let all = merged_sources(&live, vec![source("a", true)], false);
        assert_eq!(all, [source("a", true), source("b", false)]);
        assert_eq!(
            merged_sources(&live, vec![source("a", true)], true),
            [source("a", true)]
        );
    }
}
