//! Conditions: drafts folded into `Ready`, with transition times that only move when a status does.

use finp2p_crds::condition::{Condition, Truth, reasons, types};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::node::validate::{Finding, Verdict};

/// A condition before it is compared with what the object has.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// One of [`types`].
    pub type_: &'static str,
    /// Whether it holds.
    pub status: Truth,
    /// One word.
    pub reason: &'static str,
    /// One sentence.
    pub message: String,
}

impl Draft {
    /// A draft.
    pub fn new(
        type_: &'static str,
        status: Truth,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self {
            type_,
            status,
            reason,
            message: message.into(),
        }
    }

    /// A condition that holds.
    pub fn holds(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self::new(type_, Truth::True, reason, message)
    }

    /// A condition that a finding stands against.
    pub fn fails(type_: &'static str, finding: &Finding) -> Self {
        Self::new(type_, Truth::False, finding.reason, finding.message.clone())
    }
}

/// The conditions that every object has, `Ready` first, from what was found and how the node fares.
pub fn core(verdict: &Verdict, unresolved: Option<&Finding>, programmed: Draft) -> Vec<Draft> {
    let remark = verdict.remark.as_ref();
    let accepted = match (&verdict.refused, remark) {
        (Some(refused), _) => Draft::fails(types::ACCEPTED, refused),
        (None, Some(remark)) => {
            Draft::holds(types::ACCEPTED, remark.reason, remark.message.clone())
        }
        (None, None) => Draft::holds(
            types::ACCEPTED,
            reasons::ACCEPTED,
            "nothing stands against it",
        ),
    };
    let resolved = match unresolved {
        Some(finding) => Draft::fails(types::RESOLVED_REFS, finding),
        None => Draft::holds(
            types::RESOLVED_REFS,
            reasons::RESOLVED,
            "every name leads somewhere",
        ),
    };
    let parts = [accepted, resolved, programmed];
    let ready = match (parts.iter().find(|part| part.status != Truth::True), remark) {
        (Some(part), _) => Draft::new(types::READY, part.status, part.reason, part.message.clone()),
        (None, Some(remark)) => Draft::holds(types::READY, remark.reason, remark.message.clone()),
        (None, None) => Draft::holds(
            types::READY,
            reasons::READY,
            "accepted, resolved, and in force in the node",
        ),
    };
    let mut drafts = vec![ready];
    drafts.extend(parts);
    if let Some(aside) = &verdict.aside {
        let told = [types::READY, types::ACCEPTED];
        let holds = |draft: &&mut Draft| told.contains(&draft.type_) && draft.status == Truth::True;
        for draft in drafts.iter_mut().filter(holds) {
            draft.message = format!("{}; {aside}", draft.message);
        }
    }
    if let Some(refused) = &verdict.refused {
        drafts.push(Draft::holds(
            types::STALLED,
            refused.reason,
            refused.message.clone(),
        ));
    }
    drafts
}

/// Conditions as they are written: a status that did not change keeps the time at which it did.
pub fn conditions(
    drafts: Vec<Draft>,
    generation: i64,
    existing: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    drafts
        .into_iter()
        .map(|draft| {
            let kept = existing
                .iter()
                .find(|c| c.type_ == draft.type_ && c.status == draft.status)
                .map(|c| c.last_transition_time.clone());
            Condition {
                type_: draft.type_.to_owned(),
                status: draft.status,
                observed_generation: Some(generation),
                last_transition_time: kept.unwrap_or_else(|| Time(whole_second(now))),
                reason: draft.reason.to_owned(),
                message: draft.message,
            }
        })
        .collect()
}

/// Times in statuses have whole seconds on the wire; a status that is compared with itself must too.
fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
