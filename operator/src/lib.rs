//! The operator: manifests in, node configuration out.
//!
//! - [`manifest`]: files and folders → typed objects, each with its position; hostile input.
//! - [`node`]: one namespace's resources → one node's configuration and every status.
//! - [`keys`]: root and issuing keys, certificates, public records.
//! - [`local`]: the embedded mode: a folder of manifests, one sidecar process per organization.
//! - [`print`]: the tables that kubectl would print.
//! - [`finding`]: one thing that is wrong, where it stands, and how to mend it.
//! - [`validate`]: the checks that an object must pass.
//! - [`args`], [`command`]: the command line and what it does.

pub mod args;
pub mod command;
pub mod finding;
pub mod keys;
pub mod local;
pub mod manifest;
pub mod node;
pub mod print;
pub mod validate;
