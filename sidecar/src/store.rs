//! The private store: everything a node remembers, sealed, durable before it is acknowledged.
//!
//! Callers see the trait [`Store`]: values under a typed name ([`Key`]), written in atomic
//! commits. [`SledStore`] keeps them on disk, [`MemoryStore`] in memory for tests; both obey the
//! same limits, and a property test holds the one against the other.
//!
//! Modules in reading order: `error` (what can go wrong and how it is mended), `memory` (the
//! trait in its shortest form), `key` (the operator's 32 bytes), `keyring` (the data key, wrapped),
//! `sealed` (how a row looks on disk), `census` and `watermark` (how lost or rolled-back rows are
//! noticed), `sled` (the store itself).
//!
//! What the store promises:
//! - **Durable.** [`Store::commit`] returns `Ok` only after the rows survive a power cut.
//! - **Atomic.** A reader sees all of a commit or nothing, and sees nothing that a power cut
//!   could still take back.
//! - **Sealed.** No byte of a value or of its name is readable on disk without the store key.
//! - **Fail-stop.** After a failed write or sync nothing more is accepted until a restart. Reads
//!   go on showing what was acknowledged; where the database cannot any more, they are an error.
//!   A store that a full disk has stopped says when the disk takes writes again: then a restart
//!   mends it, and the node ends for one. After a failed sync nothing is mended by itself.
//!
//! The trait is synchronous and knows no runtime: asynchronous callers use a blocking thread.

mod census;
mod error;
mod key;
mod keyring;
mod memory;
mod sealed;
mod sled;
mod watermark;

use std::fmt;

use zeroize::Zeroizing;

pub use error::StoreError;
pub use key::StoreKey;
pub use memory::MemoryStore;
pub use sled::SledStore;

/// Longest name of a row in bytes: a resource identifier is far shorter, and name and row
/// header must fit one 2 KiB row together with some of the value.
pub const MAX_NAME_BYTES: usize = 512;

/// Largest value in bytes: a record of 256 KiB grows about fourfold as an SD-JWT, and a
/// response on the wire is at most 1 MiB; four times that leaves room and bounds memory.
pub const MAX_VALUE_BYTES: usize = 4 * 1024 * 1024;

/// Most writes in one commit: the row heads of a commit go to disk in one atomic batch of at
/// most 256 KiB, and a head is at most 2 KiB.
pub const MAX_WRITES_PER_COMMIT: usize = 100;

/// Largest sum of the values of one commit in bytes: two of the largest values.
pub const MAX_COMMIT_BYTES: usize = 2 * MAX_VALUE_BYTES;

/// What a row is about. The number is part of the stored format and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    /// The node's own keys, certificates and certificate requests.
    Identity = 1,
    /// The last configuration set that was applied.
    Configuration = 2,
    /// Counters that only grow: the highest configuration sequence, version numbers.
    Sequence = 3,
    /// The latest time ever seen, behind which the clock is not believed.
    TimeFloor = 4,
    /// What is remembered about a peer organization: highest incarnation, past keys.
    Peer = 5,
    /// The organization's own assets: content and description.
    Asset = 6,
    /// Records signed by this node, as issued, with their disclosures.
    Record = 7,
}

impl Space {
    /// Every space, in the order of its number.
    pub const ALL: [Self; 7] = [
        Self::Identity,
        Self::Configuration,
        Self::Sequence,
        Self::TimeFloor,
        Self::Peer,
        Self::Asset,
        Self::Record,
    ];

    /// The number under which the space is stored.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The space stored under `number`, if there is one.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|space| space.number() == number)
    }
}

/// The name of one row: its space and a text of 1 to [`MAX_NAME_BYTES`] bytes.
///
/// Ordered by space, then by name in byte order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    space: Space,
    name: String,
}

impl Key {
    /// Names a row.
    ///
    /// # Errors
    /// [`StoreError::Name`] when `name` is empty or longer than [`MAX_NAME_BYTES`].
    pub fn new(space: Space, name: impl Into<String>) -> Result<Self, StoreError> {
        let name = name.into();
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(StoreError::Name { bytes: name.len() });
        }
        Ok(Self { space, name })
    }

    /// What the row is about.
    #[must_use]
    pub fn space(&self) -> Space {
        self.space
    }

    /// The name inside the space.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A value: bytes that are wiped from memory when dropped and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Self {
        bytes.to_vec().into()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

/// One change of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets the row, whether or not it exists.
    Put(Key, Value),
    /// Removes the row; no error when it does not exist.
    Remove(Key),
}

impl Write {
    /// The row that changes.
    #[must_use]
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(key, _) | Self::Remove(key) => key,
        }
    }
}

/// A private store. See the module page for what every implementation promises.
pub trait Store: Send + Sync + fmt::Debug {
    /// The value of a row, or `None` when there is no such row.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when the row does not open under its key; [`StoreError::Rows`]
    /// when the disk does not give it.
    fn get(&self, key: &Key) -> Result<Option<Value>, StoreError>;

    /// Every row of `space` whose name starts with `prefix`, in the order of names, as of one
    /// moment.
    ///
    /// # Errors
    /// As [`Store::get`]; one damaged row fails the listing.
    fn list(&self, space: Space, prefix: &str) -> Result<Vec<(Key, Value)>, StoreError>;

    /// The names that [`Store::list`] would give, without reading the values.
    ///
    /// # Errors
    /// As [`Store::list`].
    fn names(&self, space: Space, prefix: &str) -> Result<Vec<Key>, StoreError>;

    /// Applies all of `writes` or nothing, and returns when they survive a power cut.
    ///
    /// # Errors
    /// [`StoreError::Value`], [`StoreError::Commit`] or [`StoreError::Repeated`] when a limit is
    /// passed: nothing was written. [`StoreError::Stopped`] when the store has failed, now or
    /// before: the writes are to be taken as lost.
    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError>;

    /// Why nothing is accepted any more; `None` while all is well.
    fn trouble(&self) -> Option<StoreError> {
        None
    }

    /// Whether the store has stopped, and would go on after a restart now. Tries the disk; ask
    /// every few seconds at most.
    fn wants_restart(&self) -> bool {
        false
    }

    /// Sets one row. See [`Store::commit`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn put(&self, key: Key, value: Value) -> Result<(), StoreError> {
        self.commit(vec![Write::Put(key, value)])
    }

    /// Removes one row. See [`Store::commit`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn remove(&self, key: Key) -> Result<(), StoreError> {
        self.commit(vec![Write::Remove(key)])
    }
}

/// The limits of one commit, the same for every implementation.
fn check_commit(writes: &[Write]) -> Result<(), StoreError> {
    let mut bytes = 0_usize;
    let mut keys = std::collections::BTreeSet::new();
    for write in writes {
        if let Write::Put(_, value) = write {
            if value.len() > MAX_VALUE_BYTES {
                return Err(StoreError::Value { bytes: value.len() });
            }
            bytes = bytes.saturating_add(value.len());
        }
        if !keys.insert(write.key()) {
            return Err(StoreError::Repeated);
        }
    }
    if writes.len() > MAX_WRITES_PER_COMMIT || bytes > MAX_COMMIT_BYTES {
        return Err(StoreError::Commit {
            writes: writes.len(),
            bytes,
        });
    }
    Ok(())
}
