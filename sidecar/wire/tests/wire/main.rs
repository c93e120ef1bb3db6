//! What this crate promises about bytes from strangers, tested from outside.
//!
//! `samples` makes one of everything from fixed seeds; `vectors` holds what others published;
//! `attacks` and `weak_keys` are the protocol's list, by number; `certificates` and `messages` are
//! the rules; `fuzz` looks for what nobody thought of; `fixtures` freezes the format.
// A panic is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod attacks;
mod certificates;
mod fixtures;
mod fuzz;
mod messages;
mod samples;
mod vectors;
mod weak_keys;
