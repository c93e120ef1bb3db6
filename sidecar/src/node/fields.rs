//! Pointers of policies that open nothing on an asset they match (`FieldUnknown`).
//!
//! Whatever it finds only ever goes into the report, and with a thousand policies over ten
//! thousand assets it takes a while: a bounded part of it is done at each look.

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_crds::access;
use finp2p_crds::condition::reasons;
use finp2p_crds::entry::{Entry, PolicyEntry};
use finp2p_crds::sidecar_config::{Exception, REPORT_MAX_ROWS};

use crate::config::Applied;
use crate::primary::Primary;

/// Most assets that one look goes through: some ten milliseconds at worst.
const ASSETS_PER_STEP: usize = 4096;

/// Most rows about policies, and about assets: together they fill the report and no more.
const ROWS_MAX: usize = REPORT_MAX_ROWS / 2;
/// Longest message of an exception, characters, as in the schema.
const MESSAGE_MAX_CHARS: usize = 1024;

/// The check, and what the last whole round found.
#[derive(Debug, Default)]
pub struct FieldCheck {
    /// What the round is about.
    round: Option<Round>,
    found: Found,
}

/// What a round found, by name; each row names the first of the others.
#[derive(Debug, Default)]
struct Found {
    policies: BTreeMap<String, Exception>,
    assets: BTreeMap<String, Exception>,
}

#[derive(Debug)]
struct Round {
    applied: Arc<Applied>,
    revision: u64,
    /// Position in the policies; `None` once all were looked at.
    next: Option<usize>,
    found: Found,
}

impl FieldCheck {
    /// Goes on with the round, or begins one when configuration or versions changed. Returns
    /// whether a round came to its end.
    pub fn step(&mut self, applied: &Arc<Applied>, primary: &Primary) -> bool {
        let revision = primary.revision();
        let current = self.round.as_ref().is_some_and(|round| {
            round.revision == revision && Arc::ptr_eq(&round.applied, applied)
        });
        if !current {
            self.round = Some(Round {
                applied: Arc::clone(applied),
                revision,
                next: Some(0),
                found: Found::default(),
            });
        }
        let Some(round) = self.round.as_mut().filter(|round| round.next.is_some()) else {
            return false;
        };
        round.step(primary);
        if round.next.is_some() {
            return false;
        }
        self.found = std::mem::take(&mut round.found);
        true
    }

    /// Whether a round has begun and not ended.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.round
            .as_ref()
            .is_some_and(|round| round.next.is_some())
    }

    /// At most one exception an asset and one a policy.
    pub fn found(&self) -> impl Iterator<Item = Exception> {
        let Found { policies, assets } = &self.found;
        policies.values().chain(assets.values()).cloned()
    }
}

impl Round {
    fn step(&mut self, primary: &Primary) {
        let applied = Arc::clone(&self.applied);
        let assets = applied.facts.assets().len();
        let mut looked_at = 0;
        while let Some(policy) = self
            .next
            .and_then(|next| applied.facts.policies().get(next))
        {
            if looked_at >= ASSETS_PER_STEP {
                return;
            }
            if policy.payload.spec.fields.is_some() {
                self.look_at(policy, primary);
                looked_at += assets;
            }
            self.next = self.next.map(|next| next + 1);
        }
        self.next = None;
    }

    fn look_at(&mut self, policy: &Entry<PolicyEntry>, primary: &Primary) {
        let applied = Arc::clone(&self.applied);
        for asset in applied.facts.matched_assets(&policy.payload.spec) {
            let resource = asset.payload.resource_id.parse().ok();
            let Some(units) = resource.and_then(|id| primary.units(&id)) else {
                continue;
            };
            let unknown = access::fields_unknown(&policy.payload.spec, &units);
            if unknown.is_empty() {
                continue;
            }
            let fields = unknown.join(", ");
            self.found.tell(&policy.name, &asset.name, &fields);
        }
    }
}

impl Found {
    fn tell(&mut self, policy: &str, asset: &str, fields: &str) {
        const CURE: &str = "mend the pointer, or list the object in units of the asset";
        let row = |kind: &str, name: &str, message: String| Exception {
            kind: kind.to_owned(),
            name: name.to_owned(),
            reason: reasons::FIELD_UNKNOWN.to_owned(),
            message: message.chars().take(MESSAGE_MAX_CHARS).collect(),
        };
        if self.policies.len() < ROWS_MAX {
            self.policies.entry(policy.to_owned()).or_insert_with(|| {
                let message = format!(
                    "{fields} opens nothing on SharedAsset {asset}, where there is no such field: {CURE}"
                );
                row("SharingPolicy", policy, message)
            });
        }
        if self.assets.len() < ROWS_MAX {
            self.assets.entry(asset.to_owned()).or_insert_with(|| {
                let message =
                    format!("policy {policy} opens {fields}, where this asset has nothing: {CURE}");
                row("SharedAsset", asset, message)
            });
        }
    }
}
