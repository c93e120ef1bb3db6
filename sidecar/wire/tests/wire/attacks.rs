//! The protocol's list of attacks, as far as bytes alone decide them. The number is the list's.

use finp2p_wire::cbor::{Malformed, gate};
use finp2p_wire::envelope::{Kind, NotAnEnvelope, assemble, open, seal};
use finp2p_wire::error::Code;
use finp2p_wire::frame::{self, Expect, FrameError};
use finp2p_wire::key::SigningKey;
use finp2p_wire::message::{Hello, Mismatch, Op, Request, Response};

use crate::samples::{self, Bank, NETWORK};

#[test]
fn attack_05_a_message_of_one_kind_never_passes_for_another() {
    for sample in samples::all() {
        for sealed_as in Kind::ALL {
            let envelope = seal(sealed_as, NETWORK, &sample.signer, &sample.payload);
            let opened = open(&envelope).unwrap();
            for read_as in Kind::ALL {
                let verified = opened
                    .verify(read_as, NETWORK, sample.signer.public())
                    .is_ok();
                assert_eq!(
                    verified,
                    sealed_as == read_as,
                    "{sealed_as:?} as {read_as:?}"
                );
            }
        }
    }
}

#[test]
fn attack_06_a_message_of_one_network_never_passes_on_another() {
    for sample in samples::all() {
        let envelope = sample.envelope();
        let opened = open(&envelope).unwrap();
        assert!(
            opened
                .verify(sample.kind, NETWORK, sample.signer.public())
                .is_ok()
        );
        for other in [
            "",
            "sandbox-finp2",
            "sandbox-finp2p2",
            "Sandbox-finp2p",
            "production",
        ] {
            assert!(
                opened
                    .verify(sample.kind, other, sample.signer.public())
                    .is_err(),
                "{other}"
            );
        }
    }
}

#[test]
fn attack_06_an_envelope_never_verifies_under_another_key() {
    let envelope = samples::all().pop().unwrap().envelope();
    let opened = open(&envelope).unwrap();
    assert!(
        opened
            .verify(Kind::Res, NETWORK, Bank::b().session.public())
            .is_err()
    );
}

/// A COSE_Sign1 with any header, correctly signed: what is refused is refused for its header.
fn cose(protected: &[u8], unprotected: &[u8], key: &SigningKey) -> Vec<u8> {
    let payload = b"\xa0";
    let byte_string = |bytes: &[u8]| {
        let mut out = match u8::try_from(bytes.len()).unwrap() {
            short @ 0..=23 => vec![0x40 | short],
            long => vec![0x58, long],
        };
        out.extend_from_slice(bytes);
        out
    };
    let aad = [
        b"\x83\x68finp2p/1\x6e".as_slice(),
        NETWORK.as_bytes(),
        b"\x04",
    ]
    .concat();
    let to_sign = [
        b"\x84\x6aSignature1".to_vec(),
        byte_string(protected),
        byte_string(&aad),
        byte_string(payload),
    ]
    .concat();
    let signature = byte_string(&key.sign(&to_sign));
    [
        b"\x84".to_vec(),
        byte_string(protected),
        unprotected.to_vec(),
        byte_string(payload),
        signature,
    ]
    .concat()
}

#[test]
fn attack_07_only_the_one_header_is_accepted() {
    let key = Bank::b().session;
    let kid = [b"\x04\x50".as_slice(), &key.kid().0].concat();
    let typ = b"\x10\x6bfinp2p+cose".as_slice();
    let map = |entries: &[&[u8]]| {
        let count = 0xa0 | u8::try_from(entries.len()).unwrap();
        [&[count], entries.concat().as_slice()].concat()
    };
    let good = map(&[b"\x01\x32", &kid, typ]);
    let control = cose(&good, b"\xa0", &key);
    assert!(
        open(&control)
            .unwrap()
            .verify(Kind::Req, NETWORK, key.public())
            .is_ok()
    );

    let refused: Vec<(&str, Vec<u8>)> = vec![
        (
            "alg -8",
            cose(&map(&[b"\x01\x27", &kid, typ]), b"\xa0", &key),
        ),
        (
            "alg 0",
            cose(&map(&[b"\x01\x00", &kid, typ]), b"\xa0", &key),
        ),
        (
            "alg as text",
            cose(&map(&[b"\x01\x64none", &kid, typ]), b"\xa0", &key),
        ),
        ("alg missing", cose(&map(&[&kid, typ]), b"\xa0", &key)),
        (
            "alg not shortest",
            cose(&map(&[b"\x01\x38\x12", &kid, typ]), b"\xa0", &key),
        ),
        (
            "alg in unprotected",
            cose(&map(&[&kid, typ]), &map(&[b"\x01\x32"]), &key),
        ),
        ("alg in both", cose(&good, &map(&[b"\x01\x32"]), &key)),
        (
            "kid in unprotected",
            cose(&map(&[b"\x01\x32", typ]), &map(&[&kid]), &key),
        ),
        (
            "duplicate alg",
            cose(&map(&[b"\x01\x32", b"\x01\x32", &kid, typ]), b"\xa0", &key),
        ),
        (
            "crit",
            cose(
                &map(&[b"\x01\x32", b"\x02\x81\x10", &kid, typ]),
                b"\xa0",
                &key,
            ),
        ),
        (
            "extra label",
            cose(&map(&[b"\x01\x32", &kid, b"\x0f\xa0", typ]), b"\xa0", &key),
        ),
        (
            "other order",
            cose(&map(&[&kid, b"\x01\x32", typ]), b"\xa0", &key),
        ),
        (
            "other typ",
            cose(
                &map(&[b"\x01\x32", &kid, b"\x10\x6bfinp2p+cosf"]),
                b"\xa0",
                &key,
            ),
        ),
        (
            "typ missing",
            cose(&map(&[b"\x01\x32", &kid]), b"\xa0", &key),
        ),
        ("empty header", cose(b"", b"\xa0", &key)),
        ("tagged", [b"\xd2", control.as_slice()].concat()),
        ("trailing byte", [&control, b"\x00".as_slice()].concat()),
        ("nothing", vec![]),
    ];
    for (what, bytes) in refused {
        assert_eq!(open(&bytes).unwrap_err(), NotAnEnvelope, "{what}");
    }
}

#[test]
fn attack_08_breaks_of_the_encoding_are_each_refused_for_what_they_are() {
    use Malformed::*;
    let cases: &[(&[u8], Malformed)] = &[
        (b"", Truncated),
        (b"\x18", Truncated),
        (b"\x18\x17", NotShortest),
        (b"\x19\x00\xff", NotShortest),
        (b"\x1a\x00\x00\xff\xff", NotShortest),
        (b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", NotShortest),
        (b"\x38\x17", NotShortest),
        (b"\x58\x01\x00", NotShortest),
        (b"\x1c", Indefinite),
        (b"\x5f\x41\x00\xff", Indefinite),
        (b"\x7f\x61a\xff", Indefinite),
        (b"\x9f\x00\xff", Indefinite),
        (b"\xbf\x01\x00\xff", Indefinite),
        (b"\xff", Indefinite),
        (b"\xa2\x01\x00\x01\x00", Keys),
        (b"\xa2\x02\x00\x01\x00", Keys),
        (b"\xa1\x61a\x00", Keys),
        (b"\xa1\x20\x00", Keys),
        (b"\x00\x00", Trailing),
        (b"\xa0\xa0", Trailing),
        (b"\xc0\x00", Forbidden),
        (b"\xd8\x18\x40", Forbidden),
        (b"\xf7", Forbidden),
        (b"\xf0", Forbidden),
        (b"\xf8\x20", Forbidden),
        (b"\xf9\x00\x00", Forbidden),
        (b"\xfa\x00\x00\x00\x00", Forbidden),
        (b"\xfb\x00\x00\x00\x00\x00\x00\x00\x00", Forbidden),
        (b"\x62\xc3\x28", Utf8),
        (b"\x5a\xff\xff\xff\xff", Truncated),
        (b"\x9a\xff\xff\xff\xff\x00", Truncated),
        (b"\xba\xff\xff\xff\xff\x00\x00", Truncated),
        (b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff", Truncated),
        (b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff", Truncated),
    ];
    for (bytes, expected) in cases {
        assert_eq!(
            gate(bytes).unwrap_err(),
            *expected,
            "{}",
            hex::encode(bytes)
        );
        assert_eq!(Hello::decode(bytes).unwrap_err(), *expected);
        assert_eq!(Request::decode(bytes).unwrap_err(), *expected);
        assert_eq!(Response::decode(Op::Fetch, bytes).unwrap_err(), *expected);
        let read = frame::decode(Expect::Response, bytes);
        assert_eq!(read, Err(FrameError::Malformed(*expected)));
        assert_eq!(read.unwrap_err().code(), Code::Malformed);
    }
}

#[test]
fn attack_08_nesting_and_number_of_items_are_bounded() {
    let deep = vec![0x81; 100_000];
    assert_eq!(gate(&deep).unwrap_err(), Malformed::TooDeep);
    assert_eq!(
        frame::decode(Expect::Hello, &deep),
        Err(FrameError::TooLarge)
    );
    assert_eq!(
        frame::decode(Expect::Response, &deep),
        Err(FrameError::Malformed(Malformed::TooDeep))
    );
    let deep_maps = b"\xa1\x01".repeat(50_000);
    assert_eq!(gate(&deep_maps).unwrap_err(), Malformed::TooDeep);

    let just = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
    assert!(gate(&just(finp2p_wire::limits::CBOR_DEPTH_MAX)).is_ok());
    assert_eq!(
        gate(&just(finp2p_wire::limits::CBOR_DEPTH_MAX + 1)).unwrap_err(),
        Malformed::TooDeep
    );

    let wide = |elements: u32| {
        [
            b"\x9a".as_slice(),
            &elements.to_be_bytes(),
            &vec![0; elements as usize],
        ]
        .concat()
    };
    assert_eq!(gate(&wide(65_536)).unwrap_err(), Malformed::TooMany);
    assert!(gate(&[b"\x99\xff\xff".as_slice(), &[0; 65_535]].concat()).is_ok());
}

#[test]
fn attack_08_a_frame_is_refused_by_its_announced_length_before_it_is_read() {
    for (expect, most) in [
        (Expect::Hello, 16 << 10),
        (Expect::Request, 64 << 10),
        (Expect::Response, 1 << 20),
    ] {
        let prefix = |len: usize| u32::try_from(len).unwrap().to_be_bytes();
        assert_eq!(frame::announced_length(expect, prefix(most)), Ok(most));
        assert_eq!(
            frame::announced_length(expect, prefix(most + 1)),
            Err(FrameError::TooLarge)
        );
        assert_eq!(
            frame::announced_length(expect, [0xff; 4]),
            Err(FrameError::TooLarge)
        );
        assert_eq!(
            frame::decode(expect, &vec![0x40; most + 1]),
            Err(FrameError::TooLarge)
        );
        let attachment = vec![0; most];
        assert_eq!(
            frame::encode(expect, b"", &[attachment]),
            Err(FrameError::TooLarge)
        );
    }
    let many = vec![b""; 65];
    assert_eq!(
        frame::encode(Expect::Request, b"", &many),
        Err(FrameError::TooLarge)
    );
    let encoded = [b"\x82\x40\x98\x41".as_slice(), &[0x40; 65]].concat();
    assert_eq!(
        frame::decode(Expect::Request, &encoded),
        Err(FrameError::Malformed(Malformed::Shape))
    );
}

#[test]
fn attack_10_a_response_to_another_request_is_not_an_answer() {
    let pairs = [
        (samples::fetch_request(), samples::fetch_response()),
        (samples::catalog_request(), samples::catalog_response()),
        (samples::keys_request(), samples::keys_response()),
    ];
    for (at, (request, _)) in pairs.iter().enumerate() {
        let digest = open(&samples::request_envelope(request)).unwrap().digest();
        for (other, (_, response)) in pairs.iter().enumerate() {
            let answers = response.answers(request, &digest);
            assert_eq!(
                answers,
                if at == other {
                    Ok(())
                } else {
                    Err(Mismatch::Request)
                }
            );
        }
    }
    // The right digest, and still not what was asked for.
    let (request, fetched) = (samples::catalog_request(), samples::fetch_response());
    let digest = open(&samples::request_envelope(&request)).unwrap().digest();
    let forged = Response {
        req: digest,
        ctr: request.ctr,
        ..fetched
    };
    assert_eq!(forged.answers(&request, &digest), Err(Mismatch::Operation));
}

#[test]
fn attack_66_an_extension_is_ignored_and_covered_by_the_signature() {
    for sample in samples::all() {
        for extended in with_extensions(&sample.payload) {
            assert_eq!(
                samples::read(sample.reader, &extended).unwrap(),
                sample.payload,
                "{}",
                sample.name
            );
            let envelope = seal(sample.kind, NETWORK, &sample.signer, &extended);
            let opened = open(&envelope).unwrap();
            assert_eq!(
                opened.verify(sample.kind, NETWORK, sample.signer.public()),
                Ok(extended.as_slice())
            );
            let stripped = envelope.len() - 64;
            let signature = envelope[stripped..].try_into().unwrap();
            let without = assemble(sample.signer.kid(), &sample.payload, signature);
            assert!(
                open(&without)
                    .unwrap()
                    .verify(sample.kind, NETWORK, sample.signer.public())
                    .is_err()
            );
        }
    }
}

#[test]
fn attack_66_an_unknown_key_below_the_extensions_is_refused() {
    for sample in samples::all() {
        for key in [0_u8, 11, 12, 23, 24, 127] {
            let extended = with_entry(&sample.payload, key, b"\x00");
            assert_eq!(
                samples::read(sample.reader, &extended).unwrap_err(),
                Malformed::Shape,
                "{} {key}",
                sample.name
            );
        }
    }
}

#[test]
fn attack_66_a_reserved_field_is_refused_until_it_exists() {
    for (payload, reader, key) in [
        (samples::hello().encode(), samples::Reader::Hello, 8_u8),
        (samples::hello().encode(), samples::Reader::Hello, 9),
        (samples::hello_ok().encode(), samples::Reader::HelloOk, 8),
        (samples::hello_ok().encode(), samples::Reader::HelloOk, 11),
        (
            samples::fetch_response().encode(),
            samples::Reader::Response(Op::Fetch),
            6,
        ),
    ] {
        let extended = with_entry(&payload, key, b"\x00");
        assert!(gate(&extended).is_ok());
        assert_eq!(
            samples::read(reader, &extended).unwrap_err(),
            Malformed::Shape
        );
    }
}

/// The payload with one more top-level entry, in its place among the keys.
fn with_entry(payload: &[u8], key: u8, value: &[u8]) -> Vec<u8> {
    let count = payload[0] & 0x1f;
    let mut decoder = minicbor::Decoder::new(payload);
    decoder.map().unwrap();
    let mut at = decoder.position();
    for _ in 0..count {
        if decoder.u8().unwrap() > key {
            break;
        }
        decoder.skip().unwrap();
        at = decoder.position();
    }
    let key = if key < 24 { vec![key] } else { vec![0x18, key] };
    [
        &[0xa0 | (count + 1)],
        &payload[1..at],
        &key,
        value,
        &payload[at..],
    ]
    .concat()
}

fn with_extensions(payload: &[u8]) -> Vec<Vec<u8>> {
    let nested = with_entry(payload, 200, b"\xa1\x01\x82\xa0\x63abc");
    vec![
        with_entry(payload, 128, b"\xf6"),
        with_entry(payload, 255, b"\x20"),
        with_entry(&nested, 201, b"\x40"),
        nested,
    ]
}
