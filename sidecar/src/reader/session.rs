//! A session as its client holds it, and the requests in it.

use std::sync::atomic::{AtomicU64, Ordering};

use finp2p_wire::cbor::Text;
use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::error::Reference;
use finp2p_wire::frame::{self, Expect, Frame};
use finp2p_wire::key::{Kid, PublicKey};
use finp2p_wire::message::{Answer, Audience, Body, Purpose, Request, Response, SessionId};
use libp2p::PeerId;

use super::error::{AnswerFault, Fault, Hinted, LocalFault};
use crate::identity::Identity;

/// What a hello has agreed on. Memory only, on both sides.
pub(super) struct Session {
    pub(super) sid: SessionId,
    /// Who the session is with: the node, the organization and its session key.
    pub(super) peer: PeerId,
    pub(super) organization: String,
    pub(super) key: PublicKey,
    /// Our session key, which it is bound to.
    pub(super) ours: Kid,
    /// First second at which another hello is due.
    pub(super) ends: u64,
    /// The next request's number.
    next: AtomicU64,
}

impl Session {
    pub(super) fn new(
        sid: SessionId,
        peer: PeerId,
        organization: String,
        key: PublicKey,
        ours: Kid,
        ends: u64,
    ) -> Self {
        Self {
            sid,
            peer,
            organization,
            key,
            ours,
            ends,
            next: AtomicU64::new(1),
        }
    }

    /// Whether requests may be sent in it at `now`, by this identity.
    pub(super) fn holds(&self, now: u64, identity: &Identity) -> bool {
        now < self.ends && self.ours == identity.session.kid()
    }

    /// A signed request with a number of its own.
    pub(super) fn ask(
        &self,
        now: u64,
        identity: &Identity,
        body: Body,
        purpose: Option<Purpose>,
    ) -> Result<Asked, LocalFault> {
        let request = Request {
            sid: self.sid,
            ctr: self.next.fetch_add(1, Ordering::Relaxed),
            time: now,
            aud: Audience {
                org: Text::new(&*self.organization).map_err(|_| LocalFault::Bounds)?,
                kid: self.key.kid(),
            },
            body,
            purpose,
            pres: None,
        };
        let payload = request.encode();
        let envelope = envelope::seal(Kind::Req, &identity.network, &identity.session, &payload);
        let frame = frame::encode::<&[u8]>(Expect::Request, &envelope, &[])
            .map_err(|_| LocalFault::Bounds)?;
        let digest = envelope::digest(&envelope);
        Ok(Asked {
            request,
            digest,
            frame,
        })
    }
}

/// A request that was made.
pub(super) struct Asked {
    request: Request,
    digest: Digest,
    pub(super) frame: Vec<u8>,
}

/// An answer that is the Primary's word on the request.
pub(super) struct Answered {
    pub(super) answer: Answer,
    pub(super) attachments: Vec<Vec<u8>>,
    pub(super) reference: Reference,
}

impl Asked {
    pub(super) fn reference(&self) -> Reference {
        Reference::of(&self.digest)
    }

    /// Reads what came back for this request. Only what the session's key signed, and signed as
    /// the answer to exactly this request, is an answer.
    pub(super) fn read(
        &self,
        network: &str,
        session: &Session,
        bytes: &[u8],
    ) -> Result<Answered, Fault> {
        let frame = frame::decode(Expect::Response, bytes).map_err(|_| AnswerFault::Malformed)?;
        let (envelope, attachments) = match frame {
            Frame::Signed {
                envelope,
                attachments,
            } => (envelope, attachments),
            Frame::Hint(hint) => return Err(Fault::Hinted(hint.into())),
        };
        let opened = envelope::open(envelope).map_err(|_| AnswerFault::Malformed)?;
        let payload = opened
            .verify(Kind::Res, network, &session.key)
            .map_err(|_| AnswerFault::Signature)?;
        let response = Response::decode(self.request.body.op(), payload)
            .map_err(|_| AnswerFault::Malformed)?;
        response
            .answers(&self.request, &self.digest)
            .map_err(AnswerFault::Mismatch)?;
        Ok(Answered {
            answer: response.answer,
            attachments: attachments.into_iter().map(<[u8]>::to_vec).collect(),
            reference: self.reference(),
        })
    }
}

impl From<frame::Hint> for Hinted {
    fn from(hint: frame::Hint) -> Self {
        Self {
            code: hint.code,
            retry_s: hint.retry_s,
            now: hint.now,
        }
    }
}
