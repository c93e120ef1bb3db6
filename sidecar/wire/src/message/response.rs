//! A signed response.

use minicbor::{Decode, Encode};

use super::{Body, CatalogPage, FetchAnswers, KeysAnswer, Op, Request, SessionId};
use crate::cbor::{self, Malformed, Raw};
use crate::digest::Digest;
use crate::error::{Code, Reason, Refusal};

/// What is answered: by operation, or a refusal of the whole request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Answers to a fetch, one per item, in its order.
    Fetch(FetchAnswers),
    /// A page of the catalogue.
    Catalog(CatalogPage),
    /// Certificates of record keys.
    Keys(KeysAnswer),
    /// The request as a whole is refused.
    Refused(Refusal),
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The session.
    pub sid: SessionId,
    /// The request's number.
    pub ctr: u64,
    /// The answering node's clock, unix seconds.
    pub time: u64,
    /// Digest of the request's envelope.
    pub req: Digest,
    /// The answer.
    pub answer: Answer,
}

/// The response is not an answer to the request it came back for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// Another request's digest, session or number.
    #[error("the response answers another request")]
    Request,
    /// An answer to another operation.
    #[error("the response answers another operation")]
    Operation,
    /// Not one answer per item, or more than was asked for.
    #[error("the response has another number of items than asked for")]
    Count,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct RefusalFields {
    #[n(1)]
    code: Code,
    #[n(2)]
    reason: Option<Reason>,
}

#[derive(Encode, Decode)]
#[cbor(map)]
struct Fields {
    #[n(1)]
    sid: SessionId,
    #[n(2)]
    ctr: u64,
    #[n(3)]
    time: u64,
    #[n(4)]
    req: Digest,
    #[n(5)]
    body: Option<Raw>,
    // 6 head: reserved.
    #[n(7)]
    refusal: Option<RefusalFields>,
}

impl Response {
    /// The payload. Key 5 holds the answer or key 7 the refusal, never both.
    pub fn encode(&self) -> Vec<u8> {
        let (body, refusal) = match &self.answer {
            Answer::Fetch(answers) => (Some(cbor::encode(answers)), None),
            Answer::Catalog(page) => (Some(cbor::encode(page)), None),
            Answer::Keys(answer) => (Some(cbor::encode(answer)), None),
            Answer::Refused(refusal) => (
                None,
                Some(RefusalFields {
                    code: refusal.code(),
                    reason: refusal.reason(),
                }),
            ),
        };
        cbor::encode(&Fields {
            sid: self.sid,
            ctr: self.ctr,
            time: self.time,
            req: self.req,
            body: body.map(Raw),
            refusal,
        })
    }

    /// Reads a payload that answers a request with this operation.
    ///
    /// # Errors
    /// [`Malformed`] (1002), also for an answer to another operation that has another shape.
    pub fn decode(op: Op, payload: &[u8]) -> Result<Self, Malformed> {
        let fields: Fields = cbor::decode(payload)?;
        let answer = match (fields.body, fields.refusal) {
            (Some(Raw(body)), None) => match op {
                Op::Fetch => Answer::Fetch(cbor::decode(&body)?),
                Op::Catalog => Answer::Catalog(cbor::decode(&body)?),
                Op::Keys => Answer::Keys(cbor::decode(&body)?),
                Op::Sync | Op::Subscribe => return Err(Malformed::Shape),
            },
            (None, Some(RefusalFields { code, reason })) => {
                Answer::Refused(Refusal::new(code, reason).ok_or(Malformed::Shape)?)
            }
            _ => return Err(Malformed::Shape),
        };
        Ok(Self {
            sid: fields.sid,
            ctr: fields.ctr,
            time: fields.time,
            req: fields.req,
            answer,
        })
    }

    /// Whether this answers that request, whose envelope has that digest. A client accepts nothing
    /// else, however well it is signed.
    ///
    /// # Errors
    /// [`Mismatch`].
    pub fn answers(&self, request: &Request, digest: &Digest) -> Result<(), Mismatch> {
        if self.req != *digest || self.sid != request.sid || self.ctr != request.ctr {
            return Err(Mismatch::Request);
        }
        let fits = match (&self.answer, &request.body) {
            (Answer::Refused(_), _) | (Answer::Keys(_), Body::Keys(_)) => true,
            (Answer::Fetch(answers), Body::Fetch(fetch)) => answers.len() == fetch.len(),
            (Answer::Catalog(page), Body::Catalog(catalog)) => {
                u64::try_from(page.items.len()).is_ok_and(|items| items <= catalog.max)
            }
            _ => return Err(Mismatch::Operation),
        };
        if fits { Ok(()) } else { Err(Mismatch::Count) }
    }
}
