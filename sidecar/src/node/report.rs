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
pub enum ReportError {
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
    /// Takes the report; called at every look, so that what it said before costs nothing.
    ///
    /// # Errors
    /// [`ReportError`]; it is given again.
    fn take(&self, status: SidecarConfigStatus) -> Result<(), ReportError>;
}

/// A file with the report.
#[derive(Debug)]
pub struct ReportFile {
    path: PathBuf,
    last: Mutex<Option<SidecarConfigStatus>>,
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
}

impl Report for ReportFile {
    fn take(&self, status: SidecarConfigStatus) -> Result<(), ReportError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(&status) {
            return Ok(());
        }
        let text = serde_yaml::to_string(&status).map_err(ReportError::Encode)?;
        replace(&self.path, text.as_bytes()).map_err(|source| ReportError::Write {
            path: self.path.clone(),
            source,
        })?;
        *last = Some(status);
        Ok(())
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
pub fn status(
    standing: Option<&Standing>,
    mark: Option<String>,
    seen: Option<&Applied>,
    certificate_requests: Vec<CertificateRequest>,
    mut peers: Vec<PeerReport>,
    exceptions: &Exceptions,
    trouble: Option<String>,
) -> SidecarConfigStatus {
    let mut all: Vec<Exception> = Vec::new();
    let mut more = exceptions.more;
    if let Some(standing) = standing {
        let unavailable = trouble.map(|t| of_node(standing, reasons::STORE_UNAVAILABLE, t));
        all.extend(unavailable);
        all.extend(warnings(standing));
        all.extend(standing.applied.exceptions.iter().cloned());
        more = more.saturating_add(standing.applied.more_exceptions);
    }
    all.extend(exceptions.rows.iter().cloned());
    shorten(&mut all, REPORT_MAX_ROWS, more);
    peers.sort_by(|a, b| a.organization_id.cmp(&b.organization_id));
    peers.truncate(REPORT_MAX_ROWS);
    SidecarConfigStatus {
        incarnation: standing.map(|s| s.applied.root.incarnation),
        mark,
        applied: seen.map(|seen| seen.slices.clone()).unwrap_or_default(),
        certificate_requests,
        peers,
        exceptions: all,
    }
}

/// Leaves as many rows as there is room for; the last one then counts what is not told, `more` among
/// it.
pub fn shorten(rows: &mut Vec<Exception>, room: usize, more: usize) {
    if rows.len() <= room && more == 0 {
        return;
    }
    let counted: usize = rows.iter().filter_map(not_told).sum();
    rows.retain(|row| not_told(row).is_none());
    let there = rows.len();
    rows.truncate(room.saturating_sub(1));
    let cut = there.saturating_sub(rows.len());
    let left_out = counted.saturating_add(more).saturating_add(cut);
    rows.push(Exception {
        kind: NODE.to_owned(),
        name: String::new(),
        reason: reasons::REPORT_FULL.to_owned(),
        message: format!(
            "{left_out} more are not told, for want of room: mend those that are, and the others follow"
        ),
    });
}

/// How many rows a row says that are not told.
fn not_told(row: &Exception) -> Option<usize> {
    let is_count = row.kind == NODE && row.reason == reasons::REPORT_FULL;
    let count = is_count.then(|| row.message.split(' ').next())?;
    count?.parse().ok()
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

    fn rows(count: usize) -> Vec<Exception> {
        let row = |number| Exception {
            kind: "SharedAsset".to_owned(),
            name: format!("asset-{number}"),
            reason: reasons::CONTENT_INVALID.to_owned(),
            message: "not JSON".to_owned(),
        };
        (0..count).map(row).collect()
    }

    fn shortened(count: usize, room: usize, more: usize) -> (usize, Option<usize>) {
        let mut rows = rows(count);
        shorten(&mut rows, room, more);
        (rows.len(), rows.last().and_then(not_told))
    }

    #[test]
    fn the_last_row_of_a_full_report_counts_what_is_not_told() {
        assert_eq!(shortened(100, 100, 0), (100, None));
        assert_eq!(shortened(101, 100, 0), (100, Some(2)));
        assert_eq!(shortened(100, 100, 900), (100, Some(901)));
        assert_eq!(shortened(3, 100, 1), (4, Some(1)));
    }

    #[test]
    fn a_report_that_is_shortened_again_counts_on() {
        let mut all = rows(101);
        shorten(&mut all, 100, 7);
        shorten(&mut all, 50, 0);
        assert_eq!(all.len(), 50);
        assert_eq!(all.last().and_then(not_told), Some(101 + 7 - 49));
        assert_eq!(all.iter().filter_map(not_told).count(), 1);
    }
}
