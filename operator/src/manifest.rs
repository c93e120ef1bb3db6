//! Manifests: files and folders in, typed objects with positions out.
//!
//! Everything here may be hostile. A file is cut into documents before any is parsed, each
//! document is read under the bounds in [`limits`], and one that is refused becomes a
//! [`Finding`] while the others stay what they are.
//!
//! - [`limits`]: the bounds.
//! - `split` → `yaml` (`scalar`, `place`): text → documents → JSON values with positions.
//! - [`document`]: one object as it was written; its identity.
//! - [`object`]: the typed object that the plan takes.
//! - [`namespace`]: the objects of one namespace; names that are written twice.
//! - [`folder`]: which files are read, and the namespaces they make.
//!
//! The layout that local mode reads, and `validate` too when it is given such a folder:
//! ```text
//! DIR/bank-a/*.yaml     the objects of namespace bank-a
//! DIR/bank-b/*.yaml     the objects of namespace bank-b
//! DIR/members/*.yaml    public records of the consortium, applied in every namespace
//! ```

pub mod document;
pub(crate) mod files;
pub mod folder;
pub mod limits;
pub mod namespace;
pub mod object;
pub mod place;
mod scalar;
mod split;
mod yaml;

pub use document::{Document, KUSTOMIZATION, Source};
pub use folder::{Cost, Folder, Reader};
pub use namespace::{Dispute, Namespace, Spot};
pub use object::{Keyed, Manifest, Object, ObjectId};

use crate::finding::Finding;

/// The check that each document must pass before it becomes an object. An error among its
/// findings refuses the object.
pub type Check<'a> = dyn Fn(&Document) -> Vec<Finding> + 'a;
