//! Saying hello: who we are, and whether whoever answers is who was meant.

use finp2p_wire::cbor::{Bytes, List, Text};
use finp2p_wire::certificate::{Moment, VerifiedCertificates, verify_chain};
use finp2p_wire::digest::{self, Digest};
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::error::Reference;
use finp2p_wire::frame::{self, Expect, Frame};
use finp2p_wire::limits::CLOCK_SKEW_S;
use finp2p_wire::message::{Hello, HelloOk, Nonce, VERSION};
use libp2p::PeerId;

use super::error::{Fault, HelloFault, LocalFault};
use super::peer::Peer;
use super::session::Session;
use crate::identity::Identity;

/// Longest use of a session in seconds, whatever the peer allows: a server keeps one for an hour.
const SESSION_USE_MAX_S: u64 = 3600;

/// A hello that was made.
pub(super) struct Greeting {
    digest: Digest,
    pub(super) frame: Vec<u8>,
}

/// What came of it.
pub(super) struct Welcome {
    pub(super) session: Session,
    pub(super) certificates: VerifiedCertificates,
    /// Digest of the roots that the peer pins for us.
    pub(super) trust: Digest,
    /// What time it is there, unix seconds.
    pub(super) time: u64,
}

impl Greeting {
    /// Signs a hello to the peer.
    pub(super) fn new(identity: &Identity, peer: &Peer, now: u64) -> Result<Self, LocalFault> {
        let mut nonce = [0; 32];
        rand::fill(&mut nonce);
        let certs: Result<Vec<_>, _> = identity
            .certificates
            .iter()
            .map(|bytes| Bytes::new(bytes.as_slice()))
            .collect();
        let hello = Hello {
            org: Text::new(&*identity.organization).map_err(|_| LocalFault::NoIdentity)?,
            certs: certs
                .and_then(List::new)
                .map_err(|_| LocalFault::NoIdentity)?,
            vers: List::new(vec![VERSION]).map_err(|_| LocalFault::Bounds)?,
            nonce: Nonce(nonce),
            time: now,
            caps: List::default(),
            trust: digest::trust(
                peer.organization(),
                peer.roots.iter().map(|root| &root.public),
            ),
            addrs: None,
        };
        let envelope = envelope::seal(
            Kind::Hello,
            &identity.network,
            &identity.session,
            &hello.encode(),
        );
        let frame = frame::encode::<&[u8]>(Expect::Hello, &envelope, &[])
            .map_err(|_| LocalFault::NoIdentity)?;
        Ok(Self {
            digest: envelope::digest(&envelope),
            frame,
        })
    }

    pub(super) fn reference(&self) -> Reference {
        Reference::of(&self.digest)
    }

    /// Checks what `remote` answered, with validity judged at `now`. All but its clock and its
    /// incarnation, which the caller compares with what it knows.
    pub(super) fn read(
        &self,
        identity: &Identity,
        peer: &Peer,
        remote: PeerId,
        now: u64,
        bytes: &[u8],
    ) -> Result<Welcome, Fault> {
        let frame = frame::decode(Expect::Hello, bytes).map_err(|_| HelloFault::Malformed)?;
        let envelope = match frame {
            Frame::Signed {
                envelope,
                attachments,
            } if attachments.is_empty() => envelope,
            // Nothing in a hello's answer would bind them.
            Frame::Signed { .. } => return Err(HelloFault::Malformed.into()),
            Frame::Hint(hint) => return Err(Fault::Hinted(hint.into())),
        };
        let opened = envelope::open(envelope).map_err(|_| HelloFault::Malformed)?;
        // Read before it is verified: it carries the certificates of the key that signed it.
        let claimed =
            HelloOk::decode(opened.unverified_payload()).map_err(|_| HelloFault::Malformed)?;
        if claimed.org.as_str() != peer.organization() || claimed.hello != self.digest {
            return Err(HelloFault::OtherHello.into());
        }
        let certificates = verify_chain(
            &peer.trust(&identity.network),
            &claimed.certs,
            Moment::Session { now },
        )
        .map_err(HelloFault::Chain)?;
        let key = certificates
            .session_key(opened.kid())
            .ok_or(HelloFault::Signature)?;
        opened
            .verify(Kind::HelloOk, &identity.network, &key.public)
            .map_err(|_| HelloFault::Signature)?;
        let remote_bytes = remote.to_bytes();
        if !key
            .peers
            .iter()
            .any(|listed| listed.as_ref() == remote_bytes)
        {
            return Err(HelloFault::PeerId.into());
        }
        version(peer, &claimed)?;
        // A tenth early, so that the peer never has to say that it knows the session no more.
        let life = claimed.limits.session_s.min(SESSION_USE_MAX_S) / 10 * 9;
        let ends = now
            .saturating_add(life)
            .min(key.not_after.saturating_add(CLOCK_SKEW_S))
            .min(peer.next_revocation(now));
        let session = Session::new(
            claimed.sid,
            remote,
            peer.organization().to_owned(),
            key.public.clone(),
            identity.session.kid(),
            ends,
        );
        Ok(Welcome {
            session,
            certificates,
            trust: claimed.trust,
            time: claimed.time,
        })
    }
}

/// The version must be ours, theirs, and not below what the configuration demands.
fn version(peer: &Peer, claimed: &HelloOk) -> Result<(), HelloFault> {
    let demanded = peer.entry.minimum_protocol_version.unwrap_or(0);
    let fits = claimed.ver == VERSION
        && claimed.vers.contains(&VERSION)
        && u64::try_from(demanded).is_ok_and(|demanded| demanded <= claimed.ver);
    if fits {
        Ok(())
    } else {
        Err(HelloFault::Version)
    }
}
