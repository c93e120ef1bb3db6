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

/// How the client's text of an answer begins, which holds the whole Status.
const WHOLE_ANSWER: &str = "ApiError: ";

/// Every cause once: what, then why. An answer of the API server is told as [`clause`] does: the
/// client's own text holds the whole Status in the form that programmers read.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let status = answer(cause);
        next = cause.source().filter(|_| status.is_none());
        let more = match status {
            Some(status) => api(status),
            // An error that prints its source prints the whole answer: its own words, then ours.
            None => own_words(&cause.to_string()),
        };
        if text.is_empty() {
            text = more;
        } else if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
    }
    text
}

fn own_words(text: &str) -> String {
    let own = text.split(WHOLE_ANSWER).next().unwrap_or_default();
    own.trim_end_matches(": ").to_owned()
}

/// What the API server answered, if this error is that.
fn answer<'e>(error: &'e (dyn std::error::Error + 'static)) -> Option<&'e Status> {
    let boxed = error.downcast_ref::<Box<kube::Error>>().map(AsRef::as_ref);
    match boxed.or_else(|| error.downcast_ref::<kube::Error>())? {
        kube::Error::Api(status) => Some(status.as_ref()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use kube_lease_manager::LeaseManagerError;

    use super::*;

    fn refused() -> kube::Error {
        let message = "Operation cannot be fulfilled on sidecarconfigs \"bank-a\": the object has been modified";
        kube::Error::Api(Status::failure(message, "Conflict").with_code(409).boxed())
    }

    #[derive(Debug, thiserror::Error)]
    #[error("SidecarConfig bank-a could not be written")]
    struct Boxed(#[source] Box<kube::Error>);

    #[derive(Debug, thiserror::Error)]
    #[error("the cluster could not list sharedassets")]
    struct Plain(#[source] kube::Error);

    #[test]
    fn an_answer_of_the_api_server_is_a_sentence_wherever_it_stands() {
        let said = "Operation cannot be fulfilled on sidecarconfigs \"bank-a\": the object has been modified (409)";
        let boxed = chain(&Boxed(Box::new(refused())));
        assert_eq!(
            boxed,
            format!("SidecarConfig bank-a could not be written: {said}")
        );
        let plain = chain(&Plain(refused()));
        assert_eq!(
            plain,
            format!("the cluster could not list sharedassets: {said}")
        );
        assert_eq!(chain(&refused()), said);
        let lease = chain(&LeaseManagerError::KubeError(refused()));
        assert_eq!(lease, format!("Kube error: {said}"));
        // Through the program's own wrapping, as it ends with.
        let wrapped = anyhow::Error::new(Plain(refused())).context("diff");
        assert_eq!(chain(&*wrapped), format!("diff: {plain}"));
    }

    #[test]
    fn other_errors_are_told_cause_by_cause_and_nothing_twice() {
        let missing = std::io::Error::other("no such file");
        let error = anyhow::Error::new(missing)
            .context("the key: no such file")
            .context("certify");
        assert_eq!(chain(&*error), "certify: the key: no such file");
    }
}
