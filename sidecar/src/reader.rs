//! The reader's side: asks a resource's Primary for it, and believes nothing but its signature.
//!
//! Modules in reading order: `error` (what can go wrong, and what each of it may be taken for);
//! `peer` (what is pinned and agreed); `hello`; `session`; `exchange` (one request until there is
//! an answer); `record`; `counters`.
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
mod exchange;
mod hello;
mod peer;
mod record;
mod session;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use finp2p_crds::ResourceId;
use finp2p_crds::entry::PeerEntry;
use finp2p_wire::cbor::{List, Text};
use finp2p_wire::certificate::{Moment, verify_chain};
use finp2p_wire::key::Kid;
use finp2p_wire::limits::CATALOG_PAGE_MAX;
use finp2p_wire::message::{
    Answer, Body, Catalog, CatalogItem, CatalogPage, FetchAnswer, FetchItem, Keys, Resource,
};

use crate::clock::Clock;
use crate::identity::Identity;
use crate::network::{Admissions, Client};
use crate::request::Incarnations;
use crate::request::time::{Timekeeper, unix};
use exchange::{Question, unsent};
use peer::Peer;
use record::Received;
use session::Answered;

pub use counters::{ReaderCounters, ReaderCounts};
pub use error::{AnswerFault, Fault, FetchError, HelloFault, Hinted, LocalFault, RecordFault};
pub use peer::Contact;
pub use record::Fetched;

/// Pages of a peer that are asked for to make one part of its catalogue. A thousand resources are
/// four; pages of which the peer has looked at assets without content lead on with fewer.
const CATALOG_PAGES_MAX: usize = 16;

/// Asks other organizations for what they share. One for the node; everything takes `&self`.
pub struct Reader {
    client: Client,
    admissions: Admissions,
    incarnations: Arc<Incarnations>,
    timekeeper: Arc<Timekeeper>,
    clock: Clock,
    counters: Arc<ReaderCounters>,
    identity: RwLock<Option<Arc<Identity>>>,
    peers: RwLock<HashMap<String, Arc<Peer>>>,
}

/// A part of what a peer shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The resources.
    pub items: Vec<CatalogItem>,
    /// After which one to go on; absent when there is no more. It may be one that is not listed.
    pub next: Option<Resource>,
}

/// The time, unix seconds.
#[derive(Clone, Copy)]
struct Time {
    /// By our clock: what we say.
    now: u64,
    /// Never before the latest time seen: what validity is judged by.
    believed: u64,
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader")
    }
}

impl Reader {
    /// A reader without an identity and without peers.
    #[must_use]
    pub fn new(
        client: Client,
        admissions: Admissions,
        incarnations: Arc<Incarnations>,
        timekeeper: Arc<Timekeeper>,
        clock: Clock,
        counters: Arc<ReaderCounters>,
    ) -> Self {
        Self {
            client,
            admissions,
            incarnations,
            timekeeper,
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

    /// What `organization` shares with this node, ascending by resource id: at most `most`
    /// resources after the one that a part before named as its `next`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn catalog(
        &self,
        organization: &str,
        after: Option<&str>,
        most: usize,
    ) -> Result<Listed, FetchError> {
        let (identity, peer) = self.parties(organization).map_err(unsent)?;
        let after = after.map(Resource::new).transpose();
        let mut listed = Listed {
            items: Vec::new(),
            next: after.map_err(|_| unsent(LocalFault::Bounds))?,
        };
        for _ in 0..CATALOG_PAGES_MAX {
            let room = most.saturating_sub(listed.items.len());
            let after = listed.next.take();
            let body = Body::Catalog(Catalog {
                after: after.clone(),
                max: room.clamp(1, CATALOG_PAGE_MAX) as u64,
            });
            let question = Question {
                peer: &peer,
                identity: &identity,
                body,
                purpose: None,
            };
            let answered = self.ask(&question).await?;
            let reference = answered.reference;
            let page = catalog_page(answered, organization, after.as_ref())
                .map_err(|fault| self.rejected(fault, reference))?;
            listed.items.extend(page.items);
            listed.next = page.next;
            if listed.next.is_none() || listed.items.len() >= most {
                break;
            }
        }
        Ok(listed)
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
            at: Some(issued_at),
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
        let now = self.time().believed;
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

    fn time(&self) -> Time {
        let now = self.clock.now();
        Time {
            now: unix(now),
            believed: self.timekeeper.believed(now),
        }
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
        let (kid, issued_at) = (received.kid, received.issued_at);
        let known = || peer.record_key(self.time().believed, kid, issued_at);
        let key = match known() {
            Some(key) => key,
            None => {
                let learned = self.learn_key(organization, kid, issued_at).await;
                learned.map_err(|error| error.fault)?;
                known().ok_or(RecordFault::UnknownKey)?
            }
        };
        let now = self.time().believed;
        let parties = (organization, resource, identity.network.as_str());
        Ok(received.verify(parties, now, key, terms, reference)?)
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
    after: Option<&Resource>,
) -> Result<CatalogPage, Fault> {
    let page = match answered.answer {
        Answer::Catalog(page) => page,
        Answer::Refused(refusal) => return Err(Fault::Refused(refusal)),
        _ => return Err(AnswerFault::Malformed.into()),
    };
    let own = |id: &Resource| {
        id.parse::<ResourceId>()
            .is_ok_and(|id| id.organization() == organization)
    };
    let ids = || page.items.iter().map(|item| &item.r);
    let follows = after.into_iter().chain(ids());
    let ascending = follows
        .clone()
        .zip(follows.skip(1))
        .all(|(one, next)| one < next);
    // A page may look at assets without giving them as items, so it may lead further than its last
    // one; a page that leads nowhere would be asked for for ever.
    let leads_on = page.next.as_ref().is_none_or(|next| {
        own(next) && after.is_none_or(|after| next > after) && ids().all(|id| id <= next)
    });
    let own = ids().all(own);
    if ascending && own && leads_on {
        Ok(page)
    } else {
        Err(AnswerFault::Catalog.into())
    }
}
