//! Content of own assets becomes versions: what changed, a bounded number at a time.
//!
//! A look at the configuration takes a moment even when thousands of assets changed at once: what
//! is left is published at the next looks, and the configuration is in force meanwhile.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use finp2p_crds::entry::{AssetEntry, Entry};
use finp2p_crds::shared_asset::Content;
use finp2p_crds::sidecar_config::{Exception, REPORT_MAX_ROWS};
use jiff::{SignedDuration, Timestamp};

use super::fields::FieldCheck;
use crate::config::content::ContentError;
use crate::config::{Applied, Source, Stamp};
use crate::primary::{self, Primary, PublishError};
use crate::record::RecordSigner;

/// Most contents that one look reads and publishes: with a durable commit each this is a few ten
/// milliseconds, which an edit of a policy may wait.
const CONTENTS_PER_STEP: usize = 64;
/// When content is tried again that the store did not take: it may be full for a while.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// How long the report of a configuration waits for content that its source does not give. No
/// longer than any report may wait; and an API server that is well gives it in a moment.
const GIVEN_WITHIN: SignedDuration = SignedDuration::from_secs(5);

/// What was made of each asset's content, and what waits.
#[derive(Debug, Default)]
pub struct Publisher {
    applied: Option<Arc<Applied>>,
    contents: Option<Stamp>,
    /// Positions in the assets of `applied`.
    queue: VecDeque<usize>,
    /// By resource id.
    outcomes: HashMap<String, Outcome>,
    /// Assets that came or were edited, by resource id, and when: nobody has seen their content.
    unseen: HashMap<String, Timestamp>,
    retry_at: Option<Timestamp>,
    fields: FieldCheck,
    exceptions: Exceptions,
}

/// What there is to say of objects.
#[derive(Clone, Debug, Default)]
pub struct Exceptions {
    /// At most [`REPORT_MAX_ROWS`].
    pub rows: Arc<[Exception]>,
    /// How many more there were.
    pub more: usize,
}

/// What came of the content of one asset.
#[derive(Debug)]
struct Outcome {
    content: Stamp,
    exception: Option<Exception>,
    /// Whether the same content may be taken later.
    again: bool,
}

/// What a step works with.
#[derive(Debug)]
pub struct Step<'a, S> {
    /// The time.
    pub now: Timestamp,
    /// The configuration in force.
    pub applied: &'a Arc<Applied>,
    /// Where contents are.
    pub source: &'a dyn Source,
    /// Where versions are.
    pub primary: &'a Primary,
    /// Signs them.
    pub signer: &'a S,
}

impl Publisher {
    /// Publishes some of what changed. Returns whether more is left.
    pub fn step<S: RecordSigner>(&mut self, step: &Step<'_, S>) -> bool {
        self.plan(step);
        let mut worked = false;
        for _ in 0..CONTENTS_PER_STEP {
            let Some(position) = self.queue.pop_front() else {
                break;
            };
            if let Some(asset) = step.applied.facts.assets().get(position) {
                self.publish(step, asset);
                worked = true;
            }
        }
        let checked = self.queue.is_empty() && self.fields.step(step.applied, step.primary);
        if worked || checked {
            self.exceptions = self.gather(step.applied);
        }
        !self.queue.is_empty() || self.fields.is_under_way()
    }

    /// Contents that did not become a version, and pointers that open nothing.
    #[must_use]
    pub fn exceptions(&self) -> Exceptions {
        self.exceptions.clone()
    }

    /// Whether the content of every asset of a configuration was looked at, or is not given in time:
    /// then a report of it says what there is to say.
    #[must_use]
    pub fn has_seen(&self, applied: &Arc<Applied>, now: Timestamp) -> bool {
        let current = self.applied.as_ref();
        if !current.is_some_and(|current| Arc::ptr_eq(current, applied)) {
            return !applied.facts.assets().iter().any(|a| object(a).is_some());
        }
        let mut since = self.unseen.values();
        self.queue.is_empty() && since.all(|at| now.duration_since(*at).abs() >= GIVEN_WITHIN)
    }

    /// Queues what changed since the last step.
    fn plan<S>(&mut self, step: &Step<'_, S>) {
        let moved = !self
            .applied
            .as_ref()
            .is_some_and(|applied| Arc::ptr_eq(applied, step.applied));
        if moved {
            self.take_over(step);
        }
        let contents = step.source.contents_stamp();
        let due = self.retry_at.is_some_and(|at| step.now >= at);
        if !moved && !due && self.contents.as_ref() == Some(&contents) {
            return;
        }
        self.contents = Some(contents);
        if due {
            self.retry_at = None;
        }
        self.queue.clear();
        for (position, asset) in step.applied.facts.assets().iter().enumerate() {
            let Some(content) = object(asset) else {
                continue;
            };
            let known = self.outcomes.get(&asset.payload.resource_id);
            let unchanged = known.is_some_and(|outcome| {
                !(due && outcome.again) && outcome.content == step.source.content_stamp(content)
            });
            if !unchanged {
                self.queue.push_back(position);
            }
        }
    }

    /// Forgets what came of assets that are gone or were edited.
    fn take_over<S>(&mut self, step: &Step<'_, S>) {
        let before = self.applied.replace(Arc::clone(step.applied));
        let before = before.as_deref();
        let same = before.map_or_else(HashSet::new, |before| unchanged(before, step.applied));
        self.outcomes
            .retain(|resource, _| same.contains(resource.as_str()));
        let mut unseen = HashMap::new();
        let mut followed = Vec::new();
        for asset in step.applied.facts.assets() {
            let Some(content) = object(asset) else {
                continue;
            };
            followed.push(content);
            let resource = &asset.payload.resource_id;
            let known = self.unseen.get(resource).copied();
            if known.is_some() || !same.contains(resource.as_str()) {
                unseen.insert(resource.clone(), known.unwrap_or(step.now));
            }
        }
        self.unseen = unseen;
        step.source.follow(&followed);
    }

    fn publish<S: RecordSigner>(&mut self, step: &Step<'_, S>, asset: &Entry<AssetEntry>) {
        let Some(content) = object(asset) else {
            return;
        };
        // Before the content itself: what is replaced in between is then read again.
        let stamp = step.source.content_stamp(content);
        let result = match step.source.content(content) {
            // It rings when the answer is there.
            Err(ContentError::Pending { .. } | ContentError::Api) => return,
            Err(error) => Err(error.into()),
            Ok(bytes) => step
                .primary
                .publish(step.now, step.applied, asset, &bytes, step.signer),
        };
        let again = matches!(result, Err(PublishError::Store(_)));
        if again {
            self.retry_at = Some(step.now.checked_add(RETRY_AFTER).unwrap_or(step.now));
        }
        let exception = result.err().map(|error| primary::exception(asset, &error));
        self.unseen.remove(&asset.payload.resource_id);
        self.outcomes.insert(
            asset.payload.resource_id.clone(),
            Outcome {
                content: stamp,
                exception,
                again,
            },
        );
    }

    fn gather(&self, applied: &Applied) -> Exceptions {
        let contents = applied.facts.assets().iter().filter_map(|asset| {
            let outcome = self.outcomes.get(&asset.payload.resource_id)?;
            outcome.exception.clone()
        });
        let mut all = contents.chain(self.fields.found());
        Exceptions {
            rows: all.by_ref().take(REPORT_MAX_ROWS).collect(),
            more: all.count(),
        }
    }
}

/// The content of an asset that takes it from an object, if the node reads that.
fn object(asset: &Entry<AssetEntry>) -> Option<&Content> {
    let content = asset.payload.content.as_ref()?;
    let is_read = content.api.is_none() && !asset.payload.content_left_out;
    is_read.then_some(content)
}

/// Assets of `now`, by resource id, that are what they were in `before`, schema included.
fn unchanged<'n>(before: &Applied, now: &'n Applied) -> HashSet<&'n str> {
    let known: HashMap<&str, &Entry<AssetEntry>> = before
        .facts
        .assets()
        .iter()
        .map(|asset| (asset.payload.resource_id.as_str(), asset))
        .collect();
    let assets = now.facts.assets().iter();
    assets
        .filter(|asset| {
            let known = known.get(asset.payload.resource_id.as_str());
            known.is_some_and(|known| known.uid == asset.uid && known.payload == asset.payload)
                && before.schemas.get(&asset.uid) == now.schemas.get(&asset.uid)
        })
        .map(|asset| asset.payload.resource_id.as_str())
        .collect()
}
