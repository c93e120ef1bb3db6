//! What can go wrong with the store. Each message says how to mend it where a person can.

use std::{io, path::PathBuf, sync::Arc};

use super::{MAX_COMMIT_BYTES, MAX_NAME_BYTES, MAX_VALUE_BYTES, MAX_WRITES_PER_COMMIT};

/// A failed step of the store. Display never holds a name, a value, a key or the source.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The name of a row is empty or too long.
    #[error("a row name must have 1 to {MAX_NAME_BYTES} bytes, not {bytes}")]
    Name {
        /// Length that was offered, in bytes.
        bytes: usize,
    },
    /// A value is too large.
    #[error("a value may have at most {MAX_VALUE_BYTES} bytes, not {bytes}")]
    Value {
        /// Length that was offered, in bytes.
        bytes: usize,
    },
    /// A commit has too many writes or too many bytes.
    #[error(
        "a commit may hold at most {MAX_WRITES_PER_COMMIT} writes and {MAX_COMMIT_BYTES} bytes, \
         not {writes} and {bytes}"
    )]
    Commit {
        /// Number of writes that were offered.
        writes: usize,
        /// Sum of their values, in bytes.
        bytes: usize,
    },
    /// A commit writes the same row twice.
    #[error("a commit may write each row once")]
    Repeated,
    /// A file of the store directory cannot be read or written.
    #[error(
        "the store cannot {step} {}: check that the volume is mounted, writable and not full",
        path.display()
    )]
    File {
        /// What was tried, in words: `create`, `read`, `sync`.
        step: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why it failed.
        source: Arc<io::Error>,
    },
    /// There is no room to open a store; nothing was changed.
    #[error(
        "the volume of {} is full: this store needs {needed_mib} MiB free to be opened, and nothing \
         was changed in it. Free that much on the volume or make it larger (a quota counts, too), \
         and start again",
        dir.display()
    )]
    Full {
        /// The directory that is to hold the store.
        dir: PathBuf,
        /// What must be free, in MiB.
        needed_mib: u64,
        /// What the volume said.
        source: Arc<io::Error>,
    },
    /// The store key file does not hold a key.
    #[error(
        "the store key file {} must hold exactly 32 bytes (or 64 hex digits), and {}: mount the \
         key that this store was made with",
        path.display(),
        not_hex.map_or_else(
            || format!("it holds {bytes} bytes"),
            |position| format!("character {position} of its 64 is no hex digit"),
        )
    )]
    KeyFile {
        /// The file.
        path: PathBuf,
        /// Its length in bytes; at most a few more than a key are read.
        bytes: usize,
        /// Where it is as long as hex digits are: the first byte that is none, from 1. Never which.
        not_hex: Option<usize>,
    },
    /// Others can read the store key file.
    #[error(
        "the store key file {} has mode {mode:04o}, so others than this node can read it: \
         chmod 600 it (a Secret volume: defaultMode 0400, or 0440 with fsGroup)",
        path.display()
    )]
    KeyExposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// Another process has the directory open.
    #[error(
        "the store in {} is open in another process: stop that one first, or give this node a \
         directory of its own",
        dir.display()
    )]
    InUse {
        /// The store directory.
        dir: PathBuf,
    },
    /// The keyring was wrapped by another store key.
    #[error(
        "the store key is not the one that this store was made with (the keyring names key \
         {expected}, the key file holds {offered}): mount the right key; without it the store \
         cannot be read by anybody"
    )]
    WrongKey {
        /// Fingerprint in the keyring, hex.
        expected: String,
        /// Fingerprint of the key that was offered, hex.
        offered: String,
    },
    /// There are rows, but no keyring to open them.
    #[error(
        "{} holds data but no keyring: restore the file `keyring` from a backup of the same \
         volume; the store is never made anew over existing data",
        dir.display()
    )]
    KeyringMissing {
        /// The store directory.
        dir: PathBuf,
    },
    /// The keyring cannot be understood or does not open under the right key.
    #[error("the keyring is damaged: restore the file `keyring` from a backup of the same volume")]
    KeyringDamaged,
    /// The keyring was written by a newer version.
    #[error(
        "the store has format {found} and this program reads format {known}: run the version \
         that wrote it, or a newer one"
    )]
    Format {
        /// Format on disk.
        found: u64,
        /// Format this program knows.
        known: u64,
    },
    /// The rows were there and are gone.
    #[error(
        "the rows of the store in {} are gone: restore the volume; to accept an empty store, \
         remove the whole directory and move the audit log away",
        dir.display()
    )]
    DataMissing {
        /// The store directory.
        dir: PathBuf,
    },
    /// The database cannot be opened.
    #[error(
        "the rows of the store in {} are corrupt, and nothing was made anew over them: restore \
         the volume from a backup",
        dir.display()
    )]
    Corrupt {
        /// The store directory.
        dir: PathBuf,
        /// What the database said, when it did not panic.
        source: Option<::sled::Error>,
    },
    /// The store holds less than it has acknowledged.
    #[error(
        "the store is older than what it has acknowledged (revision {found}, acknowledged \
         {acknowledged}): rows were lost or rolled back; restore the volume, or remove the file \
         `watermark` to accept the store as it is"
    )]
    RolledBack {
        /// Revision found in the rows.
        found: u64,
        /// Highest revision that was acknowledged.
        acknowledged: u64,
    },
    /// The mark of what was acknowledged cannot be read.
    #[error(
        "the file `watermark` of the store is damaged: restore it with the volume, or remove it \
         to accept the store as it is"
    )]
    WatermarkDamaged,
    /// Single rows were rolled back, removed or added behind the store's back.
    #[error(
        "the rows of the store are not the set that was written: some were rolled back, removed \
         or added from outside; restore the volume from a backup"
    )]
    Altered,
    /// A row does not open under its key.
    #[error(
        "row {row} of the store is damaged or was moved: restore the volume, or write the row \
         again from its source"
    )]
    Damaged {
        /// First bytes of the row's stored key, hex; says nothing about its name.
        row: String,
    },
    /// The database gave an error on reading.
    #[error("the rows of the store cannot be read: check the volume and restart the node")]
    Rows {
        /// What the database said.
        source: ::sled::Error,
    },
    /// The store has stopped after a failure.
    #[error(
        "the store has stopped accepting writes because it could not {step}: what was not \
         acknowledged is to be taken as lost; {}",
        if *full {
            "the disk is full: make room on the volume (a quota counts, too), and the node then \
             starts anew by itself"
        } else {
            "look after the health of the volume and restart the node"
        }
    )]
    Stopped {
        /// The step that failed first.
        step: &'static str,
        /// Whether it failed because the disk was full: then the node ends by itself once there is
        /// room, to be started again.
        full: bool,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes")]
    Random,
}
