//! Small worlds, built by hand.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::super::{Access, Facts, Operation, Question, Refusal, Wanted};
use crate::entry::{AssetEntry, Entry, PeerEntry, PolicyEntry};
use crate::label::{LabelSelector, Labels};
use crate::peer_organization::RootKey;
use crate::sharing_policy::{
    Consent, CredentialRequirement, Mode, Selection, SharingPolicySpec, UserSelection,
};

/// The function under test, or a broken variant of it.
pub type Decide<'a> = &'a dyn Fn(&Facts, &Question<'_>) -> Answer;

/// What it says.
pub type Answer = Result<Access, Refusal>;

/// What is declared, before it is indexed.
#[derive(Clone, Debug)]
pub struct Declared {
    pub peers: Vec<Entry<PeerEntry>>,
    pub policies: Vec<Entry<PolicyEntry>>,
    pub assets: Vec<Entry<AssetEntry>>,
}

/// A question with owned parts.
#[derive(Clone, Debug)]
pub struct Ask {
    pub now: Timestamp,
    pub requester: String,
    pub resource: String,
    pub operation: Operation,
    pub purpose: Option<String>,
    pub wanted: Option<Vec<String>>,
    pub units: Option<Vec<String>>,
}

/// A random world.
#[derive(Clone, Debug)]
pub struct World {
    pub declared: Declared,
    pub ask: Ask,
}

impl Declared {
    pub fn facts(&self) -> Facts {
        let Self {
            peers,
            policies,
            assets,
        } = self.clone();
        Facts::new("us".to_owned(), peers, policies, assets)
    }

    pub fn of(facts: &Facts) -> Self {
        Self {
            peers: facts.peers().to_vec(),
            policies: facts.policies().iter().map(|p| (**p).clone()).collect(),
            assets: facts.assets().to_vec(),
        }
    }

    /// With every policy changed.
    pub fn with_policies(&self, mut change: impl FnMut(&mut SharingPolicySpec)) -> Self {
        let mut changed = self.clone();
        for policy in &mut changed.policies {
            change(&mut policy.payload.spec);
        }
        changed
    }

    /// With those policies only that are kept.
    pub fn only(&self, keep: impl Fn(&SharingPolicySpec) -> bool) -> Self {
        let mut changed = self.clone();
        changed.policies.retain(|policy| keep(&policy.payload.spec));
        changed
    }

    pub fn plus(&self, spec: SharingPolicySpec) -> Self {
        let mut changed = self.clone();
        changed.policies.push(policy("added", spec));
        changed
    }
}

impl Ask {
    pub fn of(&self, decide: Decide<'_>, declared: &Declared) -> Answer {
        let question = Question {
            now: self.now,
            requester: &self.requester,
            resource: &self.resource.parse().unwrap(),
            operation: self.operation,
            purpose: self.purpose.as_deref(),
            wanted: self
                .wanted
                .as_deref()
                .map_or(Wanted::Everything, Wanted::Units),
            units: self.units.as_deref(),
        };
        decide(&declared.facts(), &question)
    }

    pub fn everything(&self) -> Self {
        Self {
            wanted: None,
            ..self.clone()
        }
    }
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn entry<T>(name: &str, payload: T) -> Entry<T> {
    Entry {
        uid: format!("uid-of-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload,
    }
}

pub fn key() -> RootKey {
    RootKey {
        id: "2026-a".to_owned(),
        public_key: "a key".to_owned(),
        not_before: Time(at(0)),
        not_after: Time(at(1)),
        verify_only: None,
        revoked_at: None,
    }
}

pub fn peer(name: &str, organization: &str) -> Entry<PeerEntry> {
    let payload = PeerEntry {
        organization_id: organization.to_owned(),
        keys: vec![key()],
        ..PeerEntry::default()
    };
    entry(name, payload)
}

pub fn asset(name: &str, resource: &str) -> Entry<AssetEntry> {
    let payload = AssetEntry {
        resource_id: resource.to_owned(),
        ..AssetEntry::default()
    };
    entry(name, payload)
}

pub fn policy(name: &str, spec: SharingPolicySpec) -> Entry<PolicyEntry> {
    entry(name, PolicyEntry { spec, change: None })
}

/// A policy that gives every peer every field of every asset.
pub fn open() -> SharingPolicySpec {
    SharingPolicySpec {
        assets: Some(everyone()),
        users: None,
        peers: everyone(),
        mode: Mode::Pull,
        fields: None,
        all_fields: Some(true),
        purposes: None,
        credentials: None,
        consent: None,
        not_before: None,
        not_after: None,
        retention_days: None,
        minimum_recipients: None,
        advertise: None,
        redistribute: None,
        lease_hours: None,
    }
}

pub fn everyone() -> Selection {
    Selection {
        all: Some(true),
        ..Selection::default()
    }
}

pub fn named(names: &[&str]) -> Selection {
    Selection {
        names: Some(strings(names)),
        ..Selection::default()
    }
}

pub fn labelled(pairs: &[(&str, &str)]) -> Selection {
    let selector = LabelSelector {
        match_labels: labels(pairs),
        ..LabelSelector::default()
    };
    Selection {
        selector: Some(selector),
        ..Selection::default()
    }
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

/// Sets the n-th field that is not enforced yet (the order of the constant).
pub fn set_not_yet(spec: &mut SharingPolicySpec, n: usize) {
    match n {
        0 => {
            spec.assets = None;
            spec.users = Some(UserSelection {
                all: Some(true),
                ..UserSelection::default()
            });
        }
        1 => spec.credentials = Some(Vec::<CredentialRequirement>::new()),
        2 => spec.consent = Some(Consent::Required),
        3 => spec.retention_days = Some(90),
        4 => spec.lease_hours = Some(24),
        _ => spec.minimum_recipients = Some(1),
    }
}

/// Deletes every field that is not enforced yet; users become assets.
pub fn delete_not_yet(spec: &mut SharingPolicySpec) {
    if spec.users.take().is_some() {
        spec.assets = Some(everyone());
    }
    spec.credentials = None;
    spec.consent = None;
    spec.retention_days = None;
    spec.lease_hours = None;
    spec.minimum_recipients = None;
}
