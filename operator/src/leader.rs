//! Leader election: of several operators one writes.

use kube::Client;
use kube_lease_manager::{LeaseCreateMode, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A leader that does not renew for this long has lost; what another needs to take over after a
/// machine that died.
const LEASE_SECONDS: u64 = 15;
/// It renews this long before that.
const GRACE_SECONDS: u64 = 5;

/// Which Lease, and who we are.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub lease: String,
    /// Who we are: unique among the operators.
    pub identity: String,
}

/// An election that goes on until the receiver is dropped; then the Lease is given back, so that
/// the next one leads at once.
pub struct Election {
    /// Whether we lead.
    pub leads: watch::Receiver<bool>,
    task: JoinHandle<Result<kube_lease_manager::LeaseManager, LeaseManagerError>>,
}

impl Election {
    /// Takes part. The Lease is made when it is not there.
    ///
    /// # Errors
    /// [`LeaseManagerError`] when the Lease can be neither read nor made.
    pub async fn enter(client: Client, candidate: &Candidate) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client, &candidate.lease)
            .with_namespace(&candidate.namespace)
            .with_identity(&candidate.identity)
            .with_field_manager(format!("finp2p-operator-{}", candidate.identity))
            .with_create_mode(LeaseCreateMode::AutoCreate)
            .with_duration(LEASE_SECONDS)
            .with_grace(GRACE_SECONDS)
            .build()
            .await?;
        let (leads, task) = manager.watch().await;
        Ok(Self { leads, task })
    }

    /// Gives the Lease back.
    pub async fn leave(self) {
        drop(self.leads);
        match self.task.await {
            Ok(Ok(_)) => tracing::info!("the Lease is given back"),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the Lease could not be given back: it ends by itself")
            }
            Err(error) => tracing::warn!(%error, "the election ended"),
        }
    }
}
