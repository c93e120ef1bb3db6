//! What the network counts. Plain numbers: who exports them, and under which names, is not
//! decided here.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Counters of the network, all since the start. Everything refused before a signature
        /// was checked shows here only: an audit entry for each would let anybody fill the disk.
        #[derive(Debug, Default)]
        pub struct Counters {
            $(pub(super) $name: Counter,)*
        }

        /// What the counters said at one moment.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Counts {
            /// All counters with their names, in the order above.
            #[must_use]
            pub fn named(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name),)*]
            }
        }

        impl Counters {
            /// All counters now.
            #[must_use]
            pub fn read(&self) -> Counts {
                Counts { $($name: self.$name.read(),)* }
            }
        }
    };
}

counters! {
    /// Connections that others opened to us.
    inbound_connections,
    /// Connections that we opened.
    outbound_connections,
    /// Connections refused because there were too many.
    connections_refused,
    /// Connections closed because nobody said hello in time.
    hello_timeouts,
    /// Strangers' connections closed to make room for newer ones.
    strangers_evicted,
    /// Connections closed because the responder would not answer.
    connections_closed,
    /// Frames received whole.
    requests,
    /// Frames refused because they announced too many bytes.
    requests_too_large,
    /// Frames that did not arrive in time.
    requests_too_slow,
    /// Streams that ended early, carried no frame, or were more than a stranger may open.
    requests_broken,
    /// Frames dropped because too many were waiting.
    requests_dropped,
    /// Frames whose sender was gone when their turn came.
    requests_abandoned,
    /// Answers handed to the responder's caller.
    answers,
    /// The responder failed on a frame: a fault of ours.
    responder_failures,
    /// Attempts to dial.
    dials,
    /// Attempts to dial that failed.
    dials_failed,
    /// Requests of ours that were sent.
    sent,
    /// Requests of ours that got no answer.
    sent_without_answer,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
