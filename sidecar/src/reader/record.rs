//! From an answer to a record that may be shown.

use std::collections::HashMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finp2p_wire::error::Reference;
use finp2p_wire::key::Kid;
use finp2p_wire::message::{RecordRef, Terms};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::RecordFault;
use crate::record::{
    Expectations, MAX_RECORD_BYTES, RecordHash, RecordKey, Units, disclosures_digest, verify,
};

/// A record that was fetched and verified. Held in memory by whoever asked, and nowhere else:
/// nothing of it is ever written, and no `Debug` shows its data.
#[derive(Clone)]
pub struct Fetched {
    /// The resource.
    pub resource: String,
    /// Its version.
    pub version: u64,
    /// The record hash: what a ledger or another reader can compare.
    pub hash: RecordHash,
    /// When the Primary signed it, unix seconds.
    pub issued_at: u64,
    /// What was disclosed.
    pub data: Map<String, Value>,
    /// The units that were disclosed.
    pub units: Units,
    /// Under which terms.
    pub terms: Terms,
    /// The signed record with its disclosures (SD-JWT), for showing it to somebody else.
    pub presented: String,
    /// Names the request at both organizations.
    pub reference: Reference,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("resource", &self.resource)
            .field("version", &self.version)
            .field("units", &self.units.len())
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}

/// A record as it came, bound to the signed answer and not verified yet.
pub(super) struct Received {
    presented: String,
    named: RecordRef,
    pub(super) kid: Kid,
    /// When it claims to have been signed: chooses the moment its key is judged for.
    pub(super) issued_at: u64,
}

impl Received {
    /// Takes the record that the answer names from its attachments.
    pub(super) fn new(named: RecordRef, attachments: Vec<Vec<u8>>) -> Result<Self, RecordFault> {
        let bytes = named.attachment(&attachments).ok_or(RecordFault::Missing)?;
        if bytes.len() > MAX_RECORD_BYTES {
            return Err(RecordFault::Missing);
        }
        let presented = String::from_utf8(bytes.clone()).map_err(|_| RecordFault::Missing)?;
        if disclosures_digest(&presented) != named.dd.0 {
            return Err(RecordFault::Digest);
        }
        let (kid, issued_at) = peek(&presented).ok_or(RecordFault::Missing)?;
        Ok(Self {
            presented,
            named,
            kid,
            issued_at,
        })
    }

    /// Verifies it: of this organization, about this resource, on this network, under the key
    /// as it was certified when the record claims to have been signed.
    pub(super) fn verify(
        self,
        (organization, resource, network): (&str, &str, &str),
        now: u64,
        key: RecordKey,
        terms: Terms,
        reference: Reference,
    ) -> Result<Fetched, RecordFault> {
        let expected = Expectations {
            iss: organization,
            sub: resource,
            net: network,
            now,
            keys: &HashMap::from([(self.kid, key)]),
        };
        let verified = verify(&self.presented, &expected).map_err(RecordFault::Verify)?;
        if verified.hash != self.named.h.0 {
            return Err(RecordFault::Digest);
        }
        Ok(Fetched {
            resource: verified.claims.sub,
            version: verified.claims.ver,
            hash: verified.hash,
            issued_at: verified.claims.iat,
            data: verified.data,
            units: verified.units,
            terms,
            presented: self.presented,
            reference,
        })
    }
}

#[derive(Deserialize)]
struct Header {
    kid: String,
}

#[derive(Deserialize)]
struct Payload {
    iat: u64,
}

/// Which key claims to have signed, and when: for finding the key, and believed only once the
/// record has verified under it.
fn peek(presented: &str) -> Option<(Kid, u64)> {
    let mut parts = presented.split('~').next()?.split('.');
    let header: Header = decode(parts.next()?)?;
    let payload: Payload = decode(parts.next()?)?;
    let mut kid = [0; 16];
    hex::decode_to_slice(header.kid, &mut kid).ok()?;
    Some((Kid(kid), payload.iat))
}

fn decode<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
