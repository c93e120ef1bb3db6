//! Observe: everything that decides one namespace, followed by watches.
//!
//! One [`Cache`](cache::Cache) per kind. Of Secrets and ConfigMaps only the metadata is asked for; of the
//! objects that the operator makes, only those that carry its label.

pub mod cache;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};

use finp2p_crds::{CONTENT_LABEL, PeerOrganization, SharedAsset, SharingPolicy, SidecarConfig};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::core::{DeserializeGuard, NamespaceResourceScope, PartialObjectMeta};
use kube::runtime::watcher;
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::cache::{Cache, Told};
use super::inputs::{Age, Claim, Observed, Source, SourceKind};
use super::plan::names::MANAGED_BY;
use crate::cluster_error;
use crate::metrics::Metrics;

/// What is known of one namespace.
#[derive(Debug)]
pub struct Watched {
    /// PeerOrganizations.
    pub organizations: Arc<Cache<PeerOrganization>>,
    /// SharedAssets.
    pub assets: Arc<Cache<SharedAsset>>,
    /// SharingPolicies.
    pub policies: Arc<Cache<SharingPolicy>>,
    /// The node's configuration.
    pub configs: Arc<Cache<SidecarConfig>>,
    /// Secrets, by metadata.
    pub secrets: Arc<Cache<PartialObjectMeta<Secret>>>,
    /// ConfigMaps, by metadata.
    pub config_maps: Arc<Cache<PartialObjectMeta<ConfigMap>>>,
    /// StatefulSets that the operator made.
    pub stateful_sets: Arc<Cache<StatefulSet>>,
    /// Services that the operator made.
    pub services: Arc<Cache<Service>>,
    /// Roles that the operator made.
    pub roles: Arc<Cache<Role>>,
    /// RoleBindings that the operator made.
    pub bindings: Arc<Cache<RoleBinding>>,
    /// NetworkPolicies that the operator made.
    pub network_policies: Arc<Cache<NetworkPolicy>>,
    /// The last error of each watch that has not recovered, by kind.
    trouble: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Default for Watched {
    fn default() -> Self {
        Self {
            organizations: Arc::default(),
            assets: Arc::default(),
            policies: Arc::default(),
            configs: Arc::default(),
            secrets: Arc::default(),
            config_maps: Arc::default(),
            // What others write into what the operator made is undone.
            stateful_sets: Arc::new(Cache::with_managers()),
            services: Arc::new(Cache::with_managers()),
            roles: Arc::new(Cache::with_managers()),
            bindings: Arc::new(Cache::with_managers()),
            network_policies: Arc::new(Cache::with_managers()),
            trouble: Arc::default(),
        }
    }
}

impl Watched {
    /// Follows every kind; the watches end when `tasks` is dropped. `changed` counts changes.
    pub fn follow(
        &self,
        client: &Client,
        namespace: &str,
        changed: &watch::Sender<u64>,
        metrics: &Arc<Metrics>,
        tasks: &mut JoinSet<()>,
    ) {
        let mut watches = Watches {
            client,
            namespace,
            changed,
            metrics,
            trouble: &self.trouble,
            tasks,
        };
        watches.all(&self.organizations);
        watches.all(&self.assets);
        watches.all(&self.policies);
        watches.all(&self.configs);
        watches.metadata(&self.secrets);
        watches.metadata(&self.config_maps);
        watches.made(&self.stateful_sets);
        watches.made(&self.services);
        watches.made(&self.roles);
        watches.made(&self.bindings);
        watches.made(&self.network_policies);
    }

    /// Nothing is known any more, as before the first list.
    pub fn forget(&self) {
        self.organizations.forget();
        self.assets.forget();
        self.policies.forget();
        self.configs.forget();
        self.secrets.forget();
        self.config_maps.forget();
        self.stateful_sets.forget();
        self.services.forget();
        self.roles.forget();
        self.bindings.forget();
        self.network_policies.forget();
    }

    /// Whether a first complete list of every kind was read: before that nothing is planned.
    pub fn is_complete(&self) -> bool {
        self.organizations.is_complete()
            && self.assets.is_complete()
            && self.policies.is_complete()
            && self.configs.is_complete()
            && self.secrets.is_complete()
            && self.config_maps.is_complete()
            && self.stateful_sets.is_complete()
            && self.services.is_complete()
            && self.roles.is_complete()
            && self.bindings.is_complete()
            && self.network_policies.is_complete()
    }

    /// Why it is not complete, as far as the errors tell; `None` while it is being read.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.values().next().cloned()
    }

    /// Whether there is nothing at all, not even what Kubernetes puts into every namespace.
    pub fn is_empty(&self) -> bool {
        let objects = [self.organizations.count(), self.assets.count()];
        let sources = [self.secrets.count(), self.config_maps.count()];
        objects.into_iter().chain(sources).all(|count| count == 0)
    }

    /// Secrets and ConfigMaps as the plan takes them.
    pub fn sources(&self) -> Vec<Source> {
        fn source<K: Resource>(kind: SourceKind, object: &K) -> Source {
            Source {
                kind,
                name: object.name_any(),
                permitted: object
                    .labels()
                    .get(CONTENT_LABEL)
                    .is_some_and(|v| v == "true"),
                keys: None,
            }
        }
        let secrets = self.secrets.objects();
        let secrets = secrets
            .iter()
            .map(|s| source(SourceKind::Secret, s.as_ref()));
        let maps = self.config_maps.objects();
        let maps = maps
            .iter()
            .map(|m| source(SourceKind::ConfigMap, m.as_ref()));
        secrets.chain(maps).collect()
    }

    /// The local organizations of this namespace.
    pub fn claims(&self, namespace: &str) -> Vec<Claim> {
        let organizations = observed(namespace, &self.organizations);
        let claims = organizations.iter().filter_map(|o| Claim::of(namespace, o));
        claims.collect()
    }
}

/// The objects of a cache as the plan takes them.
pub fn observed<K: Kind>(namespace: &str, cache: &Cache<K>) -> Vec<Observed<K>> {
    let objects = cache.objects().into_iter();
    // What is being deleted counts for nothing any more: access ends with the wish, and what would
    // be made again for it is being removed.
    let objects = objects.filter(|object| object.meta().deletion_timestamp.is_none());
    let observed = objects.map(|object| {
        let created = object.meta().creation_timestamp.as_ref();
        let age = Age::Created {
            at: created.map_or(jiff::Timestamp::MAX, |time| time.0),
            namespace: namespace.to_owned(),
            name: object.name_any(),
        };
        Observed { object, age }
    });
    observed.collect()
}

struct Watches<'w> {
    client: &'w Client,
    namespace: &'w str,
    changed: &'w watch::Sender<u64>,
    metrics: &'w Arc<Metrics>,
    trouble: &'w Arc<Mutex<BTreeMap<String, String>>>,
    tasks: &'w mut JoinSet<()>,
}

/// What every kind here is.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static
{
}

impl Watches<'_> {
    fn all<K: Kind>(&mut self, cache: &Arc<Cache<K>>) {
        self.start::<K, DeserializeGuard<K>>(cache, watcher::Config::default());
    }

    /// The API server sends metadata and nothing else.
    fn metadata<K: Kind>(&mut self, cache: &Arc<Cache<PartialObjectMeta<K>>>)
    where
        PartialObjectMeta<K>: Kind,
    {
        self.start::<PartialObjectMeta<K>, PartialObjectMeta<K>>(cache, watcher::Config::default());
    }

    fn made<K: Kind>(&mut self, cache: &Arc<Cache<K>>) {
        let (key, value) = MANAGED_BY;
        let ours = watcher::Config::default().labels(&format!("{key}={value}"));
        self.start::<K, DeserializeGuard<K>>(cache, ours);
    }

    fn start<K, W>(&mut self, cache: &Arc<Cache<K>>, config: watcher::Config)
    where
        K: Kind,
        W: Told<K> + Kind,
    {
        let api: Api<W> = Api::namespaced(self.client.clone(), self.namespace);
        let (kind, namespace) = (K::kind(&()).into_owned(), self.namespace.to_owned());
        let (metrics, trouble) = (Arc::clone(self.metrics), Arc::clone(self.trouble));
        let fares = move |fares: Result<(), &watcher::Error>| {
            let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
            let Err(error) = fares else {
                trouble.remove(&kind);
                return;
            };
            let why = cluster_error::watch(error);
            metrics.watch_failed(&kind);
            let text = format!("{kind} objects of namespace {namespace} cannot be watched: {why}");
            if trouble.get(&kind) != Some(&text) {
                tracing::warn!("{text}");
            }
            trouble.insert(kind.clone(), text);
        };
        let follow = Arc::clone(cache).follow(api, config, self.changed.clone(), fares);
        self.tasks.spawn(follow);
    }
}
