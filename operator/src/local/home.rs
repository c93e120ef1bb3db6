//! The folder of one organization in the state: what is kept, and the secrets that are made.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finp2p_crds::SidecarConfig;
use finp2p_crds::peer_organization::ApiClient;
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use rand::CryptoRng;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::ports::Ports;
use super::state::StateError;
use crate::keys::file::{self, Existing, FileError, Readers};

/// Length of the store key and of what a token is made of, bytes.
const SECRET_BYTES: usize = 32;
/// Most bytes of a node's report: RESOURCES bounds it to 64 KiB, YAML is wordier than JSON, and
/// the names of 4,096 slices come on top.
const REPORT_MAX_BYTES: u64 = 2 * 1024 * 1024;

/// What is kept of an organization so that a restart goes on where it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The namespace of its local organization.
    pub namespace: String,
    /// The root, with its generation and sequence, kept before the node sees it.
    pub root: SidecarConfig,
}

/// The folder of one organization.
#[derive(Clone, Debug)]
pub struct Home {
    path: PathBuf,
}

impl Home {
    /// The folder at `path`; it need not exist.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the folder, for its owner only.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn make(&self) -> Result<(), FileError> {
        [
            self.config().join("slices"),
            self.config().join("content"),
            self.staging(),
            self.tokens(),
        ]
        .iter()
        .try_for_each(|folder| file::folder(folder))
    }

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

    /// Makes the store key if there is neither one nor a store. It is never replaced: with another
    /// one the store could not be read.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn ensure_store_key(&self, rng: &mut impl CryptoRng) -> Result<(), FileError> {
        // A new key over an existing store opens nothing, and would stand where the lost one
        // belongs.
        if self.store_key().exists() || self.node().join("store").exists() {
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
    use std::path::Path;

    use super::*;
    use crate::local::state::State;

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
    fn a_lost_store_key_is_not_replaced_while_its_store_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Path::new("banks")).unwrap();
        let home = state.home("bank-a").unwrap();
        fs::create_dir_all(home.node().join("store")).unwrap();
        home.ensure_store_key(&mut rand::rng()).unwrap();
        assert!(!home.store_key().exists());
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
