//! Opening a store: nothing is made anew over existing data, and every row is accounted for.

use std::{
    collections::HashSet,
    fs::{DirBuilder, File},
    os::unix::fs::DirBuilderExt as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, RwLock},
};

use super::{
    Batches, Disk, ROOM_TO_OPEN_BYTES, ROOM_TO_TIDY_UP, RealDisk, SledStore, View, is_full,
};
use crate::directory_lock::DirectoryLock;
use crate::store::{
    StoreError, StoreKey,
    census::Census,
    keyring,
    sealed::{Body, CHUNK, HEAD, Head, META_KEY, Sealer, damaged},
    watermark::{self, Watermark},
};

const ROWS: &str = "rows";
/// sled's data file inside its directory.
const ROWS_FILE: &str = "db";
/// How sled names what it has not finished.
const UNFINISHED: &str = "generating";

/// Memory that the database may use as a cache, in bytes: rows of some ten thousand assets, and
/// a small part of what a sidecar may use; the database's own default is 1 GiB.
const CACHE_BYTES: u64 = 64 * 1024 * 1024;

impl SledStore {
    /// Opens the store in `dir`, or makes one when the directory is empty or absent.
    ///
    /// Takes time in proportion to the number of rows: each head is opened and counted, so that
    /// rows which were rolled back, removed or added from outside are noticed, and chunks that a
    /// crash left over are removed.
    ///
    /// # Errors
    /// [`StoreError::Full`], [`StoreError::InUse`], [`StoreError::WrongKey`], [`StoreError::KeyringMissing`],
    /// [`StoreError::KeyringDamaged`], [`StoreError::Format`], [`StoreError::DataMissing`],
    /// [`StoreError::Corrupt`], [`StoreError::Damaged`], [`StoreError::Altered`],
    /// [`StoreError::RolledBack`], [`StoreError::WatermarkDamaged`], [`StoreError::File`]. None of
    /// them makes anything anew over what is there.
    pub fn open(dir: &Path, key: &StoreKey) -> Result<Self, StoreError> {
        Self::open_on(dir, key, Box::new(RealDisk))
    }

    /// Whether anything of a store is in `dir`, be it whole or not.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        keyring::exists(dir) || watermark::exists(dir) || dir.join(ROWS).exists()
    }

    /// Tries whether the volume of `dir` has the room that the store in it needs to be opened.
    ///
    /// # Errors
    /// [`StoreError::Full`]; [`StoreError::File`] when the volume takes nothing for another reason.
    pub fn try_room(dir: &Path) -> Result<(), StoreError> {
        room(&RealDisk, dir)
    }

    pub(super) fn open_on(
        dir: &Path,
        key: &StoreKey,
        disk: Box<dyn Disk>,
    ) -> Result<Self, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|source| StoreError::file("create", dir, source))?;
        let lock = lock(dir)?;
        room(&*disk, dir)?;
        let file = dir.join(ROWS).join(ROWS_FILE);
        let whole_once = watermark::exists(dir);
        let keyring = match keyring::open(dir, key)? {
            Some(_) if whole_once && !file.exists() => return Err(missing(dir)),
            Some(keyring) => keyring,
            None if whole_once || file.exists() => {
                return Err(StoreError::KeyringMissing {
                    dir: dir.to_owned(),
                });
            }
            None => keyring::create(dir, key)?,
        };
        let sealer = Sealer::new(&keyring);
        let acknowledged = watermark::read(dir, &sealer)?;
        let rows = open_rows(dir)?;
        let census = take_census(dir, &rows, &sealer, acknowledged)?;
        let synced = sync_everything(dir, &rows)?;
        let watermark = Watermark::create(dir, &sealer, census.revision)?;
        Ok(Self {
            rows,
            file: synced,
            disk,
            sealer,
            watermark,
            view: RwLock::new(View::new(census.revision)),
            census: Mutex::new(census),
            turn: Mutex::new(()),
            stopped: OnceLock::new(),
            dir: dir.to_owned(),
            _lock: lock,
        })
    }
}

fn missing(dir: &Path) -> StoreError {
    StoreError::DataMissing {
        dir: dir.to_owned(),
    }
}

fn corrupt(dir: &Path, source: Option<::sled::Error>) -> StoreError {
    StoreError::Corrupt {
        dir: dir.to_owned(),
        source,
    }
}

fn lock(dir: &Path) -> Result<DirectoryLock, StoreError> {
    let lock = DirectoryLock::take(dir).map_err(|source| StoreError::file("lock", dir, source))?;
    lock.ok_or_else(|| StoreError::InUse {
        dir: dir.to_owned(),
    })
}

/// Tries whether there is the room to open the store in `dir`. Without it the database would begin to
/// tidy up, and could not end it.
pub(super) fn room(disk: &dyn Disk, dir: &Path) -> Result<(), StoreError> {
    let rows = dir.join(ROWS).join(ROWS_FILE).metadata();
    let needed = ROOM_TO_OPEN_BYTES + rows.map_or(0, |file| file.len()) / ROOM_TO_TIDY_UP;
    // Before the first start there is no such folder.
    let there = dir.ancestors().find(|folder| folder.is_dir());
    let tried = disk.try_room(there.unwrap_or(dir), needed);
    tried.map_err(|source| match is_full(&source) {
        true => StoreError::Full {
            dir: dir.to_owned(),
            needed_mib: needed.div_ceil(1024 * 1024),
            source: source.into(),
        },
        false => StoreError::file("write in", dir, source),
    })
}

/// Removes snapshots that a full disk cut off while they were written. sled would take the newest of
/// them, which is empty, for the state of the rows; it writes one anew from its log.
fn remove_unfinished(rows: &Path) -> Result<(), StoreError> {
    let Ok(files) = std::fs::read_dir(rows) else {
        return Ok(());
    };
    for file in files.flatten().map(|file| file.path()) {
        if file.extension().is_some_and(|end| end == UNFINISHED) {
            std::fs::remove_file(&file).map_err(|e| StoreError::file("remove", &file, e))?;
        }
    }
    Ok(())
}

fn open_rows(dir: &Path) -> Result<::sled::Db, StoreError> {
    let path = dir.join(ROWS);
    remove_unfinished(&path)?;
    // No flusher thread: every commit flushes, and a thread of its own could fail unseen.
    let config = ::sled::Config::new()
        .path(&path)
        .cache_capacity(CACHE_BYTES)
        .flush_every_ms(None);
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(Ok(rows)) => Ok(rows),
        Ok(Err(::sled::Error::Io(source))) => Err(StoreError::file("open", &path, source)),
        Ok(Err(error)) => Err(corrupt(dir, Some(error))),
        Err(_) => Err(corrupt(dir, None)),
    }
}

/// Counts all rows against the sealed census and the watermark, and removes orphaned chunks.
fn take_census(
    dir: &Path,
    rows: &::sled::Db,
    sealer: &Sealer,
    acknowledged: Option<u64>,
) -> Result<Census, StoreError> {
    let found = read(dir, || find(rows, sealer))?;
    let census = match found.sealed {
        Some(sealed) if found.census.with_revision(sealed.revision) == sealed => sealed,
        Some(_) => return Err(StoreError::Altered),
        None if acknowledged.is_some_and(|revision| revision > 0) => return Err(missing(dir)),
        // Made, but never written to.
        None if rows.is_empty() || found.only_chunks() => Census::default(),
        None => return Err(StoreError::Altered),
    };
    let acknowledged = acknowledged.unwrap_or_default();
    if census.revision < acknowledged {
        return Err(StoreError::RolledBack {
            found: census.revision,
            acknowledged,
        });
    }
    if found
        .named
        .iter()
        .any(|chunk| !found.chunks.contains(chunk))
    {
        return Err(StoreError::Altered);
    }
    let mut orphans = Batches::default();
    for chunk in found.chunks.difference(&found.named) {
        orphans.remove(chunk);
    }
    for batch in orphans.finish() {
        read(dir, || Ok(rows.apply_batch(batch)?))?;
    }
    Ok(census)
}

/// What a walk over all rows has found.
#[derive(Default)]
struct Found {
    /// The census as counted; its revision is not.
    census: Census,
    /// The census as stored.
    sealed: Option<Census>,
    heads: u64,
    /// Stored keys of the chunks that are there.
    chunks: HashSet<Vec<u8>>,
    /// Stored keys of the chunks that heads name.
    named: HashSet<Vec<u8>>,
}

impl Found {
    fn only_chunks(&self) -> bool {
        self.heads == 0
    }
}

/// Why a walk ended early.
enum Fault {
    Database(::sled::Error),
    Store(StoreError),
}

impl From<::sled::Error> for Fault {
    fn from(error: ::sled::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

fn find(rows: &::sled::Db, sealer: &Sealer) -> Result<Found, Fault> {
    let mut found = Found::default();
    for row in rows.iter() {
        let (stored, row) = row?;
        match stored.first() {
            Some(&HEAD) => {
                let plain = sealer.open(&stored, &row)?;
                let head = Head::decode(&plain)
                    .filter(|head| sealer.head_key(&head.key).as_slice() == &*stored)
                    .ok_or_else(|| damaged(&stored))?;
                found.heads += 1;
                found.census.add(sealer, &stored, &row);
                if let Body::Chunked(chunks) = head.body {
                    let numbers = 0..chunks.count();
                    let keys = numbers.map(|number| sealer.chunk_key(&chunks, number).to_vec());
                    found.named.extend(keys);
                }
            }
            Some(&CHUNK) => {
                found.chunks.insert(stored.to_vec());
            }
            _ if &*stored == META_KEY => {
                let plain = sealer.open(&stored, &row)?;
                let census = Census::decode(&plain).ok_or_else(|| damaged(&stored))?;
                found.sealed = Some(census);
            }
            _ => return Err(StoreError::Altered.into()),
        }
    }
    Ok(found)
}

/// Runs a step on the database; while it is opened, its panics and its errors are corruption, but for
/// what the disk refuses.
fn read<T>(dir: &Path, step: impl FnOnce() -> Result<T, Fault>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(step)) {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(Fault::Store(error))) => Err(error),
        Ok(Err(Fault::Database(::sled::Error::Io(source)))) => {
            Err(StoreError::file("use", &dir.join(ROWS), source))
        }
        Ok(Err(Fault::Database(error))) => Err(corrupt(dir, Some(error))),
        Err(_) => Err(corrupt(dir, None)),
    }
}

/// Brings to disk what the database wrote while it was opened, none of which it syncs itself,
/// and gives its file for the syncs to come.
fn sync_everything(dir: &Path, rows: &::sled::Db) -> Result<File, StoreError> {
    read(dir, || Ok(rows.flush()?))?;
    let inside = dir.join(ROWS);
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut paths: Vec<PathBuf> = vec![inside.join("conf"), inside.join("blobs"), inside.clone()];
    paths.extend([dir.to_owned(), parent.unwrap_or(Path::new(".")).to_owned()]);
    for path in paths {
        let synced = File::open(&path).and_then(|file| file.sync_all());
        synced.map_err(|source| StoreError::file("sync", &path, source))?;
    }
    let path = inside.join(ROWS_FILE);
    let file = File::open(&path).and_then(|file| file.sync_all().map(|()| file));
    file.map_err(|source| StoreError::file("sync", &path, source))
}
