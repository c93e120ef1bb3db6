//! The declarations of one namespace as its node would have them: what the operator's own plan
//! lets through, and what it refuses.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::access::Facts;
use finp2p_crds::condition::{Condition, Truth, types};
use finp2p_crds::entry::{ASSET, AssetEntry, Entry, PEER, POLICY, PeerEntry, PolicyEntry};
use finp2p_crds::sidecar_config::RawEntry;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::trust::Record;
use crate::node::files::Objects;
use crate::node::plan::Plan;
use crate::node::validate::validate;
use crate::node::{Claim, Dialling, Inputs, SignerState, plan};

/// One namespace.
#[derive(Clone, Debug)]
pub struct World {
    /// Its name; empty for manifests that name none.
    pub namespace: String,
    /// What its node decides by; `None` without an accepted local organization.
    pub facts: Option<Facts>,
    /// Why there is no local organization.
    pub homeless: Option<String>,
    /// Whether it shares anything: it has assets or policies.
    pub shares: bool,
    /// Accepted records by organization id; the local organization's own object is apart from the
    /// consortium's record of it.
    pub records: BTreeMap<(String, Place), Record>,
    /// Names of all PeerOrganizations that are accepted, whatever they are.
    pub organizations: BTreeSet<String>,
    /// Objects that count as not there.
    pub refused: Vec<Refused>,
}

/// Which of two records of one organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Place {
    /// The object with `node`.
    Local,
    /// A record of a peer, of an issuer, or of the local organization itself.
    Record,
}

/// An object that validation refuses: it grants nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Refused {
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// File and line, where it is written in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// One word for programs.
    pub reason: String,
    /// What is wrong and how to mend it.
    pub message: String,
    /// Whether what a cluster holds under this name stays in force, because this is not applied.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kept: bool,
}

/// What the plan is given: everything that decides access, and nothing that does not. No key is
/// read for it.
pub fn inputs(namespace: &str, objects: Objects, claims: Vec<Claim>, now: Timestamp) -> Inputs {
    Inputs {
        namespace: namespace.to_owned(),
        organizations: objects.organizations,
        assets: objects.assets,
        policies: objects.policies,
        sources: objects.sources,
        disputed: objects.disputed,
        claims,
        signer: SignerState::Missing,
        signed: Vec::new(),
        dialling: Dialling::Network { service: None },
        cluster: None,
        previous: None,
        report: None,
        now,
    }
}

impl World {
    /// What a namespace declares.
    pub fn of(inputs: &Inputs) -> Self {
        let plan = plan(inputs);
        let validated = validate(inputs);
        let accepted = || {
            validated
                .organizations
                .iter()
                .filter(|o| o.verdict.is_accepted())
        };
        let place = |node: bool| if node { Place::Local } else { Place::Record };
        Self {
            namespace: inputs.namespace.clone(),
            facts: facts(&plan),
            homeless: validated
                .local
                .as_ref()
                .err()
                .map(|why| why.message.clone()),
            shares: !inputs.assets.is_empty() || !inputs.policies.is_empty(),
            records: accepted()
                .map(|o| {
                    let key = (o.id.clone(), place(o.object.spec.node.is_some()));
                    (key, Record::of(o.object))
                })
                .collect(),
            organizations: accepted().map(|o| o.verdict.name.clone()).collect(),
            refused: refused(&inputs.namespace, &plan),
        }
    }
}

/// What a node decides by once it has applied a plan; `None` when the plan configures none.
pub fn facts(plan: &Plan) -> Option<Facts> {
    let root = plan.root.as_ref()?.config.spec.root.as_ref()?;
    let slices = plan
        .slices
        .iter()
        .filter_map(|s| s.config.spec.slice.as_ref());
    let entries = || slices.clone().flat_map(|slice| &slice.entries);
    Some(facts_of(&root.organization_id, entries))
}

/// What a node of this organization decides by when it is given these entries. One that does not
/// decode is left out, as a node does.
pub fn facts_of<'e, E>(organization: &str, entries: impl Fn() -> E) -> Facts
where
    E: Iterator<Item = &'e RawEntry>,
{
    Facts::new(
        organization.to_owned(),
        decode::<PeerEntry>(PEER, entries()),
        decode::<PolicyEntry>(POLICY, entries()),
        decode::<AssetEntry>(ASSET, entries()),
    )
}

fn decode<'e, T: DeserializeOwned>(
    kind: &str,
    entries: impl Iterator<Item = &'e RawEntry>,
) -> Vec<Entry<T>> {
    let of_kind = entries.filter(|entry| entry.kind == kind);
    of_kind.filter_map(|entry| entry.decode().ok()).collect()
}

/// The objects that are not accepted, with the reason that their status would have.
fn refused(namespace: &str, plan: &Plan) -> Vec<Refused> {
    let mut found = Vec::new();
    let mut add = |kind: &str, name: &str, conditions: &[Condition]| {
        let mut accepted = conditions.iter().filter(|c| c.type_ == types::ACCEPTED);
        let Some(condition) = accepted.find(|c| c.status == Truth::False) else {
            return;
        };
        found.push(Refused {
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            place: None,
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            // It is applied, in place of what was there before.
            kept: false,
        });
    };
    for o in &plan.organizations {
        add("PeerOrganization", &o.name, &o.status.conditions);
    }
    for a in &plan.assets {
        add("SharedAsset", &a.name, &a.status.conditions);
    }
    for p in &plan.policies {
        add("SharingPolicy", &p.name, &p.status.conditions);
    }
    found
}
