//! How many requests, how large a head, and how it ends.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use finp2p_sidecar::api::REQUESTS_MAX;
use finp2p_sidecar::api::serve::{API_CONNECTIONS_MAX, PROBE_CONNECTIONS_MAX};
use serde_json::json;

use crate::program::DEADLINE;
use crate::world::{World, token};

const BODY: &[u8] = br#"{"isin":"XS1"}"#;

/// A PUT whose body is still to come.
fn half(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.api).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let head = format!(
        "PUT /v1/assets/bond HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        token("trading"),
        BODY.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// Waits until the node asks for the body: then the request has room.
fn wait_until_wanted(stream: &mut TcpStream) {
    let mut line = [0; 25];
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
}

/// A request that has no body, and is answered once it is audited.
fn asking(world: &World) -> TcpStream {
    let mut stream = TcpStream::connect(world.api).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let head = format!(
        "GET /v1/assets/bond HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Authorization: Bearer {}\r\n\r\n",
        token("trading")
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

fn finish(mut stream: TcpStream) -> String {
    stream.write_all(BODY).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn more_requests_than_there_is_room_for_are_told_to_come_again() {
    let world = World::new();
    let held = world.hold_audit();
    let waiting: Vec<_> = (0..REQUESTS_MAX).map(|_| asking(&world)).collect();
    world.until("all are being answered", || world.held_up() == REQUESTS_MAX);
    let answer = world.trading().get("/v1/status");
    answer.refusal(503, 2002, "busy");
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(answer.body["retryAfterSeconds"], 1);
    // Whoever has no token takes no room, and the description needs none.
    world
        .nobody()
        .get("/v1/status")
        .refusal(401, 3000, "authentication");
    assert_eq!(world.nobody().get("/openapi.json").status, 200);
    drop(held);
    for mut stream in waiting {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    }
    assert_eq!(world.trading().get("/v1/status").status, 200);
}

#[test]
fn bodies_that_come_drop_by_drop_keep_nobody_out() {
    let world = World::new();
    let next = || {
        let mut stream = half(&world);
        wait_until_wanted(&mut stream);
        stream
    };
    let mut slow: VecDeque<_> = (0..REQUESTS_MAX).map(|_| next()).collect();
    // A minute later they would have been given up by themselves.
    assert_eq!(world.trading().get("/v1/status").status, 200);
    let mut told = String::new();
    let mut oldest = slow.pop_front().unwrap();
    oldest.read_to_string(&mut told).unwrap();
    assert!(
        told.starts_with("HTTP/1.1 503") && told.contains("busy"),
        "{told}"
    );
    // More of them than there are connections make room among themselves, and a body that comes at once
    // is taken.
    slow.extend((0..API_CONNECTIONS_MAX).map(|_| next()));
    let written = world
        .trading()
        .put("/v1/assets/bond", &json!({"isin": "XS1"}));
    assert_eq!(written.status, 201, "{}", written.text);
    let newest = finish(slow.pop_back().unwrap());
    assert!(newest.starts_with("HTTP/1.1 200"), "{newest}");
}

#[test]
fn a_request_under_way_is_answered_when_the_node_ends_and_no_other() {
    let world = World::new();
    let mut stream = half(&world);
    wait_until_wanted(&mut stream);
    world.stop();
    world.until("the listener is closed", || {
        TcpStream::connect(world.api).is_err()
    });
    let answer = finish(stream);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    world.ended();
    assert_eq!(world.entries_of("api.write-asset").len(), 2);
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let world = World::new();
    let mut stream = TcpStream::connect(world.api).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let filler = "x".repeat(64 * 1024);
    let head = format!("GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Filler: {filler}\r\n\r\n");
    // The node may close while it is still being written to.
    let _reset = stream.write_all(head.as_bytes());
    let mut answer = [0; 12];
    if stream.read_exact(&mut answer).is_ok() {
        assert_eq!(&answer, b"HTTP/1.1 431");
    }
    assert_eq!(world.trading().get("/v1/status").status, 200);
}

#[test]
#[allow(clippy::disallowed_methods)] // how long it took is what is tested
fn connections_that_say_nothing_keep_nobody_out() {
    let world = World::new();
    let silent = || TcpStream::connect(world.probes).unwrap();
    let half = || {
        let mut stream = silent();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHo").unwrap();
        stream
    };
    let mut streams: Vec<_> = (0..PROBE_CONNECTIONS_MAX)
        .flat_map(|_| [silent(), half()])
        .collect();
    // They would be closed by themselves after ten seconds.
    let begin = Instant::now();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(world.prober().get(path).status, 200, "{path}");
    }
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "{:?}",
        begin.elapsed()
    );
    // Whoever came first went first.
    let oldest = &mut streams[0];
    oldest.set_read_timeout(Some(DEADLINE)).unwrap();
    assert_eq!(oldest.read(&mut [0; 1]).unwrap_or(0), 0);
}

#[test]
fn a_caller_that_leaves_in_the_middle_gives_its_room_back() {
    let world = World::new();
    for _ in 0..3 {
        let held = world.hold_audit();
        let waiting: Vec<_> = (0..REQUESTS_MAX).map(|_| asking(&world)).collect();
        world.until("all are being answered", || world.held_up() == REQUESTS_MAX);
        let answer = world.trading().get("/v1/status");
        answer.refusal(503, 2002, "busy");
        drop(waiting);
        world.until("there is room again", || {
            world.trading().get("/v1/status").status == 200
        });
        drop(held);
        world.until("nobody is held up", || world.held_up() == 0);
    }
    world
        .trading()
        .get("/v1/assets/bond")
        .refusal(404, 1100, "no-content");
    assert_eq!(
        world
            .trading()
            .put("/v1/assets/bond", &json!({"isin": "XS1"}))
            .status,
        201
    );
}
