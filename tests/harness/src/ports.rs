//! Free ports on loopback.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use rand::RngExt as _;

/// Below the range that the system gives to outgoing connections, so that none of these takes a
/// port of a server that is away for a moment.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// Attempts until a free port is found; a machine with most of the range in use is broken.
const ATTEMPTS: usize = 1_000;

/// What this process has given out: a server that was not started yet, or is away for a moment, finds its
/// port free, whatever tests beside it start.
static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

/// Ports that nobody listens on now, and that were given to nobody else in this process. Another process
/// may still take one: who can try others does.
pub fn free<const N: usize>() -> Result<[u16; N], String> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    let mut ports = Vec::new();
    for _ in 0..ATTEMPTS {
        if ports.len() == N {
            break;
        }
        let port = rand::rng().random_range(RANGE);
        if !given.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port);
            ports.push(port);
        }
    }
    <[u16; N]>::try_from(ports).map_err(|_| format!("no {N} free ports in {RANGE:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_twice() {
        let given: Vec<u16> = (0..200).flat_map(|_| free::<10>().unwrap()).collect();
        let different: BTreeSet<_> = given.iter().collect();
        assert_eq!(different.len(), given.len());
    }
}
