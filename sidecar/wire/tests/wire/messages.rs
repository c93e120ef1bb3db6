//! Messages: what goes in comes out, one encoding each, nothing beyond the bounds.

use finp2p_wire::cbor::{Malformed, Text};
use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{Kind, open, seal};
use finp2p_wire::error::{Code, Reason, Reference, Refusal};
use finp2p_wire::frame::{self, Expect, Frame, Hint};
use finp2p_wire::key::Kid;
use finp2p_wire::limits::RESPONSE_FRAME_MAX_BYTES;
use finp2p_wire::message::*;
use proptest::prelude::*;

use crate::samples::{self, Bank, NETWORK, SID, TryIntoBytes as _, read};

fn text<const MIN: usize, const MAX: usize>() -> impl Strategy<Value = Text<MIN, MAX>> {
    "[a-zäß/~]{1,20}".prop_map(|text| Text::new(text).unwrap())
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

fn terms() -> impl Strategy<Value = Terms> {
    let modes = prop::collection::vec(prop_oneof![Just(Mode::Pull), Just(Mode::Push)], 1..=2);
    let numbers = any::<(Option<u64>, Option<u64>, Option<u64>, bool)>();
    (
        modes,
        prop::collection::vec(text(), 0..4),
        numbers,
        digest(),
    )
        .prop_map(
            |(modes, purposes, (exp, retain, lease, redistribute), grant)| Terms {
                modes: modes.try_into().unwrap(),
                purposes: purposes.try_into().unwrap(),
                exp,
                retain,
                lease,
                redistribute,
                grant,
            },
        )
}

fn refusal() -> impl Strategy<Value = Refusal> {
    prop_oneof![
        prop::sample::select(Code::ALL)
            .prop_filter_map("has a reason", |code| Refusal::new(code, None)),
        prop::sample::select(&Reason::ALL[..]).prop_map(Refusal::not_permitted),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let item = (
        text(),
        prop::option::of(prop::collection::vec(text(), 1..5)),
        prop::option::of(digest()),
    )
        .prop_map(|(r, units, have)| FetchItem {
            r,
            units: units.map(|u| u.try_into().unwrap()),
            have,
        });
    let body = prop_oneof![
        prop::collection::vec(item, 1..=64)
            .prop_map(|items| Body::Fetch(items.try_into().unwrap())),
        (prop::option::of(text()), any::<u64>())
            .prop_map(|(after, max)| Body::Catalog(Catalog { after, max })),
        (
            prop::collection::vec(any::<[u8; 16]>().prop_map(Kid), 1..=16),
            any::<Option<u64>>()
        )
            .prop_map(|(kids, at)| Body::Keys(Keys {
                kids: kids.try_into().unwrap(),
                at,
            })),
    ];
    let head = (
        any::<[u8; 16]>(),
        any::<u64>(),
        any::<u64>(),
        text(),
        any::<[u8; 16]>(),
    );
    let pres = prop::option::of(prop::collection::vec(digest(), 1..=8));
    (head, body, prop::option::of(text()), pres).prop_map(
        |((sid, ctr, time, org, kid), body, purpose, pres)| Request {
            sid: SessionId(sid),
            ctr,
            time,
            aud: Audience { org, kid: Kid(kid) },
            body,
            purpose,
            pres: pres.map(|pres| pres.try_into().unwrap()),
        },
    )
}

fn response() -> impl Strategy<Value = (Op, Response)> {
    let record = (digest(), digest(), any::<u64>()).prop_map(|(h, dd, a)| RecordRef { h, dd, a });
    let fetched = prop_oneof![
        (record, terms()).prop_map(|(record, terms)| FetchAnswer::Record { record, terms }),
        terms().prop_map(|terms| FetchAnswer::Unchanged { terms }),
        refusal().prop_map(FetchAnswer::Refused),
    ];
    let answer = prop_oneof![
        prop::collection::vec(fetched, 1..20)
            .prop_map(|all| (Op::Fetch, Answer::Fetch(all.try_into().unwrap()))),
        refusal().prop_map(|refusal| (Op::Keys, Answer::Refused(refusal))),
        prop::option::of(prop::collection::vec(any::<u8>(), 1..200)).prop_map(|certificate| {
            let certs = certificate.map(|one| vec![one.try_into_bytes()].try_into().unwrap());
            (Op::Keys, Answer::Keys(KeysAnswer { certs }))
        }),
        (
            prop::collection::vec(catalog_item(), 0..8),
            prop::option::of(text())
        )
            .prop_map(|(items, next)| {
                (
                    Op::Catalog,
                    Answer::Catalog(CatalogPage {
                        items: items.try_into().unwrap(),
                        next,
                    }),
                )
            }),
    ];
    (any::<(u64, u64)>(), digest(), answer).prop_map(|((ctr, time), req, (op, answer))| {
        (
            op,
            Response {
                sid: SID,
                ctr,
                time,
                req,
                answer,
            },
        )
    })
}

fn catalog_item() -> impl Strategy<Value = CatalogItem> {
    let need = (text(), prop::collection::vec(text(), 1..3)).prop_map(|(vct, issuers)| Need {
        vct,
        issuers: issuers.try_into().unwrap(),
    });
    let needs = prop::option::of(prop::collection::vec(need, 1..3));
    (
        text(),
        digest(),
        any::<u64>(),
        prop::collection::vec(text(), 0..5),
        needs,
        terms(),
    )
        .prop_map(|(r, h, ver, units, needs, terms)| CatalogItem {
            r,
            h,
            ver,
            units: units.try_into().unwrap(),
            modes: terms.modes.clone(),
            purposes: terms.purposes.clone(),
            needs: needs.map(|needs| needs.try_into().unwrap()),
            terms,
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_survives_the_wire(request in request()) {
        prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn a_response_survives_the_wire((op, response) in response()) {
        prop_assert_eq!(Response::decode(op, &response.encode()), Ok(response));
    }

    #[test]
    fn a_frame_gives_back_its_parts(
        envelope in prop::collection::vec(any::<u8>(), 0..600),
        attachments in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..=64),
    ) {
        let bytes = frame::encode(Expect::Response, &envelope, &attachments).unwrap();
        let attachments = attachments.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(frame::decode(Expect::Response, &bytes), Ok(Frame::Signed { envelope: &envelope, attachments }));
    }

    #[test]
    fn an_envelope_gives_back_its_payload(payload in prop::collection::vec(any::<u8>(), 0..70_000)) {
        let key = Bank::a().session;
        let envelope = seal(Kind::Res, NETWORK, &key, &payload);
        let opened = open(&envelope).unwrap();
        prop_assert_eq!(opened.kid(), key.kid());
        prop_assert_eq!(opened.verify(Kind::Res, NETWORK, key.public()), Ok(payload.as_slice()));
    }

    #[test]
    fn what_is_fitted_always_fits_and_nothing_is_left_out_without_need(
        sizes in prop::collection::vec(prop_oneof![0_usize..5_000, 100_000..300_000_usize], 1..=64),
    ) {
        let prepared = sizes.iter().map(|&size| Prepared::Record {
            h: Digest([1; 32]),
            dd: Digest([2; 32]),
            attachment: vec![b'x'; size],
            terms: samples::terms(),
        });
        let fitted = fit(prepared.collect());
        prop_assert_eq!(fitted.answers.len(), sizes.len());
        let records: Vec<_> = fitted.answers.iter().filter_map(|answer| match answer {
            FetchAnswer::Record { record, .. } => Some(record.attachment(&fitted.attachments).unwrap().len()),
            _ => None,
        }).collect();
        let kept: Vec<_> = sizes.iter().enumerate()
            .filter(|(at, _)| !fitted.left_out.contains(at)).map(|(_, &size)| size).collect();
        prop_assert_eq!(&records, &kept);
        for &at in &fitted.left_out {
            prop_assert_eq!(&fitted.answers[at], &FetchAnswer::Refused(Refusal::TOO_LARGE));
            let free = RESPONSE_FRAME_MAX_BYTES - kept.iter().sum::<usize>();
            prop_assert!(sizes[at] + 64 * 400 + 1024 > free, "{} of {free} left out", sizes[at]);
        }
        let response = Response { answer: Answer::Fetch(fitted.answers.try_into().unwrap()), ..samples::fetch_response() };
        let envelope = seal(Kind::Res, NETWORK, &Bank::a().session, &response.encode());
        prop_assert!(frame::encode(Expect::Response, &envelope, &fitted.attachments).is_ok());
    }
}

#[test]
fn any_single_bit_flip_is_refused() {
    for sample in samples::all() {
        let mut envelope = sample.envelope();
        for bit in 0..envelope.len() * 8 {
            envelope[bit / 8] ^= 1 << (bit % 8);
            let verified = open(&envelope).is_ok_and(|opened| {
                opened
                    .verify(sample.kind, NETWORK, sample.signer.public())
                    .is_ok()
            });
            assert!(!verified, "{} bit {bit}", sample.name);
            envelope[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    for sample in samples::all() {
        let envelope = sample.envelope();
        let framed = frame::encode(Expect::Response, &envelope, &sample.attachments).unwrap();
        for len in 0..envelope.len() {
            assert!(open(&envelope[..len]).is_err());
        }
        for len in 0..framed.len() {
            assert!(frame::decode(Expect::Response, &framed[..len]).is_err());
        }
        for len in 0..sample.payload.len() {
            assert!(read(sample.reader, &sample.payload[..len]).is_err());
        }
    }
}

#[test]
fn the_numbers_of_kinds_ops_and_uses_are_the_protocols() {
    use finp2p_wire::cbor::encode;
    use finp2p_wire::certificate::Use;
    let kinds: Vec<u8> = Kind::ALL.into_iter().map(Kind::number).collect();
    assert_eq!(kinds, (1..=9).collect::<Vec<u8>>());
    let ops = [Op::Fetch, Op::Catalog, Op::Sync, Op::Subscribe, Op::Keys].map(|op| encode(&op));
    assert_eq!(ops, [[1], [2], [3], [4], [5]]);
    let uses = [Use::Issue, Use::Net, Use::Rec, Use::Dec, Use::Hold].map(|one| encode(&one));
    assert_eq!(uses, [[1], [2], [3], [4], [5]]);
}

/// The payload of a catalogue request with another number of operation.
fn with_op(op: u8) -> Vec<u8> {
    let mut payload = samples::catalog_request().encode();
    // The body follows: a map of two whose first key is `after`.
    let at = payload
        .windows(5)
        .position(|w| w == [0x05, 0x02, 0x06, 0xa2, 0x01])
        .unwrap();
    payload[at + 1] = op;
    payload
}

#[test]
fn reserved_and_unknown_operations_are_malformed() {
    assert!(Request::decode(&with_op(2)).is_ok());
    for op in [0, 1, 3, 4, 5, 6, 23] {
        assert_eq!(
            Request::decode(&with_op(op)).unwrap_err(),
            Malformed::Shape,
            "{op}"
        );
    }
    for op in [Op::Sync, Op::Subscribe] {
        let payload = samples::fetch_response().encode();
        assert_eq!(
            Response::decode(op, &payload).unwrap_err(),
            Malformed::Shape
        );
    }
}

#[test]
fn a_list_or_text_beyond_its_bounds_is_malformed() {
    let fetch = |items: usize, resource: &str, pointers: usize| {
        // The type cannot hold it, so the bytes are written by hand.
        let mut payload = Vec::new();
        let mut e = minicbor::Encoder::new(&mut payload);
        e.map(6).unwrap().u8(1).unwrap().bytes(&[0; 16]).unwrap();
        e.u8(2)
            .unwrap()
            .u8(1)
            .unwrap()
            .u8(3)
            .unwrap()
            .u8(1)
            .unwrap();
        e.u8(4)
            .unwrap()
            .array(2)
            .unwrap()
            .str("bank-a")
            .unwrap()
            .bytes(&[0; 16])
            .unwrap();
        e.u8(5)
            .unwrap()
            .u8(1)
            .unwrap()
            .u8(6)
            .unwrap()
            .array(items as u64)
            .unwrap();
        for _ in 0..items {
            e.map(2).unwrap().u8(1).unwrap().str(resource).unwrap();
            e.u8(2).unwrap().array(pointers as u64).unwrap();
            for _ in 0..pointers {
                e.str("/a").unwrap();
            }
        }
        Request::decode(&payload).map(|_| ())
    };
    assert_eq!(fetch(1, "a:102:b", 1), Ok(()));
    assert_eq!(fetch(64, "a:102:b", 64), Ok(()));
    let shape = Err(Malformed::Shape);
    assert_eq!(fetch(0, "a:102:b", 1), shape);
    assert_eq!(fetch(65, "a:102:b", 1), shape);
    assert_eq!(fetch(1, "", 1), shape);
    assert_eq!(fetch(1, &"a".repeat(257), 1), shape);
    assert_eq!(fetch(1, "a:102:b", 0), shape);
    assert_eq!(fetch(1, "a:102:b", 65), shape);
    // Attack 22's id of a megabyte.
    assert_eq!(fetch(1, &"a".repeat(1 << 20), 1), shape);
    assert!(Resource::new("a".repeat(257)).is_err());
    assert!(Fetch::new(vec![]).is_err());
}

#[test]
fn an_optional_field_is_absent_and_never_null() {
    let request = Request {
        purpose: None,
        pres: None,
        ..samples::fetch_request()
    };
    let mut payload = request.encode();
    assert_eq!(payload[0], 0xa6);
    payload[0] = 0xa7;
    payload.extend([0x07, 0xf6]);
    assert_eq!(Request::decode(&payload).unwrap_err(), Malformed::Shape);
}

#[test]
fn a_refusal_has_a_reason_exactly_when_it_is_not_permitted() {
    for &code in Code::ALL {
        assert_eq!(
            Refusal::new(code, None).is_some(),
            code != Code::NotPermitted
        );
        assert_eq!(
            Refusal::new(code, Some(Reason::Fields)).is_some(),
            code == Code::NotPermitted
        );
    }
}

#[test]
fn attack_17_every_not_shared_answer_has_the_same_bytes() {
    // Nothing about the resource can be in it: there is no field to put it.
    let encoded = finp2p_wire::cbor::encode(&FetchAnswer::Refused(Refusal::NOT_SHARED));
    assert_eq!(hex::encode(encoded), "a101191bc0");
}

#[test]
fn the_catalogue_is_closed_and_its_numbers_and_statuses_are_the_protocols() {
    let expected = [
        (1002, 400),
        (1100, 404),
        (2002, 503),
        (2003, 504),
        (2202, 500),
        (3000, 401),
        (3400, 403),
        (7104, 403),
        (9001, 413),
        (9002, 503),
        (9003, 429),
        (9004, 503),
        (9005, 503),
        (9006, 503),
        (9007, 400),
        (9008, 503),
        (9009, 503),
        (9010, 503),
        (9011, 202),
        (9012, 503),
        (9013, 409),
    ];
    let actual: Vec<_> = Code::ALL
        .iter()
        .map(|code| (code.number(), code.http_status()))
        .collect();
    assert_eq!(actual, expected);
    for &code in Code::ALL {
        assert_eq!(Code::from_number(u64::from(code.number())), Some(code));
        assert_eq!(
            code.to_string(),
            format!("{} {}", code.number(), code.slug())
        );
        assert!(code.sentence().ends_with('.'));
    }
    for reason in Reason::ALL {
        assert_eq!(Reason::from_slug(reason.slug()), Some(reason));
        let refusal = Refusal::not_permitted(reason);
        assert_eq!(
            (refusal.slug(), refusal.sentence()),
            (reason.slug(), reason.sentence())
        );
    }
    for unknown in [0, 1, 1001, 9000, 9014, u64::MAX] {
        assert_eq!(Code::from_number(unknown), None);
    }
}

#[test]
fn a_hint_survives_the_wire_and_contradicting_slugs_do_not() {
    for &code in Code::ALL {
        for hint in [
            Hint::new(code),
            Hint {
                code,
                ..samples::hint()
            },
        ] {
            let bytes = frame::encode_hint(&hint);
            assert_eq!(frame::decode(Expect::Hello, &bytes), Ok(Frame::Hint(hint)));
        }
    }
    let mut bytes = frame::encode_hint(&Hint::new(Code::Clock));
    let at = bytes.windows(5).position(|w| w == b"clock").unwrap();
    bytes[at] = b'b';
    assert_eq!(
        frame::decode(Expect::Hello, &bytes).unwrap_err().code(),
        Code::Malformed
    );
}

#[test]
fn the_reference_is_the_first_eight_bytes_of_the_request_in_hex() {
    let digest = Digest::of("request");
    assert_eq!(Reference::of(&digest).to_string(), digest.to_string()[..16]);
}

#[test]
fn the_trust_digest_depends_on_the_set_of_roots_and_on_nothing_else() {
    use finp2p_wire::digest::trust;
    let (a, b) = (Bank::a().root, Bank::b().root);
    let (a, b) = (a.public(), b.public());
    assert_eq!(trust("x", [a, b]), trust("x", [b, a, b]));
    assert_ne!(trust("x", [a, b]), trust("x", [a]));
    assert_ne!(trust("x", [a]), trust("y", [a]));
    assert_ne!(trust("x", []), trust("x", [a]));
}

#[test]
fn a_version_is_chosen_only_from_those_both_speak() {
    assert_eq!(choose_version(&[7, VERSION]), Some(VERSION));
    assert_eq!(choose_version(&[VERSION + 1]), None);
    assert_eq!(choose_version(&[]), None);
}
