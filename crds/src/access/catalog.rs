//! What a peer may see listed.

use jiff::Timestamp;

use super::grant::{Grant, Opened, Terms, Wanted, choose, opened};
use super::{Facts, Operation, grants_in_force};
use crate::entry::{AssetEntry, Entry};
use crate::resource_id::ResourceId;

/// One asset that a peer may see listed, with the advertised grants in force on it.
#[derive(Clone, Debug)]
pub struct Listing<'f> {
    /// Its id on the network.
    pub resource: &'f ResourceId,
    /// The asset.
    pub asset: &'f Entry<AssetEntry>,
    /// The advertised grants, by name and uid of the policy; at least one.
    pub grants: Vec<Grant>,
}

/// Our assets that the requester may see listed, in the order of their resource ids and
/// after the given one. Listed is what an advertised grant in force opens for fetching;
/// a policy with `advertise: false` lists nothing.
pub fn catalog<'f>(
    facts: &'f Facts,
    now: Timestamp,
    requester: &'f str,
    after: Option<&ResourceId>,
) -> impl Iterator<Item = Listing<'f>> {
    facts
        .own_assets(after)
        .filter_map(move |(resource, asset)| {
            let in_force =
                grants_in_force(facts, now, requester, resource, Operation::Fetch).ok()?;
            let grants: Vec<Grant> = in_force
                .grants()
                .iter()
                .filter(|grant| grant.is_advertised())
                .cloned()
                .collect();
            (!grants.is_empty()).then_some(Listing {
                resource,
                asset,
                grants,
            })
        })
}

impl Listing<'_> {
    /// Purposes that a request may name, sorted; empty when no grant asks for one.
    pub fn purposes(&self) -> Vec<String> {
        let lists = self.grants.iter().map(|g| &g.policy.payload.spec.purposes);
        let mut purposes: Vec<String> = lists.flatten().flatten().cloned().collect();
        purposes.sort();
        purposes.dedup();
        purposes
    }

    /// The units that the listed grants open for one purpose or another, and the terms that
    /// would bind the reader. `None` when they open nothing on this content.
    pub fn offer(&self, units: &[String]) -> Option<(Vec<String>, Terms)> {
        let grants: Vec<&Grant> = self.grants.iter().collect();
        let chosen = choose(opened(&grants, units), Wanted::Everything)?;
        let purposes = self.purposes();
        let terms = Terms {
            purposes: (!purposes.is_empty()).then_some(purposes),
            ..Terms::of(&chosen)
        };
        let units = chosen.iter().map(Opened::unit).map(str::to_owned).collect();
        Some((units, terms))
    }
}
