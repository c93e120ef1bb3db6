//! What a person decides about the node's configuration.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use finp2p_wire::error::Code;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::gate::Caller;
use super::problem::Problem;
use super::trail::{Finding, blocking, settle};

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Accepted {
    /// Whether a rolled-back configuration was waiting to be accepted. It is in force within a
    /// moment.
    accepted: bool,
}

/// Accept a rolled-back configuration
///
/// A node that finds its configuration older than one it had (a restored backup of the control
/// plane) serves only what both grant. This says that the older one is meant: what it grants is
/// served again, also to peers whose access was withdrawn since. Look at `GET /v1/status` first.
/// The decision is audited with the client's name.
#[utoipa::path(
    post, path = "/v1/configuration/accept", operation_id = "acceptConfiguration", tag = "node",
    responses((status = 200, description = "Accepted, or nothing to accept", body = Accepted)),
)]
pub(super) async fn accept(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Accepted>, Problem> {
    let asking = caller.clone();
    blocking(&caller, move || {
        // Who says so is written first: what cannot be audited does not happen.
        settle(&api, &asking, Finding::default(), Ok(()))?;
        match api.local.node.accept(api.local.clock.now()) {
            Ok(accepted) => Ok(Json(Accepted { accepted })),
            Err(_) => Err(asking.problem(Code::Unavailable).saying(
                "The audit log takes no entry, so nothing was accepted: free space on the node's volume.",
            )),
        }
    })
    .await
}
