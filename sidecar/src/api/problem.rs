//! Errors of the local API: problem details (RFC 9457) with a code of the closed catalogue, a
//! reference and a sentence that helps. Never a value that was sent or stored.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use finp2p_wire::error::Code;
use serde::{Serialize, Serializer};
use utoipa::ToSchema;

/// What went wrong, in the form of RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:finp2p:error:` and the slug.
    #[serde(rename = "type")]
    #[schema(rename = "type", value_type = String, example = "urn:finp2p:error:not-shared")]
    type_: Urn,
    /// The slug: a stable word for programs.
    #[schema(example = "not-shared")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 403)]
    status: u16,
    /// What a person can do about it.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// Code of the closed catalogue (PROTOCOL.md).
    #[schema(example = 7104)]
    code: u16,
    /// Under which the logs and the audit of both sides have this event: 16 hex digits.
    #[schema(value_type = String, example = "9f86d081884c7d65")]
    reference: Box<str>,
    /// Seconds after which the same request may succeed.
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
    /// The methods of a route that was asked with another one.
    #[serde(skip)]
    allowed: Option<Box<str>>,
    /// The client that is refused, once it is known.
    #[serde(skip)]
    client: Option<Box<str>>,
}

/// What a response refuses, for the log: the gate takes it out again.
#[derive(Clone, Debug)]
pub(super) struct Refused {
    /// The client, once it is known.
    pub client: Option<Box<str>>,
    /// Code of the closed catalogue.
    pub code: u16,
    /// The slug.
    pub slug: &'static str,
    /// The reference.
    pub reference: Box<str>,
}

/// A slug as a URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Urn(&'static str);

impl Serialize for Urn {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("urn:finp2p:error:{}", self.0))
    }
}

/// The media type of problem details.
pub const PROBLEM_JSON: &str = "application/problem+json";

impl Problem {
    /// A problem with the sentence of the catalogue.
    #[must_use]
    pub fn new(code: Code, reference: impl Into<String>) -> Self {
        Self {
            type_: Urn(code.slug()),
            title: code.slug(),
            status: code.http_status(),
            detail: code.sentence().into(),
            code: code.number(),
            reference: reference.into().into_boxed_str(),
            retry_after_seconds: None,
            allowed: None,
            client: None,
        }
    }

    /// The same with another status, for what HTTP has a status of its own.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status.as_u16();
        self
    }

    /// The same with the methods that the route has.
    #[must_use]
    pub fn allowing(mut self, methods: impl Into<Box<str>>) -> Self {
        self.allowed = Some(methods.into());
        self
    }

    /// The same for this client.
    #[must_use]
    pub fn to(mut self, client: &str) -> Self {
        self.client = Some(client.into());
        self
    }

    /// The same with a sentence of its own.
    #[must_use]
    pub fn saying(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into().into_boxed_str();
        self
    }

    /// The same with another title, for what the code covers too coarsely.
    #[must_use]
    pub fn titled(mut self, slug: &'static str) -> Self {
        self.type_ = Urn(slug);
        self.title = slug;
        self
    }

    /// The same with a time after which to try again, seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after_seconds = seconds;
        self
    }

    /// The reference.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The slug.
    #[must_use]
    pub fn title(&self) -> &'static str {
        self.title
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let refused = Refused {
            client: self.client.clone(),
            code: self.code,
            slug: self.title,
            reference: self.reference.clone(),
        };
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = self.retry_after_seconds;
        let allowed = self
            .allowed
            .as_deref()
            .and_then(|methods| HeaderValue::from_str(methods).ok());
        let mut response = (status, Json(self)).into_response();
        response.extensions_mut().insert(refused);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = retry {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(allowed) = allowed {
            headers.insert(header::ALLOW, allowed);
        }
        response
    }
}
