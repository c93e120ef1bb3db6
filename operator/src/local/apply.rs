//! A plan written into a node's configuration directory.
//!
//! Every file is written apart and moved to its place, so that the node reads whole files. The
//! root is moved once more after everything else: a node notices changes by the identity of the
//! root and the times of the folders, and file systems count time in steps of milliseconds, so
//! two moves within one step could look like one.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use finp2p_crds::SidecarConfig;
use sha2::{Digest as _, Sha256};

use super::content::Files;
use super::home::Home;
use super::watch::{self, FileStamp};
use crate::node::Plan;

const ROOT: &str = "root.yaml";
const SLICES: &str = "slices";
const CONTENT: &str = "content";

/// Why a plan was not applied. It is applied at the next try.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A file could not be written.
    #[error("{path} could not be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A configuration object has no YAML form.
    #[error("a configuration object has no YAML form")]
    Encode(#[source] serde_yaml::Error),
}

#[derive(Debug)]
struct Written {
    sha256: [u8; 32],
    stamp: Option<FileStamp>,
}

/// The configuration directory of one node.
#[derive(Debug)]
pub struct Configuration {
    folder: PathBuf,
    staging: PathBuf,
    /// Every file that was written, by its path in the folder.
    written: BTreeMap<String, Written>,
    begun: bool,
    /// Whether the last plan was not written to its end.
    is_half: bool,
}

impl Configuration {
    /// The directory of an organization. What an earlier run left there is written anew.
    pub fn new(home: &Home) -> Self {
        Self {
            folder: home.config(),
            staging: home.staging(),
            written: BTreeMap::new(),
            begun: false,
            is_half: false,
        }
    }

    /// The slices that an earlier run left, of those that a root names.
    pub fn slices(&self, root: &SidecarConfig) -> Vec<SidecarConfig> {
        let names = root.spec.root.iter().flat_map(|root| &root.slices);
        names
            .filter_map(|name| {
                let path = self.folder.join(SLICES).join(format!("{name}.yaml"));
                serde_yaml::from_slice(&fs::read(path).ok()?).ok()
            })
            .collect()
    }

    /// Brings the directory to what the plan says. Returns whether anything was written.
    ///
    /// # Errors
    /// [`ApplyError`]; what was written so far is in an order that keeps the node right.
    pub fn apply(&mut self, plan: &Plan, content: &Files) -> Result<bool, ApplyError> {
        let Some(root) = &plan.root else {
            return Ok(false);
        };
        if !self.begun {
            self.clear_staging();
            self.begun = true;
        }
        self.notice();
        let was_half = std::mem::replace(&mut self.is_half, true);
        let mut wrote = false;
        for (name, bytes) in content {
            wrote |= self.write(&format!("{CONTENT}/{name}"), bytes)?;
        }
        // Slices of a new set come before the root that names them, edited ones after the root
        // whose sequence has grown.
        let (new, edited): (Vec<_>, Vec<_>) = plan
            .slices
            .iter()
            .filter(|slice| {
                let is_written = || self.written.contains_key(&slice_file(&slice.config));
                was_half || slice.changed || !is_written()
            })
            .partition(|slice| slice.config.metadata.generation == Some(1));
        for slice in new {
            wrote |= self.write(&slice_file(&slice.config), &yaml(&slice.config)?)?;
        }
        let root = yaml(&root.config)?;
        let moved = self.write(ROOT, &root)?;
        wrote |= moved;
        let mut after = !moved && wrote;
        for slice in edited {
            after |= self.write(&slice_file(&slice.config), &yaml(&slice.config)?)?;
        }
        after |= self.remove_others(plan, content);
        if after {
            self.place(ROOT, &root)?;
        }
        self.is_half = false;
        Ok(wrote || after)
    }

    /// Notices files that somebody else wrote, moved or removed: they are written anew. Returns
    /// whether there are any.
    pub fn notice(&mut self) -> bool {
        let before = self.written.len();
        let folder = &self.folder;
        self.written
            .retain(|file, written| watch::is_still(&folder.join(file), written.stamp));
        self.written.len() < before
    }

    /// Whether the directory says what is planned, whole, so that nothing would be written.
    pub fn says(&self, plan: &Plan, content: &Files) -> bool {
        let is_written = |file: &str, bytes: &[u8]| {
            let written = self.written.get(file);
            written.is_some_and(|written| written.sha256 == sha256(bytes))
        };
        let config = |file: &str, config: &SidecarConfig| {
            yaml(config).is_ok_and(|bytes| is_written(file, &bytes))
        };
        let files = content.len() + plan.slices.len() + 1;
        self.written.len() == files
            && (plan.root.as_ref()).is_some_and(|root| config(ROOT, &root.config))
            && (plan.slices.iter()).all(|slice| config(&slice_file(&slice.config), &slice.config))
            && (content.iter()).all(|(name, bytes)| is_written(&format!("{CONTENT}/{name}"), bytes))
    }

    /// Takes the content away: the node is switched off, and private data has no business here.
    pub fn switch_off(&mut self) {
        self.remove_except(CONTENT, &BTreeSet::new());
    }

    fn write(&mut self, file: &str, bytes: &[u8]) -> Result<bool, ApplyError> {
        let sha256 = sha256(bytes);
        if (self.written.get(file)).is_some_and(|written| written.sha256 == sha256) {
            return Ok(false);
        }
        self.place(file, bytes)?;
        Ok(true)
    }

    fn place(&mut self, file: &str, bytes: &[u8]) -> Result<(), ApplyError> {
        let path = self.folder.join(file);
        let moved = || -> std::io::Result<()> {
            // For its owner only. Not synced: after a power cut it is written anew.
            let mut beside = tempfile::NamedTempFile::new_in(&self.staging)?;
            beside.write_all(bytes)?;
            beside.persist(&path).map(drop).map_err(|e| e.error)
        };
        moved().map_err(|source| ApplyError::Write {
            path: path.clone(),
            source,
        })?;
        let written = Written {
            sha256: sha256(bytes),
            stamp: watch::stamp(&path),
        };
        self.written.insert(file.to_owned(), written);
        Ok(())
    }

    /// Removes slices that the root no longer names and content that no asset names.
    fn remove_others(&mut self, plan: &Plan, content: &Files) -> bool {
        let slices = plan.slices.iter().map(|s| slice_file(&s.config)).collect();
        let content = content.keys().map(|name| format!("{CONTENT}/{name}"));
        let content = content.collect();
        let removed = self.remove_except(SLICES, &slices);
        self.remove_except(CONTENT, &content) || removed
    }

    fn remove_except(&mut self, folder: &str, keep: &BTreeSet<String>) -> bool {
        let mut removed = false;
        let entries = fs::read_dir(self.folder.join(folder));
        for entry in entries.into_iter().flatten().flatten() {
            let file = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if !keep.contains(&file) && fs::remove_file(entry.path()).is_ok() {
                self.written.remove(&file);
                removed = true;
            }
        }
        removed
    }

    /// What a killed run left behind may hold content.
    fn clear_staging(&self) {
        for entry in fs::read_dir(&self.staging).into_iter().flatten().flatten() {
            let _left = fs::remove_file(entry.path());
        }
    }

    /// Where the configuration is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn slice_file(config: &SidecarConfig) -> String {
    let name = config.metadata.name.as_deref().unwrap_or_default();
    format!("{SLICES}/{name}.yaml")
}

fn yaml(config: &SidecarConfig) -> Result<Vec<u8>, ApplyError> {
    serde_yaml::to_string(config)
        .map(String::into_bytes)
        .map_err(ApplyError::Encode)
}

#[cfg(test)]
mod tests;
