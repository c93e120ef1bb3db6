//! One disclosure: the salted JSON array of RFC 9901 §4.2, its text and its digest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::CryptoRng;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::json;

/// Bytes of a salt: the 128 bits of RFC 9901 §9.3.
pub const SALT_BYTES: usize = 16;
/// Bytes of randomness behind a decoy: as many as a digest has, so that none can be found
/// by trying.
const DECOY_BYTES: usize = 32;

/// A parsed disclosure.
pub(super) struct Parsed {
    /// The name of the member, or `None` for an element of an array.
    pub(super) name: Option<String>,
    /// The value, in which digests may stand.
    pub(super) value: Value,
}

/// Base64url without padding, of anything.
pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of base64url without padding; refuses every other spelling of the same bytes.
pub(super) fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The encoded disclosure of one member, under a fresh salt.
pub(super) fn encode<R: CryptoRng + ?Sized>(name: &str, value: &Value, rng: &mut R) -> String {
    let mut salt = [0; SALT_BYTES];
    rng.fill_bytes(&mut salt);
    let array = Value::Array(vec![
        Value::from(base64url(&salt)),
        Value::from(name),
        value.clone(),
    ]);
    base64url(array.to_string().as_bytes())
}

/// Reads `[salt, name, value]` or `[salt, value]`; `None` when it is neither, or when its
/// JSON is not strict.
pub(super) fn decode(encoded: &str) -> Option<Parsed> {
    let Value::Array(items) = json::parse(&from_base64url(encoded)?).ok()? else {
        return None;
    };
    let mut items = items.into_iter();
    match (items.next(), items.next(), items.next(), items.next()) {
        (Some(Value::String(_)), Some(Value::String(name)), Some(value), None) => Some(Parsed {
            name: Some(name),
            value,
        }),
        (Some(Value::String(_)), Some(value), None, None) => Some(Parsed { name: None, value }),
        _ => None,
    }
}

/// The digest that stands for an encoded disclosure: over its ASCII text (RFC 9901 §4.2.3).
pub(super) fn digest(encoded: &str) -> String {
    base64url(&Sha256::digest(encoded.as_bytes()))
}

/// A digest that stands for nothing (RFC 9901 §4.2.5).
pub(super) fn decoy<R: CryptoRng + ?Sized>(rng: &mut R) -> String {
    let mut seed = [0; DECOY_BYTES];
    rng.fill_bytes(&mut seed);
    base64url(&Sha256::digest(seed))
}
