//! On a real Kubernetes API server: that our kinds are what its users are promised, and that the harness
//! does what the other suites build on. Tests share one API server, each in namespaces of its own, and
//! run side by side.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails
#![allow(clippy::disallowed_methods)] // deadlines

mod accounts;
mod ahead;
mod audit;
mod away;
mod bank;
mod content;
mod definitions;
mod deletion;
mod drift;
mod explain;
mod failures;
mod faults;
mod golden;
mod guarded;
mod guards;
mod kstatus;
mod kubectl;
mod leaders;
mod lost_root;
mod nested;
mod obstacles;
mod outdated;
mod questions;
mod refusals;
mod rights;
mod rollback;
mod rules;
mod samples;
mod scenario;
mod source;
mod strict;
mod unread;
mod unshare;
mod verdicts;
