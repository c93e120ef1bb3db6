//! Where a node's configuration comes from: a directory or the Kubernetes API.

use std::fmt;

use finp2p_crds::shared_asset::Content;
use jiff::Timestamp;
use tokio::sync::watch;
use zeroize::Zeroizing;

use super::Reading;
use super::content::ContentError;

/// What tells that something was replaced, without reading it: equal stamps mean that it was not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp(pub Vec<u64>);

/// Why root and slices are not to be had. What is applied stays in force, and ages.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// A source of configuration. Nothing here waits for a network: a source that is far away is
/// mirrored by tasks of its own.
pub trait Source: fmt::Debug + Send + Sync {
    /// Changes with the root, its slices, and what is the matter with them.
    fn stamp(&self) -> Stamp;

    /// Root and slices as they are now. A slice that is not there is no error: the reading is then
    /// not a complete set.
    ///
    /// # Errors
    /// [`SourceError`] says what is the matter, in words for the person who mends it. Nothing to
    /// be had is never an empty reading.
    fn read(&self) -> Result<Reading, SourceError>;

    /// When the source was last truly reached; `None` before the first time.
    fn reached(&self, now: Timestamp) -> Option<Timestamp>;

    /// Changes when any content object changes, comes or goes.
    fn contents_stamp(&self) -> Stamp;

    /// Changes when the object behind `content` changes, comes or goes.
    fn content_stamp(&self, content: &Content) -> Stamp;

    /// The bytes behind `content`, checked for the owner's label.
    ///
    /// # Errors
    /// [`ContentError`] says what is missing and who mends it.
    fn content(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, ContentError>;

    /// What the applied assets take their content from; a source that must follow each object by
    /// name follows these, and no others.
    fn follow(&self, _contents: &[&Content]) {}

    /// Rings when something was replaced; `None` when the source has to be looked at.
    fn changes(&self) -> Option<watch::Receiver<u64>> {
        None
    }
}
