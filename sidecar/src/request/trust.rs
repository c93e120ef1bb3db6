//! Who the other side is: from what it presents back to what is pinned for it.
//!
//! A chain is verified once per configuration and then only looked up, until an instant at which
//! the verdict could change by time alone; suspension, incarnation and the signature of each
//! message are looked at every time.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use finp2p_crds::entry::PeerEntry;
use finp2p_wire::certificate::{
    Certificate, ChainError, Moment, RootKey, Trust, VerifiedCertificates, verify_chain,
};
use finp2p_wire::digest::Digest;
use finp2p_wire::key::PublicKey;
use finp2p_wire::limits::CLOCK_SKEW_S;
use finp2p_wire::message::Certificates;
use jiff::Timestamp;

use crate::store::{Key, Space, Store, StoreError, Value};

/// Most verdicts kept for one organization: a session key and its successor, each presented with
/// an old and a new issuing certificate, twice over.
const VERDICTS_PER_ORGANIZATION_MAX: usize = 8;

/// The roots pinned for an organization. A key that cannot be trusted is left out: it was refused
/// when the configuration was checked, and nothing is certified by it.
pub fn roots(peer: &PeerEntry) -> Vec<RootKey> {
    peer.keys
        .iter()
        .filter_map(|key| {
            Some(RootKey {
                public: PublicKey::from_spki_base64(&key.public_key).ok()?,
                not_before: seconds(key.not_before.0),
                // The resource names the first moment after, the certificate's rules the last second.
                not_after: seconds(key.not_after.0).saturating_sub(1),
                verify_only: key.verify_only == Some(true),
                revoked_at: key.revoked_at.as_ref().map(|at| seconds(at.0)),
            })
        })
        .collect()
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_second()).unwrap_or(0)
}

/// What is pinned for an organization, by which configuration.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'a> {
    /// Generation of the snapshot.
    pub generation: u64,
    /// Name of the network.
    pub network: &'a str,
    /// The organization's entry.
    pub peer: &'a PeerEntry,
}

struct Judged {
    certificates: Digest,
    generation: u64,
    /// The verdict holds from here …
    from: u64,
    /// … to before here, unix seconds.
    until: u64,
    verified: Arc<VerifiedCertificates>,
}

/// Verdicts on certificates. Thread-safe; time is an input.
#[derive(Default)]
pub struct Chains {
    judged: Mutex<HashMap<String, VecDeque<Judged>>>,
    verified: AtomicU64,
}

impl Chains {
    /// Judges what an organization presents, at `now` (unix seconds), for a session.
    ///
    /// # Errors
    /// [`ChainError`], for this node's own people only.
    pub fn judge(
        &self,
        now: u64,
        pinned: &Pinned<'_>,
        presented: &Certificates,
    ) -> Result<Arc<VerifiedCertificates>, ChainError> {
        if let Some(verified) = self.known(now, pinned, presented) {
            return Ok(verified);
        }
        self.verified.fetch_add(1, Ordering::Relaxed);
        let roots = roots(pinned.peer);
        let revoked: Vec<u64> = pinned
            .peer
            .revoked_serials
            .iter()
            .filter_map(|serial| u64::try_from(*serial).ok())
            .collect();
        let trust = Trust {
            network: pinned.network,
            org: &pinned.peer.organization_id,
            roots: &roots,
            revoked_serials: &revoked,
        };
        let verified = Arc::new(verify_chain(&trust, presented, Moment::Session { now })?);
        // Only what a pinned root vouches for is kept, or anybody could push it out again.
        let judged = Judged {
            certificates: digest(presented),
            generation: pinned.generation,
            from: now,
            until: next_boundary(now, &roots, presented),
            verified: Arc::clone(&verified),
        };
        self.keep(&pinned.peer.organization_id, judged);
        Ok(verified)
    }

    /// How many chains were verified, and not only looked up.
    pub fn verified(&self) -> u64 {
        self.verified.load(Ordering::Relaxed)
    }

    /// The verdict on what was judged before and not refused; verifies nothing.
    pub fn known(
        &self,
        now: u64,
        pinned: &Pinned<'_>,
        presented: &Certificates,
    ) -> Option<Arc<VerifiedCertificates>> {
        let certificates = digest(presented);
        let judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        judged
            .get(&pinned.peer.organization_id)?
            .iter()
            .find(|judged| {
                judged.certificates == certificates
                    && judged.generation == pinned.generation
                    && (judged.from..judged.until).contains(&now)
            })
            .map(|judged| Arc::clone(&judged.verified))
    }

    fn keep(&self, organization: &str, newest: Judged) {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = judged.entry(organization.to_owned()).or_default();
        of_one.retain(|older| older.certificates != newest.certificates);
        if of_one.len() >= VERDICTS_PER_ORGANIZATION_MAX {
            of_one.pop_front();
        }
        of_one.push_back(newest);
    }
}

/// Whether the certificates are the organization's own, and only not in force.
pub fn is_about_time_or_revocation(why: ChainError) -> bool {
    matches!(
        why,
        ChainError::NotYetValid | ChainError::Expired | ChainError::Revoked | ChainError::Root
    )
}

/// The first second after `now` at which a verdict could change without a change of configuration.
fn next_boundary(now: u64, roots: &[RootKey], presented: &Certificates) -> u64 {
    let of_roots = roots.iter().flat_map(|root| {
        let window = window(root.not_before, root.not_after);
        window.into_iter().chain(root.revoked_at)
    });
    let of_certificates = presented
        .iter()
        .filter_map(|bytes| Certificate::decode_unverified(bytes).ok())
        .flat_map(|certificate| window(certificate.not_before, certificate.not_after));
    of_roots
        .chain(of_certificates)
        .filter(|boundary| *boundary > now)
        .min()
        .unwrap_or(u64::MAX)
}

/// The first second in a window and the first after it, with the difference that clocks may have.
fn window(not_before: u64, not_after: u64) -> [u64; 2] {
    [
        not_before.saturating_sub(CLOCK_SKEW_S),
        not_after.saturating_add(CLOCK_SKEW_S).saturating_add(1),
    ]
}

/// The digest that names a list of certificates.
fn digest(presented: &Certificates) -> Digest {
    let digests: Vec<u8> = presented
        .iter()
        .flat_map(|certificate| Digest::of(certificate).0)
        .collect();
    Digest::of(digests)
}

/// The highest incarnation seen of every organization, kept across restarts: a node that was
/// replaced must not come back.
#[derive(Debug)]
pub struct Incarnations {
    store: Arc<dyn Store>,
    highest: Mutex<HashMap<String, u64>>,
}

impl Incarnations {
    /// Keeps them in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            highest: Mutex::default(),
        }
    }

    /// The highest incarnation seen of a pinned organization; 0 when none was.
    ///
    /// # Errors
    /// [`StoreError`]: then it must be taken for unknown how high it was.
    pub fn highest(&self, organization: &str) -> Result<u64, StoreError> {
        let mut highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = highest.get(organization) {
            return Ok(*known);
        }
        let kept = match self.store.get(&key(organization)?)? {
            None => 0,
            Some(value) => <[u8; 8]>::try_from(value.as_bytes())
                .map(u64::from_be_bytes)
                // Rows are authenticated: another length is another version's, and not a lower number.
                .unwrap_or(u64::MAX),
        };
        highest.insert(organization.to_owned(), kept);
        Ok(kept)
    }

    /// Remembers an incarnation that is higher than the highest; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: it is not remembered.
    pub fn raise(&self, organization: &str, incarnation: u64) -> Result<(), StoreError> {
        self.highest(organization)?;
        // Written under the lock: of two hellos at once the higher must stay.
        let mut highest = self.highest.lock().unwrap_or_else(PoisonError::into_inner);
        if highest
            .get(organization)
            .is_some_and(|known| incarnation <= *known)
        {
            return Ok(());
        }
        let value = Value::from(incarnation.to_be_bytes().to_vec());
        self.store.put(key(organization)?, value)?;
        highest.insert(organization.to_owned(), incarnation);
        Ok(())
    }
}

fn key(organization: &str) -> Result<Key, StoreError> {
    Key::new(Space::Peer, format!("incarnation/{organization}"))
}
