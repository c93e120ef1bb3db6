//! Free ports on loopback.

use std::net::{Ipv4Addr, TcpListener};

use rand::RngExt as _;

/// Below the range that the system gives to outgoing connections, so that none of these takes a
/// port of a server that is away for a moment.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// Attempts until a free port is found; a machine with most of the range in use is broken.
const ATTEMPTS: usize = 1_000;

/// Ports that nobody listens on now, all different. Whoever starts a server on one must be ready to
/// find it taken after all, and try others.
pub fn free<const N: usize>() -> Result<[u16; N], String> {
    let mut held = Vec::new();
    for _ in 0..ATTEMPTS {
        if held.len() == N {
            break;
        }
        let port = rand::rng().random_range(RANGE);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, listener)); // held, so that it is not found twice
        }
    }
    if held.len() < N {
        return Err(format!("no {N} free ports in {RANGE:?}"));
    }
    Ok(std::array::from_fn(|n| held[n].0))
}
