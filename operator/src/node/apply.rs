//! Apply: the plan, written to the API server by server-side apply.
//!
//! The order keeps every moment in between right: the node's rights before the configuration that
//! needs them, new slices before the root that names them, the root before the slices that were
//! edited, and only then what no set needs any more. An operator that is killed in between finds
//! the same plan again and goes on.
//!
//! Nothing is written that is there already, and nothing is taken over that is not ours: an object
//! that another made stands in the way ([`Problem::Foreign`]) until a person decides. What others
//! write into an object that is ours is undone.
//!
//! - [`owned`]: one object beside the configuration.
//! - [`foreign`]: what others wrote into it.
//! - [`refused`]: where what the API server refuses of it is written in the manifest.

pub mod foreign;
pub mod owned;
mod refused;

use std::collections::BTreeMap;

use finp2p_crds::SidecarConfig;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ObjectReference, PersistentVolumeClaim, Secret};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::core::Status;
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use self::owned::Undone;
use super::observe::Watched;
use super::observe::cache::Cache;
use super::plan::names::{MANAGED_BY, STORE_KEY};
use super::plan::owned::{Obstacle, Owned};
use super::plan::{Plan, quantity};
use crate::cluster_error::{self, Cure};

/// Field manager of everything that the operator writes.
pub const FIELD_MANAGER: &str = "finp2p-operator";
/// Annotation with a hash of what was applied: tells a field that was taken away from one that
/// somebody else added.
pub const APPLIED_ANNOTATION: &str = "sharing.finp2p.io/applied";
/// Writes of one plan at once: enough to hide the way to the API server, few beside its limit of
/// requests in flight.
pub const WRITES_AT_ONCE: usize = 16;
/// Most of a refusal that a status repeats: the API server quotes what is wrong, item by item, and
/// the first items are enough to begin with.
const REFUSAL_MAX_CHARS: usize = 1024;

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A person must decide; the rest of the plan is written. A sentence for the status.
    #[error("{0}")]
    Obstacle(String),
    /// What the user wrote is refused, and only an edit of it mends that; the rest of the plan is
    /// written. A sentence for the status.
    #[error("{0}")]
    Mistake(String),
    /// The watch has not told yet what the API server holds; the plan is made again.
    #[error("SidecarConfig {0} is another than the watch has told so far")]
    Behind(String),
    /// An object that is not ours bears the name, and is left alone. A sentence for the status.
    #[error("{0}")]
    Foreign(String),
    /// A write failed; the plan is made and applied again.
    #[error("{what} could not be written")]
    Write {
        /// Kind and name.
        what: String,
        /// Why.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Problem {
    fn of(what: String, error: kube::Error) -> Self {
        match cluster_error::cure(&error) {
            Cure::Person => Self::Obstacle(format!(
                "the API server refuses {what}: {}",
                cluster_error::clause(&error)
            )),
            Cure::Gone | Cure::Conflict | Cure::Retry => Self::Write {
                what,
                source: Box::new(error),
            },
        }
    }

    /// The same for an object beside the configuration, as it was sent. What its schema does not
    /// show the API server may answer with 500: it is told, and holds up nothing.
    fn of_owned(kind: &str, name: &str, sent: &Value, error: kube::Error) -> Self {
        let what = format!("{kind} {name}");
        let error = with_message(error, refused::in_order);
        let kube::Error::Api(status) = &error else {
            return Self::of(what, error);
        };
        let clause = cluster_error::clause(&error);
        if let Some(places) = refused::places(kind, sent, status) {
            let clause: String = clause.chars().take(REFUSAL_MAX_CHARS).collect();
            return Self::Mistake(format!(
                "the API server refuses {what}: {clause}. Mend it in {} of this PeerOrganization; until then what runs goes on as it is",
                places.join(" and ")
            ));
        }
        let problem = match status.code {
            500 => Self::Obstacle(format!("the API server does not take {what}: {clause}")),
            _ => Self::of(what, error),
        };
        match problem {
            Self::Obstacle(text) if kind == "StatefulSet" => Self::Obstacle(format!(
                "{text}. What is wrong in the pod is written in node.podTemplate, node.resources or node.image: mend it there"
            )),
            problem => problem,
        }
    }

    /// Whether the namespace or the object is going away, so that nothing is wrong.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Write { source, .. } => cluster_error::cure(source) == Cure::Gone,
            Self::Obstacle(_) | Self::Mistake(_) | Self::Foreign(_) | Self::Behind(_) => false,
        }
    }
}

/// An answer of the API server with another message.
fn with_message(mut error: kube::Error, edit: impl Fn(&Status) -> String) -> kube::Error {
    if let kube::Error::Api(status) = &mut error {
        status.message = edit(status);
    }
    error
}

/// What an answer says before it shows how two Go structs differ.
fn first_sentence(status: &Status) -> String {
    let line = status.message.lines().next().unwrap_or_default();
    line.trim_end().to_owned()
}

/// That something was undone.
#[derive(Clone, Debug)]
pub struct News {
    /// In which object.
    pub object: ObjectReference,
    /// What, and who had written it: a sentence.
    pub note: String,
}

/// Writes one namespace's plans.
pub struct Applier {
    client: Client,
    namespace: String,
    /// Content of each owned object as it was after we wrote it, by kind and name: what the API
    /// server made of a field (a quantity in its canonical form) is no reason to write again.
    settled: BTreeMap<(String, String), (u64, u64)>,
    /// What others wrote and was undone lately, by kind and name.
    undone: BTreeMap<(String, String), Undone>,
    /// What was undone since it was last asked for.
    news: Vec<News>,
    /// Size that the volume's claim is known to have.
    grown: Option<String>,
}

impl Applier {
    /// Writes to a namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self {
            client,
            namespace: namespace.to_owned(),
            settled: BTreeMap::new(),
            undone: BTreeMap::new(),
            news: Vec::new(),
            grown: None,
        }
    }

    /// What others had written into our objects and was undone since the last call.
    pub fn take_undone(&mut self) -> Vec<News> {
        std::mem::take(&mut self.news)
    }

    /// Writes what differs. Returns what stood in the way.
    ///
    /// # Errors
    /// [`Problem::Write`] at the first write of the configuration that failed.
    pub async fn apply(
        &mut self,
        plan: &Plan,
        watched: &Watched,
        store_key: impl FnOnce() -> Zeroizing<[u8; 32]>,
    ) -> Result<Vec<Obstacle>, Problem> {
        let mut obstacles = Vec::new();
        let mut failed = None;
        let mut keep = |result: Result<(), Problem>, holds_up_configuration| match result {
            Ok(()) => {}
            Err(Problem::Obstacle(text) | Problem::Foreign(text)) => obstacles.push(Obstacle {
                text,
                is_mistake: false,
                holds_up_configuration,
            }),
            Err(Problem::Mistake(text)) => obstacles.push(Obstacle {
                text,
                is_mistake: true,
                holds_up_configuration,
            }),
            Err(problem) => failed = Some(problem),
        };
        if let Some(owned) = &plan.owned {
            let role = self.owned(&watched.roles, &owned.role).await;
            let is_foreign = matches!(role, Err(Problem::Foreign(_)));
            keep(role, false);
            let binding = if is_foreign {
                self.unbind(watched, &owned.binding).await
            } else {
                self.owned(&watched.bindings, &owned.binding).await
            };
            keep(binding, false);
        }
        keep(self.configure(plan, &watched.configs).await, true);
        if let Some(owned) = &plan.owned {
            for service in &owned.services {
                keep(self.owned(&watched.services, service).await, false);
            }
            if let Some(policy) = &owned.network_policy {
                keep(self.owned(&watched.network_policies, policy).await, false);
            }
            let key = self.store_key(owned, watched, store_key).await;
            let has_key = key.is_ok();
            keep(key, false);
            // What runs goes on with the key that it has; a pod that is made anew would have none.
            if let Some(set) = owned.stateful_set.as_ref().filter(|_| has_key) {
                keep(self.owned(&watched.stateful_sets, set).await, false);
            }
            keep(self.grow(owned).await, false);
        }
        match failed {
            Some(problem) => Err(problem),
            None => Ok(obstacles),
        }
    }

    /// A Role that is not ours may say anything: its name is bound to nobody until it is gone. The
    /// node goes on with the configuration that it has.
    async fn unbind(&mut self, watched: &Watched, binding: &RoleBinding) -> Result<(), Problem> {
        let name = binding.name_any();
        if watched.bindings.get(&name).is_none() {
            return Ok(());
        }
        let nobody = RoleBinding {
            subjects: None,
            ..binding.clone()
        };
        match self.owned(&watched.bindings, &nobody).await {
            // Nobody may write a binding to a Role with more rights than he holds himself.
            Err(Problem::Obstacle(_)) => Err(Problem::Obstacle(format!(
                "RoleBinding {name} gives the node the rights of a Role {name} that is not the operator's, and the API server does not let the operator take them away: delete this RoleBinding"
            ))),
            result => result,
        }
    }

    async fn configure(&self, plan: &Plan, cache: &Cache<SidecarConfig>) -> Result<(), Problem> {
        let writes = plan.writes();
        let api: Api<SidecarConfig> = Api::namespaced(self.client.clone(), &self.namespace);
        if let (Some(root), false) = (&plan.root, writes.is_empty()) {
            self.is_current(&api, &root.config.name_any(), cache)
                .await?;
        }
        // A slice that the root names and that somebody deleted comes after the root: the node
        // knows another of that name under the sequence of now.
        let root = plan.root.as_ref();
        let current = root.and_then(|root| cache.get(&root.config.name_any()));
        let named = current.as_deref().and_then(|root| root.spec.root.as_ref());
        let is_named = |c: &SidecarConfig| {
            named.is_some_and(|root| root.slices.iter().any(|name| *name == c.name_any()))
        };
        let (before, rest): (Vec<_>, Vec<_>) = writes.into_iter().partition(|c| {
            c.spec.slice.is_some() && c.metadata.generation == Some(1) && !is_named(c)
        });
        let (root, edited): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|c| c.spec.root.is_some());
        for step in [before, root, edited] {
            let step: Vec<_> = step.into_iter().map(|c| self.config(c, cache)).collect();
            stream::iter(step)
                .buffer_unordered(WRITES_AT_ONCE)
                .try_collect::<Vec<()>>()
                .await?;
        }
        for name in &plan.obsolete {
            match api.delete(name, &DeleteParams::default()).await {
                Ok(_) => cache.deleted(name),
                Err(error) if cluster_error::cure(&error) == Cure::Gone => {}
                Err(error) => return Err(Problem::of(format!("SidecarConfig {name}"), error)),
            }
        }
        Ok(())
    }

    /// Whether the root is the one that the plan was made from. A watch that has not noticed that the
    /// API server was restored shows a sequence of the time after; its resource version alone does
    /// not tell, because a restored API server gives the same numbers once more.
    async fn is_current(
        &self,
        api: &Api<SidecarConfig>,
        name: &str,
        cache: &Cache<SidecarConfig>,
    ) -> Result<(), Problem> {
        let sequence = |config: &SidecarConfig| {
            let root = config.spec.root.as_ref()?;
            Some((root.sequence, root.lineage.last().cloned()))
        };
        let there = api.get_opt(name).await;
        let there = there.map_err(|error| Problem::of(format!("SidecarConfig {name}"), error))?;
        let known = cache.get(name);
        let is = |config: &SidecarConfig| (config.uid(), sequence(config));
        if there.as_ref().map(is) == known.as_deref().map(is) {
            return Ok(());
        }
        Err(Problem::Behind(name.to_owned()))
    }

    async fn config(
        &self,
        config: &SidecarConfig,
        cache: &Cache<SidecarConfig>,
    ) -> Result<(), Problem> {
        let name = config.name_any();
        let what = || format!("SidecarConfig {name}");
        let api: Api<SidecarConfig> = Api::namespaced(self.client.clone(), &self.namespace);
        let existing = cache.get(&name);
        let mut body = config.clone();
        body.metadata.generation = None;
        body.metadata.uid = None;
        // The sequence must never go back: a root that somebody else wrote meanwhile is planned anew.
        body.metadata.resource_version = match (&config.spec.root, existing) {
            (Some(_), Some(existing)) => existing.metadata.resource_version.clone(),
            _ => None,
        };
        body.status = None;
        let params = PatchParams::apply(FIELD_MANAGER).force();
        let written = api.patch(&name, &params, &Patch::Apply(&body)).await;
        cache.wrote(written.map_err(|error| Problem::of(what(), error))?);
        Ok(())
    }

    /// Makes the store key once. A key that is gone while its volume is there is never made anew:
    /// what is on the volume could not be read with another.
    async fn store_key(
        &self,
        owned: &Owned,
        watched: &Watched,
        key: impl FnOnce() -> Zeroizing<[u8; 32]>,
    ) -> Result<(), Problem> {
        let Some(name) = &owned.store_key else {
            return Ok(());
        };
        if watched.secrets.get(name).is_some() {
            return Ok(());
        }
        let what = || format!("Secret {name}");
        let claims: Api<PersistentVolumeClaim> =
            Api::namespaced(self.client.clone(), &self.namespace);
        let claim = claims.get_opt(&owned.claim).await;
        if claim.map_err(|error| Problem::of(what(), error))?.is_some() {
            return Err(Problem::Obstacle(format!(
                "Secret {name}, the store key, is gone while the volume {claim} that it opens is there: restore the Secret from a backup. Without one the private store is lost, and the node begins anew when you delete this PeerOrganization, then, once StatefulSet {set} and its pod are gone, PersistentVolumeClaim {claim}, and then apply this PeerOrganization again. While the StatefulSet is there, the claim is made again at once",
                claim = owned.claim,
                set = owned.node,
            )));
        }
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name, "labels": {MANAGED_BY.0: MANAGED_BY.1}},
            "type": "Opaque",
            "immutable": true,
        }))
        .unwrap_or_default();
        let bytes = k8s_openapi::ByteString(key().to_vec());
        let mut secret = Secret {
            data: Some([(STORE_KEY.to_owned(), bytes)].into()),
            ..secret
        };
        let params = PostParams {
            field_manager: Some(FIELD_MANAGER.to_owned()),
            ..PostParams::default()
        };
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let created = secrets.create(&params, &secret).await;
        for bytes in secret.data.iter_mut().flat_map(BTreeMap::values_mut) {
            zeroize::Zeroize::zeroize(&mut bytes.0);
        }
        match created {
            Ok(_) => Ok(()),
            // It was made meanwhile, and the watch has not told yet.
            Err(error) if cluster_error::cure(&error) == Cure::Conflict => Ok(()),
            Err(error) => Err(Problem::of(what(), error)),
        }
    }

    async fn grow(&mut self, owned: &Owned) -> Result<(), Problem> {
        let Some(size) = &owned.grow_to else {
            return Ok(());
        };
        if self.grown.as_ref() == Some(size) {
            return Ok(());
        }
        let what = || format!("PersistentVolumeClaim {}", owned.claim);
        let api: Api<PersistentVolumeClaim> = Api::namespaced(self.client.clone(), &self.namespace);
        let claim = api.get_opt(&owned.claim).await;
        let Some(claim) = claim.map_err(|error| Problem::of(what(), error))? else {
            return Ok(());
        };
        let requests = claim.spec.and_then(|spec| spec.resources?.requests);
        let requested = requests.and_then(|requests| quantity::bytes(&requests.get("storage")?.0));
        if requested < quantity::bytes(size) {
            let patch = json!({"spec": {"resources": {"requests": {"storage": size}}}});
            let params = PatchParams {
                field_manager: Some(FIELD_MANAGER.to_owned()),
                ..PatchParams::default()
            };
            api.patch(&owned.claim, &params, &Patch::Merge(&patch))
                .await
                .map_err(|error| Problem::of(what(), with_message(error, first_sentence)))?;
        }
        self.grown = Some(size.clone());
        Ok(())
    }
}
