//! What the API server's refusals mean, and how a person mends them.

use kube::core::Status;
use kube::runtime::watcher;

/// What is to be done about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cure {
    /// Try again soon: somebody else wrote in between.
    Conflict,
    /// Nothing: the object or its namespace is going away.
    Gone,
    /// A person must change something; try again now and then.
    Person,
    /// Try again with growing pauses.
    Retry,
}

/// What is to be done about an error of the API server.
pub fn cure(error: &kube::Error) -> Cure {
    let kube::Error::Api(status) = error else {
        return Cure::Retry;
    };
    match status.code {
        404 => Cure::Gone,
        409 => Cure::Conflict,
        403 if is_terminating(status) => Cure::Gone,
        400 | 401 | 403 | 405 | 413 | 415 | 422 => Cure::Person,
        _ => Cure::Retry,
    }
}

fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let mut reasons = causes.map(|cause| cause.reason.as_str());
    reasons.any(|reason| reason == "NamespaceTerminating")
        || status.message.contains("is being terminated")
}

/// An error of the API server as a clause for a log line or a condition.
pub fn clause(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => api(status),
        other => chain(other),
    }
}

fn api(status: &Status) -> String {
    match status.code {
        401 => "the API server does not know this account (401): is its token valid?".to_owned(),
        403 => format!(
            "{} (403): install the chart with this namespace in `namespaces`, or compare the operator's Role with the chart's",
            status.message
        ),
        // What an API server says of a resource that it does not serve, and of a whole group.
        404 if status
            .message
            .contains("could not find the requested resource")
            || status.message.contains("404 page not found") =>
        {
            "the kind is not installed (404): install the CRDs (crds.install of the chart)"
                .to_owned()
        }
        code => format!("{} ({code})", status.message),
    }
}

/// An error of a watch as a clause for a log line.
pub fn watch(error: &watcher::Error) -> String {
    match error {
        watcher::Error::InitialListFailed(source)
        | watcher::Error::WatchStartFailed(source)
        | watcher::Error::WatchFailed(source) => clause(source),
        watcher::Error::WatchError(status) => api(status),
        watcher::Error::NoResourceVersion => error.to_string(),
    }
}

/// Every cause once: what, then why.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}
