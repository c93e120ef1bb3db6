//! The plan's view of manifests in files: what an API server would have told about them.

use std::collections::BTreeSet;
use std::sync::Arc;

use finp2p_crds::{CONTENT_LABEL, PeerOrganization, SharedAsset, SharingPolicy};

use super::inputs::{Age, Claim, Observed, Source, SourceKind};
use crate::manifest::{Folder, Keyed, Manifest, Namespace, document};

/// The objects of one namespace, as the plan takes them. Nothing of a Secret's or ConfigMap's
/// values is in here.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// PeerOrganizations, the consortium's among them.
    pub organizations: Vec<Observed<PeerOrganization>>,
    /// SharedAssets.
    pub assets: Vec<Observed<SharedAsset>>,
    /// SharingPolicies.
    pub policies: Vec<Observed<SharingPolicy>>,
    /// Secrets and ConfigMaps, without their values.
    pub sources: Vec<Source>,
}

impl Objects {
    /// What a namespace of files holds.
    pub fn of(namespace: &Namespace) -> Self {
        let mut objects = Self::default();
        for object in &namespace.objects {
            let age = age(&object.source);
            match &object.manifest {
                Manifest::PeerOrganization(o) => objects.organizations.push(observed(o, age)),
                Manifest::SharedAsset(o) => objects.assets.push(observed(o, age)),
                Manifest::SharingPolicy(o) => objects.policies.push(observed(o, age)),
                Manifest::Secret(keyed) => {
                    objects.sources.push(source(SourceKind::Secret, keyed));
                }
                Manifest::ConfigMap(keyed) => {
                    objects.sources.push(source(SourceKind::ConfigMap, keyed));
                }
            }
        }
        objects
    }
}

/// The claims of every namespace that was read.
pub fn claims(folder: &Folder) -> Vec<Claim> {
    let objects = folder
        .namespaces
        .iter()
        .flat_map(|n| n.objects.iter().map(move |o| (n, o)));
    objects
        .filter_map(|(namespace, object)| match &object.manifest {
            Manifest::PeerOrganization(o) => {
                Claim::of(&namespace.name, &observed(o, age(&object.source)))
            }
            _ => None,
        })
        .collect()
}

fn age(source: &document::Source) -> Age {
    Age::Written {
        path: source.file.clone(),
        document: source.document,
        item: source.item,
    }
}

fn observed<K: Clone>(object: &K, age: Age) -> Observed<K> {
    Observed {
        object: Arc::new(object.clone()),
        age,
    }
}

fn source(kind: SourceKind, keyed: &Keyed) -> Source {
    Source {
        kind,
        name: keyed.name.clone(),
        permitted: keyed
            .labels
            .get(CONTENT_LABEL)
            .is_some_and(|value| value == "true"),
        keys: Some(keyed.data.keys().cloned().collect::<BTreeSet<_>>()),
    }
}
