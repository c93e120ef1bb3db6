//! What the node serves with: a configuration in force, and certificates for its keys.

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_wire::digest::Digest;
use jiff::Timestamp;

use crate::config::tracker::Age;
use crate::config::{Applied, Standing};
use crate::identity::Identity;
use crate::keys::NodeKeys;
use crate::request::{RecordCertificate, Snapshot};

/// What the node serves with. Immutable.
#[derive(Debug)]
pub struct Served {
    /// The configuration.
    pub applied: Arc<Applied>,
    /// After a roll-back: only what this one grants too is served.
    pub restrained_by: Option<Arc<Applied>>,
    /// Who the node is.
    pub identity: Arc<Identity>,
    /// All certificates of its record key, past ones too.
    pub records: Vec<RecordCertificate>,
    /// When the first of its certificates ends.
    pub certificates_end: Timestamp,
    /// Whether the configuration is too old to grant anything.
    pub stale: bool,
}

impl Served {
    /// `None` while the root does not certify both of the node's keys.
    #[must_use]
    pub fn new(standing: &Standing, keys: &NodeKeys) -> Option<Self> {
        let root = &standing.applied.root;
        let incarnation = u64::try_from(root.incarnation).ok()?;
        let certified = keys.certified(&root.certificates, incarnation)?;
        let identity = Identity {
            organization: root.organization_id.clone(),
            network: root.network.clone(),
            incarnation,
            certificates: certified.presented,
            session: keys.session_key(),
            peer: keys.peer.clone(),
        };
        Some(Self {
            applied: Arc::clone(&standing.applied),
            restrained_by: standing.restrained_by.clone(),
            identity: Arc::new(identity),
            records: certified.records,
            certificates_end: Timestamp::from_second(i64::try_from(certified.ends).ok()?).ok()?,
            stale: standing.age == Age::Stale,
        })
    }

    /// Whether requests are decided alike by both.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let restrained = |served: &Self| served.restrained_by.as_ref().map(|a| a.digest);
        self.applied.digest == other.applied.digest
            && restrained(self) == restrained(other)
            && self.stale == other.stale
    }

    /// What requests are decided with.
    #[must_use]
    pub fn snapshot(&self, keys: &NodeKeys) -> Snapshot {
        let facts = |applied: &Arc<Applied>| Arc::clone(&applied.facts);
        Snapshot {
            generation: 0,
            set: Digest(self.applied.digest),
            identity: Arc::clone(&self.identity),
            record_keys: BTreeMap::from([(keys.record.kid(), self.records.clone())]),
            facts: facts(&self.applied),
            restrained_by: self.restrained_by.as_ref().map(facts),
            stale: self.stale,
            requests_per_second: u32::try_from(self.applied.root.limits.requests_per_second)
                .unwrap_or(u32::MAX),
        }
    }
}
