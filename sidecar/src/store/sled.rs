//! The store on disk: one sled tree of sealed rows.
//!
//! ```text
//! DIR/lock        held while the store is open
//! DIR/keyring     store id and wrapped data key
//! DIR/watermark   highest acknowledged revision
//! DIR/rows/       sled's own files
//! ```
//!
//! What the database does not do by itself is done here. Its `flush` does not survive a power
//! cut: a commit is acknowledged after `fdatasync` of its file, and one sync serves every commit
//! that was applied before it began. It keeps only small values power-safe: rows are at most
//! 2 KiB. It shows what is not durable yet: readers here see a row as of the last sync ([`View`]).
//! It panics on a corrupt file and on some failed writes: both become errors.

mod open;
#[cfg(test)]
mod tests;
mod view;

use std::{
    fmt,
    fs::File,
    io::{self, Read as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use zeroize::Zeroizing;

use crate::directory_lock::DirectoryLock;

use super::{
    Key, Space, Store, StoreError, Value, Write,
    census::Census,
    check_commit,
    sealed::{Body, Chunks, Head, META_KEY, ROOM_BYTES, Sealer, damaged},
    watermark::Watermark,
};
use open::room;
use view::{Before, View};

/// Largest batch that is handed to the database at once, in bytes of rows and keys.
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// What must be free before a store is opened, in bytes: opening writes keyring, watermark and a list
/// of the pages.
const ROOM_TO_OPEN_BYTES: u64 = 4 * 1024 * 1024;
/// The part of the database's file that must be free beside that. The database tidies up pages when they
/// are read after a crash: that has made the file up to a fifteenth longer.
const ROOM_TO_TIDY_UP: u64 = 8;

/// Most that is written to try the room where a file system cannot set it aside: it is tried every few
/// seconds while a volume is full.
const ROOM_TO_WRITE_BYTES: u64 = 64 * 1024 * 1024;

/// Why a store has stopped.
#[derive(Debug)]
struct Stop {
    /// The step that failed.
    step: &'static str,
    /// Whether the disk was full and said so at once, so that nothing on it is in doubt. After a
    /// failed sync it is, and the next start would not see it, because the pages in memory look
    /// whole: that is for a person, who looks after the volume first.
    full: bool,
}

impl Stop {
    fn error(&self) -> StoreError {
        let Self { step, full } = *self;
        StoreError::Stopped { step, full }
    }
}

/// How rows reach the disk: the one place where tests let a disk fail, or count.
trait Disk: Send + Sync {
    /// Tries whether the volume of `dir` takes so many bytes, and leaves nothing.
    fn try_room(&self, dir: &Path, bytes: u64) -> io::Result<()> {
        // A file without a name, gone when it is closed. It is not written: a large store needs gigabytes.
        let mut file = tempfile::tempfile_in(dir)?;
        match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
            Err(Errno::OPNOTSUPP) => {
                let mut some = io::repeat(0).take(bytes.min(ROOM_TO_WRITE_BYTES));
                io::copy(&mut some, &mut file).map(drop)
            }
            other => Ok(other?),
        }
    }

    /// Brings the database's file to disk, after the database was told to flush.
    fn sync(&self, rows: &File) -> io::Result<()> {
        rows.sync_data()
    }
}

struct RealDisk;
impl Disk for RealDisk {}

/// A store on disk. One process at a time; thread-safe inside it.
pub struct SledStore {
    // Dropped in this order: the lock is given back last.
    rows: ::sled::Db,
    /// The database's file, opened a second time to sync it.
    file: File,
    disk: Box<dyn Disk>,
    sealer: Sealer,
    watermark: Watermark,
    /// Held while a commit is applied: the census of everything applied so far.
    census: Mutex<Census>,
    /// Held by whoever syncs: those who wait for it usually find that they were covered.
    turn: Mutex<()>,
    view: RwLock<View>,
    /// The first step that failed; set once, and nothing is accepted any more.
    stopped: OnceLock<Stop>,
    dir: PathBuf,
    _lock: DirectoryLock,
}

impl fmt::Debug for SledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledStore")
            .field("dir", &self.dir)
            .field("stopped", &self.stopped.get())
            .finish_non_exhaustive()
    }
}

impl Store for SledStore {
    fn get(&self, key: &Key) -> Result<Option<Value>, StoreError> {
        let stored = self.sealer.head_key(key);
        // Held to the end: the chunks of the row stay while somebody may be reading them.
        let view = self.view();
        let row = match view.before(&stored) {
            Some(row) => row.clone(),
            None => self.read(|rows| rows.get(stored))?.map(|row| row.to_vec()),
        };
        row.map(|row| self.value(self.head(&stored, &row, Some(key))?, &stored))
            .transpose()
    }

    fn list(&self, space: Space, prefix: &str) -> Result<Vec<(Key, Value)>, StoreError> {
        let view = self.view();
        let heads = self.heads(&view, space, prefix)?;
        heads
            .into_iter()
            .map(|head| {
                let stored = self.sealer.head_key(&head.key);
                Ok((head.key.clone(), self.value(head, &stored)?))
            })
            .collect()
    }

    fn names(&self, space: Space, prefix: &str) -> Result<Vec<Key>, StoreError> {
        let heads = self.heads(&self.view(), space, prefix)?;
        Ok(heads.into_iter().map(|head| head.key).collect())
    }

    fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        check_commit(&writes)?;
        self.going()?;
        let changes = writes
            .into_iter()
            .map(|write| self.prepare(write))
            .collect::<Result<Vec<_>, _>>()?;
        let revision = self.apply(changes)?;
        self.settle(revision)
    }

    fn trouble(&self) -> Option<StoreError> {
        self.going().err()
    }

    fn wants_restart(&self) -> bool {
        let full = self.stopped.get().is_some_and(|stop| stop.full);
        full && room(&*self.disk, &self.dir).is_ok()
    }
}

/// A write whose chunks are in the database already.
struct Change {
    key: Key,
    body: Option<Body>,
}

impl SledStore {
    // Reading

    fn head(&self, stored: &[u8], row: &[u8], key: Option<&Key>) -> Result<Head, StoreError> {
        let head = Head::decode(&self.sealer.open(stored, row)?);
        head.filter(|head| key.is_none_or(|key| head.key == *key))
            .ok_or_else(|| damaged(stored))
    }

    fn value(&self, head: Head, stored: &[u8]) -> Result<Value, StoreError> {
        let chunks = match head.body {
            Body::Inline(value) => return Ok(value),
            Body::Chunked(chunks) => chunks,
        };
        let mut value = Zeroizing::new(Vec::with_capacity(chunks.bytes as usize));
        for number in 0..chunks.count() {
            let key = self.sealer.chunk_key(&chunks, number);
            let row = self.read(|rows| rows.get(key))?;
            let row = row.ok_or_else(|| damaged(stored))?;
            value.extend(self.sealer.open(&key, &row)?.iter());
        }
        if !chunks.holds(&value) {
            return Err(damaged(stored));
        }
        Ok(Value(value))
    }

    /// The heads of a space by prefix of their names, in the order of names.
    fn heads(&self, view: &View, space: Space, prefix: &str) -> Result<Vec<Head>, StoreError> {
        let begin = self.sealer.space_prefix(space);
        let mut rows = view.with_prefix(&begin);
        self.read(|database| {
            for row in database.scan_prefix(begin) {
                let (stored, row) = row?;
                if view.before(&stored).is_none() {
                    rows.push((stored.to_vec(), row.to_vec()));
                }
            }
            Ok(())
        })?;
        let mut heads = Vec::new();
        for (stored, row) in rows {
            let head = self.head(&stored, &row, None)?;
            if self.sealer.head_key(&head.key).as_slice() != stored {
                return Err(damaged(&stored));
            }
            if head.key.name().starts_with(prefix) {
                heads.push(head);
            }
        }
        heads.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(heads)
    }

    // Writing

    /// Puts the chunks of a long value into the database, where no head names them yet. A crash
    /// leaves them over; the next start removes them.
    fn prepare(&self, write: Write) -> Result<Change, StoreError> {
        let (key, value) = match write {
            Write::Remove(key) => return Ok(Change { key, body: None }),
            Write::Put(key, value) => (key, value),
        };
        if Head::fits(&key, &value) {
            let body = Some(Body::Inline(value));
            return Ok(Change { key, body });
        }
        let chunks = Chunks::new(&value)?;
        let mut batches = Batches::default();
        for (number, piece) in (0..).zip(value.chunks(ROOM_BYTES)) {
            let stored = self.sealer.chunk_key(&chunks, number);
            let row = self.sealer.seal(&stored, piece)?;
            batches.insert(&stored, row);
        }
        self.apply_all(batches, "write chunks")?;
        let body = Some(Body::Chunked(chunks));
        Ok(Change { key, body })
    }

    /// Applies the heads of one commit and the census in one batch, and gives its revision.
    fn apply(&self, changes: Vec<Change>) -> Result<u64, StoreError> {
        let mut current = self.census.lock().unwrap_or_else(PoisonError::into_inner);
        self.going()?;
        let mut census = current.clone();
        census.revision += 1;
        let mut batch = ::sled::Batch::default();
        let mut befores = Vec::new();
        for Change { key, body } in changes {
            let stored = self.sealer.head_key(&key);
            let row = self.write("read a row", |rows| rows.get(stored))?;
            let mut garbage = None;
            if let Some(row) = &row {
                census.subtract(&self.sealer, &stored, row);
                if let Body::Chunked(chunks) = self.head(&stored, row, Some(&key))?.body {
                    garbage = Some(chunks);
                }
            }
            if let Some(body) = body {
                let revision = census.revision;
                let head = Head {
                    revision,
                    key,
                    body,
                };
                let sealed = self.sealer.seal(&stored, &head.encode())?;
                census.add(&self.sealer, &stored, &sealed);
                batch.insert(stored.as_slice(), sealed);
            } else {
                batch.remove(stored.as_slice());
            }
            let row = row.map(|row| row.to_vec());
            befores.push((stored, Before { row, garbage }));
        }
        let sealed = self.sealer.seal(META_KEY, &census.encode())?;
        batch.insert(META_KEY, sealed);
        // First what readers are to see instead, then what they are not to see yet.
        self.view_mut().hide(census.revision, befores);
        self.write("write rows", |rows| rows.apply_batch(batch))?;
        let revision = census.revision;
        *current = census;
        Ok(revision)
    }

    /// Returns when `revision` survives a power cut, and shows it to readers.
    fn settle(&self, revision: u64) -> Result<(), StoreError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        self.going()?;
        if self.view().durable() >= revision {
            return Ok(());
        }
        let applied = {
            let census = self.census.lock().unwrap_or_else(PoisonError::into_inner);
            census.revision
        };
        self.write("flush", |rows| rows.flush())?;
        // Never tried again: after a failed sync nobody can tell which pages were dropped.
        let synced = self.disk.sync(&self.file);
        synced.map_err(|error| self.stop("sync", &error, false))?;
        let raised = self.watermark.raise(&self.sealer, applied);
        raised.map_err(|error| self.stop("write the watermark", &error, false))?;
        let mut view = self.view_mut();
        let mut batches = Batches::default();
        for chunks in view.show(applied) {
            for number in 0..chunks.count() {
                batches.remove(&self.sealer.chunk_key(&chunks, number));
            }
        }
        // Nobody can be reading these chunks while the view is held.
        self.apply_all(batches, "remove chunks")
    }

    fn apply_all(&self, batches: Batches, step: &'static str) -> Result<(), StoreError> {
        for batch in batches.finish() {
            self.write(step, |rows| rows.apply_batch(batch))?;
        }
        Ok(())
    }

    // Failing

    /// Reads from the database; a panic of the database is an error.
    fn read<T>(
        &self,
        read: impl FnOnce(&::sled::Db) -> ::sled::Result<T>,
    ) -> Result<T, StoreError> {
        let done = catch_unwind(AssertUnwindSafe(|| read(&self.rows)));
        done.map_err(|_| self.stop("read rows", &"panic", false))?
            .map_err(|source| StoreError::Rows { source })
    }

    /// Writes to the database; an error or a panic stops the store.
    fn write<T>(
        &self,
        step: &'static str,
        write: impl FnOnce(&::sled::Db) -> ::sled::Result<T>,
    ) -> Result<T, StoreError> {
        let done = catch_unwind(AssertUnwindSafe(|| write(&self.rows)));
        done.map_err(|_| self.stop(step, &"panic", false))?
            .map_err(|error| {
                let full = matches!(&error, ::sled::Error::Io(error) if is_full(error));
                self.stop(step, &error, full)
            })
    }

    /// Stops the store for good. `why` goes to the log: it is about files, never about values.
    fn stop(&self, step: &'static str, why: &dyn fmt::Display, full: bool) -> StoreError {
        let stop = self.stopped.get_or_init(|| {
            tracing::error!(dir = %self.dir.display(), step, full, %why, "the store has stopped");
            Stop { step, full }
        });
        stop.error()
    }

    fn going(&self) -> Result<(), StoreError> {
        self.stopped.get().map_or(Ok(()), |stop| Err(stop.error()))
    }

    fn view(&self) -> RwLockReadGuard<'_, View> {
        self.view.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn view_mut(&self) -> RwLockWriteGuard<'_, View> {
        self.view.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the disk, its quota or the size of a file was used up.
fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Batches of at most [`MAX_BATCH_BYTES`].
#[derive(Default)]
struct Batches {
    full: Vec<::sled::Batch>,
    open: ::sled::Batch,
    bytes: usize,
}

impl Batches {
    fn insert(&mut self, key: &[u8], row: Vec<u8>) {
        self.make_room(key.len() + row.len());
        self.open.insert(key, row);
    }

    fn remove(&mut self, key: &[u8]) {
        self.make_room(key.len());
        self.open.remove(key);
    }

    fn make_room(&mut self, bytes: usize) {
        if self.bytes + bytes > MAX_BATCH_BYTES {
            self.full.push(std::mem::take(&mut self.open));
            self.bytes = 0;
        }
        self.bytes += bytes;
    }

    fn finish(mut self) -> Vec<::sled::Batch> {
        if self.bytes > 0 {
            self.full.push(self.open);
        }
        self.full
    }
}
