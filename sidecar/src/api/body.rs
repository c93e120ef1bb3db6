//! Reading JSON bodies: what is wrong with one is told by its place, never by its content.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::{HeaderMap, StatusCode, header};
use finp2p_wire::error::Code;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;

use super::gate::Caller;
use super::problem::Problem;

/// The body, if it came whole and says that it is JSON.
pub(super) fn json_bytes(
    caller: &Caller,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    limit_bytes: usize,
) -> Result<Bytes, Problem> {
    if !is_json(headers) {
        return Err(caller
            .problem(Code::Malformed)
            .with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)
            .titled("media-type")
            .saying("Send JSON, with the header Content-Type: application/json."));
    }
    body.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            caller
                .problem(Code::TooLarge)
                .saying(format!("The body may have at most {limit_bytes} bytes."))
        } else {
            caller
                .problem(Code::Malformed)
                .saying("The body did not arrive whole: send it again.")
        }
    })
}

/// The value of a body.
pub(super) fn parse<T: DeserializeOwned>(caller: &Caller, body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|error| malformed(caller, &error))
}

/// Where a text stops to be JSON, if it does.
pub(super) fn syntax(body: &[u8]) -> Option<serde_json::Error> {
    serde_json::from_slice::<Value>(body).err()
}

/// The place of a JSON error. Its own words are left out: they quote what was sent.
pub(super) fn malformed(caller: &Caller, error: &serde_json::Error) -> Problem {
    let what = match error.classify() {
        Category::Data => "The body is JSON, and not of the shape that GET /openapi.json describes",
        Category::Syntax | Category::Eof | Category::Io => "The body is not well-formed JSON",
    };
    let (line, column) = (error.line(), error.column());
    caller
        .problem(Code::Malformed)
        .titled("json")
        .saying(format!("{what}: look at line {line}, column {column}."))
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    let text = content_type.and_then(|value| value.to_str().ok());
    text.and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
