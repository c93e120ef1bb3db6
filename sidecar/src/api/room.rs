//! Room for requests: how many are answered at once, and who makes room when all of it is taken:
//! whoever is still sending a body, and of those the one that began first. Who means to ask has sent
//! his body in a moment; who sends it drop by drop keeps nobody out.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use hyper::body::{Body as _, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// The room.
#[derive(Debug)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    arriving: Mutex<Arriving>,
}

/// Bodies that have not come whole, the oldest first.
#[derive(Debug, Default)]
struct Arriving {
    next: u64,
    bodies: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A body on its way. While it is, its request may be ended for another.
struct Arrival {
    body: Body,
    room: Arc<Room>,
    number: u64,
}

impl Room {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(most)),
            arriving: Mutex::default(),
        })
    }

    /// Room for one request, which may end another; `None` when every other is being answered.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(free) = Arc::clone(&self.permits).try_acquire_owned() {
            return Some(free);
        }
        {
            // Told under the lock: a body that has come whole finds out here whether it was too late.
            let mut arriving = self.arriving();
            let (_, oldest) = arriving.bodies.pop_first()?;
            let _its_caller_left = oldest.send(());
        }
        Arc::clone(&self.permits).acquire_owned().await.ok()
    }

    /// The body of a request that has room, and the moment at which it must make room; that never
    /// comes once the body has come whole, or is not wanted.
    pub(super) fn arrival(
        self: &Arc<Self>,
        body: Body,
    ) -> (Body, impl Future<Output = ()> + use<>) {
        let (sender, told) = oneshot::channel();
        let number = {
            let mut arriving = self.arriving();
            arriving.next = arriving.next.saturating_add(1);
            let number = arriving.next;
            // What has no body makes room for nobody.
            if !body.is_end_stream() {
                arriving.bodies.insert(number, sender);
            }
            number
        };
        let ended = async move {
            if told.await.is_err() {
                std::future::pending::<()>().await;
            }
        };
        if body.is_end_stream() {
            return (body, ended);
        }
        let room = Arc::clone(self);
        let arrival = Arrival { body, room, number };
        (Body::new(arrival), ended)
    }

    fn arriving(&self) -> MutexGuard<'_, Arriving> {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl hyper::body::Body for Arrival {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let number = self.number;
        if frame.is_none() && self.room.arriving().bodies.remove(&number).is_none() {
            // Too late by a moment: the request is told to make room, and must not be answered.
            return Poll::Pending;
        }
        Poll::Ready(frame)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        let number = self.number;
        self.room.arriving().bodies.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::FutureExt as _;

    use super::*;

    fn endless() -> Body {
        Body::from_stream(futures::stream::pending::<Result<Bytes, axum::Error>>())
    }

    async fn whole(body: Body) -> Option<Bytes> {
        let read = axum::body::to_bytes(body, usize::MAX);
        let read = tokio::time::timeout(Duration::from_millis(50), read).await;
        read.ok().map(Result::unwrap)
    }

    #[tokio::test]
    async fn the_body_that_began_first_makes_room_and_what_is_answered_does_not() {
        let room = Room::new(3);
        let permits = [room.take().await, room.take().await, room.take().await];
        let (answered, never) = room.arrival(Body::from("{}"));
        assert_eq!(whole(answered).await.unwrap(), "{}");
        let (_none, nobody) = room.arrival(Body::empty());
        let ((first, out), (_second, stays)) = (room.arrival(endless()), room.arrival(endless()));
        let mut newcomer = Box::pin(room.take());
        assert!(
            newcomer.as_mut().now_or_never().is_none(),
            "it waits for the room"
        );
        out.await;
        drop((first, permits));
        assert!(newcomer.await.is_some());
        for other in [
            never.now_or_never(),
            nobody.now_or_never(),
            stays.now_or_never(),
        ] {
            assert!(other.is_none());
        }
    }

    #[tokio::test]
    async fn without_a_body_on_its_way_there_is_no_more_room() {
        let room = Room::new(1);
        let _answered = room.take().await.unwrap();
        let (body, _) = room.arrival(endless());
        drop(body);
        assert!(room.take().await.is_none());
    }

    #[tokio::test]
    async fn a_body_that_came_whole_a_moment_too_late_is_not_answered() {
        let room = Room::new(1);
        let permit = room.take().await.unwrap();
        let (body, out) = room.arrival(Body::from("{}"));
        let mut newcomer = Box::pin(room.take());
        assert!(newcomer.as_mut().now_or_never().is_none());
        assert_eq!(whole(body).await, None);
        out.await;
        drop(permit);
        assert!(newcomer.await.is_some());
    }
}
