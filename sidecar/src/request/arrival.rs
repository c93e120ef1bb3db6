//! Rows 1 and 2: from the bytes that arrived to a message that is believed in nothing yet.

use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Opened};
use finp2p_wire::frame::{self, Expect, Frame, FrameError};
use finp2p_wire::limits::HELLO_FRAME_MAX_BYTES;
use finp2p_wire::message::{Body, Hello, Request};
use jiff::Timestamp;
use libp2p::PeerId;

use super::refusal::{Check, Refusal};
use super::time::{Timekeeper, unix};
use crate::session::Sessions;

/// Bytes that arrived, and when.
#[derive(Clone, Copy)]
pub(super) struct Arrival<'a> {
    /// The clock.
    pub now: Timestamp,
    /// The clock in unix seconds.
    pub at: u64,
    /// The time by which validity is judged, unix seconds.
    pub believed: u64,
    /// The libp2p identity at the other end, as the encrypted connection proved it.
    pub peer: PeerId,
    pub bytes: &'a [u8],
}

impl<'a> Arrival<'a> {
    pub fn new(timekeeper: &Timekeeper, now: Timestamp, peer: PeerId, bytes: &'a [u8]) -> Self {
        Self {
            now,
            at: unix(now),
            believed: timekeeper.believed(now),
            peer,
            bytes,
        }
    }

    /// The time by which grants are judged.
    pub fn judged_at(&self) -> Timestamp {
        if self.at >= self.believed {
            return self.now;
        }
        i64::try_from(self.believed)
            .ok()
            .and_then(|second| Timestamp::from_second(second).ok())
            .unwrap_or(Timestamp::MAX)
    }

    /// The digest under which both sides refer to this: of the envelope, or of whatever came.
    pub fn digest(&self) -> Digest {
        match frame::decode(Expect::Request, self.bytes) {
            Ok(Frame::Signed { envelope, .. }) => envelope::digest(envelope),
            _ => Digest::of(self.bytes),
        }
    }
}

/// A message before anything in it is believed.
pub(super) enum Message {
    Hello(Box<Hello>),
    Request(Box<Request>),
}

/// What arrived, read.
pub(super) struct Read<'a> {
    pub envelope: &'a [u8],
    pub opened: Opened<'a>,
    pub digest: Digest,
    pub message: Message,
}

/// Row 1: nobody without a session is read further than the longest hello, and nobody further
/// than the longest request.
pub(super) fn size(sessions: &Sessions, arrival: &Arrival<'_>) -> Result<(), Refusal> {
    if arrival.bytes.len() <= HELLO_FRAME_MAX_BYTES {
        return Ok(());
    }
    if !sessions.knows(arrival.believed, &arrival.peer) {
        return Err(Check::Known.refuse("more than a hello, and no session"));
    }
    if arrival.bytes.len() > Expect::Request.max_bytes() {
        return Err(Check::Size.refuse("larger than a request"));
    }
    Ok(())
}

/// Row 2: frame, template, message, operation.
pub(super) fn shape<'a>(arrival: &Arrival<'a>) -> Result<Read<'a>, Refusal> {
    let frame = frame::decode(Expect::Request, arrival.bytes).map_err(|error| match error {
        FrameError::TooLarge => Check::Size.refuse("larger than a request"),
        FrameError::Malformed(_) => Check::Shape.refuse("frame"),
    })?;
    let Frame::Signed {
        envelope,
        attachments,
    } = frame
    else {
        return Err(Check::Shape.refuse("a hint is no request"));
    };
    let opened = envelope::open(envelope).map_err(|_| Check::Shape.refuse("envelope"))?;
    let message = message(opened.unverified_payload(), attachments.len())?;
    if matches!(message, Message::Hello(_)) && arrival.bytes.len() > HELLO_FRAME_MAX_BYTES {
        return Err(Check::Size.refuse("larger than a hello"));
    }
    Ok(Read {
        envelope,
        digest: opened.digest(),
        opened,
        message,
    })
}

/// The two messages differ in their first field, so that no bytes are both.
fn message(payload: &[u8], attachments: usize) -> Result<Message, Refusal> {
    let message = match Request::decode(payload) {
        Ok(request) => Message::Request(Box::new(request)),
        Err(_) => Hello::decode(payload)
            .map(|hello| Message::Hello(Box::new(hello)))
            .map_err(|_| Check::Shape.refuse("message"))?,
    };
    let announced = match &message {
        Message::Hello(_) => 0,
        Message::Request(request) => {
            if matches!(&request.body, Body::Catalog(catalog) if catalog.max == 0) {
                return Err(Check::Shape.refuse("a page of nothing"));
            }
            request.pres.as_ref().map_or(0, |digests| digests.len())
        }
    };
    if attachments != announced {
        return Err(Check::Shape.refuse("attachments"));
    }
    Ok(message)
}
