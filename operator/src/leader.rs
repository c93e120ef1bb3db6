//! Leader election: of several operators one writes.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};
use kube_lease_manager::{LeaseCreateMode, LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::cluster_error;

/// A leader that does not renew for this long has lost; what another needs to take over after a
/// machine that died.
const LEASE_SECONDS: u64 = 15;
/// It renews this long before that.
const GRACE_SECONDS: u64 = 5;
/// Who waits looks this often whether the Lease was given back: an upgrade stands still for no
/// longer, and the API server has two reads a second more.
const LOOK: Duration = Duration::from_millis(500);

/// Giving the Lease back takes no longer: with the API server away it ends by itself, and whoever stops
/// the operator does not wait for that.
const LEAVE: Duration = Duration::from_secs(5);

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
    task: JoinHandle<Result<(), LeaseManagerError>>,
}

impl Election {
    /// Takes part. The Lease is made when it is not there.
    ///
    /// # Errors
    /// [`LeaseManagerError`] when the Lease can be neither read nor made.
    pub async fn enter(client: Client, candidate: &Candidate) -> Result<Self, LeaseManagerError> {
        let manager = manager(&client, candidate).await?;
        let (tell, leads) = watch::channel(false);
        let task = tokio::spawn(take_part(client, candidate.clone(), manager, tell));
        Ok(Self { leads, task })
    }

    /// Gives the Lease back, if that is possible now.
    pub async fn leave(mut self) {
        drop(self.leads);
        let Ok(left) = timeout(LEAVE, &mut self.task).await else {
            self.task.abort();
            return tracing::warn!(
                "the Lease could not be given back in time, and ends by itself after {LEASE_SECONDS} seconds"
            );
        };
        match left {
            Ok(Ok(())) => tracing::info!("the Lease is given back"),
            Ok(Err(error)) => tracing::warn!(
                "the Lease could not be given back, and ends by itself: {}",
                cluster_error::chain(&error)
            ),
            Err(error) => tracing::warn!(%error, "the election ended"),
        }
    }
}

async fn manager(
    client: &Client,
    candidate: &Candidate,
) -> Result<LeaseManager, LeaseManagerError> {
    LeaseManagerBuilder::new(client.clone(), &candidate.lease)
        .with_namespace(&candidate.namespace)
        .with_identity(&candidate.identity)
        .with_field_manager(format!("finp2p-operator-{}", candidate.identity))
        .with_create_mode(LeaseCreateMode::AutoCreate)
        .with_duration(LEASE_SECONDS)
        .with_grace(GRACE_SECONDS)
        .build()
        .await
}

/// Takes part until nobody listens. A manager that found the Lease taken sleeps until it would run
/// out; when it is given back before, another manager looks afresh.
async fn take_part(
    client: Client,
    candidate: Candidate,
    mut manager: LeaseManager,
    tell: watch::Sender<bool>,
) -> Result<(), LeaseManagerError> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), &candidate.namespace);
    loop {
        let (mut leads, task) = manager.watch().await;
        let is_over = loop {
            tokio::select! {
                () = tell.closed() => break true,
                changed = leads.changed() => {
                    if changed.is_err() {
                        break true;
                    }
                    let led = tell.send_replace(*leads.borrow_and_update());
                    if led && !*tell.borrow() {
                        tokio::spawn(tell_loss(leases.clone(), candidate.clone()));
                    }
                }
                () = given_back(&leases, &candidate.lease), if !*tell.borrow() => break false,
            }
        };
        drop(leads);
        match task.await {
            Ok(ended) => drop(ended?),
            Err(gone) if gone.is_panic() => std::panic::resume_unwind(gone.into_panic()),
            Err(_) => return Ok(()),
        }
        if is_over {
            return Ok(());
        }
        manager = self::manager(&client, &candidate).await?;
    }
}

/// Says why the Lease was lost, as far as it shows.
async fn tell_loss(leases: Api<Lease>, candidate: Candidate) {
    let lease = match leases.get(&candidate.lease).await {
        Ok(lease) => lease,
        Err(error) => {
            let why = cluster_error::clause(&error);
            return tracing::warn!("the Lease is lost, and cannot be read: {why}");
        }
    };
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    match holder.filter(|holder| !holder.is_empty() && *holder != candidate.identity) {
        Some(holder) => tracing::warn!(holder, "the Lease is lost: another holds it now"),
        None => tracing::warn!(
            "the Lease is lost: it was not renewed in time; kube_lease_manager=error in --log shows each try"
        ),
    }
}

/// Returns when nobody holds the Lease any more. Not at the first look: a manager that just began
/// may be about to take it.
async fn given_back(leases: &Api<Lease>, name: &str) {
    let mut looked = false;
    loop {
        tokio::time::sleep(LOOK).await;
        let Ok(lease) = leases.get(name).await else {
            continue;
        };
        let holder = lease.spec.and_then(|spec| spec.holder_identity);
        if looked && holder.is_none_or(|holder| holder.is_empty()) {
            return;
        }
        looked = true;
    }
}
