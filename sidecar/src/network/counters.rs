//! What the network counts.

crate::counter::counters! {
    /// Counters of the network, all since the start. Everything refused before a signature was
    /// checked shows here only: an audit entry for each would let anybody fill the disk.
    Counters,
    /// What [`Counters`] said at one moment.
    Counts:
    /// Connections that others opened to us.
    inbound_connections,
    /// Connections that we opened.
    outbound_connections,
    /// Connections refused because there were too many.
    connections_refused,
    /// Connections closed because nobody said hello in time.
    hello_timeouts,
    /// Strangers' connections closed to make room for newer ones.
    strangers_evicted,
    /// Connections closed because the responder would not answer.
    connections_closed,
    /// Frames received whole.
    requests,
    /// Frames refused because they announced too many bytes.
    requests_too_large,
    /// Frames that did not arrive in time.
    requests_too_slow,
    /// Streams that ended early, carried no frame, or were more than a stranger may open.
    requests_broken,
    /// Frames dropped because too many were waiting.
    requests_dropped,
    /// Frames whose sender was gone when their turn came.
    requests_abandoned,
    /// Answers handed to the responder's caller.
    answers,
    /// The responder failed on a frame: a fault of ours.
    responder_failures,
    /// Attempts to dial.
    dials,
    /// Attempts to dial that failed.
    dials_failed,
    /// Requests of ours that were sent.
    sent,
    /// Requests of ours that got no answer.
    sent_without_answer,
}
