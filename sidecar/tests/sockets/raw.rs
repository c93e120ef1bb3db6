//! A peer that writes what it likes on a stream: the protocol's name is all that it keeps to.

use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use libp2p::identity::Keypair;
use libp2p::request_response::{self, Event, Message, OutboundFailure, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};

use crate::node::soon;

/// Bytes to write, and whether more then follow, one by one and for ever.
#[derive(Clone, Debug)]
pub struct Scrawl {
    pub bytes: Vec<u8>,
    pub then_trickle: bool,
}

impl Scrawl {
    /// A frame as it should be.
    pub fn frame(body: &[u8]) -> Self {
        let mut bytes = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend_from_slice(body);
        Self {
            bytes,
            then_trickle: false,
        }
    }

    /// A length, and then a trickle.
    pub fn announce(length: u32) -> Self {
        Self {
            bytes: length.to_be_bytes().to_vec(),
            then_trickle: true,
        }
    }
}

#[derive(Clone, Debug, Default)]
struct RawCodec;

impl request_response::Codec for RawCodec {
    type Protocol = StreamProtocol;
    type Request = Scrawl;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<Scrawl>
    where
        T: AsyncRead + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await?;
        if bytes.is_empty() {
            Err(io::ErrorKind::UnexpectedEof.into())
        } else {
            Ok(bytes)
        }
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        scrawl: Scrawl,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&scrawl.bytes).await?;
        io.flush().await?;
        // A trickle, and not silence: it is how a writer notices that the stream was reset.
        let mut drop_by_drop = tokio::time::interval(Duration::from_millis(20));
        if scrawl.then_trickle {
            loop {
                drop_by_drop.tick().await;
                io.write_all(&[0]).await?;
                io.flush().await?;
            }
        }
        Ok(())
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        _: &mut T,
        _: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// What became of something that was sent or opened.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Answer(Vec<u8>),
    StreamClosed,
    ConnectionClosed,
}

/// The peer; holds one connection.
pub struct RawPeer {
    swarm: Swarm<request_response::Behaviour<RawCodec>>,
    server: PeerId,
}

impl RawPeer {
    /// Connects as `keypair`; fails when the connection is refused.
    pub async fn connect(keypair: Keypair, address: &Multiaddr) -> Option<Self> {
        let behaviour = request_response::Behaviour::new(
            [(
                StreamProtocol::new("/finp2p/1/request"),
                ProtocolSupport::Outbound,
            )],
            request_response::Config::default().with_request_timeout(Duration::from_secs(30)),
        );
        let mut swarm = SwarmBuilder::with_existing_identity(keypair)
            .with_tokio()
            .with_tcp(
                tcp::Config::default().nodelay(true),
                noise::Config::new,
                yamux::Config::default,
            )
            .unwrap()
            .with_behaviour(|_| behaviour)
            .unwrap()
            .with_swarm_config(|config| {
                config.with_idle_connection_timeout(Duration::from_secs(60))
            })
            .build();
        swarm.dial(address.clone()).unwrap();
        let server = soon("connection", async {
            loop {
                match swarm.select_next_some().await {
                    SwarmEvent::ConnectionEstablished { peer_id, .. } => return Some(peer_id),
                    SwarmEvent::OutgoingConnectionError { .. } => return None,
                    _ => {}
                }
            }
        })
        .await?;
        Some(Self { swarm, server })
    }

    pub fn write(&mut self, scrawl: Scrawl) {
        self.swarm
            .behaviour_mut()
            .send_request(&self.server, scrawl);
    }

    /// Writes, and waits for what comes of it.
    pub async fn send(&mut self, scrawl: Scrawl) -> Outcome {
        self.write(scrawl);
        self.outcome().await
    }

    /// The next thing that happens.
    pub async fn outcome(&mut self) -> Outcome {
        soon("an outcome", async {
            loop {
                match self.swarm.select_next_some().await {
                    SwarmEvent::Behaviour(Event::Message {
                        message: Message::Response { response, .. },
                        ..
                    }) => return Outcome::Answer(response),
                    SwarmEvent::Behaviour(Event::OutboundFailure {
                        error: OutboundFailure::ConnectionClosed,
                        ..
                    })
                    | SwarmEvent::ConnectionClosed { .. } => return Outcome::ConnectionClosed,
                    SwarmEvent::Behaviour(Event::OutboundFailure { .. }) => {
                        return Outcome::StreamClosed;
                    }
                    _ => {}
                }
            }
        })
        .await
    }

    /// Runs the connection until the other side closes it.
    pub async fn closed(&mut self) {
        while self.outcome().await != Outcome::ConnectionClosed {}
    }
}
