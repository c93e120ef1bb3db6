//! Under which terms data was given.

use minicbor::{Decode, Encode};

use super::Purpose;
use crate::cbor::List;
use crate::digest::Digest;
use crate::limits::PURPOSES_MAX;

/// How a resource may be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// By asking.
    #[n(1)]
    Pull,
    /// By subscription.
    #[n(2)]
    Push,
}

/// What the reader may do with what it got.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Terms {
    /// Granted modes.
    #[n(1)]
    pub modes: List<Mode, 1, 2>,
    /// Granted purposes; none means every purpose.
    #[n(2)]
    pub purposes: List<Purpose, 0, PURPOSES_MAX>,
    /// When the grant ends, unix seconds.
    #[n(3)]
    pub exp: Option<u64>,
    /// How long the data may be kept, in seconds. Absent: not at all.
    #[n(4)]
    pub retain: Option<u64>,
    /// How long a replica is good without contact, in seconds.
    #[n(5)]
    pub lease: Option<u64>,
    /// Whether the reader may pass it on.
    #[n(6)]
    pub redistribute: bool,
    /// Digest of what granted it, for both audits.
    #[n(7)]
    pub grant: Digest,
}
