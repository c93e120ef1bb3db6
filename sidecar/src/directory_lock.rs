//! One process per directory: an advisory lock on the file `lock` inside it.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
};

/// A held lock; given back when dropped, and by the kernel when the process dies.
pub(crate) struct DirectoryLock(File);

impl DirectoryLock {
    /// Takes the lock of `dir`; `None` when another process, or this one, holds it.
    pub(crate) fn take(dir: &Path) -> io::Result<Option<Self>> {
        let file = File::create(dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for DirectoryLock {
    fn drop(&mut self) {
        // Closing is not enough: a process that was forked off in between holds the file open
        // until it runs its own program. If unlocking fails, closing is what is left.
        let _ = self.0.unlock();
    }
}
