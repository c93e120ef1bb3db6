//! Records: one signed version of the private data of a resource, disclosable by unit.
//!
//! A record is an SD-JWT (RFC 9901) without key binding: one JWT per version, signed by the
//! Primary's record key, in which every unit is only a salted digest. Each reader gets that
//! same JWT with the disclosures that its grants allow, so all readers can compare one hash.
//!
//! In reading order:
//! - [`pointer`]: the names of units (RFC 6901); [`units`]: those of one record.
//! - [`content`]: what may be signed, and which objects are opened; [`json`]: the strict
//!   reading under it.
//! - [`issue`]: content → [`Record`]; [`issued`]: record → [`Presented`] for one reader.
//! - [`verify`]: presented text → [`Verified`] data, over [`process`], the part of RFC 9901
//!   that is the same for every SD-JWT; [`key`]: whose signature counts.
//! - [`version`]: newer, older, or two stories about one version.
//!
//! Data flow: the local API or a Secret → [`Content::parse`] → [`issue()`] → store →
//! [`Record::disclose`] → wire → [`verify()`] → the reader's program.
//!
//! Form, where the RFC leaves a choice: header `alg`, `kid` (32 lower-case hex digits), `typ`
//! and nothing else; claims `_sd_alg`, `data`, `iat`, `iss`, `net`, `sub`, `ver` and nothing
//! else; `data` and each opened object hold `_sd` and nothing else; digests sorted and padded
//! with decoys to a power of two, at least [`MIN_DIGESTS`]; no digest inside arrays.
//!
//! # Decision, 2026-11-23: no SD-JWT library
//! The `sd-jwt-payload` crate (0.5.1) was read and left out. It draws salts and decoys from
//! its own generator, with no way to hand it ours; its decoder leaves `_sd` and `{"...": …}`
//! of withheld arrays and objects in what an application sees, overlooks a digest that stands
//! twice undisclosed, and reads JSON in which a member stands twice. With salts, decoys,
//! strict reading, the shape and every check of §7.1 to be written around it, what remained
//! for it was one SHA-256 and one base64 call.

pub mod content;
mod disclosure;
pub mod issue;
pub mod issued;
pub mod json;
pub mod key;
pub mod pointer;
pub mod process;
pub mod units;
pub mod verify;
pub mod version;

pub use content::{Content, ContentError, MAX_CONTENT_BYTES, MAX_UNIT_DEPTH, MAX_UNITS, Opening};
pub use issue::{Claims, IssueError, MIN_DIGESTS, issue};
pub use issued::{Presented, Record, RecordHash, disclosures_digest};
pub use key::{RecordKey, RecordKeys, RecordSigner};
pub use pointer::{Pointer, PointerError};
pub use units::Units;
pub use verify::{Expectations, Verified, VerifyError, read_own, verify};
pub use version::{Succession, Version};

/// The `typ` of a record, which is also the version of its format.
pub const TYP: &str = "finp2p-record+sd-jwt";
/// The one algorithm: Ed25519 by its own name (RFC 9864).
pub const ALG: &str = "Ed25519";
/// The one hash of disclosures (RFC 9901 §4.1.1).
pub const SD_ALG: &str = "sha-256";
/// Longest `iss`, `sub` or `net`, in bytes: a resource id is far shorter.
pub const MAX_CLAIM_BYTES: usize = 512;
/// Largest record with everything disclosed. 256 KiB of content are 342 KiB of base64; 256
/// units have at most 2,560 digests with their decoys, 157 KiB at most in base64.
pub const MAX_RECORD_BYTES: usize = 640 * 1024;

#[cfg(test)]
mod tests;
