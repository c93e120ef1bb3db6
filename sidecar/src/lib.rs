//! The node sidecar's library.

pub mod record;
pub mod store;
