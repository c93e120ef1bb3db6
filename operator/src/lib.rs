//! The operator: manifests in, node configuration out.
//!
//! - [`manifest`]: files and folders → typed objects, each with its position; hostile input.
//! - [`finding`]: one thing that is wrong, where it stands, and how to mend it.

pub mod finding;
pub mod manifest;
pub mod node;
