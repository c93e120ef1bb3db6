//! Requests and their answers between two nodes: sizes, times, dialling, and the end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use finp2p_sidecar::network::{Admissions, Answer, Bounds, NetworkError, Remote, Responder};
use finp2p_wire::limits::{REQUEST_FRAME_MAX_BYTES, RESPONSE_FRAME_MAX_BYTES};
use libp2p::identity::Keypair;

use crate::network::{Held, SHORT, patient};
use crate::node::{Node, Respond, echo, soon, until};

#[tokio::test]
async fn an_answer_comes_back_to_whoever_asked() {
    let server = Node::start(echo(), patient()).await;
    let client = Node::start(echo(), patient()).await;
    assert_eq!(client.ask(&server, b"hello").await.unwrap(), b"hello");
    assert_eq!(server.ask(&client, b"and back").await.unwrap(), b"and back");
    assert_eq!(
        server.counters.read().inbound_connections,
        1,
        "one connection serves both ways"
    );
}

#[tokio::test]
async fn a_peer_id_is_learnt_from_the_connection_and_the_connection_used_again() {
    let server = Node::start(echo(), patient()).await;
    let client = Node::start(echo(), patient()).await;
    for _ in 0..2 {
        let peer = soon("dial", client.client.dial(server.addresses.clone()))
            .await
            .unwrap();
        assert_eq!(peer, server.peer);
    }
    assert_eq!(client.counters.read().dials, 1);
    client.client.hang_up(server.peer).await;
    until("new dial", || {
        client.counters.read().outbound_connections == 1
    })
    .await;
    client.ask(&server, b"again").await.unwrap();
}

#[tokio::test]
async fn the_first_address_that_answers_is_used() {
    let server = Node::start(echo(), patient()).await;
    let client = Node::start(echo(), patient()).await;
    let mut addresses = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    addresses.extend(server.addresses.clone());
    let peer = soon("dial", client.client.dial(addresses)).await.unwrap();
    assert_eq!(peer, server.peer);
}

#[tokio::test]
async fn a_responder_that_fails_costs_one_stream_and_nothing_else() {
    let fail: Arc<dyn Responder> = Arc::new(Respond(|_: &Remote, request: &[u8]| {
        assert_ne!(request, b"poison");
        Answer::Respond(request.to_vec())
    }));
    let server = Node::start(fail, patient()).await;
    let client = Node::start(echo(), patient()).await;
    let refused = client.ask(&server, b"poison").await.unwrap_err();
    assert!(matches!(refused, NetworkError::Closed));
    assert_eq!(client.ask(&server, b"fine").await.unwrap(), b"fine");
    until("the count", || {
        server.counters.read().responder_failures == 1
    })
    .await;
}

#[tokio::test]
async fn several_hundred_requests_at_once_are_all_answered() {
    let server = Node::start(echo(), patient()).await;
    let client = Node::start(echo(), patient()).await;
    server.admissions.admit(client.peer, "bank-b");
    let mut asked = BTreeMap::new();
    for number in 0..600_u32 {
        let (sender, to, peer) = (client.client.clone(), server.addresses.clone(), server.peer);
        let body = number.to_be_bytes().to_vec();
        let request = async move { sender.request(peer, to, body).await };
        asked.insert(number, tokio::spawn(request));
    }
    for (number, answer) in asked {
        let answer = soon("an answer", answer).await.unwrap().unwrap();
        assert_eq!(answer, number.to_be_bytes());
    }
    assert_eq!(server.counters.read().requests, 600);
}

#[tokio::test]
async fn an_answer_may_have_a_megabyte_and_not_more() {
    let size: Arc<dyn Responder> = Arc::new(Respond(|_: &Remote, request: &[u8]| {
        let size = u32::from_be_bytes(request.try_into().unwrap());
        Answer::Respond(vec![7; size as usize])
    }));
    let server = Node::start(size, patient()).await;
    let client = Node::start(echo(), patient()).await;
    let most = u32::try_from(RESPONSE_FRAME_MAX_BYTES).unwrap();
    let answer = client.ask(&server, &most.to_be_bytes()).await.unwrap();
    assert_eq!(answer.len(), RESPONSE_FRAME_MAX_BYTES);
    let refused = client
        .ask(&server, &(most + 1).to_be_bytes())
        .await
        .unwrap_err();
    assert!(matches!(refused, NetworkError::Closed));
    assert_eq!(server.counters.read().responder_failures, 1);
}

#[tokio::test]
async fn a_request_over_its_bound_is_not_sent() {
    let client = Node::start(echo(), patient()).await;
    let request = vec![0; REQUEST_FRAME_MAX_BYTES + 1];
    let refused = client.ask(&client, &request).await.unwrap_err();
    assert!(matches!(refused, NetworkError::RequestTooLarge { bytes } if bytes == request.len()));
}

#[tokio::test]
async fn a_peer_that_cannot_be_reached_is_not_dialled_again_at_once() {
    let client = Node::start(echo(), patient()).await;
    let nobody = Keypair::generate_ed25519().public().to_peer_id();
    let closed = vec!["/ip4/127.0.0.1/tcp/1".parse().unwrap()];
    let dial = || client.client.dial(closed.clone());
    let ask = || {
        client
            .client
            .request(nobody, closed.clone(), b"hi".to_vec())
    };
    let (mut dialled, mut asked) = (soon("dial", dial()).await, soon("ask", ask()).await);
    assert!(matches!(dialled, Err(NetworkError::Unreachable(_))));
    assert!(matches!(asked, Err(NetworkError::Unreachable(_))));
    // On a slow machine the first waits may be over; each is twice as long as the one before.
    while !matches!(dialled, Err(NetworkError::BackingOff { .. })) {
        dialled = soon("dial", dial()).await;
    }
    while !matches!(asked, Err(NetworkError::BackingOff { .. })) {
        asked = soon("ask", ask()).await;
    }
    let nowhere = client.client.request(nobody, Vec::new(), b"hi".to_vec());
    assert!(matches!(
        soon("request", nowhere).await,
        Err(NetworkError::NoAddress)
    ));
}

#[tokio::test]
async fn another_node_at_the_address_of_a_known_peer_is_not_taken_for_it() {
    let server = Node::start(echo(), patient()).await;
    let client = Node::start(echo(), patient()).await;
    let meant = Keypair::generate_ed25519().public().to_peer_id();
    let asked = client
        .client
        .request(meant, server.addresses.clone(), b"hi".to_vec());
    assert!(matches!(
        soon("request", asked).await,
        Err(NetworkError::Unreachable(_))
    ));
    assert_eq!(server.counters.read().requests, 0);
}

#[tokio::test]
async fn a_request_without_an_answer_ends_with_its_time() {
    let held = Arc::new(Held::default());
    let server = Node::start(Arc::clone(&held) as Arc<dyn Responder>, patient()).await;
    let bounds = Bounds {
        request_timeout: SHORT,
        ..patient()
    };
    let client = Node::start(echo(), bounds).await;
    let late = client.ask(&server, b"hi").await.unwrap_err();
    assert!(matches!(late, NetworkError::Timeout));
    held.open();
}

#[tokio::test]
async fn shutting_down_gives_its_time_to_what_is_under_way_and_leaves_nothing() {
    let held = Arc::new(Held::default());
    let server = Node::start(Arc::clone(&held) as Arc<dyn Responder>, patient()).await;
    let client = Node::start(echo(), patient()).await;
    let (sender, to, peer) = (client.client.clone(), server.addresses.clone(), server.peer);
    let asked = tokio::spawn(async move { sender.request(peer, to, b"last".to_vec()).await });
    until("the request", || server.counters.read().requests == 1).await;

    let (counters, addresses, remaining) =
        (server.counters, server.addresses.clone(), server.client);
    let stopping = tokio::spawn(server.network.shutdown(Duration::from_secs(10)));
    // The command channel closes first: nothing new is taken while the old is answered.
    soon("closed doors", async {
        while !matches!(
            remaining
                .request(client.peer, Vec::new(), b"new".to_vec())
                .await,
            Err(NetworkError::Stopped)
        ) {
            tokio::task::yield_now().await;
        }
    })
    .await;
    held.open();
    assert_eq!(
        soon("the last answer", asked).await.unwrap().unwrap(),
        b"last"
    );
    soon("the end", stopping).await.unwrap();

    assert_eq!(
        Arc::strong_count(&held),
        1,
        "a worker or task still holds the responder"
    );
    assert_eq!(
        Arc::strong_count(&counters),
        1,
        "a task still holds the counters"
    );
    let again = tokio::net::TcpStream::connect(socket(&addresses[0])).await;
    assert!(again.is_err(), "something still listens");
}

#[tokio::test]
async fn shutting_down_does_not_wait_longer_than_it_was_told() {
    let held = Arc::new(Held::default());
    let server = Node::start(Arc::clone(&held) as Arc<dyn Responder>, patient()).await;
    let client = Node::start(echo(), patient()).await;
    let (sender, to, peer) = (client.client.clone(), server.addresses.clone(), server.peer);
    let asked = tokio::spawn(async move { sender.request(peer, to, b"stuck".to_vec()).await });
    until("the request", || server.counters.read().requests == 1).await;
    soon("the end", server.network.shutdown(Duration::ZERO)).await;
    assert!(soon("no answer", asked).await.unwrap().is_err());
    held.open();
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_so_and_nothing_runs() {
    let first = Node::start(echo(), patient()).await;
    let responder = echo();
    let service = finp2p_sidecar::network::Service {
        responder: Arc::clone(&responder),
        admissions: Admissions::new(1),
        clock: crate::node::clock(),
        counters: Arc::default(),
    };
    let key = Keypair::generate_ed25519();
    let started =
        finp2p_sidecar::network::Network::start(key, first.addresses.clone(), patient(), service);
    assert!(soon("start", started).await.is_err());
    until("the end", || Arc::strong_count(&responder) == 1).await;
}

fn socket(address: &libp2p::Multiaddr) -> std::net::SocketAddr {
    let text = address.to_string();
    let mut parts = text.split('/').skip(2);
    let (ip, port) = (parts.next().unwrap(), parts.nth(1).unwrap());
    format!("{ip}:{port}").parse().unwrap()
}
