//! Metrics and probes, on a listener of their own: no token, and nothing private in them.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::node::Node;

/// What is scraped.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What probes look at.
#[derive(Clone)]
pub struct Probes {
    /// The node.
    pub node: Arc<Node>,
    /// Its numbers.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Clock,
}

impl fmt::Debug for Probes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probes")
    }
}

/// `/metrics` (OpenMetrics), `/healthz` (the process answers) and `/readyz` (configuration and
/// certificates are in force, and the configuration is not stale; otherwise 503 and what is
/// missing). A node that serves and has something to warn of is ready, with a line for each.
pub fn router(probes: Probes) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probes)
}

async fn ready(State(probes): State<Probes>) -> Response {
    // The node's lock may be held while a configuration is put in force.
    let looked = tokio::task::spawn_blocking(move || {
        let now = probes.clock.now();
        let missing = probes.node.missing(now);
        missing.map_or_else(|| Ok(probes.node.warnings(now)), Err)
    });
    match looked.await {
        Ok(Ok(warnings)) => {
            let warnings = warnings
                .iter()
                .map(|warning| format!("{}: {}\n", warning.reason, warning.message));
            format!("ready\n{}", warnings.collect::<String>()).into_response()
        }
        Ok(Err(missing)) => {
            (StatusCode::SERVICE_UNAVAILABLE, format!("{missing}\n")).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn metrics(State(probes): State<Probes>) -> Response {
    match tokio::task::spawn_blocking(move || probes.metrics.text()).await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
