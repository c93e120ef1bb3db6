//! What the folder says, with what stays from before.
//!
//! A file that cannot be read, or holds what cannot be told to be one object or the other, says nothing
//! about its objects: their last good version stays. So does that of an object that is there and was refused. Everything else that is not there any
//! more was deleted. One bad file or object never touches another.
//!
//! Of a name that two manifests claim nothing counts, also not what counted before: a last good
//! version that stays would be one of the two, and the narrower one may be meant. Only a local
//! organization stays, because it grants nobody anything and its node would stop.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::finding::{Finding, quote};
use crate::manifest::files::printed;
use crate::manifest::folder::is_local_organization;
use crate::manifest::{Dispute, Folder, Namespace, Object, ObjectId};
use crate::validate::Checker;

/// What applies now.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Every object that applies, and what is wrong with the files.
    pub folder: Folder,
    /// Objects whose last good version stays, each with the file it came from.
    pub kept: BTreeMap<ObjectId, String>,
    /// Files that were being written.
    pub unsettled: BTreeSet<String>,
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
    new.lost.extend(unsettled.iter().cloned());
    let untold = new.findings.iter().filter(|finding| is_untold(finding));
    new.lost.extend(untold.map(|finding| finding.file.clone()));
    if new.namespaces.is_empty() && !last.folder.namespaces.is_empty() {
        // An empty folder is more likely a mount that went away than the end of every bank.
        new.lost.insert(printed(directory));
    }
    checker.refuse_changes(&last.folder, &mut new);
    View {
        unsettled,
        ..keep(last, new)
    }
}

/// Whether a manifest is refused without a word on which object it is: a kind that does not exist, another
/// bank's namespace. It may be any of its file, none of which was deleted.
fn is_untold(finding: &Finding) -> bool {
    finding.is_error() && ["UnknownKind", "NamespaceMismatch"].contains(&finding.reason.as_str())
}

/// Adds to what was read what stays from before. Pure.
pub fn keep(last: &View, mut new: Folder) -> View {
    let mut kept = BTreeMap::new();
    let mut findings = Vec::new();
    for before in &last.folder.namespaces {
        let position = new.namespaces.iter().position(|n| n.name == before.name);
        let mut now = match position {
            Some(position) => new.namespaces.swap_remove(position),
            None => Namespace::named(&before.name),
        };
        keep_disputes(before, &mut now, &new.lost);
        let stays = keep_objects(before, &mut now, &new.lost, &mut findings);
        for object in stays {
            kept.insert(object.id.clone(), object.source.file.clone());
            now.objects.push(object);
        }
        now.objects.sort_by(|a, b| a.source.cmp(&b.source));
        if position.is_some() || !now.objects.is_empty() || !now.disputed.is_empty() {
            new.namespaces.push(now);
        }
    }
    new.namespaces.sort_by(|a, b| a.name.cmp(&b.name));
    new.findings.extend(findings);
    new.findings.sort();
    View {
        folder: new,
        kept,
        unsettled: BTreeSet::new(),
    }
}

/// A name that was in doubt stays so until exactly one manifest bears it, that one passes, and
/// every file that held another can be read. What counted before the doubt does not come back
/// by a mistake.
fn keep_disputes(before: &Namespace, now: &mut Namespace, lost: &BTreeSet<String>) {
    for (id, dispute) in &before.disputed {
        if let Some(still) = now.disputed.get_mut(id) {
            still.former.clone_from(&dispute.former);
            continue;
        }
        let mut spots = now.refused.remove(id).unwrap_or_default();
        let unread = dispute
            .spots
            .iter()
            .filter(|spot| is_lost(lost, &spot.file));
        spots.extend(unread.cloned());
        if !spots.is_empty() {
            let former = dispute.former.clone();
            let dispute = Dispute {
                spots,
                former,
                ..Dispute::default()
            };
            now.disputed.insert(id.clone(), dispute);
        }
    }
    for object in std::mem::take(&mut now.objects) {
        match now.disputed.get_mut(&object.id) {
            Some(dispute) => {
                dispute.spots.push(object.spot());
                dispute.objects.push(object);
            }
            None => now.objects.push(object),
        }
    }
}

/// The objects that stay as they are. What was read beside one of them does not count.
fn keep_objects(
    before: &Namespace,
    now: &mut Namespace,
    lost: &BTreeSet<String>,
    findings: &mut Vec<Finding>,
) -> Vec<Object> {
    let read = now.objects.iter();
    let read: BTreeMap<ObjectId, String> = read
        .map(|object| (object.id.clone(), object.source.file.clone()))
        .collect();
    let mut stays: BTreeMap<&ObjectId, &Object> = BTreeMap::new();
    for object in &before.objects {
        let (id, file) = (&object.id, &object.source.file);
        if let Some(dispute) = now.disputed.get_mut(id) {
            if is_local_organization(object) {
                now.disputed.remove(id);
                stays.insert(id, object);
            } else {
                dispute.former = Some(object.clone());
            }
            continue;
        }
        let is_kept = match read.get(id) {
            // Its own file may still define it, which only shows once that can be read.
            Some(elsewhere) => elsewhere != file && is_lost(lost, file),
            None => now.refused.contains_key(id) || is_lost(lost, file),
        };
        if is_kept {
            stays.insert(id, object);
        }
    }
    now.objects.retain(|second| {
        let first = stays.get(&second.id);
        findings.extend(first.map(|first| second_manifest(second, &first.source.file)));
        first.is_none()
    });
    stays.into_values().cloned().collect()
}

fn second_manifest(second: &Object, first: &str) -> Finding {
    second.finding(
        "/metadata/name",
        "DuplicateObject",
        format!(
            "{} {} is defined in {first} already, which cannot be read now: this one does not count",
            second.id.kind,
            quote(&second.id.name)
        ),
        "mend or remove that file; if the object was moved here, it counts then",
    )
}

/// Whether a file, or a folder above it, could not be read.
fn is_lost(lost: &BTreeSet<String>, file: &str) -> bool {
    let file = Path::new(file);
    lost.iter().any(|path| file.starts_with(path))
}

#[cfg(test)]
mod tests;
