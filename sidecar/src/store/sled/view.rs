//! What readers see: rows as of the last sync, although later ones are applied already.

use std::collections::BTreeMap;

use super::super::sealed::{Chunks, HeadKey};

/// What a row was before a commit that is not durable yet.
pub(super) struct Before {
    /// The sealed head, `None` when there was no such row.
    pub row: Option<Vec<u8>>,
    /// Its chunks, which nobody needs once the commit is durable.
    pub garbage: Option<Chunks>,
}

/// The rows that readers must not see as they are in the database.
#[derive(Default)]
pub(super) struct View {
    /// Highest revision that survives a power cut.
    durable: u64,
    /// For each row that was changed since, by rising revision: what it was before.
    hidden: BTreeMap<HeadKey, Vec<(u64, Before)>>,
}

impl View {
    pub(super) fn new(durable: u64) -> Self {
        Self {
            durable,
            hidden: BTreeMap::new(),
        }
    }

    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    /// Hides the changes of a commit that is about to be applied.
    pub(super) fn hide(&mut self, revision: u64, befores: Vec<(HeadKey, Before)>) {
        for (key, before) in befores {
            self.hidden.entry(key).or_default().push((revision, before));
        }
    }

    /// Shows every change up to `revision`, and gives the chunks that nobody needs any more.
    pub(super) fn show(&mut self, revision: u64) -> Vec<Chunks> {
        let mut garbage = Vec::new();
        self.durable = self.durable.max(revision);
        self.hidden.retain(|_, befores| {
            let later = befores.partition_point(|(changed, _)| *changed <= revision);
            garbage.extend(
                befores
                    .drain(..later)
                    .filter_map(|(_, before)| before.garbage),
            );
            !befores.is_empty()
        });
        garbage
    }

    /// The row as readers are to see it, when that is not as it is in the database.
    pub(super) fn before(&self, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        let key: &HeadKey = key.try_into().ok()?;
        let (_, before) = self.hidden.get(key)?.first()?;
        Some(&before.row)
    }

    /// The existing rows among those, by prefix of their key.
    pub(super) fn with_prefix(&self, prefix: &[u8]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let hidden = self.hidden.iter();
        hidden
            .filter(|(key, _)| key.starts_with(prefix))
            .filter_map(|(key, befores)| {
                let (_, before) = befores.first()?;
                Some((key.to_vec(), before.row.clone()?))
            })
            .collect()
    }
}
