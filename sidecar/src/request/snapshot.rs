//! What the node decides with at one moment, and the swap that puts another in its place.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use finp2p_crds::access::{Facts, RequesterFault};
use finp2p_crds::entry::PeerEntry;
use finp2p_wire::certificate::Certificate;
use finp2p_wire::digest::Digest;
use finp2p_wire::key::Kid;
use finp2p_wire::limits::CLOCK_SKEW_S;

use crate::identity::Identity;

/// The certificate of a record key with the issuing certificate it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordCertificate {
    certificate: Vec<u8>,
    issuing: Vec<u8>,
    not_before: u64,
    not_after: u64,
}

impl RecordCertificate {
    /// Our own certificates, as their envelopes, read and not verified: peers do that. `None`
    /// when they are no certificates, or have no second in common.
    #[must_use]
    pub fn new(certificate: Vec<u8>, issuing: Vec<u8>) -> Option<Self> {
        let record = Certificate::decode_unverified(&certificate).ok()?;
        let signer = Certificate::decode_unverified(&issuing).ok()?;
        let not_before = record.not_before.max(signer.not_before);
        let not_after = record.not_after.min(signer.not_after);
        (not_before <= not_after).then_some(Self {
            certificate,
            issuing,
            not_before,
            not_after,
        })
    }

    /// The issuing certificate, then the record key's, as their envelopes.
    #[must_use]
    pub fn envelopes(&self) -> [&Vec<u8>; 2] {
        [&self.issuing, &self.certificate]
    }

    /// Last second at which both hold, unix seconds.
    #[must_use]
    pub fn not_after(&self) -> u64 {
        self.not_after
    }

    /// How long both hold, seconds.
    #[must_use]
    pub fn life(&self) -> u64 {
        self.not_after - self.not_before
    }

    /// Whether a record of this time may have been signed by the key, by this certificate.
    #[must_use]
    pub fn covers(&self, issued_at: u64) -> bool {
        issued_at.saturating_add(CLOCK_SKEW_S) >= self.not_before
            && issued_at <= self.not_after.saturating_add(CLOCK_SKEW_S)
    }
}

/// What the node decides with. Immutable: a change of anything in it is another snapshot.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Number of the snapshot, set by [`Configuration::apply`]: never used twice.
    pub generation: u64,
    /// Digest of the configuration set, for audit entries.
    pub set: Digest,
    /// Who this node is, and the keys it speaks with.
    pub identity: Arc<Identity>,
    /// Every record key of this node, with all of its certificates, past ones too: each vouches
    /// for the records of its time.
    pub record_keys: BTreeMap<Kid, Vec<RecordCertificate>>,
    /// Peers, policies and assets.
    pub facts: Arc<Facts>,
    /// After a rolled-back configuration: only what these grant too is served.
    pub restrained_by: Option<Arc<Facts>>,
    /// Whether the configuration is too old to grant anything (`ConfigurationStale`).
    pub stale: bool,
    /// Requests a second from one organization.
    pub requests_per_second: u32,
}

impl Snapshot {
    /// What is pinned for an organization, also when it is suspended. `None` for whoever is not
    /// pinned, has no root keys, is claimed by more than one object, or is this organization.
    pub fn peer(&self, organization: &str) -> Option<Cow<'_, PeerEntry>> {
        let peer = entry(&self.facts, organization)?;
        match &self.restrained_by {
            None => Some(Cow::Borrowed(peer)),
            Some(facts) => Some(Cow::Owned(both(peer, entry(facts, organization)?))),
        }
    }
}

fn entry<'f>(facts: &'f Facts, organization: &str) -> Option<&'f PeerEntry> {
    match facts.reader(organization) {
        Ok(peer) => Some(&peer.payload),
        Err(RequesterFault::Suspended) => facts
            .peers()
            .iter()
            .map(|peer| &peer.payload)
            .find(|peer| peer.organization_id == organization),
        Err(_) => None,
    }
}

/// What two configurations agree to trust.
fn both(one: &PeerEntry, other: &PeerEntry) -> PeerEntry {
    let mut both = one.clone();
    both.keys.retain(|key| other.keys.contains(key));
    both.suspended |= other.suspended;
    both.revoked_serials.extend(&other.revoked_serials);
    both.minimum_protocol_version = one
        .minimum_protocol_version
        .max(other.minimum_protocol_version);
    both
}

/// The snapshot in force.
///
/// An answer leaves only under the snapshot that decided it: [`Configuration::while_in_force`]
/// audits and signs under a lock that [`Configuration::apply`] must have alone, so that once
/// `apply` has returned no answer is signed by what was before.
#[derive(Debug)]
pub struct Configuration {
    in_force: RwLock<Arc<Snapshot>>,
}

impl Configuration {
    /// Starts with this snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        let snapshot = Snapshot {
            generation: 1,
            ..snapshot
        };
        Self {
            in_force: RwLock::new(Arc::new(snapshot)),
        }
    }

    /// The snapshot in force.
    pub fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.in_force.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another snapshot in force, and returns its generation. When this returns, no answer
    /// that an earlier one decided is signed any more.
    pub fn apply(&self, snapshot: Snapshot) -> u64 {
        let mut in_force = self
            .in_force
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let generation = in_force.generation.saturating_add(1);
        *in_force = Arc::new(Snapshot {
            generation,
            ..snapshot
        });
        generation
    }

    /// Does the last step of an answer, if the snapshot that decided it is still in force and for
    /// as long as that takes. `None` when it is not: decide anew.
    pub fn while_in_force<T>(&self, snapshot: &Snapshot, step: impl FnOnce() -> T) -> Option<T> {
        let in_force = self.in_force.read().unwrap_or_else(PoisonError::into_inner);
        (in_force.generation == snapshot.generation).then(step)
    }
}
