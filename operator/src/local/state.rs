//! What the local mode keeps beside the manifests.
//!
//! ```text
//! STATE/.lock              held while one operator runs on it
//! STATE/endpoints.json     where each node is and whether it serves, for programs
//! STATE/status.txt         the tables that were printed last
//! STATE/ORG/config/        the node's configuration: root.yaml, slices/, content/
//! STATE/ORG/node/          the node's own volume: its keys, store and audit log
//! STATE/ORG/store.key      the key of its store
//! STATE/ORG/tokens/NAME    the bearer token of each client in api.clients
//! STATE/ORG/report.yaml    what the node reports
//! STATE/ORG/plan.json      the root and the generations, so that nothing ever goes back
//! STATE/ORG/ports.json     the node's ports
//! STATE/ORG/sidecar.log    what the sidecar says (and sidecar.log.1 before it)
//! ```
//! Folders are for their owner only, and so is every file with a secret in it.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finp2p_crds::SidecarConfig;
use finp2p_crds::peer_organization::ApiClient;
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::ports::Ports;
use super::register::Register;
use crate::keys::file::{self, Existing, FileError, Readers};

/// Length of the store key and of what a token is made of, bytes.
const SECRET_BYTES: usize = 32;
/// Most bytes of a node's report: RESOURCES bounds it to 64 KiB, YAML is wordier than JSON, and
/// the names of 4,096 slices come on top.
const REPORT_MAX_BYTES: u64 = 2 * 1024 * 1024;

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
        let home = Home {
            path: self.path.join(organization),
        };
        for folder in [
            home.config(),
            home.config().join("slices"),
            home.config().join("content"),
            home.staging(),
            home.tokens(),
        ] {
            file::folder(&folder)?;
        }
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
            let home = Home { path: entry.path() };
            if let Some(kept) = home.kept()? {
                all.push((name, kept));
            }
        }
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(all)
    }

    /// Writes a file that programs read, whole or not at all.
    ///
    /// # Errors
    /// [`StateError::Use`].
    pub fn publish(&self, name: &str, text: &str) -> Result<(), StateError> {
        let path = self.path.join(name);
        let moved = || -> std::io::Result<()> {
            let mut beside = tempfile::NamedTempFile::new_in(&self.path)?;
            beside.write_all(text.as_bytes())?;
            beside.persist(&path).map(drop).map_err(|e| e.error)
        };
        moved().map_err(|source| StateError::Use {
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

/// What is kept of an organization so that a restart goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The namespace of its local organization.
    pub namespace: String,
    /// The root, with its generation and sequence, kept before the node sees it.
    pub root: SidecarConfig,
    /// Generations of the namespace's objects.
    pub objects: Register,
}

/// The folder of one organization.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// The node's configuration.
    pub fn config(&self) -> PathBuf {
        self.path.join("config")
    }

    /// Where files of the configuration are written before they are moved to their place.
    pub fn staging(&self) -> PathBuf {
        self.path.join("staging")
    }

    /// The node's own volume.
    pub fn node(&self) -> PathBuf {
        self.path.join("node")
    }

    /// The key of the node's store.
    pub fn store_key(&self) -> PathBuf {
        self.path.join("store.key")
    }

    /// Tokens of the local API's clients.
    pub fn tokens(&self) -> PathBuf {
        self.path.join("tokens")
    }

    /// The node's report.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.yaml")
    }

    /// What the sidecar says.
    pub fn log(&self) -> PathBuf {
        self.path.join("sidecar.log")
    }

    fn ports_file(&self) -> PathBuf {
        self.path.join("ports.json")
    }

    fn plan_file(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// What was kept; `None` when this organization never ran here.
    ///
    /// # Errors
    /// [`StateError::Damaged`] and [`StateError::Use`].
    pub fn kept(&self) -> Result<Option<Kept>, StateError> {
        let path = self.plan_file();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StateError::Use { path, source }),
        };
        let damaged = || StateError::Damaged {
            path,
            folder: self.path.clone(),
        };
        serde_json::from_slice(&text)
            .map(Some)
            .map_err(|_| damaged())
    }

    /// Keeps what a restart goes on from; on disk when this returns.
    ///
    /// # Errors
    /// [`FileError`]; the node must not see the root then.
    pub fn keep(&self, kept: &Kept) -> Result<(), FileError> {
        // Plain data with text keys has a JSON form.
        let text = serde_json::to_string(kept).unwrap_or_default();
        file::write(&self.plan_file(), &text, Readers::Owner, Existing::Replace)
    }

    /// The ports that were chosen before.
    pub fn ports(&self) -> Option<Ports> {
        serde_json::from_slice(&fs::read(self.ports_file()).ok()?).ok()
    }

    /// Keeps ports for the next start.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn keep_ports(&self, ports: Ports) -> Result<(), FileError> {
        let text = serde_json::to_string(&ports).unwrap_or_default();
        file::write(&self.ports_file(), &text, Readers::Owner, Existing::Replace)
    }

    /// The node's report, if there is one that can be read.
    pub fn read_report(&self) -> Option<SidecarConfigStatus> {
        let mut text = Vec::new();
        let file = File::open(self.report()).ok()?;
        file.take(REPORT_MAX_BYTES).read_to_end(&mut text).ok()?;
        serde_yaml::from_slice(&text).ok()
    }

    /// Makes the store key if there is none. It is never replaced: with another one the store
    /// could not be read.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn ensure_store_key(&self, rng: &mut impl CryptoRng) -> Result<(), FileError> {
        if self.store_key().exists() {
            return Ok(());
        }
        let key = random(rng);
        let text = Zeroizing::new(hex::encode(*key) + "\n");
        file::write(&self.store_key(), &text, Readers::Owner, Existing::Keep)
    }

    /// Makes a token for each client that has none, and takes those of former clients away.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn ensure_tokens(
        &self,
        clients: &[ApiClient],
        rng: &mut impl CryptoRng,
    ) -> Result<(), FileError> {
        let folder = self.tokens();
        let named = |name: &str| clients.iter().any(|c| c.service_account == name);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if !named(&entry.file_name().to_string_lossy()) {
                // A token that stays opens nothing: the node asks its configuration who may.
                let _gone = fs::remove_file(entry.path());
            }
        }
        for client in clients {
            let path = folder.join(&client.service_account);
            if client.service_account.contains('/') || path.exists() {
                continue;
            }
            let token = random(rng);
            let text = Zeroizing::new(URL_SAFE_NO_PAD.encode(*token) + "\n");
            file::write(&path, &text, Readers::Owner, Existing::Keep)?;
        }
        Ok(())
    }
}

fn random(rng: &mut impl CryptoRng) -> Zeroizing<[u8; SECRET_BYTES]> {
    let mut bytes = Zeroizing::new([0; SECRET_BYTES]);
    rng.fill_bytes(bytes.as_mut_slice());
    bytes
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    fn clients(names: &[&str]) -> Vec<ApiClient> {
        let client = |name: &&str| ApiClient {
            service_account: (*name).to_owned(),
            allow: Vec::new(),
        };
        names.iter().map(client).collect()
    }

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

    #[test]
    fn secrets_are_made_once_for_their_owner_only_and_go_with_their_client() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Path::new("banks")).unwrap();
        let home = state.home("bank-a").unwrap();
        let mut rng = rand::rng();
        home.ensure_store_key(&mut rng).unwrap();
        home.ensure_tokens(&clients(&["trading", "audit"]), &mut rng)
            .unwrap();
        let key = fs::read_to_string(home.store_key()).unwrap();
        let token = fs::read_to_string(home.tokens().join("trading")).unwrap();
        assert_eq!(hex::decode(key.trim()).unwrap().len(), SECRET_BYTES);
        assert!(token.trim().len() >= 32);
        assert_eq!(mode(&home.store_key()), 0o600);
        assert_eq!(mode(&home.tokens().join("trading")), 0o600);
        assert_eq!(mode(&home.tokens()), 0o700);
        home.ensure_store_key(&mut rng).unwrap();
        home.ensure_tokens(&clients(&["trading"]), &mut rng)
            .unwrap();
        assert_eq!(fs::read_to_string(home.store_key()).unwrap(), key);
        assert_eq!(
            fs::read_to_string(home.tokens().join("trading")).unwrap(),
            token
        );
        assert!(!home.tokens().join("audit").exists());
    }

    #[test]
    fn a_damaged_plan_is_no_empty_plan() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Path::new("banks")).unwrap();
        let home = state.home("bank-a").unwrap();
        assert!(state.kept().unwrap().is_empty());
        fs::write(home.plan_file(), "{").unwrap();
        assert!(matches!(state.kept(), Err(StateError::Damaged { .. })));
    }

    #[test]
    fn a_report_that_is_half_written_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Path::new("banks")).unwrap();
        let home = state.home("bank-a").unwrap();
        assert_eq!(home.read_report(), None);
        fs::write(home.report(), "applied: [{slice: x").unwrap();
        assert_eq!(home.read_report(), None);
        fs::write(home.report(), "applied: [{slice: x, generation: 3}]").unwrap();
        assert_eq!(home.read_report().unwrap().applied[0].generation, 3);
    }
}
