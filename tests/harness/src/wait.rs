//! Waiting on conditions.

use std::time::{Duration, Instant};

/// Between two looks at a condition.
const LOOK_EVERY: Duration = Duration::from_millis(10);

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
    mut condition: impl FnMut() -> Result<T, String>,
) -> Result<T, String> {
    let end = Instant::now() + deadline;
    loop {
        match condition() {
            Ok(value) => return Ok(value),
            Err(last) if Instant::now() >= end => return Err(last),
            Err(_) => std::thread::sleep(LOOK_EVERY),
        }
    }
}
