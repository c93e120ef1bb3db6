//! The writer of the log: one line per entry, in one `write(2)`, before the answer leaves.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{self, BufReader, Seek as _, SeekFrom, Write as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use rand::TryRng as _;
use sha2::{Digest as _, Sha256};

use crate::directory_lock::DirectoryLock;

use super::{
    AuditError, Digest, Entry, MAX_SEGMENT_BYTES, MAX_UNSYNCED, Recovered, entry,
    segment::{self, Header},
    verify::{Lines, Walk},
};

/// What is written to see whether the disk takes anything: a block, into which most entries fit.
const TRY_BYTES: usize = 4096;

/// Where an entry stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Number of the entry, from 1.
    pub index: u64,
    /// Chain after it.
    pub chain: Digest,
}

/// How bytes reach the disk: the one place where tests let a disk fail.
pub(super) trait Disk: Send + Sync {
    fn write(&self, file: &mut &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }
    /// Writes as much as an entry takes to a file without a name, which is gone when it is closed.
    fn try_write(&self, dir: &Path) -> io::Result<()> {
        tempfile::tempfile_in(dir)?.write_all(&[0; TRY_BYTES])
    }
}

pub(super) struct RealDisk;
impl Disk for RealDisk {}

/// An open log. Thread-safe; only one per directory, in one process.
pub struct Audit {
    dir: PathBuf,
    disk: Box<dyn Disk>,
    max_segment_bytes: u64,
    writer: Mutex<Writer>,
    /// Held by whoever syncs: those who wait for it usually find that they were covered.
    turn: Mutex<()>,
    _lock: DirectoryLock,
}

struct Writer {
    file: Arc<File>,
    walk: Walk,
    bytes: u64,
    /// Last entry that is known to be on disk.
    synced: u64,
    stopped: Option<&'static str>,
    /// Why the disk did not take what was last tried. Until [`Audit::check`] finds that it does,
    /// nothing is tried: the last block of a file has room on a full disk, too.
    failing: Option<AuditError>,
}

impl Writer {
    fn last(&self) -> u64 {
        self.walk.next.saturating_sub(1)
    }

    fn going(&self) -> Result<(), AuditError> {
        self.stopped
            .map_or(Ok(()), |step| Err(AuditError::Stopped { step }))
    }

    /// Whether an entry may be tried.
    fn takes(&self) -> Result<(), AuditError> {
        self.going()?;
        self.failing.clone().map_or(Ok(()), Err)
    }

    /// Remembers how an attempt went, and says so when that is another than before: without an
    /// entry nothing is answered, and a person on call must find the reason in the log.
    fn note(&mut self, attempt: Result<(), AuditError>) -> Result<(), AuditError> {
        match (&attempt, &self.failing) {
            (Err(error), None) => {
                let source = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(%error, source, "nothing is answered until the audit log can be written");
            }
            (Ok(()), Some(_)) => tracing::info!("the audit log can be written again"),
            _ => {}
        }
        self.failing = attempt.as_ref().err().cloned();
        attempt
    }

    fn stop(&mut self, step: &'static str) -> Result<(), AuditError> {
        self.stopped = Some(step);
        self.note(Err(AuditError::Stopped { step }))
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl Audit {
    /// Opens the log in `dir`, or begins one. The newest segment is verified in full, and that it
    /// continues the one before it; [`super::verify`] verifies the others. A torn end, left by a
    /// crash in the middle of a write, is cut off and recorded as an entry.
    ///
    /// # Errors
    /// [`AuditError::InUse`] when another process has it open, [`AuditError::Broken`] when it is
    /// not what was written, [`AuditError::File`] and [`AuditError::Write`] when the disk refuses.
    pub fn open(dir: &Path, now: Timestamp) -> Result<Self, AuditError> {
        Self::open_on(dir, now, Box::new(RealDisk), MAX_SEGMENT_BYTES)
    }

    pub(super) fn open_on(
        dir: &Path,
        now: Timestamp,
        disk: Box<dyn Disk>,
        max_segment_bytes: u64,
    ) -> Result<Self, AuditError> {
        std::fs::create_dir_all(dir).map_err(|source| AuditError::file("create", dir, source))?;
        let lock = lock(dir)?;
        let (writer, torn) = match segment::list(dir)?.as_slice() {
            [] => (begin(dir)?, None),
            [.., (_, before), (first, newest)] => resume(Some(before), *first, newest)?,
            [(first, only)] => resume(None, *first, only)?,
        };
        let audit = Self {
            dir: dir.to_owned(),
            disk,
            max_segment_bytes,
            writer: Mutex::new(writer),
            turn: Mutex::new(()),
            _lock: lock,
        };
        if let Some((bytes, digest)) = torn {
            let at = now;
            audit.append_durable(&Entry::Recovered(Recovered { at, bytes, digest }))?;
        }
        Ok(audit)
    }

    /// Writes one entry; it is in the file when this returns, and on disk after the next
    /// [`Audit::sync`], or after [`MAX_UNSYNCED`] further entries. Send the answer after this.
    ///
    /// # Errors
    /// [`AuditError::Write`] when the disk did not take it (it is not in the log, and the answer
    /// must be "unavailable"), or did not take what was tried before: then [`Audit::check`] must
    /// succeed first. [`AuditError::TooLong`], [`AuditError::Stopped`].
    pub fn append(&self, entry: &Entry) -> Result<Position, AuditError> {
        self.append_all(std::slice::from_ref(entry))
    }

    /// Writes several entries in one go, all or none, and gives the position of the last; of
    /// none, the position of the last that is there. See [`Audit::append`].
    ///
    /// # Errors
    /// As [`Audit::append`].
    pub fn append_all(&self, entries: &[Entry]) -> Result<Position, AuditError> {
        let (position, unsynced) = {
            let mut writer = self.writer();
            writer.takes()?;
            let mut walk = writer.walk.clone();
            let mut lines = Vec::new();
            for entry in entries {
                let bytes = entry::encode(walk.next, entry)?;
                walk.chain = segment::link(&walk.chain, &bytes);
                walk.next += 1;
                lines.extend(segment::line(&walk.chain, &bytes));
            }
            let written = self.write(&mut writer, &lines);
            writer.note(written)?;
            writer.walk = walk;
            let position = Position {
                index: writer.last(),
                chain: writer.walk.chain,
            };
            (position, writer.last().saturating_sub(writer.synced))
        };
        if unsynced >= MAX_UNSYNCED {
            self.sync_to(position.index)?;
        }
        Ok(position)
    }

    /// Writes one entry and returns when it survives a power cut. Concurrent callers share a sync.
    /// A log that failed is looked at first: such entries are few, and what they tell has happened.
    ///
    /// # Errors
    /// As [`Audit::append`].
    pub fn append_durable(&self, entry: &Entry) -> Result<Position, AuditError> {
        if self.trouble().is_some() {
            self.check()?;
        }
        let position = self.append(entry)?;
        self.sync_to(position.index)?;
        Ok(position)
    }

    /// Brings what was written to disk; does nothing when it is there. Call it every 10 ms while
    /// there are answers, and at the end.
    ///
    /// # Errors
    /// [`AuditError::Stopped`] when the disk fails: the log takes no more entries, because what a
    /// failed sync has lost cannot be told.
    pub fn sync(&self) -> Result<(), AuditError> {
        let last = self.writer().last();
        self.sync_to(last)
    }

    /// Why nothing can be written at present, as of the last attempt; `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<AuditError> {
        self.writer().failing.clone()
    }

    /// Looks whether the disk would take an entry, so that [`Audit::trouble`] is true of a node
    /// that nobody asks anything: it is not ready, and is not asked because it is not ready. A log
    /// that failed takes entries again once this succeeds. Call it every few seconds.
    ///
    /// # Errors
    /// [`AuditError::Write`]; [`AuditError::Stopped`] when the file of the log was deleted.
    pub fn check(&self) -> Result<(), AuditError> {
        // Without the writer: entries are written meanwhile.
        let tried = self.disk.try_write(&self.dir);
        let mut writer = self.writer();
        writer.going()?;
        let links = writer.file.metadata().map(|file| file.nlink());
        if matches!(links, Ok(0)) {
            return writer.stop("find its file, which was deleted");
        }
        let tried = tried.and(links.map(|_| ())).map_err(Arc::new);
        writer.note(tried.map_err(|source| AuditError::Write { source }))
    }

    /// Identifier of the log, drawn when it was begun: 32 hex digits.
    #[must_use]
    pub fn id(&self) -> String {
        self.writer().walk.log.clone()
    }

    /// Where the log stands.
    #[must_use]
    pub fn position(&self) -> Position {
        let writer = self.writer();
        Position {
            index: writer.last(),
            chain: writer.walk.chain,
        }
    }

    fn sync_to(&self, index: u64) -> Result<(), AuditError> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, written) = {
            let writer = self.writer();
            if writer.synced >= index {
                return Ok(());
            }
            writer.going()?;
            (writer.file.clone(), writer.last())
        };
        // The writer is free meanwhile: entries written now wait for the next sync.
        let done = self.disk.sync(&file);
        let mut writer = self.writer();
        if done.is_err() {
            writer.stop("sync")?;
        }
        writer.going()?;
        writer.synced = writer.synced.max(written);
        Ok(())
    }

    fn write(&self, writer: &mut Writer, lines: &[u8]) -> Result<(), AuditError> {
        let length = lines.len() as u64;
        if length == 0 {
            return Ok(());
        }
        if writer.bytes.saturating_add(length) > self.max_segment_bytes && writer.bytes > 0 {
            self.rotate(writer)?;
        }
        if let Err(source) = self.disk.write(&mut writer.file.as_ref(), lines) {
            // Part of the lines may be there: a later entry must not follow half a line.
            let repaired = writer.file.set_len(writer.bytes);
            if repaired.is_err() {
                writer.stop("take back half an entry")?;
            }
            let source = Arc::new(source);
            return Err(AuditError::Write { source });
        }
        writer.bytes = writer.bytes.saturating_add(length);
        Ok(())
    }

    /// Ends a segment and begins the next. All but the newest segment are on disk.
    fn rotate(&self, writer: &mut Writer) -> Result<(), AuditError> {
        if self.disk.sync(&writer.file).is_err() {
            writer.stop("sync")?;
        }
        writer.synced = writer.last();
        let header = Header::new(&writer.walk.log, writer.walk.next, &writer.walk.chain);
        let (file, bytes) = create(&self.dir, &header)?;
        writer.file = Arc::new(file);
        writer.bytes = bytes;
        Ok(())
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(dir: &Path) -> Result<DirectoryLock, AuditError> {
    let lock = DirectoryLock::take(dir).map_err(|source| AuditError::file("lock", dir, source))?;
    lock.ok_or_else(|| AuditError::InUse {
        dir: dir.to_owned(),
    })
}

fn begin(dir: &Path) -> Result<Writer, AuditError> {
    let mut id = [0; 16];
    rand::rngs::SysRng
        .try_fill_bytes(&mut id)
        .map_err(|_| AuditError::Random)?;
    let header = Header::new(&hex::encode(id), 1, &segment::origin(&hex::encode(id)));
    let (file, bytes) = create(dir, &header)?;
    let walk = Walk::begin(&header).ok_or(AuditError::Encode)?;
    Ok(Writer {
        file: Arc::new(file),
        walk,
        bytes,
        synced: 0,
        stopped: None,
        failing: None,
    })
}

/// Makes a segment that is there with its whole header or not at all.
fn create(dir: &Path, header: &Header) -> Result<(File, u64), AuditError> {
    let line = header.encode()?;
    let path = dir.join(segment::file_name(header.first));
    let made = || -> io::Result<File> {
        let mut unfinished = tempfile::Builder::new().prefix("new-").tempfile_in(dir)?;
        unfinished.write_all(&line)?;
        unfinished.as_file().sync_all()?;
        // Replaces what an attempt that failed half-way left: it had the same header only.
        unfinished.persist(&path).map_err(|e| e.error)?;
        File::open(dir)?.sync_all()?;
        OpenOptions::new().read(true).append(true).open(&path)
    };
    let file = made().map_err(|source| AuditError::file("create", &path, source))?;
    Ok((file, line.len() as u64))
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Torn = Option<(u64, Digest)>;

/// Goes on with the segment at `path`, after verifying it and what `before` ended with.
fn resume(before: Option<&Path>, first: u64, path: &Path) -> Result<(Writer, Torn), AuditError> {
    let fail = |step| move |source| AuditError::file(step, path, source);
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .open(path)
        .map_err(fail("open"))?;
    let mut lines = Lines::new(BufReader::new(&file), path);
    let header = lines.header()?;
    let begun = match before {
        None => Walk::begin(&header).filter(|walk| walk.next == 1),
        Some(before) => last_of(before)?.follow(&header),
    };
    let mut walk = begun
        .filter(|walk| walk.next == first)
        .ok_or_else(|| lines.broken("the header does not continue the segment before it"))?;
    while let Some(line) = lines.line()? {
        walk.step(&line)
            .ok_or_else(|| lines.broken("the entry is not the one that was written"))?;
    }
    let (bytes, rest) = (lines.whole, lines.rest);
    let mut torn = None;
    if rest > 0 {
        let mut hash = Sha256::new();
        let mut cut = &file;
        cut.seek(SeekFrom::Start(bytes)).map_err(fail("read"))?;
        io::copy(&mut cut, &mut HashWriter(&mut hash)).map_err(fail("read"))?;
        file.set_len(bytes).map_err(fail("repair"))?;
        torn = Some((rest, hash.finalize().into()));
    }
    // What an earlier process wrote and never synced is made durable before anything refers to it.
    file.sync_all().map_err(fail("sync"))?;
    let writer = Writer {
        synced: walk.next.saturating_sub(1),
        file: Arc::new(file),
        walk,
        bytes,
        stopped: None,
        failing: None,
    };
    Ok((writer, torn))
}

/// Where the segment at `path` ends, after verifying it.
fn last_of(path: &Path) -> Result<Walk, AuditError> {
    let file = File::open(path).map_err(|source| AuditError::file("open", path, source))?;
    let mut lines = Lines::new(BufReader::new(file), path);
    let header = lines.header()?;
    let mut walk = Walk::begin(&header)
        .ok_or_else(|| lines.broken("the header is missing or not of this format"))?;
    while let Some(line) = lines.line()? {
        walk.step(&line)
            .ok_or_else(|| lines.broken("the entry is not the one that was written"))?;
    }
    if lines.rest > 0 {
        return Err(lines.broken("a segment before the last one is cut off"));
    }
    Ok(walk)
}
