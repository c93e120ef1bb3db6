//! What a reader does with a record before anybody sees it.
//!
//! In this order: bounds, the JWS header, the key, the signature, the claims, the
//! disclosures (RFC 9901 §7.1 and §7.3, without key binding), and then the narrower shape of
//! a record: `data` and opened objects hold digests and nothing else, arrays are whole. What
//! the RFC would allow beyond that, no Primary of ours signs, so it is refused.

use std::collections::BTreeSet;
use std::fmt;

use finp2p_wire::key::Kid;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::content::{MAX_UNITS, is_reserved, names_reserved};
use super::disclosure::from_base64url;
use super::issue::Claims;
use super::issued::{Record, RecordHash};
use super::json;
use super::key::RecordKeys;
use super::pointer::{Pointer, join};
use super::process::{ProcessError, Processed, process};
use super::units::Units;
use super::version::Version;
use super::{ALG, MAX_CLAIM_BYTES, MAX_RECORD_BYTES, SD_ALG, TYP};

/// How far a Primary's clock may be ahead of ours, in seconds: as for requests.
pub const MAX_CLOCK_SKEW_S: u64 = 120;

/// What the reader asked for, and what it knows.
pub struct Expectations<'a, K: RecordKeys + ?Sized> {
    /// The organization that must have signed.
    pub iss: &'a str,
    /// The resource that it must be about.
    pub sub: &'a str,
    /// The network that it must belong to.
    pub net: &'a str,
    /// Seconds since 1970.
    pub now: u64,
    /// The record keys that are known.
    pub keys: &'a K,
}

/// A record that passed every check. Private: its data is in no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Verified {
    /// The visible claims.
    pub claims: Claims,
    /// The hash of the version.
    pub hash: RecordHash,
    /// The key that signed.
    pub kid: Kid,
    /// What was disclosed, with no trace of what was not.
    pub data: Map<String, Value>,
    /// The units that were disclosed.
    pub units: Units,
}

/// Why a record is refused. Names no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// It is larger, or has more disclosures, than any record may have.
    #[error("the record is over a bound")]
    TooLarge,
    /// It is no JWT followed by disclosures, each ended by a tilde.
    #[error("the record is no SD-JWT without key binding")]
    Form,
    /// The header is anything but `alg`, `kid` and `typ`.
    #[error("the header is not that of a record")]
    Header,
    /// `typ` says that it is something else.
    #[error("the type is not '{TYP}'")]
    Typ,
    /// `alg` is not the one algorithm of records.
    #[error("the algorithm is not '{ALG}'")]
    Alg,
    /// No record key with this id is known, or it is another organization's.
    #[error("not signed by a record key of the issuer")]
    Key,
    /// The signature does not verify strictly.
    #[error("the signature is wrong")]
    Signature,
    /// The payload is not exactly the claims of a record.
    #[error("the claims are not those of a record")]
    Claims,
    /// `iss`, `sub` or `net` is not what was asked for.
    #[error("claim '{0}' is not what was asked for")]
    Mismatch(&'static str),
    /// It was signed in the future, or outside the validity of its key.
    #[error("not signed at a time at which its key was valid")]
    Time,
    /// The disclosures do not fit.
    #[error("the disclosures are refused: {0}")]
    Disclosures(#[from] ProcessError),
    /// Something stands open, or is withheld, where a record never has it so.
    #[error("the disclosure units are not those of a record")]
    Shape,
}

/// Checks a record as it was received.
///
/// # Errors
/// The first check that fails. Everything but a complete success is a refusal.
pub fn verify<K: RecordKeys + ?Sized>(
    presented: &str,
    expected: &Expectations<'_, K>,
) -> Result<Verified, VerifyError> {
    if presented.len() > MAX_RECORD_BYTES {
        return Err(VerifyError::TooLarge);
    }
    let (jwt, disclosures) = split(presented)?;
    let (input, signature) = jwt.rsplit_once('.').ok_or(VerifyError::Form)?;
    let (header, payload) = input.split_once('.').ok_or(VerifyError::Form)?;

    let kid = read_header(header)?;
    let known = expected.keys.record_key(&kid).ok_or(VerifyError::Key)?;
    if known.organization != expected.iss || known.key.kid() != kid {
        return Err(VerifyError::Key);
    }
    let signature = from_base64url(signature).and_then(|bytes| <[u8; 64]>::try_from(bytes).ok());
    let signature = signature.ok_or(VerifyError::Form)?;
    if !known.key.verifies(input.as_bytes(), &signature) {
        return Err(VerifyError::Signature);
    }

    let payload = from_base64url(payload).ok_or(VerifyError::Form)?;
    let payload = json::parse_object(&payload).map_err(|_| VerifyError::Claims)?;
    let claims = read_claims(&payload)?;
    compare(&claims, expected)?;
    let horizon = expected.now.saturating_add(MAX_CLOCK_SKEW_S);
    if claims.iat > horizon || claims.iat < known.not_before || claims.iat >= known.expires {
        return Err(VerifyError::Time);
    }
    let (data, units) = read_data(process(payload, &disclosures)?)?;
    Ok(Verified {
        claims,
        hash: Sha256::digest(input.as_bytes()).into(),
        kid,
        data,
        units,
    })
}

/// What the organization reads of its own record: its claims and all of its data. The signature
/// is not checked again: the record comes from the private store, whose seal vouches for it, and
/// its key may have been replaced since.
///
/// # Errors
/// When it is not a record as [`issue()`](super::issue()) makes them.
pub fn read_own(record: &Record) -> Result<(Claims, Map<String, Value>), VerifyError> {
    let payload = record.jwt.split('.').nth(1).ok_or(VerifyError::Form)?;
    let payload = from_base64url(payload).ok_or(VerifyError::Form)?;
    let payload = json::parse_object(&payload).map_err(|_| VerifyError::Claims)?;
    let claims = read_claims(&payload)?;
    let disclosures: Vec<&str> = record
        .disclosures
        .iter()
        .map(|one| one.encoded.as_str())
        .collect();
    let (data, _) = read_data(process(payload, &disclosures)?)?;
    Ok((claims, data))
}

/// The JWT and the disclosures of `jwt~d1~…~`; behind the last tilde a key binding would
/// stand, and a record has none (RFC 9901 §4).
fn split(presented: &str) -> Result<(&str, Vec<&str>), VerifyError> {
    let mut parts = presented
        .strip_suffix('~')
        .ok_or(VerifyError::Form)?
        .split('~');
    let jwt = parts.next().ok_or(VerifyError::Form)?;
    let disclosures: Vec<&str> = parts.take(MAX_UNITS + 1).collect();
    if disclosures.len() > MAX_UNITS {
        Err(VerifyError::TooLarge)
    } else {
        Ok((jwt, disclosures))
    }
}

/// Exactly `alg`, `kid` and `typ`: whatever else a header may carry (`crit`, `jwk`, `x5u`)
/// would be an instruction to the verifier by whoever wrote it.
fn read_header(encoded: &str) -> Result<Kid, VerifyError> {
    let text = from_base64url(encoded).ok_or(VerifyError::Form)?;
    let header = json::parse_object(&text).map_err(|_| VerifyError::Header)?;
    if header.get("typ").and_then(Value::as_str) != Some(TYP) {
        return Err(VerifyError::Typ);
    }
    if header.get("alg").and_then(Value::as_str) != Some(ALG) {
        return Err(VerifyError::Alg);
    }
    let written = header
        .get("kid")
        .and_then(Value::as_str)
        .ok_or(VerifyError::Header)?;
    let mut kid = Kid([0; 16]);
    hex::decode_to_slice(written, &mut kid.0).map_err(|_| VerifyError::Header)?;
    if header.len() != 3 || kid.to_string() != written {
        return Err(VerifyError::Header);
    }
    Ok(kid)
}

fn read_claims(payload: &Map<String, Value>) -> Result<Claims, VerifyError> {
    let text = |name: &str| {
        let text = payload
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty() && text.len() <= MAX_CLAIM_BYTES);
        text.map(str::to_owned).ok_or(VerifyError::Claims)
    };
    let number = |name: &str| {
        payload
            .get(name)
            .and_then(Value::as_u64)
            .ok_or(VerifyError::Claims)
    };
    // Five claims, `_sd_alg` and `data`.
    if payload.len() != 7 || text("_sd_alg")? != SD_ALG || !payload.contains_key("data") {
        return Err(VerifyError::Claims);
    }
    Ok(Claims {
        iss: text("iss")?,
        sub: text("sub")?,
        ver: number("ver")?,
        iat: number("iat")?,
        net: text("net")?,
    })
}

fn compare<K: RecordKeys + ?Sized>(
    claims: &Claims,
    expected: &Expectations<'_, K>,
) -> Result<(), VerifyError> {
    let pairs = [
        ("iss", &claims.iss, expected.iss),
        ("sub", &claims.sub, expected.sub),
        ("net", &claims.net, expected.net),
    ];
    match pairs
        .into_iter()
        .find(|(_, claimed, wanted)| claimed.as_str() != *wanted)
    {
        Some((name, ..)) => Err(VerifyError::Mismatch(name)),
        None => Ok(()),
    }
}

/// The disclosed data and its units, if the digests stood where a record has them.
fn read_data(mut processed: Processed) -> Result<(Map<String, Value>, Units), VerifyError> {
    const ROOT: &str = "/data";
    let mut unopened: BTreeSet<&str> = processed.holders.iter().map(String::as_str).collect();
    let mut units = BTreeSet::new();
    let root_holds = unopened.remove(ROOT);
    for place in &processed.disclosed {
        let relative = place.strip_prefix(ROOT).ok_or(VerifyError::Shape)?;
        let pointer = Pointer::parse(relative).map_err(|_| VerifyError::Shape)?;
        // An opened object is no unit: its members are.
        if !unopened.remove(place.as_str()) {
            units.insert(pointer);
        }
    }
    if !root_holds || !unopened.is_empty() || processed.mixed_holder || processed.array_digest {
        return Err(VerifyError::Shape);
    }
    let Some(Value::Object(mut data)) = processed.claims.remove("data") else {
        return Err(VerifyError::Shape);
    };
    prune(&mut data, ROOT, &processed.holders);
    if data.values().any(names_reserved) || data.keys().any(|name| is_reserved(name)) {
        return Err(VerifyError::Shape);
    }
    Ok((data, Units::from(units)))
}

/// Takes away opened objects of which no member is left. An object that is really empty is
/// a unit, holds no digests, and stays.
fn prune(members: &mut Map<String, Value>, path: &str, holders: &BTreeSet<String>) {
    members.retain(|name, value| {
        let pointer = join(path, name);
        let Some(inner) = value.as_object_mut().filter(|_| holders.contains(&pointer)) else {
            return true;
        };
        prune(inner, &pointer, holders);
        !inner.is_empty()
    });
}

impl Verified {
    /// What identifies this version, for comparing it with another.
    #[must_use]
    pub fn version(&self) -> Version<'_> {
        Version {
            iss: &self.claims.iss,
            sub: &self.claims.sub,
            ver: self.claims.ver,
            hash: self.hash,
        }
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Claims { sub, ver, .. } = &self.claims;
        write!(
            formatter,
            "Verified({sub}, version {ver}, {} units)",
            self.units.len()
        )
    }
}
