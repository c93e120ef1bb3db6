//! A request within a session: rows 3 to 8, and 15.

use std::sync::Arc;

use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::error::Reference;
use finp2p_wire::frame::{self, Expect};
use finp2p_wire::key::PublicKey;
use finp2p_wire::message::{Answer, Body, Request, Response};

use super::arrival::{Arrival, Read};
use super::decision::{Asked, Decided};
use super::refusal::{Check, Refusal};
use super::snapshot::Snapshot;
use super::trail::{Finding, Heading, entries};
use super::trust::Pinned;
use super::{Cost, Responder, Stop, catalog, fetch, hello, keys, time};
use crate::session::Session;

/// How often a request is decided anew because the configuration changed while it was. An edit a
/// second and a store that takes a second would need two.
const DECISIONS_MAX: usize = 4;

/// Why a node whose store takes nothing any more answers nobody.
pub(super) const STORE_STOPPED: &str = "the private store has stopped";

/// Answers a request.
pub(super) fn answer(
    responder: &Responder,
    arrival: &Arrival<'_>,
    read: &Read<'_>,
    request: &Request,
) -> Result<Vec<u8>, Stop> {
    let mut snapshot = responder.configuration.current();
    let session = session(responder, arrival, &snapshot, read, request)?; // Row 3.
    let organization = session.binding.organization.as_str();
    let named = |refusal| Stop::of(refusal, organization);

    let key = standing(responder, arrival, &snapshot, &session).map_err(named)?; // Row 4.
    responder.rate(arrival, &snapshot, organization)?; // Row 5.
    counter(&session, request).map_err(named)?; // Row 6.
    clock(arrival, request).map_err(named)?; // Row 7.
    audience(&snapshot, request).map_err(named)?; // Row 7.
    let heading = Heading {
        at: arrival.now,
        organization,
        kid: session.binding.kid,
        op: request.body.op().name(),
        purpose: request.purpose.as_deref(),
        configuration: snapshot.set,
        request: read.digest,
        envelope: None,
    };
    responder.signature(&snapshot, read, Kind::Req, &key, &heading)?; // Row 8 …
    spend(&session, request).map_err(named)?; // … and 6 again, which marks.
    let heading = Heading {
        envelope: Some(read.envelope),
        ..heading
    };

    if responder.records.have_stopped() {
        let exchange = Exchange {
            responder,
            arrival,
            snapshot: &snapshot,
            request,
            heading: &heading,
        };
        // Row 15, before anything is read.
        return exchange.unavailable(&Check::Volume.refuse(STORE_STOPPED));
    }
    for _ in 0..DECISIONS_MAX {
        let heading = Heading {
            configuration: snapshot.set,
            ..heading
        };
        let decided = decide(responder, arrival, &snapshot, organization, request); // 9 to 14.
        let exchange = Exchange {
            responder,
            arrival,
            snapshot: &snapshot,
            request,
            heading: &heading,
        };
        let in_force = &responder.configuration;
        if let Some(frame) = in_force.while_in_force(&snapshot, || exchange.leave(decided)) {
            return frame; // Row 15.
        }
        snapshot = in_force.current();
        standing(responder, arrival, &snapshot, &session)
            .map_err(|refusal| responder.stop_and_write(refusal, &heading))?; // Row 4 again.
    }
    let exchange = Exchange {
        responder,
        arrival,
        snapshot: &snapshot,
        request,
        heading: &heading,
    };
    exchange.leave(Decided::refused(
        Check::Configuration.refuse("the configuration kept changing"),
    ))
}

/// Row 3: known here, and bound to this connection's identity, the signing key and our key.
fn session(
    responder: &Responder,
    arrival: &Arrival<'_>,
    snapshot: &Snapshot,
    read: &Read<'_>,
    request: &Request,
) -> Result<Arc<Session>, Refusal> {
    let session = responder
        .sessions
        .get(arrival.believed, &request.sid)
        .ok_or(Check::Session.refuse("no such session"))?;
    let binding = &session.binding;
    if binding.peer != arrival.peer {
        return Err(Check::Session.refuse("bound to another libp2p identity"));
    }
    if binding.kid != read.opened.kid() {
        return Err(Check::Session.refuse("bound to another key of theirs"));
    }
    if binding.our_kid != snapshot.identity.session.kid() {
        return Err(Check::Session.refuse("bound to an earlier key of ours"));
    }
    Ok(session)
}

/// Row 4: the session's organization is pinned and not suspended, and its key is in force now.
fn standing(
    responder: &Responder,
    arrival: &Arrival<'_>,
    snapshot: &Snapshot,
    session: &Session,
) -> Result<PublicKey, Refusal> {
    let binding = &session.binding;
    let peer = snapshot
        .peer(&binding.organization)
        .ok_or(Check::Standing.refuse("no longer pinned"))?;
    if peer.suspended {
        return Err(Check::Standing.refuse("suspended"));
    }
    let pinned = Pinned {
        generation: snapshot.generation,
        network: &snapshot.identity.network,
        peer: &peer,
    };
    let verified = responder
        .chains
        .judge(arrival.believed, &pinned, &binding.certificates)
        .map_err(|why| Check::Standing.refuse(hello::why_not_in_force(why)))?;
    hello::incarnation(responder, &verified)?;
    verified
        .session_key(binding.kid)
        .map(|key| key.public.clone())
        .ok_or(Check::Standing.refuse("no session key in force"))
}

/// Row 6: a test only. The number is spent when the signature has verified, or anybody could
/// spend it.
fn counter(session: &Session, request: &Request) -> Result<(), Refusal> {
    session
        .check(request.ctr)
        .map_err(|_| Check::Counter.refuse("used before, or too old"))
}

/// Row 6 again: of two requests with one number, the second to get here.
fn spend(session: &Session, request: &Request) -> Result<(), Refusal> {
    session
        .spend(request.ctr)
        .map_err(|_| Check::Counter.refuse("used at the same time"))
}

/// Row 7.
fn clock(arrival: &Arrival<'_>, request: &Request) -> Result<(), Refusal> {
    if time::is_close(arrival.at, request.time) {
        Ok(())
    } else {
        Err(Check::Clock.refuse("request from another time"))
    }
}

/// Row 7.
fn audience(snapshot: &Snapshot, request: &Request) -> Result<(), Refusal> {
    let identity = &snapshot.identity;
    if request.aud.org.as_str() != identity.organization {
        return Err(Check::Audience.refuse("for another organization"));
    }
    if request.aud.kid != identity.session.kid() {
        return Err(Check::Audience.refuse("for another key"));
    }
    Ok(())
}

/// Rows 9 to 14, by operation.
fn decide(
    responder: &Responder,
    arrival: &Arrival<'_>,
    snapshot: &Snapshot,
    organization: &str,
    request: &Request,
) -> Decided {
    if snapshot.stale {
        return Decided::refused(Check::Configuration.refuse("too old to decide with"));
    }
    let asked = Asked {
        now: arrival.judged_at(),
        snapshot,
        organization,
        purpose: request.purpose.as_deref(),
        records: responder.records.as_ref(),
    };
    match &request.body {
        Body::Fetch(items) => fetch::decide(&asked, items),
        Body::Catalog(page) => catalog::decide(&asked, page),
        Body::Keys(wanted) => keys::decide(&asked, wanted),
    }
}

/// A request on its way out.
struct Exchange<'a> {
    responder: &'a Responder,
    arrival: &'a Arrival<'a>,
    snapshot: &'a Snapshot,
    request: &'a Request,
    heading: &'a Heading<'a>,
}

impl Exchange<'_> {
    /// Row 15: written, then signed. What cannot be written is not answered.
    fn leave(&self, decided: Decided) -> Result<Vec<u8>, Stop> {
        let organization = self.heading.organization;
        let cost = Cost {
            misses: decided.misses,
            tokens: decided.tokens,
        };
        let refused = decided.findings.iter().filter(|finding| finding.code != 0);
        let refused: Vec<Finding> = refused.cloned().collect();
        let entries = entries(self.heading, decided.findings);
        if self.responder.trail.record(&entries).is_err() {
            return self.unavailable(&Check::Audit.refuse("audit"));
        }
        self.tell(&refused);
        self.responder
            .settle(self.arrival, self.snapshot, organization, cost);
        self.seal(decided.answer, &decided.attachments)
    }

    /// A refusal that is signed and only counted.
    fn unavailable(&self, refusal: &Refusal) -> Result<Vec<u8>, Stop> {
        self.tell(&[Finding::refused(refusal)]);
        let organization = Some(self.heading.organization);
        self.responder.count(self.arrival, organization, refusal);
        self.seal(Answer::Refused(refusal.check.told()), &[])
    }

    fn tell(&self, refused: &[Finding]) {
        let Heading {
            organization,
            request,
            ..
        } = *self.heading;
        let reference = Reference::of(&request);
        self.responder
            .tell(self.arrival.now, Some(organization), refused, &reference);
    }

    fn seal(&self, answer: Answer, attachments: &[Vec<u8>]) -> Result<Vec<u8>, Stop> {
        let identity = &self.snapshot.identity;
        let response = Response {
            sid: self.request.sid,
            ctr: self.request.ctr,
            time: self.arrival.at,
            req: self.heading.request,
            answer,
        };
        let payload = response.encode();
        let envelope = envelope::seal(Kind::Res, &identity.network, &identity.session, &payload);
        frame::encode(Expect::Response, &envelope, attachments).map_err(|_| {
            // Every operation keeps its answer below the bound; if one does not, nothing leaves.
            Stop::of(
                Check::Memory.refuse("the answer is too large"),
                self.heading.organization,
            )
        })
    }
}
