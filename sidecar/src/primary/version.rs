//! What is kept of an asset, and when content is a new version.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::record::{Content, Record};

/// Version numbers are store generation · 2^32 + n, so that a restored Primary, which starts a
/// new generation, never reuses one. There is one generation until restores exist.
const FIRST: u64 = (1 << 32) + 1;

/// The current version of an asset, as the store seals it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Its number.
    pub version: u64,
    /// What it was made of ([`fingerprint`]).
    pub fingerprint: [u8; 32],
    /// The record as issued, with every disclosure.
    pub record: Record,
}

/// SHA-256 over content and opened objects: equal means that no new version is needed. It is
/// kept sealed, for whoever sees it could guess at small contents.
#[must_use]
pub fn fingerprint(content: &Content, units: &[String]) -> [u8; 32] {
    let mut units = units.to_vec();
    units.sort();
    let mut hash = Sha256::new();
    hash.update(b"finp2p/content/1");
    for unit in &units {
        hash.update((unit.len() as u64).to_be_bytes());
        hash.update(unit.as_bytes());
    }
    hash.update([0xff]);
    hash.update(
        serde_json::Value::Object(content.members().clone())
            .to_string()
            .as_bytes(),
    );
    hash.finalize().into()
}

/// The number after `held`.
#[must_use]
pub fn next(held: Option<&Held>) -> u64 {
    held.map_or(FIRST, |held| held.version + 1)
}
