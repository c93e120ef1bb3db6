//! The plan's view of manifests in files: what an API server would have told about them.

use std::collections::BTreeSet;
use std::sync::Arc;

use finp2p_crds::{CONTENT_LABEL, PeerOrganization, SharedAsset, SharingPolicy};

use super::inputs::{Age, Claim, Disputed, Observed, SignerState, Source, SourceKind};
use crate::keys::signer::Signer;
use crate::manifest::folder::is_local_organization;
use crate::manifest::{Folder, Keyed, Manifest, Namespace, Object};

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
    /// Secrets and ConfigMaps, without their values; none whose name is disputed.
    pub sources: Vec<Source>,
    /// Names that are written more than once.
    pub disputed: Disputed,
}

impl Objects {
    /// What a namespace of files holds.
    pub fn of(namespace: &Namespace) -> Self {
        let mut objects = Self::default();
        for object in &namespace.objects {
            match &object.manifest {
                Manifest::Secret(keyed) => {
                    objects.sources.push(source(SourceKind::Secret, keyed));
                }
                Manifest::ConfigMap(keyed) => {
                    objects.sources.push(source(SourceKind::ConfigMap, keyed));
                }
                _ => objects.add(object),
            }
        }
        for (id, dispute) in &namespace.disputed {
            let name = (id.kind.clone(), id.name.clone());
            objects.disputed.insert(name, dispute.places());
            dispute.claimants().for_each(|object| objects.add(object));
        }
        objects
    }

    fn add(&mut self, object: &Object) {
        let age = age(object);
        match &object.manifest {
            Manifest::PeerOrganization(o) => self.organizations.push(observed(o, age)),
            Manifest::SharedAsset(o) => self.assets.push(observed(o, age)),
            Manifest::SharingPolicy(o) => self.policies.push(observed(o, age)),
            Manifest::Secret(_) | Manifest::ConfigMap(_) => {}
        }
    }
}

/// The claims of every namespace that was read, those in doubt among them.
pub fn claims(folder: &Folder) -> Vec<Claim> {
    let objects = folder.namespaces.iter().flat_map(|namespace| {
        let disputed = namespace.disputed.values();
        let disputed = disputed.flat_map(|dispute| dispute.claimants());
        let all = namespace.objects.iter().chain(disputed);
        all.map(move |object| (namespace, object))
    });
    objects
        .filter_map(|(namespace, object)| match &object.manifest {
            Manifest::PeerOrganization(o) => Claim::of(&namespace.name, &observed(o, age(object))),
            _ => None,
        })
        .collect()
}

/// The issuing key that the local organization of a namespace of files names, or what is known
/// of it instead.
///
/// # Errors
/// The state that the plan is given when there is no key that can sign.
pub fn signer(namespace: &Namespace) -> Result<Signer, SignerState> {
    // Of several that claim the namespace the oldest stays.
    let local = namespace
        .objects
        .iter()
        .filter(|o| is_local_organization(o));
    let local = local.min_by_key(|object| age(object));
    let Some(Manifest::PeerOrganization(organization)) = local.map(|o| &o.manifest) else {
        return Err(SignerState::Missing);
    };
    let Some(node) = &organization.spec.node else {
        return Err(SignerState::Missing);
    };
    let name = organization.metadata.name.as_deref().unwrap_or_default();
    let id = organization.spec.organization_id.as_deref().unwrap_or(name);
    let disputed = namespace.disputed.iter();
    let mut disputed = disputed.filter(|(id, _)| id.kind == SourceKind::Secret.as_str());
    if let Some((_, dispute)) = disputed.find(|(id, _)| id.name == node.signer.secret_name) {
        return Err(SignerState::Unusable(format!(
            "because it is written more than once ({}) and none of them counts",
            dispute.places()
        )));
    }
    let secret = namespace.objects.iter().find_map(|o| match &o.manifest {
        Manifest::Secret(secret) if secret.name == node.signer.secret_name => Some(secret),
        _ => None,
    });
    let secret = secret.ok_or(SignerState::Missing)?;
    Signer::from_secret(id, &node.network, &secret.data)
        .map_err(|error| SignerState::Unusable(error.to_string()))
}

fn age(object: &Object) -> Age {
    let source = &object.source;
    Age::Written {
        since: object.since,
        path: source.file.clone(),
        document: source.document,
        item: source.item,
        line: source.line,
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
