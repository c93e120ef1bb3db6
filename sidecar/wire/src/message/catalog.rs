//! What is shared with the asking organization.

use minicbor::{Decode, Encode};

use super::{Mode, Pointer, Purpose, Resource, Terms};
use crate::cbor::{List, Text};
use crate::digest::Digest;
use crate::limits::{CATALOG_PAGE_MAX, ISSUER_MAX_BYTES, NEEDS_MAX, PURPOSES_MAX, UNITS_MAX};

/// Asks for a page of the catalogue, in the order of resource ids.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Catalog {
    /// The last id of the page before; absent for the first.
    #[n(1)]
    pub after: Option<Resource>,
    /// Most items wanted; a node gives at most [`CATALOG_PAGE_MAX`], and fewer when they are large.
    #[n(2)]
    pub max: u64,
}

/// One kind of credential that must be presented.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Need {
    /// The credential's type (`vct`).
    #[n(1)]
    pub vct: Text<1, ISSUER_MAX_BYTES>,
    /// Who may have issued it.
    #[n(2)]
    pub issuers: List<Text<1, ISSUER_MAX_BYTES>, 1, NEEDS_MAX>,
}

/// One resource of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CatalogItem {
    /// Which resource.
    #[n(1)]
    pub r: Resource,
    /// Record hash of the current version.
    #[n(2)]
    pub h: Digest,
    /// The current version.
    #[n(3)]
    pub ver: u64,
    /// Units the asking organization may have.
    #[n(4)]
    pub units: List<Pointer, 0, UNITS_MAX>,
    /// How it may be had.
    #[n(5)]
    pub modes: List<Mode, 1, 2>,
    /// For what; none means every purpose.
    #[n(6)]
    pub purposes: List<Purpose, 0, PURPOSES_MAX>,
    /// Credentials that must be presented.
    #[n(7)]
    pub needs: Option<List<Need, 1, NEEDS_MAX>>,
    /// The terms.
    #[n(8)]
    pub terms: Terms,
}

/// A page of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct CatalogPage {
    /// Its items, ascending by resource id.
    #[n(1)]
    pub items: List<CatalogItem, 0, CATALOG_PAGE_MAX>,
    /// Where the next page starts (`after`); absent on the last.
    #[n(2)]
    pub next: Option<Resource>,
}
