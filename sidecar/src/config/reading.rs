//! Root and slices as they came from their source, and when they are a complete set.

use std::collections::BTreeMap;
use std::sync::Arc;

use finp2p_crds::SidecarConfig;
use finp2p_crds::sidecar_config::{AppliedSlice, Root, SET_MAX_SLICES, SLICE_MAX_ENTRIES, Slice};

/// Root and the slices it names, as read at one moment. Objects are shared with the source: what
/// did not change is the same allocation in the next reading.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The object with `spec.root`.
    pub root: Arc<SidecarConfig>,
    /// The objects with `spec.slice` that the root names; any order.
    pub slices: Vec<Arc<SidecarConfig>>,
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
    /// The slices in the root's order.
    pub slices: Vec<CompleteSlice<'a>>,
}

/// A slice of a complete set.
#[derive(Clone, Debug)]
pub struct CompleteSlice<'a> {
    /// Name and generation.
    pub applied: AppliedSlice,
    /// The object.
    pub object: &'a Arc<SidecarConfig>,
    /// Its content.
    pub slice: &'a Slice,
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
        let objects: BTreeMap<&str, &Arc<SidecarConfig>> = self
            .slices
            .iter()
            .map(|object| (object.metadata.name.as_deref().unwrap_or_default(), object))
            .collect();
        let slices = root
            .slices
            .iter()
            .map(|name| slice(root, name, objects.get(name.as_str()).copied()))
            .collect::<Result<_, _>>()?;
        Ok(Complete {
            uid: self.root.metadata.uid.as_deref().unwrap_or_default(),
            root,
            slices,
        })
    }
}

fn slice<'a>(
    root: &Root,
    name: &str,
    object: Option<&'a Arc<SidecarConfig>>,
) -> Result<CompleteSlice<'a>, Incomplete> {
    let missing = || Incomplete::SliceMissing(name.to_owned());
    let object = object.ok_or_else(missing)?;
    let slice = object.spec.slice.as_ref().ok_or_else(missing)?;
    if slice.set != root.set {
        return Err(Incomplete::OtherSet(name.to_owned()));
    }
    if slice.entries.len() > SLICE_MAX_ENTRIES {
        return Err(Incomplete::TooManyEntries(name.to_owned()));
    }
    let applied = AppliedSlice {
        slice: name.to_owned(),
        generation: object.metadata.generation.unwrap_or(0),
    };
    Ok(CompleteSlice {
        applied,
        object,
        slice,
    })
}
