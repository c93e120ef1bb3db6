//! Statuses of SharingPolicies.
//!
//! A status says what a selector is, and whether it matches nothing at all, but not how many
//! objects it matches: a label on one asset would otherwise rewrite the status of every policy.

use finp2p_crds::access::selects;
use finp2p_crds::condition::{Condition, Truth, reasons, types};
use finp2p_crds::entry::POLICY;
use finp2p_crds::label::Labels;
use finp2p_crds::peer_organization::Role;
use finp2p_crds::sharing_policy::{
    Consent, Mode, Selection, SharingPolicySpec, SharingPolicyStatus,
};

use super::condition::{Draft, conditions, core};
use super::{ObjectStatus, Scene, object_status, short};
use crate::node::plan::boundary::Boundary;
use crate::node::plan::entry::ObjectKey;
use crate::node::validate::{Asset, Policy};

/// Longest text of `status.peers` and `status.demands`.
const TEXT_MAX_CHARS: usize = 256;
/// Longest text of `status.matches`.
const MATCHES_MAX_CHARS: usize = 64;
/// Names that are printed before they are counted.
const NAMES_SHOWN: usize = 3;

/// Statuses of all SharingPolicies.
pub fn all(
    scene: &Scene<'_, '_>,
    moments: &mut Boundary,
) -> Vec<ObjectStatus<SharingPolicyStatus>> {
    scene
        .validated
        .policies
        .iter()
        .map(|policy| one(scene, policy, moments))
        .collect()
}

fn one(
    scene: &Scene<'_, '_>,
    policy: &Policy<'_>,
    moments: &mut Boundary,
) -> ObjectStatus<SharingPolicyStatus> {
    let Policy { object, verdict } = policy;
    let spec = &object.spec;
    let mut verdict = verdict.clone();
    let said = scene.exception("SharingPolicy", &verdict.name);
    let said = said.filter(|said| said.reason == reasons::FIELD_UNKNOWN);
    verdict.remark = verdict.remark.or(said);
    for end in [&spec.not_before, &spec.not_after].into_iter().flatten() {
        moments.at(end.0);
    }
    let existing = object.status.as_ref();
    let known: &[Condition] = existing
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let mut drafts = core(
        &verdict,
        verdict.unresolved.as_ref(),
        programmed(scene, policy),
    );
    if verdict.is_accepted() && spec.mode == Mode::Push {
        drafts.push(Draft::new(
            types::DELIVERED,
            Truth::Unknown,
            reasons::NOT_YET_SUPPORTED,
            "this version does not push: the peers may ask for the same fields",
        ));
    }
    let status = SharingPolicyStatus {
        observed_generation: Some(verdict.generation),
        conditions: conditions(drafts, verdict.generation, known, scene.inputs.now),
        peers: Some(short(&peers(scene, &spec.peers), TEXT_MAX_CHARS)),
        matches: Some(short(&matches(scene, spec), MATCHES_MAX_CHARS)),
        demands: Some(short(&demands(spec), TEXT_MAX_CHARS)),
    };
    object_status(&verdict, status, existing)
}

fn programmed(scene: &Scene<'_, '_>, policy: &Policy<'_>) -> Draft {
    let verdict = &policy.verdict;
    let leaving = scene
        .validated
        .local
        .as_ref()
        .is_ok_and(|local| local.node.decommission == Some(true));
    if leaving && verdict.is_accepted() {
        return Draft::new(
            types::PROGRAMMED,
            Truth::False,
            reasons::DECOMMISSIONED,
            "the local organization leaves the network (decommission: true): nothing is shared",
        );
    }
    let key = ObjectKey::new(POLICY, verdict);
    let programmed = scene.programmed("SharingPolicy", &key, verdict, verdict.unresolved.as_ref());
    match held_back(scene) {
        Some(held_back) if WOULD_GRANT.contains(&programmed.reason) => held_back,
        _ => programmed,
    }
}

/// The reasons of a policy by which the node grants, or is about to.
const WOULD_GRANT: &[&str] = &[reasons::PROGRAMMED, reasons::NODE_BEHIND];

/// While the node's configuration is one that went back in time no policy is in force as it is
/// written: what it grants is granted where the former configuration granted it too, which nobody
/// but the node knows. While it is too old the node denies everything. That is `False` and not
/// `Stalled`: no edit of this object mends it, and a pipeline that waits for it goes on when somebody
/// accepts. Assets say nothing of it: they are in the node as their status says, who may have them is
/// the policies' word, and there may be ten thousand. A volume that takes nothing is told by the local
/// organization alone: the configuration is in force, and it ends within minutes.
fn held_back(scene: &Scene<'_, '_>) -> Option<Draft> {
    let report = scene.inputs.report.as_ref()?;
    let draft = |reason: &'static str, what: &str| {
        let said = report.of_node(reason)?;
        let message = format!("{what}; it says: {}", said.message);
        Some(Draft::new(types::PROGRAMMED, Truth::False, reason, message))
    };
    let stale = draft(
        reasons::CONFIGURATION_STALE,
        "the node grants nothing of what this grants",
    );
    stale.or_else(|| {
        draft(
            reasons::CONFIGURATION_ROLLED_BACK,
            "of what this grants, the node grants only what its former configuration granted as well",
        )
    })
}

fn peers(scene: &Scene<'_, '_>, selection: &Selection) -> String {
    let organizations = scene.validated.organizations.iter();
    let mut peers = organizations.filter(|o| o.role == Role::Peer && o.verdict.is_accepted());
    match (&selection.names, &selection.selector) {
        (Some(names), _) => {
            let shown = names
                .iter()
                .take(NAMES_SHOWN)
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            match names.len().checked_sub(NAMES_SHOWN) {
                Some(more) if more > 0 => format!("{shown} +{more}"),
                _ => shown,
            }
        }
        (None, Some(selector)) => {
            let any = peers.any(|o| matches_labels(selection, o.object.metadata.labels.as_ref()));
            none_unless(any, selector.to_string())
        }
        (None, None) => "all".to_owned(),
    }
}

fn matches(scene: &Scene<'_, '_>, spec: &SharingPolicySpec) -> String {
    let Some(selection) = &spec.assets else {
        return match spec
            .users
            .as_ref()
            .and_then(|users| users.selector.as_ref())
        {
            Some(selector) => format!("users {selector}"),
            None => "users".to_owned(),
        };
    };
    let assets = &scene.validated.assets;
    let is_own = |a: &Asset<'_>| a.verdict.is_accepted() && a.object.spec.from.is_none();
    match (&selection.names, &selection.selector) {
        (Some(names), _) => {
            // Assets are sorted by name, and there may be ten thousand of them.
            let named = |name: &String| assets.binary_search_by(|a| a.verdict.name.cmp(name)).ok();
            let own = |name: &&String| named(name).and_then(|n| assets.get(n)).is_some_and(is_own);
            let found = names.iter().filter(own).count();
            match (found, names.len()) {
                (1, 1) => "1 asset".to_owned(),
                (found, named) if found == named => format!("{found} assets"),
                (found, named) => format!("{found} of {named} assets"),
            }
        }
        (None, Some(selector)) => {
            let mut own = assets.iter().filter(|a| is_own(a));
            let any = own.any(|a| matches_labels(selection, a.object.metadata.labels.as_ref()));
            none_unless(any, selector.to_string())
        }
        (None, None) => "all assets".to_owned(),
    }
}

fn matches_labels(selection: &Selection, labels: Option<&Labels>) -> bool {
    static NO_LABELS: Labels = Labels::new();
    selects(selection, "", labels.unwrap_or(&NO_LABELS))
}

fn none_unless(any: bool, text: String) -> String {
    if any { text } else { format!("none ({text})") }
}

fn demands(spec: &SharingPolicySpec) -> String {
    let purpose = spec.purposes.as_ref().map(|_| "purpose".to_owned());
    let credentials = spec.credentials.as_ref().map(|all| match all.as_slice() {
        [one] => one.type_.clone(),
        many => format!("{} credentials", many.len()),
    });
    let consent = spec.consent.map(|Consent::Required| "consent".to_owned());
    let parts: Vec<String> = purpose
        .into_iter()
        .chain(credentials)
        .chain(consent)
        .collect();
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(", ")
    }
}
