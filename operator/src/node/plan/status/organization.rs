//! Statuses of PeerOrganizations.

use finp2p_crds::PeerOrganization;
use finp2p_crds::condition::{Condition, Truth, reasons, types};
use finp2p_crds::entry::PEER;
use finp2p_crds::peer_organization::{PeerOrganizationStatus, Role, RootKey};
use finp2p_crds::sidecar_config::REPORT_MAX_ROWS;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition::{Draft, conditions, core};
use super::{ObjectStatus, Scene, object_status};
use crate::node::inputs::{Dialling, SignerState};
use crate::node::plan::boundary::Boundary;
use crate::node::plan::certificate::{End, ISSUING_ALARM_S, certifies, seconds, timestamp};
use crate::node::plan::entry::ObjectKey;
use crate::node::plan::root::{asked_sequence, incarnation};
use crate::node::validate::organization::key::closed;
use crate::node::validate::{Local, Organization, Verdict};

/// Statuses of all PeerOrganizations.
pub fn all(
    scene: &Scene<'_, '_>,
    moments: &mut Boundary,
) -> Vec<ObjectStatus<PeerOrganizationStatus>> {
    scene
        .validated
        .organizations
        .iter()
        .map(|o| one(scene, o, moments))
        .collect()
}

fn one(
    scene: &Scene<'_, '_>,
    organization: &Organization<'_>,
    moments: &mut Boundary,
) -> ObjectStatus<PeerOrganizationStatus> {
    let Organization {
        object,
        id,
        role,
        verdict,
    } = organization;
    let existing = object.status.as_ref();
    let known: &[Condition] = existing
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let mut drafts = core(
        verdict,
        verdict.unresolved.as_ref(),
        programmed(scene, organization),
    );
    if let Some(mistake) = verdict
        .unresolved
        .as_ref()
        .filter(|f| f.reason == reasons::INVALID)
    {
        // A mistake in the node's own spec: nothing but an edit of this object mends it.
        drafts.push(Draft::holds(
            types::STALLED,
            mistake.reason,
            mistake.message.clone(),
        ));
    }
    if *role == Role::Peer && verdict.is_accepted() {
        drafts.push(reachable(scene, organization));
    }
    let ends = ends(scene, organization, moments);
    let first = ends.iter().min_by_key(|end| end.at);
    if verdict.is_accepted() {
        drafts.extend(key_expiring(scene, organization, &ends));
    }
    drafts.extend(decommissioned(scene, organization));
    let status = PeerOrganizationStatus {
        observed_generation: Some(verdict.generation),
        conditions: conditions(drafts, verdict.generation, known, scene.inputs.now),
        organization_id: Some(id.clone()),
        role: Some(*role),
        keys_expire: first.map(|end| Time(timestamp(seconds(end.at)))),
    };
    object_status(verdict, status, existing)
}

/// Status of a local organization that is not judged yet, because another namespace cannot be read.
pub fn unread(
    object: &PeerOrganization,
    id: &str,
    message: &str,
    now: Timestamp,
) -> ObjectStatus<PeerOrganizationStatus> {
    let existing = object.status.as_ref();
    let known = existing.map(|s| s.conditions.as_slice());
    let draft = |type_| {
        let reason = reasons::NAMESPACE_UNREADABLE;
        Draft::new(type_, Truth::Unknown, reason, message)
    };
    let drafts = vec![draft(types::READY), draft(types::ACCEPTED)];
    let generation = object.metadata.generation.unwrap_or(1);
    let status = PeerOrganizationStatus {
        observed_generation: Some(generation),
        conditions: conditions(drafts, generation, known.unwrap_or_default(), now),
        organization_id: Some(id.to_owned()),
        role: Some(Role::Local),
        keys_expire: None,
    };
    ObjectStatus {
        name: object.metadata.name.clone().unwrap_or_default(),
        changed: existing != Some(&status),
        status,
    }
}

fn programmed(scene: &Scene<'_, '_>, organization: &Organization<'_>) -> Draft {
    let verdict = &organization.verdict;
    match organization.role {
        Role::Local if verdict.is_accepted() => node_programmed(scene, verdict),
        Role::Own if verdict.is_accepted() => Draft::holds(
            types::PROGRAMMED,
            reasons::NOT_APPLICABLE,
            "a node is no peer of itself",
        ),
        _ => {
            let key = ObjectKey::new(PEER, verdict);
            scene.programmed(
                "PeerOrganization",
                &key,
                verdict,
                verdict.unresolved.as_ref(),
            )
        }
    }
}

/// The local organization is programmed when its node runs with the complete set that the root
/// names, as the incarnation that the root names.
fn node_programmed(scene: &Scene<'_, '_>, verdict: &Verdict) -> Draft {
    let behind = |message: &str| {
        Draft::new(
            types::PROGRAMMED,
            Truth::False,
            reasons::NODE_BEHIND,
            message,
        )
    };
    let local = match &scene.validated.local {
        Ok(local) if local.name == verdict.name => local,
        Ok(_) => return behind("another object runs the node of this namespace"),
        Err(none) => return Draft::fails(types::PROGRAMMED, none),
    };
    let Some(report) = &scene.inputs.report else {
        return behind("the node has not reported yet");
    };
    for reason in [
        reasons::STORE_UNAVAILABLE,
        reasons::CONFIGURATION_STALE,
        reasons::CONFIGURATION_ROLLED_BACK,
        reasons::CONFIGURATION_UNREAD,
    ] {
        if let Some(said) = report.of_node(reason) {
            let is_rolled_back = reason == reasons::CONFIGURATION_ROLLED_BACK;
            let asked = is_rolled_back.then(|| asked(local)).flatten();
            let message = format!("{}{}", said.message, asked.unwrap_or_default());
            return Draft::new(types::PROGRAMMED, Truth::False, reason, message);
        }
    }
    let names = scene
        .configured
        .slices
        .iter()
        .filter_map(|s| s.config.metadata.name.as_deref());
    let mut names = names.peekable();
    let whole = names.peek().is_some() && names.all(|name| scene.applied.has(name, 0));
    if !whole {
        return behind("the node has not applied the whole configuration yet");
    }
    if report.incarnation != Some(incarnation(local.node)) {
        return behind("the node does not run as this incarnation yet");
    }
    Draft::holds(
        types::PROGRAMMED,
        reasons::PROGRAMMED,
        "the node runs with the whole configuration",
    )
}

/// What the sequence that was asked for does while the node is in roll-back. Whether it is enough only
/// the node knows, which names the number. In order it may stay in the manifest for ever, below the
/// sequence of now, and nothing is said of it.
fn asked(local: &Local<'_>) -> Option<String> {
    let asked = asked_sequence(local.object).ok()??;
    Some(format!(
        ". The annotation there now asks for {asked}: unless that is above this number it lifts nothing"
    ))
}

fn reachable(scene: &Scene<'_, '_>, organization: &Organization<'_>) -> Draft {
    let draft =
        |status, reason, message: &str| Draft::new(types::REACHABLE, status, reason, message);
    if organization.object.spec.suspended == Some(true) {
        return draft(
            Truth::False,
            reasons::SUSPENDED,
            "nobody dials a suspended peer",
        );
    }
    match scene.peers.get(organization.id.as_str()) {
        None => {
            let (reason, message) = not_dialled(scene, organization);
            draft(Truth::Unknown, reason, message)
        }
        Some(peer) if peer.reachable => {
            draft(Truth::True, reasons::REACHABLE, "its node answers ours")
        }
        Some(peer) => draft(
            Truth::False,
            reasons::UNREACHABLE,
            peer.message
                .as_deref()
                .unwrap_or("its node does not answer"),
        ),
    }
}

/// Why a peer is not in the node's report: nodes list those that they have dialled.
fn not_dialled(
    scene: &Scene<'_, '_>,
    organization: &Organization<'_>,
) -> (&'static str, &'static str) {
    let Some(report) = &scene.inputs.report else {
        return (reasons::PENDING, "our node has not reported yet");
    };
    if report.peers.len() >= REPORT_MAX_ROWS {
        return (
            reasons::PENDING,
            "our node has dialled more peers than its report has room for, and this one is not among those that it lists: ask the node (GET /v1/status)",
        );
    }
    let is_listed = !organization.object.spec.addresses.is_empty();
    let message = match &scene.inputs.dialling {
        Dialling::Network { .. } if !is_listed => {
            "it has no addresses, so our node cannot dial it: it dials ours when it wants something, which needs nothing of this record but keys"
        }
        _ => {
            "our node has not dialled it since it started or this record changed: it dials a peer when a program of ours asks for what the peer shares (POST /v1/fetch, GET /v1/shared). A policy alone makes nobody dial; the peer dials us for what we share"
        }
    };
    (reasons::NOT_DIALLED, message)
}

/// When what is in use ends: root keys of any organization, and our own certificates.
fn ends(
    scene: &Scene<'_, '_>,
    organization: &Organization<'_>,
    moments: &mut Boundary,
) -> Vec<End> {
    let local = scene.validated.local.as_ref().ok();
    let local = local.filter(|local| local.name == organization.verdict.name);
    let keys = local.map_or(organization.object.spec.keys.as_slice(), |local| {
        local.keys()
    });
    let now = scene.inputs.now;
    for key in keys {
        moments.at(key.not_before.0);
        moments.at(key.not_after.0);
        key.revoked_at.iter().for_each(|at| moments.at(at.0));
    }
    let in_use = |key: &&RootKey| closed(key, now, SignedDuration::ZERO).is_none();
    let mut ends: Vec<End> = keys
        .iter()
        .filter(in_use)
        .map(|key| End {
            what: format!("root key {}", key.id),
            at: key.not_after.0,
            alarm: timestamp(
                seconds(key.not_after.0).saturating_sub(ISSUING_ALARM_S.unsigned_abs()),
            ),
        })
        .collect();
    if local.is_some() {
        ends.extend(scene.configured.certificates.ends.iter().cloned());
    }
    ends.iter().for_each(|end| moments.at(end.alarm));
    ends
}

fn key_expiring(
    scene: &Scene<'_, '_>,
    organization: &Organization<'_>,
    ends: &[End],
) -> Option<Draft> {
    let draft =
        |status, reason, message: String| Draft::new(types::KEY_EXPIRING, status, reason, message);
    let now = scene.inputs.now;
    let has_keys = organization.role == Role::Local || !organization.object.spec.keys.is_empty();
    let Some(first) = ends.iter().min_by_key(|end| end.at) else {
        let local_without_record =
            organization.role == Role::Local && organization.object.spec.keys.is_empty();
        return (has_keys && !local_without_record).then(|| {
            draft(
                Truth::True,
                reasons::EXPIRED,
                "no key is valid now: nothing that it signs is believed until it publishes a new record".to_owned(),
            )
        });
    };
    let alarming = ends
        .iter()
        .filter(|end| end.alarm <= now)
        .min_by_key(|end| end.at);
    Some(match alarming {
        Some(end) => draft(
            Truth::True,
            reasons::EXPIRING,
            format!(
                "{} ends on {}: {}",
                end.what,
                end.at,
                cure(organization.role)
            ),
        ),
        None => draft(
            Truth::False,
            reasons::VALID,
            format!("the first to end is {}, on {}", first.what, first.at),
        ),
    })
}

fn cure(role: Role) -> &'static str {
    match role {
        Role::Local | Role::Own => {
            "run `finp2p-operator certify` with the root key for a new issuing certificate, and publish a new root key beside the old one before that ends"
        }
        Role::Peer | Role::Issuer => {
            "ask the organization for its new public record and apply it before that day"
        }
    }
}

/// Whether the organization has left the network: nothing is shared, and the node knows.
fn decommissioned(scene: &Scene<'_, '_>, organization: &Organization<'_>) -> Option<Draft> {
    let local = scene.validated.local.as_ref().ok()?;
    (local.name == organization.verdict.name && local.node.decommission == Some(true))
        .then_some(())?;
    let slices = &scene.configured.slices;
    let applied = slices.iter().all(|slice| {
        let metadata = &slice.config.metadata;
        let (name, generation) = (metadata.name.as_deref(), metadata.generation);
        name.is_some_and(|name| scene.applied.has(name, generation.unwrap_or(1)))
    });
    Some(if applied {
        Draft::holds(
            types::DECOMMISSIONED,
            reasons::DECOMMISSIONED,
            "nothing is shared any more; this object may be deleted",
        )
    } else if !is_ever_certified(scene) {
        // Such a node does not look at contents either, and never reports what names them as applied.
        Draft::holds(
            types::DECOMMISSIONED,
            reasons::DECOMMISSIONED,
            "the node has no certificates, so nothing was shared; this object may be deleted",
        )
    } else {
        Draft::new(
            types::DECOMMISSIONED,
            Truth::False,
            reasons::NODE_BEHIND,
            "the node has not withdrawn everything yet",
        )
    })
}

/// Whether the node has certificates, or is about to get some.
fn is_ever_certified(scene: &Scene<'_, '_>) -> bool {
    let before = scene.inputs.previous.as_ref();
    let roots = before
        .map(|previous| &previous.root)
        .into_iter()
        .chain(scene.configured.root.iter().map(|root| &root.config));
    matches!(scene.inputs.signer, SignerState::Usable(_))
        || roots
            .filter_map(|config| config.spec.root.as_ref())
            .any(certifies)
}
