//! The node sidecar's library.

pub mod audit;
pub mod clock;
pub mod identity;
pub mod network;
pub mod record;
pub mod store;
