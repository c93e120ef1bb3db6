//! What peers share with this organization.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::{Extension, Json};
use finp2p_crds::ResourceId;
use finp2p_wire::error::Code;
use finp2p_wire::message::{self, CatalogItem, Mode};
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::gate::{Caller, missing};
use super::problem::{PROBLEM_JSON, Problem};
use super::trail::{Finding, blocking, settled};
use crate::reader::{FetchError, Listed, Reader};

/// Longest for all peers together: below what one request may take, so that peers that do not
/// answer are told one by one.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);
/// Peers asked at once: all of a network of the size we aim at, so that those that do not answer
/// keep nobody waiting.
const PEERS_AT_ONCE: usize = 128;
/// Resources of one peer in one answer; four pages of the peer.
const PAGE_MAX: usize = 1000;

/// What peers share.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Shared {
    /// Peer by peer, by organization id.
    peers: Vec<SharedByPeer>,
}

/// What one peer shares, or why that is not known.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SharedByPeer {
    /// The peer.
    #[schema(example = "bank-a")]
    organization_id: String,
    /// What it shares, by resource id.
    resources: Vec<Resource>,
    /// Ask for this `peer` and what comes `after` this resource, which need not be listed; absent on
    /// the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
    /// Why the peer could not be asked; then the list says nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Problem>,
}

/// A resource that is shared with this organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Resource {
    /// Its id.
    #[schema(example = "bank-a:102:ZZGREEN20318")]
    resource_id: String,
    /// Its version. A string, because it may pass 2^53.
    #[schema(example = "4294967297")]
    version: String,
    /// The version's hash, hex.
    hash: String,
    /// The fields that may be fetched, as JSON Pointers.
    #[schema(example = json!(["/isin", "/terms/coupon"]))]
    fields: Vec<String>,
    /// How it is shared.
    modes: Vec<SharingMode>,
    /// A fetch must name one of these; none: it need not name any.
    purposes: Vec<String>,
    /// Credentials that a fetch must present.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    needs: Vec<Need>,
    /// Under which terms.
    terms: Terms,
}

/// How a resource is shared.
#[derive(Debug, Serialize, ToSchema)]
enum SharingMode {
    /// It may be fetched.
    Pull,
    /// It may be subscribed to.
    Push,
}

/// A credential that a fetch must present.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Need {
    /// Its type.
    #[serde(rename = "type")]
    #[schema(rename = "type")]
    type_: String,
    /// Who may have issued it.
    issuers: Vec<String>,
}

/// Terms under which data is given.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Terms {
    /// How it is shared.
    modes: Vec<SharingMode>,
    /// For which purposes; none: for any.
    purposes: Vec<String>,
    /// When the grant ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
    /// How long a copy may be kept, seconds; absent: not at all beyond the use it was fetched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    retain_seconds: Option<u64>,
    /// How long a replica holds without word from its Primary, seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_seconds: Option<u64>,
    /// Whether it may be passed on.
    redistribute: bool,
    /// Digest of what granted it, hex: the same digest, the same fields by the same policies.
    grant: String,
}

/// Whose catalogue, from where.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only this peer; then its problem, if it has one, is the answer.
    #[param(example = "bank-a")]
    peer: Option<String>,
    /// `next` of the page before; with `peer` only.
    after: Option<String>,
}

/// List what peers share with us
///
/// Asks every peer for its catalogue. A peer that does not answer is told as such and hides no
/// other. Nothing is kept: it is asked again each time.
#[utoipa::path(
    get, path = "/v1/shared", operation_id = "listShared", tag = "shared", params(Filter),
    responses(
        (status = 200, description = "What each peer shares, or why it could not be asked", body = Shared),
        (status = 400, description = "The query is not of this shape, `after` without `peer`, or no such peer (9007)", body = Problem, content_type = PROBLEM_JSON),
        (status = 429, description = "With `peer`: it was asked too often", body = Problem, content_type = PROBLEM_JSON),
        (status = 500, description = "The node has a fault", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Shared>, Problem> {
    let listed = match filter {
        Ok(Query(filter)) => listed(&api, &caller, filter).await,
        Err(_) => Err(caller.problem(Code::Malformed).titled("query").saying(
            "The query has members that this route does not take: it takes peer and after.",
        )),
    };
    settled(&api, &caller, Finding::default(), listed)
        .await
        .map(Json)
}

async fn listed(api: &Arc<Api>, caller: &Caller, filter: Filter) -> Result<Shared, Problem> {
    let reader = reader(api, caller).await?;
    let query = |sentence: &str| {
        caller
            .problem(Code::Malformed)
            .titled("query")
            .saying(sentence)
    };
    let after = filter.after.as_deref();
    let Some(peer) = filter.peer else {
        if after.is_some() {
            return Err(query(
                "`after` goes on in the list of one peer: name it as `peer`.",
            ));
        }
        return Ok(Shared {
            peers: all(caller, &reader).await,
        });
    };
    let resource = after.map(str::parse::<ResourceId>).transpose();
    if resource.map_or(true, |id| id.is_some_and(|id| id.organization() != peer)) {
        return Err(query(
            "`after` takes what the page before has as `next`: a resource id of the peer.",
        ));
    }
    let listed = reader.catalog(&peer, after, PAGE_MAX).await;
    let listed = listed.map_err(|error| unanswered(caller, &error))?;
    Ok(Shared {
        peers: vec![SharedByPeer::listed(peer, listed)],
    })
}

async fn all(caller: &Caller, reader: &Reader) -> Vec<SharedByPeer> {
    let organizations: Vec<String> = caller
        .standing
        .iter()
        .flat_map(|standing| standing.applied.facts.peers())
        .map(|peer| &peer.payload)
        // An issuer runs no node, and a suspended peer is not asked.
        .filter(|peer| !peer.keys.is_empty() && !peer.suspended)
        .map(|peer| peer.organization_id.clone())
        .collect();
    let deadline = Instant::now() + LIST_TIMEOUT;
    let asked = organizations.into_iter().map(|organization| async move {
        let first = reader.catalog(&organization, None, PAGE_MAX);
        match timeout_at(deadline, first).await {
            Ok(Ok(listed)) => SharedByPeer::listed(organization, listed),
            Ok(Err(error)) => SharedByPeer::failed(organization, unanswered(caller, &error)),
            Err(_) => SharedByPeer::failed(organization, caller.problem(Code::Timeout)),
        }
    });
    let mut peers: Vec<_> = futures::stream::iter(asked)
        .buffer_unordered(PEERS_AT_ONCE)
        .collect()
        .await;
    peers.sort_by(|a, b| a.organization_id.cmp(&b.organization_id));
    peers
}

/// The way to peers, once there is one.
pub(super) async fn reader(api: &Arc<Api>, caller: &Caller) -> Result<Arc<Reader>, Problem> {
    if let Some(peers) = api.local.peers.get() {
        return Ok(Arc::clone(&peers.reader));
    }
    let (api, asking) = (Arc::clone(api), caller.clone());
    blocking(caller, move || Err(missing(&api, &asking))).await
}

/// What a failed question to a peer is told as. The Primary's own reference, where there is one.
pub(super) fn unanswered(caller: &Caller, error: &FetchError) -> Problem {
    let reference = error.reference.map_or_else(
        || caller.reference.clone(),
        |reference| reference.to_string(),
    );
    Problem::new(error.code(), reference)
        .to(&caller.client)
        .titled(error.slug())
        .saying(error.sentence())
        .retry_after(error.retry_s())
}

impl SharedByPeer {
    fn listed(organization_id: String, listed: Listed) -> Self {
        Self {
            organization_id,
            resources: listed.items.into_iter().map(Resource::from).collect(),
            next: listed.next.map(|next| next.to_string()),
            problem: None,
        }
    }

    fn failed(organization_id: String, problem: Problem) -> Self {
        Self {
            organization_id,
            resources: Vec::new(),
            next: None,
            problem: Some(problem),
        }
    }
}

impl From<CatalogItem> for Resource {
    fn from(item: CatalogItem) -> Self {
        Self {
            resource_id: item.r.to_string(),
            version: item.ver.to_string(),
            hash: item.h.to_string(),
            fields: item.units.iter().map(ToString::to_string).collect(),
            modes: item.modes.iter().map(|mode| (*mode).into()).collect(),
            purposes: item.purposes.iter().map(ToString::to_string).collect(),
            needs: item
                .needs
                .iter()
                .flat_map(|needs| needs.iter())
                .map(|need| Need {
                    type_: need.vct.to_string(),
                    issuers: need.issuers.iter().map(ToString::to_string).collect(),
                })
                .collect(),
            terms: item.terms.into(),
        }
    }
}

impl From<Mode> for SharingMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Pull => Self::Pull,
            Mode::Push => Self::Push,
        }
    }
}

impl From<message::Terms> for Terms {
    fn from(terms: message::Terms) -> Self {
        Self {
            modes: terms.modes.iter().map(|mode| (*mode).into()).collect(),
            purposes: terms.purposes.iter().map(ToString::to_string).collect(),
            expires_at: terms
                .exp
                .and_then(|exp| i64::try_from(exp).ok())
                .and_then(|exp| Timestamp::from_second(exp).ok()),
            retain_seconds: terms.retain,
            lease_seconds: terms.lease,
            redistribute: terms.redistribute,
            grant: terms.grant.to_string(),
        }
    }
}
