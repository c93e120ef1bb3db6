//! Readers and resources that are alike: no policy on either side tells them apart. One question
//! about two classes answers for every pair of their members, so that a market of ten thousand
//! assets and a hundred peers is compared by the handful of kinds it consists of.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::ResourceId;
use finp2p_crds::access::{Facts, selects};
use finp2p_crds::entry::{AssetEntry, Entry};
use finp2p_crds::label::Labels;
use finp2p_crds::sharing_policy::SharingPolicySpec;

use super::changed::{Changed, What};

/// Both configurations and what differs.
#[derive(Clone, Copy, Debug)]
pub struct Two<'f> {
    pub before: &'f Facts,
    pub after: &'f Facts,
    pub changed: &'f Changed,
}

/// Readers that are alike.
#[derive(Clone, Debug)]
pub struct Peers<'f> {
    pub members: Vec<&'f str>,
    /// Positions of the policies that select them, by side.
    pub before: &'f [usize],
    pub after: &'f [usize],
    /// How their own records differ.
    pub what: Option<What>,
}

/// Resources that are alike.
#[derive(Clone, Debug)]
pub struct Assets<'f> {
    pub members: Vec<&'f ResourceId>,
    /// Positions of the policies that select them, by side; of those that select a reader.
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    /// How the assets themselves differ.
    pub what: Option<What>,
    /// The objects they open on either side.
    pub opened: Vec<String>,
}

impl<'f> Two<'f> {
    fn sides(&self) -> [&'f Facts; 2] {
        [self.before, self.after]
    }

    /// Positions of the changed policies, by side.
    pub fn changed_policies(&self) -> [BTreeSet<usize>; 2] {
        self.sides().map(|facts| {
            let all = facts.policies().iter().enumerate();
            all.filter(|(_, policy)| self.changed.policies.contains_key(&policy.name))
                .map(|(position, _)| position)
                .collect()
        })
    }

    /// The readers that a difference can reach, in classes.
    pub fn peers(&self, changed_policies: &[BTreeSet<usize>; 2]) -> Vec<Peers<'f>> {
        let everyone = !self.changed.assets.is_empty();
        let mut classes: BTreeMap<_, Peers<'f>> = BTreeMap::new();
        for (id, what) in self.readers() {
            let [before, after] = self.sides().map(|facts| facts.positions_for(id));
            let [changed_before, changed_after] = changed_policies;
            let reached = everyone
                || what.is_some()
                || before.iter().any(|p| changed_before.contains(p))
                || after.iter().any(|p| changed_after.contains(p));
            // Whom no policy selects has nothing on either side.
            if !reached || (before.is_empty() && after.is_empty()) {
                continue;
            }
            let reads = self.sides().map(|facts| facts.reader(id).is_ok());
            let class = Peers {
                members: Vec::new(),
                before,
                after,
                what,
            };
            let class = classes.entry((before, after, reads, what)).or_insert(class);
            class.members.push(id);
        }
        classes.into_values().collect()
    }

    /// Every organization id that is claimed, and how its record differs. Who shares a name or an
    /// id with a changed record counts as changed: the two may have been in each other's way.
    fn readers(&self) -> BTreeMap<&'f str, Option<What>> {
        let mut readers: BTreeMap<&str, Option<What>> = BTreeMap::new();
        for peer in self.sides().into_iter().flat_map(Facts::peers) {
            let what = self.changed.peers.get(&peer.name).copied();
            let known = readers.entry(&peer.payload.organization_id).or_default();
            *known = both(*known, what);
        }
        readers
    }

    /// The resources that a difference can reach, in classes, as the policies of these readers
    /// see them.
    pub fn assets(
        &self,
        peers: &[Peers<'f>],
        changed_policies: &[BTreeSet<usize>; 2],
    ) -> Vec<Assets<'f>> {
        let everything = !self.changed.peers.is_empty();
        let policies = [
            Policies::of(self.before, peers.iter().flat_map(|p| p.before)),
            Policies::of(self.after, peers.iter().flat_map(|p| p.after)),
        ];
        let [policies_before, policies_after] = &policies;
        let [changed_before, changed_after] = changed_policies;
        let mut classes: BTreeMap<_, Assets<'f>> = BTreeMap::new();
        for (group, members) in self.groups(&policies) {
            let before = policies_before.matching(group.before.as_ref());
            let after = policies_after.matching(group.after.as_ref());
            let reached = everything
                || group.what.is_some()
                || before.iter().any(|p| changed_before.contains(p))
                || after.iter().any(|p| changed_after.contains(p));
            if !reached || (before.is_empty() && after.is_empty()) {
                continue;
            }
            let opened = [group.before, group.after].map(|look| look.map(|look| look.opened));
            let key = (before.clone(), after.clone(), group.what, opened);
            let class = classes.entry(key).or_insert_with(|| Assets {
                members: Vec::new(),
                before,
                after,
                what: group.what,
                opened: opened.into_iter().flatten().flatten().cloned().collect(),
            });
            class.members.extend(members);
        }
        classes.into_values().collect()
    }

    /// Resources that look alike, before any policy is asked.
    fn groups(&self, policies: &[Policies<'f>; 2]) -> BTreeMap<Group<'f>, Vec<&'f ResourceId>> {
        let [policies_before, policies_after] = policies;
        let touched = self.touched_resources();
        let mut groups: BTreeMap<Group<'_>, Vec<&ResourceId>> = BTreeMap::new();
        let mut add = |id: &'f ResourceId| {
            let group = Group {
                before: policies_before.look(self.before, id),
                after: policies_after.look(self.after, id),
                what: touched.get(id).copied(),
            };
            groups.entry(group).or_default().push(id);
        };
        // With nothing else changed only these can differ; otherwise any can.
        let only_touched = self.changed.peers.is_empty() && self.changed.policies.is_empty();
        for (id, _) in self.before.own_assets(None) {
            if !only_touched || touched.contains_key(id) {
                add(id);
            }
        }
        for (id, _) in self.after.own_assets(None) {
            let seen = self.before.own_asset(id).is_ok();
            if !seen && (!only_touched || touched.contains_key(id)) {
                add(id);
            }
        }
        groups
    }

    /// Resource ids of which the asset differs, or stands beside one that does.
    fn touched_resources(&self) -> BTreeMap<ResourceId, What> {
        let mut touched = BTreeMap::new();
        for asset in self.sides().into_iter().flat_map(Facts::assets) {
            let what = self.changed.assets.get(&asset.name).copied();
            let id = asset.payload.resource_id.parse::<ResourceId>();
            if let (Some(what), Ok(id)) = (what, id) {
                let known = touched.get(&id).copied();
                touched.insert(id, both(known, Some(what)).unwrap_or(what));
            }
        }
        touched
    }
}

/// How something differs of which two records say something.
fn both(a: Option<What>, b: Option<What>) -> Option<What> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => Some(What::Changed),
        (a, b) => a.or(b),
    }
}

/// What a policy can see of an asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Look<'f> {
    /// Its name, if a policy names it; otherwise its name makes no difference.
    name: Option<&'f str>,
    labels: &'f Labels,
    opened: &'f [String],
}

/// Resources that look alike; `None` where they do not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Group<'f> {
    before: Option<Look<'f>>,
    after: Option<Look<'f>>,
    what: Option<What>,
}

/// The policies of one side that select a reader.
struct Policies<'f> {
    specs: Vec<(usize, &'f SharingPolicySpec)>,
    named: BTreeSet<&'f str>,
}

impl<'f> Policies<'f> {
    fn of<'p>(facts: &'f Facts, positions: impl Iterator<Item = &'p usize>) -> Self {
        let positions: BTreeSet<usize> = positions.copied().collect();
        let specs: Vec<(usize, &SharingPolicySpec)> = positions
            .into_iter()
            .filter_map(|position| Some((position, &facts.policies().get(position)?.payload.spec)))
            .collect();
        let selections = specs.iter().filter_map(|(_, spec)| spec.assets.as_ref());
        let names = selections.flat_map(|selection| selection.names.iter().flatten());
        Self {
            named: names.map(String::as_str).collect(),
            specs,
        }
    }

    fn look(&self, facts: &'f Facts, id: &ResourceId) -> Option<Look<'f>> {
        let asset: &Entry<AssetEntry> = facts.own_asset(id).ok()?;
        Some(Look {
            name: self.named.get(asset.name.as_str()).copied(),
            labels: &asset.payload.labels,
            opened: &asset.payload.units,
        })
    }

    /// Positions of the policies that select what looks like this.
    fn matching(&self, look: Option<&Look<'_>>) -> Vec<usize> {
        let Some(look) = look else { return Vec::new() };
        let name = look.name.unwrap_or_default();
        let selects = |spec: &SharingPolicySpec| {
            let selection = spec.assets.as_ref();
            selection.is_some_and(|s| selects(s, name, look.labels))
        };
        let matching = self.specs.iter().filter(|(_, spec)| selects(spec));
        matching.map(|(position, _)| *position).collect()
    }
}
