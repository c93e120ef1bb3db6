//! Structured logs of the running operator, to standard error.

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// The log filter cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("--log is not a list of tracing directives (for example info,finp2p_operator=debug)")]
pub struct FilterError(#[from] tracing_subscriber::filter::ParseError);

/// Starts logging.
///
/// # Errors
/// [`FilterError`] when `filter` does not parse.
pub fn start(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(filter)?)
        // A line that cannot be written is lost: telling so where it went in vain would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _started_before = match format {
        LogFormat::Text => logs.with_ansi(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    Ok(())
}
