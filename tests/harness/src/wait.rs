//! Waiting on conditions.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Between two looks that each cost an API server a request: tests share two cores with it.
const ASK_EVERY: Duration = Duration::from_millis(30);

/// Looks until `condition` gives a value, and returns it.
///
/// # Panics
/// After `deadline`, naming `what` and the last reason why not.
pub fn until<T>(what: &str, deadline: Duration, condition: impl FnMut() -> Result<T, String>) -> T {
    match try_until(deadline, condition) {
        Ok(value) => value,
        Err(last) => panic!("{what} was not seen within {deadline:?}: {last}"),
    }
}

/// The same without a panic: the last reason why not.
pub fn try_until<T>(
    deadline: Duration,
    condition: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    look(LOOK_EVERY, deadline, condition)
}

/// The same for a condition that asks an API server, looked at less often.
pub fn try_ask_until<T>(
    deadline: Duration,
    condition: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    look(ASK_EVERY, deadline, condition)
}

fn look<T>(
    every: Duration,
    deadline: Duration,
    mut condition: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let end = Instant::now() + deadline;
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() >= end => return Err(last),
            Err(_) => std::thread::sleep(every),
        }
    }
}
