//! Content in: checked, signed as a version, kept.

use std::sync::{Arc, PoisonError};

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use finp2p_crds::ResourceId;
use finp2p_wire::error::Code;
use serde::Serialize;
use utoipa::ToSchema;

use super::if_match::{IfMatch, NoEntityTag};
use super::{etag, fault, no_query, parts, resource, unknown};
use crate::api::gate::{Caller, missing};
use crate::api::problem::{PROBLEM_JSON, Problem};
use crate::api::trail::{Finding, blocking, settle, settled};
use crate::api::{Api, body};
use crate::primary::schema::SchemaError;
use crate::primary::{Primary, PublishError, Published};
use crate::record::{ContentError, MAX_CONTENT_BYTES, json::JsonError};
use crate::store::StoreError;

/// A version that was written, or was there.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Written {
    /// The asset.
    #[schema(example = "bank-a:102:ZZGREEN20318")]
    resource_id: String,
    /// The version. A string, because it may pass 2^53.
    #[schema(example = "4294967297")]
    version: String,
    /// Its hash, hex.
    hash: String,
}

/// Write an own asset
///
/// The content of an asset whose SharedAsset says `content: {api: {}}`: a JSON object of at most
/// 256 KiB. It is checked against the asset's schema, signed as a new version and kept; peers read
/// it under the policies in force. Content that is already published makes no new version. With
/// `If-Match` it is written only if the current version has that hash. Audited, before and after.
#[utoipa::path(
    put, path = "/v1/assets/{assetId}", operation_id = "writeAsset", tag = "assets",
    params(
        ("assetId" = String, Path, description = "The asset's id, without organization and type", example = "ZZGREEN20318"),
        ("If-Match" = Option<String>, Header, description = "ETags of versions that may be replaced, in their quotes, or * for any"),
    ),
    request_body(content = Object, description = "The content", content_type = "application/json"),
    responses(
        (status = 200, description = "Published already", body = Written, headers(("ETag" = String, description = "The version's hash, in quotes"))),
        (status = 201, description = "A new version", body = Written, headers(("ETag" = String, description = "The version's hash, in quotes"))),
        (status = 400, description = "Not an asset id, with a query, If-Match without quotes, not JSON that every reader sees alike (with its place), more than 256 units, or not what the asset's schema asks for (with the places)", body = Problem, content_type = PROBLEM_JSON),
        (status = 404, description = "No such asset", body = Problem, content_type = PROBLEM_JSON),
        (status = 409, description = "The asset takes its content from a Secret or ConfigMap, or its schema or units cannot be used", body = Problem, content_type = PROBLEM_JSON),
        (status = 412, description = "Another version is current than If-Match names", body = Problem, content_type = PROBLEM_JSON),
        (status = 413, description = "Larger than 256 KiB", body = Problem, content_type = PROBLEM_JSON),
        (status = 415, description = "Not sent as application/json", body = Problem, content_type = PROBLEM_JSON),
        (status = 500, description = "The private store does not take it", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
pub(in crate::api) async fn write(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(given): RawQuery,
    headers: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Result<Response, Problem> {
    let content = no_query(&caller, given.as_deref())
        .and_then(|()| body::json_bytes(&caller, &headers, content, MAX_CONTENT_BYTES));
    let content = match content {
        Ok(content) => content,
        Err(problem) => return settled(&api, &caller, Finding::default(), Err(problem)).await,
    };
    let asking = caller.clone();
    let written = blocking(&caller, move || {
        let mut finding = Finding::default();
        let id = id.map(|Path(id)| id).unwrap_or_default();
        let written = written(&api, &asking, &id, &headers, &content, &mut finding);
        settle(&api, &asking, finding, written)
    })
    .await?;
    let (id, published) = written;
    let status = if published.new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    let answer = Written {
        resource_id: id.to_string(),
        version: published.version.to_string(),
        hash: hex::encode(published.hash),
    };
    Ok((status, etag(&published.hash), Json(answer)).into_response())
}

fn written(
    api: &Api,
    caller: &Caller,
    id: &str,
    headers: &HeaderMap,
    content: &[u8],
    finding: &mut Finding,
) -> Result<(ResourceId, Published), Problem> {
    let now = api.local.clock.now();
    // Before its key is certified, readers would refuse what it signs.
    if api.local.node.missing(now).is_some() {
        return Err(missing(api, caller));
    }
    let (applied, primary) = parts(api, caller)?;
    let id = resource(caller, &applied, id)?;
    finding.resource = Some(id.to_string());

    let writing = api.writing.lock();
    let _writing = writing.unwrap_or_else(PoisonError::into_inner);
    check_match(caller, headers, &primary, &id)?;
    // What cannot be audited does not happen; what has happened is in the entry after it.
    let intent = Finding {
        detail: Some("about to write".to_owned()),
        ..finding.clone()
    };
    settle(api, caller, intent, Ok(()))?;
    let keys = api.local.node.keys();
    let published = primary
        .write(now, &applied, &id, content, &keys.record)
        .map_err(|error| match error {
            // The node waits for its volume: told as to whoever comes after this one.
            PublishError::Store(StoreError::Stopped { .. }) => missing(api, caller),
            error => refused(caller, &error, content),
        })?;
    finding.version = Some(published.version);
    finding.record = Some(published.hash);
    finding.detail = Some(if published.new { "new" } else { "unchanged" }.to_owned());
    Ok((id, published))
}

/// Whether the current version is one that `If-Match` names.
fn check_match(
    caller: &Caller,
    headers: &HeaderMap,
    primary: &Primary,
    id: &ResourceId,
) -> Result<(), Problem> {
    let wanted = IfMatch::read(headers).map_err(|NoEntityTag| {
        caller.problem(Code::Malformed).titled("if-match").saying(
            "If-Match takes entity tags in double quotes, as the ETag of an answer has them (curl: -H 'If-Match: \"HASH\"'), or * for any version.",
        )
    })?;
    let Some(wanted) = wanted else {
        return Ok(());
    };
    let held = primary.current(id).map_err(|error| fault(caller, &error))?;
    let current = held.map(|held| hex::encode(held.record.hash()));
    if wanted.permits(current.as_deref()) {
        return Ok(());
    }
    Err(caller
        .problem(Code::Malformed)
        .with_status(StatusCode::PRECONDITION_FAILED)
        .titled("version-changed")
        .saying(
            "Another version is current than If-Match names: read the asset again and decide anew.",
        ))
}

fn refused(caller: &Caller, error: &PublishError, content: &[u8]) -> Problem {
    let malformed = |title: &'static str| {
        caller
            .problem(Code::Malformed)
            .titled(title)
            .saying(sentence(error))
    };
    let conflict = |title: &'static str| malformed(title).with_status(StatusCode::CONFLICT);
    match error {
        PublishError::NotOurs => unknown(caller),
        PublishError::NotByApi => conflict("not-by-api"),
        PublishError::Content(ContentError::TooLarge) => {
            caller.problem(Code::TooLarge).saying(sentence(error))
        }
        PublishError::Content(ContentError::Json(JsonError::Malformed)) => {
            match body::syntax(content) {
                Some(place) => body::malformed(caller, &place),
                None => malformed("json"),
            }
        }
        PublishError::Content(_) => malformed("content"),
        PublishError::Schema(SchemaError::Content(_)) => malformed("schema"),
        PublishError::Schema(SchemaError::Schema(_) | SchemaError::Cost(_)) => {
            conflict("schema-unusable")
        }
        PublishError::Units(_) => conflict("units-unusable"),
        PublishError::Issue(_) => malformed("content"),
        PublishError::Source(_) | PublishError::Store(_) | PublishError::Kept(_) => {
            fault(caller, error)
        }
    }
}

/// An error's words as a sentence. They hold places and bounds, never values.
fn sentence(error: &PublishError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}
