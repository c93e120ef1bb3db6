//! The first-light scenario over real processes: what the demo shows, that it would notice if it
//! were not so, and what must hold beside it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails
#![allow(clippy::disallowed_methods)] // deadlines

mod demo;
mod nodes;
mod refusals;
mod secrets;
mod traces;
