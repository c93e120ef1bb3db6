//! Sizes and shapes at their edges.

use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::error::Code;
use finp2p_wire::frame::{self, Hint};

use super::world::*;

const HELLO_MAX: usize = 16 * 1024;
const REQUEST_MAX: usize = 64 * 1024;

/// The payload with an extension field (key 128) of so many bytes behind it.
fn extended(payload: &[u8], bytes: usize) -> Vec<u8> {
    let mut extended = payload.to_vec();
    // A map of fewer than 23 fields: one more.
    extended[0] += 1;
    extended.extend([0x18, 0x80, 0x59]);
    extended.extend(u16::try_from(bytes).unwrap().to_be_bytes());
    extended.resize(extended.len() + bytes, 0);
    extended
}

/// A sealed frame of exactly so many bytes.
fn of_size(bank: &Bank, kind: Kind, payload: &[u8], size: usize) -> Vec<u8> {
    let frame = |bytes| {
        let payload = extended(payload, bytes);
        framed(&envelope::seal(kind, NETWORK, &bank.session, &payload))
    };
    let around = frame(size / 2).len() - size / 2;
    let frame = frame(size - around);
    assert_eq!(frame.len(), size);
    frame
}

#[test]
fn a_stranger_is_read_up_to_the_longest_hello_and_no_further() {
    let world = World::new();
    let junk = |size: usize| world.answer(&world.b, &vec![0; size]);
    assert_eq!(junk(HELLO_MAX).hint(), 1002);
    assert_eq!(junk(HELLO_MAX + 1), Got::Closed);
    assert_eq!(junk(REQUEST_MAX + 1), Got::Closed);
    assert_eq!(junk(0).hint(), 1002);
    let counted = world.counted();
    assert_eq!(
        counted,
        [(None, 1002), (None, 1002), (None, 3000), (None, 3000)]
    );
}

#[test]
fn a_peer_with_a_session_is_read_up_to_the_longest_request() {
    let world = World::new();
    world.connect(&world.b);
    let junk = |size: usize| world.answer(&world.b, &vec![0; size]);
    assert_eq!(junk(HELLO_MAX + 1).hint(), 1002);
    assert_eq!(junk(REQUEST_MAX).hint(), 1002);
    assert_eq!(junk(REQUEST_MAX + 1).hint(), 9001);
    // Another peer's session is not one's own.
    assert_eq!(world.answer(&world.c, &vec![0; HELLO_MAX + 1]), Got::Closed);
}

#[test]
fn a_hello_has_the_size_of_a_hello_also_within_a_session() {
    let world = World::new();
    world.connect(&world.b);
    let hello = world.b.hello().encode();
    let of_size = |size| of_size(&world.b, Kind::Hello, &hello, size);
    assert!(matches!(
        world.answer(&world.b, &of_size(HELLO_MAX)),
        Got::Signed(_)
    ));
    assert_eq!(world.answer(&world.b, &of_size(HELLO_MAX + 1)).hint(), 9001);
}

#[test]
fn a_request_with_an_extension_is_answered_up_to_the_bound() {
    let world = World::new();
    let talk = world.connect(&world.b);
    let request = talk.request(1, fetch_body(vec![asset("bond")])).encode();
    let frame = of_size(&world.b, Kind::Req, &request, REQUEST_MAX);
    assert!(matches!(world.answer(&world.b, &frame), Got::Signed(_)));
}

#[test]
fn a_hint_is_no_request() {
    let world = World::new();
    let hint = frame::encode_hint(&Hint::new(Code::NotShared));
    assert_eq!(world.answer(&world.b, &hint).hint(), 1002);
}
