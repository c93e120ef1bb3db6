//! One side of a comparison from manifests in files, alone or applied to a live namespace.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::ResourceExt;
use serde_json::Value;

use super::world::{Refused, World, inputs};
use crate::cluster::{Live, claims as live_claims, overlay};
use crate::finding::Finding;
use crate::manifest::folder::NOTHING_TO_READ;
use crate::manifest::{Folder, KUSTOMIZATION, Namespace, Object};
use crate::node::files::{Objects, claims};
use crate::node::inputs::Observed;
use crate::validate::Checker;
use crate::validate::change::seen;

/// A side of a comparison.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// Its namespaces.
    pub worlds: Vec<World>,
    /// Objects that cannot even be read as what they claim to be.
    pub refused: Vec<Refused>,
}

/// Why files are no side of a comparison: what they say is not known, so nothing may be said.
#[derive(Debug, thiserror::Error)]
pub enum SideError {
    /// Something could not be read.
    #[error("cannot be read: {}", first(.0))]
    Unreadable(Vec<Finding>),
    /// Nothing is there.
    #[error("{0}: no manifests (*.yaml, *.yml, *.json) here or one folder below")]
    Nothing(String),
    /// The files are about other namespaces.
    #[error("nothing for namespace {wanted} among the files; they are for: {found}")]
    OtherNamespace {
        /// The namespace that is looked at.
        wanted: String,
        /// What there is instead.
        found: String,
    },
}

fn first(findings: &[Finding]) -> String {
    let told = findings.iter().take(1).map(|finding| {
        let line = finding
            .line
            .map(|line| format!(":{line}"))
            .unwrap_or_default();
        format!(
            "{}{line}: {} ({})",
            finding.file, finding.message, finding.cure
        )
    });
    let more = findings.len().saturating_sub(1);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    told.collect::<String>() + &more
}

/// Every namespace of a folder. An empty folder is a side when `may_be_empty`: a repository begins
/// so.
///
/// # Errors
/// [`SideError`].
pub fn side(folder: &Folder, now: Timestamp, may_be_empty: bool) -> Result<Side, SideError> {
    let refused = readable(folder, may_be_empty)?;
    let claims = claims(folder);
    let world = |namespace: &Namespace| {
        let objects = Objects::of(namespace);
        let mut world = World::of(&inputs(&namespace.name, objects, claims.clone(), now));
        place(&mut world, namespace);
        world
    };
    Ok(Side {
        worlds: folder.namespaces.iter().map(world).collect(),
        refused,
    })
}

/// The one namespace of a cluster.
pub fn live(live: &Live, now: Timestamp) -> World {
    let claims = live_claims(&live.namespace, &live.objects);
    World::of(&inputs(&live.namespace, live.objects.clone(), claims, now))
}

/// A live namespace once files have been applied to it.
///
/// # Errors
/// [`SideError`], also when the files hold nothing for that namespace.
pub fn applied(
    checker: &Checker,
    live: &Live,
    folder: &Folder,
    prune: bool,
    now: Timestamp,
) -> Result<Side, SideError> {
    let mut refused = readable(folder, false)?;
    // Files that name no namespace are applied to the one at hand, as kubectl does.
    let named = |name: &str| {
        folder
            .namespaces
            .iter()
            .find(|namespace| namespace.name == name)
    };
    let Some(namespace) = named(&live.namespace).or_else(|| named("")) else {
        let names: Vec<&str> = folder.namespaces.iter().map(|n| n.name.as_str()).collect();
        return Err(SideError::OtherNamespace {
            wanted: live.namespace.clone(),
            found: names.join(", "),
        });
    };
    let mut namespace = namespace.clone();
    refused.extend(unchangeable(checker, &live.objects, &mut namespace));
    let objects = overlay::applied(&live.objects, Objects::of(&namespace), prune);
    for refused in &mut refused {
        refused.kept = holds(&objects, refused);
    }
    let claims = live_claims(&live.namespace, &objects);
    let mut world = World::of(&inputs(&live.namespace, objects, claims, now));
    place(&mut world, &namespace);
    Ok(Side {
        worlds: vec![world],
        refused,
    })
}

/// Takes out what an API server does not let be changed into it from what it holds (immutable fields).
fn unchangeable(checker: &Checker, live: &Objects, namespace: &mut Namespace) -> Vec<Refused> {
    let mut all = Vec::new();
    namespace.objects.retain(|object| {
        let name = object.id.name.as_str();
        let before = match object.id.kind.as_str() {
            "PeerOrganization" => spec_of(&live.organizations, name, |o| seen(&o.spec)),
            "SharedAsset" => spec_of(&live.assets, name, |a| seen(&a.spec)),
            "SharingPolicy" => spec_of(&live.policies, name, |p| seen(&p.spec)),
            _ => None,
        };
        let wrong = before.map(|before| checker.check_change_of(&before, object));
        let wrong = wrong.unwrap_or_default();
        all.extend(wrong.iter().filter_map(refused));
        wrong.is_empty()
    });
    all
}

fn spec_of<K: ResourceExt>(
    live: &[Observed<K>],
    name: &str,
    spec: impl Fn(&K) -> Option<Value>,
) -> Option<Value> {
    let mut live = live.iter();
    spec(&live.find(|o| o.object.name_any() == name)?.object)
}

/// Whether an object of this kind and name is there.
fn holds(objects: &Objects, refused: &Refused) -> bool {
    fn names<K: ResourceExt>(observed: &[Observed<K>], name: &str) -> bool {
        let mut names = observed.iter().map(|o| o.object.name_any());
        names.any(|known| known == name)
    }
    match refused.kind.as_str() {
        "PeerOrganization" => names(&objects.organizations, &refused.name),
        "SharedAsset" => names(&objects.assets, &refused.name),
        "SharingPolicy" => names(&objects.policies, &refused.name),
        _ => false,
    }
}

/// What was refused before it became an object; an error when it is not even known what that was.
fn readable(folder: &Folder, may_be_empty: bool) -> Result<Vec<Refused>, SideError> {
    let errors = || folder.findings.iter().filter(|finding| finding.is_error());
    if let Some(nothing) = errors().find(|finding| finding.reason == NOTHING_TO_READ)
        && !may_be_empty
    {
        return Err(SideError::Nothing(nothing.file.clone()));
    }
    let nameless = |finding: &&Finding| finding.name.is_none() && finding.reason != NOTHING_TO_READ;
    // What a kustomization builds is what would be applied, and only that can be compared.
    let built = folder.findings.iter().filter(|f| f.reason == KUSTOMIZATION);
    let unreadable: Vec<Finding> = errors().filter(nameless).chain(built).cloned().collect();
    if !folder.complete || !unreadable.is_empty() {
        return Err(SideError::Unreadable(unreadable));
    }
    Ok(errors().filter_map(refused).collect())
}

fn refused(finding: &Finding) -> Option<Refused> {
    let line = finding
        .line
        .map(|line| format!(":{line}"))
        .unwrap_or_default();
    Some(Refused {
        namespace: finding.namespace.clone().unwrap_or_default(),
        kind: finding.kind.clone()?,
        name: finding.name.clone()?,
        place: Some(format!("{}{line}", finding.file)),
        reason: finding.reason.clone(),
        message: format!("{}: {}", finding.message, finding.cure),
        kept: false,
    })
}

/// Says of what the plan refuses where it is written.
fn place(world: &mut World, namespace: &Namespace) {
    let written: BTreeMap<(&str, &str), &Object> = namespace
        .objects
        .iter()
        .map(|object| ((object.id.kind.as_str(), object.id.name.as_str()), object))
        .collect();
    for refused in &mut world.refused {
        let object = written.get(&(refused.kind.as_str(), refused.name.as_str()));
        refused.place = object.map(|o| format!("{}:{}", o.source.file, o.source.line));
    }
}
