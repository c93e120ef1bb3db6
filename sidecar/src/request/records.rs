//! Where the current record of a resource comes from.

use finp2p_crds::ResourceId;

use crate::primary::Primary;
use crate::record::Record;

/// The current version of a resource, as signed.
#[derive(Clone, Debug)]
pub struct StoredRecord {
    /// Its version.
    pub version: u64,
    /// The record.
    pub record: Record,
}

/// The record is there and cannot be had: the store does not give it, or it does not open.
#[derive(Debug, thiserror::Error)]
#[error("the private store does not give the record")]
pub struct Unreadable(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// The records of this organization. Read only after a grant: see check 10.
pub trait Records: Send + Sync {
    /// The current version of the resource, or `None` when there is none.
    ///
    /// # Errors
    /// [`Unreadable`].
    fn current(&self, resource: &ResourceId) -> Result<Option<StoredRecord>, Unreadable>;

    /// Whether their store has stopped: then nobody is answered, also where they could still be
    /// read. Touches no disk: it is asked at every request.
    fn have_stopped(&self) -> bool;
}

impl Records for Primary {
    fn current(&self, resource: &ResourceId) -> Result<Option<StoredRecord>, Unreadable> {
        let held = Self::current(self, resource).map_err(|error| Unreadable(Box::new(error)))?;
        Ok(held.map(|held| StoredRecord {
            version: held.version,
            record: held.record,
        }))
    }

    fn have_stopped(&self) -> bool {
        Self::has_stopped(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::Ordering::SeqCst;

    use super::*;
    use crate::node::tests::Stopping;
    use crate::store::Store;

    #[test]
    fn records_say_when_their_store_has_stopped() {
        let store = Arc::new(Stopping::default());
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let primary = Primary::new(shared, "bank-a".to_owned(), "sandbox".to_owned());
        assert!(!Records::have_stopped(&primary));
        store.stopped.store(true, SeqCst);
        assert!(Records::have_stopped(&primary));
    }
}
