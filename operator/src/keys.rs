//! Keys on the operator's side: the offline root, the issuing key, and what is public.
//!
//! - [`keygen`]: a new organization: root key, issuing key with its certificate, public record.
//! - [`certify`]: once a year, with the root key at hand: a new certificate for an issuing key.
//! - [`export`]: the public record of an organization, out of a folder of manifests.
//! - [`signer`]: the issuing key at work: certificates for a node, without people.
//! - [`signer_command`]: an issuing key that is elsewhere, behind a program.
//! - [`secret`]: the Secret that an issuing key lives in.
//! - [`file`]: files that are whole or not there, and private where they must be.
//!
//! ```text
//! root key (a file, kept offline) ──certifies──► issuing key (Secret) ──signs──► node certificates
//!        └─ public half ──► PeerOrganization.spec.keys at every peer: what they trust
//! ```
//!
//! No private key is ever printed, logged or put into an error.

pub mod certify;
pub mod export;
pub mod file;
pub mod keygen;
pub mod secret;
pub mod signer;
pub mod signer_command;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// A whole number of years after a moment, in the calendar; `None` beyond its end.
fn years_after(moment: Timestamp, years: i64) -> Option<Timestamp> {
    let zoned = moment.to_zoned(TimeZone::UTC);
    zoned
        .checked_add(Span::new().try_years(years).ok()?)
        .ok()
        .map(|z| z.timestamp())
}

/// The beginning of the day (UTC) of a moment.
fn day_of(moment: Timestamp) -> Timestamp {
    const DAY_S: i64 = 86_400;
    let second = moment.as_second();
    Timestamp::from_second(second - second.rem_euclid(DAY_S)).unwrap_or(moment)
}

#[cfg(test)]
mod tests;
