//! One collection followed for as long as the node runs: listed, then watched, then watched again
//! from where it stood; listed anew after any doubt.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::server::{Collection, Event, Object, Server, ServerError};
use super::{PAUSE_MAX, Rhythm};

/// A watch that ends sooner was not worth its opening: the next one waits.
const SHORT_WATCH: Duration = Duration::from_secs(1);
/// First pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// What is told about a collection.
pub trait Follower: Send {
    /// One object of it.
    type Object: Object;

    /// Most objects that it may have.
    fn max_objects(&self) -> usize;
    /// All there is now.
    fn listed(&mut self, objects: Vec<Self::Object>);
    /// An object came or changed.
    fn put(&mut self, object: Self::Object);
    /// An object is gone.
    fn gone(&mut self, name: &str);
    /// The watch lives: an event came, or word that there was none.
    fn alive(&mut self) {}
    /// It cannot be followed now; this was so many times in a row.
    fn failed(&mut self, error: &ServerError, times: u32);
}

/// Pauses that double, with jitter, up to a cap.
#[derive(Clone, Debug)]
pub struct Pauses {
    next: Duration,
    max: Duration,
}

impl Pauses {
    /// Up to `max`.
    #[must_use]
    pub fn up_to(max: Duration) -> Self {
        Self {
            next: PAUSE_MIN,
            max,
        }
    }

    /// The next pause, or what the server asked for if that is longer (up to the cap).
    pub fn next(&mut self, asked: Option<Duration>) -> Duration {
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        self.next = self.next.saturating_mul(2).min(self.max);
        pause.max(asked.unwrap_or_default().min(self.max))
    }

    /// It went well.
    pub fn reset(&mut self) {
        self.next = PAUSE_MIN;
    }
}

/// Follows the collection until the task is dropped. `doubt` makes it list anew at once.
pub async fn follow<F: Follower>(
    server: Server,
    collection: Collection,
    mut follower: F,
    rhythm: Rhythm,
    mut doubt: watch::Receiver<u64>,
) {
    let mut pauses = Pauses::up_to(PAUSE_MAX);
    let mut version: Option<String> = None;
    let mut failures = 0;
    doubt.mark_unchanged();
    loop {
        let began = Instant::now();
        let round = tokio::select! {
            round = round(&server, &collection, &mut follower, &rhythm, version.take()) => round,
            changed = doubt.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return, // the source is gone, and nobody reads what is followed
            },
        };
        let asked = match round {
            Ok(at) if began.elapsed() >= SHORT_WATCH => {
                version = Some(at);
                failures = 0;
                pauses.reset();
                continue;
            }
            Ok(at) => {
                version = Some(at);
                None
            }
            Err(error) => {
                if began.elapsed() >= SHORT_WATCH {
                    failures = 0;
                    pauses.reset();
                }
                // Where it stood is forgotten by the server: the next list comes at once.
                let gone = matches!(error, ServerError::Gone) && failures == 0;
                failures += 1;
                follower.failed(&error, failures);
                if gone {
                    continue;
                }
                error.retry_after()
            }
        };
        tokio::select! {
            () = sleep(pauses.next(asked)) => {}
            _ = doubt.changed() => version = None,
        }
    }
}

/// One list, if there is nothing to go on from, and one watch. Returns where the next goes on.
async fn round<F: Follower>(
    server: &Server,
    collection: &Collection,
    follower: &mut F,
    rhythm: &Rhythm,
    version: Option<String>,
) -> Result<String, ServerError> {
    let mut version = match version {
        Some(version) => version,
        None => {
            let listed = server.list(collection, follower.max_objects()).await?;
            follower.listed(listed.objects);
            listed.version
        }
    };
    let seconds = rand::random_range(rhythm.watch_s * 3 / 4..=rhythm.watch_s);
    let end = Instant::now() + Duration::from_secs(seconds) + rhythm.grace;
    let mut events = server
        .watch::<F::Object>(collection, &version, seconds)
        .await?;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let event = timeout(left, events.next()).await;
        let Some(event) = event.map_err(|_| ServerError::Silent)?? else {
            return Ok(version);
        };
        match event {
            Event::Added(object) | Event::Modified(object) => {
                object.version().clone_into(&mut version);
                follower.put(object);
            }
            Event::Deleted(object) => {
                object.version().clone_into(&mut version);
                follower.gone(object.name());
            }
            Event::Bookmark(bookmark) => bookmark.version().clone_into(&mut version),
            Event::Error(_) => return Err(ServerError::Gone), // told apart by `Events::next`
        }
        follower.alive();
    }
}
