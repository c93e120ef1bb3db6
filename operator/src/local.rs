//! The embedded mode: a folder of manifests instead of an API server, a process instead of a pod.
//!
//! Modules in reading order:
//! - [`watch`]: when the folder was edited, and has settled. [`observe`]: what it says, with the
//!   last good version of what cannot be read. [`register`]: what an API server would note on
//!   each object. [`memory`]: both, kept across restarts.
//! - [`plan`]: one namespace through the operator's own plan ([`crate::node::plan()`]).
//! - [`content`], [`apply`]: the plan as a node's configuration directory.
//! - [`supervise`], [`ports`], [`node`], [`fleet`]: a process that is kept running, and the nodes.
//! - [`refusals`], [`report`]: what is told. [`state`], [`home`]: what is kept, and the lock on it.
//! - [`step`], [`run`]: one step of all that, and the loop around it.
//!
//! ```text
//! folder ──observe──► view ──plan──► plan ──apply──► STATE/ORG/config ──► sidecar
//!                               ▲                                            │
//!                               └──────────── STATE/ORG/report.yaml ◄────────┘
//! ```
//! Nothing here decides what is shared, with whom, or what an object's status is.

pub mod apply;
pub mod content;
pub mod fleet;
pub mod home;
pub mod memory;
pub mod node;
pub mod observe;
pub mod plan;
pub mod ports;
pub mod refusals;
pub mod register;
pub mod report;
pub mod run;
pub mod state;
pub mod step;
pub mod supervise;
pub mod watch;

pub use run::{LocalError, Options, Outside, run};
