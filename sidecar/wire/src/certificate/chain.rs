//! From a handful of certificates back to a pinned root.
//!
//! A node presents everything it has: while a root, an issuing key or a session key is rotated
//! that is more than one of each, and a verifier that knows only the old root must not stumble over
//! what the new one signed. So what merely does not apply here (an unknown issuer, another time, a
//! revoked serial) is set aside with its reason, and what an honest node never sends (a bad
//! signature, a certificate of another organization, two incarnations) refuses the whole.

use crate::cbor;
use crate::digest::Digest;
use crate::envelope::{self, Kind, Opened};
use crate::key::{KeyError, Kid, PublicKey};
use crate::limits::{CERTIFICATE_MAX_BYTES, CERTIFICATES_MAX, CLOCK_SKEW_S};

use super::{Certificate, CertificateError, PeerIdBytes, Role, Use};

/// A pinned root key, as in `PeerOrganization.spec.keys[]`. Times are unix seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootKey {
    /// The key.
    pub public: PublicKey,
    /// First second of validity.
    pub not_before: u64,
    /// Last second of validity.
    pub not_after: u64,
    /// Retired: still verifies records, no longer opens sessions.
    pub verify_only: bool,
    /// From when on it counts as compromised: what is received from then on is refused.
    pub revoked_at: Option<u64>,
}

/// What this node trusts about one organization.
#[derive(Clone, Copy, Debug)]
pub struct Trust<'a> {
    /// The network's name.
    pub network: &'a str,
    /// The organization.
    pub org: &'a str,
    /// Its pinned roots.
    pub roots: &'a [RootKey],
    /// Serials that count no more.
    pub revoked_serials: &'a [u64],
}

/// For when and for what a chain is judged. Times are unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Now, for opening a session.
    Session {
        /// The clock.
        now: u64,
    },
    /// The time a record was issued, for a record received later: its key must have been certified
    /// then; a root that is revoked by the time of receipt vouches for nothing any more.
    Record {
        /// When the record was issued (`iat`).
        issued_at: u64,
        /// When it was received.
        received_at: u64,
    },
}

impl Moment {
    fn valid_at(self) -> u64 {
        match self {
            Self::Session { now } => now,
            Self::Record { issued_at, .. } => issued_at,
        }
    }

    fn received_at(self) -> u64 {
        match self {
            Self::Session { now } => now,
            Self::Record { received_at, .. } => received_at,
        }
    }
}

/// Why a chain, or one certificate of it, was refused. For the log and the audit of this node; the
/// peer is told 3000 and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No certificate, or more than the protocol allows, or one that is too large or there twice.
    #[error("too few, too many, too large or repeated certificates")]
    Bounds,
    /// A certificate that breaks its own rules.
    #[error("a certificate breaks the rules for its kind")]
    Certificate(#[source] CertificateError),
    /// A key that must not be trusted.
    #[error("a certified key is unusable")]
    Key(#[source] KeyError),
    /// Another organization's.
    #[error("a certificate belongs to another organization")]
    Organization,
    /// Signed by a key that is neither a pinned root nor a certified issuing key of this chain.
    #[error("the issuer is unknown")]
    UnknownIssuer,
    /// The issuer's signature does not verify.
    #[error("the issuer's signature does not verify")]
    Signature,
    /// A root certified a node's key, or an issuing key another issuing key.
    #[error("the issuer may not certify this kind of key")]
    IssuerRole,
    /// The root is retired, revoked or outside its time.
    #[error("the root is retired, revoked or outside its time")]
    Root,
    /// Before its time.
    #[error("not valid yet")]
    NotYetValid,
    /// After its time.
    #[error("expired")]
    Expired,
    /// Its serial was revoked.
    #[error("the serial is revoked")]
    Revoked,
    /// Two incarnations at once, or one lower than the issuing key demands.
    #[error("the incarnations do not fit together")]
    Incarnation,
    /// One key certified for the uses of two roles.
    #[error("one key is certified for two roles")]
    KeyReused,
    /// Nothing but issuing certificates.
    #[error("no certificate of a node's key")]
    NoNodeCertificate,
}

impl ChainError {
    /// Whether only the one certificate is set aside, and not the whole chain refused.
    fn only_sets_aside(self) -> bool {
        matches!(
            self,
            Self::UnknownIssuer | Self::Root | Self::NotYetValid | Self::Expired | Self::Revoked
        )
    }
}

/// A node's key that is certified, with what its whole chain allows.
#[derive(Clone, Debug)]
pub struct NodeCertificate {
    /// The key.
    pub public: PublicKey,
    /// What it is for.
    pub role: Role,
    /// What it may be used for.
    pub uses: Vec<Use>,
    /// The libp2p identities that may use it (session keys only).
    pub peers: Vec<PeerIdBytes>,
    /// Its serial.
    pub serial: u64,
    /// From when on the whole chain holds, unix seconds.
    pub not_before: u64,
    /// Until when the whole chain holds, unix seconds.
    pub not_after: u64,
    /// Digest of the certificate's envelope.
    pub digest: Digest,
}

/// A certificate that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SkippedCertificate {
    /// Digest of the certificate's envelope.
    pub digest: Digest,
    /// Why.
    pub why: ChainError,
}

/// What a verified set of certificates says.
#[derive(Clone, Debug)]
pub struct VerifiedCertificates {
    /// The organization.
    pub org: String,
    /// The node's incarnation: the caller refuses one lower than the highest it saw.
    pub incarnation: u64,
    /// The node's keys; at least one.
    pub keys: Vec<NodeCertificate>,
    /// Certificates that did not apply.
    pub skipped: Vec<SkippedCertificate>,
}

impl VerifiedCertificates {
    /// The session key with this identifier.
    pub fn session_key(&self, kid: Kid) -> Option<&NodeCertificate> {
        self.keys
            .iter()
            .find(|key| key.role == Role::Session && key.public.kid() == kid)
    }

    /// The key with this identifier that may sign records.
    pub fn record_key(&self, kid: Kid) -> Option<&NodeCertificate> {
        self.keys
            .iter()
            .find(|key| key.uses.contains(&Use::Rec) && key.public.kid() == kid)
    }
}

/// Verifies what a node presents against what is pinned for its organization. Costs at most one
/// signature per certificate; cache the result by the certificates' digests.
///
/// # Errors
/// [`ChainError`]: the first fault that refuses the whole or, when no node's key is left, the
/// reason why the first of them was set aside.
pub fn verify_chain<C: AsRef<[u8]>>(
    trust: &Trust<'_>,
    certificates: &[C],
    moment: Moment,
) -> Result<VerifiedCertificates, ChainError> {
    if certificates.is_empty() || certificates.len() > CERTIFICATES_MAX {
        return Err(ChainError::Bounds);
    }
    // Nobody needs one twice, and each would cost a signature.
    let mut earlier = certificates.iter().enumerate();
    if earlier.any(|(at, one)| {
        certificates
            .iter()
            .skip(at + 1)
            .any(|two| one.as_ref() == two.as_ref())
    }) {
        return Err(ChainError::Bounds);
    }
    let read = certificates
        .iter()
        .map(|bytes| read(trust, bytes.as_ref()))
        .collect::<Result<Vec<_>, _>>()?;

    let mut chain = Chain {
        trust,
        moment,
        issuers: Vec::new(),
        skipped: Vec::new(),
    };
    for candidate in read
        .iter()
        .filter(|candidate| candidate.role == Role::Issuing)
    {
        if let Some(issuer) = chain.sort(candidate, chain.issuer(candidate))? {
            chain.issuers.push(issuer);
        }
    }
    let mut keys = Vec::new();
    for candidate in read
        .iter()
        .filter(|candidate| candidate.role != Role::Issuing)
    {
        keys.extend(chain.sort(candidate, chain.node(candidate))?);
    }
    refuse_reused_keys(&read)?;
    let incarnation = incarnation(&read, moment)?;
    if keys.is_empty() {
        let why = chain.skipped.first().map(|skipped| skipped.why);
        return Err(why.unwrap_or(ChainError::NoNodeCertificate));
    }
    Ok(VerifiedCertificates {
        org: trust.org.to_owned(),
        incarnation,
        keys,
        skipped: chain.skipped,
    })
}

/// A certificate that was read, keeps its own rules and belongs to the organization.
struct Candidate<'a> {
    opened: Opened<'a>,
    certificate: Certificate,
    role: Role,
    public: PublicKey,
}

fn read<'a>(trust: &Trust<'_>, bytes: &'a [u8]) -> Result<Candidate<'a>, ChainError> {
    if bytes.len() > CERTIFICATE_MAX_BYTES {
        return Err(ChainError::Bounds);
    }
    let opened =
        envelope::open(bytes).map_err(|_| ChainError::Certificate(CertificateError::Envelope))?;
    let certificate: Certificate = cbor::decode(opened.unverified_payload())
        .map_err(|why| ChainError::Certificate(CertificateError::Malformed(why)))?;
    let role = certificate.check().map_err(ChainError::Certificate)?;
    if certificate.org.as_str() != trust.org {
        return Err(ChainError::Organization);
    }
    let public = PublicKey::from_bytes(&certificate.key.0).map_err(ChainError::Key)?;
    Ok(Candidate {
        opened,
        certificate,
        role,
        public,
    })
}

/// An issuing key that a pinned root certified.
struct Issuer {
    public: PublicKey,
    incarnation: u64,
    not_before: u64,
    not_after: u64,
}

struct Chain<'a> {
    trust: &'a Trust<'a>,
    moment: Moment,
    issuers: Vec<Issuer>,
    skipped: Vec<SkippedCertificate>,
}

impl Chain<'_> {
    /// Keeps what was accepted, sets aside what does not apply, passes on what refuses the whole.
    fn sort<T>(
        &mut self,
        candidate: &Candidate<'_>,
        judged: Result<T, ChainError>,
    ) -> Result<Option<T>, ChainError> {
        match judged {
            Ok(accepted) => Ok(Some(accepted)),
            Err(why) if why.only_sets_aside() => {
                self.skipped.push(SkippedCertificate {
                    digest: candidate.opened.digest(),
                    why,
                });
                Ok(None)
            }
            Err(why) => Err(why),
        }
    }

    fn issuer(&self, candidate: &Candidate<'_>) -> Result<Issuer, ChainError> {
        let kid = candidate.opened.kid();
        let root = self
            .trust
            .roots
            .iter()
            .find(|root| root.public.kid() == kid)
            .ok_or(ChainError::UnknownIssuer)?;
        self.signed_by(candidate, &root.public)?;
        self.root_in_force(root)?;
        self.in_force(&candidate.certificate)?;
        Ok(Issuer {
            public: candidate.public.clone(),
            incarnation: candidate.certificate.incarnation,
            not_before: candidate.certificate.not_before.max(root.not_before),
            not_after: candidate.certificate.not_after.min(root.not_after),
        })
    }

    fn node(&self, candidate: &Candidate<'_>) -> Result<NodeCertificate, ChainError> {
        let kid = candidate.opened.kid();
        if self.trust.roots.iter().any(|root| root.public.kid() == kid) {
            return Err(ChainError::IssuerRole);
        }
        // Two roots may have certified one issuing key; the chain that holds longer counts.
        let issuer = self
            .issuers
            .iter()
            .filter(|issuer| issuer.public.kid() == kid)
            .max_by_key(|issuer| issuer.not_after)
            .ok_or(ChainError::UnknownIssuer)?;
        self.signed_by(candidate, &issuer.public)?;
        self.in_force(&candidate.certificate)?;
        let certificate = &candidate.certificate;
        if certificate.incarnation < issuer.incarnation {
            return Err(ChainError::Incarnation);
        }
        Ok(NodeCertificate {
            public: candidate.public.clone(),
            role: candidate.role,
            uses: certificate.uses.to_vec(),
            peers: certificate
                .peers
                .as_deref()
                .map(<[_]>::to_vec)
                .unwrap_or_default(),
            serial: certificate.serial,
            not_before: certificate.not_before.max(issuer.not_before),
            not_after: certificate.not_after.min(issuer.not_after),
            digest: candidate.opened.digest(),
        })
    }

    fn signed_by(&self, candidate: &Candidate<'_>, key: &PublicKey) -> Result<(), ChainError> {
        candidate
            .opened
            .verify(Kind::Cert, self.trust.network, key)
            .map(|_| ())
            .map_err(|_| ChainError::Signature)
    }

    fn root_in_force(&self, root: &RootKey) -> Result<(), ChainError> {
        let retired = root.verify_only && matches!(self.moment, Moment::Session { .. });
        let revoked = root
            .revoked_at
            .is_some_and(|at| self.moment.received_at() >= at);
        let in_time = within(root.not_before, root.not_after, self.moment.valid_at()).is_ok();
        if retired || revoked || !in_time {
            Err(ChainError::Root)
        } else {
            Ok(())
        }
    }

    fn in_force(&self, certificate: &Certificate) -> Result<(), ChainError> {
        if self.trust.revoked_serials.contains(&certificate.serial) {
            return Err(ChainError::Revoked);
        }
        within(
            certificate.not_before,
            certificate.not_after,
            self.moment.valid_at(),
        )
    }
}

/// Inside the window, give or take the difference that two honest clocks may have.
fn within(not_before: u64, not_after: u64, at: u64) -> Result<(), ChainError> {
    if at.saturating_add(CLOCK_SKEW_S) < not_before {
        Err(ChainError::NotYetValid)
    } else if at > not_after.saturating_add(CLOCK_SKEW_S) {
        Err(ChainError::Expired)
    } else {
        Ok(())
    }
}

/// One key in two roles would let a signature of one purpose pass for the other.
fn refuse_reused_keys(read: &[Candidate<'_>]) -> Result<(), ChainError> {
    let reused = read.iter().enumerate().any(|(at, one)| {
        read.iter()
            .skip(at + 1)
            .any(|two| one.public == two.public && one.role != two.role)
    });
    if reused {
        Err(ChainError::KeyReused)
    } else {
        Ok(())
    }
}

/// The incarnation of the node: one for all its certificates when a session is opened. Among past
/// record keys there may be several, and the highest counts. Issuing certificates are not looked
/// at: they hold for later incarnations too.
fn incarnation(read: &[Candidate<'_>], moment: Moment) -> Result<u64, ChainError> {
    let node = read
        .iter()
        .filter(|candidate| candidate.role != Role::Issuing)
        .map(|candidate| candidate.certificate.incarnation);
    let highest = node.clone().max().ok_or(ChainError::NoNodeCertificate)?;
    let lowest = node.min().unwrap_or(highest);
    if matches!(moment, Moment::Session { .. }) && lowest != highest {
        return Err(ChainError::Incarnation);
    }
    Ok(highest)
}
