//! One of everything, from fixed seeds: two organizations, their keys and certificates, and an
//! example of every message.

use finp2p_wire::certificate::{Certificate, KeyBytes, Moment, RootKey, Trust, Use};
use finp2p_wire::digest::{Digest, trust};
use finp2p_wire::envelope::{Kind, seal};
use finp2p_wire::error::{Code, Reason, Reference, Refusal};
use finp2p_wire::frame::Hint;
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::*;

pub const NETWORK: &str = "sandbox-finp2p";
/// 2026-11-23T00:00:00Z.
pub const NOW: u64 = 1_795_392_000;
pub const DAY: u64 = 86_400;

/// The keys of one organization.
pub struct Bank {
    pub org: &'static str,
    pub root: SigningKey,
    pub issuing: SigningKey,
    pub session: SigningKey,
    pub record: SigningKey,
    pub peer: SigningKey,
}

impl Bank {
    pub fn new(org: &'static str, seed: u8) -> Self {
        let key = |role: u8| SigningKey::from_seed(&[seed + role; 32]);
        Self {
            org,
            root: key(1),
            issuing: key(2),
            session: key(3),
            record: key(4),
            peer: key(5),
        }
    }

    pub fn a() -> Self {
        Self::new("bank-a", 0x10)
    }

    pub fn b() -> Self {
        Self::new("bank-b", 0x20)
    }

    /// The libp2p identity of its node: the identity multihash of the protobuf of an Ed25519 key
    /// (libp2p specifications, peer ids).
    pub fn peer_id(&self) -> Vec<u8> {
        let head = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
        [&head[..], self.peer.public().as_bytes()].concat()
    }

    pub fn root_key(&self) -> RootKey {
        RootKey {
            public: self.root.public().clone(),
            not_before: NOW - 300 * DAY,
            not_after: NOW + 400 * DAY,
            verify_only: false,
            revoked_at: None,
        }
    }

    pub fn certificate(&self, uses: &[Use], key: &SigningKey, serial: u64) -> Certificate {
        let peers = uses.contains(&Use::Net).then(|| {
            let peer = self.peer_id().try_into_bytes();
            vec![peer].try_into().unwrap()
        });
        Certificate {
            org: self.org.try_into().unwrap(),
            uses: uses.to_vec().try_into().unwrap(),
            key: KeyBytes(*key.public().as_bytes()),
            peers,
            serial,
            incarnation: 1,
            not_before: NOW - DAY,
            not_after: NOW + 20 * DAY,
        }
    }

    pub fn issuing_certificate(&self) -> Vec<u8> {
        self.certificate(&[Use::Issue], &self.issuing, 1)
            .issue(NETWORK, &self.root)
            .unwrap()
    }

    pub fn session_certificate(&self) -> Vec<u8> {
        self.certificate(&[Use::Net, Use::Hold], &self.session, 2)
            .issue(NETWORK, &self.issuing)
            .unwrap()
    }

    pub fn record_certificate(&self) -> Vec<u8> {
        self.certificate(&[Use::Rec, Use::Dec], &self.record, 3)
            .issue(NETWORK, &self.issuing)
            .unwrap()
    }

    pub fn certificates(&self) -> Vec<Vec<u8>> {
        vec![
            self.issuing_certificate(),
            self.session_certificate(),
            self.record_certificate(),
        ]
    }

    pub fn on_the_wire(&self) -> Certificates {
        let certificates: Vec<_> = self
            .certificates()
            .into_iter()
            .map(TryIntoBytes::try_into_bytes)
            .collect();
        certificates.try_into().unwrap()
    }
}

pub const fn now() -> Moment {
    Moment::Session { now: NOW }
}

pub fn trust_in<'a>(bank: &Bank, roots: &'a [RootKey]) -> Trust<'a> {
    Trust {
        network: NETWORK,
        org: bank.org,
        roots,
        revoked_serials: &[],
    }
}

/// `Bytes` with whatever bounds the place needs.
pub trait TryIntoBytes {
    fn try_into_bytes<const MIN: usize, const MAX: usize>(
        self,
    ) -> finp2p_wire::cbor::Bytes<MIN, MAX>;
}

impl TryIntoBytes for Vec<u8> {
    fn try_into_bytes<const MIN: usize, const MAX: usize>(
        self,
    ) -> finp2p_wire::cbor::Bytes<MIN, MAX> {
        finp2p_wire::cbor::Bytes::new(self).unwrap()
    }
}

pub const SID: SessionId = SessionId([0x51; 16]);

pub fn hello() -> Hello {
    Hello {
        org: "bank-b".try_into().unwrap(),
        certs: Bank::b().on_the_wire(),
        vers: vec![VERSION].try_into().unwrap(),
        nonce: Nonce([0x4e; 32]),
        time: NOW,
        caps: vec!["catalog".try_into().unwrap()].try_into().unwrap(),
        trust: trust("bank-a", [Bank::a().root.public()]),
        addrs: Some(
            vec!["/dns4/finp2p.bank-b.example/tcp/4001".try_into().unwrap()]
                .try_into()
                .unwrap(),
        ),
    }
}

pub fn hello_ok() -> HelloOk {
    HelloOk {
        org: "bank-a".try_into().unwrap(),
        certs: Bank::a().on_the_wire(),
        vers: vec![VERSION].try_into().unwrap(),
        ver: VERSION,
        hello: Digest::of(seal(
            Kind::Hello,
            NETWORK,
            &Bank::b().session,
            &hello().encode(),
        )),
        sid: SID,
        time: NOW + 1,
        limits: PeerLimits {
            items: 64,
            request_bytes: 65_536,
            response_bytes: 1_048_576,
            session_s: 3600,
        },
        trust: trust("bank-b", [Bank::b().root.public()]),
    }
}

fn request(ctr: u64, body: Body) -> Request {
    Request {
        sid: SID,
        ctr,
        time: NOW + 2,
        aud: Audience {
            org: "bank-a".try_into().unwrap(),
            kid: Bank::a().session.kid(),
        },
        body,
        purpose: None,
        pres: None,
    }
}

pub fn fetch_request() -> Request {
    let item = |r: &str| FetchItem {
        r: r.try_into().unwrap(),
        units: None,
        have: None,
    };
    let items = vec![
        FetchItem {
            units: Some(
                vec![
                    "/issuer".try_into().unwrap(),
                    "/terms/coupon".try_into().unwrap(),
                ]
                .try_into()
                .unwrap(),
            ),
            ..item("bank-a:102:green-bond-2031")
        },
        FetchItem {
            have: Some(Digest::of("held")),
            ..item("bank-a:102:blue-bond-2029")
        },
        item("bank-a:102:not-for-you"),
        item("bank-a:102:wrong-fields"),
    ];
    Request {
        purpose: Some("distribution".try_into().unwrap()),
        pres: Some(vec![Digest::of(PRESENTATION)].try_into().unwrap()),
        ..request(1, Body::Fetch(items.try_into().unwrap()))
    }
}

pub fn catalog_request() -> Request {
    request(
        2,
        Body::Catalog(Catalog {
            after: Some("bank-a:102:a".try_into().unwrap()),
            max: 10,
        }),
    )
}

pub fn keys_request() -> Request {
    request(
        3,
        Body::Keys(Keys {
            kids: vec![Bank::a().record.kid()].try_into().unwrap(),
            at: Some(NOW - 30 * DAY),
        }),
    )
}

pub fn request_envelope(request: &Request) -> Vec<u8> {
    seal(Kind::Req, NETWORK, &Bank::b().session, &request.encode())
}

pub fn terms() -> Terms {
    Terms {
        modes: vec![Mode::Pull, Mode::Push].try_into().unwrap(),
        purposes: vec!["distribution".try_into().unwrap()].try_into().unwrap(),
        exp: Some(NOW + 90 * DAY),
        retain: Some(3600),
        lease: Some(86_400),
        redistribute: false,
        grant: Digest::of("policy bonds-to-distributors"),
    }
}

/// Stands for a credential's presentation.
pub const PRESENTATION: &[u8] = b"presentation";

/// Stands for an SD-JWT: this crate binds its bytes and does not read them.
pub const ATTACHMENT: &[u8] = b"header.payload.signature~disclosure-1~disclosure-2~";

fn response(request: &Request, answer: Answer) -> Response {
    Response {
        sid: SID,
        ctr: request.ctr,
        time: NOW + 3,
        req: Digest::of(request_envelope(request)),
        answer,
    }
}

pub fn fetch_response() -> Response {
    let record = RecordRef {
        h: Digest::of("header.payload"),
        dd: Digest::of("disclosure-1~disclosure-2~"),
        a: 0,
    };
    let answers = vec![
        FetchAnswer::Record {
            record,
            terms: terms(),
        },
        FetchAnswer::Unchanged { terms: terms() },
        FetchAnswer::Refused(Refusal::NOT_SHARED),
        FetchAnswer::Refused(Refusal::not_permitted(Reason::Fields)),
    ];
    response(&fetch_request(), Answer::Fetch(answers.try_into().unwrap()))
}

pub fn catalog_response() -> Response {
    let item = CatalogItem {
        r: "bank-a:102:green-bond-2031".try_into().unwrap(),
        h: Digest::of("header.payload"),
        ver: 7,
        units: vec!["/issuer".try_into().unwrap()].try_into().unwrap(),
        modes: vec![Mode::Pull].try_into().unwrap(),
        purposes: vec![].try_into().unwrap(),
        needs: Some(
            vec![Need {
                vct: "AccreditedInvestor".try_into().unwrap(),
                issuers: vec!["https://kyc-registry.example".try_into().unwrap()]
                    .try_into()
                    .unwrap(),
            }]
            .try_into()
            .unwrap(),
        ),
        terms: terms(),
    };
    let page = CatalogPage {
        items: vec![item].try_into().unwrap(),
        next: Some("bank-a:102:green-bond-2031".try_into().unwrap()),
    };
    response(&catalog_request(), Answer::Catalog(page))
}

pub fn keys_response() -> Response {
    response(
        &keys_request(),
        Answer::Keys(KeysAnswer {
            certs: Some(Bank::a().on_the_wire()),
        }),
    )
}

pub fn refused_response() -> Response {
    response(
        &catalog_request(),
        Answer::Refused(Refusal::new(Code::Unavailable, None).unwrap()),
    )
}

pub fn hint() -> Hint {
    Hint {
        code: Code::RateLimited,
        retry_s: Some(2),
        now: Some(NOW),
        reference: Some(Reference::of(&Digest::of(request_envelope(
            &fetch_request(),
        )))),
    }
}

/// How a payload is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Certificate,
    Hello,
    HelloOk,
    Request,
    Response(Op),
}

/// One example of a signed message.
pub struct Sample {
    pub name: &'static str,
    pub kind: Kind,
    pub reader: Reader,
    pub signer: SigningKey,
    pub signer_name: &'static str,
    pub payload: Vec<u8>,
    pub attachments: Vec<Vec<u8>>,
}

impl Sample {
    pub fn envelope(&self) -> Vec<u8> {
        seal(self.kind, NETWORK, &self.signer, &self.payload)
    }
}

/// Every kind of signed message that exists.
pub fn all() -> Vec<Sample> {
    use finp2p_wire::cbor::encode;
    let (a, b) = (Bank::a(), Bank::b());
    let sample = |name, kind, reader, signer, signer_name, payload| Sample {
        name,
        kind,
        reader,
        signer,
        signer_name,
        payload,
        attachments: vec![],
    };
    let certificate = |name, uses: &[Use], key: &SigningKey, serial, signer, signer_name| {
        let payload = encode(&a.certificate(uses, key, serial));
        sample(
            name,
            Kind::Cert,
            Reader::Certificate,
            signer,
            signer_name,
            payload,
        )
    };
    let req = |name, request: Request| {
        sample(
            name,
            Kind::Req,
            Reader::Request,
            Bank::b().session,
            "bank-b session",
            request.encode(),
        )
    };
    let res = |name, op, response: Response| {
        let reader = Reader::Response(op);
        sample(
            name,
            Kind::Res,
            reader,
            Bank::a().session,
            "bank-a session",
            response.encode(),
        )
    };
    vec![
        certificate(
            "cert-issuing",
            &[Use::Issue],
            &a.issuing,
            1,
            Bank::a().root,
            "bank-a root",
        ),
        certificate(
            "cert-session",
            &[Use::Net, Use::Hold],
            &a.session,
            2,
            Bank::a().issuing,
            "bank-a issuing",
        ),
        certificate(
            "cert-record",
            &[Use::Rec, Use::Dec],
            &a.record,
            3,
            Bank::a().issuing,
            "bank-a issuing",
        ),
        sample(
            "hello",
            Kind::Hello,
            Reader::Hello,
            b.session,
            "bank-b session",
            hello().encode(),
        ),
        sample(
            "hello-ok",
            Kind::HelloOk,
            Reader::HelloOk,
            Bank::a().session,
            "bank-a session",
            hello_ok().encode(),
        ),
        Sample {
            attachments: vec![PRESENTATION.to_vec()],
            ..req("req-fetch", fetch_request())
        },
        req("req-catalog", catalog_request()),
        req("req-keys", keys_request()),
        Sample {
            attachments: vec![ATTACHMENT.to_vec()],
            ..res("res-fetch", Op::Fetch, fetch_response())
        },
        res("res-catalog", Op::Catalog, catalog_response()),
        res("res-keys", Op::Keys, keys_response()),
        res("res-refused", Op::Catalog, refused_response()),
    ]
}

/// Reads a payload as its reader does and gives back its encoding.
pub fn read(reader: Reader, payload: &[u8]) -> Result<Vec<u8>, finp2p_wire::cbor::Malformed> {
    use finp2p_wire::cbor::{decode, encode};
    match reader {
        Reader::Certificate => decode::<Certificate>(payload).map(|c| encode(&c)),
        Reader::Hello => Hello::decode(payload).map(|m| m.encode()),
        Reader::HelloOk => HelloOk::decode(payload).map(|m| m.encode()),
        Reader::Request => Request::decode(payload).map(|m| m.encode()),
        Reader::Response(op) => Response::decode(op, payload).map(|m| m.encode()),
    }
}
