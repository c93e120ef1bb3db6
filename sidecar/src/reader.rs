//! The reader's side: asks a resource's Primary for it, and believes nothing but its signature.
//!
//! Modules in reading order: `error` (what can go wrong, and what each of it may be taken for);
//! `peer` (what is pinned and agreed); `hello`; `session`; `record`; `counters`.
//!
//! ```text
//! fetch ─► session of the peer ─(none)─► dial ─► hello ─► hello-ok: chain, signature, peer id,
//!            │                                            incarnation, version, clock ─► session
//!            └► signed request ─► answer: session key's signature, digest of this request
//!                 └► record: bound to the answer, key certified (`keys` when unknown), verified
//!                      └► Fetched, to the caller; nothing is kept, nothing is written
//! ```
//!
//! An answer without a signature is a hint. It can make the reader say hello again or wait, a
//! bounded number of times; it never becomes "not shared".

mod counters;
mod error;
mod hello;
mod peer;
mod record;
mod session;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use finp2p_crds::ResourceId;
use finp2p_crds::entry::PeerEntry;
use finp2p_wire::cbor::{List, Text};
use finp2p_wire::certificate::{Moment, verify_chain};
use finp2p_wire::error::{Code, Reference};
use finp2p_wire::key::Kid;
use finp2p_wire::limits::CATALOG_PAGE_MAX;
use finp2p_wire::message::{
    Answer, Body, Catalog, CatalogItem, CatalogPage, FetchAnswer, FetchItem, Keys, Purpose,
};

use crate::clock::Clock;
use crate::identity::Identity;
use crate::network::{Admissions, Client, NetworkError};
use crate::store::StoreError;
use hello::Greeting;
use peer::{Peer, seconds};
use record::Received;
use session::{Answered, Session};

pub use counters::{ReaderCounters, ReaderCounts};
pub use error::{AnswerFault, Fault, FetchError, HelloFault, Hinted, LocalFault, RecordFault};
pub use peer::Contact;
pub use record::Fetched;

/// Attempts at one request: the first, one after another hello, and one to spare when the peer
/// restarts in between.
const ATTEMPTS_MAX: usize = 3;

/// Longest for all attempts together: two network timeouts.
const ASK_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest that the reader waits by itself because it was told to; more is left to the caller.
const WAIT_MAX_S: u64 = 3;

/// Pages of one catalogue: at 256 items a page ten thousand assets and as many again.
const CATALOG_PAGES_MAX: usize = 80;

/// Remembers the highest incarnation seen of each organization, across restarts.
pub trait IncarnationMemory: Send + Sync {
    /// The highest incarnation seen, 0 when none was.
    ///
    /// # Errors
    /// [`StoreError`]: it must be taken for unknown how high it was.
    fn highest(&self, organization: &str) -> Result<u64, StoreError>;

    /// Remembers an incarnation if it is higher; durable when this returns.
    ///
    /// # Errors
    /// [`StoreError`]: it is not remembered.
    fn raise(&self, organization: &str, incarnation: u64) -> Result<(), StoreError>;
}

/// Asks other organizations for what they share. One for the node; everything takes `&self`.
pub struct Reader {
    client: Client,
    admissions: Admissions,
    incarnations: Arc<dyn IncarnationMemory>,
    clock: Clock,
    counters: Arc<ReaderCounters>,
    identity: RwLock<Option<Arc<Identity>>>,
    peers: RwLock<HashMap<String, Arc<Peer>>>,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

/// What is asked of whom, in one session or the next.
struct Question<'a> {
    peer: &'a Arc<Peer>,
    identity: &'a Arc<Identity>,
    body: Body,
    purpose: Option<Purpose>,
}

impl Reader {
    /// A reader without an identity and without peers.
    #[must_use]
    pub fn new(
        client: Client,
        admissions: Admissions,
        incarnations: Arc<dyn IncarnationMemory>,
        clock: Clock,
        counters: Arc<ReaderCounters>,
    ) -> Self {
        Self {
            client,
            admissions,
            incarnations,
            clock,
            counters,
            identity: RwLock::default(),
            peers: RwLock::default(),
        }
    }

    /// Speaks with these keys and certificates from now on; sessions of another key end.
    pub fn set_identity(&self, identity: Arc<Identity>) {
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(identity);
    }

    /// Knows these peers and no others from now on. What was agreed with a peer holds on only if
    /// its entry is unchanged.
    pub fn set_peers(&self, entries: impl IntoIterator<Item = PeerEntry>) {
        let mut peers = self.peers.write().unwrap_or_else(PoisonError::into_inner);
        let mut old = std::mem::take(&mut *peers);
        for entry in entries {
            let id = entry.organization_id.clone();
            let kept = old.remove(&id).filter(|peer| peer.entry == entry);
            peers.insert(id, kept.unwrap_or_else(|| Arc::new(Peer::new(entry))));
        }
    }

    /// How the last contact with each peer went, by organization. A peer that was never asked
    /// has an empty contact.
    #[must_use]
    pub fn contacts(&self) -> HashMap<String, Contact> {
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        peers
            .iter()
            .map(|(id, peer)| (id.clone(), peer.contact()))
            .collect()
    }

    /// Asks the Primary of `resource` for it: for `units` (JSON Pointers; all that is granted when
    /// absent), for a purpose where the Primary demands one.
    ///
    /// # Errors
    /// [`FetchError`]; "not shared" and "not permitted" only when the Primary has signed them.
    pub async fn fetch(
        &self,
        resource: &str,
        units: Option<&[String]>,
        purpose: Option<&str>,
    ) -> Result<Fetched, FetchError> {
        let id: ResourceId = resource
            .parse()
            .map_err(|error| unsent(LocalFault::Resource(error)))?;
        let (identity, peer) = self.parties(id.organization()).map_err(unsent)?;
        let item = fetch_item(resource, units).map_err(unsent)?;
        let question = Question {
            peer: &peer,
            identity: &identity,
            body: Body::Fetch(List::new(vec![item]).map_err(|_| unsent(LocalFault::Bounds))?),
            purpose: purpose
                .map(Text::new)
                .transpose()
                .map_err(|_| unsent(LocalFault::Bounds))?,
        };
        let answered = self.ask(&question).await?;
        let reference = answered.reference;
        self.accept(&peer, &identity, resource, answered)
            .await
            .map_err(|fault| self.rejected(fault, reference))
    }

    /// Everything that `organization` shares with this node, ascending by resource id.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn catalog(&self, organization: &str) -> Result<Vec<CatalogItem>, FetchError> {
        let (identity, peer) = self.parties(organization).map_err(unsent)?;
        let mut items: Vec<CatalogItem> = Vec::new();
        let mut after = None;
        for _ in 0..CATALOG_PAGES_MAX {
            let body = Body::Catalog(Catalog {
                after,
                max: CATALOG_PAGE_MAX as u64,
            });
            let question = Question {
                peer: &peer,
                identity: &identity,
                body,
                purpose: None,
            };
            let answered = self.ask(&question).await?;
            let reference = answered.reference;
            let page = catalog_page(answered, organization, items.last())
                .map_err(|fault| self.rejected(fault, reference))?;
            items.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(items)
    }

    /// Makes sure that the record key `kid` of `organization` is known and certified at
    /// `issued_at` (unix seconds), asking the organization for its certificate.
    ///
    /// # Errors
    /// [`FetchError`]; [`RecordFault::UnknownKey`] when the organization does not know it either.
    pub async fn learn_key(
        &self,
        organization: &str,
        kid: Kid,
        issued_at: u64,
    ) -> Result<(), FetchError> {
        let (identity, peer) = self.parties(organization).map_err(unsent)?;
        let keys = Keys {
            kids: List::new(vec![kid]).map_err(|_| unsent(LocalFault::Bounds))?,
        };
        let question = Question {
            peer: &peer,
            identity: &identity,
            body: Body::Keys(keys),
            purpose: None,
        };
        let answered = self.ask(&question).await?;
        let reference = answered.reference;
        self.learn(&peer, &identity, kid, issued_at, answered.answer)
            .map_err(|fault| self.rejected(fault, reference))
    }

    fn learn(
        &self,
        peer: &Peer,
        identity: &Identity,
        kid: Kid,
        issued_at: u64,
        answer: Answer,
    ) -> Result<(), Fault> {
        let certificates = match answer {
            Answer::Keys(answer) => answer.certs.ok_or(RecordFault::UnknownKey)?,
            Answer::Refused(refusal) => return Err(Fault::Refused(refusal)),
            _ => return Err(AnswerFault::Malformed.into()),
        };
        let now = seconds(self.clock.now());
        let moment = Moment::Record {
            issued_at,
            received_at: now,
        };
        let verified = verify_chain(&peer.trust(&identity.network), &certificates, moment)
            .map_err(RecordFault::Key)?;
        verified.record_key(kid).ok_or(RecordFault::UnknownKey)?;
        peer.learn(now, &verified);
        Ok(())
    }

    /// This node and the peer, if the two may speak.
    fn parties(&self, organization: &str) -> Result<(Arc<Identity>, Arc<Peer>), LocalFault> {
        let identity = self
            .identity
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .ok_or(LocalFault::NoIdentity)?;
        if identity.organization == organization {
            return Err(LocalFault::Own);
        }
        let peers = self.peers.read().unwrap_or_else(PoisonError::into_inner);
        let peer = peers
            .get(organization)
            .cloned()
            .ok_or(LocalFault::UnknownPeer)?;
        if peer.entry.suspended {
            return Err(LocalFault::Suspended);
        }
        if peer.addresses.is_empty() {
            return Err(LocalFault::NoAddress);
        }
        Ok((identity, peer))
    }

    /// Takes the one record of a fetch from its answer.
    async fn accept(
        &self,
        peer: &Arc<Peer>,
        identity: &Identity,
        resource: &str,
        answered: Answered,
    ) -> Result<Fetched, Fault> {
        let Answered {
            answer,
            attachments,
            reference,
        } = answered;
        let answers = match answer {
            Answer::Fetch(answers) => answers,
            Answer::Refused(refusal) => return Err(Fault::Refused(refusal)),
            _ => return Err(AnswerFault::Malformed.into()),
        };
        let (named, terms) = match answers.into_iter().next() {
            Some(FetchAnswer::Record { record, terms }) => (record, terms),
            Some(FetchAnswer::Refused(refusal)) => return Err(Fault::Refused(refusal)),
            Some(FetchAnswer::Unchanged { .. }) | None => return Err(AnswerFault::NoCopy.into()),
        };
        let received = Received::new(named, attachments)?;
        let organization = peer.organization();
        if !peer.knows_key(seconds(self.clock.now()), received.kid) {
            let known = self
                .learn_key(organization, received.kid, received.issued_at)
                .await;
            known.map_err(|error| error.fault)?;
        }
        let now = seconds(self.clock.now());
        let parties = (organization, resource, identity.network.as_str());
        Ok(received.verify(parties, now, &peer.record_keys(now), terms, reference)?)
    }

    fn rejected(&self, fault: Fault, reference: Reference) -> FetchError {
        match &fault {
            Fault::Refused(_) => self.counters.refusals.add_one(),
            Fault::NotAnAnswer(_) | Fault::Record(_) => {
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
    async fn ask(&self, question: &Question<'_>) -> Result<Answered, FetchError> {
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
        let now = seconds(self.clock.now());
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
            Err(fault) => {
                if matches!(fault, Fault::Hinted(_)) {
                    self.counters.hints.add_one();
                }
                Err((self.rejected(fault, reference), Some(session)))
            }
        }
    }

    /// The session with the peer, after a hello if there is none.
    async fn session(
        &self,
        peer: &Arc<Peer>,
        identity: &Identity,
    ) -> Result<Arc<Session>, FetchError> {
        let mut current = peer.session.lock().await;
        let now = seconds(self.clock.now());
        if let Some(session) = current
            .as_ref()
            .filter(|session| session.holds(now, identity))
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
        let now = seconds(self.clock.now());
        let mut greeting = Greeting::new(identity, peer, now).map_err(unsent)?;
        let reference = greeting.reference();
        let frame = std::mem::take(&mut greeting.frame);
        self.counters.hellos.add_one();
        let answer = self
            .client
            .request(remote, peer.addresses.clone(), frame)
            .await;
        let welcome = match answer {
            Ok(bytes) => greeting.read(identity, peer, remote, now, &bytes),
            Err(error) => Err(error.into()),
        };
        let welcome = match welcome {
            Ok(welcome) => self
                .remember(peer.organization(), welcome.certificates.incarnation)
                .map(|()| welcome),
            Err(fault) => Err(fault),
        };
        match welcome {
            Ok(welcome) => {
                self.counters.sessions.add_one();
                self.admissions.admit(remote, peer.organization());
                peer.learn(now, &welcome.certificates);
                peer.reached(self.clock.now(), welcome.trust);
                Ok(welcome.session)
            }
            Err(fault) => {
                if matches!(fault, Fault::Hello(_)) {
                    self.counters.rejected.add_one();
                    tracing::warn!(organization = peer.organization(), %remote, fault = %chain(&fault), "a hello's answer was refused");
                    self.client.hang_up(remote).await;
                }
                Err(FetchError {
                    fault,
                    reference: Some(reference),
                })
            }
        }
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

fn unsent(fault: LocalFault) -> FetchError {
    FetchError {
        fault: fault.into(),
        reference: None,
    }
}

fn fetch_item(resource: &str, units: Option<&[String]>) -> Result<FetchItem, LocalFault> {
    let units = match units {
        Some(units) => {
            let pointers: Result<Vec<_>, _> = units.iter().map(|unit| Text::new(&**unit)).collect();
            Some(
                pointers
                    .and_then(List::new)
                    .map_err(|_| LocalFault::Bounds)?,
            )
        }
        None => None,
    };
    let r = Text::new(resource).map_err(|_| LocalFault::Bounds)?;
    Ok(FetchItem {
        r,
        units,
        have: None,
    })
}

/// A page whose items are the organization's own and follow on what came before.
fn catalog_page(
    answered: Answered,
    organization: &str,
    last: Option<&CatalogItem>,
) -> Result<CatalogPage, Fault> {
    let page = match answered.answer {
        Answer::Catalog(page) => page,
        Answer::Refused(refusal) => return Err(Fault::Refused(refusal)),
        _ => return Err(AnswerFault::Malformed.into()),
    };
    let ids = last
        .into_iter()
        .chain(page.items.iter())
        .map(|item| item.r.as_str());
    let ascending = ids.clone().zip(ids.skip(1)).all(|(one, next)| one < next);
    let own = page.items.iter().all(|item| {
        item.r
            .parse::<ResourceId>()
            .is_ok_and(|id| id.organization() == organization)
    });
    // A page that leads nowhere would be asked for for ever.
    let leads_on =
        page.next.is_none() || page.next.as_ref() == page.items.last().map(|item| &item.r);
    if ascending && own && leads_on {
        Ok(page)
    } else {
        Err(AnswerFault::Catalog.into())
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
