//! What each sequence of a root was counted on from: a chain of marks.
//!
//! A sequence alone does not tell a configuration that went back in time from a newer one, once
//! somebody who did not notice has counted on: etcd restored to sequence 4, and four edits later it is at 8,
//! past the 7 that the node remembers. Each sequence therefore has a mark, made of the mark before and of
//! everything that is configured; the root lists those since the one that the node says it keeps, and the
//! node looks for its own.
//! The same edits of the same configuration make the same marks, and then nothing was lost.
//!
//! All slices are in each mark, and not those alone that changed: what is configured stands for itself,
//! also where a lineage begins. An edit that does not count has a mark, too: it takes the place of the one
//! that its sequence had, so that what a person accepts is what stood there, and not what a backup has
//! under that number.

use finp2p_crds::sidecar_config::{LINEAGE_MAX, Root};
use sha2::{Digest as _, Sha256};

use super::Planned;

/// Bytes of a mark: nobody is to guess it, and no two of the few hundred in a lineage may be equal by
/// chance.
const MARK_BYTES: usize = 8;

/// The root of the next sequence. The node keeps the one with the mark `kept`: what was before needs no
/// telling, and the root stays small while the node follows.
pub fn go_on(root: Root, kept: Option<&str>, slices: &[Planned]) -> Root {
    let sequence = root.sequence.saturating_add(1);
    let mut root = Root { sequence, ..root };
    let known = root
        .lineage
        .iter()
        .position(|mark| Some(mark.as_str()) == kept);
    root.lineage.drain(..known.unwrap_or_default());
    let mark = mark(&root, slices);
    root.lineage.push(mark);
    let surplus = root.lineage.len().saturating_sub(LINEAGE_MAX);
    root.lineage.drain(..surplus);
    root
}

/// The same sequence with something else under it: an edit while the sequence stands still.
pub fn restate(mut root: Root, slices: &[Planned]) -> Root {
    root.lineage.pop();
    let mark = mark(&root, slices);
    root.lineage.push(mark);
    root
}

/// The root of a sequence that stems from nothing.
pub fn begin(root: Root, sequence: i64, slices: &[Planned]) -> Root {
    let root = Root {
        sequence,
        lineage: Vec::new(),
        ..root
    };
    let lineage = vec![mark(&root, slices)];
    Root { lineage, ..root }
}

/// The mark of a root whose lineage ends with the mark before, and of all its slices.
fn mark(root: &Root, slices: &[Planned]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"finp2p/lineage/1");
    add(&mut hash, &serde_json::to_vec(&root.lineage.last()));
    let bare = Root {
        lineage: Vec::new(),
        ..root.clone()
    };
    add(&mut hash, &serde_json::to_vec(&bare));
    for slice in slices {
        add(&mut hash, &serde_json::to_vec(&slice.config.metadata.name));
        add(&mut hash, &serde_json::to_vec(&slice.config.spec));
    }
    let digest = hash.finalize();
    digest
        .iter()
        .take(MARK_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn add(hash: &mut Sha256, json: &Result<Vec<u8>, serde_json::Error>) {
    // Types without maps of non-string keys always have a JSON form.
    let bytes = json.as_deref().unwrap_or_default();
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
