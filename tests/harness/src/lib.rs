//! The harness of the suites: real processes of the project, as a user starts them.
//!
//! Modules in reading order: [`binaries`] (the programs, built when they are not), [`wait`]
//! (conditions with a deadline, never sleeps), [`process`] (a child that ends with its test),
//! [`http`] (the local API as a program sees it), [`banks`] (the first-light scenario, running),
//! [`control_plane`] (a real Kubernetes API server), [`consortium`] (banks on it, as the chart and the
//! operator run them).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails
#![allow(clippy::disallowed_methods)] // a deadline needs the clock, and waiting needs a pause between looks
#![allow(clippy::print_stderr)] // a failing test says where it left what it knows
#![allow(missing_docs)] // test code: names say it

pub mod banks;
pub mod binaries;
pub mod consortium;
pub mod control_plane;
pub mod http;
pub mod ports;
pub mod process;
pub mod wait;
