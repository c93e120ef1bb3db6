//! What an API server would hold, kept across restarts: the last good version of every object,
//! who came first, and how often each was edited.
//!
//! So a restart is one more reading of the folder: an edit that may not be made is refused, a
//! refused one keeps the version before, and who was first stays first, whether the edit was made
//! while this program ran or not. Secrets and ConfigMaps are not in it: values stay where their
//! owner wrote them.

use std::collections::BTreeMap;
use std::path::Path;

use finp2p_crds::{PeerOrganization, SharedAsset, SharingPolicy};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::observe::View;
use super::register::Registers;
use crate::manifest::files::printed;
use crate::manifest::place::{Place, Position};
use crate::manifest::{Dispute, Folder, Manifest, Namespace, Object, ObjectId, Source, Spot};

/// What was kept is not what was written.
#[derive(Debug, thiserror::Error)]
#[error("what was kept of the manifests is not what was written")]
pub struct Damaged;

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    registers: Registers,
    objects: Vec<KeptObject>,
    disputes: Vec<KeptDispute>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptObject {
    namespace: String,
    kind: String,
    name: String,
    /// In the folder of manifests, which may be called otherwise next time.
    file: String,
    document: usize,
    item: usize,
    line: u32,
    member: bool,
    object: Value,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptDispute {
    namespace: String,
    kind: String,
    name: String,
    /// File, line and column.
    spots: Vec<(String, u32, u32)>,
    former: Option<KeptObject>,
}

/// The text that is kept of what applies. `directory` is the folder of manifests.
pub fn written(directory: &Path, view: &View, registers: &Registers) -> String {
    let root = printed(directory);
    let inside = |file: &str| {
        let file = Path::new(file);
        let inside = file.strip_prefix(&root).unwrap_or(file);
        inside.to_string_lossy().into_owned()
    };
    let namespaces = &view.folder.namespaces;
    let objects = namespaces.iter().flat_map(|n| &n.objects);
    let disputes = namespaces.iter().flat_map(|n| &n.disputed);
    let kept = Kept {
        registers: registers.clone(),
        objects: objects.filter_map(|o| keep(o, inside)).collect(),
        disputes: disputes
            .map(|(id, dispute)| KeptDispute {
                namespace: id.namespace.clone(),
                kind: id.kind.clone(),
                name: id.name.clone(),
                spots: dispute
                    .spots
                    .iter()
                    .map(|spot| (inside(&spot.file), spot.at.line, spot.at.column))
                    .collect(),
                former: dispute.former.as_ref().and_then(|o| keep(o, inside)),
            })
            .collect(),
    };
    // Plain data with text keys has a JSON form.
    serde_json::to_string(&kept).unwrap_or_default()
}

fn keep(object: &Object, inside: impl Fn(&str) -> String) -> Option<KeptObject> {
    let value = match &object.manifest {
        Manifest::PeerOrganization(o) => serde_json::to_value(o),
        Manifest::SharedAsset(o) => serde_json::to_value(o),
        Manifest::SharingPolicy(o) => serde_json::to_value(o),
        Manifest::Secret(_) | Manifest::ConfigMap(_) => return None,
    };
    Some(KeptObject {
        namespace: object.id.namespace.clone(),
        kind: object.id.kind.clone(),
        name: object.id.name.clone(),
        file: inside(&object.source.file),
        document: object.source.document,
        item: object.source.item,
        line: object.source.line,
        member: object.member,
        // It was read from this form.
        object: value.ok()?,
    })
}

/// What applied when `text` was kept, as the reading before the first one.
///
/// # Errors
/// [`Damaged`].
pub fn read(directory: &Path, text: &[u8]) -> Result<(View, Registers), Damaged> {
    let kept: Kept = serde_json::from_slice(text).map_err(|_| Damaged)?;
    let path = |inside: &str| printed(&directory.join(inside));
    let mut namespaces: BTreeMap<String, Namespace> = BTreeMap::new();
    for object in kept.objects {
        let object = restore(object, path)?;
        let namespace = object.id.namespace.clone();
        let entry = namespaces.entry(namespace);
        let namespace = entry.or_insert_with_key(|name| Namespace::named(name));
        namespace.objects.push(object);
    }
    for dispute in kept.disputes {
        let spot = |(file, line, column): (String, u32, u32)| Spot {
            file: path(&file),
            at: Position { line, column },
        };
        let former = dispute.former.map(|object| restore(object, path));
        let id = ObjectId {
            kind: dispute.kind,
            namespace: dispute.namespace.clone(),
            name: dispute.name,
        };
        let entry = namespaces.entry(dispute.namespace);
        let namespace = entry.or_insert_with_key(|name| Namespace::named(name));
        let dispute = Dispute {
            spots: dispute.spots.into_iter().map(spot).collect(),
            objects: Vec::new(),
            former: former.transpose()?,
        };
        namespace.disputed.insert(id, dispute);
    }
    let folder = Folder {
        namespaces: namespaces.into_values().collect(),
        ..Folder::default()
    };
    let view = View {
        folder,
        ..View::default()
    };
    Ok((view, kept.registers))
}

fn restore(kept: KeptObject, path: impl Fn(&str) -> String) -> Result<Object, Damaged> {
    fn typed<T: DeserializeOwned>(value: Value) -> Result<Box<T>, Damaged> {
        serde_json::from_value(value)
            .map(Box::new)
            .map_err(|_| Damaged)
    }
    let manifest = match kept.kind.as_str() {
        "PeerOrganization" => Manifest::PeerOrganization(typed::<PeerOrganization>(kept.object)?),
        "SharedAsset" => Manifest::SharedAsset(typed::<SharedAsset>(kept.object)?),
        "SharingPolicy" => Manifest::SharingPolicy(typed::<SharingPolicy>(kept.object)?),
        _ => return Err(Damaged),
    };
    Ok(Object {
        source: Source {
            file: path(&kept.file),
            document: kept.document,
            item: kept.item,
            line: kept.line,
        },
        // Only a text that was just read has positions.
        place: Place::default(),
        id: ObjectId {
            kind: kept.kind,
            namespace: kept.namespace,
            name: kept.name,
        },
        member: kept.member,
        since: 0,
        manifest,
    })
}

#[cfg(test)]
mod tests;
