//! Who may call the local API: a bearer token from a file, or of a service account ([`review`]), and
//! the verbs that the configuration gives its client. No verb implies another.

pub mod review;

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use finp2p_crds::peer_organization::{ApiClient, ApiVerb};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Most token files: as many as a configuration has clients.
const MAX_TOKENS: usize = 32;
/// Shortest token in bytes: 32 characters of base64 are 192 bits, beyond guessing.
pub const MIN_TOKEN_BYTES: usize = 32;
/// Longest token in bytes: a service account token has about 1,300.
const MAX_TOKEN_BYTES: usize = 4096;

pub use review::Reviews;

/// Who says whose token it is.
#[derive(Clone, Debug)]
pub enum Callers {
    /// Files, one for each client.
    Files(Arc<Tokens>),
    /// The API server of the cluster.
    Reviews(Arc<Reviews>),
}

/// Why a token lets nobody in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotACaller {
    /// It is no client's; what its holder can do about it.
    Token(String),
    /// Nobody can say now whose it is, and why.
    Unavailable(&'static str),
}

impl Callers {
    /// The client whose token this is.
    ///
    /// # Errors
    /// [`NotACaller`] says what its holder can do.
    pub async fn client(&self, token: &str) -> Result<String, NotACaller> {
        match self {
            Self::Files(tokens) => tokens
                .client(token)
                .ok_or_else(|| NotACaller::Token(self.wanted().to_owned())),
            Self::Reviews(reviews) => reviews.client(token).await,
        }
    }

    /// What a request without a token is told.
    #[must_use]
    pub fn wanted(&self) -> &'static str {
        match self {
            Self::Files(_) => {
                "Send the header Authorization: Bearer TOKEN, with the token from the client's file in the node's token folder."
            }
            Self::Reviews(_) => {
                "Send the header Authorization: Bearer TOKEN, with a token of your service account for the audience finp2p-ORG-api (a projected serviceAccountToken volume)."
            }
        }
    }
}

/// A token file that cannot be used. Its client cannot log in; the others can.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The folder cannot be listed.
    #[error("the folder {0} with the tokens of the local API cannot be read: nobody can log in")]
    Folder(PathBuf),
    /// The file cannot be read.
    #[error("the token file {0} cannot be read")]
    Unreadable(PathBuf),
    /// The token is too short to be a secret, or too long.
    #[error(
        "the token in {0} has not 32 to 4096 characters: make one with head -c 32 /dev/urandom | base64"
    )]
    Length(PathBuf),
    /// Others than the owner may read it.
    #[error("the token file {0} can be read by others: chmod 600 it")]
    Exposed(PathBuf),
    /// Two files hold the same token.
    #[error("the token in {0} is another client's too: make one for each")]
    Repeated(PathBuf),
    /// More files than clients can exist.
    #[error("there are more than {MAX_TOKENS} token files; the rest is ignored")]
    TooMany,
}

/// The tokens in force, as digests: the tokens themselves are not kept.
#[derive(Debug, Default)]
pub struct Tokens(RwLock<Vec<(String, [u8; 32])>>);

impl Tokens {
    /// Replaces the tokens by what the folder holds now: one file per client, named like it.
    pub fn load(&self, folder: &Path) -> Vec<TokenError> {
        let mut errors = Vec::new();
        let mut tokens: Vec<(String, [u8; 32])> = Vec::new();
        match files(folder) {
            Err(error) => errors.push(error),
            Ok(paths) => {
                if paths.len() > MAX_TOKENS {
                    errors.push(TokenError::TooMany);
                }
                for path in paths.into_iter().take(MAX_TOKENS) {
                    match read(&path) {
                        Err(error) => errors.push(error),
                        Ok((_, digest)) if tokens.iter().any(|(_, known)| *known == digest) => {
                            errors.push(TokenError::Repeated(path));
                        }
                        Ok(token) => tokens.push(token),
                    }
                }
            }
        }
        *self
            .0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = tokens;
        errors
    }

    /// The client whose token this is. Takes the same time whether and where one matches.
    #[must_use]
    pub fn client(&self, token: &str) -> Option<String> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let tokens = self
            .0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found = None;
        for (client, known) in tokens.iter() {
            if bool::from(known.ct_eq(&digest)) {
                found = Some(client);
            }
        }
        found.cloned()
    }
}

/// The token of an `Authorization` header (RFC 6750 §2.1).
#[must_use]
pub fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_start_matches(' '))
}

/// Whether the configuration gives the client this verb.
#[must_use]
pub fn allows(clients: &[ApiClient], client: &str, verb: ApiVerb) -> bool {
    clients
        .iter()
        .any(|known| known.service_account == client && known.allow.contains(&verb))
}

/// Whether the configuration knows the client at all.
#[must_use]
pub fn knows(clients: &[ApiClient], client: &str) -> bool {
    clients.iter().any(|known| known.service_account == client)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, TokenError> {
    let unreadable = |_| TokenError::Folder(folder.to_owned());
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        // A mounted Secret has `..data` links beside the files.
        let hidden = path
            .file_name()
            .is_none_or(|name| name.to_string_lossy().starts_with('.'));
        if path.is_file() && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn read(path: &Path) -> Result<(String, [u8; 32]), TokenError> {
    use std::os::unix::fs::PermissionsExt;
    let unreadable = || TokenError::Unreadable(path.to_owned());
    // Opened once: what is looked at is what is read.
    let file = File::open(path).map_err(|_| unreadable())?;
    let metadata = file.metadata().map_err(|_| unreadable())?;
    if metadata.permissions().mode() & 0o007 != 0 {
        return Err(TokenError::Exposed(path.to_owned()));
    }
    let mut text = Zeroizing::new(String::with_capacity(MAX_TOKEN_BYTES));
    let read = file
        .take(MAX_TOKEN_BYTES as u64 + 1)
        .read_to_string(&mut text);
    read.map_err(|_| unreadable())?;
    let token = text.trim();
    if token.len() < MIN_TOKEN_BYTES || text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Length(path.to_owned()));
    }
    let client = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(unreadable)?;
    Ok((client.to_owned(), Sha256::digest(token.as_bytes()).into()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    fn write(folder: &Path, name: &str, text: &str, mode: u32) {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_token_is_its_clients_and_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "trading", &format!("{TOKEN}\n"), 0o600);
        write(folder.path(), "ops", &format!("{TOKEN}x"), 0o640);
        let tokens = Tokens::default();
        assert_eq!(tokens.load(folder.path()), []);
        assert_eq!(tokens.client(TOKEN).as_deref(), Some("trading"));
        assert_eq!(tokens.client(&format!("{TOKEN}x")).as_deref(), Some("ops"));
        for wrong in ["", "0123456789abcdef0123456789abcde", &TOKEN.to_uppercase()] {
            assert_eq!(tokens.client(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_token_comes_as_a_bearer_and_in_no_other_way() {
        assert_eq!(bearer("Bearer abc"), Some("abc"));
        assert_eq!(bearer("bearer  abc"), Some("abc"));
        for other in ["abc", "Basic abc", "Bearerabc", ""] {
            assert_eq!(bearer(other), None, "{other:?}");
        }
    }

    #[test]
    fn unusable_token_files_are_named_and_harm_no_other() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "trading", TOKEN, 0o600);
        write(folder.path(), "a-short", "short", 0o600);
        write(folder.path(), "b-exposed", &format!("{TOKEN}b"), 0o604);
        write(folder.path(), "c-long", &"c".repeat(4097), 0o600);
        write(folder.path(), "u-twice", TOKEN, 0o600);
        let path = |name: &str| folder.path().join(name);
        let tokens = Tokens::default();
        assert_eq!(
            tokens.load(folder.path()),
            [
                TokenError::Length(path("a-short")),
                TokenError::Exposed(path("b-exposed")),
                TokenError::Length(path("c-long")),
                TokenError::Repeated(path("u-twice")),
            ]
        );
        assert_eq!(tokens.client(TOKEN).as_deref(), Some("trading"));
        assert_eq!(tokens.client("short"), None);
        fs::remove_dir_all(folder.path()).unwrap();
        assert_eq!(tokens.load(folder.path()).len(), 1);
        assert_eq!(tokens.client(TOKEN), None);
    }
}
