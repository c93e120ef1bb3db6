//! Rows 10 to 13: what the access model says, of one configuration or, after a roll-back, of two.

use std::borrow::Cow;
use std::collections::BTreeSet;

use finp2p_crds::ResourceId;
use finp2p_crds::access::{
    self, Access, Grant, InForce, Miss, Operation, Reason, ResourceFault, Shortfall, Terms, Wanted,
    grants_in_force,
};
use finp2p_crds::entry::{Entry, PolicyEntry};
use finp2p_crds::sharing_policy::Mode;
use finp2p_wire::cbor::List;
use finp2p_wire::digest::Digest;
use finp2p_wire::limits::PURPOSES_MAX;
use finp2p_wire::message;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::records::Records;
use super::refusal::{Check, Refusal};
use super::snapshot::Snapshot;
use super::trail::Finding;
use crate::audit::{MAX_POLICIES, Named};

/// What decisions about one request are made from.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The time by which grants are judged.
    pub now: Timestamp,
    pub snapshot: &'a Snapshot,
    /// Whose signature it was.
    pub organization: &'a str,
    pub purpose: Option<&'a str>,
    pub records: &'a dyn Records,
}

/// What was decided about a request.
pub(super) struct Decided {
    pub answer: message::Answer,
    pub attachments: Vec<Vec<u8>>,
    /// One per item, or one for the whole.
    pub findings: Vec<Finding>,
    /// Items that were refused as not shared.
    pub misses: usize,
    /// Tokens that the request cost beyond its own.
    pub tokens: usize,
}

impl Decided {
    /// The request as a whole is refused.
    pub fn refused(refusal: Refusal) -> Self {
        Self {
            answer: message::Answer::Refused(refusal.check.told()),
            attachments: Vec::new(),
            findings: vec![Finding::refused(&refusal)],
            misses: 0,
            tokens: 0,
        }
    }
}

/// Why the access model refused: the check, what the peer may be told, and what our own people
/// may read.
pub(super) struct Denied {
    pub check: Check,
    /// The check that the peer is told of: not about what is not advertised.
    pub told: Check,
    pub detail: Cow<'static, str>,
    pub policies: Vec<Named>,
}

impl Denied {
    fn from_model(refusal: &access::Refusal) -> Self {
        let misses = refusal.policies.iter().map(|miss| &*miss.policy);
        Self {
            check: check(refusal.reason),
            told: check(refusal.told),
            detail: detail(refusal),
            policies: named(misses),
        }
    }

    /// Told as it is.
    pub fn plain(refusal: Refusal) -> Self {
        Self {
            check: refusal.check,
            told: refusal.check,
            detail: refusal.detail.into(),
            policies: Vec::new(),
        }
    }
}

fn check(reason: Reason) -> Check {
    match reason {
        Reason::NotShared => Check::Grant,
        Reason::Purpose => Check::Purpose,
        Reason::Fields => Check::Fields,
        Reason::NoContent => Check::Record,
    }
}

/// What was wrong, in a few words. Requester and Primary were looked at before.
fn detail(refusal: &access::Refusal) -> Cow<'static, str> {
    let wrong = match (refusal.reason, refusal.resource) {
        (Reason::Purpose, _) => "no grant for this purpose",
        (Reason::Fields, _) => "units that are not granted or not there",
        (Reason::NoContent, _) => "no content yet",
        (Reason::NotShared, Some(ResourceFault::NotAnAsset)) => "not an asset",
        (Reason::NotShared, Some(ResourceFault::Disputed)) => "claimed by more than one asset",
        (Reason::NotShared, Some(_)) => "no such asset",
        (Reason::NotShared, None) => return shortfalls(&refusal.policies),
    };
    match &refusal.instead {
        // A grant was in force, and another policy is what the peer counted on.
        Some(because) => format!("{wrong}; {}", shortfall(because)).into(),
        None => wrong.into(),
    }
}

/// What the policies lacked, each word once.
fn shortfalls(policies: &[Miss]) -> Cow<'static, str> {
    let mut words: Vec<&str> = policies.iter().map(|m| shortfall(&m.because)).collect();
    words.sort_unstable();
    words.dedup();
    match words.as_slice() {
        [] => "no policy".into(),
        _ => words.join("; ").into(),
    }
}

fn shortfall(because: &Shortfall) -> &'static str {
    match because {
        Shortfall::Malformed => "policy malformed",
        Shortfall::NotYetSupported(_) => "policy not supported yet",
        Shortfall::NotYetValid => "policy not valid yet",
        Shortfall::Expired => "policy expired",
        Shortfall::Mode | Shortfall::Purpose | Shortfall::Fields => "policy for something else",
    }
}

fn named<'p>(policies: impl Iterator<Item = &'p Entry<PolicyEntry>>) -> Vec<Named> {
    let named = |policy: &Entry<PolicyEntry>| {
        let change = policy.payload.change.as_deref();
        Named::new(&policy.name, &policy.uid, policy.generation, change)
    };
    policies.take(MAX_POLICIES).map(named).collect()
}

/// The grants in force: row 10 has passed.
pub(super) struct Granted {
    in_force: InForce,
    restrained: Option<InForce>,
}

/// Row 10: a grant in force, in every configuration that decides.
pub(super) fn granted(asked: &Asked<'_>, resource: &ResourceId) -> Result<Granted, Denied> {
    let snapshot = asked.snapshot;
    let in_force = |facts| {
        grants_in_force(
            facts,
            asked.now,
            asked.organization,
            resource,
            Operation::Fetch,
        )
        .map_err(|refusal| Denied::from_model(&refusal))
    };
    Ok(Granted {
        in_force: in_force(&snapshot.facts)?,
        restrained: snapshot
            .restrained_by
            .as_deref()
            .map(in_force)
            .transpose()?,
    })
}

/// What may be disclosed of a record.
#[derive(Debug)]
pub(super) struct Disclosure {
    pub units: Vec<String>,
    pub terms: message::Terms,
    pub policies: Vec<Named>,
}

impl Granted {
    /// Row 11, as far as it can be said without the record.
    pub fn purpose(&self, purpose: Option<&str>) -> Result<(), Denied> {
        match self.disclose(purpose, Wanted::Everything, None) {
            Err(denied) if denied.check == Check::Purpose => Err(denied),
            // Whatever else there is to say needs the record.
            _ => Ok(()),
        }
    }

    /// Rows 11 and 13: `units` of the current record, or `None` when there is none.
    pub fn disclose(
        &self,
        purpose: Option<&str>,
        wanted: Wanted<'_>,
        units: Option<&[String]>,
    ) -> Result<Disclosure, Denied> {
        let ask = |in_force: &InForce| {
            in_force
                .disclose(purpose, wanted, units)
                .map_err(|refusal| Denied::from_model(&refusal))
        };
        let access = ask(&self.in_force)?;
        let access = match &self.restrained {
            None => access,
            Some(in_force) => both(access, &ask(in_force)?)
                .ok_or_else(|| Denied::plain(Check::Fields.refuse("restrained")))?,
        };
        Disclosure::of(access)
            .ok_or_else(|| Denied::plain(Check::Store.refuse("terms without bounds")))
    }
}

impl Disclosure {
    /// What the model's answer comes to on the wire; `None` when it cannot be said there, and so
    /// must not be given.
    pub fn of(access: Access) -> Option<Self> {
        let policies = named(access.grants.iter().map(|grant| &*grant.policy));
        let grant = grant_digest(&access.grants, &access.units);
        Some(Self {
            terms: terms(&access.terms, grant)?,
            units: access.units,
            policies,
        })
    }
}

/// What two configurations both grant: the units that both open, under the narrower terms.
/// `None` when they have no unit in common.
pub(super) fn both(one: Access, other: &Access) -> Option<Access> {
    let shared: BTreeSet<&String> = other.units.iter().collect();
    let units: Vec<String> = one
        .units
        .into_iter()
        .filter(|unit| shared.contains(unit))
        .collect();
    let mut modes = one.terms.modes;
    modes.retain(|mode| other.terms.modes.contains(mode));
    let purposes = match (one.terms.purposes, &other.terms.purposes) {
        (Some(mut purposes), Some(others)) => {
            purposes.retain(|purpose| others.contains(purpose));
            Some(purposes)
        }
        (one, other) => one.or_else(|| other.clone()),
    };
    let expires = match (one.terms.expires, other.terms.expires) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
    (!units.is_empty()).then_some(Access {
        grants: one.grants,
        units,
        terms: Terms {
            modes,
            purposes,
            expires,
            redistribute: one.terms.redistribute && other.terms.redistribute,
        },
    })
}

/// Names what granted the disclosure, and the disclosed units: the same digest means that a
/// copy of the same record holds the same units under the same policies.
fn grant_digest(grants: &[Grant], units: &[String]) -> Digest {
    let mut hash = Sha256::new();
    hash.update(b"finp2p/grant/1");
    let mut part = |bytes: &[u8]| {
        // Length first: no part can run into the next.
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    for grant in grants {
        part(grant.policy.uid.as_bytes());
        part(&grant.policy.generation.to_be_bytes());
    }
    part(b"units");
    units.iter().for_each(|unit| part(unit.as_bytes()));
    Digest(hash.finalize().into())
}

/// The model's terms on the wire, or `None` when there they would say something else.
fn terms(terms: &Terms, grant: Digest) -> Option<message::Terms> {
    let mode = |mode: &Mode| match mode {
        Mode::Pull => message::Mode::Pull,
        Mode::Push => message::Mode::Push,
    };
    let purposes = match &terms.purposes {
        None => Vec::new(),
        // On the wire an empty list means every purpose: the opposite of what it is here.
        Some(purposes) if purposes.is_empty() => return None,
        Some(purposes) => purposes
            .iter()
            // A union of several policies may be longer than a message holds; fewer is narrower.
            .take(PURPOSES_MAX)
            .map(|purpose| message::Purpose::new(purpose.as_str()).ok())
            .collect::<Option<_>>()?,
    };
    Some(message::Terms {
        modes: List::new(terms.modes.iter().map(mode).collect()).ok()?,
        purposes: List::new(purposes).ok()?,
        exp: terms
            .expires
            .map(|end| u64::try_from(end.as_second()).unwrap_or(0)),
        // Pull only: what was fetched is not kept, and there is no replica to renew.
        retain: None,
        lease: None,
        redistribute: terms.redistribute,
        grant,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn access(units: &[&str], terms: Terms) -> Access {
        Access {
            grants: Vec::new(),
            units: units.iter().map(|unit| (*unit).to_owned()).collect(),
            terms,
        }
    }

    fn free() -> Terms {
        Terms {
            modes: vec![Mode::Pull, Mode::Push],
            purposes: None,
            expires: None,
            redistribute: true,
        }
    }

    fn purposes(names: &[&str]) -> Option<Vec<String>> {
        Some(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn what_two_configurations_grant_is_the_narrower_of_each_term() {
        let (early, late) = (
            Timestamp::from_second(10).ok(),
            Timestamp::from_second(20).ok(),
        );
        let narrow = Terms {
            modes: vec![Mode::Pull],
            purposes: purposes(&["a", "b"]),
            expires: early,
            redistribute: false,
        };
        let merged = |one: &Terms, other: &Terms| {
            let other = access(&["/x"], other.clone());
            both(access(&["/x"], one.clone()), &other).unwrap().terms
        };
        assert_eq!(merged(&free(), &narrow), narrow);
        assert_eq!(merged(&narrow, &free()), narrow);
        assert_eq!(merged(&free(), &free()), free());
        let other = Terms {
            purposes: purposes(&["b", "c"]),
            expires: late,
            ..free()
        };
        let common = Terms {
            purposes: purposes(&["b"]),
            ..narrow.clone()
        };
        assert_eq!(merged(&narrow, &other), common);
        assert_eq!(merged(&other, &narrow), common);
    }

    #[test]
    fn units_that_only_one_configuration_grants_are_not_granted() {
        let other = access(&["/b", "/c"], free());
        let merged = both(access(&["/a", "/b"], free()), &other).unwrap();
        assert_eq!(merged.units, ["/b"]);
        assert_eq!(both(access(&["/a"], free()), &other), None);
    }

    #[test]
    fn terms_that_a_message_cannot_hold_are_not_given() {
        let grant = Digest([0; 32]);
        let with = |purposes| terms(&Terms { purposes, ..free() }, grant);
        // An empty list on the wire would mean every purpose.
        assert_eq!(with(purposes(&[])), None);
        assert_eq!(with(purposes(&[""])), None);
        let no_mode = Terms {
            modes: Vec::new(),
            ..free()
        };
        assert_eq!(terms(&no_mode, grant), None);
        let many: Vec<String> = (0..=PURPOSES_MAX).map(|n| format!("p{n:03}")).collect();
        assert_eq!(with(Some(many)).unwrap().purposes.len(), PURPOSES_MAX);
        assert!(with(None).unwrap().purposes.is_empty());
    }

    #[test]
    fn an_entry_names_a_bounded_number_of_policies_each_with_the_change_behind_it() {
        let policy = |number: i64| -> Entry<PolicyEntry> {
            let spec = json!({"assets": {"all": true}, "peers": {"all": true}, "mode": "Pull", "allFields": true});
            Entry {
                uid: format!("uid-{number}"),
                generation: number,
                name: number.to_string(),
                payload: PolicyEntry {
                    spec: serde_json::from_value(spec).unwrap(),
                    change: (number == 7).then(|| "CHG-7".to_owned()),
                },
            }
        };
        let many: Vec<_> = (0..100).map(policy).collect();
        let named = named(many.iter());
        assert_eq!(named.len(), MAX_POLICIES);
        assert_eq!(named[7], Named::new("7", "uid-7", 7, Some("CHG-7")));
        assert_eq!(named[8], Named::new("8", "uid-8", 8, None));
    }
}
