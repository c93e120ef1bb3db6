//! The audit log: every decision, written before its answer leaves, chained so that nothing can
//! be changed, dropped or moved unseen.
//!
//! Modules in reading order: `entry` (what is recorded), `segment` (how it stands in a file),
//! `log` (the writer), `counters` (what is only counted), `verify` (the offline check).
//!
//! A log is a directory of segments, each a text file of JSON lines: a header, then one line per
//! entry. JSON lines and not CBOR, because whoever reads them at three in the morning has `grep`
//! and `jq`; the one large binary member, the peer's signed request, stands there in base64.
//!
//! ```text
//! 0000000000000001.jsonl
//!   {"audit":1,"log":"<32 hex>","first":1,"chain":"<64 hex>"}
//!   {"chain":"<64 hex>","entry":{"i":1,"k":"decision","t":"…","org":"bank-b",…}}
//! ```
//!
//! chain_0 = SHA-256("finp2p/audit/1" ‖ log id), chain_i = SHA-256(chain_{i−1} ‖ SHA-256(entry i)),
//! over the bytes of the entry as they stand in the file; a header repeats the chain before its
//! first entry. Cutting off the end of a log, or writing all of it anew, is not noticed by the
//! chain alone: that takes a witness outside of the directory.
//!
//! A policy that an entry names is named with uid, generation and the change (commit or ticket)
//! behind it: `"policies":[{"name":"terms","uid":"…","gen":3,"change":"CHG-7"}]`. So are the
//! objects that a configuration brought, in the entry of the change.
//!
//! Entries hold digests and names, never field values. What is refused before a signature or a
//! token was verified is only counted ([`Counters`]), or whoever has no key at all could fill the
//! disk: by door, organization, code and reason, in one entry every ten seconds.

mod counters;
mod entry;
mod log;
mod segment;
#[cfg(test)]
mod tests;
mod verify;

use std::{io, path::PathBuf, sync::Arc};

pub use counters::{Counters, Kind, Refused, Totals};
pub use entry::{
    Begun, Change, ChangedObject, Count, Counted, Decision, Digest, Door, Entry, MAX_OBJECTS,
    MAX_POLICIES, Named, Recovered, WhatBecame,
};
pub use log::{Audit, Position};
pub use verify::{Summary, verify, visit};

/// Longest entry in bytes as it stands in the file: a request envelope of 64 KiB is 86 KiB in
/// base64, and everything else is bounded to a few hundred bytes per member.
pub const MAX_ENTRY_BYTES: usize = 128 * 1024;

/// Longest text member of an entry in bytes; a longer one is recorded as its digest, so that
/// what a peer writes into a request cannot keep the refusal of it from being recorded.
pub const MAX_TEXT_BYTES: usize = 256;

/// Size in bytes at which a new segment is begun: small enough to be verified in well under a
/// second at every start, large enough that a busy day is dozens of files and not thousands.
pub const MAX_SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// Most entries that may be written but not yet synced.
pub const MAX_UNSYNCED: u64 = 256;

/// A failed step of the audit log. Display never holds the source or an entry.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// A file of the log cannot be used.
    #[error(
        "the audit log cannot {step} {}: check that the volume is mounted, writable and not full",
        path.display()
    )]
    File {
        /// What was tried, in words: `open`, `read`, `create`.
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: Arc<io::Error>,
    },
    /// Another process writes this log.
    #[error("the audit log in {} is open in another process: stop that one first", dir.display())]
    InUse {
        /// The directory of the log.
        dir: PathBuf,
    },
    /// An entry is too long to be recorded.
    #[error("an audit entry may have at most {MAX_ENTRY_BYTES} bytes, not {bytes}")]
    TooLong {
        /// Its length in bytes.
        bytes: usize,
    },
    /// An entry could not be put into words.
    #[error("an audit entry cannot be encoded")]
    Encode,
    /// The disk did not take an entry. Nothing of it is in the log; entries are taken again once
    /// [`Audit::check`] finds that the disk takes them.
    #[error("the audit log could not be written: free space on the volume; no restart is needed")]
    Write {
        /// Why it failed.
        source: Arc<io::Error>,
    },
    /// The log has stopped after a failed sync or a failed repair.
    #[error(
        "the audit log has stopped because it could not {step}: check the health of the volume \
         and restart the node"
    )]
    Stopped {
        /// The step that failed first.
        step: &'static str,
    },
    /// The log is not what was written.
    #[error(
        "the audit log is broken at {segment}, line {line}: {what}; it was left untouched: keep \
         it as evidence and start with a new directory, or restore it from a backup"
    )]
    Broken {
        /// File name of the segment.
        segment: String,
        /// Line in that file, the header being line 1.
        line: u64,
        /// What does not hold.
        what: &'static str,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}

impl AuditError {
    fn file(step: &'static str, path: &std::path::Path, source: io::Error) -> Self {
        Self::File {
            step,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}
