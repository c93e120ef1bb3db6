//! One object that goes with the local organization: written when it is not there as planned, and
//! cleaned of what others wrote into it.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::core::{ApiResource, DynamicObject};
use kube::{Api, ResourceExt as _};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::foreign::{self, Addition};
use super::{APPLIED_ANNOTATION, Applier, FIELD_MANAGER, News, Problem};
use crate::node::observe::Kind;
use crate::node::observe::cache::Cache;

/// What others write into one object is undone at once so often: a person tries some things.
const UNDO_AT_ONCE: u32 = 5;
/// After that it is undone at most this often, until it stayed away for as long: against a
/// controller that writes it again and again nobody wins, and somebody must be told.
const UNDO_PAUSE: Duration = Duration::from_secs(30);
/// Where what is wanted can be said.
const CURE: &str = "what the node needs is said under node of the PeerOrganization (podTemplate, service, networkPolicy); for anything else make objects of your own";

/// What others wrote into an object, the last time that it was undone.
#[derive(Debug)]
pub(super) struct Undone {
    at: Instant,
    /// How often, each soon after the one before.
    times: u32,
    /// It came back: a sentence that stands until it stays away.
    again: Option<String>,
}

impl Applier {
    /// Writes one object, if it is not there as planned, and undoes what others wrote into it.
    pub(super) async fn owned<K>(&mut self, cache: &Cache<K>, planned: &K) -> Result<(), Problem>
    where
        K: Kind + Serialize,
    {
        let (kind, name) = (K::kind(&()).into_owned(), planned.name_any());
        let what = || format!("{kind} {name}");
        let api: Api<K> = Api::namespaced(self.client.clone(), &self.namespace);
        let hash = hash(&json!(planned));
        let mut body = planned.clone();
        body.annotations_mut()
            .insert(APPLIED_ANNOTATION.to_owned(), format!("{hash:016x}"));
        let existing = match cache.get(&name) {
            Some(existing) => Some(existing.as_ref().clone()),
            // One that does not carry our label is not in the cache.
            None => api
                .get_opt(&name)
                .await
                .map_err(|error| Problem::of(what(), error))?,
        };
        let key = (kind.clone(), name.clone());
        // What was written before and is another now, somebody else changed.
        let written_before = self
            .settled
            .get(&key)
            .is_some_and(|(planned, _)| *planned == hash);
        let mut as_planned = None;
        let mut found = Vec::new();
        if let Some(existing) = &existing {
            refuse_foreign(&kind, existing.meta(), planned.meta())?;
            found = foreign::additions(&kind, existing.managed_fields());
            let live = content(&json!(existing));
            let settled = self.settled.get(&key) == Some(&(hash, self::hash(&live)));
            if (settled || contains(&live, &json!(body))) && is_applied(existing.meta()) {
                as_planned = Some(existing.clone());
            }
        }
        let put_back = written_before && existing.is_some() && as_planned.is_none();
        let live = match as_planned {
            Some(live) => live,
            None => {
                if put_back {
                    self.may_undo(&key, &found)?;
                }
                let mut params = PatchParams::apply(FIELD_MANAGER);
                // What is ours is put back as planned, whoever changed it.
                params.force = existing.is_some();
                let written = api.patch(&name, &params, &Patch::Apply(&body)).await;
                let written = written
                    .map_err(|error| Problem::of_owned(&kind, &name, &json!(body), error))?;
                self.settle(key.clone(), hash, &written);
                cache.wrote(written.clone());
                written
            }
        };
        let left = foreign::additions(&kind, live.managed_fields());
        if found.is_empty() {
            // Whose fields they are may only be known after we wrote ours.
            found.clone_from(&left);
        }
        if put_back && left.is_empty() {
            return self.tell_undone(key, planned.object_ref(&()), &found);
        }
        if found.is_empty() {
            return self.rest(&key);
        }
        self.may_undo(&key, &found)?;
        if !left.is_empty() {
            let cleaned = self.undo(&body).await?;
            self.settle(key.clone(), hash, &cleaned);
            cache.wrote(cleaned);
        }
        self.tell_undone(key, planned.object_ref(&()), &found)
    }

    /// Remembers the content of an object after it was written.
    fn settle<K: Serialize>(&mut self, key: (String, String), hash: u64, written: &K) {
        let live = self::hash(&content(&json!(written)));
        self.settled.insert(key, (hash, live));
    }

    /// Nothing is to be undone. What was told of it stands until it stayed away for long enough.
    fn rest(&mut self, key: &(String, String)) -> Result<(), Problem> {
        let Some(undone) = self.undone.get(key) else {
            return Ok(());
        };
        if undone.at.elapsed() >= UNDO_PAUSE {
            self.undone.remove(key);
            return Ok(());
        }
        let again = undone.again.clone();
        again.map_or(Ok(()), |text| Err(Problem::Obstacle(text)))
    }

    /// Whether the last time is long enough ago; if not, that is told.
    fn may_undo(&mut self, key: &(String, String), found: &[Addition]) -> Result<(), Problem> {
        let recent = self.undone.get_mut(key);
        let too_often =
            |undone: &&mut Undone| undone.at.elapsed() < UNDO_PAUSE && undone.times >= UNDO_AT_ONCE;
        let Some(undone) = recent.filter(too_often) else {
            return Ok(());
        };
        let (kind, name) = key;
        let text = undone.again.get_or_insert_with(|| {
            format!(
                "{kind} {name} is changed again and again, and that is undone: {}. Stop who does it; {CURE}",
                foreign::clause(found)
            )
        });
        Err(Problem::Obstacle(text.clone()))
    }

    /// Takes everything back that is ours, then takes away what others alone own.
    ///
    /// Read as JSON: fields that this version does not know are taken away too, and those that
    /// the API server has there stay.
    async fn undo<K>(&self, body: &K) -> Result<K, Problem>
    where
        K: Kind + Serialize,
    {
        let (kind, name) = (K::kind(&()), body.name_any());
        let failed = |error| Problem::of_owned(&kind, &name, &json!(body), error);
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &resource);
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let mut live = api
            .patch(&name, &params, &Patch::Apply(body))
            .await
            .map_err(failed)?;
        if let Some(patch) = foreign::cleaning(&kind, &live) {
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            live = api
                .patch(&name, &params, &Patch::Merge(&patch))
                .await
                .map_err(failed)?;
        }
        let live = serde_json::from_value(json!(live));
        live.map_err(|error| failed(kube::Error::SerdeError(error)))
    }

    fn tell_undone(
        &mut self,
        key: (String, String),
        object: ObjectReference,
        found: &[Addition],
    ) -> Result<(), Problem> {
        let last = self.undone.get(&key);
        let before = last.and_then(|undone| undone.again.clone());
        let recent = last.filter(|undone| undone.at.elapsed() < UNDO_PAUSE);
        let times = match &before {
            // It has come back before: from here on each time waits.
            Some(_) => UNDO_AT_ONCE,
            None => recent.map_or(1, |undone| undone.times.saturating_add(1)),
        };
        let (kind, name) = &key;
        let text = format!(
            "{kind} {name} was changed, and that is undone: {}; {CURE}",
            foreign::clause(found)
        );
        tracing::warn!(namespace = self.namespace, "{text}");
        self.news.push(News { object, note: text });
        let undone = Undone {
            at: Instant::now(),
            times,
            again: before.clone(),
        };
        self.undone.insert(key, undone);
        before.map_or(Ok(()), |text| Err(Problem::Obstacle(text)))
    }
}

/// Whether we applied the object, and the API server remembers what of it is ours.
fn is_applied(metadata: &ObjectMeta) -> bool {
    foreign::is_applied(metadata.managed_fields.as_deref().unwrap_or_default())
}

fn refuse_foreign(kind: &str, existing: &ObjectMeta, planned: &ObjectMeta) -> Result<(), Problem> {
    let name = planned.name.as_deref().unwrap_or_default();
    let controller = |metadata: &ObjectMeta| {
        let mut owners = metadata.owner_references.iter().flatten();
        owners.find(|owner| owner.controller == Some(true)).cloned()
    };
    let (Some(own), theirs) = (controller(planned), controller(existing)) else {
        return Ok(());
    };
    match theirs {
        Some(theirs) if theirs.uid == own.uid => Ok(()),
        Some(theirs) if theirs.kind == own.kind && theirs.api_version == own.api_version => {
            Err(Problem::Obstacle(format!(
                "{kind} {name} still belongs to a former PeerOrganization {}: Kubernetes' garbage collector removes it",
                theirs.name
            )))
        }
        Some(theirs) => Err(Problem::Foreign(format!(
            "{kind} {name} belongs to {} {} and is left alone: rename or delete it",
            theirs.kind, theirs.name
        ))),
        // Somebody took the owner reference away from what we made: it is put back.
        None if is_applied(existing) => Ok(()),
        None => Err(Problem::Foreign(format!(
            "{kind} {name} was not made by this operator and is left alone: rename or delete it, or run this organization in another namespace"
        ))),
    }
}

/// Whether the live object says everything that the planned one says. Lists have to be as long;
/// more fields do not count: the API server's stay, and those of others are [`foreign`].
pub fn contains(live: &Value, planned: &Value) -> bool {
    match (live, planned) {
        (Value::Object(live), Value::Object(planned)) => planned.iter().all(|(key, planned)| {
            match live.get(key) {
                Some(live) => contains(live, planned),
                // An empty object or list that was planned is often left out by the server.
                None => match planned {
                    Value::Object(empty) => empty.is_empty(),
                    Value::Array(empty) => empty.is_empty(),
                    Value::Null => true,
                    _ => false,
                },
            }
        }),
        (Value::Array(live), Value::Array(planned)) => {
            live.len() == planned.len() && live.iter().zip(planned).all(|(l, p)| contains(l, p))
        }
        (live, planned) => live == planned,
    }
}

/// An object without what changes by itself.
fn content(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.remove("status");
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            for field in ["resourceVersion", "generation", "managedFields"] {
                metadata.remove(field);
            }
        }
    }
    object
}

/// A hash that tells two contents apart; serde_json keeps maps sorted.
fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
