//! The node sidecar: holds an organization's private data, checks every request of a peer,
//! and fetches what peers share.

pub mod api;
pub mod args;
pub mod audit;
pub mod clock;
pub mod config;
mod counter;
mod directory_lock;
pub mod hardening;
pub mod identity;
pub mod keys;
pub mod metrics;
pub mod network;
pub mod node;
pub mod primary;
pub mod reader;
pub mod record;
mod refusal_log;
pub mod request;
pub mod run;
pub mod session;
pub mod store;
pub mod telemetry;
pub mod volume;
