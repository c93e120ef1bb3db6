//! The look at a cluster that some commands take, before they do their work without one.

use finp2p_crds::sidecar_config::SidecarConfigStatus;

use crate::cluster::{self, ClusterError, Live, connect, read};

/// Why there was no look.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no runtime to wait in.
    #[error("cannot wait for the cluster")]
    Runtime(#[source] std::io::Error),
    /// The cluster refused, or did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// There is no such namespace, of which an API server lists nothing.
    #[error("namespace {0} does not exist on this cluster")]
    NoNamespace(String),
}

/// Reads a namespace of the cluster at hand; without a name the one of the current context.
///
/// # Errors
/// [`LookError`].
pub fn look(namespace: Option<&str>) -> Result<Live, LookError> {
    runtime()?.block_on(async {
        let client = connect().await?;
        Ok(read(&client, namespace.unwrap_or(client.default_namespace())).await?)
    })
}

/// The same, and the report of the node there, as far as whoever asks may read it.
///
/// # Errors
/// [`LookError`].
pub fn look_with_report(
    namespace: Option<&str>,
) -> Result<(Live, Option<SidecarConfigStatus>), LookError> {
    runtime()?.block_on(async {
        let client = connect().await?;
        let live = read(&client, namespace.unwrap_or(client.default_namespace())).await?;
        if live.is_empty() && !cluster::may_exist(&client, &live.namespace).await {
            return Err(LookError::NoNamespace(live.namespace));
        }
        // Of several claims the oldest is the node's.
        let local = cluster::claims(&live.namespace, &live.objects)
            .into_iter()
            .min();
        let report = match local {
            Some(local) => {
                cluster::report(&client, &live.namespace, &local.organization_id).await?
            }
            None => None,
        };
        Ok((live, report))
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, LookError> {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().map_err(LookError::Runtime)
}
