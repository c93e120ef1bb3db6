//! Which configuration is in force: complete sets, sequence, roll-back, age.

use std::sync::Arc;

use finp2p_crds::sidecar_config::{LINEAGE_MAX, Root};
use jiff::{SignedDuration, Timestamp};

use super::{Applied, Incomplete};

/// Without contact for this long the node warns: long enough for an upgrade of the control
/// plane, short enough for a person on call to act long before the node denies.
pub const WARN_AGE: SignedDuration = SignedDuration::from_hours(1);

/// The newest configuration ever applied, remembered across restarts.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Remembered {
    /// Uid of its root.
    pub uid: String,
    /// Its sequence.
    pub sequence: i64,
    /// Its mark in the root's lineage; `None` where the root had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

/// What is kept on the node's volume.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The newest set that was applied without doubt.
    pub applied: Arc<Applied>,
    /// Its sequence, and where it came from.
    pub remembered: Remembered,
}

/// What the node decides with now.
#[derive(Clone, Debug)]
pub struct Standing {
    /// The configuration in force.
    pub applied: Arc<Applied>,
    /// After a roll-back: only what this one grants too is served.
    pub restrained_by: Option<Arc<Applied>>,
    /// How old the last contact with the source is.
    pub age: Age,
}

/// How old the last contact with the source of the configuration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// In contact.
    Fresh,
    /// No contact for [`WARN_AGE`].
    Warn,
    /// No contact for `maxConfigAgeSeconds`: everything is denied (`ConfigurationStale`).
    Stale,
}

/// What an observation changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    Same,
    /// Another configuration is in force.
    Applied,
    /// The source does not hold a complete set now; what was applied stays.
    Incomplete(Incomplete),
    /// The source went back: `ConfigurationRolledBack`.
    RolledBack {
        /// Sequence in the source.
        seen: i64,
        /// Highest sequence applied.
        remembered: i64,
    },
    /// The set is for another organization or network than the one this volume belongs to.
    Foreign,
}

/// Decides which configuration is in force. Synchronous and without effects: the caller reads
/// the source, and keeps what [`Tracker::standing`] says.
#[derive(Debug, Default)]
pub struct Tracker {
    applied: Option<Arc<Applied>>,
    rolled_back: Option<Arc<Applied>>,
    remembered: Option<Remembered>,
    contact: Option<Timestamp>,
}

impl Tracker {
    /// Starts from what was kept: the last applied set, the highest sequence, and when the
    /// source was last read.
    #[must_use]
    pub fn resume(
        kept: Option<Arc<Applied>>,
        remembered: Option<Remembered>,
        contact: Option<Timestamp>,
    ) -> Self {
        Self {
            applied: kept,
            rolled_back: None,
            remembered,
            contact,
        }
    }

    /// The source was reached at `at` and holds what it held before.
    pub fn touch(&mut self, at: Timestamp) {
        self.contact = Some(at);
    }

    /// Takes note of what the source held when it was reached at `at`.
    pub fn observe(&mut self, at: Timestamp, decoded: Result<Applied, Incomplete>) -> Outcome {
        self.contact = Some(at);
        let candidate = match decoded {
            Ok(candidate) => candidate,
            Err(incomplete) => return Outcome::Incomplete(incomplete),
        };
        if self.newest().is_some_and(|newest| same(newest, &candidate)) {
            return Outcome::Same;
        }
        if self
            .applied
            .as_ref()
            .is_some_and(|applied| !same_node(applied, &candidate))
        {
            return Outcome::Foreign;
        }
        if let Some(remembered) = self.goes_back(&candidate) {
            if self.applied.as_ref().is_some_and(|a| same(a, &candidate)) {
                // It came back to what was applied before it went back.
                self.rolled_back = None;
                return Outcome::Applied;
            }
            let seen = candidate.root.sequence;
            self.rolled_back = Some(Arc::new(candidate));
            return Outcome::RolledBack { seen, remembered };
        }
        self.apply(candidate);
        Outcome::Applied
    }

    /// A person accepts this rolled-back configuration. Returns whether it still was the one that
    /// waited.
    pub fn accept(&mut self, meant: &Arc<Applied>) -> bool {
        let waiting = self
            .rolled_back
            .take_if(|waiting| Arc::ptr_eq(waiting, meant));
        let Some(accepted) = waiting else {
            return false;
        };
        self.remembered = Some(remembered(&accepted));
        self.applied = Some(accepted);
        true
    }

    /// What is in force at `now`; `None` until a complete set was seen, and while a roll-back
    /// has nothing newer to be compared with: then nothing is served.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Option<Standing> {
        let applied = self.applied.clone()?;
        let age = self.age(now, applied.root.limits.max_config_age_seconds);
        Some(match &self.rolled_back {
            Some(older) => Standing {
                applied: older.clone(),
                restrained_by: Some(applied),
                age,
            },
            None => Standing {
                applied,
                restrained_by: None,
                age,
            },
        })
    }

    /// The set that was observed last, in force or restrained.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Applied>> {
        self.rolled_back.as_ref().or(self.applied.as_ref())
    }

    /// When the source was last reached.
    #[must_use]
    pub fn contact(&self) -> Option<Timestamp> {
        self.contact
    }

    /// The newest set that was applied without doubt, and the highest sequence: to be kept.
    #[must_use]
    pub fn kept(&self) -> Option<Kept> {
        Some(Kept {
            applied: self.applied.clone()?,
            remembered: self.remembered.clone()?,
        })
    }

    fn apply(&mut self, candidate: Applied) {
        self.remembered = Some(remembered(&candidate));
        self.rolled_back = None;
        self.applied = Some(Arc::new(candidate));
    }

    /// The remembered sequence, if the candidate is older or of another past: a lower sequence, one
    /// that was not counted on from what was applied here, another root, or a slice of the same set
    /// at a lower generation or with another content at the same one. Once it went back, only a
    /// higher sequence shows that the newcomer knows of what was applied here.
    fn goes_back(&self, candidate: &Applied) -> Option<i64> {
        let remembered = self.remembered.as_ref()?;
        let back = candidate.root.sequence < remembered.sequence
            || is_of_another_past(&candidate.root, remembered)
            || (candidate.root.sequence == remembered.sequence && {
                // After a restore of the control plane objects come back under new uids.
                let other_root = candidate.uid != remembered.uid;
                let forked = || {
                    let applied = self.applied.as_ref();
                    applied.is_some_and(|applied| candidate.forks_from(applied))
                };
                other_root || self.rolled_back.is_some() || forked()
            });
        back.then_some(remembered.sequence)
    }

    fn age(&self, now: Timestamp, max_seconds: i64) -> Age {
        let Some(contact) = self.contact else {
            return Age::Stale;
        };
        let silence = now.duration_since(contact);
        if silence >= SignedDuration::from_secs(max_seconds) {
            Age::Stale
        } else if silence >= WARN_AGE {
            Age::Warn
        } else {
            Age::Fresh
        }
    }
}

fn remembered(applied: &Applied) -> Remembered {
    let sequence = applied.root.sequence;
    Remembered {
        uid: applied.uid.clone(),
        sequence,
        mark: applied.root.mark(sequence).map(str::to_owned),
    }
}

/// Whether the lineage of a root shows that it was not counted on from what is remembered, or is too
/// long to show that it was. A short one that begins later is what a person asked for by annotation, or
/// goes back to what this node kept and lost since, when its volume was restored.
fn is_of_another_past(root: &Root, remembered: &Remembered) -> bool {
    let Some(mine) = remembered.mark.as_deref() else {
        return false;
    };
    match root.mark(remembered.sequence) {
        Some(mark) => mark != mine,
        None => root.lineage.len() >= LINEAGE_MAX,
    }
}

fn same(a: &Applied, b: &Applied) -> bool {
    a.digest == b.digest && a.slices == b.slices
}

fn same_node(a: &Applied, b: &Applied) -> bool {
    a.root.organization_id == b.root.organization_id && a.root.network == b.root.network
}

#[cfg(test)]
mod tests;
