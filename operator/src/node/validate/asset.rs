//! SharedAssets: their id on the network, their source, the names in their eligibility.

use std::collections::BTreeMap;

use finp2p_crds::condition::reasons;
use finp2p_crds::resource_id::{ResourceId, ResourceType};
use finp2p_crds::shared_asset::{Content, ContentKey};

use super::{Asset, Finding, Local, Names, Verdict, content, first, name_is_disputed, sentence};
use crate::node::inputs::{Age, Inputs, Source, SourceKind};

/// Every SharedAsset by name.
pub fn all<'a>(
    inputs: &'a Inputs,
    local: Option<&Local<'a>>,
    names: &Names<'a, '_>,
) -> Vec<Asset<'a>> {
    let mut assets: Vec<Asset<'a>> = inputs
        .assets
        .iter()
        .map(|observed| {
            let object = observed.object.as_ref();
            let verdict = Verdict::new(&inputs.namespace, &object.metadata, &observed.age);
            let mut asset = Asset {
                object,
                resource_id: None,
                peer: None,
                content_left_out: false,
                verdict,
            };
            identify(&mut asset, local, names);
            asset
        })
        .collect();
    assets.sort_by(|a, b| a.verdict.order().cmp(&b.verdict.order()));

    let sources: Sources<'_> = inputs
        .sources
        .iter()
        .map(|s| ((s.kind, s.name.as_str()), s))
        .collect();
    let oldest = oldest(&assets);
    for asset in &mut assets {
        let taken = taken(asset, &oldest);
        let scene = Scene {
            asset,
            inputs,
            sources: &sources,
            names,
        };
        let unresolved = first(&scene, REFERENCES);
        let refused = first(&scene, REFUSALS);
        let verdict = &mut asset.verdict;
        let disputed = name_is_disputed(inputs, "SharedAsset", verdict);
        let own = verdict.refused.take();
        verdict.refused = disputed.or(own).or(refused).or(taken);
        verdict.unresolved = verdict.unresolved.take().or(unresolved);
    }
    content::leave_out(&mut assets);
    assets
}

/// Gives the asset its id on the network, or says what stands in the way.
fn identify<'a>(asset: &mut Asset<'a>, local: Option<&Local<'a>>, names: &Names<'a, '_>) {
    let spec = &asset.object.spec;
    let (primary, id) = match &spec.from {
        Some(from) => match names.peer(&from.peer) {
            Ok(peer) => {
                asset.peer = Some(peer.id.clone());
                (peer.id.clone(), from.asset_id.clone())
            }
            Err(why) => {
                asset.verdict.unresolved = Some(Finding::new(
                    reasons::PEER_NOT_FOUND,
                    format!("from.peer names a PeerOrganization of this namespace: {why}"),
                ));
                return;
            }
        },
        None => {
            let Some(local) = local else { return };
            (
                local.id.clone(),
                spec.asset_id
                    .clone()
                    .unwrap_or_else(|| asset.verdict.name.clone()),
            )
        }
    };
    match ResourceId::new(&primary, ResourceType::Asset, &id) {
        Ok(id) => asset.resource_id = Some(id),
        Err(error) => {
            asset.verdict.refused = Some(Finding::new(reasons::INVALID, error.to_string()))
        }
    }
}

/// The oldest asset of each id, age and name.
type Oldest = BTreeMap<ResourceId, (Age, String)>;

fn oldest(assets: &[Asset<'_>]) -> Oldest {
    let mut oldest = Oldest::new();
    for asset in assets {
        let Some(id) = &asset.resource_id else {
            continue;
        };
        let mine = (asset.verdict.age.clone(), asset.verdict.name.clone());
        let kept = oldest.entry(id.clone()).or_insert_with(|| mine.clone());
        if mine < *kept {
            *kept = mine;
        }
    }
    oldest
}

fn taken(asset: &Asset<'_>, oldest: &Oldest) -> Option<Finding> {
    let id = asset.resource_id.as_ref()?;
    let (age, name) = oldest.get(id)?;
    (*name != asset.verdict.name).then(|| {
        Finding::new(
            reasons::RESOURCE_TAKEN,
            format!(
                "SharedAsset {name} is {id} already and {}: edit that one and delete this one, or create this one again with another assetId",
                age.precedence()
            ),
        )
    })
}

type Sources<'s> = BTreeMap<(SourceKind, &'s str), &'s Source>;

/// What a check of one SharedAsset may look at.
struct Scene<'s, 'a> {
    asset: &'s Asset<'a>,
    inputs: &'s Inputs,
    sources: &'s Sources<'s>,
    names: &'s Names<'a, 's>,
}

const REFUSALS: &[fn(&Scene<'_, '_>) -> Option<Finding>] = &[schema_is_not_json];

const REFERENCES: &[fn(&Scene<'_, '_>) -> Option<Finding>] =
    &[content_is_missing, issuer_is_missing];

/// Whether it is a schema that content meets is found out by the node, which has the content;
/// text that is not even JSON is found out here.
fn schema_is_not_json(scene: &Scene<'_, '_>) -> Option<Finding> {
    let text = scene.asset.object.spec.schema.as_deref()?;
    let json = serde_json::from_str::<serde_json::Value>(text);
    (!json.is_ok_and(|json| json.is_object() || json.is_boolean())).then(|| {
        Finding::new(reasons::INVALID, "schema is not the text of a JSON Schema: write a JSON object, for example under `schema: |`")
    })
}

fn content_is_missing(scene: &Scene<'_, '_>) -> Option<Finding> {
    let content = scene.asset.object.spec.content.as_ref()?;
    let (kind, ContentKey { name, key }) = source_of(content)?;
    let what = kind.as_str();
    let Some(source) = scene.sources.get(&(kind, name.as_str())) else {
        let disputed = &scene.inputs.disputed;
        let message = match disputed.get(&(what.to_owned(), name.clone())) {
            Some(places) => format!(
                "{what} {name} is written more than once ({places}) and none of them counts: remove all but one"
            ),
            None => format!(
                "{what} {name} is not in namespace {}: create it with a key {key}, or correct content",
                scene.inputs.namespace
            ),
        };
        return Some(Finding::new(reasons::CONTENT_NOT_FOUND, message));
    };
    if !source.permitted {
        return Some(Finding::new(
            reasons::CONTENT_NOT_PERMITTED,
            format!(
                "{what} {name} may not be shared: whoever owns it must label it {}: \"true\"",
                finp2p_crds::CONTENT_LABEL
            ),
        ));
    }
    let keys = source.keys.as_ref()?;
    (!keys.contains(key)).then(|| {
        Finding::new(
            reasons::CONTENT_NOT_FOUND,
            format!(
                "{what} {name} has no key {key}: it has {}",
                sentence(&keys.iter().cloned().collect::<Vec<_>>())
            ),
        )
    })
}

fn source_of(content: &Content) -> Option<(SourceKind, &ContentKey)> {
    let secret = content.secret.as_ref().map(|key| (SourceKind::Secret, key));
    secret.or_else(|| {
        content
            .config_map
            .as_ref()
            .map(|key| (SourceKind::ConfigMap, key))
    })
}

fn issuer_is_missing(scene: &Scene<'_, '_>) -> Option<Finding> {
    let eligibility = scene.asset.object.spec.eligibility.as_ref()?;
    let missing = scene.names.missing_issuers(&eligibility.credentials);
    (!missing.is_empty()).then(|| {
        Finding::new(
            reasons::ISSUER_NOT_FOUND,
            format!("eligibility names issuers that no credential can come from, so nobody meets it through them: {}", sentence(&missing)),
        )
    })
}
