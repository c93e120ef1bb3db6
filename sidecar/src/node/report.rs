//! What the node tells the operator: one small object, written when it says something new.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use finp2p_crds::access;
use finp2p_crds::condition::reasons;
use finp2p_crds::sidecar_config::{
    CertificateRequest, Exception, PeerReport, REPORT_MAX_ROWS, SidecarConfigStatus,
};

use crate::config::tracker::Age;
use crate::config::{Applied, Standing};
use crate::primary::{self, Primary};

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

/// The file of the report.
#[derive(Debug)]
pub struct Report {
    path: PathBuf,
    last: Mutex<Option<SidecarConfigStatus>>,
}

impl Report {
    /// A report that goes to `path`, replaced by rename.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            last: Mutex::default(),
        }
    }

    /// Writes the report unless it says what the last one said.
    ///
    /// # Errors
    /// [`ReportError`]; it is written the next time.
    pub fn write(&self, status: &SidecarConfigStatus) -> Result<(), ReportError> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() == Some(status) {
            return Ok(());
        }
        let text = serde_yaml::to_string(status).map_err(ReportError::Encode)?;
        replace(&self.path, text.as_bytes()).map_err(|source| ReportError::Write {
            path: self.path.clone(),
            source,
        })?;
        *last = Some(status.clone());
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

/// The report of a node.
#[must_use]
pub fn status(
    standing: Option<&Standing>,
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
        applied: standing
            .map(|s| s.applied.slices.clone())
            .unwrap_or_default(),
        certificate_requests,
        peers,
        exceptions: all,
    }
}

fn warnings(standing: &Standing) -> Vec<Exception> {
    let node = |reason: &str, message: &str| Exception {
        kind: "Node".to_owned(),
        name: standing.applied.root.organization_id.clone(),
        reason: reason.to_owned(),
        message: message.to_owned(),
    };
    let mut warnings = Vec::new();
    if standing.restrained_by.is_some() {
        warnings.push(node(
            reasons::CONFIGURATION_ROLLED_BACK,
            "the configuration is older than one this node had: only what both grant is served; \
             accept it at the node, or plan with a higher sequence",
        ));
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

/// Pointers of policies that open nothing on an asset they match: at most one exception an asset.
#[must_use]
pub fn unknown_fields(applied: &Applied, primary: &Primary) -> Vec<Exception> {
    let mut found: BTreeMap<String, Exception> = BTreeMap::new();
    for policy in applied.facts.policies() {
        for asset in applied.facts.matched_assets(&policy.payload.spec) {
            let units = asset
                .payload
                .resource_id
                .parse()
                .ok()
                .and_then(|id| primary.current(&id).ok().flatten())
                .map(|held| primary::units(&held.record));
            let Some(units) = units else { continue };
            let unknown = access::fields_unknown(&policy.payload.spec, &units);
            if unknown.is_empty() || found.len() >= REPORT_MAX_ROWS {
                continue;
            }
            found
                .entry(asset.name.clone())
                .or_insert_with(|| {
                    Exception {
                kind: "SharedAsset".to_owned(),
                name: asset.name.clone(),
                reason: reasons::FIELD_UNKNOWN.to_owned(),
                message: format!(
                    "policy {} opens {}, where this asset has nothing: mend the pointer, or list \
                     the object in units of the asset",
                    policy.name,
                    unknown.join(", ")
                )
                .chars()
                .take(1024)
                .collect(),
            }
                });
        }
    }
    found.into_values().collect()
}
