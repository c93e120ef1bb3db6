//! A Primary written by hand: honest, except for what a test makes it do.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use finp2p_sidecar::network::{Answer, Remote, Responder};
use finp2p_sidecar::record::{Claims, Content, Opening, Record, issue};
use finp2p_wire::cbor::{Bytes, List, Text};
use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::error::{Code, Refusal};
use finp2p_wire::frame::{self, Expect, Frame, Hint};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{
    self, Body, CatalogItem, CatalogPage, FetchAnswer, Hello, HelloOk, KeysAnswer, Mode,
    PeerLimits, RecordRef, Request, Response, SessionId, Terms, VERSION,
};
use jiff::Timestamp;

use crate::bank::{Bank, NETWORK};
use crate::node::NOW;

pub const BOND: &str = "bank-a:102:XS2712345672";
pub const SECRET: &str = "bank-a:102:SECRET";

/// What a test may answer instead; `None` leaves it to the honest Primary.
type Twist = dyn Fn(&Primary, &Heard<'_>) -> Option<Answer> + Send + Sync;

/// What came in.
pub enum Heard<'a> {
    Hello {
        digest: Digest,
    },
    Request {
        request: &'a Request,
        digest: Digest,
    },
}

/// The Primary: knows one bond.
pub struct Primary {
    pub bank: Bank,
    pub record: Record,
    twist: Mutex<Box<Twist>>,
    pub hellos: AtomicUsize,
    pub requests: AtomicUsize,
    pub counters: Mutex<Vec<u64>>,
}

impl Primary {
    pub fn new(bank: Bank) -> Self {
        let record = signed(&bank.record, BOND, 1);
        Self {
            bank,
            record,
            twist: Mutex::new(Box::new(|_, _| None)),
            hellos: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
            counters: Mutex::default(),
        }
    }

    /// Answers differently from now on.
    pub fn twist(
        &self,
        twist: impl Fn(&Self, &Heard<'_>) -> Option<Answer> + Send + Sync + 'static,
    ) {
        *self.twist.lock().unwrap() = Box::new(twist);
    }

    pub fn hello_ok(&self, hello: Digest) -> HelloOk {
        let certificates = self.bank.certificates();
        HelloOk {
            org: Text::new(self.bank.org).unwrap(),
            certs: List::new(
                certificates
                    .into_iter()
                    .map(|c| Bytes::new(c).unwrap())
                    .collect(),
            )
            .unwrap(),
            vers: List::new(vec![VERSION]).unwrap(),
            ver: VERSION,
            hello,
            sid: SessionId([7; 16]),
            time: NOW as u64,
            limits: PeerLimits {
                items: 64,
                request_bytes: 65_536,
                response_bytes: 1_048_576,
                session_s: 3600,
            },
            trust: Digest([0; 32]),
        }
    }

    /// Signs and frames an answer to a hello.
    pub fn welcome(&self, hello_ok: &HelloOk) -> Answer {
        self.welcome_as(&self.bank.session, hello_ok)
    }

    pub fn welcome_as(&self, key: &SigningKey, hello_ok: &HelloOk) -> Answer {
        let envelope = envelope::seal(Kind::HelloOk, NETWORK, key, &hello_ok.encode());
        Answer::Respond(frame::encode::<&[u8]>(Expect::Hello, &envelope, &[]).unwrap())
    }

    /// The honest answer to a request, as a message, with its attachments.
    pub fn response(&self, request: &Request, digest: Digest) -> (Response, Vec<Vec<u8>>) {
        let mut attachments = Vec::new();
        let answer = match &request.body {
            Body::Fetch(items) => {
                let answers = items.iter().map(|item| {
                    if item.r.as_str() != BOND {
                        return FetchAnswer::Refused(Refusal::NOT_SHARED);
                    }
                    let units: Vec<String> = match &item.units {
                        Some(units) => units.iter().map(ToString::to_string).collect(),
                        None => self.record.units().names(),
                    };
                    self.attach(&self.record, &units, &mut attachments)
                });
                message::Answer::Fetch(List::new(answers.collect()).unwrap())
            }
            Body::Catalog(catalog) => {
                let is_after = |id: &str| catalog.after.as_ref().is_none_or(|a| id > a.as_str());
                let ids = [BOND].into_iter().filter(|id| is_after(id));
                message::Answer::Catalog(CatalogPage {
                    items: List::new(ids.map(|id| self.item(id)).collect()).unwrap(),
                    next: None,
                })
            }
            Body::Keys(_) => message::Answer::Keys(KeysAnswer { certs: None }),
        };
        (
            Response {
                sid: request.sid,
                ctr: request.ctr,
                time: NOW as u64,
                req: digest,
                answer,
            },
            attachments,
        )
    }

    /// A record as an item's answer.
    pub fn attach(
        &self,
        record: &Record,
        units: &[String],
        attachments: &mut Vec<Vec<u8>>,
    ) -> FetchAnswer {
        let presented = record.disclose(units);
        let named = RecordRef {
            h: Digest(record.hash()),
            dd: Digest(presented.disclosures_digest()),
            a: attachments.len() as u64,
        };
        attachments.push(presented.as_str().as_bytes().to_vec());
        FetchAnswer::Record {
            record: named,
            terms: terms(),
        }
    }

    pub fn item(&self, resource: &str) -> CatalogItem {
        CatalogItem {
            r: Text::new(resource).unwrap(),
            h: Digest(self.record.hash()),
            ver: 1,
            units: List::default(),
            modes: List::new(vec![Mode::Pull]).unwrap(),
            purposes: List::default(),
            needs: None,
            terms: terms(),
        }
    }

    /// Signs and frames an answer to a request.
    pub fn reply(&self, response: &Response, attachments: &[Vec<u8>]) -> Answer {
        self.reply_as(&self.bank.session, response, attachments)
    }

    pub fn reply_as(
        &self,
        key: &SigningKey,
        response: &Response,
        attachments: &[Vec<u8>],
    ) -> Answer {
        let envelope = envelope::seal(Kind::Res, NETWORK, key, &response.encode());
        Answer::Respond(frame::encode(Expect::Response, &envelope, attachments).unwrap())
    }

    fn hear(&self, heard: &Heard<'_>) -> Answer {
        let twisted = (self.twist.lock().unwrap())(self, heard);
        twisted.unwrap_or_else(|| match heard {
            Heard::Hello { digest, .. } => self.welcome(&self.hello_ok(*digest)),
            Heard::Request { request, digest } => {
                let (response, attachments) = self.response(request, *digest);
                self.reply(&response, &attachments)
            }
        })
    }
}

impl Responder for Primary {
    fn answer(&self, _: Timestamp, _: &Remote, bytes: &[u8]) -> Answer {
        let Ok(Frame::Signed { envelope, .. }) = frame::decode(Expect::Request, bytes) else {
            return Answer::Close;
        };
        let opened = envelope::open(envelope).unwrap();
        let digest = opened.digest();
        if let Ok(request) = Request::decode(opened.unverified_payload()) {
            self.requests.fetch_add(1, Ordering::Relaxed);
            self.counters.lock().unwrap().push(request.ctr);
            return self.hear(&Heard::Request {
                request: &request,
                digest,
            });
        }
        if Hello::decode(opened.unverified_payload()).is_err() {
            return Answer::Close;
        }
        self.hellos.fetch_add(1, Ordering::Relaxed);
        self.hear(&Heard::Hello { digest })
    }
}

/// An unsigned answer.
pub fn hint(code: Code) -> Answer {
    Answer::Respond(frame::encode_hint(&Hint::new(code)))
}

pub fn terms() -> Terms {
    Terms {
        modes: List::new(vec![Mode::Pull]).unwrap(),
        purposes: List::default(),
        exp: None,
        retain: None,
        lease: None,
        redistribute: false,
        grant: Digest([9; 32]),
    }
}

/// A record of the bond's content.
pub fn signed(key: &SigningKey, resource: &str, version: u64) -> Record {
    signed_at(NOW as u64 - 60, key, resource, version)
}

/// A record as it was signed at `iat`, unix seconds.
pub fn signed_at(iat: u64, key: &SigningKey, resource: &str, version: u64) -> Record {
    let content = Content::parse(br#"{"coupon":"3.25","name":"Green Bond","price":101}"#).unwrap();
    let claims = Claims {
        iss: resource.split(':').next().unwrap().to_owned(),
        sub: resource.to_owned(),
        ver: version,
        iat,
        net: NETWORK.to_owned(),
    };
    issue(&content, &Opening::Every, &claims, key, &mut rand::rng()).unwrap()
}
