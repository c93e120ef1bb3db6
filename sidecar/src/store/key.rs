//! The store key: 32 bytes that the operator gives, which wrap the data key and nothing else.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::Path,
    sync::Arc,
};

use rand::TryRng as _;
use zeroize::Zeroizing;

use super::{StoreError, sealed::tag};

/// Longest key file that is read: 64 hex digits and a line end, and one byte to notice more.
const MAX_FILE_BYTES: u64 = 67;

/// The key that opens a store. Wiped from memory when dropped and never printed.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; 32]>);

impl StoreKey {
    /// A fresh random key.
    ///
    /// # Errors
    /// [`StoreError::Random`].
    pub fn generate() -> Result<Self, StoreError> {
        Ok(Self(random::<32>()?.into()))
    }

    /// Reads a key file: exactly 32 bytes, or 64 hex digits with or without a line end.
    ///
    /// # Errors
    /// [`StoreError::File`] when it cannot be read, [`StoreError::KeyExposed`] when others can
    /// read it, [`StoreError::KeyFile`] when it holds no key.
    pub fn read(path: &Path) -> Result<Self, StoreError> {
        let fail = |source| StoreError::file("read the store key from", path, source);
        // Opened once: what is looked at is what is read.
        let file = File::open(path).map_err(fail)?;
        let about = file.metadata().map_err(fail)?;
        let us = rustix::process::geteuid().as_raw();
        if is_exposed(about.mode(), about.uid(), us) {
            return Err(StoreError::KeyExposed {
                path: path.to_owned(),
                mode: about.mode() & 0o777,
            });
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(128));
        let read = file.take(MAX_FILE_BYTES).read_to_end(&mut bytes);
        read.map_err(fail)?;
        let mut key = Zeroizing::new([0; 32]);
        let digits = bytes.trim_ascii_end();
        if bytes.len() == 32 {
            key.copy_from_slice(&bytes);
        } else if hex::decode_to_slice(digits, key.as_mut_slice()).is_err() {
            let odd = digits.iter().position(|byte| !byte.is_ascii_hexdigit());
            let not_hex = odd.filter(|_| digits.len() == 64);
            return Err(StoreError::KeyFile {
                path: path.to_owned(),
                bytes: bytes.len(),
                not_hex: not_hex.map(|position| position + 1),
            });
        }
        Ok(Self(key))
    }

    /// Writes the key to a new file that only its owner can read, as 64 hex digits.
    ///
    /// # Errors
    /// [`StoreError::File`], also when the file exists: a store key is never overwritten.
    pub fn write_new(&self, path: &Path) -> Result<(), StoreError> {
        let digits = Zeroizing::new(hex::encode(self.0.as_slice()));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(digits.as_bytes())?;
                file.write_all(b"\n")?;
                file.sync_all()
            })
            .map_err(|source| StoreError::file("write the store key to", path, source))
    }

    /// Names the key without telling it: 16 hex digits.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let [a, b, c, d, e, f, g, h, ..] = tag(&self.0, b"finp2p/store-key/fingerprint/1", &[]);
        hex::encode([a, b, c, d, e, f, g, h])
    }

    /// The key that wraps data keys.
    pub(super) fn wrapping(&self) -> Zeroizing<[u8; 32]> {
        tag(&self.0, b"finp2p/store-key/wrap/1", &[]).into()
    }
}

impl From<[u8; 32]> for StoreKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreKey({})", self.fingerprint())
    }
}

/// Whether a file of this mode and owner can be used by more than the node `us`.
///
/// Never may everybody. A group may where the file is another's: a Secret in a pod belongs to
/// root, and `fsGroup` opens it (mode 0440) to the pod's group, which is how a node that is not
/// root gets to read it. A file of our own needs no group.
fn is_exposed(mode: u32, owner: u32, us: u32) -> bool {
    mode & 0o007 != 0 || (mode & 0o070 != 0 && owner == us)
}

/// Random bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StoreError> {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .map_err(|_| StoreError::Random)?;
    Ok(bytes)
}

impl StoreError {
    pub(super) fn file(step: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::File {
            step,
            path: path.to_owned(),
            source: Arc::new(source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8], mode: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::write(path, bytes).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_mend() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        for mode in [0o604, 0o602, 0o601, 0o640, 0o620, 0o666] {
            write(&path, &[0xab; 32], mode);
            let refused = StoreKey::read(&path).unwrap_err();
            assert!(matches!(refused, StoreError::KeyExposed { mode: told, .. } if told == mode));
            let told = refused.to_string();
            assert!(told.contains("chmod 600"), "{told}");
            assert!(told.contains(&format!("{mode:04o}")), "{told}");
        }
        for mode in [0o600, 0o400] {
            write(&path, &[0xab; 32], mode);
            assert!(StoreKey::read(&path).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_group_may_read_what_is_not_the_nodes_own_and_the_world_may_read_nothing() {
        let (root, node) = (0, 1000);
        // A Secret volume: plain, and with fsGroup.
        assert!(!is_exposed(0o100_400, root, node));
        assert!(!is_exposed(0o100_440, root, node));
        assert!(is_exposed(0o100_444, root, node));
        // A file on somebody's own disk.
        assert!(!is_exposed(0o100_600, node, node));
        assert!(is_exposed(0o100_640, node, node));
        assert!(is_exposed(0o100_604, node, node));
    }

    #[test]
    fn reads_bytes_and_hex_digits_and_refuses_the_rest() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        let key = StoreKey::from([0xab; 32]);
        write(&path, b"", 0o600);
        for good in [
            vec![0xab; 32],
            b"ab".repeat(32),
            [b"ab".repeat(32), b"\n".into()].concat(),
        ] {
            std::fs::write(&path, good).unwrap();
            assert_eq!(*StoreKey::read(&path).unwrap().0, *key.0);
        }
        for bad in [
            vec![],
            vec![0; 31],
            vec![0; 33],
            b"xy".repeat(32),
            b"ab".repeat(33),
        ] {
            std::fs::write(&path, bad).unwrap();
            let refused = StoreKey::read(&path);
            assert!(matches!(refused, Err(StoreError::KeyFile { .. })));
        }
    }

    #[test]
    fn a_key_with_a_flipped_bit_is_told_by_its_place_and_never_by_its_value() {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        let told = |bytes: &[u8]| {
            write(&path, bytes, 0o600);
            StoreKey::read(&path).unwrap_err().to_string()
        };
        let mut digits = [b"ab".repeat(32), b"\n".into()].concat();
        digits[16] ^= 0x10;
        let flipped = told(&digits);
        assert!(
            flipped.contains("character 17 of its 64 is no hex digit"),
            "{flipped}"
        );
        assert!(
            !flipped.contains("65 bytes") && !flipped.contains("abab"),
            "{flipped}"
        );
        let short = told(&digits[..40]);
        assert!(short.contains("it holds 40 bytes"), "{short}");
    }

    #[test]
    fn writes_a_file_for_its_owner_only_and_never_over_another() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("store.key");
        let key = StoreKey::generate().unwrap();
        key.write_new(&path).unwrap();
        assert_eq!(*StoreKey::read(&path).unwrap().0, *key.0);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(matches!(key.write_new(&path), Err(StoreError::File { .. })));
    }

    #[test]
    fn prints_its_fingerprint_only() {
        let shown = format!("{:?}", StoreKey::from([0xab; 32]));
        assert!(!shown.contains("abab") && !shown.contains("171"), "{shown}");
    }
}
