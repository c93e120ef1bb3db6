//! The short form of what a change gains, for an Event `AccessWidened` of a running operator.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use finp2p_crds::access::Facts;
use finp2p_crds::entry::PeerEntry;
use jiff::Timestamp;

use super::access::{Bounds, Group, compare};
use super::changed::Changed;
use super::class::Two;
use super::eligibility::{Loosened, looser};
use super::report::{printable, word};
use super::scope::listed;
use super::trust::{Record, Trust, wider};

/// Most bytes of the note of an Event (`events.k8s.io/v1`).
pub const NOTE_MAX_BYTES: usize = 1024;
/// Groups that a note can name; the rest is counted.
const GROUPS: usize = 16;
/// About a second of work: an edit of one object takes a thousandth of it. Beyond, the note says
/// that not everything was looked at.
const QUESTIONS: usize = 2_000_000;
/// Most bytes of a change in a note: a commit hash has 40.
const CHANGE_MAX_BYTES: usize = 64;
/// Names in one clause of a note.
const NAMES_SHOWN: usize = 3;

/// What a change gained, in short. [`Widened::between`] makes one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Widened {
    /// Access, at most sixteen groups.
    pub access: Vec<Group>,
    /// Groups beyond.
    pub omitted: usize,
    /// Readers of all groups.
    pub peers: usize,
    /// Resources of all groups.
    pub resources: usize,
    /// What is newly trusted, by organization id.
    pub trust: Vec<(String, Trust)>,
    /// Demands on buyers that are gone, by resource id.
    pub eligibility: Vec<(String, Loosened)>,
    /// Commits or tickets behind the objects that it comes from.
    pub changes: BTreeSet<String>,
    /// Whether everything was looked at.
    pub complete: bool,
}

impl Widened {
    /// What `after` grants from `now` on that `before` did not; `None` when nothing.
    ///
    /// Only what `changed` can affect is looked at; [`Changed::between`] finds it. An object
    /// that is not in it must be the same on both sides.
    pub fn between(
        before: &Facts,
        after: &Facts,
        changed: &Changed,
        now: Timestamp,
    ) -> Option<Self> {
        let two = Two {
            before,
            after,
            changed,
        };
        let compared = compare(
            &two,
            now,
            Bounds {
                groups: GROUPS,
                questions: QUESTIONS,
            },
        );
        let mut widened = Self {
            access: compared.gained.groups,
            omitted: compared.gained.omitted,
            peers: compared.gained.peers.len(),
            resources: compared.gained.resources.len(),
            trust: trust(before, after, changed),
            eligibility: eligibility(before, after, changed),
            changes: BTreeSet::new(),
            complete: compared.complete,
        };
        let nothing = widened.access.is_empty()
            && widened.trust.is_empty()
            && widened.eligibility.is_empty()
            && widened.complete;
        widened.changes = widened.changes(after, changed);
        (!nothing).then_some(widened)
    }

    /// The changes behind the objects that differ and have part in what was gained.
    fn changes(&self, after: &Facts, changed: &Changed) -> BTreeSet<String> {
        let rows = || self.access.iter().map(|group| &group.row);
        let granting = rows().flat_map(|row| &row.policies);
        let policies = granting
            .filter(|policy| changed.policies.contains_key(&policy.name))
            .map(|policy| policy.change.clone());
        let mut readers: BTreeSet<&String> = self.trust.iter().map(|(id, _)| id).collect();
        readers.extend(self.access.iter().flat_map(|group| &group.peers));
        let peers = after.peers().iter().filter(|peer| {
            changed.peers.contains_key(&peer.name)
                && readers.contains(&peer.payload.organization_id)
        });
        let mut opened: BTreeSet<&String> = self.eligibility.iter().map(|(id, _)| id).collect();
        opened.extend(self.access.iter().flat_map(|group| &group.resources));
        let assets = after.assets().iter().filter(|asset| {
            changed.assets.contains_key(&asset.name) && opened.contains(&asset.payload.resource_id)
        });
        let peers = peers.map(|peer| peer.payload.change.clone());
        let assets = assets.map(|asset| asset.payload.change.clone());
        policies.chain(peers).chain(assets).flatten().collect()
    }

    /// One paragraph, at most [`NOTE_MAX_BYTES`]: the numbers first, then as much as there is
    /// room for. Holds names, pointers and ids, and nothing private.
    pub fn note(&self) -> String {
        let mut head = Vec::new();
        if self.peers > 0 {
            head.push(format!("peers: {}, assets: {}", self.peers, self.resources));
        }
        if !self.trust.is_empty() {
            head.push(format!("points of trust: {}", self.trust.len()));
        }
        if !self.eligibility.is_empty() {
            head.push(format!("demands on buyers: {}", self.eligibility.len()));
        }
        if !self.complete {
            head.push("not everything was looked at: use finp2p-operator diff".to_owned());
        }
        if !self.changes.is_empty() {
            let changes: Vec<String> = self.changes.iter().cloned().collect();
            head.push(format!("change {}", listed(&changes, NAMES_SHOWN, change)));
        }
        let mut note = format!("access gained ({})", head.join(", "));
        let clauses: Vec<String> = self.clauses().collect();
        let all = clauses.len() + self.omitted;
        for (shown, clause) in clauses.iter().enumerate() {
            let more = format!("; and {} more", all.saturating_sub(shown));
            let separator = if shown == 0 { ": " } else { "; " };
            // The last clause needs no room for what would follow it.
            let reserve = if shown + 1 == all { 0 } else { more.len() };
            if note.len() + separator.len() + clause.len() + reserve > NOTE_MAX_BYTES {
                note.push_str(&more);
                return note;
            }
            let _ = write!(note, "{separator}{clause}");
        }
        if self.omitted > 0 {
            let _ = write!(note, "; and {} more", self.omitted);
        }
        note
    }

    fn clauses(&self) -> impl Iterator<Item = String> {
        let access = self.access.iter().map(|group| {
            let names = |names: &[String]| listed(names, NAMES_SHOWN, printable);
            let rights: Vec<&str> = group.row.rights.iter().map(|right| word(*right)).collect();
            let from = group
                .row
                .from
                .map(|from| format!(" from {from}"))
                .unwrap_or_default();
            format!(
                "{} may {} {} of {} for {}{from}",
                names(&group.peers),
                rights.join(", "),
                group.row.fields.phrase("every field", printable),
                names(&group.resources),
                group.row.purposes.phrase("any purpose", printable),
            )
        });
        let trust = self
            .trust
            .iter()
            .map(|(id, trust)| format!("{id}: {}", printable(&trust.phrase())));
        let eligibility = self
            .eligibility
            .iter()
            .map(|(id, loosened)| format!("{id}: {}", printable(&loosened.phrase())));
        trust.chain(access).chain(eligibility)
    }
}

/// A change in a note: enough for a ticket or a commit, and little beside what it brought.
fn change(text: &str) -> String {
    let mut text = printable(text);
    text.truncate(text.floor_char_boundary(CHANGE_MAX_BYTES));
    text
}

fn trust(before: &Facts, after: &Facts, changed: &Changed) -> Vec<(String, Trust)> {
    let mut found = Vec::new();
    for peer in after
        .peers()
        .iter()
        .filter(|p| changed.peers.contains_key(&p.name))
    {
        let id = &peer.payload.organization_id;
        let same = |other: &PeerEntry| other.organization_id == *id;
        let old = before.peers().iter().find(|other| same(&other.payload));
        let old = old.map(|old| Record::of_entry(&old.payload));
        let new = Record::of_entry(&peer.payload);
        found.extend(
            wider(old.as_ref(), Some(&new))
                .into_iter()
                .map(|t| (id.clone(), t)),
        );
    }
    found
}

fn eligibility(before: &Facts, after: &Facts, changed: &Changed) -> Vec<(String, Loosened)> {
    let mut found = Vec::new();
    for asset in after
        .assets()
        .iter()
        .filter(|a| changed.assets.contains_key(&a.name))
    {
        let id = &asset.payload.resource_id;
        let old = before
            .assets()
            .iter()
            .find(|other| other.payload.resource_id == *id);
        let loosened = old
            .map(|old| looser(&old.payload, &asset.payload))
            .unwrap_or_default();
        found.extend(loosened.into_iter().map(|l| (id.clone(), l)));
    }
    found
}
