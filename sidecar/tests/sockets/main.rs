//! The network and the reader over real loopback sockets, with peers that do not behave.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// A panic is how a test fails.

mod bank;
mod network;
mod node;
mod primary;
mod raw;
mod reader;
mod together;
