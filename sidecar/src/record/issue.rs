//! Signing one version of a content: RFC 9901 §4, with every unit concealed.

use rand::CryptoRng;
use serde_json::{Map, Value, json};

use super::content::{Content, ContentError, Opening};
use super::disclosure::{base64url, decoy, digest, encode};
use super::issued::{Disclosure, Record};
use super::json::MAX_NUMBER;
use super::key::RecordSigner;
use super::pointer::{Pointer, join};
use super::{ALG, MAX_CLAIM_BYTES, MAX_RECORD_BYTES, SD_ALG, TYP};

/// Fewest digests in any list of them. Lists are padded to a power of two and at least to
/// this: a reader learns the number of members only to within a factor of two, and nothing
/// at all of the small objects (an address, a person) whose size says most about them. The
/// price is at most twice the digests, 60 bytes each.
pub const MIN_DIGESTS: usize = 8;

/// The claims that every reader of a record sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The organization that signs: the Primary of `sub`.
    pub iss: String,
    /// The resource id, `<organization>:<type>:<id>`.
    pub sub: String,
    /// The version: store generation · 2^32 + n.
    pub ver: u64,
    /// When it was signed, in seconds since 1970.
    pub iat: u64,
    /// The network id, so that a test record is never valid in production.
    pub net: String,
}

/// Why a record is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The content does not split into units.
    #[error(transparent)]
    Content(#[from] ContentError),
    /// A claim is empty, too long, or a number beyond 2^53 - 1.
    #[error("claim '{0}' is empty or over its bound")]
    Claim(&'static str),
    /// With digests and salts it is over [`MAX_RECORD_BYTES`].
    #[error("the signed record would be larger than {MAX_RECORD_BYTES} bytes")]
    TooLarge,
}

/// Signs `content` as one version, each unit under a fresh salt from `rng`.
///
/// # Errors
/// When the content does not split into units, or a claim or the result is over a bound.
pub fn issue<S, R>(
    content: &Content,
    opening: &Opening,
    claims: &Claims,
    signer: &S,
    rng: &mut R,
) -> Result<Record, IssueError>
where
    S: RecordSigner + ?Sized,
    R: CryptoRng + ?Sized,
{
    check(claims)?;
    // Bounds the number of units and their names before anything is concealed.
    content.units(opening)?;
    let mut concealer = Concealer {
        opening: opening.with_parents(),
        disclosures: Vec::new(),
        rng,
    };
    let data = concealer.object("", content.members())?;
    let mut disclosures = concealer.disclosures;
    disclosures.sort_by(|left, right| left.pointer.cmp(&right.pointer));

    let payload = json!({
        "_sd_alg": SD_ALG,
        "data": data,
        "iat": claims.iat,
        "iss": claims.iss,
        "net": claims.net,
        "sub": claims.sub,
        "ver": claims.ver,
    });
    let record = Record {
        jwt: sign(&payload, signer),
        disclosures,
    };
    if record.len() > MAX_RECORD_BYTES {
        Err(IssueError::TooLarge)
    } else {
        Ok(record)
    }
}

fn check(claims: &Claims) -> Result<(), IssueError> {
    for (name, text) in [
        ("iss", &claims.iss),
        ("sub", &claims.sub),
        ("net", &claims.net),
    ] {
        if text.is_empty() || text.len() > MAX_CLAIM_BYTES {
            return Err(IssueError::Claim(name));
        }
    }
    for (name, number) in [("ver", claims.ver), ("iat", claims.iat)] {
        if number > MAX_NUMBER {
            return Err(IssueError::Claim(name));
        }
    }
    Ok(())
}

/// A JWS in compact form (RFC 7515 §3.1).
fn sign<S: RecordSigner + ?Sized>(payload: &Value, signer: &S) -> String {
    let header = json!({ "alg": ALG, "kid": signer.kid().to_string(), "typ": TYP });
    sign_texts(&header.to_string(), &payload.to_string(), signer)
}

/// The same over texts as they are.
pub(super) fn sign_texts<S: RecordSigner + ?Sized>(
    header: &str,
    payload: &str,
    signer: &S,
) -> String {
    let input = format!(
        "{}.{}",
        base64url(header.as_bytes()),
        base64url(payload.as_bytes())
    );
    let signature = base64url(&signer.sign(input.as_bytes()));
    format!("{input}.{signature}")
}

struct Concealer<'r, R: ?Sized> {
    opening: Opening,
    disclosures: Vec<Disclosure>,
    rng: &'r mut R,
}

impl<R: CryptoRng + ?Sized> Concealer<'_, R> {
    /// The object that stands for `members`: their digests among decoys, and nothing else.
    /// Recursion ends at the depth to which units go.
    fn object(&mut self, prefix: &str, members: &Map<String, Value>) -> Result<Value, IssueError> {
        let mut digests = Vec::with_capacity(padded(members.len()));
        for (name, value) in members {
            let pointer = Pointer::parse(&join(prefix, name)).map_err(ContentError::UnitName)?;
            let inner = self.opening.opened(&pointer, value).cloned();
            let encoded = match &inner {
                Some(members) => {
                    let concealed = self.object(pointer.as_str(), members)?;
                    encode(name, &concealed, self.rng)
                }
                None => encode(name, value, self.rng),
            };
            digests.push(digest(&encoded));
            self.disclosures.push(Disclosure {
                pointer,
                opened: inner.is_some(),
                encoded,
            });
        }
        while digests.len() < padded(members.len()) {
            digests.push(decoy(self.rng));
        }
        digests.sort();
        Ok(json!({ "_sd": digests }))
    }
}

/// How many digests a list for `members` members has.
pub(super) fn padded(members: usize) -> usize {
    members.next_power_of_two().max(MIN_DIGESTS)
}
