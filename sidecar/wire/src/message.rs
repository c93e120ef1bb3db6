//! The messages: what stands in the payload of an envelope.
//!
//! In each map the keys are 1, 2, 3 … in the order of the fields below; a field for which there is
//! no message yet keeps its number and is refused when it comes. Times are unix seconds. A message
//! type holds nothing that the other side must refuse: its lists and texts carry their bounds.
//!
//! | message | kind | sent by |
//! |---|---|---|
//! | [`Hello`] | `hello` | whoever dials |
//! | [`HelloOk`] | `hello-ok` | whoever accepts a hello |
//! | [`Request`] with a [`Body`] | `req` | whoever holds a session |
//! | [`Response`] with an [`Answer`] | `res` | whoever was asked |

mod catalog;
mod fetch;
mod hello;
mod keys;
mod request;
mod response;
mod terms;

pub use catalog::{Catalog, CatalogItem, CatalogPage, Need};
pub use fetch::{Fetch, FetchAnswer, FetchAnswers, FetchItem, Fitted, Prepared, RecordRef, fit};
pub use hello::{Hello, HelloOk, PeerLimits, VERSION, choose_version};
pub use keys::{Keys, KeysAnswer};
pub use request::{Audience, Body, Op, Request};
pub use response::{Answer, Mismatch, Response};
pub use terms::{Mode, Terms};

use crate::cbor::{Bytes, List, Text, fixed_bytes};
use crate::limits::{
    CERTIFICATE_MAX_BYTES, CERTIFICATES_MAX, ORGANIZATION_MAX_BYTES, POINTER_MAX_BYTES,
    PURPOSE_MAX_BYTES, RESOURCE_MAX_BYTES,
};

/// An organization's id; that it is a DNS label is checked where it is looked up.
pub type Organization = Text<1, ORGANIZATION_MAX_BYTES>;
/// A resource id, `<organization>:<type>:<id>`; its form is a check of its own.
pub type Resource = Text<1, RESOURCE_MAX_BYTES>;
/// A JSON Pointer (RFC 6901) into a record's data.
pub type Pointer = Text<1, POINTER_MAX_BYTES>;
/// What the data is asked for.
pub type Purpose = Text<1, PURPOSE_MAX_BYTES>;
/// Certificates as their envelopes.
pub type Certificates = List<Bytes<1, CERTIFICATE_MAX_BYTES>, 1, CERTIFICATES_MAX>;

fixed_bytes!(
    /// A session's id, chosen at random by the server.
    SessionId, 16
);

fixed_bytes!(
    /// A hello's random number.
    Nonce, 32
);
