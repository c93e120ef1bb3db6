//! Root and slices as they came from their source, and when they are a complete set.

use finp2p_crds::SidecarConfig;
use finp2p_crds::sidecar_config::{AppliedSlice, Root, SET_MAX_SLICES, SLICE_MAX_ENTRIES, Slice};
use serde::{Deserialize, Serialize};

/// Root and the slices it names, as read at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// The object with `spec.root`.
    pub root: SidecarConfig,
    /// The objects with `spec.slice` that the root names; any order.
    pub slices: Vec<SidecarConfig>,
}

/// Why a reading is not a complete set. What is applied stays in force.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// The object that should be the root has no `spec.root`.
    #[error("the root object has no spec.root")]
    NotARoot,
    /// The root names more slices than a set may have.
    #[error("the root names more than {SET_MAX_SLICES} slices")]
    TooManySlices,
    /// A slice that the root names is not there.
    #[error("slice {0} is named by the root and missing")]
    SliceMissing(String),
    /// A slice belongs to another set: it is being replaced.
    #[error("slice {0} belongs to another set than the root")]
    OtherSet(String),
    /// A slice holds more entries than it may.
    #[error("slice {0} has more than {SLICE_MAX_ENTRIES} entries")]
    TooManyEntries(String),
}

/// A complete set, borrowed from its reading.
#[derive(Clone, Debug)]
pub struct Complete<'a> {
    /// Uid of the root object.
    pub uid: &'a str,
    /// The root.
    pub root: &'a Root,
    /// Name, generation and content of every slice, in the root's order.
    pub slices: Vec<(AppliedSlice, &'a Slice)>,
}

impl Reading {
    /// The reading as a complete set: every slice that the root names exists with the root's
    /// `set`.
    ///
    /// # Errors
    /// [`Incomplete`] says what is missing.
    pub fn complete(&self) -> Result<Complete<'_>, Incomplete> {
        let root = self.root.spec.root.as_ref().ok_or(Incomplete::NotARoot)?;
        if root.slices.len() > SET_MAX_SLICES {
            return Err(Incomplete::TooManySlices);
        }
        let slices = root
            .slices
            .iter()
            .map(|name| self.slice(root, name))
            .collect::<Result<_, _>>()?;
        Ok(Complete {
            uid: self.root.metadata.uid.as_deref().unwrap_or_default(),
            root,
            slices,
        })
    }

    fn slice<'a>(
        &'a self,
        root: &Root,
        name: &str,
    ) -> Result<(AppliedSlice, &'a Slice), Incomplete> {
        let object = self
            .slices
            .iter()
            .find(|object| object.metadata.name.as_deref() == Some(name));
        let slice = object
            .and_then(|object| object.spec.slice.as_ref())
            .ok_or_else(|| Incomplete::SliceMissing(name.to_owned()))?;
        if slice.set != root.set {
            return Err(Incomplete::OtherSet(name.to_owned()));
        }
        if slice.entries.len() > SLICE_MAX_ENTRIES {
            return Err(Incomplete::TooManyEntries(name.to_owned()));
        }
        let applied = AppliedSlice {
            slice: name.to_owned(),
            generation: object.and_then(|o| o.metadata.generation).unwrap_or(0),
        };
        Ok((applied, slice))
    }
}
