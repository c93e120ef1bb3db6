//! A signed request within a session.

use minicbor::{Decode, Decoder, Encode, Encoder, decode, encode};

use super::{Catalog, Fetch, Keys, Organization, Purpose, SessionId};
use crate::cbor::{self, List, Malformed, Raw};
use crate::digest::Digest;
use crate::key::Kid;
use crate::limits::PRESENTATIONS_MAX;

/// What is asked. The numbers are the protocol's; those without a message yet are reserved and
/// refused (1002).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Op {
    /// Records.
    #[n(1)]
    Fetch,
    /// What is shared with me.
    #[n(2)]
    Catalog,
    /// Changes since a cursor (reserved).
    #[n(3)]
    Sync,
    /// A standing wish for changes (reserved).
    #[n(4)]
    Subscribe,
    /// Past record keys.
    #[n(5)]
    Keys,
}

impl Op {
    /// A stable word for logs and audit.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Catalog => "catalog",
            Self::Sync => "sync",
            Self::Subscribe => "subscribe",
            Self::Keys => "keys",
        }
    }
}

/// What is asked, with its arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Records.
    Fetch(Fetch),
    /// What is shared with me.
    Catalog(Catalog),
    /// Past record keys.
    Keys(Keys),
}

impl Body {
    /// The operation.
    pub fn op(&self) -> Op {
        match self {
            Self::Fetch(_) => Op::Fetch,
            Self::Catalog(_) => Op::Catalog,
            Self::Keys(_) => Op::Keys,
        }
    }

    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Fetch(body) => cbor::encode(body),
            Self::Catalog(body) => cbor::encode(body),
            Self::Keys(body) => cbor::encode(body),
        }
    }

    fn decode(op: Op, bytes: &[u8]) -> Result<Self, Malformed> {
        match op {
            Op::Fetch => cbor::decode(bytes).map(Self::Fetch),
            Op::Catalog => cbor::decode(bytes).map(Self::Catalog),
            Op::Keys => cbor::decode(bytes).map(Self::Keys),
            Op::Sync | Op::Subscribe => Err(Malformed::Shape),
        }
    }
}

/// Whom a request is for: organization and session key. An array of two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// The organization.
    pub org: Organization,
    /// Its session key.
    pub kid: Kid,
}

impl<'b, C> Decode<'b, C> for Audience {
    fn decode(decoder: &mut Decoder<'b>, context: &mut C) -> Result<Self, decode::Error> {
        if decoder.array()? != Some(2) {
            return Err(decode::Error::message("not a pair"));
        }
        let org = Organization::decode(decoder, context)?;
        let kid = Kid::decode(decoder, context)?;
        Ok(Self { org, kid })
    }
}

impl<C> Encode<C> for Audience {
    fn encode<W: encode::Write>(
        &self,
        encoder: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        encoder
            .array(2)?
            .encode_with(&self.org, context)?
            .encode_with(self.kid, context)?
            .ok()
    }
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The session.
    pub sid: SessionId,
    /// The request's number in the session, never used twice.
    pub ctr: u64,
    /// The sender's clock, unix seconds.
    pub time: u64,
    /// Whom it is for.
    pub aud: Audience,
    /// What is asked.
    pub body: Body,
    /// For what.
    pub purpose: Option<Purpose>,
    /// Digests of the presentations among the attachments, in their order.
    pub pres: Option<List<Digest, 1, PRESENTATIONS_MAX>>,
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
    aud: Audience,
    #[n(5)]
    op: Op,
    #[n(6)]
    body: Raw,
    #[n(7)]
    purpose: Option<Purpose>,
    #[n(8)]
    pres: Option<List<Digest, 1, PRESENTATIONS_MAX>>,
}

impl Request {
    /// The payload.
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&Fields {
            sid: self.sid,
            ctr: self.ctr,
            time: self.time,
            aud: self.aud.clone(),
            op: self.body.op(),
            body: Raw(self.body.encode()),
            purpose: self.purpose.clone(),
            pres: self.pres.clone(),
        })
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// [`Malformed`] (1002), also for a reserved or unknown operation.
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let fields: Fields = cbor::decode(payload)?;
        Ok(Self {
            sid: fields.sid,
            ctr: fields.ctr,
            time: fields.time,
            aud: fields.aud,
            body: Body::decode(fields.op, &fields.body.0)?,
            purpose: fields.purpose,
            pres: fields.pres,
        })
    }
}
