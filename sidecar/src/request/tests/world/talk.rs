//! What a bank sends to bank-a, and what comes back.

use std::str::FromStr;

use finp2p_crds::ResourceId;
use finp2p_wire::cbor::List;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::error::Reference;
use finp2p_wire::frame::{self, Expect, Frame, Hint};
use finp2p_wire::key::{Kid, SigningKey};
use finp2p_wire::message::{
    self, Audience, Body, Catalog, CatalogPage, Fetch, FetchAnswer, FetchItem, Keys, KeysAnswer,
    Organization, Pointer, Purpose, Request, Resource, Response, SessionId,
};
use serde_json::Value;

use super::World;
use super::bank::{Bank, NETWORK, at};

/// A frame with the sealed payload and nothing else.
pub fn sealed(kind: Kind, key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    framed(&envelope::seal(kind, NETWORK, key, payload))
}

pub fn framed(envelope: &[u8]) -> Vec<u8> {
    frame::encode::<&[u8]>(Expect::Request, envelope, &[]).unwrap()
}

#[derive(Clone, Debug, PartialEq)]
pub struct Signed {
    pub envelope: Vec<u8>,
    pub attachments: Vec<Vec<u8>>,
    /// Length of the whole frame.
    pub bytes: usize,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Got {
    Closed,
    /// With the length of its frame.
    Hint(Hint, usize),
    Signed(Signed),
}

impl Got {
    /// The code of an unsigned refusal.
    pub fn hint(&self) -> u16 {
        match self {
            Self::Hint(hint, _) => hint.code.number(),
            other => panic!("not a hint: {other:?}"),
        }
    }
}

/// One session of a bank.
pub struct Talk<'w> {
    pub world: &'w World,
    pub bank: &'w Bank,
    pub sid: SessionId,
    pub now: u64,
}

impl Talk<'_> {
    pub fn request(&self, ctr: u64, body: Body) -> Request {
        Request {
            sid: self.sid,
            ctr,
            time: self.now,
            aud: Audience {
                org: Organization::new("bank-a").unwrap(),
                kid: self.world.a.session.kid(),
            },
            body,
            purpose: None,
            pres: None,
        }
    }

    pub fn frame(&self, request: &Request) -> Vec<u8> {
        sealed(Kind::Req, &self.bank.session, &request.encode())
    }

    pub fn send(&self, request: &Request) -> Got {
        self.world
            .answer_at(at(self.now), self.bank, &self.frame(request))
    }

    /// The signed answer to a request, checked as a client must.
    pub fn ask(&self, request: &Request) -> (message::Answer, Signed) {
        let got = self.send(request);
        let Got::Signed(signed) = got else {
            panic!("not signed: {got:?}")
        };
        let payload = self.world.verified(Kind::Res, &signed);
        let response = Response::decode(request.body.op(), payload).unwrap();
        let envelope = envelope::seal(Kind::Req, NETWORK, &self.bank.session, &request.encode());
        response
            .answers(request, &envelope::digest(&envelope))
            .unwrap();
        assert_eq!(response.time, self.now);
        (response.answer, signed)
    }

    pub fn fetch(&self, ctr: u64, items: Vec<FetchItem>) -> (Vec<FetchAnswer>, Signed) {
        self.fetch_for(ctr, items, None)
    }

    pub fn fetch_for(
        &self,
        ctr: u64,
        items: Vec<FetchItem>,
        purpose: Option<&str>,
    ) -> (Vec<FetchAnswer>, Signed) {
        let mut request = self.request(ctr, Body::Fetch(Fetch::new(items).unwrap()));
        request.purpose = purpose.map(|purpose| Purpose::new(purpose).unwrap());
        match self.ask(&request) {
            (message::Answer::Fetch(answers), signed) => (answers.into_vec(), signed),
            (other, _) => panic!("not a fetch: {other:?}"),
        }
    }

    pub fn catalog(&self, ctr: u64, after: Option<&str>, max: u64) -> CatalogPage {
        let after = after.map(|after| Resource::new(after).unwrap());
        match self.ask(&self.request(ctr, Body::Catalog(Catalog { after, max }))) {
            (message::Answer::Catalog(page), _) => page,
            (other, _) => panic!("not a catalogue: {other:?}"),
        }
    }

    pub fn keys(&self, ctr: u64, kids: Vec<Kid>, at: Option<u64>) -> KeysAnswer {
        let kids = List::new(kids).unwrap();
        match self.ask(&self.request(ctr, Body::Keys(Keys { kids, at }))) {
            (message::Answer::Keys(answer), _) => answer,
            (other, _) => panic!("not keys: {other:?}"),
        }
    }

    /// What the presented record says to bank-b, verified as a reader does.
    pub fn opened(&self, attachment: &[u8]) -> Value {
        let text = std::str::from_utf8(attachment).unwrap();
        let mut shown = serde_json::Map::new();
        for encoded in text.split('~').skip(1).filter(|part| !part.is_empty()) {
            let part: Value = serde_json::from_slice(&base64url(encoded)).unwrap();
            shown.insert(part[1].as_str().unwrap().to_owned(), part[2].clone());
        }
        Value::Object(shown)
    }
}

fn base64url(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}

pub fn item(resource: &str) -> FetchItem {
    FetchItem {
        r: Resource::new(resource).unwrap(),
        units: None,
        have: None,
    }
}

pub fn asset(name: &str) -> FetchItem {
    item(&format!("bank-a:102:{name}"))
}

pub fn units(name: &str, pointers: &[&str]) -> FetchItem {
    let pointers = pointers
        .iter()
        .map(|pointer| Pointer::new(*pointer).unwrap())
        .collect();
    FetchItem {
        units: Some(List::new(pointers).unwrap()),
        ..asset(name)
    }
}

pub fn fetch_body(items: Vec<FetchItem>) -> Body {
    Body::Fetch(Fetch::new(items).unwrap())
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

/// The reference of a sealed frame.
pub fn reference(frame: &[u8]) -> Reference {
    let Frame::Signed { envelope, .. } = frame::decode(Expect::Request, frame).unwrap() else {
        panic!("not signed")
    };
    Reference::of(&envelope::digest(envelope))
}

pub fn resource(text: &str) -> ResourceId {
    ResourceId::from_str(text).unwrap()
}
