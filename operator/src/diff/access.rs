//! Two configurations compared: who may do what on one side and not on the other.
//!
//! Only pairs that a changed object can affect are looked at (`class`), and of each kind
//! of pair one. What each side grants is asked of the access model ([`super::reach`]); nothing
//! here knows a rule of it.

use std::collections::{BTreeMap, BTreeSet};

use finp2p_crds::sharing_policy::SharingPolicySpec;
use jiff::Timestamp;
use serde::Serialize;

use super::changed::What;
use super::class::{Assets, Peers, Two};
use super::pair::{self, Row};
use super::reach::{Frame, Side};

/// Most groups that are collected before those that are alike are put together: they take less
/// than 100 MiB, and nobody reads as many.
const COLLECTED_MAX_GROUPS: usize = 100_000;

/// How much a comparison may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Groups that are kept, in each direction.
    pub groups: usize,
    /// Questions that are asked.
    pub questions: usize,
}

/// What readers gained or lost in the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Group {
    /// Organization ids.
    pub peers: Vec<String>,
    /// Resource ids.
    pub resources: Vec<String>,
    /// What each of them may do with each of these.
    #[serde(flatten)]
    pub row: Row,
    /// The objects whose change it comes from.
    pub because: Vec<Cause>,
}

/// An object that differs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Cause {
    /// Kind.
    pub kind: &'static str,
    /// Name of a policy; absent where it is each of the peers or resources of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How it differs.
    pub what: What,
}

/// One direction of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Groups, sorted.
    pub groups: Vec<Group>,
    /// Groups beyond the bound.
    pub omitted: usize,
    /// Readers of all groups.
    pub peers: BTreeSet<String>,
    /// Resources of all groups.
    pub resources: BTreeSet<String>,
}

/// What differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Compared {
    /// Granted after and not before.
    pub gained: Direction,
    /// Granted before and not after.
    pub lost: Direction,
    /// Whether everything was looked at; otherwise the questions were used up.
    pub complete: bool,
}

/// Compares what two configurations grant from `now` on.
pub fn compare(two: &Two<'_>, now: Timestamp, bounds: Bounds) -> Compared {
    let changed = two.changed_policies();
    let peers = two.peers(&changed);
    let assets = two.assets(&peers, &changed);
    let mut compared = Compared {
        complete: true,
        ..Compared::default()
    };
    let mut left = bounds.questions;
    for peer in &peers {
        for asset in &assets {
            let Some(candidates) = Candidates::of(two, &changed, peer, asset) else {
                continue;
            };
            let frame = candidates.frame(asset);
            let moments = candidates.moments(now);
            let cost = frame
                .size()
                .saturating_mul(moments.len())
                .saturating_mul(candidates.len());
            let Some(rest) = left.checked_sub(cost) else {
                compared.complete = false;
                continue;
            };
            left = rest;
            let (Some(requester), Some(resource)) = (peer.members.first(), asset.members.first())
            else {
                continue;
            };
            let side = |facts| Side {
                facts,
                requester,
                resource,
            };
            let found = pair::compare(&side(two.before), &side(two.after), &frame, &moments);
            let because = candidates.because(two, peer, asset);
            compared.gained.add(peer, asset, found.gained, &because);
            compared.lost.add(peer, asset, found.lost, &because);
        }
    }
    compared.gained.merge(bounds.groups);
    compared.lost.merge(bounds.groups);
    compared
}

/// The policies of both sides that select a reader and a resource.
struct Candidates<'f> {
    before: Vec<(&'f str, &'f SharingPolicySpec)>,
    after: Vec<(&'f str, &'f SharingPolicySpec)>,
}

impl<'f> Candidates<'f> {
    /// `None` when nothing that changed concerns the two.
    fn of(
        two: &Two<'f>,
        changed: &[BTreeSet<usize>; 2],
        peer: &Peers<'f>,
        asset: &Assets<'f>,
    ) -> Option<Self> {
        let [changed_before, changed_after] = changed;
        let before = common(peer.before, &asset.before);
        let after = common(peer.after, &asset.after);
        let concerned = peer.what.is_some()
            || asset.what.is_some()
            || before.iter().any(|p| changed_before.contains(p))
            || after.iter().any(|p| changed_after.contains(p));
        let any = !before.is_empty() || !after.is_empty();
        (concerned && any).then(|| Self {
            before: policies(two.before, &before),
            after: policies(two.after, &after),
        })
    }

    fn len(&self) -> usize {
        self.before.len() + self.after.len()
    }

    fn specs(&self) -> impl Iterator<Item = &'f SharingPolicySpec> {
        self.before.iter().chain(&self.after).map(|(_, spec)| *spec)
    }

    fn frame(&self, asset: &Assets<'_>) -> Frame {
        Frame::new(self.specs(), asset.opened.iter())
    }

    /// Now, and every later moment at which one of the policies begins or ends.
    fn moments(&self, now: Timestamp) -> Vec<Timestamp> {
        let ends = self
            .specs()
            .flat_map(|spec| [&spec.not_before, &spec.not_after]);
        let later = ends.flatten().map(|end| end.0).filter(|end| *end > now);
        let moments: BTreeSet<Timestamp> = later.chain([now]).collect();
        moments.into_iter().collect()
    }

    fn because(&self, two: &Two<'_>, peer: &Peers<'_>, asset: &Assets<'_>) -> Vec<Cause> {
        let record = peer.what.map(|what| Cause {
            kind: "PeerOrganization",
            name: None,
            what,
        });
        let own = asset.what.map(|what| Cause {
            kind: "SharedAsset",
            name: None,
            what,
        });
        let names: BTreeSet<&str> = self
            .before
            .iter()
            .chain(&self.after)
            .map(|(n, _)| *n)
            .collect();
        let policies = names.into_iter().filter_map(|name| {
            let what = *two.changed.policies.get(name)?;
            Some(Cause {
                kind: "SharingPolicy",
                name: Some(name.to_owned()),
                what,
            })
        });
        record.into_iter().chain(own).chain(policies).collect()
    }
}

/// What is in both of two sorted lists.
fn common(a: &[usize], b: &[usize]) -> Vec<usize> {
    let (short, long) = if a.len() < b.len() { (a, b) } else { (b, a) };
    let there = |position: &&usize| long.binary_search(position).is_ok();
    short.iter().filter(there).copied().collect()
}

fn policies<'f>(
    facts: &'f finp2p_crds::access::Facts,
    positions: &[usize],
) -> Vec<(&'f str, &'f SharingPolicySpec)> {
    let policies = positions.iter().filter_map(|p| facts.policies().get(*p));
    policies
        .map(|p| (p.name.as_str(), &p.payload.spec))
        .collect()
}

impl Direction {
    fn add(&mut self, peer: &Peers<'_>, asset: &Assets<'_>, rows: Vec<Row>, because: &[Cause]) {
        if rows.is_empty() {
            return;
        }
        let peers: Vec<String> = peer.members.iter().map(|id| (*id).to_owned()).collect();
        let resources: Vec<String> = asset.members.iter().map(|id| id.to_string()).collect();
        self.peers.extend(peers.iter().cloned());
        self.resources.extend(resources.iter().cloned());
        let room = COLLECTED_MAX_GROUPS.saturating_sub(self.groups.len());
        self.omitted += rows.len().saturating_sub(room);
        self.groups
            .extend(rows.into_iter().take(room).map(|row| Group {
                peers: peers.clone(),
                resources: resources.clone(),
                row,
                because: because.to_vec(),
            }));
    }

    /// Puts together what differs in nothing but the resource, then in nothing but the reader.
    fn merge(&mut self, most: usize) {
        let mut by_peers: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for Group {
            peers,
            resources,
            row,
            because,
        } in self.groups.drain(..)
        {
            by_peers
                .entry((peers, row, because))
                .or_default()
                .extend(resources);
        }
        let mut by_resources: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for ((peers, row, because), resources) in by_peers {
            by_resources
                .entry((resources, row, because))
                .or_default()
                .extend(peers);
        }
        let groups = by_resources
            .into_iter()
            .map(|((resources, row, because), peers)| Group {
                peers: peers.into_iter().collect(),
                resources: resources.into_iter().collect(),
                row,
                because,
            });
        let mut groups: Vec<Group> = groups.collect();
        groups.sort();
        self.omitted += groups.len().saturating_sub(most);
        groups.truncate(most);
        self.groups = groups;
    }
}
