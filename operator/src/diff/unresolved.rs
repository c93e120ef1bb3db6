//! Names that lead nowhere, on either side.
//!
//! A policy that names an organization or an asset which does not exist grants nothing through
//! that name. But it does as soon as somebody adds the object, perhaps in another repository whose
//! reviewer does not see the policy. So such a name stands for an object of its own here: a policy
//! that newly names it gains something.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::access::Facts;
use finp2p_crds::entry::{AssetEntry, Entry, PeerEntry, PolicyEntry};
use finp2p_crds::peer_organization::RootKey;
use finp2p_crds::resource_id::{ResourceId, ResourceType};
use finp2p_crds::sharing_policy::Selection;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// Both sides with an object for each name that has none, and what those objects are called.
#[derive(Clone, Debug)]
pub struct Completed {
    /// The older side.
    pub before: Facts,
    /// The newer side.
    pub after: Facts,
    /// Organization ids and resource ids that do not exist, and the names behind them.
    pub names: BTreeMap<String, String>,
}

/// Adds what is named and is on neither side; `known` are organizations that are no peers.
pub fn complete(before: &Facts, after: &Facts, known: &BTreeSet<String>) -> Completed {
    let sides = [before, after];
    let mut names = BTreeMap::new();
    let mut peers = Vec::new();
    for name in missing(
        &sides,
        |policy| Some(&policy.payload.spec.peers),
        peer_names,
    ) {
        if !known.contains(name) {
            // No organization id has a question mark in it.
            let id = format!("?{name}");
            names.insert(id.clone(), name.to_owned());
            peers.push(peer(name, id));
        }
    }
    let mut assets = [Vec::new(), Vec::new()];
    let taken: BTreeSet<&str> = sides.iter().flat_map(|facts| asset_ids(facts)).collect();
    let mut free = (0_usize..)
        .map(|number| format!("unresolved-{number}"))
        .filter(|id| !taken.contains(id.as_str()));
    for name in missing(
        &sides,
        |policy| policy.payload.spec.assets.as_ref(),
        asset_names,
    ) {
        let Some(id) = free.next() else { continue };
        for (facts, assets) in sides.iter().zip(&mut assets) {
            let resource = ResourceId::new(facts.organization(), ResourceType::Asset, &id);
            let Ok(resource) = resource.map(|id| id.to_string()) else {
                continue;
            };
            names.insert(resource.clone(), name.to_owned());
            assets.push(asset(name, resource));
        }
    }
    let [assets_before, assets_after] = assets;
    Completed {
        before: with(before, &peers, assets_before),
        after: with(after, &peers, assets_after),
        names,
    }
}

fn peer_names(facts: &Facts) -> Vec<&str> {
    facts
        .peers()
        .iter()
        .map(|peer| peer.name.as_str())
        .collect()
}

fn asset_names(facts: &Facts) -> Vec<&str> {
    facts
        .assets()
        .iter()
        .map(|asset| asset.name.as_str())
        .collect()
}

/// The last part of every resource id.
fn asset_ids(facts: &Facts) -> Vec<&str> {
    let ids = facts
        .assets()
        .iter()
        .map(|asset| asset.payload.resource_id.as_str());
    ids.filter_map(|id| id.rsplit(':').next()).collect()
}

fn with(facts: &Facts, peers: &[Entry<PeerEntry>], assets: Vec<Entry<AssetEntry>>) -> Facts {
    let policies = facts.policies().iter().map(|policy| (**policy).clone());
    Facts::new(
        facts.organization().to_owned(),
        facts.peers().iter().chain(peers).cloned().collect(),
        policies.collect(),
        facts.assets().iter().cloned().chain(assets).collect(),
    )
}

fn entry<T>(name: &str, payload: T) -> Entry<T> {
    Entry {
        uid: format!("unresolved/{name}"),
        generation: 0,
        name: name.to_owned(),
        payload,
    }
}

fn peer(name: &str, organization_id: String) -> Entry<PeerEntry> {
    // An organization without a key reads nothing, and whoever adds this one gives it a key.
    let key = RootKey {
        id: "unresolved".to_owned(),
        public_key: String::new(),
        not_before: Time(Timestamp::MIN),
        not_after: Time(Timestamp::MAX),
        verify_only: None,
        revoked_at: None,
    };
    entry(
        name,
        PeerEntry {
            organization_id,
            keys: vec![key],
            ..PeerEntry::default()
        },
    )
}

fn asset(name: &str, resource_id: String) -> Entry<AssetEntry> {
    entry(
        name,
        AssetEntry {
            resource_id,
            ..AssetEntry::default()
        },
    )
}

/// Names in the policies of either side that no object of either side has.
fn missing<'f>(
    sides: &[&'f Facts; 2],
    selection: fn(&'f Entry<PolicyEntry>) -> Option<&'f Selection>,
    there: fn(&'f Facts) -> Vec<&'f str>,
) -> BTreeSet<&'f str> {
    let there: BTreeSet<&str> = sides.iter().flat_map(|facts| there(facts)).collect();
    let policies = sides.iter().flat_map(|facts| facts.policies());
    let selections = policies.filter_map(|policy| selection(policy));
    let named = selections.flat_map(|selection| selection.names.iter().flatten());
    named
        .map(String::as_str)
        .filter(|name| !there.contains(name))
        .collect()
}
