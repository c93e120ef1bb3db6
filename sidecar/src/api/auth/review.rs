//! Callers on a cluster: the token of a service account, which the API server vouches for
//! (TokenReview). Tokens are neither kept nor printed; answers are remembered by the token's SHA-256.
//!
//! What a token says of itself is read first, unverified: one for another audience or from another
//! namespace is refused without asking. What remains costs the API server a bounded number of
//! reviews a second, so that nobody can turn this API into a hammer on that one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{MAX_TOKEN_BYTES, NotACaller};
use crate::clock::Clock;
use crate::config::kubernetes::server::{Server, ServerError};

/// How long the API server's yes is believed: a deleted service account or pod is shut out after
/// this at most.
const YES_FOR: SignedDuration = SignedDuration::from_secs(60);
/// How long its no is believed: a clock that was behind, or an account that was only just made, is
/// asked about again soon.
const NO_FOR: SignedDuration = SignedDuration::from_secs(5);
/// Reviews a second of tokens that were not accepted before.
const REVIEWS_PER_SECOND: u32 = 16;
/// Most answers that are remembered: 32 clients, each with many pods.
const MAX_KNOWN: usize = 1024;
/// Reviews at once; tokens that fall into one lane wait for each other, and the same token always
/// does.
const LANES: usize = 16;
/// When to come again after "the API server is away", seconds.
pub(crate) const RETRY_S: u64 = 2;

/// Asks the API server who calls.
#[derive(Debug)]
pub struct Reviews {
    server: Server,
    audience: String,
    namespace: String,
    clock: Clock,
    state: Mutex<State>,
    lanes: [tokio::sync::Mutex<()>; LANES],
    failing: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    known: HashMap<[u8; 32], Known>,
    second: Option<Timestamp>,
    reviews: u32,
}

/// What the API server said of a token.
#[derive(Clone, Debug)]
struct Known {
    client: Option<String>,
    at: Timestamp,
    until: Timestamp,
}

/// What a token says of itself, unverified.
#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: Audiences,
    exp: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Many(Vec<String>),
}

impl Default for Audiences {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

#[derive(Deserialize)]
struct Review {
    #[serde(default)]
    status: ReviewStatus,
}

#[derive(Default, Deserialize)]
struct ReviewStatus {
    #[serde(default)]
    authenticated: bool,
    #[serde(default)]
    audiences: Vec<String>,
    #[serde(default)]
    user: User,
}

#[derive(Default, Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

impl Reviews {
    /// Callers of the node of `organization`: service accounts of its own namespace, with tokens
    /// for the audience `finp2p-ORG-api`.
    #[must_use]
    pub fn new(server: Server, organization: &str, namespace: String, clock: Clock) -> Self {
        Self {
            server,
            audience: format!("finp2p-{organization}-api"),
            namespace,
            clock,
            state: Mutex::default(),
            lanes: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            failing: AtomicBool::new(false),
        }
    }

    /// The service account whose token this is.
    ///
    /// # Errors
    /// [`NotACaller`] says what its holder can do.
    pub async fn client(&self, token: &str) -> Result<String, NotACaller> {
        let claims = self.look_at(token)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.known(&digest) {
            return known;
        }
        let lane = digest.first().map_or(0, |byte| usize::from(*byte) % LANES);
        let Some(lane) = self.lanes.get(lane) else {
            return Err(NotACaller::Unavailable(BUSY));
        };
        // Whoever waited for the same token finds the answer.
        let _lane = lane.lock().await;
        if let Some(known) = self.known(&digest) {
            return known;
        }
        if !self.may_ask(&digest) {
            return Err(NotACaller::Unavailable(BUSY));
        }
        let answer = self.review(token).await;
        self.tell(answer.as_ref().err());
        let client = answer.map_err(|error| match error {
            ServerError::Forbidden(_) | ServerError::Unauthorized => {
                NotACaller::Unavailable(NOT_ALLOWED)
            }
            _ => NotACaller::Unavailable(AWAY),
        })?;
        self.remember(digest, client.clone(), claims.exp);
        client.ok_or(NotACaller::Token(NOT_ACCEPTED.to_owned()))
    }

    /// What the token says of itself, if it may be one of ours.
    fn look_at(&self, token: &str) -> Result<Claims, NotACaller> {
        let claims = claims(token).ok_or_else(|| {
            NotACaller::Token(format!(
                "This is not the token of a service account: mount one for the audience {} (a projected serviceAccountToken volume), or try kubectl create token NAME --audience {}.",
                self.audience, self.audience
            ))
        })?;
        let ours = match &claims.aud {
            Audiences::One(audience) => *audience == self.audience,
            Audiences::Many(audiences) => audiences.contains(&self.audience),
        };
        if !ours {
            return Err(NotACaller::Token(format!(
                "The token was made for another audience than {}: mount one for it (a projected serviceAccountToken volume), or try kubectl create token NAME --audience {}.",
                self.audience, self.audience
            )));
        }
        if self.account(&claims.sub).is_none() {
            return Err(NotACaller::Token(format!(
                "Only service accounts of namespace {} may call this node.",
                self.namespace
            )));
        }
        Ok(claims)
    }

    /// The account behind a user name, if it is one of our namespace.
    fn account<'u>(&self, user: &'u str) -> Option<&'u str> {
        let account = user
            .strip_prefix("system:serviceaccount:")?
            .strip_prefix(self.namespace.as_str())?
            .strip_prefix(':')?;
        (!account.is_empty() && !account.contains(':')).then_some(account)
    }

    async fn review(&self, token: &str) -> Result<Option<String>, ServerError> {
        let body = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [self.audience]},
        });
        let request = Request::post("/apis/authentication.k8s.io/v1/tokenreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body.to_string().into_bytes())
            .map_err(|_| ServerError::Request)?;
        let review: Review = self.server.ask(request).await?;
        let status = review.status;
        // A server that does not know audiences names none: its yes is about something else.
        let accepted = status.authenticated && status.audiences.contains(&self.audience);
        let account = self.account(&status.user.username);
        Ok(account.filter(|_| accepted).map(str::to_owned))
    }

    fn known(&self, digest: &[u8; 32]) -> Option<Result<String, NotACaller>> {
        let now = self.clock.now();
        let state = self.state();
        let known = state.known.get(digest)?;
        // A clock that was set back does not make an answer last longer.
        if now >= known.until || now < known.at {
            return None;
        }
        Some(match &known.client {
            Some(client) => Ok(client.clone()),
            None => Err(NotACaller::Token(NOT_ACCEPTED.to_owned())),
        })
    }

    /// Whether the token may be reviewed now. Those that were accepted before always may: strangers
    /// must not be able to shut out the programs that work.
    fn may_ask(&self, digest: &[u8; 32]) -> bool {
        let now = self.clock.now();
        let mut state = self.state();
        let was_ours = state.known.get(digest).is_some_and(|k| k.client.is_some());
        if was_ours {
            return true;
        }
        let same_second = state
            .second
            .is_some_and(|second| now.duration_since(second).abs() < SignedDuration::from_secs(1));
        if !same_second {
            state.second = Some(now);
            state.reviews = 0;
        }
        state.reviews += 1;
        state.reviews <= REVIEWS_PER_SECOND
    }

    fn remember(&self, digest: [u8; 32], client: Option<String>, ends: Option<i64>) {
        let at = self.clock.now();
        let last = if client.is_some() { YES_FOR } else { NO_FOR };
        let mut until = at.checked_add(last).unwrap_or(at);
        // What the API server has accepted says truly when it ends.
        if let Some(end) = ends.and_then(|end| Timestamp::from_second(end).ok()) {
            until = until.min(end);
        }
        let mut state = self.state();
        if state.known.len() >= MAX_KNOWN && !state.known.contains_key(&digest) {
            // The refused go first, then whoever was asked about longest ago.
            let oldest = state
                .known
                .iter()
                .min_by_key(|(_, known)| (known.client.is_some(), known.at))
                .map(|(digest, _)| *digest);
            if let Some(oldest) = oldest {
                state.known.remove(&oldest);
            }
        }
        state.known.insert(digest, Known { client, at, until });
    }

    /// Tells once when reviews begin to fail, and once when they work again.
    fn tell(&self, error: Option<&ServerError>) {
        let was_failing = self.failing.swap(error.is_some(), Ordering::Relaxed);
        match error {
            Some(error) if !was_failing => tracing::warn!(
                "callers of the local API cannot be verified, which the chart lets the node do by create on tokenreviews: {error}"
            ),
            None if was_failing => tracing::info!("callers of the local API are verified again"),
            _ => {}
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const NOT_ACCEPTED: &str = "The Kubernetes API server does not accept the token: it may have ended, or its service account or pod is gone. Read it again from its file at every request.";
const BUSY: &str = "Too many unknown tokens are being verified: try again in a moment.";
const AWAY: &str = "The Kubernetes API server, which says whose token it is, does not answer: try again in a moment.";
const NOT_ALLOWED: &str = "The node may not ask the Kubernetes API server whose token it is: give its service account the right to create tokenreviews (the chart does).";

fn claims(token: &str) -> Option<Claims> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload).ok()?);
    serde_json::from_slice(&payload).ok()
}

#[cfg(test)]
mod tests;
