//! Files that appear whole or not at all. Written beside their place, synced, then moved there.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;
use zeroize::Zeroizing;

/// Most bytes of a key or a Secret that is read: both are about a kilobyte.
const READ_MAX_BYTES: u64 = 64 * 1024;

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Its owner only (0600).
    Owner,
    /// Everybody (0644).
    Everybody,
}

/// What happens when the file exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and writing fails.
    Keep,
    /// It is replaced.
    Replace,
}

/// Why a file was not written or read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It exists.
    #[error("{0} exists and is not overwritten: move it away, or choose another folder with --out")]
    Exists(PathBuf),
    /// It could not be written.
    #[error("{path} could not be written; may you write there?")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It could not be read.
    #[error("{path} could not be read; is the path right?")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not what it should be.
    #[error("{0} is too large or not text: it cannot be what was asked for")]
    Foreign(PathBuf),
}

/// Writes a file.
///
/// # Errors
/// [`FileError::Exists`] and [`FileError::Write`].
pub fn write(
    path: &Path,
    text: &str,
    readers: Readers,
    existing: Existing,
) -> Result<(), FileError> {
    let failed = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Created with 0600; opened to others only after it is whole.
    let mut file = NamedTempFile::new_in(folder).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))
        .map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    match existing {
        Existing::Replace => file.persist(path).map(drop).map_err(|e| failed(e.error))?,
        Existing::Keep => file.persist_noclobber(path).map(drop).map_err(|e| {
            if e.error.kind() == std::io::ErrorKind::AlreadyExists {
                FileError::Exists(path.to_owned())
            } else {
                failed(e.error)
            }
        })?,
    }
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)
}

/// Makes a folder, for its owner only, unless it is there.
///
/// # Errors
/// [`FileError::Write`].
pub fn folder(path: &Path) -> Result<(), FileError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| FileError::Write {
        path: path.to_owned(),
        source,
    })
}

/// Refuses a path where something is.
///
/// # Errors
/// [`FileError::Exists`].
pub fn must_be_free(path: &Path) -> Result<(), FileError> {
    if path.symlink_metadata().is_ok() {
        return Err(FileError::Exists(path.to_owned()));
    }
    Ok(())
}

/// Reads a small text that may be secret. Wiped from memory when dropped.
///
/// # Errors
/// [`FileError::Read`] and [`FileError::Foreign`].
pub fn read(path: &Path) -> Result<Zeroizing<String>, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let file = File::open(path).map_err(failed)?;
    file.take(READ_MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    let small = bytes.len() as u64 <= READ_MAX_BYTES;
    let text = std::str::from_utf8(&bytes).ok().filter(|_| small);
    text.map(|text| Zeroizing::new(text.to_owned()))
        .ok_or_else(|| FileError::Foreign(path.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_private_file_is_readable_by_its_owner_only_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        write(&path, "one", Readers::Owner, Existing::Keep).unwrap();
        assert_eq!(mode(&path), 0o600);
        let again = write(&path, "two", Readers::Owner, Existing::Keep);
        assert!(matches!(again, Err(FileError::Exists(_))));
        assert!(matches!(must_be_free(&path), Err(FileError::Exists(_))));
        assert_eq!(*read(&path).unwrap(), "one");
        write(&path, "three", Readers::Everybody, Existing::Replace).unwrap();
        assert_eq!(
            (mode(&path), read(&path).unwrap().as_str()),
            (0o644, "three")
        );
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            1,
            "nothing is left behind"
        );
    }

    #[test]
    fn what_is_too_large_or_not_text_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("large");
        std::fs::write(&path, "x".repeat(70_000)).unwrap();
        assert!(matches!(read(&path), Err(FileError::Foreign(_))));
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(read(&path), Err(FileError::Foreign(_))));
        assert!(matches!(
            read(&folder.path().join("none")),
            Err(FileError::Read { .. })
        ));
    }
}
