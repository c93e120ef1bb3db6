//! Which assets take their content from an object that the node reads: it reads so many, for the
//! oldest assets.

use std::collections::BTreeSet;

use finp2p_crds::condition::reasons;
use finp2p_crds::content::{OBJECTS_MAX, Object, objects};

use super::{Asset, Finding};

/// Marks the accepted assets whose content is one object too many, and tells their owners.
pub fn leave_out<'a>(assets: &mut [Asset<'a>]) {
    let read = read(assets);
    for asset in assets.iter_mut().filter(|a| a.verdict.is_accepted()) {
        let content = asset.object.spec.content.as_ref();
        let Some((kind, reference)) = content.and_then(|content| content.object()) else {
            continue;
        };
        let name = reference.name.as_str();
        if read.contains(&(kind, name)) {
            continue;
        }
        asset.content_left_out = true;
        // Before whatever else is wrong with the object: mending that would not help.
        asset.verdict.unresolved = Some(Finding::new(
            reasons::TOO_MANY_CONTENTS,
            format!(
                "{kind} {name} is not read, and its last version stays: a node reads at most {OBJECTS_MAX} Secrets and ConfigMaps, and SharedAssets before it (by age; in files by path and line) name as many. Put contents together as keys of one object, or write this one through the local API (content: {{api: {{}}}})"
            ),
        ));
    }
}

/// The objects that the node reads.
fn read<'a>(assets: &[Asset<'a>]) -> BTreeSet<Object<'a>> {
    let mut by_age: Vec<&Asset<'a>> = assets.iter().filter(|a| a.verdict.is_accepted()).collect();
    by_age.sort_by(|a, b| a.verdict.age.cmp(&b.verdict.age));
    objects(
        by_age
            .into_iter()
            .filter_map(|a| a.object.spec.content.as_ref()),
    )
}
