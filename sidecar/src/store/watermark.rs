//! The watermark: the highest revision that was acknowledged, in a file beside the rows.
//!
//! The database takes a damaged end of its file for a torn one and opens without it. The
//! watermark turns that silent loss into an error. It is written after the rows are durable and
//! not itself synced on every commit: a power cut may leave it too low, which alarms nobody, and
//! never too high. It guards against accidents, not against whoever can replace the whole volume.
//!
//! Two slots of 64 bytes, used in turn, so that a torn write leaves the other one:
//! revision(8) ‖ HMAC-SHA-256(32) ‖ zeros.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
};

use subtle::ConstantTimeEq as _;

use super::{
    StoreError,
    keyring::replace,
    sealed::{Sealer, tag},
};

const FILE: &str = "watermark";
const SLOT_BYTES: usize = 64;

/// The open file.
pub(super) struct Watermark(File);

/// Whether a store has a watermark: whether it was ever whole.
pub(super) fn exists(dir: &Path) -> bool {
    dir.join(FILE).exists()
}

/// The highest revision that is known to have been acknowledged; `None` when there is no file.
pub(super) fn read(dir: &Path, sealer: &Sealer) -> Result<Option<u64>, StoreError> {
    let path = dir.join(FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::file("open", &path, source)),
    };
    let mut slots = [0; 2 * SLOT_BYTES];
    match file.read_exact_at(&mut slots, 0) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
            return Err(StoreError::WatermarkDamaged);
        }
        read => read.map_err(|source| StoreError::file("read", &path, source))?,
    }
    let (slots, _) = slots.as_chunks::<SLOT_BYTES>();
    let revisions = slots.iter().filter_map(|slot| decode(slot, sealer));
    let highest = revisions.max().ok_or(StoreError::WatermarkDamaged)?;
    Ok(Some(highest))
}

impl Watermark {
    /// Writes the file anew with `revision` in both slots, durably, and keeps it open.
    pub(super) fn create(dir: &Path, sealer: &Sealer, revision: u64) -> Result<Self, StoreError> {
        let slot = encode(revision, sealer);
        replace(dir, FILE, &[slot, slot].concat())?;
        let path = dir.join(FILE);
        let file = OpenOptions::new().read(true).write(true).open(&path);
        file.map(Self)
            .map_err(|source| StoreError::file("open", &path, source))
    }

    /// Raises the mark. Survives the process, not yet a power cut.
    pub(super) fn raise(&self, sealer: &Sealer, revision: u64) -> io::Result<()> {
        let offset = (revision % 2) * SLOT_BYTES as u64;
        self.0.write_all_at(&encode(revision, sealer), offset)
    }
}

fn encode(revision: u64, sealer: &Sealer) -> [u8; SLOT_BYTES] {
    let number = revision.to_be_bytes();
    let mac = tag(&sealer.watermark, b"revision", &[&number]);
    let mut slot = [0; SLOT_BYTES];
    for (to, from) in slot.iter_mut().zip(number.into_iter().chain(mac)) {
        *to = from;
    }
    slot
}

fn decode(slot: &[u8; SLOT_BYTES], sealer: &Sealer) -> Option<u64> {
    let revision = u64::from_be_bytes(*slot.first_chunk()?);
    let honest: bool = encode(revision, sealer).ct_eq(slot).into();
    honest.then_some(revision)
}
