//! The look at a cluster that some commands take, before they do their work without one.

use crate::cluster::{ClusterError, Live, connect, read};

/// Why there was no look.
#[derive(Debug, thiserror::Error)]
pub enum LookError {
    /// There is no runtime to wait in.
    #[error("cannot wait for the cluster")]
    Runtime(#[source] std::io::Error),
    /// The cluster refused, or did not answer.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
}

/// Reads a namespace of the cluster at hand; without a name the one of the current context.
///
/// # Errors
/// [`LookError`].
pub fn look(namespace: Option<&str>) -> Result<Live, LookError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(LookError::Runtime)?.block_on(async {
        let client = connect().await?;
        let namespace = namespace.unwrap_or(client.default_namespace()).to_owned();
        Ok(read(&client, &namespace).await?)
    })
}
