//! One request, until there is an answer or nothing more that the reader could do about it.

use std::sync::Arc;
use std::time::Duration;

use finp2p_wire::error::{Code, Reference};
use finp2p_wire::message::{Body, Purpose};

use super::error::{Fault, FetchError, HelloFault, LocalFault};
use super::hello::{Greeting, Welcome};
use super::peer::Peer;
use super::session::{Answered, Session};
use super::{Reader, Time};
use crate::identity::Identity;
use crate::network::NetworkError;
use crate::request::time::is_close;

/// Attempts at one request: the first, one after another hello, and one to spare when the peer
/// restarts in between.
const ATTEMPTS_MAX: usize = 3;

/// Longest for all attempts together: two network timeouts.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest that the reader waits by itself because it was told to; more is left to the caller.
const WAIT_MAX_S: u64 = 3;

/// What is asked of whom, in one session or the next.
pub(super) struct Question<'a> {
    pub(super) peer: &'a Arc<Peer>,
    pub(super) identity: &'a Arc<Identity>,
    pub(super) body: Body,
    pub(super) purpose: Option<Purpose>,
}

impl Reader {
    pub(super) fn rejected(&self, fault: Fault, reference: Reference) -> FetchError {
        match &fault {
            Fault::Refused(_) => self.counters.refusals.add_one(),
            Fault::Hinted(_) => self.counters.hints.add_one(),
            Fault::Hello(_) | Fault::NotAnAnswer(_) | Fault::Record(_) => {
                self.counters.rejected.add_one();
                tracing::warn!(%reference, fault = %chain(&fault), "a peer's answer was refused");
            }
            _ => {}
        }
        FetchError {
            fault,
            reference: Some(reference),
        }
    }

    /// Asks until there is an answer, or nothing more that the reader could do about it.
    pub(super) async fn ask(&self, question: &Question<'_>) -> Result<Answered, FetchError> {
        let attempts = tokio::time::timeout(ASK_TIMEOUT, self.attempts(question)).await;
        let answered = attempts.unwrap_or_else(|_| Err(unsent(LocalFault::Timeout)));
        match &answered {
            Ok(_) => question.peer.answered(),
            Err(error) => question.peer.missed(error.sentence()),
        }
        answered
    }

    async fn attempts(&self, question: &Question<'_>) -> Result<Answered, FetchError> {
        for _ in 1..ATTEMPTS_MAX {
            let (error, session) = match self.attempt(question).await {
                Ok(answered) => return Ok(answered),
                Err(failed) => failed,
            };
            match remedy(&error.fault, session.is_some()) {
                Remedy::None => return Err(error),
                Remedy::Repeat => {}
                Remedy::Hello => {
                    if let Some(session) = session {
                        question.peer.end(&session).await;
                    }
                }
                Remedy::Wait(time) => tokio::time::sleep(time).await,
            }
        }
        self.attempt(question).await.map_err(|(error, _)| error)
    }

    /// One request in a session. A failure comes with the session, if there was one.
    async fn attempt(
        &self,
        question: &Question<'_>,
    ) -> Result<Answered, (FetchError, Option<Arc<Session>>)> {
        let Question { peer, identity, .. } = question;
        let session = self
            .session(peer, identity)
            .await
            .map_err(|error| (error, None))?;
        let now = self.time().now;
        let (body, purpose) = (question.body.clone(), question.purpose.clone());
        let mut asked = session
            .ask(now, identity, body, purpose)
            .map_err(|fault| (unsent(fault), None))?;
        let reference = asked.reference();
        let frame = std::mem::take(&mut asked.frame);
        self.counters.requests.add_one();
        let read = match self
            .client
            .request(session.peer, peer.addresses.clone(), frame)
            .await
        {
            Ok(bytes) => asked.read(&identity.network, &session, &bytes),
            Err(error) => Err(error.into()),
        };
        match read {
            Ok(answered) => {
                self.counters.answers.add_one();
                Ok(answered)
            }
            Err(fault) => Err((self.rejected(fault, reference), Some(session))),
        }
    }

    /// The session with the peer, after a hello if there is none.
    async fn session(
        &self,
        peer: &Arc<Peer>,
        identity: &Identity,
    ) -> Result<Arc<Session>, FetchError> {
        let mut current = peer.session.lock().await;
        let believed = self.time().believed;
        if let Some(session) = current
            .as_ref()
            .filter(|session| session.holds(believed, identity))
        {
            return Ok(Arc::clone(session));
        }
        *current = None;
        let session = Arc::new(self.hello(peer, identity).await?);
        *current = Some(Arc::clone(&session));
        Ok(session)
    }

    async fn hello(&self, peer: &Arc<Peer>, identity: &Identity) -> Result<Session, FetchError> {
        let remote = self
            .client
            .dial(peer.addresses.clone())
            .await
            .map_err(|error| FetchError {
                fault: error.into(),
                reference: None,
            })?;
        let time = self.time();
        let mut greeting = Greeting::new(identity, peer, time.now).map_err(unsent)?;
        let reference = greeting.reference();
        let frame = std::mem::take(&mut greeting.frame);
        self.counters.hellos.add_one();
        let answer = self
            .client
            .request(remote, peer.addresses.clone(), frame)
            .await;
        let welcome = match answer {
            Ok(bytes) => greeting.read(identity, peer, remote, time.believed, &bytes),
            Err(error) => Err(error.into()),
        };
        match welcome.and_then(|welcome| self.welcomed(peer, time, welcome)) {
            Ok(session) => {
                self.counters.sessions.add_one();
                self.admissions.admit(remote, peer.organization());
                Ok(session)
            }
            Err(fault) => {
                if matches!(fault, Fault::Hello(_)) {
                    self.client.hang_up(remote).await;
                }
                Err(self.rejected(fault, reference))
            }
        }
    }

    /// Takes in what a hello's answer says that is true beyond doubt; refuses a node of another
    /// time or of an earlier incarnation.
    fn welcomed(&self, peer: &Peer, time: Time, welcome: Welcome) -> Result<Session, Fault> {
        let at = self.clock.now();
        self.timekeeper
            .witness(at, peer.organization(), welcome.time);
        if !is_close(time.now, welcome.time) {
            return Err(HelloFault::Clock {
                theirs: welcome.time,
                ours: time.now,
            }
            .into());
        }
        self.remember(peer.organization(), welcome.certificates.incarnation)?;
        peer.learn(time.believed, &welcome.certificates);
        peer.reached(at, welcome.trust);
        Ok(welcome.session)
    }

    /// Refuses an incarnation lower than the highest seen, and remembers a higher one.
    fn remember(&self, organization: &str, incarnation: u64) -> Result<(), Fault> {
        let highest = self
            .incarnations
            .highest(organization)
            .map_err(LocalFault::Memory)?;
        if incarnation < highest {
            return Err(HelloFault::Incarnation.into());
        }
        if incarnation > highest {
            self.incarnations
                .raise(organization, incarnation)
                .map_err(LocalFault::Memory)?;
        }
        Ok(())
    }
}

/// What the reader can do by itself about a failure.
enum Remedy {
    None,
    /// The same again, under another number.
    Repeat,
    Hello,
    Wait(Duration),
}

/// `in_session`: the request was sent; otherwise its hello has failed.
fn remedy(fault: &Fault, in_session: bool) -> Remedy {
    match fault {
        Fault::Hinted(hinted) => match hinted.code {
            Code::RateLimited => match hinted.retry_s.unwrap_or(1) {
                wait @ 0..=WAIT_MAX_S => Remedy::Wait(Duration::from_secs(wait.max(1))),
                _ => Remedy::None,
            },
            Code::Replay if in_session => Remedy::Repeat,
            Code::Clock | Code::Version | Code::Malformed | Code::TooLarge => Remedy::None,
            _ if in_session => Remedy::Hello,
            _ => Remedy::None,
        },
        // The peer may have restarted under another peer id, or have forgotten us.
        Fault::Network(NetworkError::Closed | NetworkError::Unreachable(_)) if in_session => {
            Remedy::Hello
        }
        _ => Remedy::None,
    }
}

pub(super) fn unsent(fault: LocalFault) -> FetchError {
    FetchError {
        fault: fault.into(),
        reference: None,
    }
}

/// An error with what is behind it, for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
