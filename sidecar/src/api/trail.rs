//! What stays of a request to the API: one entry before the answer leaves, whatever it says.

use std::sync::Arc;

use finp2p_wire::error::Code;

use super::Api;
use super::gate::Caller;
use super::problem::Problem;
use crate::audit::Decision;

/// Slug of an entry whose request was granted.
const GRANTED: &str = "granted";

/// What a request was about, as far as the audit log is concerned: names and digests, no values.
#[derive(Clone, Debug, Default)]
pub(super) struct Finding {
    /// The resource.
    pub resource: Option<String>,
    /// The version that was given or made.
    pub version: Option<u64>,
    /// Its hash.
    pub record: Option<[u8; 32]>,
    /// The purpose that was named.
    pub purpose: Option<String>,
    /// Finer than the slug.
    pub detail: Option<String>,
    /// Reference of the peer's answer, when that is what was given.
    pub reference: Option<String>,
}

impl Finding {
    /// About this resource.
    pub fn of(resource: impl ToString) -> Self {
        Self {
            resource: Some(resource.to_string()),
            ..Self::default()
        }
    }
}

/// Writes what was decided, and gives it back; what cannot be written is told as "unavailable".
/// Blocks on the disk.
pub(super) fn settle<T>(
    api: &Api,
    caller: &Caller,
    finding: Finding,
    outcome: Result<T, Problem>,
) -> Result<T, Problem> {
    let (code, slug, reference) = match &outcome {
        Ok(_) => {
            let of_peer = finding.reference.as_deref();
            (0, GRANTED, of_peer.unwrap_or(&caller.reference))
        }
        Err(problem) => (problem.code(), problem.title(), problem.reference()),
    };
    let mut decision = Decision::new(
        api.local.clock.now(),
        caller.route.op,
        caller.configuration(),
        code,
        slug,
        reference,
    );
    decision.client = Some(caller.client.clone());
    decision.resource = finding.resource;
    decision.version = finding.version;
    decision.record = finding.record;
    decision.purpose = finding.purpose;
    decision.detail = finding.detail;
    match api.local.trail.record(&[decision.into()]) {
        Ok(()) => outcome,
        Err(error) => {
            // The log itself says once that it cannot be written.
            tracing::debug!(%error, reference, "a request to the local API could not be audited");
            Err(caller.problem(Code::Unavailable).saying(
                "The audit log takes no entry, so nothing is answered: free space on the node's volume.",
            ))
        }
    }
}

/// [`settle`] off the runtime's threads.
pub(super) async fn settled<T: Send + 'static>(
    api: &Arc<Api>,
    caller: &Caller,
    finding: Finding,
    outcome: Result<T, Problem>,
) -> Result<T, Problem> {
    let (api, asking) = (Arc::clone(api), caller.clone());
    blocking(caller, move || settle(&api, &asking, finding, outcome)).await
}

/// Does what blocks on disk, locks or signatures off the runtime's threads. It ends even when the
/// caller has gone.
pub(super) async fn blocking<T: Send + 'static>(
    caller: &Caller,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(failed) => {
            // A panic's words are not logged: they may quote what it stumbled over.
            let panicked = failed.is_panic();
            tracing::error!(
                panicked,
                reference = caller.reference,
                "a request to the local API failed"
            );
            Err(caller.problem(Code::Internal))
        }
    }
}
