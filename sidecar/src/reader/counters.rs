//! What the reader counts.

crate::counter::counters! {
    /// Counters of the reader, all since the start.
    ReaderCounters,
    /// What [`ReaderCounters`] said at one moment.
    ReaderCounts:
    /// Hellos that were sent.
    hellos,
    /// Sessions that came of them.
    sessions,
    /// Requests that were sent.
    requests,
    /// Signed answers that were believed, refusals among them.
    answers,
    /// Signed refusals, of whole requests or of single items.
    refusals,
    /// Answers without a signature.
    hints,
    /// Messages and records that were refused as not what they claim to be.
    rejected,
}
