//! A signed record as its Primary keeps it, and what of it goes to a reader.

use std::collections::{BTreeSet, HashSet};
use std::fmt;

use sha2::{Digest as _, Sha256};

use super::pointer::Pointer;
use super::units::Units;

/// SHA-256 of the JWS signing input (`header.payload`): what identifies a version, and what
/// goes on a ledger. The signature is not in it.
pub type RecordHash = [u8; 32];

/// One version, signed: the JWT and every disclosure, as issued.
///
/// The serialized form is what the store seals. Private: the disclosures are in no `Debug`.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    pub(super) jwt: String,
    /// In the order of their pointers.
    pub(super) disclosures: Vec<Disclosure>,
}

/// One disclosure and the place it is for.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disclosure {
    pub(super) pointer: Pointer,
    /// Whether it is an opened object, which holds digests only.
    pub(super) opened: bool,
    pub(super) encoded: String,
}

/// What one reader gets: the JWT and the disclosures it may have, `jwt~d1~d2~`
/// (RFC 9901 §4). Private: in no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Presented(String);

impl Record {
    /// The hash of this version.
    #[must_use]
    pub fn hash(&self) -> RecordHash {
        let input = self
            .jwt
            .rsplit_once('.')
            .map_or(self.jwt.as_str(), |(input, _)| input);
        Sha256::digest(input.as_bytes()).into()
    }

    /// The JWT alone, which discloses nothing.
    #[must_use]
    pub fn jwt(&self) -> &str {
        &self.jwt
    }

    /// The units that a grant can open.
    #[must_use]
    pub fn units(&self) -> Units {
        let units: BTreeSet<_> = self
            .disclosures
            .iter()
            .filter(|one| !one.opened)
            .map(|one| one.pointer.clone())
            .collect();
        Units::from(units)
    }

    /// The record with the granted units, and with the objects around them, which hold
    /// digests only. What is granted but not there is not there: an opened object is no unit.
    #[must_use]
    pub fn disclose<S: AsRef<str>>(&self, granted: &[S]) -> Presented {
        let granted: HashSet<&str> = granted.iter().map(AsRef::as_ref).collect();
        let is_shown = |one: &Disclosure| !one.opened && granted.contains(one.pointer.as_str());
        let around: HashSet<Pointer> = self
            .disclosures
            .iter()
            .filter(|one| is_shown(one))
            .flat_map(|one| std::iter::successors(one.pointer.parent(), Pointer::parent))
            .collect();
        let mut text = String::with_capacity(self.len());
        text.push_str(&self.jwt);
        text.push('~');
        for one in &self.disclosures {
            if is_shown(one) || (one.opened && around.contains(&one.pointer)) {
                text.push_str(&one.encoded);
                text.push('~');
            }
        }
        Presented(text)
    }

    /// Bytes of the record with everything disclosed.
    pub(super) fn len(&self) -> usize {
        self.jwt.len()
            + 1
            + self
                .disclosures
                .iter()
                .map(|one| one.encoded.len() + 1)
                .sum::<usize>()
    }
}

impl Presented {
    /// The text that is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// SHA-256 of everything behind the JWT's tilde (`d1~d2~`): what a signed answer binds
    /// beside the record's hash.
    #[must_use]
    pub fn disclosures_digest(&self) -> [u8; 32] {
        disclosures_digest(&self.0)
    }
}

/// [`Presented::disclosures_digest`] of a text as it was received.
#[must_use]
pub fn disclosures_digest(presented: &str) -> [u8; 32] {
    let disclosures = presented.split_once('~').map_or("", |(_, rest)| rest);
    Sha256::digest(disclosures.as_bytes()).into()
}

impl fmt::Debug for Record {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Record({}, {} disclosures)",
            hex::encode(self.hash()),
            self.disclosures.len()
        )
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Presented({} bytes)", self.0.len())
    }
}
