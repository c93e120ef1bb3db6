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

/// The check, and what the last whole round found.
#[derive(Debug, Default)]
pub struct FieldCheck {
    /// What the round is about.
    round: Option<Round>,
    found: BTreeMap<String, Exception>,
}

#[derive(Debug)]
struct Round {
    applied: Arc<Applied>,
    revision: u64,
    /// Position in the policies; `None` once all were looked at.
    next: Option<usize>,
    found: BTreeMap<String, Exception>,
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
                found: BTreeMap::new(),
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

    /// At most one exception an asset.
    pub fn found(&self) -> impl Iterator<Item = Exception> {
        self.found.values().cloned()
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
            if unknown.is_empty() || self.found.len() >= REPORT_MAX_ROWS {
                continue;
            }
            let message = format!(
                "policy {} opens {}, where this asset has nothing: mend the pointer, or list the \
                 object in units of the asset",
                policy.name,
                unknown.join(", ")
            );
            self.found
                .entry(asset.name.clone())
                .or_insert_with(|| Exception {
                    kind: "SharedAsset".to_owned(),
                    name: asset.name.clone(),
                    reason: reasons::FIELD_UNKNOWN.to_owned(),
                    message: message.chars().take(1024).collect(),
                });
        }
    }
}
