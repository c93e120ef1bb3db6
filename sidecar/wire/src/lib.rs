//! What FinP2P nodes say to each other, as bytes and as types: keys, signed envelopes,
//! certificates, messages, frames, and the closed catalogue of errors.
//!
//! The crate is pure: no socket, no file, no clock, no global state. Time is an input (unix
//! seconds), randomness is an input (a generator), the network's name is an input. The operator
//! uses it to issue certificates, the sidecar to talk.
//!
//! # Reading order
//!
//! | module | what it holds |
//! |---|---|
//! | [`limits`] | every bound of the wire, with the reason for its number |
//! | [`cbor`] | the gate in front of every decoder, and the bounded types messages are made of |
//! | [`digest`] | SHA-256 digests and the digest of a set of pinned roots |
//! | [`key`] | Ed25519 keys and their identifiers |
//! | [`envelope`] | COSE_Sign1 with one fixed header: seal, open, verify |
//! | [`certificate`] | what a key may be used for, and the chain back to a pinned root |
//! | [`message`] | hello, request, response and their bodies |
//! | [`frame`] | an envelope with its attachments, or an unsigned error |
//! | [`error`] | codes, reasons, HTTP status, mend-it sentences, references |
//! | [`window`] | which counters of a session were already used |
//!
//! # Data flow
//!
//! ```text
//! out  message ─encode─► payload ─seal(kind, network, key)─► envelope ─┬─► frame ─► socket
//!                                     big bytes, bound by digest ──────┘ attachments
//! in   socket ─► frame::decode ─► envelope::open ─► (session, key lookup) ─► Opened::verify ─► message::decode
//! ```
//!
//! `open` reads a header that is compared with a template, byte for byte; nothing is parsed from
//! a peer that has not been through the gate of [`cbor`], and `verify` covers the bytes received,
//! never a re-encoding of them.

pub mod cbor;
pub mod certificate;
pub mod digest;
pub mod envelope;
pub mod error;
pub mod frame;
pub mod key;
pub mod limits;
pub mod message;
pub mod window;
