//! SharingPolicies: whether they grant anything in this version, and whether their names exist.

use std::collections::BTreeMap;

use finp2p_crds::access::{NOT_YET_ENFORCED, Shortfall, not_yet_enforced, selects, standing};
use finp2p_crds::condition::reasons;
use finp2p_crds::label::Labels;
use finp2p_crds::sharing_policy::Selection;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Asset, Finding, Names, Policy, Verdict, first, name_is_disputed, sentence};
use crate::node::inputs::Inputs;

/// Every SharingPolicy by name.
pub fn all<'a>(inputs: &'a Inputs, assets: &[Asset<'a>], names: &Names<'a, '_>) -> Vec<Policy<'a>> {
    let by_name: BTreeMap<&str, &Asset<'_>> = assets
        .iter()
        .map(|a| (a.verdict.name.as_str(), a))
        .collect();
    let mut policies: Vec<Policy<'a>> = inputs
        .policies
        .iter()
        .map(|observed| {
            let object = observed.object.as_ref();
            let mut verdict = Verdict::new(&inputs.namespace, &object.metadata, &observed.age);
            let policy = Policy {
                object,
                verdict: verdict.clone(),
            };
            let scene = Scene {
                inputs,
                policy: &policy,
                assets: &by_name,
                names,
            };
            verdict.refused = first(&scene, REFUSALS);
            verdict.unresolved = unresolved(&scene);
            verdict.remark = first(&scene, REMARKS);
            Policy { object, verdict }
        })
        .collect();
    policies.sort_by(|a, b| a.verdict.order().cmp(&b.verdict.order()));
    policies
}

/// What a check of one SharingPolicy may look at.
struct Scene<'s, 'a> {
    inputs: &'a Inputs,
    policy: &'s Policy<'a>,
    assets: &'s BTreeMap<&'s str, &'s Asset<'a>>,
    names: &'s Names<'a, 's>,
}

const REFUSALS: &[fn(&Scene<'_, '_>) -> Option<Finding>] =
    &[name_is_in_doubt, is_not_whole, is_not_enforced_yet];

/// What a policy names, in the order in which a person should mend it.
const REFERENCES: &[fn(&Scene<'_, '_>) -> Option<Missing>] =
    &[peer_is_missing, asset_is_missing, issuer_is_missing];

const REMARKS: &[fn(&Scene<'_, '_>) -> Option<Finding>] =
    &[window_is_closed, no_peer_is_selected, no_asset_is_selected];

fn name_is_in_doubt(scene: &Scene<'_, '_>) -> Option<Finding> {
    name_is_disputed(scene.inputs, "SharingPolicy", &scene.policy.verdict)
}

/// The schema's rules once more, by the model that decides: what it would not grant is not
/// accepted here.
fn is_not_whole(scene: &Scene<'_, '_>) -> Option<Finding> {
    match standing(&scene.policy.object.spec, scene.inputs.now) {
        Err(Shortfall::Malformed) => Some(Finding::new(
            reasons::INVALID,
            "it grants nothing: write exactly one of assets and users, exactly one of fields and allFields: true, and in each selection exactly one of names, selector and all: true",
        )),
        _ => None,
    }
}

fn is_not_enforced_yet(scene: &Scene<'_, '_>) -> Option<Finding> {
    let fields = not_yet_enforced(&scene.policy.object.spec);
    if fields.is_empty() {
        return None;
    }
    let because: Vec<String> = NOT_YET_ENFORCED
        .iter()
        .filter(|entry| fields.contains(&entry.field))
        .map(|entry| format!("{} ({})", entry.field, entry.because))
        .collect();
    Some(Finding::new(
        reasons::NOT_YET_SUPPORTED,
        format!(
            "this version does not enforce {}. The policy grants nothing: remove the field if you can do without, or wait for a version that enforces it",
            sentence(&because)
        ),
    ))
}

/// Names of one list that lead nowhere.
struct Missing {
    reason: &'static str,
    /// Which list, which of its names, and what that means.
    said: String,
    /// Whether the list names nothing else, so that the policy grants nothing.
    is_all: bool,
}

/// Every name that leads nowhere, in one finding: who mends one should not be told of the next only
/// then. Its reason is that of the first.
fn unresolved(scene: &Scene<'_, '_>) -> Option<Finding> {
    let missing: Vec<Missing> = REFERENCES.iter().filter_map(|find| find(scene)).collect();
    let reason = missing.first()?.reason;
    let mut said: Vec<&str> = missing
        .iter()
        .map(|missing| missing.said.as_str())
        .collect();
    let grants = standing(&scene.policy.object.spec, scene.inputs.now).is_ok()
        && no_peer_is_selected(scene).is_none()
        && no_asset_is_selected(scene).is_none();
    if missing.iter().any(|missing| missing.is_all) {
        said.push("The policy grants nothing");
    } else if grants {
        said.push("The rest of the policy works");
    }
    Some(Finding::new(reason, said.join(". ")))
}

fn peer_is_missing(scene: &Scene<'_, '_>) -> Option<Missing> {
    let named = scene.policy.object.spec.peers.names.as_deref()?;
    let missing: Vec<String> = named
        .iter()
        .filter_map(|name| scene.names.peer(name).err())
        .collect();
    (!missing.is_empty()).then(|| Missing {
        reason: reasons::PEER_NOT_FOUND,
        said: format!("peers.names: {}. They get nothing", sentence(&missing)),
        is_all: missing.len() == named.len(),
    })
}

fn asset_is_missing(scene: &Scene<'_, '_>) -> Option<Missing> {
    let selection = scene.policy.object.spec.assets.as_ref()?;
    let named = selection.names.as_deref()?;
    let missing: Vec<String> = named
        .iter()
        .filter_map(|name| match scene.assets.get(name.as_str()) {
            None => Some(format!("{name} does not exist")),
            Some(asset) if asset.object.spec.from.is_some() => Some(format!(
                "{name} is a peer's asset, and only its Primary shares it"
            )),
            Some(asset) if !asset.verdict.is_accepted() => Some(format!("{name} is not accepted")),
            Some(_) => None,
        })
        .collect();
    (!missing.is_empty()).then(|| Missing {
        reason: reasons::ASSET_NOT_FOUND,
        said: format!(
            "assets.names: {}. Nothing is shared through these names",
            sentence(&missing)
        ),
        is_all: missing.len() == named.len(),
    })
}

fn issuer_is_missing(scene: &Scene<'_, '_>) -> Option<Missing> {
    let missing = scene
        .names
        .missing_issuers(scene.policy.object.spec.credentials.iter().flatten());
    (!missing.is_empty()).then(|| Missing {
        reason: reasons::ISSUER_NOT_FOUND,
        said: format!(
            "credentials[].issuers: {}. Credentials of theirs satisfy nothing",
            sentence(&missing)
        ),
        // What credentials demand is not enforced yet: such a policy is refused as a whole.
        is_all: false,
    })
}

fn window_is_closed(scene: &Scene<'_, '_>) -> Option<Finding> {
    let spec = &scene.policy.object.spec;
    match standing(spec, scene.inputs.now) {
        Err(Shortfall::NotYetValid) => spec.not_before.as_ref().map(|begin| {
            Finding::new(
                reasons::NOT_YET_VALID,
                format!("it grants nothing before {}", begin.0),
            )
        }),
        Err(Shortfall::Expired) => spec.not_after.as_ref().map(|end| {
            Finding::new(
                reasons::EXPIRED,
                format!(
                    "it grants nothing since {}: delete it, or give it a later notAfter",
                    end.0
                ),
            )
        }),
        _ => None,
    }
}

/// A selector that selects nothing is no mistake by itself: labels may come later. But nothing is
/// granted until they do.
fn no_peer_is_selected(scene: &Scene<'_, '_>) -> Option<Finding> {
    let selection = &scene.policy.object.spec.peers;
    let selector = selection.selector.as_ref()?;
    let mut peers = scene.names.peers();
    let any = peers.any(|peer| selects_labels(selection, &peer.object.metadata));
    (!any).then(|| {
        Finding::new(
            reasons::NOTHING_SELECTED,
            format!("peers.selector ({selector}) selects no peer of this namespace: it grants nothing until one has these labels"),
        )
    })
}

fn no_asset_is_selected(scene: &Scene<'_, '_>) -> Option<Finding> {
    let selection = scene.policy.object.spec.assets.as_ref()?;
    let selector = selection.selector.as_ref()?;
    let assets = scene.assets.values();
    let mut own = assets.filter(|a| a.verdict.is_accepted() && a.object.spec.from.is_none());
    let any = own.any(|asset| selects_labels(selection, &asset.object.metadata));
    (!any).then(|| {
        Finding::new(
            reasons::NOTHING_SELECTED,
            format!("assets.selector ({selector}) selects no asset of our own: it grants nothing until one has these labels"),
        )
    })
}

fn selects_labels(selection: &Selection, metadata: &ObjectMeta) -> bool {
    static NO_LABELS: Labels = Labels::new();
    selects(
        selection,
        "",
        metadata.labels.as_ref().unwrap_or(&NO_LABELS),
    )
}
