//! The resources a decision is made from, indexed so that a decision reads one peer, one
//! asset and the policies of that peer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;

use super::pointer::is_at_or_below;
use super::policy::selects;
use super::refusal::{RequesterFault, ResourceFault};
use crate::entry::{AssetEntry, Entry, PeerEntry, PolicyEntry};
use crate::resource_id::{ResourceId, ResourceType};
use crate::sharing_policy::SharingPolicySpec;

/// Everything the local organization has declared. Immutable: a changed configuration is a
/// new value. The order in which entries are given has no meaning.
#[derive(Clone, Debug)]
pub struct Facts {
    organization: String,
    peers: Vec<Entry<PeerEntry>>,
    assets: Vec<Entry<AssetEntry>>,
    /// Sorted by name, uid and generation.
    policies: Vec<Arc<Entry<PolicyEntry>>>,
    /// Position in `peers` by organization id; `None` where the claim is disputed.
    readers: BTreeMap<String, Option<usize>>,
    /// Position in `assets` of our own ones; `None` where the claim is disputed.
    own: BTreeMap<ResourceId, Option<usize>>,
    /// Positions in `policies` of those that select an organization.
    selecting: HashMap<String, Vec<usize>>,
    /// Every instant at which the window of a policy opens or closes.
    boundaries: BTreeSet<Timestamp>,
}

impl Facts {
    /// Indexes the entries of one organization.
    ///
    /// Nothing is refused here: an entry that is not usable is there, and grants nothing.
    /// An entry that could not be decoded is left out by the caller, with the same effect.
    pub fn new(
        organization: String,
        peers: Vec<Entry<PeerEntry>>,
        mut policies: Vec<Entry<PolicyEntry>>,
        assets: Vec<Entry<AssetEntry>>,
    ) -> Self {
        policies
            .sort_by(|a, b| (&a.name, &a.uid, a.generation).cmp(&(&b.name, &b.uid, b.generation)));
        let readers = claims(
            peers
                .iter()
                .map(|peer| (&peer.name, Some(peer.payload.organization_id.clone()))),
        );
        let own = claims(
            assets
                .iter()
                .map(|asset| (&asset.name, own_id(&organization, &asset.payload))),
        );
        let mut facts = Self {
            organization,
            peers,
            assets,
            policies: policies.into_iter().map(Arc::new).collect(),
            readers,
            own,
            selecting: HashMap::new(),
            boundaries: BTreeSet::new(),
        };
        facts.index_policies();
        facts
    }

    fn index_policies(&mut self) {
        let mut selecting: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, policy) in self.policies.iter().enumerate() {
            let spec = &policy.payload.spec;
            for peer in self.selected_peers(spec) {
                selecting
                    .entry(peer.payload.organization_id.clone())
                    .or_default()
                    .push(position);
            }
            let ends = [&spec.not_before, &spec.not_after];
            self.boundaries
                .extend(ends.into_iter().flatten().map(|time| time.0));
        }
        self.selecting = selecting;
    }

    /// The local organization.
    pub fn organization(&self) -> &str {
        &self.organization
    }

    /// All peers, as given.
    pub fn peers(&self) -> &[Entry<PeerEntry>] {
        &self.peers
    }

    /// All assets, as given.
    pub fn assets(&self) -> &[Entry<AssetEntry>] {
        &self.assets
    }

    /// All policies, sorted by name, uid and generation.
    pub fn policies(&self) -> &[Arc<Entry<PolicyEntry>>] {
        &self.policies
    }

    /// The peer that may read as `organization`.
    ///
    /// # Errors
    /// [`RequesterFault`]: why nothing is granted to it, whatever policies say.
    pub fn reader(&self, organization: &str) -> Result<&Entry<PeerEntry>, RequesterFault> {
        let peer = self.usable_peer(organization)?;
        if peer.payload.suspended {
            return Err(RequesterFault::Suspended);
        }
        Ok(peer)
    }

    fn usable_peer(&self, organization: &str) -> Result<&Entry<PeerEntry>, RequesterFault> {
        if organization == self.organization {
            return Err(RequesterFault::Local);
        }
        let claim = self.readers.get(organization);
        let position = claim.ok_or(RequesterFault::Unknown)?;
        let peer = position
            .and_then(|position| self.peers.get(position))
            .ok_or(RequesterFault::Disputed)?;
        if peer.payload.keys.is_empty() {
            return Err(RequesterFault::NoKeys);
        }
        Ok(peer)
    }

    /// Our own asset behind a resource id.
    ///
    /// # Errors
    /// [`ResourceFault`]: why it is not ours to grant.
    pub fn own_asset(&self, resource: &ResourceId) -> Result<&Entry<AssetEntry>, ResourceFault> {
        if resource.organization() != self.organization {
            return Err(ResourceFault::AnotherPrimary);
        }
        if resource.kind() != ResourceType::Asset {
            return Err(ResourceFault::NotAnAsset);
        }
        let claim = self.own.get(resource).ok_or(ResourceFault::Unknown)?;
        claim
            .and_then(|position| self.assets.get(position))
            .ok_or(ResourceFault::Disputed)
    }

    /// Our own assets in the order of their resource ids, after the given one.
    pub fn own_assets(
        &self,
        after: Option<&ResourceId>,
    ) -> impl Iterator<Item = (&ResourceId, &Entry<AssetEntry>)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.own
            .range::<ResourceId, _>((from, Bound::Unbounded))
            .filter_map(|(id, position)| Some((id, self.assets.get((*position)?)?)))
    }

    /// The policies that select an organization, in the order of [`Facts::policies`].
    pub(super) fn policies_for(
        &self,
        organization: &str,
    ) -> impl Iterator<Item = &Arc<Entry<PolicyEntry>>> {
        let positions = self.positions_for(organization).iter();
        positions.filter_map(|position| self.policies.get(*position))
    }

    /// Positions in [`Facts::policies`] of those that select an organization, ascending. Two
    /// readers with the same ones have the same access.
    pub fn positions_for(&self, organization: &str) -> &[usize] {
        self.selecting
            .get(organization)
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    /// The peers that a policy selects, in the order of their organization ids. Suspended
    /// ones are among them; issuers without keys and the local organization are not.
    pub fn selected_peers(&self, policy: &SharingPolicySpec) -> Vec<&Entry<PeerEntry>> {
        let peers = self.readers.keys().flat_map(|id| self.usable_peer(id));
        peers
            .filter(|peer| selects(&policy.peers, &peer.name, &peer.payload.labels))
            .collect()
    }

    /// The next instant after `now` at which the window of a policy opens or closes. Until
    /// then the same question has the same answer.
    pub fn next_boundary(&self, now: Timestamp) -> Option<Timestamp> {
        let later = (Bound::Excluded(now), Bound::Unbounded);
        self.boundaries.range(later).next().copied()
    }
}

/// Whether a policy selects an asset, one of our own ([`Facts::own_assets`]).
pub fn selects_asset(policy: &SharingPolicySpec, asset: &Entry<AssetEntry>) -> bool {
    let selection = policy.assets.as_ref();
    selection.is_some_and(|s| selects(s, &asset.name, &asset.payload.labels))
}

/// The pointers of a policy that open nothing on content with these units, as written.
pub fn fields_unknown<'p>(policy: &'p SharingPolicySpec, units: &[String]) -> Vec<&'p str> {
    let fields = policy.fields.iter().flatten().map(String::as_str);
    fields
        .filter(|field| !units.iter().any(|unit| is_at_or_below(unit, field)))
        .collect()
}

/// The id of an asset that is ours to grant: not taken from a peer, and under our name.
fn own_id(organization: &str, asset: &AssetEntry) -> Option<ResourceId> {
    if asset.from.is_some() {
        return None;
    }
    let id: ResourceId = asset.resource_id.parse().ok()?;
    (id.organization() == organization && id.kind() == ResourceType::Asset).then_some(id)
}

/// Who claims which key. A key or an object name that occurs twice is disputed: a policy
/// that names it would mean two things, and guessing would widen access.
fn claims<'e, K: Ord>(
    entries: impl Iterator<Item = (&'e String, Option<K>)> + Clone,
) -> BTreeMap<K, Option<usize>> {
    let mut names: HashMap<&str, usize> = HashMap::new();
    for (name, _) in entries.clone() {
        *names.entry(name).or_default() += 1;
    }
    let mut claims = BTreeMap::new();
    for (position, (name, key)) in entries.enumerate() {
        let Some(key) = key else { continue };
        let alone = names.get(name.as_str()) == Some(&1);
        claims
            .entry(key)
            .and_modify(|claim| *claim = None)
            .or_insert(alone.then_some(position));
    }
    claims
}
