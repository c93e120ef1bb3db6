//! A hello: rows 0 to 8 for somebody who has no session yet.
//!
//! Row 0 needs what the hello says, so it comes once the bytes have been read; and before it no
//! signature is verified for an organization that nobody pinned. Whoever is not pinned, or cannot
//! show certificates that lead to a pinned root and name his libp2p identity, is not answered.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use finp2p_crds::entry::PeerEntry;
use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::certificate::{Certificate, ChainError, NodeCertificate, VerifiedCertificates};
use finp2p_wire::digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::{self, Expect};
use finp2p_wire::key::Kid;
use finp2p_wire::limits::{ITEMS_MAX, REQUEST_FRAME_MAX_BYTES, RESPONSE_FRAME_MAX_BYTES};
use finp2p_wire::message::{
    Certificates, Hello, HelloOk, Organization, PeerLimits, SessionId, VERSION, choose_version,
};
use rand::TryRng as _;

use super::arrival::{Arrival, Read};
use super::refusal::{Check, Refusal};
use super::snapshot::Snapshot;
use super::trail::{Finding, Heading, entries};
use super::trust::{self, Pinned};
use super::{Responder, Stop, exchange, time};
use crate::session::{Binding, SESSION_LIFE_S};

/// What hellos are called in the audit.
pub(super) const OP: &str = "hello";

/// Sets of certificates of all strangers together that are verified in a second: as many as there
/// may be strangers. At four signatures a set they are a few hundredths of a core.
pub(super) const STRANGER_CHAINS_PER_SECOND: u32 = 64;
/// Under what name they spend it.
const ALL_STRANGERS: &str = "";

/// Answers a hello, and opens the session it asks for.
pub(super) fn answer(
    responder: &Responder,
    arrival: &Arrival<'_>,
    read: &Read<'_>,
    hello: &Hello,
) -> Result<Vec<u8>, Stop> {
    let snapshot = responder.configuration.current();
    let kid = read.opened.kid();

    // Row 0. Nobody is named in a count before this: anybody can claim a name.
    let peer = snapshot
        .peer(&hello.org)
        .ok_or(Check::Known.refuse("the organization is not pinned"))?;
    names_the_connection(hello, arrival, kid)?;
    let pinned = Pinned {
        generation: snapshot.generation,
        network: &snapshot.identity.network,
        peer: &peer,
    };
    let judged = known_certificates(judge(responder, arrival, &pinned, hello)?)?;
    let named = |refusal| Stop::of(refusal, hello.org.as_str());

    let version = version(&peer, hello).map_err(named)?; // Row 2.
    let verified = standing(&peer, judged).map_err(named)?; // Row 4.
    let key = session_key(&verified, arrival, kid).map_err(named)?;
    incarnation(responder, &verified).map_err(named)?;
    responder.rate(arrival, &snapshot, hello.org.as_str())?; // Row 5.
    let signed = || {
        read.opened
            .verify(Kind::Hello, pinned.network, &key.public)
            .is_ok()
    };
    clock(responder, arrival, hello, signed).map_err(named)?; // Row 7.
    let heading = Heading {
        at: arrival.now,
        organization: hello.org.as_str(),
        kid,
        op: OP,
        purpose: None,
        configuration: snapshot.set,
        request: read.digest,
        envelope: None,
    };
    responder.signature(&snapshot, read, Kind::Hello, &key.public, &heading)?; // Row 8.
    responder
        .timekeeper
        .witness(arrival.now, &hello.org, hello.time);

    let heading = Heading {
        envelope: Some(read.envelope),
        ..heading
    };
    let accepted = Accepted {
        certificates: &hello.certs,
        incarnation: verified.incarnation,
        peer: &peer,
        version,
    };
    accept(responder, arrival, &snapshot, &accepted, &heading)
}

/// Row 0: the certificate of the key that signed lists the identity of this connection. Read and
/// not verified: it is the cheaper half of row 0, and verified right after.
fn names_the_connection(hello: &Hello, arrival: &Arrival<'_>, kid: Kid) -> Result<(), Refusal> {
    let peer = arrival.peer.to_bytes();
    let names = hello
        .certs
        .iter()
        .filter_map(|bytes| Certificate::decode_unverified(bytes).ok())
        .filter(|certificate| Kid::of(&certificate.key.0) == kid)
        .filter_map(|certificate| certificate.peers)
        .any(|peers| peers.iter().any(|listed| **listed == *peer));
    if names {
        Ok(())
    } else {
        Err(Check::Known.refuse("the certificate is for another libp2p identity"))
    }
}

/// What is known of presented certificates: they lead to a pinned root, and are in force or not.
type Judged = Result<Arc<VerifiedCertificates>, ChainError>;

/// Row 0: what is known of the certificates. To find out costs signatures, so all who have not
/// been admitted share what may be spent on them; what was judged before is only looked up.
fn judge(
    responder: &Responder,
    arrival: &Arrival<'_>,
    pinned: &Pinned<'_>,
    hello: &Hello,
) -> Result<Judged, Refusal> {
    let (now, certificates) = (arrival.believed, &hello.certs);
    if let Some(known) = responder.chains.known(now, pinned, certificates) {
        return Ok(Ok(known));
    }
    let admitted = responder.admissions.organization(&arrival.peer);
    if admitted.as_deref() != Some(hello.org.as_str()) {
        responder
            .strangers
            .take(arrival.now, ALL_STRANGERS, STRANGER_CHAINS_PER_SECOND)
            .map_err(|_| Check::Known.refuse("too many certificates of strangers"))?;
    }
    Ok(responder.chains.judge(now, pinned, certificates))
}

/// Row 0: they are the organization's own. Whether they are in force is row 4.
fn known_certificates(judged: Judged) -> Result<Judged, Refusal> {
    match judged {
        Err(why) if !trust::is_about_time_or_revocation(why) => {
            Err(Check::Known.refuse("the certificates do not lead to a pinned root"))
        }
        judged => Ok(judged),
    }
}

/// Row 2: the version both speak, not below the minimum that is pinned for the organization.
fn version(peer: &PeerEntry, hello: &Hello) -> Result<u64, Refusal> {
    let least = peer
        .minimum_protocol_version
        .and_then(|least| u64::try_from(least).ok())
        .unwrap_or(0);
    choose_version(&hello.vers)
        .filter(|version| *version >= least)
        .ok_or(Check::Version.refuse("no version in common"))
}

/// Row 4: not suspended, and certificates in force. One code for all, whatever came first.
fn standing(peer: &PeerEntry, judged: Judged) -> Result<Arc<VerifiedCertificates>, Refusal> {
    if peer.suspended {
        return Err(Check::Standing.refuse("suspended"));
    }
    judged.map_err(|why| Check::Standing.refuse(why_not_in_force(why)))
}

/// A chain's fault in a word.
pub(super) fn why_not_in_force(why: ChainError) -> &'static str {
    match why {
        ChainError::NotYetValid => "certificate not valid yet",
        ChainError::Expired => "certificate expired",
        ChainError::Revoked => "certificate revoked",
        ChainError::Root => "root retired, revoked or outside its time",
        _ => "certificates do not lead to a pinned root",
    }
}

/// Row 4: the key that signed is a session key in force, for the identity of this connection.
fn session_key<'v>(
    verified: &'v VerifiedCertificates,
    arrival: &Arrival<'_>,
    kid: Kid,
) -> Result<&'v NodeCertificate, Refusal> {
    let peer = arrival.peer.to_bytes();
    verified
        .session_key(kid)
        .filter(|key| key.peers.iter().any(|listed| **listed == *peer))
        .ok_or(Check::Standing.refuse("no session key in force"))
}

/// Row 4: no lower incarnation than one that was seen.
pub(super) fn incarnation(
    responder: &Responder,
    verified: &VerifiedCertificates,
) -> Result<(), Refusal> {
    let highest = responder
        .incarnations
        .highest(&verified.org)
        .map_err(|_| Check::Memory.refuse("highest incarnation cannot be read"))?;
    if verified.incarnation < highest {
        return Err(Check::Standing.refuse("lower incarnation than seen"));
    }
    Ok(())
}

/// Row 7. A hello that is refused here still says what time it is elsewhere, if it was `signed`:
/// when our clock is off, no other hello comes.
fn clock(
    responder: &Responder,
    arrival: &Arrival<'_>,
    hello: &Hello,
    signed: impl FnOnce() -> bool,
) -> Result<(), Refusal> {
    if time::is_close(arrival.at, hello.time) {
        return Ok(());
    }
    responder.signatures.fetch_add(1, Ordering::Relaxed);
    if signed() {
        responder
            .timekeeper
            .witness(arrival.now, &hello.org, hello.time);
    }
    Err(Check::Clock.refuse("hello from another time"))
}

/// A hello that passed every check.
struct Accepted<'a> {
    certificates: &'a Certificates,
    incarnation: u64,
    peer: &'a PeerEntry,
    version: u64,
}

/// Everything held: the store has not stopped, the incarnation is remembered, the entry written, the session open, and only
/// then the answer signed.
fn accept(
    responder: &Responder,
    arrival: &Arrival<'_>,
    snapshot: &Snapshot,
    accepted: &Accepted<'_>,
    heading: &Heading<'_>,
) -> Result<Vec<u8>, Stop> {
    let organization = heading.organization;
    let unavailable = |detail| Stop::of(Check::Memory.refuse(detail), organization);
    if responder.records.have_stopped() {
        return Err(unavailable(exchange::STORE_STOPPED));
    }
    responder
        .incarnations
        .raise(organization, accepted.incarnation)
        .map_err(|_| unavailable("incarnation cannot be kept"))?;
    let mut sid = [0; 16];
    rand::rngs::SysRng
        .try_fill_bytes(&mut sid)
        .map_err(|_| unavailable("no random bytes"))?;
    let sid = SessionId(sid);

    let leave = || {
        let payload = hello_ok(arrival, accepted, snapshot, heading, sid)
            .ok_or_else(|| unavailable("this node has no certificates"))?
            .encode();
        let entries = entries(heading, vec![Finding::granted()]);
        if responder.trail.record(&entries).is_err() {
            return Err(unavailable("audit"));
        }
        let identity = &snapshot.identity;
        let envelope = envelope::seal(
            Kind::HelloOk,
            &identity.network,
            &identity.session,
            &payload,
        );
        let frame = frame::encode::<&[u8]>(Expect::Hello, &envelope, &[])
            .map_err(|_| unavailable("the answer is too large"))?;
        let binding = Binding {
            organization: organization.to_owned(),
            peer: arrival.peer,
            kid: heading.kid,
            our_kid: identity.session.kid(),
            certificates: accepted.certificates.clone(),
            version: accepted.version,
            hello: heading.request,
            hello_ok: envelope::digest(&envelope),
        };
        responder.sessions.open(arrival.believed, sid, binding);
        responder.admissions.admit(arrival.peer, organization);
        Ok(frame)
    };
    responder
        .configuration
        .while_in_force(snapshot, leave)
        // Whoever says hello again finds the new configuration.
        .unwrap_or_else(|| Err(unavailable("the configuration changed meanwhile")))
}

/// `None` when the node has nothing to show for itself.
fn hello_ok(
    arrival: &Arrival<'_>,
    accepted: &Accepted<'_>,
    snapshot: &Snapshot,
    heading: &Heading<'_>,
    sid: SessionId,
) -> Option<HelloOk> {
    let identity = &snapshot.identity;
    let roots = trust::roots(accepted.peer);
    Some(HelloOk {
        org: Organization::new(identity.organization.clone()).ok()?,
        certs: certificates(&identity.certificates)?,
        vers: List::new(vec![VERSION]).ok()?,
        ver: accepted.version,
        hello: heading.request,
        sid,
        time: arrival.at,
        limits: PeerLimits {
            items: ITEMS_MAX as u64,
            request_bytes: REQUEST_FRAME_MAX_BYTES as u64,
            response_bytes: RESPONSE_FRAME_MAX_BYTES as u64,
            session_s: SESSION_LIFE_S,
        },
        trust: digest::trust(
            &accepted.peer.organization_id,
            roots.iter().map(|root| &root.public),
        ),
    })
}

/// Certificates as a message holds them.
pub(super) fn certificates(envelopes: &[Vec<u8>]) -> Option<Certificates> {
    let envelopes = envelopes
        .iter()
        .map(|envelope| Bytes::new(envelope.as_slice()).ok())
        .collect::<Option<Vec<_>>>()?;
    Certificates::new(envelopes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_tells_what_the_peer_is_not_told() {
        let told: Vec<&str> = [
            ChainError::NotYetValid,
            ChainError::Expired,
            ChainError::Revoked,
            ChainError::Root,
            ChainError::UnknownIssuer,
        ]
        .map(why_not_in_force)
        .to_vec();
        let expected = [
            "certificate not valid yet",
            "certificate expired",
            "certificate revoked",
            "root retired, revoked or outside its time",
            "certificates do not lead to a pinned root",
        ];
        assert_eq!(told, expected);
    }
}
