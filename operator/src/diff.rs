//! What a change gives and takes: two sets of declarations compared by the access model.
//!
//! *Gained* is whatever the model would grant at some moment from now on and would not have
//! granted before: a field, a purpose, a mode, time, being listed, passing on. It is also trust:
//! a root key, an issuer, a verb of the local API. Lost is the same the other way round, so that
//! what a change gains its reversal loses. Modules in reading order:
//!
//! - [`world`]: the declarations of one namespace as its node would have them; [`files`]: from
//!   manifests and from what a cluster holds.
//! - [`changed`]: which of them differ. `class`: whom that can affect, alike with alike.
//! - [`reach`]: what the access model grants one reader on one resource at one moment.
//! - [`pair`]: two such answers over all time to come. [`scope`]: some fields, some purposes.
//! - [`access`]: all readers and resources. [`trust`], [`eligibility`]: what is not access.
//! - [`compare`]: all namespaces together, with [`unresolved`] names.
//! - [`report`]: all of it for people and programs. [`widened`]: the short form for an Event.
//!
//! ```text
//! files, cluster ──► World ─┐
//!                           ├─ changed ─► class ─► pair ◄─ reach ◄─ access model
//! files ───────────► World ─┘                        └─► access ─► report, widened
//! ```
//! Nothing here has a client, a file or a clock.

pub mod access;
pub mod changed;
pub(crate) mod class;
pub mod compare;
pub mod eligibility;
pub mod files;
pub mod pair;
pub mod reach;
pub mod report;
pub mod scope;
pub mod trust;
pub mod unresolved;
pub mod widened;
pub mod world;

pub use changed::Changed;
pub use widened::Widened;
pub use world::{facts, facts_of};

#[cfg(test)]
pub(crate) mod tests;
