//! How entries stand in a file: header, lines, chain.

use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{AuditError, Digest, MAX_ENTRY_BYTES};

/// Version of the format, in every header.
const FORMAT: u64 = 1;
/// Domain of the first link, so that no other hash of this project is a chain.
const DOMAIN: &[u8] = b"finp2p/audit/1";

const LINE_START: &[u8] = b"{\"chain\":\"";
const LINE_MIDDLE: &[u8] = b"\",\"entry\":";
const LINE_END: &[u8] = b"}\n";
/// Hex digits of a chain.
const CHAIN_DIGITS: usize = 64;

/// Longest line in bytes.
pub(super) const MAX_LINE_BYTES: usize =
    LINE_START.len() + CHAIN_DIGITS + LINE_MIDDLE.len() + MAX_ENTRY_BYTES + LINE_END.len();

/// First line of a segment.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    /// Format version.
    pub audit: u64,
    /// Identifier of the log, 32 hex digits, drawn when it was begun.
    pub log: String,
    /// Number of the first entry in this segment.
    pub first: u64,
    /// Chain before that entry, hex.
    pub chain: String,
}

impl Header {
    pub(super) fn new(log: &str, first: u64, chain: &Digest) -> Self {
        Self {
            audit: FORMAT,
            log: log.to_owned(),
            first,
            chain: hex::encode(chain),
        }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, AuditError> {
        let mut line = serde_json::to_vec(self).map_err(|_| AuditError::Encode)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a header line without its line end; `None` when it is none of this format.
    pub(super) fn decode(line: &[u8]) -> Option<Self> {
        let header: Self = serde_json::from_slice(line).ok()?;
        let canonical = header.encode().ok()?;
        (header.audit == FORMAT && canonical.strip_suffix(b"\n") == Some(line)).then_some(header)
    }
}

/// The chain before the first entry of the log `id`.
pub(super) fn origin(id: &str) -> Digest {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(id.as_bytes());
    hash.finalize().into()
}

/// The chain after `entry`.
pub(super) fn link(chain: &Digest, entry: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(chain);
    hash.update(Sha256::digest(entry));
    hash.finalize().into()
}

/// The line of an entry, with its line end.
pub(super) fn line(chain: &Digest, entry: &[u8]) -> Vec<u8> {
    let digits = hex::encode(chain);
    [LINE_START, digits.as_bytes(), LINE_MIDDLE, entry, LINE_END].concat()
}

/// Splits a line without its line end into chain digits and entry.
pub(super) fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (digits, rest) = line
        .strip_prefix(LINE_START)?
        .split_at_checked(CHAIN_DIGITS)?;
    let entry = rest.strip_prefix(LINE_MIDDLE)?.strip_suffix(b"}")?;
    Some((digits, entry))
}

/// File name of the segment that begins with entry `first`.
pub(super) fn file_name(first: u64) -> String {
    format!("{first:016x}.jsonl")
}

/// The segments of a directory as (first entry, path), in order. Other files are not ours.
pub(super) fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, AuditError> {
    let fail = |source| AuditError::file("list", dir, source);
    let mut segments = Vec::new();
    for item in std::fs::read_dir(dir).map_err(fail)? {
        let path = item.map_err(fail)?.path();
        let first = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_suffix(".jsonl"))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if let Some(first) = first {
            segments.push((first, path));
        }
    }
    segments.sort();
    Ok(segments)
}
