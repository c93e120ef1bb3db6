//! Statuses: what each object is told about itself.
//!
//! `Ready` is about our node only: another bank's outage changes one condition of one
//! PeerOrganization and nothing else.

pub mod asset;
pub mod condition;
pub mod organization;
pub mod policy;

use std::collections::BTreeMap;

use finp2p_crds::condition::{Truth, reasons, types};
use finp2p_crds::entry::{ASSET, PEER, POLICY, SCHEMA};
use finp2p_crds::peer_organization::PeerOrganizationStatus;
use finp2p_crds::shared_asset::SharedAssetStatus;
use finp2p_crds::sharing_policy::SharingPolicyStatus;
use finp2p_crds::sidecar_config::{Exception, PeerReport};

use self::condition::Draft;
use super::boundary::Boundary;
use super::entry::ObjectKey;
use super::slice::Applied;
use super::{Configured, ObjectStatus};
use crate::node::inputs::Inputs;
use crate::node::validate::{Finding, Validated, Verdict};

/// All statuses of a namespace, each list by name.
pub struct Statuses {
    /// PeerOrganizations.
    pub organizations: Vec<ObjectStatus<PeerOrganizationStatus>>,
    /// SharedAssets.
    pub assets: Vec<ObjectStatus<SharedAssetStatus>>,
    /// SharingPolicies.
    pub policies: Vec<ObjectStatus<SharingPolicyStatus>>,
}

/// What a status is made from.
pub struct Scene<'s, 'a> {
    /// Everything that was observed.
    pub inputs: &'a Inputs,
    /// Every object, judged.
    pub validated: &'s Validated<'a>,
    /// The node's configuration.
    pub configured: &'s Configured,
    applied: Applied<'s>,
    peers: BTreeMap<&'s str, &'s PeerReport>,
    exceptions: BTreeMap<(&'s str, &'s str), Vec<&'s Exception>>,
}

/// Makes every status.
pub fn all(
    inputs: &Inputs,
    validated: &Validated<'_>,
    configured: &Configured,
    moments: &mut Boundary,
) -> Statuses {
    let report = inputs.report.as_ref();
    let exceptions = report.map(|r| r.exceptions.as_slice()).unwrap_or_default();
    let peers = report.map(|r| r.peers.as_slice()).unwrap_or_default();
    let scene = Scene {
        inputs,
        validated,
        configured,
        applied: Applied::new(report.map(|r| r.applied.as_slice()).unwrap_or_default()),
        peers: peers
            .iter()
            .map(|p| (p.organization_id.as_str(), p))
            .collect(),
        exceptions: by_object(exceptions),
    };
    let mut statuses = Statuses {
        organizations: organization::all(&scene, moments),
        assets: asset::all(&scene),
        policies: policy::all(&scene, moments),
    };
    // Several manifests of one name have one status.
    statuses.organizations.dedup_by(|b, a| a.name == b.name);
    statuses.assets.dedup_by(|b, a| a.name == b.name);
    statuses.policies.dedup_by(|b, a| a.name == b.name);
    statuses
}

/// What a node says, by kind and name of the object: it may say several things of one.
fn by_object(exceptions: &[Exception]) -> BTreeMap<(&str, &str), Vec<&Exception>> {
    let mut all = BTreeMap::<_, Vec<_>>::new();
    for exception in exceptions {
        let object = (exception.kind.as_str(), exception.name.as_str());
        all.entry(object).or_default().push(exception);
    }
    all
}

impl Scene<'_, '_> {
    /// The worst that the node says of an object, in the words of the catalogue of reasons. A node
    /// that could not decode an entry knows its kind only by the word in the slice.
    fn exception(&self, kind: &str, name: &str) -> Option<Finding> {
        let words: &[&str] = match kind {
            "PeerOrganization" => &[kind, PEER],
            "SharedAsset" => &[kind, ASSET, SCHEMA],
            _ => &[kind, POLICY],
        };
        let said = words
            .iter()
            .filter_map(|word| self.exceptions.get(&(*word, name)))
            .flatten();
        KNOWN_EXCEPTIONS.iter().find_map(|known| {
            let exception = said.clone().find(|exception| exception.reason == *known)?;
            Some(Finding::new(known, exception.message.clone()))
        })
    }

    /// Whether the node works with the object as it is now.
    fn programmed(
        &self,
        kind: &str,
        key: &ObjectKey,
        verdict: &Verdict,
        unresolved: Option<&Finding>,
    ) -> Draft {
        let fails = |finding: &Finding| Draft::fails(types::PROGRAMMED, finding);
        let behind = |message: &str| {
            Draft::new(
                types::PROGRAMMED,
                Truth::False,
                reasons::NODE_BEHIND,
                message,
            )
        };
        if let Some(refused) = &verdict.refused {
            let out = "it is left out of the node's configuration, because it is not accepted";
            return Draft::new(types::PROGRAMMED, Truth::False, refused.reason, out);
        }
        if let Err(none) = &self.validated.local {
            return fails(none);
        }
        let unsupported = self.exception(kind, &verdict.name);
        if let Some(unsupported) = unsupported.filter(|e| e.reason == reasons::UNSUPPORTED) {
            return fails(&unsupported);
        }
        let memory = &self.configured.memory;
        match (memory.holds(key), unresolved, &self.inputs.report) {
            (false, Some(unresolved), _) => Draft::new(
                types::PROGRAMMED,
                Truth::False,
                unresolved.reason,
                "it is left out of the node's configuration until its names lead somewhere",
            ),
            (_, _, None) => behind("the node has not reported yet"),
            _ if memory.is_applied(key, &self.applied) => Draft::holds(
                types::PROGRAMMED,
                reasons::PROGRAMMED,
                "the node works with it",
            ),
            _ => behind("the node has not applied it yet"),
        }
    }
}

/// Reasons that a node may give of an object, the worst first; any other word is not carried into a
/// status.
const KNOWN_EXCEPTIONS: &[&str] = &[
    reasons::UNSUPPORTED,
    reasons::CONTENT_NOT_FOUND,
    reasons::CONTENT_NOT_PERMITTED,
    reasons::CONTENT_INVALID,
    reasons::TOO_MANY_CONTENTS,
    reasons::FIELD_UNKNOWN,
];

/// A status beside the one that the object has.
fn object_status<S: PartialEq + Default>(
    verdict: &Verdict,
    status: S,
    existing: Option<&S>,
) -> ObjectStatus<S> {
    let changed = existing != Some(&status);
    ObjectStatus {
        name: verdict.name.clone(),
        status,
        changed,
    }
}

/// A text that fits a status field of so many characters.
fn short(text: &str, max_chars: usize) -> String {
    if text.chars().count() <= max_chars {
        return text.to_owned();
    }
    let mut cut: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    cut.push('…');
    cut
}
