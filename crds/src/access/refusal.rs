//! Why nothing is disclosed: what the peer is told, and what our own people may read.

use std::sync::Arc;

use crate::entry::{Entry, PolicyEntry};

/// Why a question was not granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The true reason. For the audit and `explain`; never for the peer.
    pub reason: Reason,
    /// The reason that the peer may be told. It depends on advertised policies only, so it
    /// says nothing of the others.
    pub told: Reason,
    /// What is wrong with the requester, whatever policies say.
    pub requester: Option<RequesterFault>,
    /// What is wrong with the resource, whatever policies say.
    pub resource: Option<ResourceFault>,
    /// The policies that select this requester and this resource, and what each one lacked.
    /// Sorted by name and uid of the policy.
    pub policies: Vec<Miss>,
    /// What a policy lacked that does not count and would have carried the request past `reason`:
    /// beside a policy for another purpose, say, one for this purpose that has expired.
    pub instead: Option<Shortfall>,
}

/// The reasons, in the order in which they are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No grant is in force, or there is no such resource: one answer for all of these.
    NotShared,
    /// Grants are in force, but none for this purpose.
    Purpose,
    /// Something that was asked for is not granted, or does not exist: one answer for both.
    Fields,
    /// Everything asked for could be granted, but no content has been loaded yet.
    NoContent,
}

/// Why an organization is no reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequesterFault {
    /// It is the local organization, which is never its own peer.
    Local,
    /// No peer has this id.
    Unknown,
    /// More than one object claims this id or this name: none of them is believed.
    Disputed,
    /// It has no root keys: an issuer, which reads nothing.
    NoKeys,
    /// It is suspended.
    Suspended,
}

/// Why a resource is not ours to grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResourceFault {
    /// Another organization is its Primary.
    AnotherPrimary,
    /// It is not an asset.
    NotAnAsset,
    /// We have no such asset.
    Unknown,
    /// More than one object claims this id or this name: none of them is believed.
    Disputed,
}

/// A policy that selects requester and resource and still did not carry the request.
#[derive(Clone, Debug, PartialEq)]
pub struct Miss {
    /// The policy.
    pub policy: Arc<Entry<PolicyEntry>>,
    /// What it lacked.
    pub because: Shortfall,
}

/// What a policy lacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shortfall {
    /// It breaks a rule of the schema, for example both `fields` and `allFields`.
    Malformed,
    /// It sets fields that are not enforced yet; these.
    NotYetSupported(Vec<&'static str>),
    /// Its window has not begun.
    NotYetValid,
    /// Its window is over.
    Expired,
    /// It lets the peer fetch, and the peer wants to subscribe.
    Mode,
    /// It is for other purposes.
    Purpose,
    /// It is satisfied, but all satisfied policies together do not open what was asked for.
    Fields,
}

impl Refusal {
    /// Check 10 failed.
    pub(super) fn not_shared(
        requester: Option<RequesterFault>,
        resource: Option<ResourceFault>,
        policies: Vec<Miss>,
    ) -> Self {
        Self {
            reason: Reason::NotShared,
            told: Reason::NotShared,
            requester,
            resource,
            policies,
            instead: None,
        }
    }
}
