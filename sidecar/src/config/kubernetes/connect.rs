//! The way to the API server: KUBECONFIG where it is set, else the pod's service account.

use std::time::Duration;

use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// Longest wait for a connection: an API server behind a load balancer answers in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait until a request is written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Neither a kubeconfig nor a service account.
    #[error(
        "there is no way to a Kubernetes API server: outside a cluster set KUBECONFIG, inside let the pod mount its service account token"
    )]
    NoCluster(#[source] InClusterError),
    /// The file named by KUBECONFIG cannot be used.
    #[error("the file that KUBECONFIG names cannot be used")]
    Kubeconfig(#[source] KubeconfigError),
    /// The client cannot be made.
    #[error("the client of the Kubernetes API server cannot be made")]
    Client(#[source] kube::Error),
}

/// A client, and the namespace that is its own. Nothing is sent yet: the API server may be away
/// when the node starts.
///
/// # Errors
/// [`ConnectError`].
pub async fn connect() -> Result<(Client, String), ConnectError> {
    // A person's ~/.kube/config is never taken by accident: a node has its own account.
    let mut config = if std::env::var_os("KUBECONFIG").is_some() {
        let file = Kubeconfig::from_env().map_err(ConnectError::Kubeconfig)?;
        Config::from_custom_kubeconfig(file.unwrap_or_default(), &KubeConfigOptions::default())
            .await
            .map_err(ConnectError::Kubeconfig)?
    } else {
        Config::incluster().map_err(ConnectError::NoCluster)?
    };
    bound(&mut config);
    let namespace = config.default_namespace.clone();
    Ok((
        Client::try_from(config).map_err(ConnectError::Client)?,
        namespace,
    ))
}

/// Bounds that the node relies on: it has its own pauses, and its own ends of streams.
pub fn bound(config: &mut Config) {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    config.write_timeout = Some(WRITE_TIMEOUT);
    config.read_timeout = None;
    config.default_retry = false;
}
