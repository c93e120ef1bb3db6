//! What every request passes before a handler sees it, cheapest first: no web page, a known route,
//! a known token, room, a configuration, a client that it names, the verb.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use finp2p_crds::peer_organization::ApiVerb;
use finp2p_wire::error::Code;

use super::auth::NotACaller;
use super::auth::review::RETRY_S;
use super::problem::{Problem, Refused};
use super::route::{self, Access, Route};
use super::trail::{Finding, settle};
use super::{Api, auth};
use crate::audit::{self, Door};
use crate::config::Standing;
use crate::config::tracker::Age;
use crate::refusal_log::Line;

/// Longest for one request, body and answer of peers included: twice what the reader gives a peer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// When to come again after "busy", seconds.
const BUSY_RETRY_S: u64 = 1;

/// Who asks, and what is decided with.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// Name of the client.
    pub client: String,
    /// Names this request in the answer, the log and the audit.
    pub reference: String,
    /// What it asks for.
    pub route: &'static Route,
    /// The configuration in force when it came.
    pub standing: Option<Standing>,
}

impl Caller {
    /// A problem with this request.
    pub fn problem(&self, code: Code) -> Problem {
        Problem::new(code, self.reference.clone()).to(&self.client)
    }

    /// Digest of the configuration that decides; zeros before the first.
    pub fn configuration(&self) -> [u8; 32] {
        self.standing
            .as_ref()
            .map_or([0; 32], |standing| standing.applied.digest)
    }
}

/// The gate.
pub(super) async fn pass(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let reference = hex::encode(rand::random::<[u8; 8]>());
    let answer = tokio::time::timeout(
        REQUEST_TIMEOUT,
        enter(&api, request, next, reference.clone()),
    )
    .await
    .unwrap_or_else(|_| {
        Err(Problem::new(Code::Timeout, reference.clone()).saying(
            "The request took longer than a minute: send the body faster, or ask for less.",
        ))
    });
    let mut response = answer.unwrap_or_else(IntoResponse::into_response);
    if let Some(refused) = response.extensions_mut().remove::<Refused>() {
        tell(&api, &refused);
    }
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn enter(
    api: &Arc<Api>,
    mut request: Request,
    next: Next,
    reference: String,
) -> Result<Response, Problem> {
    let counted = |problem| count(api, problem);
    not_a_page(request.headers(), &reference).map_err(counted)?;
    let route = find(&request, &reference).map_err(counted)?;
    if route.access == Access::Anyone {
        return Ok(next.run(request).await);
    }
    let client = client(api, request.headers(), &reference)
        .await
        .map_err(counted)?;
    let busy = busy(&client, &reference);
    let Some(_room) = api.room.take().await else {
        return Err(counted(busy));
    };
    let caller = admit(api, client, route, reference).await?;
    request.extensions_mut().insert(caller);
    let (head, body) = request.into_parts();
    let (body, ended) = api.room.arrival(body);
    tokio::select! {
        biased;
        () = ended => Err(counted(busy)),
        answer = next.run(Request::from_parts(head, body)) => Ok(answer),
    }
}

/// Whoever has not shown a known token, or finds no room, is only counted, or he could fill the
/// disk.
fn count(api: &Api, problem: Problem) -> Problem {
    let refused = audit::Refused {
        door: Door::Api,
        organization: None,
        code: problem.code(),
        detail: problem.title(),
    };
    let now = api.local.clock.now();
    api.local.node.counters().count(now, refused);
    problem
}

fn tell(api: &Api, refused: &Refused) {
    let line = Line {
        door: Door::Api,
        who: refused.client.as_deref(),
        code: refused.code,
        reason: refused.slug,
        detail: None,
        reference: &refused.reference,
    };
    api.refusals.tell(api.local.clock.now(), &line);
}

/// Browsers name the page that a request comes from; programs do not. No page has business here,
/// least of all one that has talked a browser into calling a name of its own that leads to
/// loopback. (Such a page has no token either.)
fn not_a_page(headers: &HeaderMap, reference: &str) -> Result<(), Problem> {
    if headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site") {
        return Err(Problem::new(Code::NotPermitted, reference)
            .titled("origin")
            .saying("Web pages may not call this API: call it from a program."));
    }
    Ok(())
}

fn find(request: &Request, reference: &str) -> Result<&'static Route, Problem> {
    let path = request.extensions().get::<MatchedPath>();
    let found = path.map_or_else(
        || Err(Vec::new()),
        |path| route::find(request.method(), path.as_str()),
    );
    found.map_err(|methods| {
        if methods.is_empty() {
            return Problem::new(Code::NotFound, reference)
                .titled("unknown-route")
                .saying("There is no such route: GET /openapi.json lists them all.");
        }
        let allowed: Vec<&str> = methods.into_iter().map(Method::as_str).collect();
        let allowed = allowed.join(", ");
        Problem::new(Code::Malformed, reference)
            .with_status(StatusCode::METHOD_NOT_ALLOWED)
            .titled("method-not-allowed")
            .saying(format!("This route answers {allowed} only."))
            .allowing(allowed)
    })
}

/// The client whose token came along.
async fn client(api: &Api, headers: &HeaderMap, reference: &str) -> Result<String, Problem> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let token = match (given.next(), given.next()) {
        (Some(one), None) => one.to_str().ok().and_then(auth::bearer),
        _ => None,
    };
    let callers = &api.local.callers;
    let found = match token {
        Some(token) => callers.client(token).await,
        None => Err(NotACaller::Token(callers.wanted().to_owned())),
    };
    found.map_err(|reason| match reason {
        NotACaller::Token(words) => Problem::new(Code::Authentication, reference).saying(words),
        NotACaller::Unavailable(words) => Problem::new(Code::Unavailable, reference)
            .titled("authentication-unavailable")
            .saying(words)
            .retry_after(Some(RETRY_S)),
    })
}

fn busy(client: &str, reference: &str) -> Problem {
    Problem::new(Code::Unavailable, reference)
        .to(client)
        .titled("busy")
        .saying("The node answers as many requests as it can at once: try again in a moment, and send the body at once.")
        .retry_after(Some(BUSY_RETRY_S))
}

/// Whether the configuration lets this client do this; a refusal is audited.
async fn admit(
    api: &Arc<Api>,
    client: String,
    route: &'static Route,
    reference: String,
) -> Result<Caller, Problem> {
    let failed = Problem::new(Code::Internal, reference.clone()).to(&client);
    let api = Arc::clone(api);
    // The node's lock may be held while a configuration is put in force.
    let admitted = tokio::task::spawn_blocking(move || {
        let standing = api.local.node.standing(api.local.clock.now());
        let caller = Caller {
            client,
            reference,
            route,
            standing,
        };
        match permitted(&api, &caller) {
            Ok(()) => Ok(caller),
            Err(problem) => settle(&api, &caller, Finding::default(), Err(problem)),
        }
    });
    admitted.await.unwrap_or(Err(failed))
}

fn permitted(api: &Api, caller: &Caller) -> Result<(), Problem> {
    let Some(standing) = &caller.standing else {
        return Err(missing(api, caller));
    };
    let client = caller.client.as_str();
    let clients = standing.applied.root.api.as_slice();
    // After a roll-back a client may do only what both configurations let it do.
    let former = standing
        .restrained_by
        .as_ref()
        .map(|former| former.root.api.as_slice());
    if !auth::knows(clients, client) {
        return Err(caller
            .problem(Code::NotPermitted)
            .titled("client-unknown")
            .saying("The token is known, and its client is not: list it in spec.node.api.clients of the local PeerOrganization."));
    }
    if former.is_some_and(|former| !auth::knows(former, client)) {
        return Err(not_in_force(caller, "This client is listed"));
    }
    if let Access::Verb(verb) = caller.route.access {
        if !auth::allows(clients, client, verb) {
            return Err(lacks(caller, verb));
        }
        if former.is_some_and(|former| !auth::allows(former, client, verb)) {
            let listed = format!("This client's verb {verb:?} is listed");
            return Err(not_in_force(caller, &listed));
        }
    }
    // What decides who may ask is too old as well; the status says what is the matter.
    if standing.age == Age::Stale && caller.route.access != Access::Client {
        return Err(missing(api, caller));
    }
    // Nor what a volume says that does not take what must be kept.
    if api.local.node.volume_trouble().is_some() && caller.route.access != Access::Client {
        return Err(missing(api, caller));
    }
    Ok(())
}

fn lacks(caller: &Caller, verb: ApiVerb) -> Problem {
    caller
        .problem(Code::NotPermitted)
        .titled("verb")
        .saying(format!(
            "This client lacks the verb {verb:?}: add it to its allow list in spec.node.api.clients of the local PeerOrganization."
        ))
}

/// What the configuration gives a client that the one before the roll-back did not. Only who is
/// listed hears of the roll-back.
fn not_in_force(caller: &Caller, listed: &str) -> Problem {
    caller
        .problem(Code::NotPermitted)
        .titled("rolled-back")
        .saying(format!(
            "{listed} in spec.node.api.clients of the local PeerOrganization, and was not in a newer configuration that this node had (ConfigurationRolledBack): it takes effect once somebody who may accepts the older one (POST /v1/configuration/accept), or a higher sequence comes."
        ))
}

/// "Unavailable", with what the node waits for. Takes the node's lock.
pub(super) fn missing(api: &Api, caller: &Caller) -> Problem {
    let missing = api.local.node.missing(api.local.clock.now());
    let problem = caller.problem(Code::Unavailable).titled("not-ready");
    match missing {
        Some(missing) => problem.saying(format!("The node does not serve yet: {missing}.")),
        None => problem.saying("The node has only just become ready: try again."),
    }
}
