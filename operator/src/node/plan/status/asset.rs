//! Statuses of SharedAssets.

use finp2p_crds::condition::{Condition, Truth, reasons, types};
use finp2p_crds::entry::ASSET;
use finp2p_crds::shared_asset::{Content, SharedAssetStatus};
use finp2p_crds::sharing_policy::Mode;

use super::condition::{Draft, conditions, core};
use super::{ObjectStatus, Scene, object_status};
use crate::node::plan::entry::ObjectKey;
use crate::node::validate::{Asset, Finding};

/// Statuses of all SharedAssets.
pub fn all(scene: &Scene<'_, '_>) -> Vec<ObjectStatus<SharedAssetStatus>> {
    scene
        .validated
        .assets
        .iter()
        .map(|asset| one(scene, asset))
        .collect()
}

fn one(scene: &Scene<'_, '_>, asset: &Asset<'_>) -> ObjectStatus<SharedAssetStatus> {
    let Asset {
        object,
        resource_id,
        verdict,
        ..
    } = asset;
    let existing = object.status.as_ref();
    let known: &[Condition] = existing
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let said = scene.exception("SharedAsset", &verdict.name);
    let unresolved = verdict
        .unresolved
        .clone()
        .or_else(|| said.clone().filter(is_about_content))
        .map(|finding| stays_shared(finding, object.spec.from.is_some()));
    let mut verdict = verdict.clone();
    verdict.remark = verdict
        .remark
        .or(said.filter(|e| e.reason == reasons::FIELD_UNKNOWN));
    let key = ObjectKey::new(ASSET, &verdict);
    let programmed = scene.programmed("SharedAsset", &key, &verdict, unresolved.as_ref());
    let mut drafts = core(&verdict, unresolved.as_ref(), programmed);
    if verdict.is_accepted() {
        drafts.extend(available(scene, asset, known));
        drafts.extend(delivered(asset));
    }
    let status = SharedAssetStatus {
        observed_generation: Some(verdict.generation),
        conditions: conditions(drafts, verdict.generation, known, scene.inputs.now),
        resource_id: resource_id.as_ref().map(ToString::to_string),
        source: source(asset),
        version: existing.and_then(|status| status.version.clone()),
    };
    object_status(&verdict, status, existing)
}

/// Nobody withdraws anything by taking its content away, and may believe he did.
fn stays_shared(finding: Finding, is_taken: bool) -> Finding {
    let says_so = finding.reason == reasons::TOO_MANY_CONTENTS;
    if is_taken || says_so || !is_about_content(&finding) {
        return finding;
    }
    let stays = "A version that was published before stays shared: to withdraw it, remove the SharedAsset or the policy";
    Finding::new(finding.reason, format!("{}. {stays}", finding.message))
}

fn is_about_content(finding: &Finding) -> bool {
    let about = [
        reasons::CONTENT_NOT_FOUND,
        reasons::CONTENT_NOT_PERMITTED,
        reasons::CONTENT_INVALID,
        reasons::TOO_MANY_CONTENTS,
    ];
    about.contains(&finding.reason)
}

fn source(asset: &Asset<'_>) -> Option<String> {
    let spec = &asset.object.spec;
    match (&spec.from, &spec.content) {
        (Some(from), _) => Some(asset.peer.clone().unwrap_or_else(|| from.peer.clone())),
        (
            None,
            Some(Content {
                secret: Some(_), ..
            }),
        ) => Some("Secret".to_owned()),
        (
            None,
            Some(Content {
                config_map: Some(_),
                ..
            }),
        ) => Some("ConfigMap".to_owned()),
        (None, Some(Content { api: Some(_), .. })) => Some("Api".to_owned()),
        _ => None,
    }
}

/// Whether a peer's asset can be had. A peer that stops answering is told by the one
/// `Reachable` of its PeerOrganization; ten thousand assets keep what they last knew.
fn available(scene: &Scene<'_, '_>, asset: &Asset<'_>, known: &[Condition]) -> Option<Draft> {
    let from = asset.object.spec.from.as_ref()?;
    let draft =
        |status, reason, message: String| Draft::new(types::AVAILABLE, status, reason, message);
    let Some(peer) = &asset.peer else {
        return Some(draft(
            Truth::False,
            reasons::PEER_NOT_FOUND,
            format!("there is no peer {}", from.peer),
        ));
    };
    let suspended = scene
        .validated
        .organizations
        .iter()
        .any(|o| o.verdict.name == from.peer && o.object.spec.suspended == Some(true));
    if suspended {
        return Some(draft(
            Truth::False,
            reasons::SUSPENDED,
            format!("PeerOrganization {} is suspended", from.peer),
        ));
    }
    let answers = scene
        .peers
        .get(peer.as_str())
        .is_some_and(|report| report.reachable);
    let before = known
        .iter()
        .any(|c| c.type_ == types::AVAILABLE && c.status == Truth::True);
    Some(if answers || before {
        draft(
            Truth::True,
            reasons::AVAILABLE,
            format!(
                "it can be asked for at {peer}; whether {peer} answers now, its PeerOrganization says"
            ),
        )
    } else {
        draft(
            Truth::Unknown,
            reasons::PENDING,
            format!("{peer} has not answered our node yet"),
        )
    })
}

fn delivered(asset: &Asset<'_>) -> Option<Draft> {
    let from = asset.object.spec.from.as_ref()?;
    (from.mode == Mode::Push).then(|| {
        Draft::new(
            types::DELIVERED,
            Truth::Unknown,
            reasons::NOT_YET_SUPPORTED,
            "this version does not subscribe: the asset is asked for when it is needed",
        )
    })
}
