//! Asking for records, and the answers, one per item.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::{Pointer, Resource, Terms};
use crate::cbor::{self, List};
use crate::digest::Digest;
use crate::error::{Code, Reason, Refusal};
use crate::limits::{ITEMS_MAX, POINTERS_MAX, RESPONSE_FRAME_MAX_BYTES, RESPONSE_OVERHEAD_BYTES};

/// Items asked for.
pub type Fetch = List<FetchItem, 1, ITEMS_MAX>;
/// Answers, one per item and in its order.
pub type FetchAnswers = List<FetchAnswer, 1, ITEMS_MAX>;

/// One record asked for.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct FetchItem {
    /// Which resource.
    #[n(1)]
    pub r: Resource,
    /// Which units, or pointers above them; absent for all that is granted.
    #[n(2)]
    pub units: Option<List<Pointer, 1, POINTERS_MAX>>,
    /// Record hash of the copy that the reader holds in memory.
    #[n(3)]
    pub have: Option<Digest>,
}

/// Where the record is and what binds it. The attachment is an SD-JWT in compact form:
/// `<JWT>~<disclosure>~…~`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct RecordRef {
    /// Record hash: SHA-256 of the JWT's signing input (`header.payload`).
    #[n(1)]
    pub h: Digest,
    /// SHA-256 of the attachment's bytes after the first `~`.
    #[n(2)]
    pub dd: Digest,
    /// Index of the attachment.
    #[n(3)]
    pub a: u64,
}

impl RecordRef {
    /// The attachment it refers to, if it is there.
    pub fn attachment<'a, B>(&self, attachments: &'a [B]) -> Option<&'a B> {
        attachments.get(usize::try_from(self.a).ok()?)
    }
}

/// The answer to one item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchAnswer {
    /// The record.
    Record {
        /// Where it is.
        record: RecordRef,
        /// Under which terms.
        terms: Terms,
    },
    /// The reader's copy is current.
    Unchanged {
        /// Under which terms.
        terms: Terms,
    },
    /// No.
    Refused(Refusal),
}

/// `code` 0 is "granted"; every other is of the catalogue.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Fields {
    #[n(1)]
    code: u64,
    #[n(2)]
    reason: Option<Reason>,
    #[n(3)]
    rec: Option<RecordRef>,
    #[n(4)]
    terms: Option<Terms>,
}

const GRANTED: u64 = 0;

impl<'b, C> Decode<'b, C> for FetchAnswer {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        let fields = Fields::decode(decoder, context)?;
        let answer = match (fields.code, fields.reason, fields.rec, fields.terms) {
            (GRANTED, None, Some(record), Some(terms)) => Some(Self::Record { record, terms }),
            (GRANTED, None, None, Some(terms)) => Some(Self::Unchanged { terms }),
            (code, reason, None, None) => Code::from_number(code)
                .and_then(|code| Refusal::new(code, reason))
                .map(Self::Refused),
            _ => None,
        };
        answer.ok_or_else(|| decode::Error::message("fields that do not go together"))
    }
}

impl<C> Encode<C> for FetchAnswer {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let none = Fields {
            code: GRANTED,
            reason: None,
            rec: None,
            terms: None,
        };
        match self {
            Self::Record { record, terms } => Fields {
                rec: Some(*record),
                terms: Some(terms.clone()),
                ..none
            },
            Self::Unchanged { terms } => Fields {
                terms: Some(terms.clone()),
                ..none
            },
            Self::Refused(refusal) => Fields {
                code: u64::from(refusal.code().number()),
                reason: refusal.reason(),
                ..none
            },
        }
        .encode(encoder, context)
    }
}

/// An answer before its attachment has a place.
#[derive(Clone, Debug)]
pub enum Prepared {
    /// A record to send.
    Record {
        /// Record hash.
        h: Digest,
        /// Digest of the disclosures.
        dd: Digest,
        /// The SD-JWT.
        attachment: Vec<u8>,
        /// Under which terms.
        terms: Terms,
    },
    /// The reader's copy is current.
    Unchanged {
        /// Under which terms.
        terms: Terms,
    },
    /// No.
    Refused(Refusal),
}

/// Answers and attachments that fit one response.
#[derive(Clone, Debug)]
pub struct Fitted {
    /// One per prepared answer, in its order.
    pub answers: Vec<FetchAnswer>,
    /// The records.
    pub attachments: Vec<Vec<u8>>,
    /// Indices of those that did not fit, which were answered with [`Code::TooLarge`].
    pub left_out: Vec<usize>,
}

/// Fills a response in order; a record that no longer fits is answered with 9001, so that the
/// reader asks for it alone, and smaller ones after it still get their place.
pub fn fit(prepared: Vec<Prepared>) -> Fitted {
    let mut fitted = Fitted {
        answers: Vec::new(),
        attachments: Vec::new(),
        left_out: Vec::new(),
    };
    let mut free = RESPONSE_FRAME_MAX_BYTES - RESPONSE_OVERHEAD_BYTES;
    // Every item keeps room for a refusal, so that a place taken early never costs a later answer.
    free = free.saturating_sub(prepared.len() * REFUSAL_MAX_BYTES);
    for (index, answer) in prepared.into_iter().enumerate() {
        let (answer, attachment) = place(answer, fitted.attachments.len());
        let size = match &answer {
            FetchAnswer::Refused(_) => 0,
            _ => cbor::encode(&answer).len() + attachment.as_ref().map_or(0, |a| a.len() + 5),
        };
        if size <= free {
            free -= size;
            fitted.answers.push(answer);
            fitted.attachments.extend(attachment);
        } else {
            fitted.left_out.push(index);
            fitted
                .answers
                .push(FetchAnswer::Refused(Refusal::TOO_LARGE));
        }
    }
    fitted
}

/// The longest refusal: a map of two, a code of three bytes and the longest slug.
const REFUSAL_MAX_BYTES: usize = 32;

fn place(answer: Prepared, next: usize) -> (FetchAnswer, Option<Vec<u8>>) {
    match answer {
        Prepared::Record {
            h,
            dd,
            attachment,
            terms,
        } => {
            let record = RecordRef {
                h,
                dd,
                a: next as u64,
            };
            (FetchAnswer::Record { record, terms }, Some(attachment))
        }
        Prepared::Unchanged { terms } => (FetchAnswer::Unchanged { terms }, None),
        Prepared::Refused(refusal) => (FetchAnswer::Refused(refusal), None),
    }
}
