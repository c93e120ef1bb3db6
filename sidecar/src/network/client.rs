//! The way to the event loop for everybody else.

use std::time::Duration;

use finp2p_wire::limits::REQUEST_FRAME_MAX_BYTES;
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use super::NetworkError;

/// What the event loop is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Connect to whoever answers at one of the addresses.
    Dial {
        addresses: Vec<Multiaddr>,
        reply: oneshot::Sender<Result<PeerId, NetworkError>>,
    },
    /// Send a request to a peer, connecting first where needed.
    Request(Call),
    /// Close every connection with a peer; `done` ends when there is none any more.
    HangUp {
        peer: PeerId,
        done: oneshot::Sender<()>,
    },
}

/// One request of ours.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) peer: PeerId,
    pub(super) addresses: Vec<Multiaddr>,
    pub(super) request: Vec<u8>,
    pub(super) reply: oneshot::Sender<Result<Vec<u8>, NetworkError>>,
}

/// Sends requests to other nodes. Cheap to clone; usable from any tokio runtime.
#[derive(Clone, Debug)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    timeout: Duration,
}

impl Client {
    pub(super) fn new(commands: mpsc::Sender<Command>, timeout: Duration) -> Self {
        Self { commands, timeout }
    }

    /// Connects to whoever answers at the first of `addresses` that can be reached, and says who
    /// it is: the peer id that the encrypted connection proved. Whether it is the peer that was
    /// meant is for the caller to check, against a certificate. An open connection is used again.
    ///
    /// # Errors
    /// [`NetworkError`]; a target that could not be reached is not tried again at once.
    pub async fn dial(&self, addresses: Vec<Multiaddr>) -> Result<PeerId, NetworkError> {
        let (reply, answer) = oneshot::channel();
        self.exchange(Command::Dial { addresses, reply }, answer)
            .await
    }

    /// Sends `request` (one frame) to `peer` and returns its answer (one frame). Dials
    /// `addresses` when the peer is not connected.
    ///
    /// # Errors
    /// [`NetworkError`]. After [`NetworkError::Timeout`] and [`NetworkError::Closed`] the peer may
    /// have seen the request.
    pub async fn request(
        &self,
        peer: PeerId,
        addresses: Vec<Multiaddr>,
        request: Vec<u8>,
    ) -> Result<Vec<u8>, NetworkError> {
        if request.len() > REQUEST_FRAME_MAX_BYTES {
            return Err(NetworkError::RequestTooLarge {
                bytes: request.len(),
            });
        }
        let (reply, answer) = oneshot::channel();
        self.exchange(
            Command::Request(Call {
                peer,
                addresses,
                request,
                reply,
            }),
            answer,
        )
        .await
    }

    /// Closes every connection with `peer`, which is not who was meant, and returns when there is
    /// none any more.
    pub async fn hang_up(&self, peer: PeerId) {
        let (done, is_done) = oneshot::channel();
        // Without an event loop there is no connection either.
        if self
            .commands
            .send(Command::HangUp { peer, done })
            .await
            .is_ok()
        {
            let _ = tokio::time::timeout(self.timeout, is_done).await;
        }
    }

    async fn exchange<T>(
        &self,
        command: Command,
        answer: oneshot::Receiver<Result<T, NetworkError>>,
    ) -> Result<T, NetworkError> {
        let exchange = async {
            self.commands
                .send(command)
                .await
                .map_err(|_| NetworkError::Stopped)?;
            answer.await.map_err(|_| NetworkError::Stopped)?
        };
        tokio::time::timeout(self.timeout, exchange)
            .await
            .map_err(|_| NetworkError::Timeout)?
    }
}
