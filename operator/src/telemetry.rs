//! Structured logs of the running operator, to standard error.

use clap::ValueEnum;
use finp2p_crds::log_filter;
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
pub enum FilterError {
    /// It would silence the program.
    #[error(transparent)]
    Directives(#[from] log_filter::FilterError),
    /// It is no list of directives.
    #[error("--log is not a list of tracing directives (for example info,finp2p_operator=debug)")]
    Parse(#[from] tracing_subscriber::filter::ParseError),
}

/// Libraries that log an answer of the API server whole, which may be a Secret, or as programmers print
/// it. The operator tells of the same in a sentence. A directive for one of them brings its lines back.
const LIBRARIES: &str = "kube_client=off,kube_runtime=error,kube_lease_manager=off";

fn directives(filter: &str) -> Result<EnvFilter, FilterError> {
    let filter = log_filter::directives(filter)?;
    Ok(EnvFilter::try_new(format!("{LIBRARIES},{filter}"))?)
}

/// Starts logging.
///
/// # Errors
/// [`FilterError`] when `filter` does not parse.
pub fn start(filter: &str, format: LogFormat) -> Result<(), FilterError> {
    let logs = tracing_subscriber::fmt()
        .with_env_filter(directives(filter)?)
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

#[cfg(test)]
mod tests {
    use tracing::Level;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    /// Whether a warning of the client and of its watches, an error of the election and our own
    /// lines are written.
    fn written(filter: &str) -> [bool; 4] {
        let subscriber = tracing_subscriber::registry().with(directives(filter).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            [
                tracing::enabled!(target: "kube_client::client", Level::WARN),
                tracing::enabled!(target: "kube_runtime::watcher", Level::WARN),
                tracing::enabled!(target: "kube_lease_manager::manager", Level::ERROR),
                tracing::enabled!(target: "finp2p_operator::run", Level::INFO),
            ]
        })
    }

    #[test]
    fn libraries_that_print_whole_answers_are_silent_until_they_are_asked_for() {
        assert_eq!(written("info"), [false, false, false, true]);
        assert_eq!(written("debug"), [false, false, false, true]);
        let asked = "warn,kube_client=warn,kube_runtime=warn";
        assert_eq!(written(asked), [true, true, false, false]);
        assert_eq!(
            written("info,kube_lease_manager=error"),
            [false, false, true, true]
        );
        assert!(written("warn, finp2p_operator=info")[3]);
        assert!(directives("finp2p_operator=loud").is_err());
        assert!(directives("infoo").is_err());
    }
}
