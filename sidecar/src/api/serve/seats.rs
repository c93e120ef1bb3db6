//! Who may keep a connection when there are too many: whoever is being answered, and of those
//! that only wait the newest. Who means to ask has asked in a moment; who connects and says
//! nothing, or half of a head, makes room for the next.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::task::AbortHandle;

/// The seats of one listener.
#[derive(Debug)]
pub(super) struct Seats {
    most: usize,
    table: Mutex<Table>,
    /// Somebody left, or was answered.
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// Counts events: seats are taken and begin to wait in this order.
    next: u64,
    held: HashMap<u64, Held>,
}

#[derive(Debug)]
struct Held {
    /// Since which event it waits for a request; `None` while one is answered.
    waiting_since: Option<u64>,
    /// Ends the connection; `None` until it runs.
    connection: Option<AbortHandle>,
}

/// A seat; given back when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    id: u64,
}

/// A request is being answered on a seat; ends with the value.
pub(super) struct Answering(Arc<Seat>);

impl Seats {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            table: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// A seat. When all are taken, the connection that has waited longest is closed for it; when
    /// all are being answered, this waits.
    pub(super) async fn take(self: &Arc<Self>) -> Seat {
        loop {
            let changed = self.changed.notified();
            if let Some(seat) = self.try_take() {
                return seat;
            }
            changed.await;
        }
    }

    fn try_take(self: &Arc<Self>) -> Option<Seat> {
        let mut table = self.table();
        if table.held.len() >= self.most {
            let longest = table.longest_waiting()?;
            let out = table.held.remove(&longest)?;
            out.connection?.abort();
        }
        let id = table.event();
        let held = Held {
            waiting_since: Some(id),
            connection: None,
        };
        table.held.insert(id, held);
        Some(Seat {
            seats: Arc::clone(self),
            id,
        })
    }

    /// The connection that runs on a seat.
    pub(super) fn run(&self, seat: u64, connection: AbortHandle) {
        // It may have ended already.
        if let Some(held) = self.table().held.get_mut(&seat) {
            held.connection = Some(connection);
        }
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn event(&mut self) -> u64 {
        self.next = self.next.saturating_add(1);
        self.next
    }

    fn longest_waiting(&self) -> Option<u64> {
        let waiting = self
            .held
            .iter()
            .filter(|(_, held)| held.connection.is_some());
        waiting
            .filter_map(|(id, held)| Some((held.waiting_since?, *id)))
            .min()
            .map(|(_, id)| id)
    }
}

impl Seat {
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// From now on a request is answered here.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        if let Some(held) = self.seats.table().held.get_mut(&self.id) {
            held.waiting_since = None;
        }
        Answering(Arc::clone(self))
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut table = self.0.seats.table();
        let now = table.event();
        if let Some(held) = table.held.get_mut(&self.0.id) {
            held.waiting_since = Some(now);
        }
        drop(table);
        self.0.seats.changed.notify_one();
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.table().held.remove(&self.id);
        self.seats.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::task::JoinHandle;

    use super::*;

    /// A connection that stays until it is closed.
    struct Connection {
        seat: Arc<Seat>,
        task: JoinHandle<()>,
    }

    async fn connect(seats: &Arc<Seats>) -> Connection {
        let seat = Arc::new(seats.take().await);
        let task = tokio::spawn(std::future::pending());
        seats.run(seat.id(), task.abort_handle());
        Connection { seat, task }
    }

    async fn is_closed(connection: Connection) -> bool {
        let end = tokio::time::timeout(Duration::from_secs(60), connection.task).await;
        end.is_ok_and(|end| end.is_err_and(|end| end.is_cancelled()))
    }

    #[tokio::test]
    async fn whoever_has_waited_longest_makes_room() {
        let seats = Seats::new(2);
        let (first, second) = (connect(&seats).await, connect(&seats).await);
        // The first asked something meanwhile: now the second has waited longest.
        drop(first.seat.answering());
        let third = connect(&seats).await;
        assert!(is_closed(second).await);
        assert!(!first.task.is_finished() && !third.task.is_finished());
        let _fourth = connect(&seats).await;
        assert!(is_closed(first).await);
        assert!(!third.task.is_finished());
    }

    #[tokio::test]
    async fn whoever_is_answered_keeps_his_seat_and_newcomers_wait_for_the_answer() {
        let seats = Seats::new(2);
        let (first, second) = (connect(&seats).await, connect(&seats).await);
        let answering = (first.seat.answering(), second.seat.answering());
        assert!(seats.try_take().is_none());
        let waiting = tokio::spawn({
            let seats = Arc::clone(&seats);
            async move { seats.take().await.id() }
        });
        tokio::task::yield_now().await;
        drop(answering.1);
        waiting.await.unwrap();
        assert!(is_closed(second).await);
        assert!(!first.task.is_finished());
    }

    #[tokio::test]
    async fn a_seat_that_is_given_back_is_free() {
        let seats = Seats::new(1);
        let first = connect(&seats).await;
        first.task.abort();
        drop(first.seat);
        let second = connect(&seats).await;
        assert_eq!(seats.table().held.len(), 1);
        assert!(!second.task.is_finished());
    }
}
