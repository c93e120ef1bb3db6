//! Attack 8: memory stays flat whatever lengths an input claims. A binary of its own with one
//! test, because the allocator counts for the whole process.
// A panic is how a test fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use finp2p_wire::cbor::gate;
use finp2p_wire::frame::{self, Expect};
use finp2p_wire::message::{Hello, HelloOk, Op, Request, Response};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Most bytes that were allocated at once while this ran, beyond what was there before.
fn peak(run: impl FnOnce()) -> usize {
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    run();
    ALLOCATOR.peak_usage() - before
}

fn read_with_every_decoder(bytes: &[u8]) {
    let _ = Hello::decode(bytes);
    let _ = HelloOk::decode(bytes);
    let _ = Request::decode(bytes);
    for op in [Op::Fetch, Op::Catalog, Op::Keys] {
        let _ = Response::decode(op, bytes);
    }
    let _ = frame::decode(Expect::Response, bytes);
}

/// A request whose fetch has so many items of so many pointers of one byte.
fn request(items: u64, pointers: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let mut e = minicbor::Encoder::new(&mut out);
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
        .array(items)
        .unwrap();
    for _ in 0..items {
        e.map(2)
            .unwrap()
            .u8(1)
            .unwrap()
            .str("a")
            .unwrap()
            .u8(2)
            .unwrap()
            .array(pointers)
            .unwrap();
        for _ in 0..pointers {
            e.str("/").unwrap();
        }
    }
    out
}

#[test]
fn attack_08_memory_is_flat_whatever_an_input_claims() {
    let claims: Vec<Vec<u8>> = [
        "5affffffff",
        "7affffffff",
        "9affffffff",
        "baffffffff",
        "5bffffffffffffffff",
        "7bffffffffffffffff",
        "9bffffffffffffffff",
        "bbffffffffffffffff",
        "9b00000000ffffffff",
        "a1019affffffff00",
        "a1025affffffff00",
        "825affffffff",
        "82409affffffff",
        "83f680baffffffff",
    ]
    .into_iter()
    .map(|text| hex::decode(text).unwrap())
    .collect();
    for claim in &claims {
        let used = peak(|| read_with_every_decoder(claim));
        assert!(used <= 1024, "{} took {used} bytes", hex::encode(claim));
    }

    let deep = vec![0x81; 1 << 20];
    let wide = [b"\x9a\x00\x0f\xff\xf0".as_slice(), &[0x40; 0xf_fff0]].concat();
    let many_attachments = [
        b"\x82\x40\x9a\x00\x0f\xff\xe0".as_slice(),
        &[0x40; 0xf_ffe0],
    ]
    .concat();
    for bytes in [&deep, &wide, &many_attachments] {
        assert_eq!(peak(|| assert!(gate(bytes).is_err())), 0);
        let used = peak(|| read_with_every_decoder(bytes));
        assert!(used <= 1024, "{} bytes took {used}", bytes.len());
    }

    // The most that a request can make of its bytes: a list grows to at most twice its elements,
    // and an element of two bytes on the wire is a text of 24.
    let full = request(64, 64);
    let used = peak(|| assert!(Request::decode(&full).is_ok()));
    assert!(used <= 40 * full.len(), "{} bytes took {used}", full.len());
    let over = request(65, 900);
    let used = peak(|| assert!(Request::decode(&over).is_err()));
    assert!(used <= 40 * over.len(), "{} bytes took {used}", over.len());
}
