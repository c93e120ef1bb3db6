//! Every route of the API, and what it takes to call it. The gate serves nothing that is not here.

use axum::http::Method;
use finp2p_crds::peer_organization::ApiVerb;

/// What it takes to call a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: the answer is public.
    Anyone,
    /// A token of a client that the configuration names, whatever it may do.
    Client,
    /// A token of a client that the configuration gives this verb. No verb implies another.
    Verb(ApiVerb),
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its method. A GET answers HEAD too.
    pub method: Method,
    /// Its path, as axum and OpenAPI write it.
    pub path: &'static str,
    /// What it takes.
    pub access: Access,
    /// Its name in the audit log.
    pub op: &'static str,
}

/// The table. ReadUsers, WriteUsers, Decide and Audit have no route yet: they open nothing.
pub static ROUTES: [Route; 8] = [
    route(
        Method::GET,
        "/openapi.json",
        Access::Anyone,
        "api.description",
    ),
    route(Method::GET, "/v1/status", Access::Client, "api.status"),
    route(
        Method::GET,
        "/v1/assets",
        Access::Verb(ApiVerb::ReadAssets),
        "api.list-assets",
    ),
    route(
        Method::GET,
        "/v1/assets/{assetId}",
        Access::Verb(ApiVerb::ReadAssets),
        "api.read-asset",
    ),
    route(
        Method::PUT,
        "/v1/assets/{assetId}",
        Access::Verb(ApiVerb::WriteAssets),
        "api.write-asset",
    ),
    route(
        Method::GET,
        "/v1/shared",
        Access::Verb(ApiVerb::Fetch),
        "api.list-shared",
    ),
    route(
        Method::POST,
        "/v1/fetch",
        Access::Verb(ApiVerb::Fetch),
        "api.fetch",
    ),
    route(
        Method::POST,
        "/v1/configuration/accept",
        Access::Verb(ApiVerb::Administer),
        "api.accept-configuration",
    ),
];

const fn route(method: Method, path: &'static str, access: Access, op: &'static str) -> Route {
    Route {
        method,
        path,
        access,
        op,
    }
}

/// The route behind a method and a matched path.
///
/// # Errors
/// The methods that the path has instead; none when the path is not in the table.
pub fn find(method: &Method, path: &str) -> Result<&'static Route, Vec<&'static Method>> {
    let wanted = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let here = || ROUTES.iter().filter(|route| route.path == path);
    here()
        .find(|route| route.method == *wanted)
        .ok_or_else(|| here().map(|route| &route.method).collect())
}
