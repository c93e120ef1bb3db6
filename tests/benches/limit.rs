//! What the signatures of a pull alone would allow on these cores.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use finp2p_wire::key::SigningKey;

/// Bytes that are signed: an envelope's payload with its headers.
const MESSAGE: [u8; 300] = [7; 300];

/// Pulls a second, if a pull were its five signature operations and nothing else: the request
/// signed and verified, the answer signed and verified, the record verified. On every core.
#[allow(clippy::disallowed_methods, clippy::cast_precision_loss)] // a benchmark measures time
pub fn signatures(measure: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                let key = SigningKey::generate(&mut rand::rng());
                while !stop.load(Ordering::Relaxed) {
                    let request = key.sign(&MESSAGE);
                    let answer = key.sign(&MESSAGE);
                    let good = key.public().verifies(&MESSAGE, &request)
                        && key.public().verifies(&MESSAGE, &answer)
                        && key.public().verifies(&MESSAGE, &answer);
                    done.fetch_add(u64::from(good), Ordering::Relaxed);
                }
            });
        }
        std::thread::park_timeout(measure);
        stop.store(true, Ordering::Relaxed);
    });
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}
