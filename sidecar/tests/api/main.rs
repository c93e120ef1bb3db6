//! The local API over real HTTP on loopback: what it answers, to whom, and how it refuses.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
// A panic is how a test fails.

mod assets;
mod configuration;
mod connections;
mod entrance;
mod peers;
mod private;
mod probes;
mod program;
mod publishing;
mod reporting;
mod verbs;
mod volume;
mod world;

// The organizations and nodes of the socket tests: not all of what they can do is used here.
#[allow(dead_code)]
#[path = "../sockets/bank.rs"]
mod bank;
#[allow(dead_code)]
#[path = "../sockets/node.rs"]
mod node;
#[allow(dead_code)]
#[path = "../sockets/primary.rs"]
mod primary;
