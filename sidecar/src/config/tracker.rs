//! Which configuration is in force: complete sets, sequence, roll-back, age.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Applied, Incomplete, Reading};

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

    /// The source was reached and holds what it held before.
    pub fn touch(&mut self, now: Timestamp) {
        self.contact = Some(now);
    }

    /// Takes note of what the source holds at `now`.
    pub fn observe(&mut self, now: Timestamp, reading: Reading) -> Outcome {
        self.contact = Some(now);
        let candidate = match Applied::decode(reading) {
            Ok(candidate) => candidate,
            Err(incomplete) => return Outcome::Incomplete(incomplete),
        };
        let newest = self.rolled_back.as_ref().or(self.applied.as_ref());
        if newest.is_some_and(|applied| {
            applied.digest == candidate.digest && applied.slices == candidate.slices
        }) {
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
            let seen = candidate.root.sequence;
            self.rolled_back = Some(Arc::new(candidate));
            return Outcome::RolledBack { seen, remembered };
        }
        self.apply(candidate);
        Outcome::Applied
    }

    /// A person accepts the rolled-back configuration. Returns whether there was one.
    pub fn accept(&mut self) -> bool {
        match self.rolled_back.take() {
            Some(candidate) => {
                self.remembered = Some(remembered(&candidate));
                self.applied = Some(candidate);
                true
            }
            None => false,
        }
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

    /// The highest sequence applied, to be kept.
    #[must_use]
    pub fn remembered(&self) -> Option<&Remembered> {
        self.remembered.as_ref()
    }

    /// The newest set that was applied without doubt, to be kept.
    #[must_use]
    pub fn applied(&self) -> Option<&Arc<Applied>> {
        self.applied.as_ref()
    }

    fn apply(&mut self, candidate: Applied) {
        self.remembered = Some(remembered(&candidate));
        self.rolled_back = None;
        self.applied = Some(Arc::new(candidate));
    }

    /// The remembered sequence, if the candidate is older: a lower sequence, another root, or
    /// a slice of the same set at a lower generation.
    fn goes_back(&self, candidate: &Applied) -> Option<i64> {
        let remembered = self.remembered.as_ref()?;
        if candidate.root.sequence != remembered.sequence {
            return (candidate.root.sequence < remembered.sequence).then_some(remembered.sequence);
        }
        if candidate.uid != remembered.uid {
            // After a restore of the control plane objects come back under new uids; only a
            // higher sequence shows that the newcomer knows of what was applied here.
            return Some(remembered.sequence);
        }
        let applied = self.applied.as_ref()?;
        let older = applied.slices.iter().any(|before| {
            candidate
                .slices
                .iter()
                .any(|now| now.slice == before.slice && now.generation < before.generation)
        });
        older.then_some(remembered.sequence)
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
    Remembered {
        uid: applied.uid.clone(),
        sequence: applied.root.sequence,
    }
}

fn same_node(a: &Applied, b: &Applied) -> bool {
    a.root.organization_id == b.root.organization_id && a.root.network == b.root.network
}

#[cfg(test)]
mod tests;
