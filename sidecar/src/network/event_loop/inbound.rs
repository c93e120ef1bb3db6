//! Requests of others: they wait in fair turns, a worker answers, the answer goes back.

use std::collections::HashSet;
use std::sync::Arc;

use finp2p_wire::limits::RESPONSE_FRAME_MAX_BYTES;
use libp2p::request_response::{InboundRequestId, ResponseChannel};
use libp2p::swarm::ConnectionId;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::network::admission::Admissions;
use crate::network::counters::Counters;
use crate::network::queue::{FairQueue, Sender};
use crate::network::{Answer, Remote, Responder};

/// One request, from its arrival to its answer.
pub(super) struct Waiting {
    pub(super) remote: Remote,
    pub(super) connection: ConnectionId,
    pub(super) id: InboundRequestId,
    pub(super) request: Vec<u8>,
    pub(super) channel: ResponseChannel<Vec<u8>>,
}

/// What a worker made of a request.
pub(super) struct Answered {
    pub(super) connection: ConnectionId,
    pub(super) id: InboundRequestId,
    pub(super) channel: ResponseChannel<Vec<u8>>,
    pub(super) answer: Answer,
}

/// The requests of others that are waiting or being answered.
pub(super) struct Inbound {
    responder: Arc<dyn Responder>,
    clock: Clock,
    admissions: Admissions,
    counters: Arc<Counters>,
    queue: FairQueue<Waiting>,
    /// Blocking threads: signatures and the store must not hold up the sockets.
    workers: JoinSet<Answered>,
    workers_max: usize,
    /// Answers that are on their way out.
    leaving: HashSet<InboundRequestId>,
    /// When the last answer had left.
    pub(super) last_left: Option<Instant>,
}

impl Inbound {
    pub(super) fn new(
        responder: Arc<dyn Responder>,
        clock: Clock,
        admissions: Admissions,
        counters: Arc<Counters>,
        workers_max: usize,
    ) -> Self {
        Self {
            responder,
            clock,
            admissions,
            counters,
            queue: FairQueue::new(),
            workers: JoinSet::new(),
            workers_max: workers_max.max(1),
            leaving: HashSet::new(),
            last_left: None,
        }
    }

    /// Lets a request wait for its turn. What is too much is dropped, which closes its stream.
    pub(super) fn receive(&mut self, waiting: Waiting) {
        self.counters.requests.add_one();
        let sender = match self.admissions.organization(&waiting.remote.peer) {
            Some(organization) => Sender::Organization(organization),
            None => Sender::Stranger(waiting.remote.peer),
        };
        if self
            .queue
            .push(sender, waiting.request.len(), waiting)
            .is_err()
        {
            self.counters.requests_dropped.add_one();
        }
        self.start();
    }

    /// Gives waiting requests to workers that are free.
    fn start(&mut self) {
        while self.workers.len() < self.workers_max {
            let Some(waiting) = self.queue.pop() else {
                return;
            };
            if !waiting.channel.is_open() {
                self.counters.requests_abandoned.add_one();
                continue;
            }
            let responder = Arc::clone(&self.responder);
            let clock = self.clock.clone();
            self.workers.spawn_blocking(move || {
                let answer = responder.answer(clock.now(), &waiting.remote, &waiting.request);
                Answered {
                    connection: waiting.connection,
                    id: waiting.id,
                    channel: waiting.channel,
                    answer,
                }
            });
        }
    }

    /// The next request that was answered; waits for ever when none is being worked on.
    pub(super) async fn answered(&mut self) -> Option<Answered> {
        let Some(joined) = self.workers.join_next().await else {
            return std::future::pending().await;
        };
        self.start();
        match joined {
            Ok(answered) => {
                self.counters.answers.add_one();
                Some(answered)
            }
            Err(_) => {
                // The stream closes with the worker's channel; the peer learns nothing.
                self.counters.responder_failures.add_one();
                tracing::error!("a request could not be answered: its worker failed");
                None
            }
        }
    }

    /// Whether an answer may leave; one over the bound is a fault of ours and must not.
    pub(super) fn fits(&self, answer: &[u8]) -> bool {
        let fits = answer.len() <= RESPONSE_FRAME_MAX_BYTES;
        if !fits {
            self.counters.responder_failures.add_one();
            tracing::error!(bytes = answer.len(), "an answer is too large to send");
        }
        fits
    }

    pub(super) fn left(&mut self, id: InboundRequestId) {
        self.leaving.insert(id);
    }

    pub(super) fn arrived_or_lost(&mut self, id: InboundRequestId) {
        if self.leaving.remove(&id) {
            self.last_left = Some(Instant::now());
        }
    }

    /// Nothing waits, nobody works, nothing is on its way out.
    pub(super) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.workers.is_empty() && self.leaving.is_empty()
    }
}
