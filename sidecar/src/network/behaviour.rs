//! The swarm: which transports and which behaviours, in which order.

use std::io;
use std::sync::Arc;

use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::request_response::{self, ProtocolSupport};
use libp2p::swarm::NetworkBehaviour;
use libp2p::{StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};

use super::admission::Admissions;
use super::codec::{FrameCodec, NextAllowance};
use super::counters::Counters;
use super::gate::Gate;
use super::{Bounds, StartError};

/// The one protocol: an envelope each way.
const PROTOCOL: StreamProtocol = StreamProtocol::new("/finp2p/1/request");

/// Streams of one connection that carry requests at the same time, both directions together:
/// twice what one node sends to another ([`super::event_loop`]), so that two nodes that ask each
/// other at full rate are not cut off.
const CONNECTION_STREAMS_MAX: usize = 256;

/// Streams of one connection in all, those that are closing included. One more ends the
/// connection, so it is twice as many.
const MULTIPLEXER_STREAMS_MAX: usize = 512;

/// The behaviours. The gate is first: what it refuses the other never sees.
#[derive(NetworkBehaviour)]
pub(super) struct Behaviour {
    gate: Gate,
    pub(super) requests: request_response::Behaviour<FrameCodec>,
}

/// The swarm of a node with this peer key. Must be called inside the runtime that will drive it.
pub(super) fn swarm(
    keypair: Keypair,
    bounds: Bounds,
    admissions: Admissions,
    counters: Arc<Counters>,
) -> Result<Swarm<Behaviour>, StartError> {
    let next = NextAllowance::default();
    let gate = Gate::new(admissions, next.clone(), Arc::clone(&counters), bounds);
    let requests = request_response::Behaviour::with_codec(
        FrameCodec::new(next, bounds.read_timeout, counters),
        [(PROTOCOL, ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(bounds.request_timeout)
            .with_max_concurrent_streams(CONNECTION_STREAMS_MAX),
    );
    let behaviour = Behaviour { gate, requests };
    let swarm = SwarmBuilder::with_existing_identity(keypair)
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            multiplexer,
        )
        .map_err(StartError::Noise)?
        .with_dns()
        .map_err(StartError::Resolver)?
        .with_behaviour(|_| behaviour)
        .map_err(|_| StartError::Thread(io::ErrorKind::Other.into()))?
        .with_swarm_config(|config| {
            config
                // With one protocol name there is nothing to negotiate: the request goes out with
                // the proposal, which saves a round trip on each.
                .with_substream_upgrade_protocol_override(Version::V1Lazy)
                .with_max_negotiating_inbound_streams(CONNECTION_STREAMS_MAX)
                .with_idle_connection_timeout(bounds.idle_timeout)
        })
        .with_connection_timeout(bounds.handshake_timeout)
        .build();
    Ok(swarm)
}

fn multiplexer() -> yamux::Config {
    let mut config = yamux::Config::default();
    config.set_max_num_streams(MULTIPLEXER_STREAMS_MAX);
    config
}
