//! Secrets and ConfigMaps that are not among the manifests because something else makes them.
//!
//! Who keeps manifests in git keeps no Secrets there: sealed secrets, external secrets or a person
//! make them. So a name that leads to none is a mistake only where others of the kind are among the
//! manifests of the namespace. Where there is none, it is told as a warning; where an object says that
//! it makes this one, there is nothing to tell.

use finp2p_crds::condition::reasons;

use crate::finding::Finding;
use crate::manifest::{Manifest, Namespace, Object};
use crate::node::files::Objects;
use crate::node::inputs::{Source, SourceKind};
use crate::node::plan::names::is_object_name;

/// What is to be thought of a name for which nothing is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// An object of another kind makes it.
    Made,
    /// None of its kind is declared in the namespace.
    Assumed,
    /// Others of its kind are declared.
    Missing,
}

/// What is to be thought of a Secret or ConfigMap that a namespace does not declare; `None` when it
/// does, also in a manifest that is refused.
pub fn absent(namespace: &Namespace, kind: SourceKind, name: &str) -> Option<Absent> {
    let objects = namespace.objects.iter().map(|object| &object.id);
    let others = namespace.refused.keys().chain(namespace.disputed.keys());
    let mut declared = objects.chain(others).filter(|id| id.kind == kind.as_str());
    let is_any = declared.clone().next().is_some();
    if declared.any(|id| id.name == name) {
        return None;
    }
    Some(match kind {
        SourceKind::Secret if namespace.made_secrets.contains(name) => Absent::Made,
        _ if is_any => Absent::Missing,
        _ => Absent::Assumed,
    })
}

/// Lets the plan go on as if content, or a store key, that is made elsewhere were there; returns what there is to tell.
pub fn assume(namespace: &Namespace, objects: &mut Objects) -> Vec<Finding> {
    let mut told = Vec::new();
    for object in &namespace.objects {
        let key = store_key(object);
        let reason = match key {
            Some(_) => reasons::STORE_KEY_MISSING,
            None => reasons::CONTENT_NOT_FOUND,
        };
        let Some((kind, name, field)) = key.or_else(|| content(object)) else {
            continue;
        };
        let absent = absent(namespace, kind, name);
        if matches!(absent, None | Some(Absent::Missing)) {
            continue;
        }
        if absent == Some(Absent::Assumed) {
            told.push(warning(object, field, reason, kind, name));
        }
        objects.sources.push(Source {
            kind,
            name: name.to_owned(),
            permitted: key.is_none(),
            keys: None,
        });
    }
    told
}

/// The warning that something is taken to be made elsewhere.
pub fn warning(
    object: &Object,
    field: &str,
    reason: &str,
    kind: SourceKind,
    name: &str,
) -> Finding {
    let kind = kind.as_str();
    let message = format!(
        "{kind} {name} is not among these manifests, and neither is any other {kind} of namespace {}: it is taken to be made elsewhere (sealed secrets, external secrets, a generator)",
        object.id.namespace
    );
    let cure = match reason {
        reasons::SIGNER_MISSING => {
            "nothing to do if it is; otherwise run finp2p-operator keygen for a new organization, or certify for one that has keys"
        }
        reasons::STORE_KEY_MISSING => {
            "nothing to do if it is, with 32 random bytes under the key store.key; otherwise add it, mend the name, or leave storeKey out for a new node: the operator then makes one"
        }
        _ => {
            "nothing to do if it is, with the label sharing.finp2p.io/content: \"true\"; otherwise add it, or mend the name"
        }
    };
    object.finding(field, reason, message, cure).warn()
}

/// Where a node names the Secret of its store key.
pub const STORE_KEY: &str = "/spec/node/storeKey/secretName";

/// The Secret that a node names for its store key, and where it does; `None` for a name that no
/// Secret can have.
pub fn store_key(object: &Object) -> Option<(SourceKind, &str, &'static str)> {
    let Manifest::PeerOrganization(organization) = &object.manifest else {
        return None;
    };
    let key = organization.spec.node.as_ref()?.store_key.as_ref()?;
    is_object_name(&key.secret_name).then_some((SourceKind::Secret, &key.secret_name, STORE_KEY))
}

/// Kind and name of the object that an asset takes its content from, and where the asset says so.
pub fn content(object: &Object) -> Option<(SourceKind, &str, &'static str)> {
    let Manifest::SharedAsset(asset) = &object.manifest else {
        return None;
    };
    let content = asset.spec.content.as_ref()?;
    let secret = content.secret.as_ref();
    let config_map = content.config_map.as_ref();
    secret
        .map(|key| {
            (
                SourceKind::Secret,
                key.name.as_str(),
                "/spec/content/secret/name",
            )
        })
        .or_else(|| {
            config_map.map(|key| {
                (
                    SourceKind::ConfigMap,
                    key.name.as_str(),
                    "/spec/content/configMap/name",
                )
            })
        })
}
