//! What the folder says, with what stays from before.
//!
//! A file that cannot be read says nothing about its objects: their last good version stays. So
//! does that of an object that is there and was refused. Everything else that is not there any
//! more was deleted. One bad file or object never touches another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::manifest::files::printed;
use crate::manifest::folder::MEMBERS;
use crate::manifest::{Folder, Namespace, Object, ObjectId};
use crate::validate::Checker;

/// What applies now.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Every object that applies, and what is wrong with the files.
    pub folder: Folder,
    /// Objects whose last good version stays, each with the file it came from.
    pub kept: BTreeMap<ObjectId, String>,
}

/// What applies after `directory` was read as `new`, with `last` before it. Files in `unsettled`
/// were being written meanwhile: what they said is not used.
pub fn view(
    checker: &Checker,
    directory: &Path,
    last: &View,
    mut new: Folder,
    unsettled: &BTreeSet<PathBuf>,
) -> View {
    let unsettled: BTreeSet<String> = unsettled.iter().map(|path| printed(path)).collect();
    for namespace in &mut new.namespaces {
        namespace
            .objects
            .retain(|object| !unsettled.contains(&object.source.file));
    }
    new.lost.extend(unsettled);
    if new.namespaces.is_empty() && !last.folder.namespaces.is_empty() {
        // An empty folder is more likely a mount that went away than the end of every bank.
        new.lost.insert(printed(directory));
    }
    checker.refuse_changes(&last.folder, &mut new);
    keep(last, new)
}

/// Adds to what was read what stays from before. Pure.
pub fn keep(last: &View, mut new: Folder) -> View {
    let mut kept = BTreeMap::new();
    for before in &last.folder.namespaces {
        let position = new.namespaces.iter().position(|n| n.name == before.name);
        let (present, refused) = position
            .and_then(|index| new.namespaces.get(index))
            .map(known)
            .unwrap_or_default();
        let stays: Vec<Object> = before
            .objects
            .iter()
            .filter(|object| !present.contains(&object.id))
            .filter(|object| refused.contains(&object.id) || is_lost(&new.lost, object))
            .cloned()
            .collect();
        if stays.is_empty() {
            continue;
        }
        for object in &stays {
            kept.insert(object.id.clone(), object.source.file.clone());
        }
        let index = position.unwrap_or_else(|| {
            new.namespaces.push(Namespace {
                name: before.name.clone(),
                ..Namespace::default()
            });
            new.namespaces.len() - 1
        });
        if let Some(namespace) = new.namespaces.get_mut(index) {
            namespace.objects.extend(stays);
            namespace.objects.sort_by(|a, b| a.source.cmp(&b.source));
        }
    }
    new.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    View { folder: new, kept }
}

fn known(namespace: &Namespace) -> (BTreeSet<ObjectId>, BTreeSet<ObjectId>) {
    let present = namespace.objects.iter().map(|o| o.id.clone()).collect();
    (present, namespace.refused.clone())
}

/// Whether the file of an object, or a folder above it, could not be read.
fn is_lost(lost: &BTreeSet<String>, object: &Object) -> bool {
    let file = Path::new(&object.source.file);
    lost.iter().any(|path| file.starts_with(path))
}

/// Namespaces of `directory` of which some file could not be read: not everything that they
/// hold is known.
pub fn unknown<'n>(
    directory: &Path,
    lost: &BTreeSet<String>,
    namespaces: impl Iterator<Item = &'n str>,
) -> BTreeSet<String> {
    let members = directory.join(MEMBERS);
    namespaces
        .filter(|name| {
            let folder = directory.join(name);
            lost.iter().map(Path::new).any(|path| {
                path.starts_with(&folder) || path.starts_with(&members) || folder.starts_with(path)
            })
        })
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
