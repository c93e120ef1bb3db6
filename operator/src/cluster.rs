//! One look at a namespace of a live cluster, for commands that judge what is there.
//!
//! Reads the three kinds and, of Secrets and ConfigMaps, the metadata only, with the rights of
//! whoever asks; on demand the node's report. Watching a namespace for as long as the operator runs is not done here.
//!
//! - [`overlay`]: what would be there once files have been applied.

pub mod overlay;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use finp2p_crds::sidecar_config::SidecarConfigStatus;
use finp2p_crds::{CONTENT_LABEL, PeerOrganization, SharedAsset, SharingPolicy, SidecarConfig};
use jiff::Timestamp;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::core::{ObjectList, PartialObjectMeta};
use kube::{Api, Client, Config, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use crate::client::client;
use crate::node::files::Objects;
use crate::node::inputs::{Age, Claim, Observed, Source, SourceKind};

/// Objects in one answer of the API server: what kubectl asks for.
const PAGE: u32 = 500;
/// Most objects of one kind: ten times the scale this project is made for.
const KIND_MAX_OBJECTS: usize = 100_000;
/// Longest wait for one answer. A list of a page takes well under a second.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// A namespace as it is now.
#[derive(Clone, Debug)]
pub struct Live {
    /// Its name.
    pub namespace: String,
    /// Its objects.
    pub objects: Objects,
    /// Whether Secrets and ConfigMaps could be listed; an auditor may not.
    pub sources_known: bool,
}

impl Live {
    /// Whether nothing of ours is in it.
    pub fn is_empty(&self) -> bool {
        let Objects {
            organizations,
            assets,
            policies,
            ..
        } = &self.objects;
        organizations.is_empty() && assets.is_empty() && policies.is_empty()
    }
}

/// Why a cluster could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// There is no configuration to reach one.
    #[error("no cluster is configured: set KUBECONFIG, or run inside one")]
    Unconfigured(#[source] Box<kube::config::InferConfigError>),
    /// The client could not be made of it.
    #[error("the cluster's configuration cannot be used")]
    Client(#[source] Box<kube::Error>),
    /// The kind is not installed.
    #[error("the cluster does not know {0}: install the chart (its CRDs) first")]
    NotInstalled(String),
    /// The caller has no right to read.
    #[error(
        "no right to list {kind} in namespace {namespace}: have the chart's role finp2p-auditor, or any role that may list {kind}, bound to you there"
    )]
    Forbidden {
        /// Plural of the kind.
        kind: String,
        /// The namespace.
        namespace: String,
    },
    /// The caller is nobody.
    #[error("the cluster does not accept the credentials: log in again")]
    Unauthorized,
    /// The objects are not as this program knows them.
    #[error(
        "{0} in the cluster have a form that this program does not know: use the version that the cluster's CRDs are from"
    )]
    Form(String, #[source] Box<kube::Error>),
    /// There are too many.
    #[error("more than {KIND_MAX_OBJECTS} {0}: too many to be judged at once")]
    TooMany(String),
    /// No answer in time.
    #[error("no answer from the cluster within 30 seconds while listing {0}")]
    Timeout(String),
    /// Anything else.
    #[error("the cluster could not list {0}")]
    Failed(String, #[source] Box<kube::Error>),
}

/// A client for the cluster of KUBECONFIG, or of the pod that this runs in. Its default namespace
/// is the one of the current context, or the pod's own.
///
/// # Errors
/// [`ClusterError::Unconfigured`] or [`ClusterError::Client`].
pub async fn connect() -> Result<Client, ClusterError> {
    install_provider();
    let config = Config::infer().await;
    let config = config.map_err(|error| ClusterError::Unconfigured(Box::new(error)))?;
    client(config).map_err(|error| ClusterError::Client(Box::new(error)))
}

/// TLS needs one provider of cryptography for the whole process; somebody may have installed it.
pub(crate) fn install_provider() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Reads a namespace, whole or not at all: an error is never an empty list.
///
/// # Errors
/// [`ClusterError`].
pub async fn read(client: &Client, namespace: &str) -> Result<Live, ClusterError> {
    let mut objects = Objects {
        organizations: list::<PeerOrganization>(client, namespace).await?,
        assets: list::<SharedAsset>(client, namespace).await?,
        policies: list::<SharingPolicy>(client, namespace).await?,
        ..Objects::default()
    };
    let secrets = sources::<Secret>(client, namespace, SourceKind::Secret).await?;
    let config_maps = sources::<ConfigMap>(client, namespace, SourceKind::ConfigMap).await?;
    let sources_known = secrets.is_some() && config_maps.is_some();
    objects
        .sources
        .extend(secrets.into_iter().chain(config_maps).flatten());
    Ok(Live {
        namespace: namespace.to_owned(),
        objects,
        sources_known,
    })
}

/// Whether a namespace is there, or may be: not everybody may ask.
pub async fn may_exist(client: &Client, namespace: &str) -> bool {
    let api = Api::<Namespace>::all(client.clone());
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, api.get_metadata_opt(namespace)).await;
    !matches!(answer, Ok(Ok(None)))
}

/// What the node of an organization reports. `None` when there is no root, when the node has not
/// reported, and when the caller may not read it: an auditor may not.
///
/// # Errors
/// [`ClusterError`].
pub async fn report(
    client: &Client,
    namespace: &str,
    organization: &str,
) -> Result<Option<SidecarConfigStatus>, ClusterError> {
    let api = Api::<SidecarConfig>::namespaced(client.clone(), namespace);
    let kind = SidecarConfig::plural(&()).into_owned();
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, api.get_opt(organization)).await;
    match answer.map_err(|_| ClusterError::Timeout(kind.clone()))? {
        Ok(root) => Ok(root.and_then(|root| root.status)),
        Err(error) => match refused(error, &kind, namespace) {
            ClusterError::Forbidden { .. } => Ok(None),
            error => Err(error),
        },
    }
}

/// The local organizations among these objects.
pub fn claims(namespace: &str, objects: &Objects) -> Vec<Claim> {
    let organizations = objects.organizations.iter();
    organizations
        .filter_map(|observed| Claim::of(namespace, observed))
        .collect()
}

async fn list<K>(client: &Client, namespace: &str) -> Result<Vec<Observed<K>>, ClusterError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let objects = pages::<K, K, _>(namespace, async |params| api.list(&params).await).await?;
    let observed = |object: K| Observed {
        age: age(object.meta()),
        object: Arc::new(object),
    };
    Ok(objects.into_iter().map(observed).collect())
}

/// `None` when the caller may not list them: what they hold decides no access.
async fn sources<K>(
    client: &Client,
    namespace: &str,
    kind: SourceKind,
) -> Result<Option<Vec<Source>>, ClusterError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    K: Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let list = async |params| api.list_metadata(&params).await;
    let found = match pages::<K, PartialObjectMeta<K>, _>(namespace, list).await {
        Err(ClusterError::Forbidden { .. }) => return Ok(None),
        found => found?,
    };
    let source = |object: PartialObjectMeta<K>| Source {
        kind,
        name: object.name_any(),
        permitted: object
            .labels()
            .get(CONTENT_LABEL)
            .is_some_and(|value| value == "true"),
        keys: None,
    };
    Ok(Some(found.into_iter().map(source).collect()))
}

/// Every page of a list.
async fn pages<K, T, F>(namespace: &str, list: F) -> Result<Vec<T>, ClusterError>
where
    K: Resource<DynamicType = ()>,
    T: Clone,
    F: AsyncFn(ListParams) -> kube::Result<ObjectList<T>>,
{
    let kind = K::plural(&()).into_owned();
    let mut all = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let answer = tokio::time::timeout(ANSWER_TIMEOUT, list(params.clone())).await;
        let page = answer
            .map_err(|_| ClusterError::Timeout(kind.clone()))?
            .map_err(|error| refused(error, &kind, namespace))?;
        all.extend(page.items);
        if all.len() > KIND_MAX_OBJECTS {
            return Err(ClusterError::TooMany(kind));
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(all),
        }
    }
}

fn refused(error: kube::Error, kind: &str, namespace: &str) -> ClusterError {
    match error {
        kube::Error::Api(status) if status.code == 403 => ClusterError::Forbidden {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
        },
        kube::Error::Api(status) if status.code == 401 => ClusterError::Unauthorized,
        kube::Error::Api(status) if status.code == 404 => {
            ClusterError::NotInstalled(kind.to_owned())
        }
        kube::Error::SerdeError(_) => ClusterError::Form(kind.to_owned(), Box::new(error)),
        error => ClusterError::Failed(kind.to_owned(), Box::new(error)),
    }
}

fn age(metadata: &ObjectMeta) -> Age {
    let created = metadata.creation_timestamp.as_ref();
    Age::Created {
        at: created.map_or(Timestamp::MIN, |time| time.0),
        namespace: metadata.namespace.clone().unwrap_or_default(),
        name: metadata.name.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
