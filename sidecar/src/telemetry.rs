//! Structured logs. Never a private value, a key or a token: lines name resources, codes and
//! references.

use finp2p_crds::log_filter;
use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// The log filter cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// It would silence the node.
    #[error(transparent)]
    Directives(#[from] log_filter::FilterError),
    /// It is no list of directives.
    #[error("--log is not a list of tracing directives (for example info,finp2p_sidecar=debug)")]
    Parse(#[from] tracing_subscriber::filter::ParseError),
}

/// Starts logging to standard error.
///
/// # Errors
/// [`FilterError`] when `filter` does not parse.
pub fn start(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let filter = EnvFilter::try_new(log_filter::directives(filter)?)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written (full disk, whoever read it gone) is lost. Telling so on
        // standard error, where it went in vain, would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _started_before = match format {
        LogFormat::Text => logs.with_ansi(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    Ok(())
}
