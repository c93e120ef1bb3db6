//! What the node is in, for a program or a person that wants to know why something does not work.

use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use finp2p_crds::peer_organization::ApiVerb;
use finp2p_crds::sidecar_config;
use finp2p_wire::error::Code;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::gate::Caller;
use super::problem::Problem;
use super::trail::blocking;
use super::{Api, Peers};
use crate::config::Standing;
use crate::config::tracker;

/// What is said of a suspended peer.
const SUSPENDED: &str = "Suspended by its PeerOrganization: nothing is exchanged with it, and its requests are refused and counted (finp2p_refusals_counted). Remove suspended to resume.";

/// What the node is in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// The organization that the node speaks for.
    #[schema(example = "bank-a")]
    organization: String,
    /// The network: consortium and environment.
    #[schema(example = "sandbox-finp2p")]
    network: String,
    /// Incarnation that the node runs as.
    incarnation: i64,
    /// Whether the node answers its peers.
    serving: bool,
    /// What keeps it from that.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What it decides with.
    configuration: Configuration,
    /// When the first of its certificates ends; absent while there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    certificates_end: Option<Timestamp>,
    /// The libp2p identity that peers see.
    #[schema(example = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp")]
    peer_id: String,
    /// Where it listens for peers.
    #[schema(example = json!(["/ip4/127.0.0.1/tcp/4001"]))]
    listening: Vec<String>,
    /// The peers that it knows, by organization.
    peers: Vec<Peer>,
    /// What it could not apply, or warns of.
    exceptions: Vec<Exception>,
    /// The client that asks.
    client: Client,
}

/// The configuration in force.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Configuration {
    /// Grows with every change of the set.
    sequence: i64,
    /// Name of the set.
    set: String,
    /// SHA-256 over the set, hex: audit entries name it.
    digest: String,
    /// How old the last contact with its source is.
    age: Age,
    /// Whether it is older than one that this node had: then only what both grant is served,
    /// until somebody accepts it or a higher sequence comes.
    rolled_back: bool,
}

/// How old the last contact with the source of the configuration is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Age {
    /// In contact.
    Fresh,
    /// No contact for an hour.
    Warn,
    /// No contact for so long that everything is denied.
    Stale,
}

/// A peer as this node sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Peer {
    /// The organization.
    #[schema(example = "bank-b")]
    organization_id: String,
    /// Whether its PeerOrganization is suspended: then nothing is exchanged with it, whatever
    /// policies say, and what it sends is refused and counted.
    suspended: bool,
    /// Whether the last attempt to speak with it succeeded; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    reachable: Option<bool>,
    /// When its node last answered a hello.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    last_hello: Option<Timestamp>,
    /// What to do about the last attempt, or about the suspension.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// What the node could not apply, or warns of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Exception {
    /// Kind of the object, or Node.
    #[schema(example = "SharedAsset")]
    kind: String,
    /// Name of the object.
    name: String,
    /// Condition reason.
    #[schema(example = "ContentNotFound")]
    reason: String,
    /// One sentence.
    message: String,
}

/// A client of this API.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Client {
    /// Its name in `spec.node.api.clients`.
    #[schema(example = "trading")]
    name: String,
    /// What it may do.
    #[schema(example = json!(["ReadAssets", "Fetch"]))]
    allow: Vec<String>,
}

/// What the node is in
///
/// For every client that the configuration names, whatever it may do; answered even when the
/// configuration is too old for anything else.
#[utoipa::path(
    get, path = "/v1/status", operation_id = "status", tag = "node",
    responses((status = 200, description = "What the node is in", body = Status)),
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    Extension(caller): Extension<Caller>,
) -> Result<Json<Status>, Problem> {
    let asking = caller.clone();
    blocking(&caller, move || status(&api, asking).map(Json)).await
}

fn status(api: &Api, caller: Caller) -> Result<Status, Problem> {
    let Some(standing) = &caller.standing else {
        return Err(caller.problem(Code::Unavailable));
    };
    let (node, now) = (&api.local.node, api.local.clock.now());
    let (root, connected) = (&standing.applied.root, api.local.peers.get());
    let message = node.missing(now);
    Ok(Status {
        organization: root.organization_id.clone(),
        network: root.network.clone(),
        incarnation: root.incarnation,
        serving: message.is_none(),
        message,
        configuration: configuration(standing),
        certificates_end: node.state(now).certificates_end,
        peer_id: node.keys().peer_id().to_string(),
        listening: connected
            .iter()
            .flat_map(|peers| &peers.listening)
            .map(ToString::to_string)
            .collect(),
        peers: peers(standing, connected),
        exceptions: node
            .status(now, Vec::new())
            .exceptions
            .into_iter()
            .map(Exception::from)
            .collect(),
        client: Client {
            allow: allowed(standing, &caller.client),
            name: caller.client,
        },
    })
}

fn configuration(standing: &Standing) -> Configuration {
    let applied = &standing.applied;
    Configuration {
        sequence: applied.root.sequence,
        set: applied.root.set.clone(),
        digest: hex::encode(applied.digest),
        age: match standing.age {
            tracker::Age::Fresh => Age::Fresh,
            tracker::Age::Warn => Age::Warn,
            tracker::Age::Stale => Age::Stale,
        },
        rolled_back: standing.restrained_by.is_some(),
    }
}

/// The peers of the configuration, and how the last contact with each went.
fn peers(standing: &Standing, connected: Option<&Peers>) -> Vec<Peer> {
    let contacts = connected.map(|peers| peers.reader.contacts());
    let contact = |organization: &str| contacts.as_ref()?.get(organization).cloned();
    let declared = standing.applied.facts.peers().iter();
    let mut peers: Vec<Peer> = declared
        .map(|peer| &peer.payload)
        .map(|peer| {
            let contact = contact(&peer.organization_id).unwrap_or_default();
            let asked = contact.last_hello.is_some() || contact.message.is_some();
            let suspended = peer.suspended.then_some(SUSPENDED);
            Peer {
                organization_id: peer.organization_id.clone(),
                suspended: peer.suspended,
                reachable: asked.then(|| contact.is_reachable()),
                last_hello: contact.last_hello,
                message: suspended.or(contact.message).map(str::to_owned),
            }
        })
        .collect();
    peers.sort_by(|a, b| a.organization_id.cmp(&b.organization_id));
    peers
}

fn allowed(standing: &Standing, client: &str) -> Vec<String> {
    let allowed = |api: &[finp2p_crds::peer_organization::ApiClient], verb: ApiVerb| {
        super::auth::allows(api, client, verb)
    };
    let verbs = standing.applied.root.api.iter();
    let mut verbs: Vec<ApiVerb> = verbs
        .filter(|known| known.service_account == client)
        .flat_map(|known| known.allow.iter().copied())
        .filter(|verb| {
            standing
                .restrained_by
                .as_ref()
                .is_none_or(|other| allowed(&other.root.api, *verb))
        })
        .collect();
    verbs.sort_unstable();
    verbs.dedup();
    verbs.into_iter().map(|verb| format!("{verb:?}")).collect()
}

impl From<sidecar_config::Exception> for Exception {
    fn from(exception: sidecar_config::Exception) -> Self {
        Self {
            kind: exception.kind,
            name: exception.name,
            reason: exception.reason,
            message: exception.message,
        }
    }
}
