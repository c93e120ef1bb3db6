//! Configuration from a directory: how a node runs without a cluster.
//!
//! Layout, written by the operator's local mode or by hand:
//! ```text
//! root.yaml            SidecarConfig with spec.root
//! slices/NAME.yaml     SidecarConfig with spec.slice, one per name in the root
//! content/             Secrets and ConfigMaps that assets take their content from
//! ```
//! Files are replaced by rename, slices before the root that names them.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use finp2p_crds::SidecarConfig;
use finp2p_crds::shared_asset::Content;
use finp2p_crds::sidecar_config::{SET_MAX_SLICES, SLICE_MAX_BYTES};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::Reading;
use super::content::{ContentError, ContentFolder};
use super::source::{Source, SourceError, Stamp};

/// Most bytes of the root: the names of 4,096 slices and sixteen certificates fit twice.
const ROOT_MAX_BYTES: u64 = 1024 * 1024;
/// Most bytes of a slice file: YAML is wordier than the JSON that the bound of a slice counts.
const SLICE_FILE_MAX_BYTES: u64 = 4 * SLICE_MAX_BYTES as u64;

/// Why the directory could not be read. What is applied stays in force, and ages.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// A file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is larger than it may be.
    #[error("{path} is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit_bytes: u64,
    },
    /// A file is not a SidecarConfig.
    #[error("{path} is not a SidecarConfig that this version understands")]
    Decode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_yaml::Error,
    },
    /// The root names a slice that cannot be a file name, or too many.
    #[error("the root names slices that cannot exist")]
    Names,
}

/// A directory with a node's configuration.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    contents: ContentFolder,
}

impl Directory {
    /// The directory at `path`; it need not exist yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        Self {
            contents: ContentFolder::new(path.join("content")),
            path,
        }
    }

    /// Reads root and slices.
    ///
    /// # Errors
    /// [`DirectoryError`] names the file. A slice that does not exist is no error here: the
    /// reading is then not a complete set.
    pub fn read(&self) -> Result<Reading, DirectoryError> {
        let root = parse(&self.path.join("root.yaml"), ROOT_MAX_BYTES)?;
        let names = root.spec.root.iter().flat_map(|r| &r.slices);
        let mut slices = Vec::new();
        for name in names {
            if slices.len() >= SET_MAX_SLICES || !is_file_name(name) {
                return Err(DirectoryError::Names);
            }
            let path = self.path.join("slices").join(format!("{name}.yaml"));
            match parse(&path, SLICE_FILE_MAX_BYTES) {
                Ok(slice) => slices.push(slice),
                Err(DirectoryError::Read { source, .. })
                    if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Reading { root, slices })
    }
}

impl Source for Directory {
    /// Identity of the root and of the slices folder: files are replaced by rename.
    fn stamp(&self) -> Stamp {
        let mut stamp = identity(&self.path.join("root.yaml"));
        stamp.extend(identity(&self.path.join("slices")));
        Stamp(stamp)
    }

    fn read(&self) -> Result<Reading, SourceError> {
        Self::read(self).map_err(|error| {
            // The source says what is the matter; a person needs both lines at once.
            let source = std::error::Error::source(&error).map(ToString::to_string);
            SourceError(format!("{error}: {}", source.unwrap_or_default()))
        })
    }

    /// Reading the folder is contact.
    fn reached(&self, now: Timestamp) -> Option<Timestamp> {
        Some(now)
    }

    fn contents_stamp(&self) -> Stamp {
        Stamp(identity(self.contents.path()))
    }

    fn content_stamp(&self, content: &Content) -> Stamp {
        let file = self.contents.file(content);
        Stamp(file.map(|file| identity(&file)).unwrap_or_default())
    }

    fn content(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        self.contents.read(content)
    }
}

/// Identity of a file or folder as it is now; empty when there is none.
fn identity(path: &Path) -> Vec<u64> {
    let Ok(metadata) = fs::metadata(path) else {
        return Vec::new();
    };
    vec![
        metadata.ino(),
        metadata.mtime().cast_unsigned(),
        metadata.mtime_nsec().cast_unsigned(),
        metadata.len(),
    ]
}

fn is_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

fn parse(path: &Path, limit_bytes: u64) -> Result<Arc<SidecarConfig>, DirectoryError> {
    let bytes = read_bounded(path, limit_bytes)?;
    let parsed = serde_yaml::from_slice(&bytes).map_err(|source| DirectoryError::Decode {
        path: path.to_owned(),
        source,
    })?;
    Ok(Arc::new(parsed))
}

/// Reads a whole file of at most `limit_bytes`.
///
/// # Errors
/// [`DirectoryError::Read`] and [`DirectoryError::TooLarge`].
pub(super) fn read_bounded(path: &Path, limit_bytes: u64) -> Result<Vec<u8>, DirectoryError> {
    let failed = |source| DirectoryError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(failed)?
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    if bytes.len() as u64 > limit_bytes {
        return Err(DirectoryError::TooLarge {
            path: path.to_owned(),
            limit_bytes,
        });
    }
    Ok(bytes)
}
