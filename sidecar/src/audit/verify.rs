//! The offline check of a log, and the one reader of segments.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read as _},
    path::Path,
};

use super::{
    AuditError, Digest,
    segment::{self, Header, MAX_LINE_BYTES},
};

/// What a verified log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Number of segments.
    pub segments: u64,
    /// Number of entries.
    pub entries: u64,
    /// Chain after the last entry; compare it with what a witness remembers.
    pub chain: Digest,
    /// Bytes after the last whole entry: an entry being written, or torn by a crash.
    pub torn_bytes: u64,
}

/// Verifies the log in `dir`, without changing it: every header, every number and every link of
/// the chain, from the first entry to the last.
///
/// # Errors
/// [`AuditError::Broken`] at the first place where an entry was changed, dropped, added or moved;
/// [`AuditError::File`] when the log cannot be read.
pub fn verify(dir: &Path) -> Result<Summary, AuditError> {
    visit(dir, &mut |_, _| {})
}

/// Verifies the log in `dir` and shows each entry (its number and its JSON text) on the way,
/// after its link was verified.
///
/// # Errors
/// As [`verify`].
pub fn visit(dir: &Path, see: &mut dyn FnMut(u64, &str)) -> Result<Summary, AuditError> {
    let segments = segment::list(dir)?;
    let mut walk: Option<Walk> = None;
    let mut torn_bytes = 0;
    for (position, (first, path)) in segments.iter().enumerate() {
        let file = File::open(path).map_err(|source| AuditError::file("open", path, source))?;
        let mut reader = Lines::new(BufReader::new(file), path);
        let header = reader.header()?;
        let next = match walk.take() {
            None => Walk::begin(&header).filter(|begun| begun.next == 1),
            Some(walk) => walk.follow(&header),
        };
        let mut current = next
            .filter(|walk| walk.next == *first)
            .ok_or_else(|| reader.broken("the header does not continue the segment before it"))?;
        while let Some(line) = reader.line()? {
            let entry = current
                .step(&line)
                .ok_or_else(|| reader.broken("the entry is not the one that was written"))?;
            see(current.next.saturating_sub(1), entry);
        }
        torn_bytes = reader.rest;
        if torn_bytes > 0 && position + 1 < segments.len() {
            return Err(reader.broken("a segment before the last one is cut off"));
        }
        walk = Some(current);
    }
    Ok(Summary {
        segments: segments.len() as u64,
        entries: walk.as_ref().map_or(0, |walk| walk.next.saturating_sub(1)),
        chain: walk.map_or([0; 32], |walk| walk.chain),
        torn_bytes,
    })
}

/// Where a reader stands in the chain.
#[derive(Clone, Debug)]
pub(super) struct Walk {
    /// Identifier of the log.
    pub log: String,
    /// Number of the next entry.
    pub next: u64,
    /// Chain before it.
    pub chain: Digest,
}

impl Walk {
    /// Begins at a header. The first segment must begin with the chain that its log's
    /// identifier gives; what a later one begins with is for its predecessor to confirm.
    pub(super) fn begin(header: &Header) -> Option<Self> {
        let mut chain = [0; 32];
        hex::decode_to_slice(&header.chain, &mut chain).ok()?;
        let honest = header.first > 1 || chain == segment::origin(&header.log);
        honest.then(|| Self {
            log: header.log.clone(),
            next: header.first,
            chain,
        })
    }

    /// Goes on to the next segment, whose header must say the same.
    pub(super) fn follow(self, header: &Header) -> Option<Self> {
        (*header == Header::new(&self.log, self.next, &self.chain)).then_some(self)
    }

    /// Takes one line, without line end, and gives its entry.
    pub(super) fn step<'a>(&mut self, line: &'a [u8]) -> Option<&'a str> {
        let (digits, entry) = segment::split(line)?;
        let chain = segment::link(&self.chain, entry);
        let number = format!("{{\"i\":{},", self.next);
        if hex::encode(chain).as_bytes() != digits || !entry.starts_with(number.as_bytes()) {
            return None;
        }
        self.chain = chain;
        self.next = self.next.checked_add(1)?;
        std::str::from_utf8(entry).ok()
    }
}

/// The lines of one segment, each bounded.
pub(super) struct Lines<R> {
    reader: R,
    segment: String,
    line: u64,
    /// Bytes up to the end of the last whole line.
    pub whole: u64,
    /// Bytes after it, once the end was reached.
    pub rest: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R, path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default();
        Self {
            reader,
            segment: name.to_string_lossy().into_owned(),
            line: 0,
            whole: 0,
            rest: 0,
        }
    }

    pub(super) fn header(&mut self) -> Result<Header, AuditError> {
        let line = self.line()?;
        line.and_then(|line| Header::decode(&line))
            .ok_or_else(|| self.broken("the header is missing or not of this format"))
    }

    /// The next whole line without its end; `None` at the end, where a torn rest may stand.
    pub(super) fn line(&mut self) -> Result<Option<Vec<u8>>, AuditError> {
        let mut line = Vec::new();
        self.line += 1;
        let limit = MAX_LINE_BYTES as u64 + 1;
        let read = (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut line)
            .map_err(|source| AuditError::file("read", Path::new(&self.segment), source))?;
        if line.pop_if(|last| *last == b'\n').is_some() {
            self.whole += read as u64;
            return Ok(Some(line));
        }
        self.rest = read as u64;
        if read as u64 == limit {
            self.skip()?;
        }
        Ok(None)
    }

    /// Passes over a line that is longer than any entry. At the end of the file it is torn (a
    /// power cut may leave a long run of zeros); anywhere else it is not ours.
    fn skip(&mut self) -> Result<(), AuditError> {
        loop {
            let read = self
                .reader
                .fill_buf()
                .map_err(|source| AuditError::file("read", Path::new(&self.segment), source))?;
            let bytes = read.len();
            if bytes == 0 {
                return Ok(());
            }
            if read.contains(&b'\n') {
                return Err(self.broken("the line is longer than any entry"));
            }
            self.reader.consume(bytes);
            self.rest += bytes as u64;
        }
    }

    pub(super) fn broken(&self, what: &'static str) -> AuditError {
        AuditError::Broken {
            segment: self.segment.clone(),
            line: self.line,
            what,
        }
    }
}
