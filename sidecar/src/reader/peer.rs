//! One peer as the reader sees it: what is pinned for it, and what was agreed on with it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use finp2p_crds::entry::PeerEntry;
use finp2p_wire::certificate::{NodeCertificate, RootKey, Trust, Use, VerifiedCertificates};
use finp2p_wire::digest::Digest;
use finp2p_wire::key::Kid;
use finp2p_wire::limits::CLOCK_SKEW_S;
use jiff::Timestamp;
use libp2p::Multiaddr;

use super::session::Session;
use crate::record::RecordKey;
use crate::request::trust::roots;

/// Certified times of record keys remembered of one organization: sixty years of yearly ones.
const RECORD_KEYS_MAX: usize = 64;

/// A pinned peer. Another configuration of it is another value, so that no session and no key
/// outlives what it was judged by.
pub(super) struct Peer {
    pub(super) entry: PeerEntry,
    pub(super) roots: Vec<RootKey>,
    pub(super) addresses: Vec<Multiaddr>,
    revoked_serials: Vec<u64>,
    /// Locked while a hello is under way, so that there is one at a time.
    pub(super) session: tokio::sync::Mutex<Option<Arc<Session>>>,
    keys: Mutex<KeyRing>,
    contact: Mutex<Contact>,
}

/// How the last contact with a peer went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contact {
    /// When its node last answered a hello.
    pub last_hello: Option<Timestamp>,
    /// Digest of the roots that it pins for this organization, as of that hello.
    pub trust: Option<Digest>,
    /// What to do about the last attempt, which failed; absent when it did not.
    pub message: Option<&'static str>,
}

impl Contact {
    /// Whether the last attempt to speak with the peer succeeded.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.last_hello.is_some() && self.message.is_none()
    }
}

impl Peer {
    pub(super) fn new(entry: PeerEntry) -> Self {
        let roots = roots(&entry);
        let addresses = entry
            .addresses
            .iter()
            .filter_map(|address| address.parse().ok())
            .collect();
        let revoked_serials = entry
            .revoked_serials
            .iter()
            .filter_map(|serial| u64::try_from(*serial).ok())
            .collect();
        Self {
            entry,
            roots,
            addresses,
            revoked_serials,
            session: tokio::sync::Mutex::default(),
            keys: Mutex::default(),
            contact: Mutex::default(),
        }
    }

    pub(super) fn organization(&self) -> &str {
        &self.entry.organization_id
    }

    pub(super) fn trust<'a>(&'a self, network: &'a str) -> Trust<'a> {
        Trust {
            network,
            org: self.organization(),
            roots: &self.roots,
            revoked_serials: &self.revoked_serials,
        }
    }

    /// The next second at which a root loses its word, and with it everything judged before.
    pub(super) fn next_revocation(&self, now: u64) -> u64 {
        let at = self.roots.iter().filter_map(|root| root.revoked_at);
        at.filter(|at| *at > now).min().unwrap_or(u64::MAX)
    }

    /// Ends the session, unless another one has taken its place already.
    pub(super) async fn end(&self, session: &Arc<Session>) {
        let mut current = self.session.lock().await;
        if current
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, session))
        {
            *current = None;
        }
    }

    /// Remembers the record keys among verified certificates, as long as their word is good.
    pub(super) fn learn(&self, now: u64, verified: &VerifiedCertificates) {
        let until = self.next_revocation(now);
        let mut ring = self.ring();
        for certificate in &verified.keys {
            if let Some(key) = record_key(self.organization(), certificate) {
                ring.learn(certificate.public.kid(), key, until);
            }
        }
    }

    /// The record key `kid` as it was certified at `issued_at`, if that is known and counts at
    /// `now`. A key that was certified several times has a time for each.
    pub(super) fn record_key(&self, now: u64, kid: Kid, issued_at: u64) -> Option<RecordKey> {
        let mut ring = self.ring();
        ring.0.retain(|known| now < known.until);
        ring.find(kid, issued_at)
    }

    pub(super) fn contact(&self) -> Contact {
        self.contact
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn reached(&self, at: Timestamp, trust: Digest) {
        *self.contact.lock().unwrap_or_else(PoisonError::into_inner) = Contact {
            last_hello: Some(at),
            trust: Some(trust),
            message: None,
        };
    }

    pub(super) fn answered(&self) {
        self.contact
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .message = None;
    }

    pub(super) fn missed(&self, why: &'static str) {
        self.contact
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .message = Some(why);
    }

    fn ring(&self) -> MutexGuard<'_, KeyRing> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The record key that a verified certificate is for, with the time at which it may have signed:
/// that of its chain, give or take what two clocks may differ.
fn record_key(organization: &str, certificate: &NodeCertificate) -> Option<RecordKey> {
    if !certificate.uses.contains(&Use::Rec) {
        return None;
    }
    Some(RecordKey {
        organization: organization.to_owned(),
        key: certificate.public.clone(),
        not_before: certificate.not_before.saturating_sub(CLOCK_SKEW_S),
        expires: certificate
            .not_after
            .saturating_add(CLOCK_SKEW_S)
            .saturating_add(1),
    })
}

/// Certified record keys of one organization, one for each time of a key, the newest last.
#[derive(Default)]
struct KeyRing(VecDeque<Known>);

struct Known {
    kid: Kid,
    key: RecordKey,
    /// First second at which its chain must be judged again.
    until: u64,
}

impl KeyRing {
    fn learn(&mut self, kid: Kid, key: RecordKey, until: u64) {
        self.0.retain(|known| known.key != key);
        if self.0.len() >= RECORD_KEYS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(Known { kid, key, until });
    }

    fn find(&self, kid: Kid, issued_at: u64) -> Option<RecordKey> {
        self.0
            .iter()
            .map(|known| (known.kid, &known.key))
            .find(|(known, key)| {
                *known == kid && (key.not_before..key.expires).contains(&issued_at)
            })
            .map(|(_, key)| key.clone())
    }
}
