//! What stays of a decision: an entry before the answer leaves, or a count.

use finp2p_wire::digest::Digest;
use finp2p_wire::error::Reference;
use finp2p_wire::key::Kid;
use jiff::Timestamp;

use super::refusal::Refusal;
use crate::audit::{Audit, AuditError, Decision, Entry, Named};

/// Where decisions are written before their answers leave.
pub trait Trail: Send + Sync {
    /// Writes all entries or none.
    ///
    /// # Errors
    /// [`AuditError`]: then the answer is "unavailable".
    fn record(&self, entries: &[Entry]) -> Result<(), AuditError>;
}

impl Trail for Audit {
    fn record(&self, entries: &[Entry]) -> Result<(), AuditError> {
        self.append_all(entries).map(|_| ())
    }
}

/// What the entries of one message have in common.
#[derive(Clone, Copy)]
pub(super) struct Heading<'a> {
    pub at: Timestamp,
    pub organization: &'a str,
    pub kid: Kid,
    pub op: &'a str,
    pub purpose: Option<&'a str>,
    pub configuration: Digest,
    /// Digest of the envelope.
    pub request: Digest,
    /// The envelope, once its signature was verified.
    pub envelope: Option<&'a [u8]>,
}

/// What was decided about one item, or about the message as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Finding {
    /// Code of the answer; 0 when granted.
    pub code: u16,
    /// The true reason in a word of the catalogue, whatever the peer is told.
    pub slug: &'static str,
    /// Finer than that.
    pub detail: Option<String>,
    pub resource: Option<String>,
    pub version: Option<u64>,
    pub record: Option<[u8; 32]>,
    pub units: Option<[u8; 32]>,
    /// The policies that granted it, or that came near and did not.
    pub policies: Vec<Named>,
}

/// What an entry says of a message that is granted as a whole.
pub(super) const GRANTED: &str = "granted";

impl Finding {
    /// Granted, with nothing more to say.
    pub fn granted() -> Self {
        Self {
            slug: GRANTED,
            ..Self::default()
        }
    }

    /// Refused, and told as it is.
    pub fn refused(refusal: &Refusal) -> Self {
        Self {
            code: refusal.check.code().number(),
            slug: refusal.check.slug(),
            detail: Some(refusal.detail.to_owned()),
            ..Self::default()
        }
    }
}

/// The entries of one message: the first carries its envelope, the others refer to it.
pub(super) fn entries(heading: &Heading<'_>, findings: Vec<Finding>) -> Vec<Entry> {
    let reference = Reference::of(&heading.request).to_string();
    let mut envelope = heading.envelope;
    findings
        .into_iter()
        .map(|finding| {
            let mut decision = Decision::new(
                heading.at,
                heading.op,
                heading.configuration.0,
                finding.code,
                finding.slug,
                reference.clone(),
            );
            decision.organization = Some(heading.organization.to_owned());
            decision.kid = Some(heading.kid.0);
            decision.purpose = heading.purpose.map(str::to_owned);
            decision.request = Some(heading.request.0);
            decision.envelope = envelope.take().map(<[u8]>::to_vec);
            decision.resource = finding.resource;
            decision.version = finding.version;
            decision.record = finding.record;
            decision.units = finding.units;
            decision.detail = finding.detail;
            decision.policies = finding.policies;
            Entry::from(decision)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_audit_log_keeps_what_it_is_given() {
        let dir = tempfile::TempDir::new().unwrap();
        let audit = Audit::open(dir.path(), Timestamp::UNIX_EPOCH).unwrap();
        let heading = Heading {
            at: Timestamp::UNIX_EPOCH,
            organization: "bank-b",
            kid: Kid([1; 16]),
            op: "fetch",
            purpose: None,
            configuration: Digest([2; 32]),
            request: Digest([3; 32]),
            envelope: None,
        };
        let written = entries(&heading, vec![Finding::granted(), Finding::granted()]);
        Trail::record(&audit, &written).unwrap();
        drop(audit);
        let kept = crate::audit::verify(dir.path()).unwrap();
        assert_eq!(kept.entries, 2);
    }
}
