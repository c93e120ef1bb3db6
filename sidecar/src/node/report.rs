//! What the node tells the operator: one small object, written when it says something new.
//!
//! What is in force is reported as applied once the content that its assets name was looked at, so
//! that nobody takes an asset for programmed whose content is refused a moment later.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use finp2p_crds::SEQUENCE_ANNOTATION;
use finp2p_crds::condition::reasons;
use finp2p_crds::peer_organization::{ApiClient, ApiVerb};
use finp2p_crds::sidecar_config::{
    CertificateRequest, Exception, NODE, PeerReport, REPORT_MAX_ROWS, Root, SidecarConfigStatus,
};

use super::publish::Exceptions;
use crate::config::tracker::Age;
use crate::config::{Applied, Standing};

/// Why the report could not be written.
#[derive(Debug, thiserror::Error)]
enum ReportError {
    /// It has no YAML form.
    #[error("the report has no YAML form")]
    Encode(#[source] serde_yaml::Error),
    /// The file cannot be written.
    #[error("{path} cannot be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Where the report goes.
pub trait Report: fmt::Debug + Send + Sync {
    /// Takes the report; called at every look, so that what it said before costs nothing. Whoever
    /// cannot bring it says so in the log, once until it can.
    fn take(&self, draft: Draft);
}

/// A report before it is known how much of it there is room for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    status: SidecarConfigStatus,
    /// How many exceptions there are beside those of `status`.
    not_told: usize,
}

impl From<SidecarConfigStatus> for Draft {
    fn from(status: SidecarConfigStatus) -> Self {
        let not_told = 0;
        Self { status, not_told }
    }
}

impl Draft {
    /// The exceptions that it tells.
    #[must_use]
    pub fn told(&self) -> usize {
        self.status.exceptions.len()
    }

    /// Tells so many exceptions at most, and counts the others.
    pub fn tell_at_most(&mut self, most: usize) {
        let cut = self.told().saturating_sub(most);
        self.status.exceptions.truncate(most);
        self.not_told = self.not_told.saturating_add(cut);
    }

    /// What it says of the peers.
    pub fn peers_mut(&mut self) -> &mut Vec<PeerReport> {
        &mut self.status.peers
    }

    /// The report, with a last row that counts what it does not tell.
    #[must_use]
    pub fn into_status(self) -> SidecarConfigStatus {
        let Self {
            mut status,
            not_told,
        } = self;
        if not_told > 0 {
            status.exceptions.push(Exception {
                kind: NODE.to_owned(),
                name: String::new(),
                reason: reasons::REPORT_FULL.to_owned(),
                message: format!(
                    "{not_told} more are not told, for want of room: mend those that are, and the others follow"
                ),
            });
        }
        status
    }
}

/// A file with the report.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    written: Option<Draft>,
    /// The file could not be written since, which was said.
    failing: bool,
}

impl ReportFile {
    /// A report that goes to `path`, replaced by rename.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::default(),
        }
    }

    fn write(&self, draft: &Draft) -> Result<(), ReportError> {
        let status = draft.clone().into_status();
        let text = serde_yaml::to_string(&status).map_err(ReportError::Encode)?;
        replace(&self.path, text.as_bytes()).map_err(|source| ReportError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

impl Report for ReportFile {
    fn take(&self, draft: Draft) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.written.as_ref() == Some(&draft) {
            return;
        }
        match self.write(&draft) {
            Ok(()) => {
                last.written = Some(draft);
                if std::mem::take(&mut last.failing) {
                    tracing::info!("the report is written again");
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut last.failing, true) {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, source, "the report cannot be written: the operator does not see this node");
                }
            }
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.persist(path)
        .map(|_: File| ())
        .map_err(|error| error.error)
}

/// The report of a node: `standing` is in force, the sequence of `mark` is on the volume, of `seen` the
/// contents were looked at, and `trouble` keeps the volume from taking what is written.
#[must_use]
pub fn draft(
    standing: Option<&Standing>,
    mark: Option<String>,
    seen: Option<&Applied>,
    certificate_requests: Vec<CertificateRequest>,
    mut peers: Vec<PeerReport>,
    exceptions: &Exceptions,
    trouble: Option<String>,
) -> Draft {
    let mut all: Vec<Exception> = Vec::new();
    let mut not_told = exceptions.more;
    if let Some(standing) = standing {
        let unavailable = trouble.map(|t| of_node(standing, reasons::STORE_UNAVAILABLE, t));
        all.extend(unavailable);
        all.extend(warnings(standing));
        all.extend(standing.applied.exceptions.iter().cloned());
        not_told = not_told.saturating_add(standing.applied.more_exceptions);
    }
    all.extend(exceptions.rows.iter().cloned());
    peers.sort_by(|a, b| a.organization_id.cmp(&b.organization_id));
    peers.truncate(REPORT_MAX_ROWS);
    let status = SidecarConfigStatus {
        incarnation: standing.map(|s| s.applied.root.incarnation),
        mark,
        applied: seen.map(|seen| seen.slices.clone()).unwrap_or_default(),
        certificate_requests,
        peers,
        exceptions: all,
    };
    let mut draft = Draft { status, not_told };
    if draft.told() > REPORT_MAX_ROWS || draft.not_told > 0 {
        // The last row counts.
        draft.tell_at_most(REPORT_MAX_ROWS - 1);
    }
    draft
}

fn of_node(standing: &Standing, reason: &str, message: String) -> Exception {
    Exception {
        kind: NODE.to_owned(),
        name: standing.applied.root.organization_id.clone(),
        reason: reason.to_owned(),
        message,
    }
}

/// What the node says of its own configuration.
#[must_use]
pub fn warnings(standing: &Standing) -> Vec<Exception> {
    let node = |reason: &str, message: &str| of_node(standing, reason, message.to_owned());
    let mut warnings = Vec::new();
    if let Some(newer) = &standing.restrained_by {
        let accept = if somebody_may_accept(&standing.applied.root, &newer.root) {
            "accept it at the node (POST /v1/configuration/accept, verb Administer in both), or"
        } else {
            "no client may accept it at the node (none has the verb Administer in both), so"
        };
        let message = format!(
            "the configuration is older than one this node had, or does not go on from it: only \
             what both grant is served; {accept} annotate the local PeerOrganization with \
             {SEQUENCE_ANNOTATION} above {}",
            newer.root.sequence.max(standing.applied.root.sequence)
        );
        warnings.push(node(reasons::CONFIGURATION_ROLLED_BACK, &message));
    }
    match standing.age {
        Age::Fresh => {}
        Age::Warn => warnings.push(node(
            reasons::CONFIGURATION_UNREAD,
            "the configuration was not read for more than an hour: what was applied is in force",
        )),
        Age::Stale => warnings.push(node(
            reasons::CONFIGURATION_STALE,
            "the configuration was not read for too long: everything is denied",
        )),
    }
    warnings
}

/// Whether any client has `Administer` in both.
fn somebody_may_accept(one: &Root, other: &Root) -> bool {
    let administers = |client: &&ApiClient| client.allow.contains(&ApiVerb::Administer);
    let mut administrators = one.api.iter().filter(administers);
    administrators.any(|client| {
        let mut others = other.api.iter().filter(administers);
        others.any(|other| other.service_account == client.service_account)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The draft of a report with so many exceptions, and `more` that were left out before.
    fn drafted(count: usize, more: usize) -> Draft {
        let row = |number| Exception {
            kind: "SharedAsset".to_owned(),
            name: format!("asset-{number}"),
            reason: reasons::CONTENT_INVALID.to_owned(),
            message: "not JSON".to_owned(),
        };
        let rows = (0..count).map(row).collect();
        draft(
            None,
            None,
            None,
            vec![],
            vec![],
            &Exceptions { rows, more },
            None,
        )
    }

    /// How many rows there are, and the words of the one that counts.
    fn rows_of(draft: Draft) -> (usize, Option<String>) {
        let rows = draft.into_status().exceptions;
        let last = rows.last().filter(|row| row.reason == reasons::REPORT_FULL);
        let words = last.map(|row| row.message.split(',').next().unwrap().to_owned());
        (rows.len(), words)
    }

    fn not_told(count: usize) -> Option<String> {
        Some(format!("{count} more are not told"))
    }

    #[test]
    fn the_last_row_of_a_full_report_counts_what_is_not_told() {
        assert_eq!(rows_of(drafted(100, 0)), (100, None));
        assert_eq!(rows_of(drafted(101, 0)), (100, not_told(2)));
        assert_eq!(rows_of(drafted(100, 900)), (100, not_told(901)));
        assert_eq!(rows_of(drafted(3, 1)), (4, not_told(1)));
    }

    /// Lines of the log.
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines_with(&self, words: &str) -> usize {
            let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
            text.lines().filter(|line| line.contains(words)).count()
        }
    }

    #[test]
    fn a_report_that_cannot_be_written_is_told_once_until_it_can() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        let report = ReportFile::new(there.join("report.yaml"));
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone());
        let (fails, again) = ("cannot be written", "written again");
        tracing::subscriber::with_default(subscriber.finish(), || {
            for round in 1..=2 {
                for rows in 0..20 {
                    report.take(drafted(rows, 0));
                }
                assert_eq!(log.lines_with(fails), round);
                assert_eq!(log.lines_with(again), round - 1);
                std::fs::create_dir(&there).unwrap();
                for rows in 0..20 {
                    report.take(drafted(rows, 0));
                }
                assert_eq!(log.lines_with(again), round);
                std::fs::remove_dir_all(&there).unwrap();
            }
        });
    }

    #[test]
    fn a_report_that_is_shortened_again_counts_on() {
        let mut draft = drafted(101, 7);
        draft.tell_at_most(49);
        assert_eq!(rows_of(draft), (50, not_told(101 + 7 - 49)));
    }
}
