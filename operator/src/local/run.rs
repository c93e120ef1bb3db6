//! The loop: look at the folder, the processes and the reports; plan what changed; apply; tell.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use rand::CryptoRng;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::report::Output;
use super::state::StateError;
use super::step::Local;
use super::watch;
use crate::validate::CheckerError;

/// Longest that sidecars may take to end in good order; their own grace is ten seconds.
const STOP_GRACE: Duration = Duration::from_secs(15);

/// Why the local mode does not start.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// The folder of manifests is not there.
    #[error(
        "{0} is no folder: make it, with one sub-folder of manifests per organization (see --help)"
    )]
    Directory(PathBuf),
    /// The sidecar is not there.
    #[error(
        "{0} is no program: build finp2p-sidecar beside this program, or name it with --sidecar"
    )]
    Sidecar(PathBuf),
    /// The state cannot be used.
    #[error("the state cannot be used")]
    State(#[from] StateError),
    /// The checks could not be set up.
    #[error("the checks could not be set up")]
    Checker(#[from] CheckerError),
    /// The columns of the tables are not to be had.
    #[error("the tables could not be set up")]
    Printer(#[from] finp2p_crds::definition::DefinitionError),
}

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder of manifests.
    pub directory: PathBuf,
    /// The folder of the state.
    pub state: PathBuf,
    /// The sidecar program.
    pub sidecar: PathBuf,
    /// How things are told.
    pub output: Output,
}

/// What the outside gives: the clock, chance, and where to tell.
pub struct Outside<C, R, W> {
    /// The time.
    pub clock: C,
    /// Randomness for keys, tokens and serial numbers.
    pub rng: R,
    /// Where things are told.
    pub stream: W,
}

/// Runs until a signal comes; a second one ends the sidecars at once.
///
/// # Errors
/// [`LocalError`] when it does not start. What goes wrong later is told and tried again.
pub async fn run<C, R, W>(
    options: Options,
    outside: Outside<C, R, W>,
    mut signals: mpsc::Receiver<()>,
) -> Result<(), LocalError>
where
    C: Fn() -> Timestamp,
    R: CryptoRng,
    W: Write,
{
    let mut local = Local::new(options, outside)?;
    let begin = Instant::now();
    loop {
        let look_took = local.step(begin.elapsed(), || begin.elapsed());
        tokio::select! {
            _ = signals.recv() => break,
            () = tokio::time::sleep(watch::pause_after(look_took)) => {}
        }
    }
    local.say("stopping: the sidecars end in good order");
    local.fleet.terminate();
    let deadline = begin.elapsed() + STOP_GRACE;
    while !local.fleet.has_ended() {
        if begin.elapsed() >= deadline {
            local.say("a sidecar does not end: it is killed");
            break;
        }
        tokio::select! {
            _ = signals.recv() => break,
            () = tokio::time::sleep(watch::LOOK_EVERY) => {}
        }
    }
    local.fleet.kill();
    local.publish(begin.elapsed());
    local.say("stopped");
    Ok(())
}
