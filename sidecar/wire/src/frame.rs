//! What travels: an envelope with its attachments, or an unsigned error.
//!
//! ```text
//! frame = [ envelope: bstr, att: [* bstr] ] / [ null, [], error ]
//! error = { 1 code, 2 slug, ? 3 retry_s, ? 4 now, ? 5 ref: bstr .size 8 }
//! ```
//!
//! An unsigned error is a hint: a client may say hello again or wait because of it, and never
//! concludes that something is not shared. Its `ref` tells which request of a pipelined stream it
//! is about. On a stream each frame follows its length as an unsigned 32-bit big-endian integer.

use minicbor::{Decode, Encode, Encoder};

use crate::cbor::{self, Malformed};
use crate::error::{Code, Reference};
use crate::limits::{
    HELLO_FRAME_MAX_BYTES, ITEMS_MAX, REQUEST_FRAME_MAX_BYTES, RESPONSE_FRAME_MAX_BYTES,
};

/// What a frame is expected to carry: sets how large it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A hello or its answer.
    Hello,
    /// A request, or a hello within a stream.
    Request,
    /// A response.
    Response,
}

impl Expect {
    /// Most bytes of the frame, without its length prefix.
    pub fn max_bytes(self) -> usize {
        match self {
            Self::Hello => HELLO_FRAME_MAX_BYTES,
            Self::Request => REQUEST_FRAME_MAX_BYTES,
            Self::Response => RESPONSE_FRAME_MAX_BYTES,
        }
    }
}

/// Why a frame was not read or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// More bytes than the kind of message may have (9001); close the stream.
    #[error("the frame is too large")]
    TooLarge,
    /// Not a frame (1002).
    #[error("not a frame")]
    Malformed(#[source] Malformed),
}

impl FrameError {
    /// The code of the catalogue.
    pub fn code(self) -> Code {
        match self {
            Self::TooLarge => Code::TooLarge,
            Self::Malformed(_) => Code::Malformed,
        }
    }
}

/// An unsigned error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hint {
    /// What went wrong.
    pub code: Code,
    /// When to try again, in seconds (9003).
    pub retry_s: Option<u64>,
    /// The answering node's clock, unix seconds (9005).
    pub now: Option<u64>,
    /// Which request it is about, when one could be read.
    pub reference: Option<Reference>,
}

impl Hint {
    /// A hint with nothing but its code.
    pub fn new(code: Code) -> Self {
        Self {
            code,
            retry_s: None,
            now: None,
            reference: None,
        }
    }
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct HintFields {
    #[n(1)]
    code: Code,
    #[n(2)]
    slug: String,
    #[n(3)]
    retry_s: Option<u64>,
    #[n(4)]
    now: Option<u64>,
    #[n(5)]
    reference: Option<Reference>,
}

/// A frame that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A signed message.
    Signed {
        /// The envelope, not yet opened.
        envelope: &'a [u8],
        /// Its attachments: believe one only after its digest in the payload.
        attachments: Vec<&'a [u8]>,
    },
    /// An unsigned error.
    Hint(Hint),
}

/// Reads a frame of the expected kind, without its length prefix.
///
/// # Errors
/// [`FrameError::TooLarge`] before anything is read, [`FrameError::Malformed`].
pub fn decode(expect: Expect, bytes: &[u8]) -> Result<Frame<'_>, FrameError> {
    if bytes.len() > expect.max_bytes() {
        return Err(FrameError::TooLarge);
    }
    cbor::gate(bytes).map_err(FrameError::Malformed)?;
    read(bytes).ok_or(FrameError::Malformed(Malformed::Shape))
}

fn read(bytes: &[u8]) -> Option<Frame<'_>> {
    let mut decoder = minicbor::Decoder::new(bytes);
    match decoder.array().ok()?? {
        2 => {
            let envelope = decoder.bytes().ok()?;
            let len = decoder.array().ok()??;
            if len > ITEMS_MAX as u64 {
                return None;
            }
            let attachments = (0..len)
                .map(|_| decoder.bytes().ok())
                .collect::<Option<_>>()?;
            Some(Frame::Signed {
                envelope,
                attachments,
            })
        }
        3 => {
            decoder.null().ok()?;
            if decoder.array().ok()? != Some(0) {
                return None;
            }
            hint(bytes.get(decoder.position()..)?).map(Frame::Hint)
        }
        _ => None,
    }
}

fn hint(bytes: &[u8]) -> Option<Hint> {
    let fields: HintFields = cbor::decode(bytes).ok()?;
    // The slug is for people who look at bytes; one that contradicts its code is no error of ours.
    (fields.slug == fields.code.slug()).then_some(Hint {
        code: fields.code,
        retry_s: fields.retry_s,
        now: fields.now,
        reference: fields.reference,
    })
}

/// Makes a frame of an envelope and its attachments.
///
/// # Errors
/// [`FrameError::TooLarge`] when it would exceed what the receiver reads, by bytes or by number
/// of attachments.
pub fn encode<A: AsRef<[u8]>>(
    expect: Expect,
    envelope: &[u8],
    attachments: &[A],
) -> Result<Vec<u8>, FrameError> {
    if attachments.len() > ITEMS_MAX {
        return Err(FrameError::TooLarge);
    }
    let size = attachments
        .iter()
        .map(|a| a.as_ref().len() + 5)
        .sum::<usize>();
    let mut out = Vec::with_capacity(size + envelope.len() + 16);
    let mut encoder = Encoder::new(&mut out);
    let written = write(&mut encoder, envelope, attachments);
    debug_assert!(written.is_ok(), "an encoder failed on a vector");
    if out.len() > expect.max_bytes() {
        Err(FrameError::TooLarge)
    } else {
        Ok(out)
    }
}

fn write<A: AsRef<[u8]>>(
    encoder: &mut Encoder<&mut Vec<u8>>,
    envelope: &[u8],
    attachments: &[A],
) -> Result<(), minicbor::encode::Error<std::convert::Infallible>> {
    encoder
        .array(2)?
        .bytes(envelope)?
        .array(attachments.len() as u64)?;
    attachments
        .iter()
        .try_for_each(|a| encoder.bytes(a.as_ref()).map(|_| ()))
}

/// Makes the frame of an unsigned error.
pub fn encode_hint(hint: &Hint) -> Vec<u8> {
    // Array of 3, null, array of 0.
    let mut out = vec![0x83, 0xf6, 0x80];
    out.extend(cbor::encode(&HintFields {
        code: hint.code,
        slug: hint.code.slug().to_owned(),
        retry_s: hint.retry_s,
        now: hint.now,
        reference: hint.reference,
    }));
    out
}

/// The length prefix of a frame on a stream.
///
/// # Errors
/// [`FrameError::TooLarge`] when the length does not fit 32 bits.
pub fn length_prefix(frame: &[u8]) -> Result<[u8; 4], FrameError> {
    u32::try_from(frame.len())
        .map(u32::to_be_bytes)
        .map_err(|_| FrameError::TooLarge)
}

/// The length that a prefix announces, before anything is allocated for it.
///
/// # Errors
/// [`FrameError::TooLarge`] when it is more than the expected kind may have.
pub fn announced_length(expect: Expect, prefix: [u8; 4]) -> Result<usize, FrameError> {
    let len = usize::try_from(u32::from_be_bytes(prefix)).map_err(|_| FrameError::TooLarge)?;
    if len > expect.max_bytes() {
        Err(FrameError::TooLarge)
    } else {
        Ok(len)
    }
}
