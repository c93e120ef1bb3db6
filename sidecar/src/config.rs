//! A node's configuration: complete sets only, the last applied one kept, a roll-back noticed.
//!
//! Modules in reading order: [`reading`] (root and slices as they came, and when they are a
//! complete set), [`applied`] (the set decoded: what the node decides with), [`tracker`] (which
//! set is in force: sequence, roll-back, age), [`keep`] (the applied set, sealed in the store),
//! [`source`] (what a source gives), [`directory`] (where it comes from without a cluster),
//! [`kubernetes`] (where it comes from on one), [`content`] (Secrets and ConfigMaps that assets take
//! their content from), [`changes`] (which objects another configuration changed).
//!
//! Data flow: source → [`Reading`] → [`Applied`] → [`Tracker`] → what the request checks read.
//! Missing configuration never reads as empty configuration.

pub mod applied;
pub mod changes;
pub mod content;
pub mod directory;
pub mod keep;
pub mod kubernetes;
pub mod reading;
pub mod source;
pub mod tracker;

pub use applied::Applied;
pub use directory::Directory;
pub use kubernetes::Kubernetes;
pub use reading::{Incomplete, Reading};
pub use source::{Source, SourceError, Stamp};
pub use tracker::{Outcome, Standing, Tracker};
