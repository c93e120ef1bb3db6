//! What the local mode keeps beside the manifests.
//!
//! ```text
//! STATE/.lock              held while one operator runs on it
//! STATE/endpoints.json     where each node is and whether it serves, for programs
//! STATE/status.txt         the tables that were printed last
//! STATE/objects.json       every object as it counts now, without Secrets, and who was first
//! STATE/ORG/config/        the node's configuration: root.yaml, slices/, content/
//! STATE/ORG/node/          the node's own volume: its keys, store and audit log
//! STATE/ORG/store.key      the key of its store, 64 hex digits
//! STATE/ORG/tokens/NAME    the bearer token of each client in api.clients
//! STATE/ORG/report.yaml    what the node reports
//! STATE/ORG/plan.json      the root with its sequence, so that nothing ever goes back
//! STATE/ORG/ports.json     the node's ports
//! STATE/ORG/sidecar.log    what the sidecar says (and sidecar.log.1 before it)
//! ```
//! Folders are for their owner only, and so is every file with a secret in it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use super::home::{Home, Kept};
use super::memory;
use super::observe::View;
use super::register::Registers;
use super::watch::{self, FileStamp};
use crate::keys::file::{self, Existing, FileError, Readers};

/// Why the state cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// Another operator runs on it.
    #[error(
        "{path} is in use by another `finp2p-operator local`{by}: stop that one, or give this one another folder with --state"
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// ` (process 123)`, where it is known.
        by: String,
    },
    /// It would be read as manifests.
    #[error(
        "--state {0} is inside the folder of manifests and would be read as one of them: choose a folder beside it, or one whose name begins with a dot"
    )]
    AmongManifests(PathBuf),
    /// A file cannot be written or read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file system refuses.
    #[error("{path} cannot be used")]
    Use {
        /// The path.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What was kept of the manifests is not what was written.
    #[error(
        "{0} is damaged: restore it from a backup, or move it away; then nobody remembers which version of an object counted last, and of two that claim the same the first by path stays"
    )]
    Forgotten(PathBuf),
    /// What was kept is not what was written.
    #[error(
        "{path} is damaged: restore it from a backup, or move {folder} away to let its organization begin anew"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The organization's folder.
        folder: PathBuf,
    },
}

/// What is kept of the manifests.
const OBJECTS: &str = "objects.json";

/// The folder of one local mode, locked while this exists.
#[derive(Debug)]
pub struct State {
    path: PathBuf,
    _lock: File,
}

impl State {
    /// Opens or makes the state, for this process alone. `directory` is the folder of manifests.
    ///
    /// # Errors
    /// [`StateError`].
    pub fn open(path: &Path, directory: &Path) -> Result<Self, StateError> {
        file::folder(path)?;
        let failed = |source| StateError::Use {
            path: path.to_owned(),
            source,
        };
        // Sidecars are told absolute paths: their working directory is not a promise.
        let path = path.canonicalize().map_err(failed)?;
        if let Ok(inside) = directory
            .canonicalize()
            .map_err(failed)
            .and_then(|directory| {
                path.strip_prefix(directory)
                    .map(Path::to_owned)
                    .map_err(|_| StateError::AmongManifests(path.clone()))
            })
            && !inside.to_string_lossy().starts_with('.')
        {
            return Err(StateError::AmongManifests(path));
        }
        let lock = lock(&path)?;
        Ok(Self { path, _lock: lock })
    }

    /// The folder of one organization; made when absent.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn home(&self, organization: &str) -> Result<Home, FileError> {
        let home = Home::at(self.path.join(organization));
        home.make()?;
        Ok(home)
    }

    /// Organizations that ran on this state before, with what was kept of them.
    ///
    /// # Errors
    /// [`StateError`] when something that was kept cannot be read: better no start than one that
    /// forgot.
    pub fn kept(&self) -> Result<Vec<(String, Kept)>, StateError> {
        let mut all = Vec::new();
        let entries = fs::read_dir(&self.path).map_err(|source| StateError::Use {
            path: self.path.clone(),
            source,
        })?;
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !finp2p_crds::resource_id::is_organization(&name) {
                continue;
            }
            if let Some(kept) = Home::at(entry.path()).kept()? {
                all.push((name, kept));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// What was kept of the manifests in `directory`; empty when nothing was.
    ///
    /// # Errors
    /// [`StateError`] when it cannot be read: better no start than one that forgot.
    pub fn memory(&self, directory: &Path) -> Result<(View, Registers), StateError> {
        let path = self.path.join(OBJECTS);
        match fs::read(&path) {
            Ok(text) => memory::read(directory, &text).map_err(|_| StateError::Forgotten(path)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Default::default()),
            Err(source) => Err(StateError::Use { path, source }),
        }
    }

    /// Keeps what [`memory::written`] made of the manifests; on disk when this returns.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn remember(&self, text: &str) -> Result<(), FileError> {
        let path = self.path.join(OBJECTS);
        if fs::read(&path).is_ok_and(|kept| kept == text.as_bytes()) {
            // A full disk is no obstacle to what is kept already.
            return Ok(());
        }
        file::write(&path, text, Readers::Owner, Existing::Replace)
    }

    /// What tells a published file from one that somebody else wrote.
    pub fn stamp(&self, name: &str) -> Option<FileStamp> {
        watch::stamp(&self.path.join(name))
    }

    /// Whether a published file is still the one that had this stamp.
    pub fn is_still(&self, name: &str, stamp: Option<FileStamp>) -> bool {
        watch::is_still(&self.path.join(name), stamp)
    }

    /// Writes a file that programs read, whole or not at all.
    ///
    /// # Errors
    /// [`StateError::Use`]. The file is gone then: better none than one that says what is no
    /// longer so.
    pub fn publish(&self, name: &str, text: &str) -> Result<(), StateError> {
        let path = self.path.join(name);
        let moved = || -> std::io::Result<()> {
            let mut beside = tempfile::NamedTempFile::new_in(&self.path)?;
            beside.write_all(text.as_bytes())?;
            beside.persist(&path).map(drop).map_err(|e| e.error)
        };
        let failed = moved().or_else(|_| {
            // Also, on a full disk its room may be enough for the new one.
            let _old = fs::remove_file(&path);
            moved()
        });
        failed.map_err(|source| StateError::Use {
            path: path.clone(),
            source,
        })
    }
}

fn lock(path: &Path) -> Result<File, StateError> {
    let lock = path.join(".lock");
    let failed = |source| StateError::Use {
        path: lock.clone(),
        source,
    };
    let mut options = File::options();
    options.create(true).read(true).write(true).truncate(false);
    let mut file = options.open(&lock).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(failed)?;
            file.rewind().map_err(failed)?;
            write!(file, "{}", std::process::id()).map_err(failed)?;
            Ok(file)
        }
        Err(fs::TryLockError::Error(source)) => Err(failed(source)),
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Only to help: the lock itself is what counts.
            let _read = file.take(20).read_to_string(&mut holder);
            let by = match holder.trim().parse::<u32>() {
                Ok(process) => format!(" (process {process})"),
                Err(_) => String::new(),
            };
            let path = path.to_owned();
            Err(StateError::InUse { path, by })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_operator_on_one_state_is_refused_and_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let first = State::open(&path, folder.path().join("banks").as_path()).unwrap();
        let refused = State::open(&path, Path::new("banks")).unwrap_err();
        let told = refused.to_string();
        assert!(matches!(refused, StateError::InUse { .. }), "{told}");
        assert!(told.contains(&std::process::id().to_string()), "{told}");
        drop(first);
        State::open(&path, Path::new("banks")).unwrap();
    }

    #[test]
    fn a_state_among_the_manifests_is_refused_unless_it_is_hidden() {
        let folder = tempfile::tempdir().unwrap();
        let refused = State::open(&folder.path().join("state"), folder.path()).unwrap_err();
        assert!(matches!(refused, StateError::AmongManifests(_)));
        let refused = State::open(folder.path(), folder.path()).unwrap_err();
        assert!(matches!(refused, StateError::AmongManifests(_)));
        State::open(&folder.path().join(".finp2p"), folder.path()).unwrap();
    }
}
