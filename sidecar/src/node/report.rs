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

/// The report of a node: `standing` is in force, and of `seen` the contents were looked at.
#[must_use]
pub fn status(
    standing: Option<&Standing>,
    seen: Option<&Applied>,
    certificate_requests: Vec<CertificateRequest>,
    mut peers: Vec<PeerReport>,
    exceptions: &[Exception],
) -> SidecarConfigStatus {
    let mut all: Vec<Exception> = standing.map(warnings).unwrap_or_default();
    if let Some(standing) = standing {
        all.extend(standing.applied.exceptions.iter().cloned());
    }
    all.extend(exceptions.iter().cloned());
    all.truncate(REPORT_MAX_ROWS);
    peers.sort_by(|a, b| a.organization_id.cmp(&b.organization_id));
    peers.truncate(REPORT_MAX_ROWS);
    SidecarConfigStatus {
        incarnation: standing.map(|s| s.applied.root.incarnation),
        applied: seen.map(|seen| seen.slices.clone()).unwrap_or_default(),
        certificate_requests,
        peers,
        exceptions: all,
    }
}

/// What the node says of its own configuration.
#[must_use]
pub fn warnings(standing: &Standing) -> Vec<Exception> {
    let node = |reason: &str, message: &str| Exception {
        kind: NODE.to_owned(),
        name: standing.applied.root.organization_id.clone(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
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
            reasons::CONFIGURATION_STALE,
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
