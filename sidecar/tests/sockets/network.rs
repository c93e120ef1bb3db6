//! What anybody can make a node spend, and what a node makes of its peers.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use finp2p_sidecar::network::{Admissions, Answer, Bounds, Remote, Responder};
use finp2p_wire::limits::{HELLO_FRAME_MAX_BYTES, REQUEST_FRAME_MAX_BYTES};
use libp2p::identity::Keypair;

use crate::node::{Node, Respond, echo, soon, until};
use crate::raw::{Outcome, RawPeer, Scrawl};

/// Patient with everything: each test shortens what it is about.
pub fn patient() -> Bounds {
    let long = Duration::from_secs(60);
    Bounds {
        hello_timeout: long,
        read_timeout: long,
        request_timeout: long,
        idle_timeout: long,
        ..Bounds::default()
    }
}

/// For what must run out.
pub const SHORT: Duration = Duration::from_millis(200);
/// For what must run out, but not before an exchange on a busy machine.
const LONGER: Duration = Duration::from_secs(2);

/// Answers when told to, and says in which order it was asked.
#[derive(Default)]
pub struct Held {
    open: Mutex<bool>,
    opened: Condvar,
    order: Mutex<Vec<Vec<u8>>>,
}

impl Held {
    pub fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }
}

impl Responder for Held {
    fn answer(&self, _: jiff::Timestamp, _: &Remote, request: &[u8]) -> Answer {
        let closed = self.open.lock().unwrap();
        let _open = self.opened.wait_while(closed, |open| !*open).unwrap();
        self.order.lock().unwrap().push(request.to_vec());
        Answer::Respond(request.to_vec())
    }
}

#[tokio::test]
async fn attack_1_a_stranger_cannot_make_a_node_read_more_than_a_hello() {
    let server = Node::start(echo(), patient()).await;
    let mut stranger = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    let longest = vec![1; HELLO_FRAME_MAX_BYTES];
    let outcome = stranger.send(Scrawl::frame(&longest)).await;
    assert!(matches!(outcome, Outcome::Answer(bytes) if bytes.len() == 4 + longest.len()));
    // The body does not come: the length alone is refused.
    let over = u32::try_from(HELLO_FRAME_MAX_BYTES + 1).unwrap();
    assert_eq!(
        stranger.send(Scrawl::announce(over)).await,
        Outcome::StreamClosed
    );
    assert_eq!(
        stranger.send(Scrawl::announce(u32::MAX)).await,
        Outcome::StreamClosed
    );
    assert_eq!(server.counters.read().requests_too_large, 2);
    assert_eq!(server.counters.read().requests, 1);
}

#[tokio::test]
async fn attack_1_a_stranger_has_two_streams_and_no_more() {
    let server = Node::start(echo(), patient()).await;
    let mut stranger = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    for _ in 0..5 {
        stranger.write(Scrawl::announce(10_000));
    }
    for _ in 0..3 {
        assert_eq!(stranger.outcome().await, Outcome::StreamClosed);
    }
    assert_eq!(server.counters.read().requests_broken, 3);
}

#[tokio::test]
async fn attack_1_a_node_closes_a_connection_on_which_nobody_says_hello() {
    let bounds = Bounds {
        hello_timeout: SHORT,
        ..patient()
    };
    let server = Node::start(echo(), bounds).await;
    let mut silent = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    silent.closed().await;
    assert_eq!(server.counters.read().hello_timeouts, 1);

    // Speaking is not enough: the responder has admitted nobody.
    let bounds = Bounds {
        hello_timeout: LONGER,
        ..patient()
    };
    let server = Node::start(echo(), bounds).await;
    let mut speaking = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    let outcome = speaking.send(Scrawl::frame(b"hi")).await;
    assert!(matches!(outcome, Outcome::Answer(_)));
    speaking.closed().await;
    assert_eq!(server.counters.read().hello_timeouts, 1);
}

#[tokio::test]
async fn an_admitted_peer_stays_and_may_send_whole_requests() {
    let bounds = Bounds {
        hello_timeout: SHORT,
        ..patient()
    };
    let server = Node::start(echo(), bounds).await;
    let key = Keypair::generate_ed25519();
    server.admissions.admit(key.public().to_peer_id(), "bank-b");
    let mut admitted = RawPeer::connect(key, &server.addresses[0]).await.unwrap();
    let mut stranger = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    // When the stranger, who came later, is out, the other's time would have been over too.
    stranger.closed().await;
    let longest = vec![1; REQUEST_FRAME_MAX_BYTES];
    let outcome = admitted.send(Scrawl::frame(&longest)).await;
    assert!(matches!(outcome, Outcome::Answer(bytes) if bytes.len() == 4 + longest.len()));
    let over = u32::try_from(REQUEST_FRAME_MAX_BYTES + 1).unwrap();
    assert_eq!(
        admitted.send(Scrawl::announce(over)).await,
        Outcome::StreamClosed
    );
    assert_eq!(server.counters.read().hello_timeouts, 1);
}

#[tokio::test]
async fn a_slow_stranger_loses_the_connection_and_a_slow_peer_the_stream() {
    let bounds = Bounds {
        hello_timeout: SHORT,
        read_timeout: LONGER,
        ..patient()
    };
    let server = Node::start(echo(), bounds).await;
    let mut stranger = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    stranger.write(Scrawl {
        bytes: vec![0],
        then_trickle: true,
    });
    stranger.closed().await;

    let key = Keypair::generate_ed25519();
    server.admissions.admit(key.public().to_peer_id(), "bank-b");
    let mut peer = RawPeer::connect(key, &server.addresses[0]).await.unwrap();
    let partial = Scrawl {
        bytes: vec![0, 0, 100, 0, 1],
        then_trickle: true,
    };
    assert_eq!(peer.send(partial).await, Outcome::StreamClosed);
    assert!(matches!(
        peer.send(Scrawl::frame(b"hi")).await,
        Outcome::Answer(_)
    ));
    assert!(server.counters.read().requests_too_slow >= 1);
}

#[tokio::test]
async fn a_frame_that_ends_early_or_is_empty_costs_its_stream_only() {
    let server = Node::start(echo(), patient()).await;
    let mut peer = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    let short = Scrawl {
        bytes: vec![0, 0, 0, 9, 1],
        then_trickle: false,
    };
    assert_eq!(peer.send(short).await, Outcome::StreamClosed);
    assert_eq!(peer.send(Scrawl::frame(b"")).await, Outcome::StreamClosed);
    assert!(matches!(
        peer.send(Scrawl::frame(b"hi")).await,
        Outcome::Answer(_)
    ));
    assert_eq!(server.counters.read().requests_broken, 2);
}

#[tokio::test]
async fn a_loud_organization_does_not_keep_a_quiet_one_waiting() {
    let held = Arc::new(Held::default());
    let bounds = Bounds {
        workers_max: 1,
        ..patient()
    };
    let server = Node::start(Arc::clone(&held) as Arc<dyn Responder>, bounds).await;
    let loud = Node::start(echo(), patient()).await;
    let quiet = Node::start(echo(), patient()).await;
    server.admissions.admit(loud.peer, "loud");
    server.admissions.admit(quiet.peer, "quiet");

    let noise: Vec<_> = (0..100)
        .map(|_| {
            let (client, to) = (loud.client.clone(), server.addresses.clone());
            let peer = server.peer;
            tokio::spawn(async move { client.request(peer, to, b"loud".to_vec()).await })
        })
        .collect();
    until("the noise", || server.counters.read().requests == 100).await;
    let (client, to, peer) = (quiet.client.clone(), server.addresses.clone(), server.peer);
    let asked = tokio::spawn(async move { client.request(peer, to, b"quiet".to_vec()).await });
    until("the question", || server.counters.read().requests == 101).await;
    held.open();

    assert_eq!(
        soon("the quiet answer", asked).await.unwrap().unwrap(),
        b"quiet"
    );
    for one in noise {
        assert_eq!(
            soon("the loud answer", one).await.unwrap().unwrap(),
            b"loud"
        );
    }
    let order = held.order.lock().unwrap();
    let turn = order
        .iter()
        .position(|request| request == b"quiet")
        .unwrap();
    // One was being answered, and one more may have had its turn first.
    assert!(
        turn <= 2,
        "the quiet organization had turn {turn} of {}",
        order.len()
    );
}

#[tokio::test]
async fn strangers_cannot_fill_the_queue() {
    let held = Arc::new(Held::default());
    let bounds = Bounds {
        workers_max: 1,
        ..patient()
    };
    let server = Node::start(Arc::clone(&held) as Arc<dyn Responder>, bounds).await;
    let mut stranger = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    let mut dropped = 0;
    // One is being answered and two wait; each of the others is dropped as it comes.
    for count in 1..=6 {
        stranger.write(Scrawl::frame(b"hello"));
        if count > 3 {
            assert_eq!(stranger.outcome().await, Outcome::StreamClosed);
            dropped += 1;
        } else {
            let counters = Arc::clone(&server.counters);
            let arrived = async {
                until("arrival", || counters.read().requests == count).await;
            };
            tokio::select! {
                () = arrived => {}
                outcome = stranger.outcome() => panic!("answered too early: {outcome:?}"),
            }
        }
    }
    assert_eq!(server.counters.read().requests_dropped, dropped);
    held.open();
    for _ in 0..3 {
        assert!(matches!(stranger.outcome().await, Outcome::Answer(_)));
    }
}

#[tokio::test]
async fn an_organization_gets_its_connections_and_not_one_more() {
    let admissions = Admissions::new(2);
    let server = Node::start_as(Keypair::generate_ed25519(), echo(), patient(), admissions).await;
    let (one, two) = (Keypair::generate_ed25519(), Keypair::generate_ed25519());
    server.admissions.admit(one.public().to_peer_id(), "bank-b");
    server.admissions.admit(two.public().to_peer_id(), "bank-b");
    let mut first = RawPeer::connect(one.clone(), &server.addresses[0])
        .await
        .unwrap();
    let mut second = RawPeer::connect(two, &server.addresses[0]).await.unwrap();
    assert!(matches!(
        first.send(Scrawl::frame(b"1")).await,
        Outcome::Answer(_)
    ));
    assert!(matches!(
        second.send(Scrawl::frame(b"2")).await,
        Outcome::Answer(_)
    ));
    if let Some(mut third) = RawPeer::connect(one, &server.addresses[0]).await {
        third.closed().await;
    }
    assert_eq!(server.counters.read().connections_refused, 1);
    assert!(matches!(
        first.send(Scrawl::frame(b"1")).await,
        Outcome::Answer(_)
    ));
    let mut other = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    assert!(matches!(
        other.send(Scrawl::frame(b"3")).await,
        Outcome::Answer(_)
    ));
}

#[tokio::test]
async fn the_newest_stranger_takes_the_place_of_the_oldest() {
    let bounds = Bounds {
        strangers_max: 2,
        ..patient()
    };
    let server = Node::start(echo(), bounds).await;
    let mut strangers = Vec::new();
    for _ in 0..3 {
        let key = Keypair::generate_ed25519();
        strangers.push(RawPeer::connect(key, &server.addresses[0]).await.unwrap());
    }
    strangers[0].closed().await;
    for stranger in &mut strangers[1..] {
        assert!(matches!(
            stranger.send(Scrawl::frame(b"hi")).await,
            Outcome::Answer(_)
        ));
    }
    assert_eq!(server.counters.read().strangers_evicted, 1);
}

#[tokio::test]
async fn no_more_connections_than_there_may_be_in_all() {
    let bounds = Bounds {
        inbound_max: 2,
        ..patient()
    };
    let server = Node::start(echo(), bounds).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let key = Keypair::generate_ed25519();
        held.push(RawPeer::connect(key, &server.addresses[0]).await.unwrap());
    }
    until("both", || server.counters.read().inbound_connections == 2).await;
    if let Some(mut third) =
        RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0]).await
    {
        third.closed().await;
    }
    assert_eq!(server.counters.read().inbound_connections, 2);
    assert!(server.counters.read().connections_refused >= 1);
    for peer in &mut held {
        assert!(matches!(
            peer.send(Scrawl::frame(b"hi")).await,
            Outcome::Answer(_)
        ));
    }
}

#[tokio::test]
async fn a_responder_that_will_not_answer_closes_the_connection() {
    let close: Arc<dyn Responder> = Arc::new(Respond(|_: &Remote, _: &[u8]| Answer::Close));
    let server = Node::start(close, patient()).await;
    let mut peer = RawPeer::connect(Keypair::generate_ed25519(), &server.addresses[0])
        .await
        .unwrap();
    peer.write(Scrawl::frame(b"hi"));
    peer.closed().await;
    assert_eq!(server.counters.read().connections_closed, 1);
}

#[tokio::test]
async fn an_organization_that_is_no_longer_kept_loses_its_connections() {
    let server = Node::start(echo(), patient()).await;
    let key = Keypair::generate_ed25519();
    server.admissions.admit(key.public().to_peer_id(), "bank-b");
    let mut peer = RawPeer::connect(key, &server.addresses[0]).await.unwrap();
    assert!(matches!(
        peer.send(Scrawl::frame(b"hi")).await,
        Outcome::Answer(_)
    ));
    server
        .admissions
        .retain(|organization| organization != "bank-b");
    peer.closed().await;
}
