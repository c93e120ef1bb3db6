//! One look at the configuration: what was replaced is read, decided, kept, and put in force.
//! Beside it, on a thread of its own, content that changed is published: no content, however long it
//! takes, keeps an edit of a policy from being in force.
//!
//! The node's state is locked only to read or swap it, so that whoever asks for it (the local
//! API, probes, metrics) never waits for a disk, a decoding, or thousands of contents.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Node;
use super::publish::Step;
use super::served::Served;
use crate::audit::Change;
use crate::config::changes::Changes;
use crate::config::keep::{self, KeepError};
use crate::config::tracker::Age;
use crate::config::{Applied, Outcome, Stamp, Standing};
use crate::primary::Primary;
use crate::store::{Key, Space};

/// How often it is looked whether the volume takes what is written: a node that cannot write is not
/// ready, and whoever probes it asks about as often.
const CHECK_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// How often time floor and last contact are kept: a restart forgets at most this much.
const KEEP_EVERY: SignedDuration = SignedDuration::from_secs(60);
pub(super) const TIME_FLOOR: &str = "floor";

/// What the network side takes over after a look.
#[derive(Clone, Debug)]
pub struct Tick {
    /// What is served with now; `None` while configuration or certificates are missing.
    pub served: Option<Arc<Served>>,
    /// Whether `served` is another than after the last look.
    pub changed: bool,
}

/// What a step of publishing did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Whether more waits to be published.
    pub more: bool,
    /// Whether the report says something else.
    pub told: bool,
}

/// What only looks work with.
#[derive(Debug, Default)]
pub(super) struct Work {
    /// What the source looked like when it was read last without trouble.
    stamp: Option<Stamp>,
    checked_at: Option<Timestamp>,
    kept_at: Option<Timestamp>,
}

impl Node {
    /// Reads what was replaced, and says what is served with now.
    pub fn tick(&self, now: Timestamp) -> Tick {
        let mut work = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = self.source.stamp();
        if work.stamp.as_ref() == Some(&stamp) {
            self.touch(now);
        } else if self.read(now) {
            work.stamp = Some(stamp);
        }
        let standing = self.standing(now);
        let before = self.inner().served.clone();
        let served = standing
            .as_ref()
            .and_then(|s| self.serve(s, before.as_ref()));
        let changed = match (&before, &served) {
            (Some(before), Some(after)) => !before.is_same(after),
            (None, None) => false,
            _ => true,
        };
        self.inner().served.clone_from(&served);
        self.housekeep(now, &mut work);
        Tick { served, changed }
    }

    /// Publishes some of the content that changed. One thread at a time, beside the looks.
    pub fn publish(&self, now: Timestamp) -> Published {
        let publisher = self.publisher.lock();
        let mut publisher = publisher.unwrap_or_else(PoisonError::into_inner);
        let served = self.inner().served.clone();
        let mut more = false;
        if let (Some(served), Some(primary)) = (&served, self.primary()) {
            // Published only once certified: readers refuse what was signed before its key was.
            more = publisher.step(&Step {
                now,
                applied: &served.applied,
                source: &*self.source,
                primary: &primary,
                signer: &self.keys.record,
            });
        }
        let standing = self.standing(now);
        let seen = standing
            .map(|standing| standing.applied)
            .filter(|applied| publisher.has_seen(applied, now));
        let exceptions = publisher.exceptions();
        let mut inner = self.inner();
        let told = !Arc::ptr_eq(&inner.exceptions.rows, &exceptions.rows)
            || seen.is_some()
                && seen.as_ref().map(Arc::as_ptr) != inner.seen.as_ref().map(Arc::as_ptr);
        inner.exceptions = exceptions;
        inner.seen = seen.or(inner.seen.take());
        Published { more, told }
    }

    /// The source holds what it held: it is contact if what it holds can be used.
    fn touch(&self, now: Timestamp) {
        let reached = self.source.reached(now);
        let mut inner = self.inner();
        if let (None, Some(reached)) = (&inner.trouble, reached) {
            inner.tracker.touch(reached);
        }
    }

    /// Returns whether the source needs no reading until it changes.
    fn read(&self, now: Timestamp) -> bool {
        let reading = match self.source.read() {
            Ok(reading) => reading,
            Err(error) => {
                self.trouble(error.to_string());
                return false;
            }
        };
        let reached = self.source.reached(now).unwrap_or(now);
        let newest = self.inner().tracker.newest().cloned();
        let decoded = Applied::decode(reading, newest.as_deref());
        let outcome = {
            let mut inner = self.inner();
            let outcome = inner.tracker.observe(reached, decoded);
            if !matches!(outcome, Outcome::Incomplete(_) | Outcome::Foreign) {
                inner.trouble = None;
            }
            outcome
        };
        match outcome {
            Outcome::Same => {}
            Outcome::Applied => {
                self.save();
                self.note(now, "configuration-applied", newest.as_deref());
            }
            Outcome::RolledBack { seen, remembered } => {
                tracing::error!(
                    seen,
                    remembered,
                    "ConfigurationRolledBack: only what both configurations grant is served until a person accepts it or a higher sequence comes"
                );
                self.note(now, "configuration-rolled-back", newest.as_deref());
            }
            Outcome::Incomplete(incomplete) => {
                self.trouble(incomplete.to_string());
                return false;
            }
            Outcome::Foreign => {
                self.trouble(
                    "the configuration is for another organization or network than this volume"
                        .to_owned(),
                );
                return false;
            }
        }
        true
    }

    fn trouble(&self, what: String) {
        let mut inner = self.inner();
        if inner.trouble.as_ref() != Some(&what) {
            tracing::warn!("{what}: what was applied before stays in force");
        }
        inner.trouble = Some(what);
    }

    /// Brings what is in force to the node's volume.
    pub(super) fn save(&self) {
        let mut last = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = self.inner().tracker.kept() else {
            return;
        };
        match keep::save(&*self.store, &kept, last.as_deref()) {
            Ok(()) => *last = Some(kept.applied),
            Err(error) => {
                // Withdrawn access must end even when the disk is full.
                tracing::error!(%error, "the configuration is in force and was not kept");
                *last = None;
            }
        }
    }

    /// Audits that another configuration is in force, and what is other in it than in the one that
    /// was observed last.
    fn note(&self, now: Timestamp, what: &str, before: Option<&Applied>) {
        let Some(standing) = self.standing(now) else {
            return;
        };
        let Changes { objects, more } = Changes::between(before, &standing.applied);
        let change = Change {
            objects,
            more,
            ..change(now, what, &standing)
        };
        tracing::info!(sequence = standing.applied.root.sequence, set = %standing.applied.root.set, "{what}");
        if let Err(error) = self.audit.append_durable(&change.into()) {
            tracing::error!(%error, "a change of configuration could not be audited");
        }
    }

    /// What is served with: what it was before, when nothing it is made of changed.
    fn serve(&self, standing: &Standing, before: Option<&Arc<Served>>) -> Option<Arc<Served>> {
        let root = &standing.applied.root;
        self.primary.get_or_init(|| {
            Arc::new(Primary::new(
                Arc::clone(&self.store),
                root.organization_id.clone(),
                root.network.clone(),
            ))
        });
        let same = |served: &Served| {
            let restrained = match (&served.restrained_by, &standing.restrained_by) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            restrained
                && Arc::ptr_eq(&served.applied, &standing.applied)
                && served.stale == (standing.age == Age::Stale)
        };
        match before.filter(|before| same(before)) {
            Some(before) => Some(Arc::clone(before)),
            None => Served::new(standing, &self.keys).map(Arc::new),
        }
    }

    fn housekeep(&self, now: Timestamp, work: &mut Work) {
        let due = |last: Option<Timestamp>, every| {
            last.is_none_or(|at| now.duration_since(at).abs() >= every)
        };
        if due(work.checked_at, CHECK_EVERY) {
            work.checked_at = Some(now);
            self.check_volume();
        }
        // Not while nothing can be written: they are counted on.
        if self.audit.trouble().is_none()
            && let Some(entry) = self.counters.due(now)
            && let Err(error) = self.audit.append(&entry)
        {
            tracing::error!(%error, "counted refusals are not audited yet");
            self.counters.put_back(entry);
        }
        if due(work.kept_at, KEEP_EVERY) {
            work.kept_at = Some(now);
            self.keep_time(now);
        }
    }

    /// Looks whether the volume takes what is written.
    fn check_volume(&self) {
        // Whoever asks for the trouble is told.
        let _noted = self.audit.check();
        if self.store.trouble().is_some() && self.store.wants_restart() {
            self.wants_restart.store(true, Ordering::Relaxed);
        }
    }

    /// Keeps the time floor, and when the source was last reached.
    pub(super) fn keep_time(&self, now: Timestamp) {
        let floor = self.timekeeper.keep(now).to_be_bytes().to_vec();
        let contact = self.inner().tracker.contact();
        let kept = Key::new(Space::TimeFloor, TIME_FLOOR)
            .and_then(|key| self.store.put(key, floor.into()))
            .map_err(KeepError::from)
            .and_then(|()| contact.map_or(Ok(()), |at| keep::save_contact(&*self.store, at)));
        if let Err(error) = kept {
            tracing::error!(%error, "the time could not be kept");
        }
    }
}

pub(super) fn change(now: Timestamp, what: &str, standing: &Standing) -> Change {
    Change {
        at: now,
        what: what.to_owned(),
        digest: standing.applied.digest,
        sequence: u64::try_from(standing.applied.root.sequence).ok(),
        objects: Vec::new(),
        more: 0,
    }
}

#[cfg(test)]
mod tests;
