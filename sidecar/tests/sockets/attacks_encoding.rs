//! Attacks 7 to 9: headers, encodings, signatures and keys that a lax node would accept.

use finp2p_wire::cbor::{Bytes, List};
use finp2p_wire::certificate::{Certificate, KeyBytes, Use};
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::key::{Kid, SigningKey};
use finp2p_wire::message::{Body, Catalog, Hello, Organization};
use libp2p::PeerId;

use crate::attacker::{Attacker, Got, fetch_body, framed, item, sealed};
use crate::attacks_envelope::{B, assert_only_counted, decided};
use crate::bank::{Bank, NETWORK};
use crate::kept::kept;
use crate::node::NOW;
use crate::primary::BOND;
use crate::raw::{Outcome, RawPeer, Scrawl};
use crate::victim::{Declares, Victim};

fn byte_string(bytes: &[u8]) -> Vec<u8> {
    let head = match bytes.len() {
        short @ 0..=23 => vec![0x40 | u8::try_from(short).unwrap()],
        long => [&[0x59], &u16::try_from(long).unwrap().to_be_bytes()[..]].concat(),
    };
    // 0x59 is the shortest form from 256 on; between, it is 0x58.
    match bytes.len() {
        24..=255 => [&[0x58, u8::try_from(bytes.len()).unwrap()], bytes].concat(),
        _ => [&head, bytes].concat(),
    }
}

fn map(entries: &[&[u8]]) -> Vec<u8> {
    let count = 0xa0 | u8::try_from(entries.len()).unwrap();
    [&[count], entries.concat().as_slice()].concat()
}

/// A request under any header, correctly signed: what is refused is refused for its header.
fn cose(protected: &[u8], unprotected: &[u8], key: &SigningKey, payload: &[u8]) -> Vec<u8> {
    let aad = [b"\x83\x68finp2p/1\x68", NETWORK.as_bytes(), b"\x04"].concat();
    let to_sign = [
        b"\x84\x6aSignature1".to_vec(),
        byte_string(protected),
        byte_string(&aad),
        byte_string(payload),
    ];
    let signature = key.sign(&to_sign.concat());
    [
        vec![0x84],
        byte_string(protected),
        unprotected.to_vec(),
        byte_string(payload),
        byte_string(&signature),
    ]
    .concat()
}

#[tokio::test]
async fn attack_07_only_the_one_header_is_accepted() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let key = &b.bank.session;
    let kid = [b"\x04\x50".as_slice(), &key.kid().0].concat();
    let (alg, kid, typ) = (&b"\x01\x32"[..], &*kid, &b"\x10\x6bfinp2p+cose"[..]);
    let headers: [(&str, Vec<u8>, Vec<u8>); 13] = [
        ("alg -8", map(&[b"\x01\x27", kid, typ]), map(&[])),
        ("alg none", map(&[b"\x01\x64none", kid, typ]), map(&[])),
        ("alg 0", map(&[b"\x01\x00", kid, typ]), map(&[])),
        ("alg missing", map(&[kid, typ]), map(&[])),
        ("alg unprotected", map(&[kid, typ]), map(&[alg])),
        ("alg in both", map(&[alg, kid, typ]), map(&[alg])),
        ("kid unprotected", map(&[alg, typ]), map(&[kid])),
        ("duplicate label", map(&[alg, alg, kid, typ]), map(&[])),
        ("crit", map(&[alg, b"\x02\x81\x10", kid, typ]), map(&[])),
        ("extra label", map(&[alg, kid, b"\x0f\xa0", typ]), map(&[])),
        ("typ missing", map(&[alg, kid]), map(&[])),
        ("other order", map(&[kid, alg, typ]), map(&[])),
        ("no header", Vec::new(), map(&[])),
    ];
    let payload = talk.fetching(1, BOND).encode();
    for (what, protected, unprotected) in &headers {
        let envelope = cose(protected, unprotected, key, &payload);
        assert_eq!(
            b.send(&victim, &framed(&envelope)).await.hint(),
            1002,
            "{what}"
        );
    }
    assert_only_counted(&victim, 1002, headers.len() as u64);
    // The control: the one header, by the same hand, is answered.
    let envelope = cose(&map(&[alg, kid, typ]), &map(&[]), key, &payload);
    b.send(&victim, &framed(&envelope)).await.signed();
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_08_breaks_of_the_encoding_are_refused_before_the_signature() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let after = None;
    let good = talk
        .request(1, Body::Catalog(Catalog { after, max: 8 }))
        .encode();
    // The end of the payload is `max`, in one byte.
    let with_end = |end: &[u8]| [&good[..good.len() - 1], end].concat();
    assert_eq!(good.last(), Some(&8));
    let payloads = [
        ("not shortest", with_end(&[0x18, 8])),
        ("float", with_end(&[0xf9, 0x48, 0x00])),
        ("trailing", with_end(&[8, 0])),
        ("truncated", with_end(&[])),
        ("indefinite", [&[0xbf], &good[1..], &[0xff]].concat()),
        ("duplicate key", [&[good[0] + 1, 1, 0], &good[1..]].concat()),
        ("nesting", vec![0x81; 60_000]),
        (
            "a claim of 4 GiB",
            with_end(&[0x5a, 0xff, 0xff, 0xff, 0xff]),
        ),
        (
            "a claim of 2^64",
            with_end(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255]),
        ),
    ];
    let signatures = victim.responder().tally(victim.time()).signatures;
    for (what, payload) in &payloads {
        let frame = sealed(Kind::Req, &b.bank.session, payload);
        assert_eq!(b.send(&victim, &frame).await.hint(), 1002, "{what}");
    }
    for frame in [
        vec![0x81; 60_000],
        vec![0x9f; 60_000],
        vec![0x82, 0x5a, 0xff, 0xff, 0xff, 0xff],
        vec![0xff],
    ] {
        assert_eq!(b.send(&victim, &frame).await.hint(), 1002);
    }
    assert_only_counted(&victim, 1002, payloads.len() as u64 + 4);
    let tally = victim.responder().tally(victim.time());
    assert_eq!(tally.signatures, signatures);
    // The control: the same payload unbroken is answered.
    let frame = sealed(Kind::Req, &b.bank.session, &good);
    b.send(&victim, &frame).await.signed();
    victim.still_serves().await;
}

/// The most address space that this process ever had, in bytes.
fn peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kib = line
        .unwrap()
        .trim()
        .trim_end_matches("kB")
        .trim()
        .to_owned();
    kib.parse::<u64>().unwrap() * 1024
}

#[tokio::test]
async fn attack_08_an_announced_4_gib_costs_no_memory() {
    let (victim, b) = Victim::start().await;
    let attacker = Attacker::new(Bank::clone_of(&b)).await;
    let address = &victim.node().addresses[0];
    let before = peak_bytes();
    for known in [false, true] {
        let mut raw = RawPeer::connect(b.peer.clone(), address).await.unwrap();
        if known {
            let hello = Scrawl::frame(&attacker.hello_frame());
            assert!(matches!(raw.send(hello).await, Outcome::Answer(_)));
        }
        for _ in 0..20 {
            let outcome = raw.send(Scrawl::announce(u32::MAX)).await;
            assert_eq!(outcome, Outcome::StreamClosed);
        }
    }
    assert_eq!(victim.node().counters.read().requests_too_large, 40);
    // A buffer for one announcement would be 4 GiB of address space; tests beside this one have
    // threads and stores, which is what the room is for.
    assert!(peak_bytes() - before < 4 << 30, "a claim was believed");
    assert_eq!(kept(&victim.audited()).decided, decided(&[0]), "the hello");
    victim.still_serves().await;
}

/// Encodings of points of small order, canonical or not.
const SMALL_ORDER: [&str; 5] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

/// The order of the group, little-endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

fn point(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// The signature with the group's order added to its S: the same for a lax verifier.
fn unreduced(mut signature: [u8; 64]) -> [u8; 64] {
    let mut carry = 0;
    for (byte, add) in signature[32..].iter_mut().zip(point(ORDER)) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    signature
}

#[tokio::test]
async fn attack_09_signatures_that_a_lax_verifier_accepts_are_refused() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    victim.audited();
    let key = &b.bank.session;
    let payload = talk.request(1, fetch_body(vec![item(BOND)])).encode();
    let honest = key.sign(&envelope::signing_input(
        Kind::Req,
        NETWORK,
        key.kid(),
        &payload,
    ));
    let mut forged = vec![unreduced(honest), [0; 64], [0xff; 64]];
    for text in SMALL_ORDER {
        let mut signature = honest;
        signature[..32].copy_from_slice(&point(text));
        forged.push(signature);
        signature[32..].fill(0);
        forged.push(signature);
    }
    for signature in &forged {
        let envelope = envelope::assemble(key.kid(), &payload, signature);
        assert_eq!(b.send(&victim, &framed(&envelope)).await.hint(), 3000);
    }
    let codes = vec![3000; forged.len()];
    assert_eq!(kept(&victim.audited()).decided, decided(&codes));
    // None of them used up the number: the request itself is answered.
    let envelope = envelope::assemble(key.kid(), &payload, &honest);
    b.send(&victim, &framed(&envelope)).await.signed();
    victim.still_serves().await;
}

#[tokio::test]
async fn attack_09_a_weak_key_opens_nothing_even_when_it_is_pinned() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    // The identity: under a lax verifier R = identity and S = 0 is its signature of anything.
    let weak = point(SMALL_ORDER[0]);
    let spki = [&hex::decode("302a300506032b6570032100").unwrap()[..], &weak].concat();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&weak);
    // So the attacker certifies an issuing key of his own, and with it a session key.
    let mine = SigningKey::generate(&mut rand::rng());
    let certificate = |uses, key: &SigningKey, peers: Option<&PeerId>| Certificate {
        org: Organization::new(B).unwrap(),
        uses: List::new(vec![uses]).unwrap(),
        key: KeyBytes(*key.public().as_bytes()),
        peers: peers.map(|id| List::new(vec![Bytes::new(id.to_bytes()).unwrap()]).unwrap()),
        serial: 9,
        incarnation: 1,
        not_before: NOW as u64 - 1000,
        not_after: NOW as u64 + 1000,
    };
    let issuing = certificate(Use::Issue, &mine, None);
    let issuing = issuing.assemble(Kid::of(&weak), &signature);
    let session = certificate(Use::Net, &b.bank.session, Some(&b.bank.peer_id()));
    let session = session.issue(NETWORK, &mine).unwrap();
    let pin = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, spki);
    victim.apply_with(&Declares::default(), |entry| {
        if entry.organization_id == B {
            entry.keys[0].public_key = pin.clone();
        }
    });
    let certificates = [issuing, session].map(|one| Bytes::new(one).unwrap());
    let hello = Hello {
        certs: List::new(certificates.to_vec()).unwrap(),
        ..b.hello()
    };
    let frame = sealed(Kind::Hello, &b.bank.session, &hello.encode());
    assert_eq!(b.send(&victim, &frame).await, Got::Closed);
    assert_only_counted(&victim, 3000, 1);
    victim.still_serves().await;
}
