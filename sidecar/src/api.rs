//! The local HTTP API: how the organization's own programs use its node.
//!
//! Modules in reading order: [`route`] (every route and what it takes to call it), [`auth`] (whose
//! token it is), `gate` (what every request passes, in one order), [`problem`] (how every refusal
//! looks), `room` (how many requests at once), `trail` (what is audited), `body` (reading JSON); then
//! the routes: `status`, `assets`, `shared`, `fetch`, `configuration`; [`description`] (OpenAPI);
//! [`probes`] (metrics and probes, on a listener of their own); [`serve`] (connections).
//!
//! ```text
//! connection ─► gate: origin, route, token, room, configuration, client, verb ─► handler ─► audit ─► answer
//!                └──────────────────── refused: problem+json, audited or counted ◄──┘
//! ```
//! Whoever refuses says why in a sentence, with a code of the closed catalogue and a reference that
//! the audit has too. No refusal and no log line holds a value that was sent or stored.

mod assets;
pub mod auth;
mod body;
mod configuration;
pub mod description;
mod fetch;
mod gate;
pub mod probes;
pub mod problem;
mod room;
pub mod route;
pub mod serve;
mod shared;
mod status;
mod trail;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use libp2p::Multiaddr;

use crate::clock::Clock;
use crate::node::Node;
use crate::reader::Reader;
use crate::record::MAX_CONTENT_BYTES;
use crate::refusal_log::RefusalLog;
use crate::request::Trail;
use auth::Callers;
use room::Room;

/// Requests answered at once. Each may hold a content of 256 KiB and a fetched record of 640 KiB:
/// together 56 MiB at worst.
pub const REQUESTS_MAX: usize = 64;

/// What the API works with.
pub struct Local {
    /// The time.
    pub clock: Clock,
    /// Whose token is whose.
    pub callers: Callers,
    /// The node.
    pub node: Arc<Node>,
    /// Where what is decided here is written before the answer leaves.
    pub trail: Arc<dyn Trail>,
    /// The way to other organizations; empty until the node's keys are certified.
    pub peers: Arc<OnceLock<Peers>>,
}

/// The way to other organizations.
#[derive(Clone)]
pub struct Peers {
    /// Asks them.
    pub reader: Arc<Reader>,
    /// Where they reach this node.
    pub listening: Vec<Multiaddr>,
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peers")
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

/// What gate and handlers share.
struct Api {
    local: Local,
    /// For each request that is being answered.
    room: Arc<Room>,
    /// Held from looking at `If-Match` until the version is written: contents that the API writes
    /// are written by nobody else.
    writing: Mutex<()>,
    refusals: RefusalLog,
}

/// The API as a service. Every request passes the gate; a route that is not in
/// [`route::ROUTES`] is not served.
pub fn router(local: Local) -> Router {
    let api = Arc::new(Api {
        local,
        room: Room::new(REQUESTS_MAX),
        writing: Mutex::new(()),
        refusals: RefusalLog::default(),
    });
    let asset = get(assets::read)
        .put(assets::write::write)
        .layer(DefaultBodyLimit::max(MAX_CONTENT_BYTES));
    let fetch = post(fetch::fetch).layer(DefaultBodyLimit::max(fetch::BODY_MAX_BYTES));
    Router::new()
        .route("/openapi.json", get(description::read))
        .route("/v1/status", get(status::read))
        .route("/v1/assets", get(assets::list))
        .route("/v1/assets/{assetId}", asset)
        .route("/v1/shared", get(shared::list))
        .route("/v1/fetch", fetch)
        .route("/v1/configuration/accept", post(configuration::accept))
        .layer(axum::middleware::from_fn_with_state(
            Arc::clone(&api),
            gate::pass,
        ))
        .with_state(api)
}
