//! The API described for its users (OpenAPI 3.1), made from the code that serves it.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use finp2p_wire::error::Code;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi as _};

use super::problem::{PROBLEM_JSON, Problem};
use super::route::{Access, ROUTES, Route};
use super::{assets, configuration, fetch, shared, status};

const INTRODUCTION: &str = "\
How an organization's own programs use its FinP2P node: write and read its own assets, see what \
peers share with it, and fetch that.

# Who may call
Each program is a client in `spec.node.api.clients` of the local PeerOrganization, with the verbs \
that it may use. No verb implies another. Its bearer token is the content of the file with its name \
in the node's token folder (`--api-tokens`); on a cluster, a token of its service account for the \
audience `finp2p-ORG-api`, which the API server is asked about. Web pages may not call: a request with an `Origin` is \
refused.

```sh
curl -s -H \"Authorization: Bearer $(cat tokens/trading)\" http://127.0.0.1:4080/v1/shared
curl -s -H \"Authorization: Bearer $(cat tokens/trading)\" http://127.0.0.1:4080/v1/fetch \\
  --json '{\"resource\": \"bank-a:102:ZZGREEN20318\"}'
```

# What is refused
Every refusal is `application/problem+json` (RFC 9457): `code` and `title` are for programs and \
stable, `detail` is for people and says what to do, `reference` names the event in the logs and \
audits of the organizations that took part: tell it to whoever you call about it. No refusal holds \
a value that was sent or stored. `title` is the slug of the code, or a finer word: the reason of a \
3400 (purpose, fields, …); or, of this node's own, origin, unknown-route, method-not-allowed, \
client-unknown, verb, rolled-back, not-ready, busy, authentication-unavailable, media-type, json, query, asset-id, if-match, unknown-asset, no-content, \
content, schema, not-by-api, schema-unusable, units-unusable, version-changed.

";

const BOUNDS: &str = "
# Bounds
A content has at most 256 KiB, any other body 128 KiB; 64 requests are answered at once, each in at \
most a minute. Versions are strings, because they may pass 2^53. Nothing private may be cached \
(`Cache-Control: no-store`), and each access to private data is audited under the client's name \
before its answer leaves.";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "FinP2P node: local API",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        read,
        status::read,
        assets::list,
        assets::read,
        assets::write::write,
        shared::list,
        fetch::fetch,
        configuration::accept,
    ),
    components(schemas(Problem)),
    tags(
        (name = "assets", description = "What this organization is the Primary of"),
        (name = "shared", description = "What peers share with this organization"),
        (name = "node", description = "The node itself"),
    ),
    modifiers(&Introduction, &Gate),
)]
struct Description;

/// The description. Equal for equal versions of the code: `sidecar/openapi.json` is this.
#[must_use]
pub fn openapi() -> OpenApi {
    Description::openapi()
}

/// [`openapi`] as it is served and kept: indented, with an end of line.
///
/// # Errors
/// When it has no JSON form, which no test would let pass.
pub fn text() -> Result<String, serde_json::Error> {
    openapi().to_pretty_json().map(|text| text + "\n")
}

/// This description
#[utoipa::path(
    get, path = "/openapi.json", operation_id = "description", tag = "node",
    responses((status = 200, description = "The API as OpenAPI 3.1", body = Object)),
)]
pub(super) async fn read() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(|| text().unwrap_or_default());
    ([(header::CONTENT_TYPE, "application/json")], TEXT.as_str()).into_response()
}

struct Introduction;

impl Modify for Introduction {
    fn modify(&self, openapi: &mut OpenApi) {
        let mut text = INTRODUCTION.to_owned();
        text.push_str("| code | title | status | what to do |\n|---|---|---|---|\n");
        for code in Code::ALL {
            // Writing to a String cannot fail.
            let _infallible = writeln!(
                text,
                "| {} | {} | {} | {} |",
                code.number(),
                code.slug(),
                code.http_status(),
                code.sentence()
            );
        }
        text.push_str(BOUNDS);
        openapi.info.description = Some(text);
        let bearer = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("The client's token"))
            .build();
        openapi
            .components
            .get_or_insert_default()
            .add_security_scheme("token", SecurityScheme::Http(bearer));
    }
}

/// What the gate adds to each route: the token, the verb, and what it refuses with.
struct Gate;

impl Modify for Gate {
    fn modify(&self, openapi: &mut OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            for route in ROUTES.iter().filter(|route| route.path == path) {
                if let Some(operation) = operation(item, route) {
                    describe(operation, route.access);
                }
            }
        }
    }
}

fn operation<'i>(item: &'i mut PathItem, route: &Route) -> Option<&'i mut Operation> {
    match route.method.as_str() {
        "GET" => item.get.as_mut(),
        "PUT" => item.put.as_mut(),
        "POST" => item.post.as_mut(),
        _ => None,
    }
}

fn describe(operation: &mut Operation, access: Access) {
    let needs = match access {
        Access::Anyone => "Needs no token.".to_owned(),
        Access::Client => "Needs a token, and no verb.".to_owned(),
        Access::Verb(verb) => format!("Needs the verb {verb:?}."),
    };
    let before = operation.description.take();
    operation.description = Some(match before {
        Some(before) => format!("{before}\n\n{needs}"),
        None => needs,
    });
    let from_peers = operation
        .tags
        .as_ref()
        .is_some_and(|tags| tags.iter().any(|tag| tag == "shared"));
    let forbidden = match (access, from_peers) {
        (Access::Anyone, _) => "Called by a web page (origin)",
        (_, false) => {
            "Called by a web page (origin), or the client is not in the configuration (client-unknown), lacks the verb (verb), or has it only in one that went back in time (rolled-back)"
        }
        (_, true) => {
            "Called by a web page (origin); the client is not in the configuration (client-unknown), lacks the verb (verb), or has it only in one that went back in time (rolled-back); or the Primary refused: not shared (7104), or outside its grant (3400: purpose, fields, …)"
        }
    };
    refuses(operation, "403", forbidden);
    if access == Access::Anyone {
        return;
    }
    operation.security = Some(vec![SecurityRequirement::new::<_, [String; 0], String>(
        "token",
        [],
    )]);
    refuses(operation, "401", "No token, or one that is nobody's");
    refuses(
        operation,
        "503",
        if from_peers {
            "Not ready yet, or busy, or the audit log takes no entry (2002); or the peer cannot be reached or believed (2002, 9002, 9004, 9005, 9006, 9008)"
        } else {
            "Not ready yet, or busy, or the audit log takes no entry (2002)"
        },
    );
    refuses(
        operation,
        "504",
        if from_peers {
            "The peer, or the whole request, took too long (2003)"
        } else {
            "The request took too long (2003)"
        },
    );
}

fn refuses(operation: &mut Operation, status: &str, description: &str) {
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .build();
    let response = ResponseBuilder::new()
        .description(description)
        .content(PROBLEM_JSON, content)
        .build();
    operation
        .responses
        .responses
        .insert(status.to_owned(), RefOr::T(response));
}
