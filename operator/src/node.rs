//! One namespace's resources in, one node's configuration out.
//!
//! Modules in reading order:
//! - [`inputs`]: everything the plan looks at, as plain data.
//! - [`files`]: the objects among them that stand in files.
//! - [`validate`]: what each object is, and what is wrong with it. Every check is a small pure
//!   function that returns a reason and a sentence.
//! - [`plan`]: slices, root, statuses, certificates to sign, the next moment to look again.
//! - [`sign`]: the plan with the certificates that were due.
//! - [`observe`], [`apply`], [`report`]: the same on an API server; the only ones with a client.
//! - [`widening`]: an Event when an edit lets somebody see more.
//! - [`history`]: whether the API server went back in time.
//! - [`reconcile`]: the five steps in a row, one task per namespace.
//!
//! ```text
//! Inputs ──validate──► Validated ──entries──► buckets ──► slices + root ──► statuses
//!                                                             ▲               ▲
//!                                            former slices ───┘   node report ┘
//! ```
//!
//! Nothing up to the plan has a client, a file, a clock or a random number. The same function plans for an
//! API server, for the local mode and for `validate`. Two rules hold throughout: an object's
//! mistake is a condition on that object and never changes another's entry; and an edit of one
//! object changes one slice and the statuses of that object and of those that name it or are
//! named by it.

pub mod apply;
pub mod files;
pub mod history;
pub mod inputs;
pub mod observe;
pub mod plan;
pub mod reconcile;
pub mod report;
pub mod sign;
pub mod validate;
pub mod widening;

pub use inputs::{Age, Claim, Dialling, Disputed, Inputs, Observed, Previous, SignerState, Source};
pub use plan::{Plan, plan};

#[cfg(test)]
mod tests;
