//! Which certificates the node is given, and which are to be signed.
//!
//! The node asks for certificates in its report; the plan says which of them are due, and the
//! signer ([`crate::keys::signer`]) makes them. A session certificate lives 30 days and a record
//! certificate up to a year (a record stays verifiable through the certificate of its day, so few
//! of them are better); none outlives the issuing key. Each is renewed at two thirds of its life,
//! and at once when another issuing key took over.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::sidecar_config::{CertificateRequest, Root};
use finp2p_wire::certificate::{Certificate, PeerIdBytes, Role, Use};
use finp2p_wire::key::{Kid, PublicKey};
use finp2p_wire::{envelope, limits::PEER_IDS_MAX};
use jiff::Timestamp;
use libp2p_identity::PeerId;

use super::boundary::Boundary;
use super::root::incarnation;
use crate::node::inputs::{Inputs, IssuingCertificate, SignerState};
use crate::node::validate::Local;

/// Most record certificates. Past ones stay, or the records of their time could not be verified
/// any more: one or two a year, for twenty years.
const RECORDS_MAX: usize = 32;
/// Most issuing certificates: those behind the record certificates, one a year. With all others
/// below the 64 that a root has room for.
const ISSUING_MAX: usize = 24;
/// Most session certificates: the ones in use and what a few rotations leave valid.
const SESSIONS_MAX: usize = 4;
/// Most requests of a node that are looked at: it has a session and a record key, and successors.
const REQUESTS_MAX: usize = 8;
/// A renewal must add this much, or a certificate that cannot outlive its issuing key would be
/// renewed for ever shorter times.
const GAIN_MIN_S: u64 = 86_400;
/// An issuing key is announced to end this long before.
pub const ISSUING_ALARM_S: i64 = 30 * 86_400;
/// Signing takes a moment; the alarm is for when it does not happen.
const ALARM_GRACE_S: u64 = 3600;

/// What the signer is asked to certify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningRequest {
    /// The organization.
    pub organization: String,
    /// The network's name.
    pub network: String,
    /// What the key is for, ascending: a session or a record key, never an issuing one.
    pub uses: Vec<Use>,
    /// The key.
    pub key: PublicKey,
    /// The libp2p identities of a session key.
    pub peers: Vec<PeerIdBytes>,
    /// The node's incarnation.
    pub incarnation: u64,
}

/// What the root gets, and what the signer has to do.
#[derive(Clone, Debug, Default)]
pub struct Certificates {
    /// Base64 of the envelopes, issuing certificates first.
    pub current: Vec<String>,
    /// What is due.
    pub signing: Vec<SigningRequest>,
    /// When what is in use ends, and from when on that is alarming.
    pub ends: Vec<End>,
}

/// The end of something that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// What ends, in words.
    pub what: String,
    /// When it ends.
    pub at: Timestamp,
    /// From when on it counts as ending soon.
    pub alarm: Timestamp,
}

/// A certificate and its envelope.
#[derive(Clone, Debug)]
struct Held {
    base64: String,
    signed_by: Kid,
    role: Role,
    says: Certificate,
}

impl Held {
    fn read(base64: &str) -> Option<Self> {
        let bytes = STANDARD.decode(base64).ok()?;
        let says = Certificate::decode_unverified(&bytes).ok()?;
        let signed_by = envelope::open(&bytes).ok()?.kid();
        Some(Self {
            base64: base64.to_owned(),
            signed_by,
            role: says.role().ok()?,
            says,
        })
    }

    /// Two thirds of its life.
    fn renewal(&self) -> u64 {
        let life = self.says.not_after.saturating_sub(self.says.not_before);
        self.says.not_before + life / 3 * 2
    }

    /// Whether there is a second that is in the time of both.
    fn overlaps(&self, other: &Self) -> bool {
        self.says.not_before.max(other.says.not_before)
            <= self.says.not_after.min(other.says.not_after)
    }

    fn kid(&self) -> Option<Kid> {
        PublicKey::from_bytes(self.says.key.as_bytes())
            .ok()
            .map(|key| key.kid())
    }
}

/// Whether a root certifies a key of its node: without, a node answers nobody.
pub fn certifies(root: &Root) -> bool {
    let certificates = root.certificates.iter();
    certificates
        .filter_map(|text| Held::read(text))
        .any(|held| held.role != Role::Issuing)
}

/// Chooses among what the root has and what was signed since.
pub fn choose(inputs: &Inputs, local: &Local<'_>, moments: &mut Boundary) -> Certificates {
    let signer = match &inputs.signer {
        SignerState::Usable(certificate) if certificate.not_after > inputs.now => Some(certificate),
        _ => None,
    };
    let held = usable(inputs, local, signer);
    let (issuing, node): (Vec<_>, Vec<_>) = held.into_iter().partition(|c| c.role == Role::Issuing);
    let issuers: BTreeSet<Kid> = issuing.iter().filter_map(Held::kid).collect();
    let node = newest_sessions(
        node.into_iter().filter(|c| issuers.contains(&c.signed_by)),
        signer,
    );
    let of_role = |role: Role, most| node.iter().filter(move |c| c.role == role).take(most);
    let of_node: Vec<&Held> = of_role(Role::Session, SESSIONS_MAX)
        .chain(of_role(Role::Record, RECORDS_MAX))
        .collect();
    let needed = |c: &&Held| {
        let kid = c.kid();
        let signs = |n: &&Held| Some(n.signed_by) == kid && c.overlaps(n);
        signer.is_some_and(|s| s.base64 == c.base64) || of_node.iter().any(signs)
    };
    let kept: Vec<&Held> = issuing
        .iter()
        .filter(needed)
        .take(ISSUING_MAX)
        .chain(of_node.iter().copied())
        .collect();
    for certificate in &kept {
        moments.at(timestamp(certificate.says.not_after));
        moments.at(timestamp(certificate.renewal()));
    }
    Certificates {
        current: kept.iter().map(|c| c.base64.clone()).collect(),
        signing: signer
            .map(|signer| due(inputs, local, signer, &node))
            .unwrap_or_default(),
        ends: ends(signer, &node),
    }
}

/// Everything that is ours, of this incarnation, not revoked, and in its time or for records of
/// the past; the newest first.
fn usable(inputs: &Inputs, local: &Local<'_>, signer: Option<&IssuingCertificate>) -> Vec<Held> {
    let root = inputs
        .previous
        .as_ref()
        .and_then(|previous| previous.root.spec.root.as_ref());
    let texts = signer.map(|signer| &signer.base64).into_iter();
    let texts = texts
        .chain(&inputs.signed)
        .chain(root.iter().flat_map(|root| &root.certificates));
    let now = seconds(inputs.now);
    let mut held: Vec<Held> = texts
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter_map(|text| Held::read(text))
        .filter(|c| c.says.org.as_str() == local.id)
        // Past issuing certificates go when no record certificate needs them any more.
        .filter(|c| c.role != Role::Session || c.says.not_after > now)
        .filter(|c| c.role == Role::Issuing || c.says.incarnation == incarnation_of(local))
        .filter(|c| !local.revokes(c.says.serial))
        .collect();
    held.sort_by(|a, b| (rank(a), &a.base64).cmp(&(rank(b), &b.base64)));
    held
}

/// Issuing, session, record; the youngest of each first.
fn rank(held: &Held) -> (u8, std::cmp::Reverse<u64>) {
    let role = match held.role {
        Role::Issuing => 0,
        Role::Session => 1,
        Role::Record => 2,
    };
    (role, std::cmp::Reverse(held.says.not_before))
}

/// One certificate per session key: of the current issuing key before any other, then the
/// youngest. Record certificates all stay: each vouches for the records of its time.
fn newest_sessions(
    held: impl Iterator<Item = Held>,
    signer: Option<&IssuingCertificate>,
) -> Vec<Held> {
    let mut held: Vec<Held> = held.collect();
    held.sort_by_key(|c| (rank(c).0, signer.is_none_or(|s| s.kid != c.signed_by)));
    let mut seen = BTreeSet::new();
    held.retain(|c| c.role != Role::Session || seen.insert(*c.says.key.as_bytes()));
    held
}

/// What must be signed now.
fn due(
    inputs: &Inputs,
    local: &Local<'_>,
    signer: &IssuingCertificate,
    node: &[Held],
) -> Vec<SigningRequest> {
    let Some(report) = &inputs.report else {
        return Vec::new();
    };
    let wanted = requested(local, &report.certificate_requests);
    let roles: BTreeSet<u8> = wanted
        .iter()
        .filter_map(|w| role(&w.uses))
        .map(|r| r as u8)
        .collect();
    // A node that asks for nothing of a role is content with the key it has: that key is renewed.
    // One that asks is making another key, and only what it asks for is signed.
    let now = seconds(inputs.now);
    let content = node
        .iter()
        .filter(|c| c.says.not_after > now)
        .filter(|c| !roles.contains(&(c.role as u8)))
        .filter_map(|c| renewal_of(local, c));
    let mut due: Vec<SigningRequest> = Vec::new();
    for request in wanted.iter().cloned().chain(content) {
        if is_due(inputs, signer, node, &request) && !due.contains(&request) {
            due.push(request);
        }
    }
    due
}

fn is_due(
    inputs: &Inputs,
    signer: &IssuingCertificate,
    node: &[Held],
    request: &SigningRequest,
) -> bool {
    let now = seconds(inputs.now);
    let best = node
        .iter()
        .filter(|c| c.signed_by == signer.kid && says_the_same(&c.says, request))
        .max_by_key(|c| c.says.not_after);
    let life = role(&request.uses).map_or(0, life_s);
    let end = (now + life).min(seconds(signer.not_after));
    best.is_none_or(|c| now >= c.renewal() && end >= c.says.not_after + GAIN_MIN_S)
}

fn says_the_same(certificate: &Certificate, request: &SigningRequest) -> bool {
    let peers: Vec<&PeerIdBytes> = certificate.peers.iter().flatten().collect();
    *certificate.uses == *request.uses
        && certificate.key.as_bytes() == request.key.as_bytes()
        && peers == request.peers.iter().collect::<Vec<_>>()
}

/// The requests of a node, one per key, without those that no verifier would accept.
fn requested(local: &Local<'_>, requests: &[CertificateRequest]) -> Vec<SigningRequest> {
    let mut by_key: BTreeMap<&str, (BTreeSet<Use>, BTreeSet<Vec<u8>>)> = BTreeMap::new();
    for request in requests.iter().take(REQUESTS_MAX) {
        let Some(use_) = use_of(&request.use_) else {
            continue;
        };
        let (uses, peers) = by_key.entry(&request.public_key).or_default();
        uses.insert(use_);
        let ids = request
            .peer_ids
            .iter()
            .filter_map(|id| id.parse::<PeerId>().ok());
        peers.extend(ids.map(|id| id.to_bytes()));
    }
    by_key
        .into_iter()
        .filter_map(|(key, (uses, peers))| {
            let uses: Vec<Use> = uses.into_iter().collect();
            let session = role(&uses)? == Role::Session;
            (session != peers.is_empty() && peers.len() <= PEER_IDS_MAX).then_some(())?;
            Some(SigningRequest {
                organization: local.id.clone(),
                network: local.node.network.clone(),
                uses,
                key: PublicKey::from_spki_base64(key).ok()?,
                peers: peers
                    .into_iter()
                    .map(PeerIdBytes::new)
                    .collect::<Result<_, _>>()
                    .ok()?,
                incarnation: incarnation_of(local),
            })
        })
        .collect()
}

fn renewal_of(local: &Local<'_>, held: &Held) -> Option<SigningRequest> {
    Some(SigningRequest {
        organization: local.id.clone(),
        network: local.node.network.clone(),
        uses: held.says.uses.to_vec(),
        key: PublicKey::from_bytes(held.says.key.as_bytes()).ok()?,
        peers: held.says.peers.iter().flatten().cloned().collect(),
        incarnation: incarnation_of(local),
    })
}

/// The use that a node may ask for: never `issue`.
fn use_of(word: &str) -> Option<Use> {
    match word {
        "net" => Some(Use::Net),
        "rec" => Some(Use::Rec),
        "dec" => Some(Use::Dec),
        "hold" => Some(Use::Hold),
        _ => None,
    }
}

/// The role of a node's key with these uses, ascending.
pub fn role(uses: &[Use]) -> Option<Role> {
    match uses {
        [Use::Net] | [Use::Net, Use::Hold] => Some(Role::Session),
        [Use::Rec] | [Use::Dec] | [Use::Rec, Use::Dec] => Some(Role::Record),
        _ => None,
    }
}

/// How long a certificate of this role is made to live, seconds.
pub fn life_s(role: Role) -> u64 {
    const DAY_S: u64 = 86_400;
    match role {
        Role::Session => 30 * DAY_S,
        Role::Issuing | Role::Record => 365 * DAY_S,
    }
}

/// When the certificates that are in use end: the issuing one, and the best of each role.
fn ends(signer: Option<&IssuingCertificate>, node: &[Held]) -> Vec<End> {
    let issuing = signer.map(|signer| End {
        what: "the issuing key".to_owned(),
        at: signer.not_after,
        alarm: timestamp(seconds(signer.not_after).saturating_sub(ISSUING_ALARM_S.unsigned_abs())),
    });
    let of_role = |role: Role, what: &str| {
        let best = node
            .iter()
            .filter(|c| c.role == role)
            .max_by_key(|c| c.says.not_after)?;
        Some(End {
            what: what.to_owned(),
            at: timestamp(best.says.not_after),
            alarm: timestamp(best.renewal() + ALARM_GRACE_S),
        })
    };
    let session = of_role(Role::Session, "the node's session certificate");
    let record = of_role(Role::Record, "the node's record certificate");
    issuing.into_iter().chain(session).chain(record).collect()
}

fn incarnation_of(local: &Local<'_>) -> u64 {
    u64::try_from(incarnation(local.node)).unwrap_or(1)
}

/// Unix seconds, as certificates count.
pub fn seconds(at: Timestamp) -> u64 {
    u64::try_from(at.as_second()).unwrap_or(0)
}

/// A moment in unix seconds as a timestamp; what is beyond the calendar is its last moment.
pub fn timestamp(seconds: u64) -> Timestamp {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX)
}
