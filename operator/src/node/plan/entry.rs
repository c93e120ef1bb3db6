//! Accepted objects as entries. What is refused is not among them: a policy that says something
//! this version does not enforce must not reach a node that would read the rest of it, and a node
//! cannot grant by what it was never told. Suspended peers stay in, marked: their absence would
//! let nobody tell "stopped" from "never known".

use std::collections::BTreeMap;

use finp2p_crds::CHANGE_ANNOTATION;
use finp2p_crds::condition::reasons;
use finp2p_crds::entry::{
    ASSET, AssetEntry, Entry, PEER, POLICY, PeerEntry, PolicyEntry, SCHEMA, SchemaEntry,
};
use finp2p_crds::label::Labels;
use finp2p_crds::peer_organization::Role;
use finp2p_crds::sidecar_config::RawEntry;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::node::inputs::{Age, Dialling, Inputs};
use crate::node::validate::{Asset, Finding, Local, Organization, Policy, Validated, Verdict};

/// A commit hash or a ticket is far shorter; the rest of a longer text is not carried.
const CHANGE_MAX_CHARS: usize = 256;

/// Which object: entries of one object stay together, so that an edit of it writes one slice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Peer, Policy or Asset.
    pub kind: &'static str,
    /// Uid of the object.
    pub uid: String,
}

impl ObjectKey {
    /// The key of an object.
    pub fn new(kind: &'static str, verdict: &Verdict) -> Self {
        Self {
            kind,
            uid: verdict.uid.clone(),
        }
    }
}

/// All entries of one object.
#[derive(Clone, Debug)]
pub struct Entries {
    /// The object.
    pub key: ObjectKey,
    /// Its place in the order of age.
    pub age: Age,
    /// One entry, or an asset and its schema.
    pub entries: Vec<RawEntry>,
}

/// The entries of every accepted object.
pub fn all(inputs: &Inputs, validated: &Validated<'_>, local: &Local<'_>) -> Vec<Entries> {
    let peers = validated
        .organizations
        .iter()
        .filter_map(|o| peer(inputs, o));
    let assets = validated.assets.iter().filter_map(asset);
    let policies = validated.policies.iter().filter_map(policy);
    let leaving = local.node.decommission == Some(true);
    peers
        .chain(assets)
        .chain(policies.filter(|_| !leaving))
        .collect()
}

fn peer(inputs: &Inputs, organization: &Organization<'_>) -> Option<Entries> {
    let Organization {
        object,
        id,
        role,
        verdict,
    } = organization;
    if !verdict.is_accepted() || !matches!(role, Role::Peer | Role::Issuer) {
        return None;
    }
    let spec = &object.spec;
    let here = match &inputs.dialling {
        Dialling::Loopback(addresses) => addresses.get(id),
        Dialling::Network { .. } => None,
    };
    let payload = PeerEntry {
        organization_id: id.clone(),
        labels: labels(&object.metadata),
        keys: spec.keys.clone(),
        addresses: here.unwrap_or(&spec.addresses).clone(),
        issuer: spec.issuer.clone(),
        suspended: spec.suspended == Some(true),
        revoked_serials: spec.revoked_serials.clone(),
        minimum_protocol_version: spec.minimum_protocol_version,
        change: change(&object.metadata),
    };
    pack(PEER, verdict, vec![raw(PEER, verdict, payload)])
}

fn policy(policy: &Policy<'_>) -> Option<Entries> {
    let Policy { object, verdict } = policy;
    let payload = PolicyEntry {
        spec: object.spec.clone(),
        change: change(&object.metadata),
    };
    verdict
        .is_accepted()
        .then(|| pack(POLICY, verdict, vec![raw(POLICY, verdict, payload)]))?
}

fn asset(asset: &Asset<'_>) -> Option<Entries> {
    let Asset {
        object,
        resource_id,
        content_left_out,
        verdict,
        ..
    } = asset;
    let resource_id = resource_id.as_ref().filter(|_| verdict.is_accepted())?;
    let spec = &object.spec;
    let payload = AssetEntry {
        resource_id: resource_id.to_string(),
        labels: labels(&object.metadata),
        content: spec.content.clone(),
        content_left_out: *content_left_out,
        units: spec.units.clone(),
        has_schema: spec.schema.is_some(),
        eligibility: spec.eligibility.clone(),
        from: spec.from.clone(),
        offer: spec.offer == Some(true),
        change: change(&object.metadata),
    };
    let mut entries = vec![raw(ASSET, verdict, payload)];
    if let Some(text) = &spec.schema {
        entries.push(raw(SCHEMA, verdict, SchemaEntry { text: text.clone() }));
    }
    pack(ASSET, verdict, entries)
}

fn raw<T: Serialize>(kind: &str, verdict: &Verdict, payload: T) -> Option<RawEntry> {
    let entry = Entry {
        uid: verdict.uid.clone(),
        generation: verdict.generation,
        name: verdict.name.clone(),
        payload,
    };
    // Maps with text keys and no floats always have a JSON form.
    entry.encode(kind).ok()
}

fn pack(kind: &'static str, verdict: &Verdict, entries: Vec<Option<RawEntry>>) -> Option<Entries> {
    Some(Entries {
        key: ObjectKey::new(kind, verdict),
        age: verdict.age.clone(),
        entries: entries.into_iter().collect::<Option<_>>()?,
    })
}

fn labels(metadata: &ObjectMeta) -> Labels {
    metadata.labels.clone().unwrap_or_default()
}

fn change(metadata: &ObjectMeta) -> Option<String> {
    let change = metadata.annotations.as_ref()?.get(CHANGE_ANNOTATION)?;
    Some(change.chars().take(CHANGE_MAX_CHARS).collect())
}

/// Refuses the objects for which there was no room.
pub fn refuse_left_out(validated: &mut Validated<'_>, left_out: &BTreeMap<ObjectKey, String>) {
    let refuse = |kind: &'static str, verdict: &mut Verdict| {
        if let Some(why) = left_out.get(&ObjectKey::new(kind, verdict)) {
            verdict
                .refused
                .get_or_insert_with(|| Finding::new(reasons::TOO_LARGE, why.clone()));
        }
    };
    if left_out.is_empty() {
        return;
    }
    validated
        .organizations
        .iter_mut()
        .for_each(|o| refuse(PEER, &mut o.verdict));
    validated
        .assets
        .iter_mut()
        .for_each(|a| refuse(ASSET, &mut a.verdict));
    validated
        .policies
        .iter_mut()
        .for_each(|p| refuse(POLICY, &mut p.verdict));
}
