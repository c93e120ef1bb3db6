//! The organization's own assets: what it is the Primary of.

mod if_match;
pub(super) mod write;

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use finp2p_crds::entry::{AssetEntry, Entry};
use finp2p_crds::resource_id::ResourceType;
use finp2p_crds::{ResourceId, shared_asset};
use finp2p_wire::error::Code;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::gate::{Caller, missing};
use super::problem::{PROBLEM_JSON, Problem};
use super::trail::{Finding, blocking, settle};
use crate::config::Applied;
use crate::primary::version::Held;
use crate::primary::{self, Primary};
use crate::record::{self, RecordHash};

/// Assets on one page: each costs a read of the store.
const PAGE_MAX: usize = 256;

/// An own asset, without its data.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Asset {
    /// Its id on the network.
    #[schema(example = "bank-a:102:ZZGREEN20318")]
    resource_id: String,
    /// The last part of it, which paths of this API take.
    #[schema(example = "ZZGREEN20318")]
    asset_id: String,
    /// Name of its SharedAsset.
    #[schema(example = "green-bond-2031")]
    name: String,
    /// Where its content comes from.
    source: Source,
    /// The current version; absent while there is none. A string, because it may pass 2^53.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "4294967297")]
    version: Option<String>,
    /// Its hash, hex: what a ledger or a reader can compare.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
    /// Its disclosure units, as JSON Pointers: what policies can open one by one.
    #[schema(example = json!(["/isin", "/terms/coupon"]))]
    units: Vec<String>,
}

/// Where content comes from.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Source {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
    /// This API.
    Api,
}

/// A page of own assets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Assets {
    /// The assets, by resource id.
    assets: Vec<Asset>,
    /// Ask for what comes `after` this one; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An own asset with its private data.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssetWithData {
    #[serde(flatten)]
    asset: Asset,
    /// When the version was signed.
    #[schema(value_type = String, format = DateTime)]
    issued_at: Timestamp,
    /// All of its data.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

/// Where a page begins.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Page {
    /// `next` of the page before.
    after: Option<String>,
}

/// List own assets
///
/// The assets that this organization is the Primary of, without their data.
#[utoipa::path(
    get, path = "/v1/assets", operation_id = "listAssets", tag = "assets", params(Page),
    responses(
        (status = 200, description = "A page of assets", body = Assets),
        (status = 400, description = "The query is not of this shape", body = Problem, content_type = PROBLEM_JSON),
        (status = 500, description = "The private store does not give them", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Assets>, Problem> {
    let asking = caller.clone();
    blocking(&caller, move || {
        let listed = page
            .map_err(|_| query(&asking))
            .and_then(|Query(page)| listed(&api, &asking, page.after.as_deref()));
        settle(&api, &asking, Finding::default(), listed).map(Json)
    })
    .await
}

fn listed(api: &Api, caller: &Caller, after: Option<&str>) -> Result<Assets, Problem> {
    let (applied, primary) = parts(api, caller)?;
    let after = after.map(|id| resource(caller, &applied, id)).transpose()?;
    let mut own = applied.facts.own_assets(after.as_ref());
    let mut assets = Vec::new();
    for (id, entry) in own.by_ref().take(PAGE_MAX) {
        let held = primary.current(id).map_err(|error| fault(caller, &error))?;
        assets.push(Asset::new(id, entry, held.as_ref()));
    }
    let next = own
        .next()
        .and_then(|_| assets.last().map(|asset| asset.asset_id.clone()));
    Ok(Assets { assets, next })
}

/// Read an own asset
///
/// The current version with all of its private data. The header ETag holds its hash. Audited.
#[utoipa::path(
    get, path = "/v1/assets/{assetId}", operation_id = "readAsset", tag = "assets",
    params(("assetId" = String, Path, description = "The asset's id, without organization and type", example = "ZZGREEN20318")),
    responses(
        (status = 200, description = "The current version", body = AssetWithData, headers(("ETag" = String, description = "The version's hash, in quotes"))),
        (status = 400, description = "Not an asset id, or with a query", body = Problem, content_type = PROBLEM_JSON),
        (status = 404, description = "No such asset, or it has no content yet", body = Problem, content_type = PROBLEM_JSON),
        (status = 500, description = "The private store does not give it", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(given): RawQuery,
) -> Result<Response, Problem> {
    let asking = caller.clone();
    let (hash, asset) = blocking(&caller, move || {
        let mut finding = Finding::default();
        let read = no_query(&asking, given.as_deref())
            .and_then(|()| opened(&api, &asking, id.as_deref().ok(), &mut finding));
        settle(&api, &asking, finding, read)
    })
    .await?;
    Ok((etag(&hash), Json(asset)).into_response())
}

fn opened(
    api: &Api,
    caller: &Caller,
    id: Option<&String>,
    finding: &mut Finding,
) -> Result<(RecordHash, AssetWithData), Problem> {
    let (applied, primary) = parts(api, caller)?;
    let id = resource(caller, &applied, id.map_or("", String::as_str))?;
    finding.resource = Some(id.to_string());
    let entry = applied.facts.own_asset(&id).map_err(|_| unknown(caller))?;
    let held = primary
        .current(&id)
        .map_err(|error| fault(caller, &error))?;
    let held = held.ok_or_else(|| {
        caller.problem(Code::NotFound).titled("no-content").saying(
            "The asset has no content yet: write it, or look at the exceptions in GET /v1/status.",
        )
    })?;
    let (claims, data) = record::read_own(&held.record).map_err(|error| fault(caller, &error))?;
    let issued_at = i64::try_from(claims.iat)
        .ok()
        .and_then(|second| Timestamp::from_second(second).ok())
        .ok_or_else(|| caller.problem(Code::Internal))?;
    let hash = held.record.hash();
    (finding.version, finding.record) = (Some(held.version), Some(hash));
    let read = AssetWithData {
        asset: Asset::new(&id, entry, Some(&held)),
        issued_at,
        data,
    };
    Ok((hash, read))
}

impl Asset {
    fn new(id: &ResourceId, entry: &Entry<AssetEntry>, held: Option<&Held>) -> Self {
        Self {
            resource_id: id.to_string(),
            asset_id: id.id().to_owned(),
            name: entry.name.clone(),
            source: Source::of(entry.payload.content.as_ref()),
            version: held.map(|held| held.version.to_string()),
            hash: held.map(|held| hex::encode(held.record.hash())),
            units: held
                .map(|held| primary::units(&held.record))
                .unwrap_or_default(),
        }
    }
}

impl Source {
    fn of(content: Option<&shared_asset::Content>) -> Self {
        match content {
            Some(content) if content.secret.is_some() => Self::Secret,
            Some(content) if content.config_map.is_some() => Self::ConfigMap,
            _ => Self::Api,
        }
    }
}

fn parts(api: &Api, caller: &Caller) -> Result<(Arc<Applied>, Arc<Primary>), Problem> {
    let applied = caller.standing.as_ref().map(|s| Arc::clone(&s.applied));
    applied
        .zip(api.local.node.primary())
        .ok_or_else(|| missing(api, caller))
}

fn resource(caller: &Caller, applied: &Applied, id: &str) -> Result<ResourceId, Problem> {
    ResourceId::new(applied.facts.organization(), ResourceType::Asset, id).map_err(|_| {
        caller.problem(Code::Malformed).titled("asset-id").saying(
            "Not an asset id: give the part behind the last colon of the resource id, 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-'.",
        )
    })
}

fn unknown(caller: &Caller) -> Problem {
    caller
        .problem(Code::NotFound)
        .titled("unknown-asset")
        .saying(
            "This organization has no asset with that id: apply a SharedAsset with content first.",
        )
}

/// A member of a query that does nothing would be taken for one that does.
fn no_query(caller: &Caller, given: Option<&str>) -> Result<(), Problem> {
    given
        .is_none_or(str::is_empty)
        .then_some(())
        .ok_or_else(|| query(caller))
}

fn query(caller: &Caller) -> Problem {
    caller.problem(Code::Malformed).titled("query").saying(
        "The query has members that this route does not take: GET /openapi.json lists them.",
    )
}

fn fault(caller: &Caller, error: &(dyn std::error::Error + 'static)) -> Problem {
    // What JSON says of itself quotes values.
    let source = error
        .source()
        .filter(|source| !source.is::<serde_json::Error>());
    let source = source.map(ToString::to_string);
    tracing::error!(%error, source, reference = caller.reference, "an own asset cannot be read or written");
    caller.problem(Code::Internal)
}

fn etag(hash: &RecordHash) -> HeaderMap {
    HeaderValue::from_str(&format!("\"{}\"", hex::encode(hash)))
        .map(|value| HeaderMap::from_iter([(header::ETAG, value)]))
        .unwrap_or_default()
}
