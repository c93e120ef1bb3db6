//! Each policy alone: what it says to a question when there is no other.
//!
//! It is asked of the access model too, with declarations that hold nothing but this policy and
//! the two parties. The model grants the union of what each policy grants alone.

use std::sync::Arc;

use finp2p_crds::access::{Facts, Reason, Shortfall, Wanted, decide, selects};
use finp2p_crds::entry::{AssetEntry, Entry, PeerEntry, PolicyEntry};
use finp2p_crds::label::Labels;

use super::Asked;
use super::content::Units;

/// What one policy says.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Name of the policy.
    pub name: String,
    /// Its generation.
    pub generation: i64,
    /// Commit or ticket behind it.
    pub change: Option<String>,
    /// Its word.
    pub word: Word,
    /// The policy.
    pub policy: Arc<Entry<PolicyEntry>>,
}

/// The word of one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// It opens these fields for this request.
    Grants(Vec<String>),
    /// It selects both parties, and this is lacking.
    Lacks(Shortfall),
    /// It is satisfied, and one of the parties is none: nothing it says counts.
    Barred,
    /// It is satisfied, and there is no content yet.
    Waits,
    /// It selects the resource, and not the reader.
    NotThisPeer,
    /// It selects the reader, and not the resource.
    NotThisAsset,
}

impl Word {
    fn rank(&self) -> u8 {
        match self {
            Self::Grants(_) => 0,
            Self::Lacks(_) | Self::Barred | Self::Waits => 1,
            Self::NotThisPeer | Self::NotThisAsset => 2,
        }
    }
}

/// The word of each policy that selects one of the parties, and how many select neither.
pub fn lines(facts: &Facts, asked: &Asked, units: &Units) -> (Vec<Line>, usize) {
    let parties = Parties::of(facts, asked);
    let mut lines = Vec::new();
    let mut unrelated = 0;
    for policy in facts.policies() {
        let Some(word) = parties.word(policy, asked, units) else {
            unrelated += 1;
            continue;
        };
        lines.push(Line {
            name: policy.name.clone(),
            generation: policy.generation,
            change: policy.payload.change.clone(),
            word,
            policy: Arc::clone(policy),
        });
    }
    // Policies come sorted by name; the sort is stable.
    lines.sort_by_key(|line| line.word.rank());
    (lines, unrelated)
}

/// The records of both parties, and of whoever is in their way.
struct Parties {
    organization: String,
    peers: Vec<Entry<PeerEntry>>,
    assets: Vec<Entry<AssetEntry>>,
    requester: String,
    resource: String,
}

impl Parties {
    fn of(facts: &Facts, asked: &Asked) -> Self {
        let (requester, resource) = (&asked.requester, asked.resource.to_string());
        let is_peer = |peer: &Entry<PeerEntry>| peer.payload.organization_id == *requester;
        let is_asset = |asset: &Entry<AssetEntry>| asset.payload.resource_id == resource;
        Self {
            organization: facts.organization().to_owned(),
            peers: with_namesakes(facts.peers(), is_peer),
            assets: with_namesakes(facts.assets(), is_asset),
            requester: requester.clone(),
            resource,
        }
    }

    /// What a policy says; `None` when it selects neither party.
    fn word(&self, policy: &Arc<Entry<PolicyEntry>>, asked: &Asked, units: &Units) -> Option<Word> {
        let spec = &policy.payload.spec;
        let peers = self
            .peers
            .iter()
            .filter(|p| p.payload.organization_id == self.requester);
        let is_peer = peers
            .into_iter()
            .any(|p| selects(&spec.peers, &p.name, &p.payload.labels));
        let is_asset = spec.assets.as_ref().is_some_and(|selection| {
            let picked = |name: &str, labels: &Labels| selects(selection, name, labels);
            let mut assets = self
                .assets
                .iter()
                .filter(|a| a.payload.resource_id == self.resource);
            assets.any(|a| picked(&a.name, &a.payload.labels))
        });
        match (is_peer, is_asset) {
            (false, false) => None,
            (false, true) => Some(Word::NotThisPeer),
            (true, false) => Some(Word::NotThisAsset),
            (true, true) => Some(self.alone(policy, asked, units)),
        }
    }

    fn alone(&self, policy: &Arc<Entry<PolicyEntry>>, asked: &Asked, units: &Units) -> Word {
        let facts = Facts::new(
            self.organization.clone(),
            self.peers.clone(),
            vec![(**policy).clone()],
            self.assets.clone(),
        );
        let mut question = asked.question(units.known());
        question.wanted = Wanted::Everything;
        match decide(&facts, &question) {
            Ok(access) => Word::Grants(access.units),
            Err(refusal) => match refusal.policies.into_iter().next() {
                Some(miss) => Word::Lacks(miss.because),
                None if refusal.reason == Reason::NoContent => Word::Waits,
                None => Word::Barred,
            },
        }
    }
}

/// Entries that are meant, and those that bear the name of one: two of one name are disputed.
fn with_namesakes<T: Clone>(
    entries: &[Entry<T>],
    is_meant: impl Fn(&Entry<T>) -> bool,
) -> Vec<Entry<T>> {
    let meant: Vec<&str> = entries
        .iter()
        .filter(|e| is_meant(e))
        .map(|e| e.name.as_str())
        .collect();
    let kept = entries
        .iter()
        .filter(|e| is_meant(e) || meant.contains(&e.name.as_str()));
    kept.cloned().collect()
}
