//! Past record keys, so that old records still verify.

use minicbor::{Decode, Encode};

use super::Certificates;
use crate::cbor::List;
use crate::key::Kid;
use crate::limits::KEYS_MAX;

/// Asks for the certificates of record keys. A key that was certified several times has a
/// certificate for each time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Keys {
    /// Which keys.
    #[n(1)]
    pub kids: List<Kid, 1, KEYS_MAX>,
    /// For a record of this time (`iat`, unix seconds): the certificates that hold then come
    /// first. Absent: the newest.
    #[n(2)]
    pub at: Option<u64>,
}

/// The certificates, with the issuing certificates they need. As many as fit a hello: ask again
/// for those that are missing.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct KeysAnswer {
    /// Certificates as their envelopes; absent when none of the keys is known.
    #[n(1)]
    pub certs: Option<Certificates>,
}
