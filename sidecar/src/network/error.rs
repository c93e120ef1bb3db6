//! What can go wrong between this node and another, below anything that is signed.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use libp2p::swarm::DialError;
use libp2p::{Multiaddr, TransportError};

/// Why a request got no answer. None of these says anything about what the peer shares.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NetworkError {
    /// The peer is not connected and no address was given.
    #[error("the peer is not connected and has no address")]
    NoAddress,
    /// No address led to the peer.
    #[error("the peer could not be reached at any of its addresses")]
    Unreachable(#[source] Arc<DialError>),
    /// The peer could not be reached a moment ago, and it is not time to try again.
    #[error("the peer could not be reached; the next attempt is in {} ms", .retry_after.as_millis())]
    BackingOff {
        /// How long until the next attempt is made.
        retry_after: Duration,
    },
    /// No answer within the time for a request.
    #[error("the peer did not answer in time")]
    Timeout,
    /// The stream or connection ended before the answer: the peer refused without a word, had too
    /// much to do, or went away.
    #[error("the peer closed the stream without an answer")]
    Closed,
    /// Whoever answers there does not speak the protocol.
    #[error("whoever answers at the address does not speak this protocol")]
    Foreign,
    /// The request is over its bound and was not sent.
    #[error("a request of {bytes} bytes is too large to send")]
    RequestTooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The answer announced more than its bound and was not read.
    #[error("the peer's answer is too large to read")]
    ResponseTooLarge,
    /// Too many requests for this peer are waiting here.
    #[error("too many requests for this peer are waiting")]
    Overloaded,
    /// The network of this node is shutting down.
    #[error("the network of this node is shutting down")]
    Stopped,
}

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No thread or runtime for the network.
    #[error("no thread for the network")]
    Thread(#[source] io::Error),
    /// The peer key does not fit Noise.
    #[error("the peer key is not fit for the encryption of connections")]
    Noise(#[source] libp2p::noise::Error),
    /// The system's name resolution is not configured.
    #[error("the system's name resolution could not be set up")]
    Resolver(#[source] io::Error),
    /// Another process listens on the address, or it is not one of this machine.
    #[error("{address} is taken, or is not an address of this machine")]
    Taken {
        /// The address.
        address: Multiaddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: Multiaddr,
        /// Why.
        #[source]
        source: TransportError<io::Error>,
    },
    /// A listener ended, or had no address in time.
    #[error("a listener did not come up")]
    ListenerLost,
}
