//! The thread that publishes contents, beside the looks at the configuration.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};

use crate::clock::Clock;
use crate::node::Node;

/// Longest that a step under way is waited for when the node ends: it is a few contents, each of which
/// is there afterwards or not.
const END: Duration = Duration::from_secs(2);

/// A thread of the system, and none of the runtime's, which would wait for it for ever.
pub struct Publishing {
    bell: SyncSender<()>,
    /// Resolves when the thread has ended, which before the node ends is a fault.
    pub ended: oneshot::Receiver<()>,
    /// Rings when the report says something else.
    pub told: Arc<Notify>,
}

impl Publishing {
    /// Starts the thread.
    pub fn begin(node: Arc<Node>, clock: Clock) -> std::io::Result<Self> {
        // One is enough: whoever rings meanwhile means the step after this one.
        let (bell, rung) = sync_channel(1);
        let (ends, ended) = oneshot::channel();
        let told = Arc::new(Notify::new());
        let tells = Arc::clone(&told);
        let run = move || {
            publish(&node, &clock, &rung, &tells);
            let _nobody_waits = ends.send(());
        };
        std::thread::Builder::new()
            .name("publish".to_owned())
            .spawn(run)?;
        Ok(Self { bell, ended, told })
    }

    /// Something may be there to be published.
    pub fn ring(&self) {
        let _rung_already = self.bell.try_send(());
    }

    /// Ends the thread after the step under way.
    pub async fn end(self) {
        drop(self.bell);
        if tokio::time::timeout(END, self.ended).await.is_err() {
            tracing::warn!("a content is still being published: it is left");
        }
    }
}

fn publish(node: &Node, clock: &Clock, rung: &Receiver<()>, tells: &Notify) {
    while rung.recv().is_ok() {
        loop {
            let published = node.publish(clock.now());
            if published.told {
                tells.notify_one();
            }
            match rung.try_recv() {
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) if !published.more => break,
                Err(TryRecvError::Empty) | Ok(()) => {}
            }
        }
    }
}
