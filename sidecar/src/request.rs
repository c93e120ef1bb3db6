//! Requests of other nodes: the checks, in their order, and what each refuses with.
//!
//! Modules in reading order: [`refusal`] (the checks as a table), [`snapshot`] (what decides, and
//! the swap), `arrival` (rows 1 and 2), `hello` (rows 0 to 8 without a session), `exchange` (rows
//! 3 to 8 and 15 within one), `fetch`, `catalog`, `keys` and `decision` (rows 9 to 14), `trust`
//! (certificates, incarnations), `rate`, `time`, `probe` (what an organization uses up, and what
//! is noticed of it), `records` (where records come from), `trail` (the audit's entries).
//!
//! # The checks
//! Cheapest first. A message meets them from top to bottom, and the first that fails answers.
//!
//! | row | check | code | leaves | kept |
//! |---|---|---|---|---|
//! | 0 | organization pinned, certificates lead to a pinned root and name this libp2p identity | – | closed | count |
//! | 1 | size of the frame | 9001 | hint | count |
//! | 2 | frame, envelope, message, operation; common version | 1002, 9008 | hint | count |
//! | 3 | session known, bound to libp2p identity and both keys | 9002 | hint | count |
//! | 4 | not suspended; keys, certificates and roots in force; incarnation not lower than seen | 3000 | hint | count |
//! | 5 | a token of the organization | 9003 | hint, `retry_s` | count |
//! | 6 | number not used in the session (tested only) | 9004 | hint | count |
//! | 7 | clocks agree to two minutes; for us | 9005, 9006 | hint, `now` with 9005 | count |
//! | 8 | signature; then the number is spent | 3000 | hint | entry |
//! | 9 | resource id; we are its Primary | 1002, 9007 | signed | entry |
//! | 10 | a grant in force; the store is not touched before | 7104 | signed | entry |
//! | 11 | purpose; units | 3400 | signed | entry |
//! | 12 | credentials: none yet, policies that ask for them grant nothing | | | |
//! | 13 | there is a record | 1100 | signed | entry |
//! | 14 | the store gives it; it fits | 2202, 9001 | signed | entry |
//! | 15 | the store has not stopped; written to the audit; configuration the same as at 4, else back to 4 | 2002 | signed | – |
//!
//! Rows 9 to 14 are per item of a fetch. A policy with `advertise: false` turns what fails at 11
//! to 13 into 7104. Whether the store has stopped is looked at before row 9, where nothing was read
//! yet. For a hello, row 0 comes after 1 and the shape of 2, because it needs what the hello says;
//! nobody is named in a count before it has passed. An unsigned refusal is a hint: every refusal
//! carries the reference by which both sides find it, and those that are written carry the true
//! reason there.
//!
//! # Data flow
//! ```text
//! network ─► Responder::answer ─► arrival ─┬► hello ──► trust, sessions ─────► hello-ok
//!                                          └► exchange ─► fetch/catalog/keys ─► access model, records
//!                                                    └─► audit, then (same snapshot?) signature ─► network
//! ```
//! Everything is synchronous and thread-safe; time is an input.

mod arrival;
mod catalog;
mod decision;
mod exchange;
mod fetch;
mod hello;
mod keys;
pub mod probe;
pub mod rate;
pub mod records;
pub mod refusal;
pub mod snapshot;
pub mod time;
mod trail;
pub mod trust;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use finp2p_wire::envelope::Kind;
use finp2p_wire::error::Reference;
use finp2p_wire::frame::{self, Hint};
use finp2p_wire::key::PublicKey;
use jiff::Timestamp;

use crate::audit::{Counters, Door, Refused};
use crate::network::{self, Admissions, Remote};
use crate::refusal_log::{Line, RefusalLog};
use crate::session::Sessions;
use arrival::{Arrival, Message, Read};
use probe::Probes;
use rate::Rates;
use refusal::{Check, Kept, Leaves};
use time::Timekeeper;
use trail::{Finding, Heading, entries};

pub use records::{Records, StoredRecord, Unreadable};
pub use refusal::Refusal;
pub use snapshot::{Configuration, RecordCertificate, Snapshot};
pub use trail::Trail;
pub use trust::{Chains, Incarnations};

/// What a responder works with.
pub struct Parts {
    /// What decides, and where another configuration is put in force.
    pub configuration: Arc<Configuration>,
    /// The records of this organization.
    pub records: Arc<dyn Records>,
    /// The audit log.
    pub trail: Arc<dyn Trail>,
    /// What is only counted; whoever owns the audit log appends what is due.
    pub counters: Arc<Counters>,
    /// The highest incarnations seen; shared with the reader, which sees them too.
    pub incarnations: Arc<Incarnations>,
    /// Who gets the room of a known peer.
    pub admissions: Admissions,
    /// The node's view of time.
    pub timekeeper: Arc<Timekeeper>,
}

/// Answers the requests of other nodes. Thread-safe.
pub struct Responder {
    configuration: Arc<Configuration>,
    records: Arc<dyn Records>,
    trail: Arc<dyn Trail>,
    counters: Arc<Counters>,
    incarnations: Arc<Incarnations>,
    admissions: Admissions,
    timekeeper: Arc<Timekeeper>,
    sessions: Sessions,
    chains: Chains,
    rates: Rates,
    strangers: Rates,
    probes: Probes,
    log: RefusalLog,
    signatures: AtomicU64,
}

/// What answering has cost so far, and what was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Sessions that are open.
    pub sessions: usize,
    /// Signatures of hellos and requests that were verified.
    pub signatures: u64,
    /// Certificate chains that were verified, and not only looked up.
    pub chains: u64,
    /// Organizations that are trying identifiers.
    pub probing: Vec<String>,
    /// Whether our clock is off those of most peers.
    pub clock_suspect: bool,
}

/// Why a message is not answered as its sender wished, and on whose account.
struct Stop {
    refusal: Refusal,
    /// The organization that it was shown to be from.
    organization: Option<String>,
    /// The entry was written already.
    written: bool,
}

impl Stop {
    fn of(refusal: Refusal, organization: &str) -> Self {
        Self {
            refusal,
            organization: Some(organization.to_owned()),
            written: false,
        }
    }
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self {
            refusal,
            organization: None,
            written: false,
        }
    }
}

impl network::Responder for Responder {
    fn answer(&self, now: Timestamp, remote: &Remote, request: &[u8]) -> network::Answer {
        Self::answer(self, now, remote, request)
    }
}

impl Responder {
    /// A responder without sessions.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self {
            configuration: parts.configuration,
            records: parts.records,
            trail: parts.trail,
            counters: parts.counters,
            incarnations: parts.incarnations,
            admissions: parts.admissions,
            timekeeper: parts.timekeeper,
            sessions: Sessions::default(),
            chains: Chains::default(),
            rates: Rates::default(),
            strangers: Rates::default(),
            probes: Probes::default(),
            log: RefusalLog::default(),
            signatures: AtomicU64::new(0),
        }
    }

    /// Answers one frame, without its length prefix, that `remote` has sent at `now`.
    pub fn answer(&self, now: Timestamp, remote: &Remote, request: &[u8]) -> network::Answer {
        let arrival = Arrival::new(&self.timekeeper, now, remote.peer, request);
        match self.respond(&arrival) {
            Ok(frame) => network::Answer::Respond(frame),
            Err(stop) => self.refuse(&arrival, &stop),
        }
    }

    /// What answering has cost so far.
    pub fn tally(&self, now: Timestamp) -> Tally {
        let snapshot = self.configuration.current();
        self.timekeeper
            .retain_witnesses(|organization| snapshot.peer(organization).is_some());
        Tally {
            sessions: self.sessions.len(),
            signatures: self.signatures.load(Ordering::Relaxed),
            chains: self.chains.verified(),
            probing: self.probes.over(time::unix(now)),
            clock_suspect: self.timekeeper.is_suspect(),
        }
    }

    fn respond(&self, arrival: &Arrival<'_>) -> Result<Vec<u8>, Stop> {
        arrival::size(&self.sessions, arrival)?; // Row 1.
        let read = arrival::shape(arrival)?; // Row 2.
        match &read.message {
            Message::Hello(hello) => hello::answer(self, arrival, &read, hello),
            Message::Request(request) => exchange::answer(self, arrival, &read, request),
        }
    }

    /// Row 5.
    fn rate(
        &self,
        arrival: &Arrival<'_>,
        snapshot: &Snapshot,
        organization: &str,
    ) -> Result<(), Stop> {
        self.rates
            .take(arrival.now, organization, snapshot.requests_per_second)
            .map_err(|retry_s| {
                let refusal = Refusal {
                    retry_s: Some(retry_s),
                    ..Check::Rate.refuse("no token left")
                };
                Stop::of(refusal, organization)
            })
    }

    /// Row 8. The entry of a refusal holds the digest of what was sent, and not what nobody signed.
    fn signature(
        &self,
        snapshot: &Snapshot,
        read: &Read<'_>,
        kind: Kind,
        key: &PublicKey,
        heading: &Heading<'_>,
    ) -> Result<(), Stop> {
        self.signatures.fetch_add(1, Ordering::Relaxed);
        read.opened
            .verify(kind, &snapshot.identity.network, key)
            .map(|_| ())
            .map_err(|_| self.stop_and_write(Check::Signature.refuse("signature"), heading))
    }

    /// A refusal after the signature was looked at: written before it leaves. What cannot be
    /// written is told as "unavailable".
    fn stop_and_write(&self, refusal: Refusal, heading: &Heading<'_>) -> Stop {
        let entries = entries(heading, vec![Finding::refused(&refusal)]);
        match self.trail.record(&entries) {
            Ok(()) => Stop {
                refusal,
                organization: Some(heading.organization.to_owned()),
                written: true,
            },
            Err(_) => Stop::of(Check::Memory.refuse("audit"), heading.organization),
        }
    }

    /// What an answered request costs beyond its own token. Items that are not shared, but for the
    /// first, are paid one by one, and many of them in a minute raise the alarm.
    fn settle(&self, arrival: &Arrival<'_>, snapshot: &Snapshot, organization: &str, cost: Cost) {
        let tokens = cost.misses.saturating_sub(1).saturating_add(cost.tokens);
        self.rates.charge(
            arrival.now,
            organization,
            snapshot.requests_per_second,
            tokens,
        );
        if self.probes.add(arrival.believed, organization, cost.misses) {
            tracing::warn!(
                organization,
                misses = probe::MISSES_ALARM,
                period_s = probe::PERIOD_S,
                "an organization asks for many resources that are not shared with it"
            );
        }
    }

    fn refuse(&self, arrival: &Arrival<'_>, stop: &Stop) -> network::Answer {
        let refusal = &stop.refusal;
        let organization = stop.organization.as_deref();
        if !stop.written || refusal.check.kept() == Kept::Counted {
            self.count(arrival, organization, refusal);
        }
        let reference = Reference::of(&arrival.digest());
        let refused = Finding::refused(refusal);
        self.tell(arrival.now, organization, &[refused], &reference);
        if refusal.check.leaves() == Leaves::Close {
            return network::Answer::Close;
        }
        let hint = Hint {
            code: refusal.check.code(),
            retry_s: refusal.retry_s.map(u64::from),
            now: (refusal.check == Check::Clock).then_some(arrival.at),
            reference: Some(reference),
        };
        network::Answer::Respond(frame::encode_hint(&hint))
    }

    /// One log line for all of `refused` that were refused alike.
    fn tell(
        &self,
        now: Timestamp,
        organization: Option<&str>,
        refused: &[Finding],
        reference: &Reference,
    ) {
        let mut told: Vec<(u16, &str, Option<&str>)> = refused
            .iter()
            .map(|finding| (finding.code, finding.slug, finding.detail.as_deref()))
            .collect();
        told.sort_unstable();
        told.dedup();
        for (code, reason, detail) in told {
            let line = Line {
                door: Door::Network,
                who: organization,
                code,
                reason,
                detail,
                reference,
            };
            self.log.tell(now, &line);
        }
    }

    fn count(&self, arrival: &Arrival<'_>, organization: Option<&str>, refusal: &Refusal) {
        let refused = Refused {
            door: Door::Network,
            organization,
            code: refusal.check.code().number(),
            detail: refusal.detail,
        };
        self.counters.count(arrival.now, refused);
    }
}

/// What an answer cost its organization beyond the token of the request.
#[derive(Clone, Copy)]
struct Cost {
    misses: usize,
    tokens: usize,
}
