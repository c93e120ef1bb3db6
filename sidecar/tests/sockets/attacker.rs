//! A bank that attacks from a node of its own: it frames, signs and numbers as it likes.

use finp2p_sidecar::network::{Admissions, Bounds, NetworkError};
use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::frame::{self, Expect, Frame, Hint};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{
    self, Audience, Body, Fetch, FetchAnswer, FetchItem, Hello, HelloOk, Nonce, Organization,
    Pointer, Purpose, Request, Resource, Response, SessionId, VERSION,
};

use crate::bank::{Bank, NETWORK};
use crate::node::{NOW, Node, echo, soon};
use crate::victim::Victim;

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Closed,
    Hint(Hint),
    Signed(Signed),
}

/// A signed answer, not verified yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    pub envelope: Vec<u8>,
    pub attachments: Vec<Vec<u8>>,
    /// The whole frame.
    pub frame: Vec<u8>,
}

impl Got {
    pub fn read(frame: &[u8]) -> Self {
        match frame::decode(Expect::Response, frame).unwrap() {
            Frame::Hint(hint) => Self::Hint(hint),
            Frame::Signed {
                envelope,
                attachments,
            } => Self::Signed(Signed {
                envelope: envelope.to_vec(),
                attachments: attachments.into_iter().map(<[u8]>::to_vec).collect(),
                frame: frame.to_vec(),
            }),
        }
    }

    /// The code of an unsigned refusal.
    pub fn hint(&self) -> u16 {
        match self {
            Self::Hint(hint) => hint.code.number(),
            other => panic!("not a hint: {other:?}"),
        }
    }

    pub fn signed(self) -> Signed {
        match self {
            Self::Signed(signed) => signed,
            other => panic!("not signed: {other:?}"),
        }
    }
}

/// The attacking bank, and its node.
pub struct Attacker {
    pub bank: Bank,
    pub node: Node,
}

impl Attacker {
    pub async fn new(bank: Bank) -> Self {
        let keypair = bank.peer.clone();
        let node = Node::start_as(keypair, echo(), Bounds::default(), Admissions::new(64)).await;
        Self { bank, node }
    }

    /// Sends one frame as it is.
    pub async fn send(&self, victim: &Victim, frame: &[u8]) -> Got {
        match self.node.ask(victim.node(), frame).await {
            Ok(answer) => Got::read(&answer),
            Err(NetworkError::Closed) => Got::Closed,
            Err(error) => panic!("{error:?}"),
        }
    }

    pub fn hello(&self) -> Hello {
        let certificates = self.bank.certificates().into_iter();
        Hello {
            org: Organization::new(self.bank.org).unwrap(),
            certs: List::new(certificates.map(|one| Bytes::new(one).unwrap()).collect()).unwrap(),
            vers: List::new(vec![VERSION]).unwrap(),
            nonce: Nonce(rand::random()),
            time: NOW as u64,
            caps: List::default(),
            trust: Digest([0; 32]),
            addrs: None,
        }
    }

    /// The frame of a hello in which everything is as it should be.
    pub fn hello_frame(&self) -> Vec<u8> {
        sealed(Kind::Hello, &self.bank.session, &self.hello().encode())
    }

    /// Says hello as it should.
    pub async fn greet(&self, victim: &Victim) -> Talk<'_> {
        let signed = self.send(victim, &self.hello_frame()).await.signed();
        self.talk(victim, &signed)
    }

    /// The session that this answer to a hello opened.
    pub fn talk(&self, victim: &Victim, signed: &Signed) -> Talk<'_> {
        let payload = verified(victim, Kind::HelloOk, signed);
        let ok = HelloOk::decode(&payload).unwrap();
        Talk {
            attacker: self,
            sid: ok.sid,
            aud: Audience {
                org: ok.org,
                kid: victim.a.session.kid(),
            },
        }
    }
}

/// A session of the attacker.
pub struct Talk<'a> {
    pub attacker: &'a Attacker,
    pub sid: SessionId,
    pub aud: Audience,
}

impl Talk<'_> {
    pub fn request(&self, ctr: u64, body: Body) -> Request {
        Request {
            sid: self.sid,
            ctr,
            time: NOW as u64,
            aud: self.aud.clone(),
            body,
            purpose: None,
            pres: None,
        }
    }

    /// A fetch of one resource.
    pub fn fetching(&self, ctr: u64, resource: &str) -> Request {
        self.request(ctr, fetch_body(vec![item(resource)]))
    }

    pub fn frame(&self, request: &Request) -> Vec<u8> {
        sealed(Kind::Req, &self.attacker.bank.session, &request.encode())
    }

    pub async fn send(&self, victim: &Victim, request: &Request) -> Got {
        self.attacker.send(victim, &self.frame(request)).await
    }

    /// The signed answer to a request, checked as a client must.
    pub async fn ask(&self, victim: &Victim, request: &Request) -> (message::Answer, Signed) {
        let signed = self.send(victim, request).await.signed();
        let payload = verified(victim, Kind::Res, &signed);
        let response = Response::decode(request.body.op(), &payload).unwrap();
        let sent = envelope::seal(
            Kind::Req,
            NETWORK,
            &self.attacker.bank.session,
            &request.encode(),
        );
        response.answers(request, &envelope::digest(&sent)).unwrap();
        (response.answer, signed)
    }

    pub async fn fetch(&self, victim: &Victim, request: &Request) -> (Vec<FetchAnswer>, Signed) {
        match self.ask(victim, request).await {
            (message::Answer::Fetch(answers), signed) => (answers.into_vec(), signed),
            (other, _) => panic!("not a fetch: {other:?}"),
        }
    }
}

/// The payload of the victim's answer, if the victim signed it as this kind.
pub fn verified(victim: &Victim, kind: Kind, signed: &Signed) -> Vec<u8> {
    let opened = envelope::open(&signed.envelope).unwrap();
    let payload = opened.verify(kind, NETWORK, victim.a.session.public());
    payload.unwrap().to_vec()
}

pub fn sealed(kind: Kind, key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    framed(&envelope::seal(kind, NETWORK, key, payload))
}

pub fn framed(envelope: &[u8]) -> Vec<u8> {
    frame::encode::<&[u8]>(Expect::Request, envelope, &[]).unwrap()
}

pub fn item(resource: &str) -> FetchItem {
    FetchItem {
        r: Resource::new(resource).unwrap(),
        units: None,
        have: None,
    }
}

pub fn units(resource: &str, pointers: &[&str]) -> FetchItem {
    let pointers = pointers.iter().map(|one| Pointer::new(*one).unwrap());
    FetchItem {
        units: Some(List::new(pointers.collect()).unwrap()),
        ..item(resource)
    }
}

pub fn fetch_body(items: Vec<FetchItem>) -> Body {
    Body::Fetch(Fetch::new(items).unwrap())
}

pub fn purpose(text: &str) -> Option<Purpose> {
    Some(Purpose::new(text).unwrap())
}

/// Code and reason of a refused item.
pub fn refused(answer: &FetchAnswer) -> (u16, Option<&'static str>) {
    match answer {
        FetchAnswer::Refused(refusal) => (
            refusal.code().number(),
            refusal.reason().map(|reason| reason.slug()),
        ),
        other => panic!("not refused: {other:?}"),
    }
}

/// Waits for whatever an attack runs at the same time.
pub async fn all<T: Send + 'static>(
    futures: impl IntoIterator<Item = impl Future<Output = T> + Send + 'static>,
) -> Vec<T> {
    let tasks: Vec<_> = futures.into_iter().map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(soon("an attack", task).await.unwrap());
    }
    done
}
