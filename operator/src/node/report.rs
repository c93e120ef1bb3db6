//! Report: statuses and Events.
//!
//! A status is written when it says something new, once: a change that the node is about to apply
//! is told when it did, or after a second if it takes longer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use finp2p_crds::CHANGE_ANNOTATION;
use finp2p_crds::condition::{Condition, Truth, reasons, types};
use finp2p_crds::peer_organization::PeerOrganizationStatus;
use finp2p_crds::shared_asset::SharedAssetStatus;
use finp2p_crds::sharing_policy::SharingPolicyStatus;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::apply::{FIELD_MANAGER, WRITES_AT_ONCE};
use super::observe::cache::{Cache, Unreadable};
use super::observe::{Kind, Watched};
use super::plan::{ObjectStatus, Plan};
use crate::cluster_error::{self, Cure};

/// A change that only waits for the node is told after this long: nodes apply in a fraction of it.
const HOLD: Duration = Duration::from_secs(1);
/// Events of one plan; a broken selector on ten thousand assets is told by their statuses.
const EVENTS_MAX: usize = 20;
/// Longest note that the API server takes.
pub const NOTE_MAX_CHARS: usize = 1000;

/// A status that every kind of ours has.
pub trait Reported: Clone + PartialEq + Serialize + Send + Sync {
    /// What is true of the object.
    fn conditions(&self) -> &[Condition];
}

macro_rules! reported {
    ($($status:ty),*) => {$(
        impl Reported for $status {
            fn conditions(&self) -> &[Condition] {
                &self.conditions
            }
        }
    )*};
}
reported!(
    PeerOrganizationStatus,
    SharedAssetStatus,
    SharingPolicyStatus
);

/// An object with its status.
pub trait HasReport {
    /// The kind's status.
    type Status: Reported;
    /// The status that the object has.
    fn report(&self) -> Option<&Self::Status>;
}

macro_rules! has_report {
    ($($kind:ty => $status:ty),*) => {$(
        impl HasReport for $kind {
            type Status = $status;
            fn report(&self) -> Option<&$status> {
                self.status.as_ref()
            }
        }
    )*};
}
has_report!(
    finp2p_crds::PeerOrganization => PeerOrganizationStatus,
    finp2p_crds::SharedAsset => SharedAssetStatus,
    finp2p_crds::SharingPolicy => SharingPolicyStatus
);

/// What became of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Statuses that were written.
    pub written: usize,
    /// Statuses that wait for the node a moment longer.
    pub held: usize,
    /// Statuses that could not be written.
    pub failed: usize,
}

/// Tells users of one namespace how their objects fare.
pub struct Speaker {
    client: Client,
    namespace: String,
    reporter: Reporter,
    recorder: Recorder,
    /// The last Event: whom it is about, and what it says.
    last: Option<(ObjectReference, String, Option<String>)>,
    /// Since when a status waits for the node, by kind and name.
    held: BTreeMap<(&'static str, String), Instant>,
    /// Objects that were refused, until it was told that they work again, by kind and name.
    refused: BTreeSet<(&'static str, String)>,
    /// Generation of unreadable objects that was told, by kind and name.
    unreadable: BTreeMap<(String, String), i64>,
    events_left: usize,
}

impl Speaker {
    /// Tells the users of a namespace; `instance` is who tells.
    pub fn new(client: Client, namespace: &str, instance: &str) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: Some(instance.to_owned()),
        };
        Self {
            recorder: Recorder::new(client.clone(), reporter.clone()),
            reporter,
            last: None,
            client,
            namespace: namespace.to_owned(),
            held: BTreeMap::new(),
            refused: BTreeSet::new(),
            unreadable: BTreeMap::new(),
            events_left: 0,
        }
    }

    /// Writes what is new.
    pub async fn report(&mut self, plan: &Plan, watched: &Watched) -> Told {
        self.events_left = EVENTS_MAX;
        let mut told = Told::default();
        self.kind(
            "PeerOrganization",
            &plan.organizations,
            &watched.organizations,
            &mut told,
        )
        .await;
        self.kind("SharedAsset", &plan.assets, &watched.assets, &mut told)
            .await;
        self.kind(
            "SharingPolicy",
            &plan.policies,
            &watched.policies,
            &mut told,
        )
        .await;
        told
    }

    /// Writes the status of one PeerOrganization, if it is new.
    pub async fn organization(
        &mut self,
        status: ObjectStatus<PeerOrganizationStatus>,
        watched: &Watched,
    ) -> Told {
        self.events_left = EVENTS_MAX;
        let mut told = Told::default();
        let (statuses, cache) = ([status], &watched.organizations);
        self.kind("PeerOrganization", &statuses, cache, &mut told)
            .await;
        told
    }

    async fn kind<K>(
        &mut self,
        kind: &'static str,
        statuses: &[ObjectStatus<K::Status>],
        cache: &Cache<K>,
        told: &mut Told,
    ) where
        K: HasReport + Kind,
    {
        let now = Instant::now();
        let mut due = Vec::new();
        for status in statuses {
            let key = (kind, status.name.clone());
            if !status.changed {
                self.held.remove(&key);
                continue;
            }
            let is_new = cache
                .get(&status.name)
                .is_none_or(|o| is_untold(o.report()));
            if waits(&status.status, is_new) {
                let since = *self.held.entry(key).or_insert(now);
                if now.duration_since(since) < HOLD {
                    told.held += 1;
                    continue;
                }
            } else {
                self.held.remove(&key);
            }
            due.push(status);
        }
        self.refused
            .retain(|(k, name)| *k != kind || cache.get(name).is_some());
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let mut writes = Vec::new();
        for status in due {
            let key = (kind, status.name.clone());
            let before = cache.get(&status.name);
            if is_refused(before.as_ref().and_then(|o| o.report())) {
                self.refused.insert(key.clone());
            }
            let was_refused = self.refused.contains(&key);
            if ready(&status.status).is_some_and(|c| c.status == Truth::True) {
                self.refused.remove(&key);
            }
            writes.push(write(&api, cache, status, was_refused));
        }
        let results: Vec<_> = stream::iter(writes)
            .buffer_unordered(WRITES_AT_ONCE)
            .collect()
            .await;
        let mut all = Vec::new();
        for result in results {
            match result {
                Ok(found) => {
                    told.written += 1;
                    all.extend(found);
                }
                Err(error) if cluster_error::cure(&error) == Cure::Gone => {}
                Err(error) => {
                    told.failed += 1;
                    let (namespace, why) = (&self.namespace, cluster_error::clause(&error));
                    let text = format!("the status of a {kind} could not be written: {why}");
                    match cluster_error::cure(&error) {
                        // The object is another than it was: it is looked at again.
                        Cure::Conflict => tracing::info!(namespace, "{text}; writing it anew"),
                        _ => tracing::warn!(namespace, "{text}"),
                    }
                }
            }
        }
        for (reference, event) in all {
            self.publish(&reference, &event).await;
        }
    }

    /// Tells about an object by an Event; what is lost is also in its status.
    pub async fn publish(&mut self, reference: &ObjectReference, event: &Event) {
        let Some(left) = self.events_left.checked_sub(1) else {
            return;
        };
        self.events_left = left;
        // A recorder counts Events of one reason about one object as one, with the words of the
        // first: what says something else is another Event.
        let this = (reference.clone(), event.reason.clone(), event.note.clone());
        if self.last.as_ref() != Some(&this) {
            self.recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            self.last = Some(this);
        }
        if let Err(error) = self.recorder.publish(event, reference).await {
            tracing::debug!(
                namespace = self.namespace,
                "an Event could not be written: {}",
                cluster_error::clause(&error)
            );
        }
    }

    /// Tells about objects that this version cannot read: they count for nothing until a newer
    /// operator runs.
    pub async fn unreadable<K>(&mut self, found: &[Unreadable], now: jiff::Timestamp)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        let api: Api<kube::core::PartialObjectMeta<K>> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let kind = K::kind(&()).into_owned();
        self.unreadable
            .retain(|(k, name), _| *k != kind || found.iter().any(|o| o.name == *name));
        for object in found {
            let key = (kind.clone(), object.name.clone());
            if self.unreadable.get(&key) == Some(&object.generation) {
                continue;
            }
            let condition = |type_: &str, status: &str| {
                json!({
                    "type": type_, "status": status, "observedGeneration": object.generation,
                    "lastTransitionTime": now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                    "reason": reasons::UNSUPPORTED,
                    "message": format!("this operator cannot read it and grants nothing by it, bring operator and CRDs to the same version: {}", object.error),
                })
            };
            let body = json!({
                "apiVersion": K::api_version(&()), "kind": K::kind(&()),
                "metadata": {"name": object.name},
                "status": {"observedGeneration": object.generation, "conditions": [
                    condition(types::READY, "False"),
                    condition(types::ACCEPTED, "False"),
                    condition(types::STALLED, "True"),
                ]},
            });
            let params = PatchParams::apply(FIELD_MANAGER).force();
            let patch = Patch::Apply(&body);
            match api.patch_status(&object.name, &params, &patch).await {
                Ok(_) => {
                    self.unreadable.insert(key, object.generation);
                }
                Err(error) => tracing::warn!(
                    namespace = self.namespace,
                    "{kind} {} cannot be read, and its status could not be written: {}",
                    object.name,
                    cluster_error::clause(&error)
                ),
            }
        }
    }
}

/// Whether a moment may bring better news: the node has not caught up, or the object was just
/// applied and what it names comes with the same `kubectl apply`.
fn waits<S: Reported>(status: &S, is_new: bool) -> bool {
    let ready = ready(status);
    ready.is_some_and(|c| c.reason == reasons::NODE_BEHIND || (is_new && c.status != Truth::True))
}

/// Whether the object has only the status that it was born with.
fn is_untold<S: Reported>(status: Option<&S>) -> bool {
    status
        .and_then(ready)
        .is_none_or(|c| c.reason == reasons::PENDING)
}

/// Whether the object was told that it does not work, and why. Between that and the news that it
/// works again it may be told that the node has not caught up.
fn is_refused<S: Reported>(status: Option<&S>) -> bool {
    status
        .and_then(ready)
        .is_some_and(|c| c.status == Truth::False && c.reason != reasons::NODE_BEHIND)
}

fn ready<S: Reported>(status: &S) -> Option<&Condition> {
    status.conditions().iter().find(|c| c.type_ == types::READY)
}

/// Writes a status; returns what is worth an Event.
async fn write<K>(
    api: &Api<K>,
    cache: &Cache<K>,
    status: &ObjectStatus<K::Status>,
    was_refused: bool,
) -> Result<Vec<(ObjectReference, Event)>, kube::Error>
where
    K: HasReport + Kind,
{
    let existing = cache.get(&status.name);
    let mut metadata = json!({"name": status.name});
    if let (Some(uid), Some(fields)) = (
        existing.as_ref().and_then(|e| e.uid()),
        metadata.as_object_mut(),
    ) {
        // One that was deleted and made again is another object.
        fields.insert("uid".to_owned(), json!(uid));
    }
    let body = json!({
        "apiVersion": K::api_version(&()), "kind": K::kind(&()),
        "metadata": metadata, "status": status.status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = api
        .patch_status(&status.name, &params, &Patch::Apply(&body))
        .await?;
    let told = existing.map(|existing: Arc<K>| {
        let before = existing.report();
        let events = news(before, &status.status, existing.annotations(), was_refused);
        let events = events.into_iter();
        events
            .map(|event| (existing.object_ref(&()), event))
            .collect()
    });
    cache.wrote(written);
    Ok(told.unwrap_or_default())
}

/// What an object's owner should hear of.
fn news<S: Reported>(
    before: Option<&S>,
    after: &S,
    annotations: &BTreeMap<String, String>,
    was_refused: bool,
) -> Vec<Event> {
    let events = [
        readiness(before, after, was_refused),
        suspension(before, after),
    ];
    let events = events.into_iter().flatten();
    let with_change = |event: Event| {
        let mut note = event.note.unwrap_or_default();
        if let Some(change) = annotations.get(CHANGE_ANNOTATION) {
            note = format!("{note} (change {change})");
        }
        Event {
            note: Some(note.chars().take(NOTE_MAX_CHARS).collect()),
            ..event
        }
    };
    events.map(with_change).collect()
}

/// That an object stopped working, why, and that it works again.
fn readiness<S: Reported>(before: Option<&S>, after: &S, was_refused: bool) -> Option<Event> {
    let after = ready(after)?;
    let before = before.and_then(ready);
    let said = |c: &Condition| (c.status, c.reason.clone());
    if before.map(said) == Some(said(after)) {
        return None;
    }
    let (type_, action) = match after.status {
        Truth::True if was_refused => (EventType::Normal, "Accept"),
        Truth::False if after.reason != reasons::NODE_BEHIND => (EventType::Warning, "Refuse"),
        _ => return None,
    };
    Some(Event {
        type_,
        reason: after.reason.clone(),
        note: Some(after.message.clone()),
        action: action.to_owned(),
        secondary: None,
    })
}

/// That a peer is suspended: it stays Ready, because the object is in force. That it is not any more
/// widens access, which is told as such.
fn suspension<S: Reported>(before: Option<&S>, after: &S) -> Option<Event> {
    let is_suspended = |status: &S| {
        let mut conditions = status.conditions().iter();
        conditions.any(|c| c.type_ == types::REACHABLE && c.reason == reasons::SUSPENDED)
    };
    let is_new = is_suspended(after) && !before.is_some_and(is_suspended);
    is_new.then(|| Event {
        type_: EventType::Normal,
        reason: reasons::SUSPENDED.to_owned(),
        note: Some(
            "nothing is exchanged with it any more, whatever policies say; remove suspended to resume"
                .to_owned(),
        ),
        action: "Suspend".to_owned(),
        secondary: None,
    })
}

#[cfg(test)]
mod tests;
