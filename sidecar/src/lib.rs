//! The node sidecar's library.

pub mod audit;
pub mod record;
pub mod store;
