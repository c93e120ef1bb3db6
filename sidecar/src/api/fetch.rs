//! Fetching a peer's record: verified before anybody sees it, and kept by nobody.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use finp2p_wire::error::Code;
use finp2p_wire::limits::{POINTER_MAX_BYTES, POINTERS_MAX, PURPOSE_MAX_BYTES};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::gate::Caller;
use super::problem::{PROBLEM_JSON, Problem};
use super::shared::{Terms, reader, unanswered};
use super::trail::{Finding, settled};
use super::{Api, body};
use crate::reader::Fetched;

/// Largest body: 64 pointers of 256 bytes, each byte escaped, fit.
pub(super) const BODY_MAX_BYTES: usize = 128 * 1024;

/// What to fetch.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FetchRequest {
    /// The resource; its first part is the Primary that is asked.
    #[schema(example = "bank-a:102:ZZGREEN20318", max_length = 256)]
    resource: String,
    /// The fields, as JSON Pointers; absent: all that the Primary grants. One that is not granted
    /// refuses the whole request.
    #[schema(example = json!(["/isin", "/terms/coupon"]), min_items = 1, max_items = 64)]
    fields: Option<Vec<String>>,
    /// What it is for; needed where the Primary shares for certain purposes only.
    #[schema(example = "settlement", max_length = 63)]
    purpose: Option<String>,
}

/// A verified record.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FetchedRecord {
    /// The resource.
    #[schema(example = "bank-a:102:ZZGREEN20318")]
    resource_id: String,
    /// The organization that signed it.
    #[schema(example = "bank-a")]
    primary: String,
    /// Its version. A string, because it may pass 2^53.
    #[schema(example = "4294967297")]
    version: String,
    /// The version's hash, hex: the same for every reader, whatever he may see of it.
    hash: String,
    /// When the Primary signed it.
    #[schema(value_type = String, format = DateTime)]
    issued_at: Timestamp,
    /// What was disclosed.
    #[schema(value_type = Object)]
    data: Map<String, Value>,
    /// The fields that were disclosed, as JSON Pointers.
    #[schema(example = json!(["/isin", "/terms/coupon"]))]
    fields: Vec<String>,
    /// Under which terms.
    terms: Terms,
    /// Under which the audit of both organizations has this fetch.
    #[schema(example = "9f86d081884c7d65")]
    reference: String,
}

/// Fetch a record from its Primary
///
/// Sends a signed request to the organization that manages the resource, and verifies what comes
/// back: the answer's signature, the record's signature, and each disclosed field. Nothing of it
/// is kept by the node. Audited, here and at the Primary.
///
/// "Not shared" (7104) and "not permitted" (3400) are told only when the Primary has signed them;
/// a resource that does not exist and one that is not shared look the same.
#[utoipa::path(
    post, path = "/v1/fetch", operation_id = "fetch", tag = "shared",
    request_body(content = FetchRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The record, verified", body = FetchedRecord),
        (status = 400, description = "Not of this shape (1002), or the resource is our own or of nobody we know (9007)", body = Problem, content_type = PROBLEM_JSON),
        (status = 404, description = "It is shared with us and has no record yet (1100)", body = Problem, content_type = PROBLEM_JSON),
        (status = 413, description = "The body, or what was asked for, is too large (9001)", body = Problem, content_type = PROBLEM_JSON),
        (status = 415, description = "Not sent as application/json", body = Problem, content_type = PROBLEM_JSON),
        (status = 429, description = "The Primary was asked too often (9003)", body = Problem, content_type = PROBLEM_JSON),
        (status = 500, description = "This node or the Primary's has a fault (2202)", body = Problem, content_type = PROBLEM_JSON),
    ),
)]
pub(super) async fn fetch(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Result<Json<FetchedRecord>, Problem> {
    let request = body::json_bytes(&caller, &headers, content, BODY_MAX_BYTES)
        .and_then(|bytes| body::parse::<FetchRequest>(&caller, &bytes))
        .and_then(|request| bounded(&caller, request));
    let request = match request {
        Ok(request) => request,
        Err(problem) => return settled(&api, &caller, Finding::default(), Err(problem)).await,
    };
    let mut finding = Finding {
        purpose: request.purpose.clone(),
        ..Finding::of(&request.resource)
    };
    let fetched = fetched(&api, &caller, &request).await;
    if let Ok((record, hash, version)) = &fetched {
        (finding.record, finding.version) = (Some(*hash), Some(*version));
        // Both organizations have this fetch under one reference.
        finding.reference = Some(record.reference.clone());
    }
    settled(&api, &caller, finding, fetched)
        .await
        .map(|(record, ..)| Json(record))
}

async fn fetched(
    api: &Arc<Api>,
    caller: &Caller,
    request: &FetchRequest,
) -> Result<(FetchedRecord, [u8; 32], u64), Problem> {
    let reader = reader(api, caller).await?;
    let fetched = reader
        .fetch(
            &request.resource,
            request.fields.as_deref(),
            request.purpose.as_deref(),
        )
        .await
        .map_err(|error| unanswered(caller, &error))?;
    let (hash, version) = (fetched.hash, fetched.version);
    let record = answer(fetched).ok_or_else(|| caller.problem(Code::Internal))?;
    Ok((record, hash, version))
}

fn answer(fetched: Fetched) -> Option<FetchedRecord> {
    Some(FetchedRecord {
        primary: fetched.resource.split(':').next()?.to_owned(),
        resource_id: fetched.resource,
        version: fetched.version.to_string(),
        hash: hex::encode(fetched.hash),
        issued_at: Timestamp::from_second(i64::try_from(fetched.issued_at).ok()?).ok()?,
        data: fetched.data,
        fields: fetched
            .units
            .iter()
            .map(|unit| unit.as_str().to_owned())
            .collect(),
        terms: fetched.terms.into(),
        reference: fetched.reference.to_string(),
    })
}

/// What does not fit into a message is refused here, with its bound.
fn bounded(caller: &Caller, request: FetchRequest) -> Result<FetchRequest, Problem> {
    let malformed = |sentence: String| Err(caller.problem(Code::Malformed).saying(sentence));
    if let Some(fields) = &request.fields
        && (fields.is_empty()
            || fields.len() > POINTERS_MAX
            || fields.iter().any(|field| {
                field.len() > POINTER_MAX_BYTES || crate::record::Pointer::parse(field).is_err()
            }))
    {
        return malformed(format!(
            "`fields` takes 1 to {POINTERS_MAX} JSON Pointers such as /terms/coupon, each of at most {POINTER_MAX_BYTES} bytes."
        ));
    }
    if let Some(purpose) = &request.purpose
        && (purpose.is_empty()
            || purpose.len() > PURPOSE_MAX_BYTES
            || purpose.contains(char::is_control))
    {
        return malformed(format!(
            "`purpose` takes 1 to {PURPOSE_MAX_BYTES} bytes without line ends and other control characters."
        ));
    }
    if let Err(error) = request.resource.parse::<finp2p_crds::ResourceId>() {
        return malformed(format!("`resource` is no resource id: {error}."));
    }
    Ok(request)
}
