//! May this organization read this, by which policy, and if not, why not and what would mend it.
//!
//! The verdict is the access model's ([`finp2p_crds::access::decide`]): the same call with which
//! a node decides. What is added here is the word of each policy by itself, and sentences.
//! Modules in reading order:
//!
//! - [`policy`]: each policy alone, and what it says to the question.
//! - [`content`]: which fields there are, from a file or from what policies name.
//! - [`session`]: whether a root key of the reader opens a session, which a node asks before policies.
//! - [`sentence`]: reasons and cures in words.
//! - [`report`]: for people and for programs.
//!
//! Nothing here has a client, a file or a clock.

pub mod content;
pub mod policy;
pub mod report;
pub mod sentence;
pub mod session;

use finp2p_crds::ResourceId;
use finp2p_crds::access::{Access, Facts, Operation, Question, Reason, Refusal, Wanted, decide};
use jiff::Timestamp;

use content::Units;
use policy::{Line, Word};
use sentence::Told;

/// What is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// Organization id of the reader.
    pub requester: String,
    /// The resource.
    pub resource: ResourceId,
    /// What the reader wants to do.
    pub operation: Operation,
    /// The purpose that its request names.
    pub purpose: Option<String>,
    /// The fields that it asks for; empty: whatever it may have.
    pub wanted: Vec<String>,
    /// The moment to judge at.
    pub now: Timestamp,
}

/// The verdict and the word of each policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// What was asked.
    pub asked: Asked,
    /// What the access model says.
    pub verdict: Result<Access, Refusal>,
    /// Why the reader's node is refused before policies are asked: no root key of it is good then.
    pub no_session: Option<Told>,
    /// The policies that say something to it, those that select both parties first.
    pub policies: Vec<Line>,
    /// Number of policies that select neither.
    pub unrelated: usize,
    /// The fields that were judged.
    pub units: Units,
}

impl Asked {
    /// The question as the access model takes it.
    pub fn question<'a>(&'a self, units: Option<&'a [String]>) -> Question<'a> {
        Question {
            now: self.now,
            requester: &self.requester,
            resource: &self.resource,
            operation: self.operation,
            purpose: self.purpose.as_deref(),
            wanted: match self.wanted.as_slice() {
                [] => Wanted::Everything,
                wanted => Wanted::Units(wanted),
            },
            units,
        }
    }
}

/// Explains what these declarations answer.
pub fn explain(facts: &Facts, asked: Asked, units: Units) -> Explanation {
    let verdict = decide(facts, &asked.question(units.known()));
    let no_session = session::refusal(facts, &asked);
    let (mut policies, unrelated) = policy::lines(facts, &asked, &units);
    if no_session.is_some() {
        let granting = policies.iter_mut().map(|line| &mut line.word);
        granting
            .filter(|word| matches!(word, Word::Grants(_)))
            .for_each(|word| *word = Word::Barred);
    }
    Explanation {
        asked,
        verdict,
        no_session,
        policies,
        unrelated,
        units,
    }
}

impl Explanation {
    /// Whether the reader may.
    pub fn is_granted(&self) -> bool {
        self.verdict.is_ok() && self.no_session.is_none()
    }
}

/// A reason as one word for programs.
pub fn reason_word(reason: Reason) -> &'static str {
    match reason {
        Reason::NotShared => "NotShared",
        Reason::Purpose => "Purpose",
        Reason::Fields => "Fields",
        Reason::NoContent => "NoContent",
    }
}

#[cfg(test)]
mod tests;
