#![doc = include_str!("../ACCESS.md")]
//!
//! # In code
//! One pure function, [`decide`], made of two steps that the node also takes apart:
//! [`grants_in_force`] (check 10, before the store is touched) and [`InForce::disclose`]
//! (check 11, once the units of the record are known). Status, `explain` and [`catalog`] use
//! the same steps. Modules in reading order: `facts` (what is declared, and who is a reader),
//! `policy` (what one policy says by itself), `grant` (what grants disclose together),
//! `refusal`, `catalog`, `pointer`, `unit` (what a record discloses as a whole).

mod catalog;
mod facts;
mod grant;
mod pointer;
mod policy;
mod refusal;
#[cfg(test)]
mod tests;
mod unit;

use std::sync::Arc;

use jiff::Timestamp;

pub use catalog::{Listing, catalog};
pub use facts::{Facts, fields_unknown, selects_asset};
pub use grant::{Access, Grant, InForce, Terms, WANTED_MAX_POINTERS, Wanted};
pub use pointer::{is_at_or_below, is_pointer};
pub use policy::{NOT_YET_ENFORCED, NotYetEnforced, not_yet_enforced, selects, standing};
pub use refusal::{Miss, Reason, Refusal, RequesterFault, ResourceFault, Shortfall};
pub use unit::{UNIT_MAX_DEPTH, is_opened, unit_of, units_of, why_unknown};

use crate::label::Labels;
use crate::resource_id::ResourceId;
use crate::sharing_policy::{Mode, SharingPolicySpec};

/// What a peer wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Ask once; any mode grants it.
    Fetch,
    /// Keep a replica up to date; only Push grants it.
    Subscribe,
}

/// One question to the access model.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The instant to judge at.
    pub now: Timestamp,
    /// Organization id of the authenticated requester.
    pub requester: &'a str,
    /// The resource.
    pub resource: &'a ResourceId,
    /// What the requester wants to do.
    pub operation: Operation,
    /// The purpose that the request names.
    pub purpose: Option<&'a str>,
    /// What the requester wants to see.
    pub wanted: Wanted<'a>,
    /// Leaf units of the current record as JSON Pointers; `None` when no content is loaded.
    pub units: Option<&'a [String]>,
}

/// Who may see what: the one decision.
///
/// # Errors
/// [`Refusal`]: the reason, what the peer may be told of it, and the detail for the audit.
pub fn decide(facts: &Facts, question: &Question<'_>) -> Result<Access, Refusal> {
    grants_in_force(
        facts,
        question.now,
        question.requester,
        question.resource,
        question.operation,
    )?
    .disclose(question.purpose, question.wanted, question.units)
}

/// Check 10: the grants in force for requester, resource and operation.
///
/// An absent asset is judged against the same policies as a present one that none of them
/// selects, so that the two take the same path.
///
/// # Errors
/// [`Refusal`] with [`Reason::NotShared`].
pub fn grants_in_force(
    facts: &Facts,
    now: Timestamp,
    requester: &str,
    resource: &ResourceId,
    operation: Operation,
) -> Result<InForce, Refusal> {
    static NO_LABELS: Labels = Labels::new();
    let reader = facts.reader(requester);
    let asset = facts.own_asset(resource);
    let (name, labels) = match asset {
        Ok(asset) => (asset.name.as_str(), &asset.payload.labels),
        Err(_) => ("", &NO_LABELS),
    };
    let (mut grants, mut misses) = (Vec::new(), Vec::new());
    for policy in facts.policies_for(requester) {
        let spec = &policy.payload.spec;
        let selected = spec
            .assets
            .as_ref()
            .is_some_and(|s| selects(s, name, labels));
        let policy = Arc::clone(policy);
        match carries(spec, now, operation) {
            _ if !selected => {}
            Ok(()) => grants.push(Grant { policy }),
            Err(because) => misses.push(Miss { policy, because }),
        }
    }
    match (reader, asset) {
        (Ok(_), Ok(_)) if !grants.is_empty() => Ok(InForce::new(grants, misses)),
        (reader, asset) => Err(Refusal::not_shared(reader.err(), asset.err(), misses)),
    }
}

/// Whether a policy grants this operation at this instant on what it selects.
fn carries(
    spec: &SharingPolicySpec,
    now: Timestamp,
    operation: Operation,
) -> Result<(), Shortfall> {
    standing(spec, now)?;
    match (operation, spec.mode) {
        (Operation::Fetch, _) | (Operation::Subscribe, Mode::Push) => Ok(()),
        (Operation::Subscribe, Mode::Pull) => Err(Shortfall::Mode),
    }
}
