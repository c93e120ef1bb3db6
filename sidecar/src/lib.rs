//! The node sidecar's library.

pub mod store;
