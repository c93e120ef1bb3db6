//! The operator: manifests in, node configuration out.
//!
//! - [`manifest`]: files and folders → typed objects, each with its position; hostile input.
//! - [`node`]: one namespace's resources → one node's configuration and every status.
//! - [`keys`]: root and issuing keys, certificates, public records.
//! - [`local`]: the embedded mode: a folder of manifests, one sidecar process per organization.
//! - [`diff`]: what a change gives and takes, by the access model.
//! - [`explain`]: may this organization read this, and why not.
//! - [`client`]: the way to an API server.
//! - [`cluster`]: one look at a namespace of a live cluster.
//! - [`print`]: the tables that kubectl would print.
//! - [`finding`]: one thing that is wrong, where it stands, and how to mend it.
//! - [`validate`]: the checks that an object must pass.
//! - [`run`]: the operator on an API server: [`leader`], [`definitions`], one keeper per namespace;
//!   [`metrics`], [`probes`], [`telemetry`], [`cluster_error`].
//! - [`args`], [`command`]: the command line and what it does.

pub mod args;
pub mod client;
pub mod cluster;
pub mod cluster_error;
pub mod command;
pub mod definitions;
pub mod diff;
pub mod explain;
pub mod finding;
pub mod keys;
pub mod leader;
pub mod local;
pub mod manifest;
pub mod metrics;
pub mod node;
pub mod print;
pub mod probes;
pub mod run;
pub mod telemetry;
pub mod validate;
