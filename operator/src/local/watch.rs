//! When the folder may be read: the stamps of its manifests, and when they have settled.
//!
//! A file is read when two looks in a row saw the same stamps, so that a file that is being
//! written is left alone, and what was read counts only if the stamps are still the same
//! afterwards. A file that was emptied is waited for longer: that is how many programs begin to
//! write, and taken for the truth it would delete everything the file held. A file that never
//! becomes quiet holds up the others for a second; then they are read without it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::manifest::files;

/// How often the folder is looked at. An edit is read after two looks; a look at a hundred files
/// takes less than a millisecond.
pub const LOOK_EVERY: Duration = Duration::from_millis(25);
/// Looking takes at most one part in so many of the time: a folder of ten thousand files is then
/// looked at less often instead of keeping a core busy.
const IDLE_SHARE: u32 = 20;
/// How long a file that was emptied may stay empty before that is believed.
const EMPTIED_FOR: Duration = Duration::from_secs(1);

/// How long files may go on being written before the others are read without them.
const UNSETTLED_FOR: Duration = Duration::from_secs(1);

/// What tells that a file was written or replaced, without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// The stamp of one file; `None` when there is none.
pub fn stamp(path: &Path) -> Option<FileStamp> {
    fs::metadata(path).ok().map(|m| FileStamp::of(&m))
}

/// Whether a file is the one that had a stamp.
pub fn is_still(path: &Path, before: Option<FileStamp>) -> bool {
    before.is_some() && stamp(path) == before
}

/// The manifests of a folder as they are at one moment; a file that cannot be asked has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(BTreeMap<PathBuf, Option<FileStamp>>);

/// Looks at the manifests directly in `directory` and one folder below.
pub fn look(directory: &Path) -> Stamps {
    let mut stamps = BTreeMap::new();
    let mut add = |path: PathBuf| {
        let stamp = stamp(&path);
        stamps.insert(path, stamp);
    };
    match files::list(directory) {
        Ok(listing) => {
            listing.files.into_iter().for_each(&mut add);
            for folder in listing.folders {
                match files::list(&folder) {
                    Ok(inner) => inner.files.into_iter().for_each(&mut add),
                    // Its own identity then tells when it can be listed again.
                    Err(_) => add(folder),
                }
            }
        }
        Err(_) => add(directory.to_owned()),
    }
    Stamps(stamps)
}

impl Stamps {
    /// Files that are not the same in both.
    fn differences(&self, other: &Self) -> BTreeSet<PathBuf> {
        let paths = self.0.keys().chain(other.0.keys());
        paths
            .filter(|path| self.0.get(*path) != other.0.get(*path))
            .cloned()
            .collect()
    }

    /// Whether a file that held something before is empty now.
    fn emptied_since(&self, before: &Self) -> bool {
        let is_empty = |stamp: &Option<FileStamp>| stamp.is_some_and(|i| i.bytes == 0);
        self.0
            .iter()
            .any(|(path, now)| is_empty(now) && before.0.get(path).is_some_and(|b| !is_empty(b)))
    }
}

/// Decides when a folder has settled. Time is an input, since any fixed moment.
#[derive(Debug, Default)]
pub struct Settling {
    read: Option<Stamps>,
    seen: Option<Seen>,
}

/// An edit that was seen and not read yet.
#[derive(Debug)]
struct Seen {
    stamps: Stamps,
    /// Since when the stamps are these.
    since: Duration,
    /// Since when they differ from what was read.
    edited: Duration,
    /// When the folder is read although it has not settled: files that are being written.
    unsettled: BTreeSet<PathBuf>,
}

impl Settling {
    /// Takes note of a look. Returns whether the folder should be read now.
    pub fn see(&mut self, stamps: Stamps, now: Duration) -> bool {
        if self.read.as_ref() == Some(&stamps) {
            self.seen = None;
            return false;
        }
        let Some(seen) = &mut self.seen else {
            self.seen = Some(Seen {
                stamps,
                since: now,
                edited: now,
                unsettled: BTreeSet::new(),
            });
            return false;
        };
        let moving = seen.stamps.differences(&stamps);
        if moving.is_empty() {
            seen.unsettled.clear();
            let emptied = (self.read.as_ref()).is_some_and(|read| stamps.emptied_since(read));
            return !emptied || now.saturating_sub(seen.since) >= EMPTIED_FOR;
        }
        seen.stamps = stamps;
        seen.since = now;
        seen.unsettled = moving;
        now.saturating_sub(seen.edited) >= UNSETTLED_FOR
    }

    /// What was read counts if the folder is still as it was seen, or if it was waited for long
    /// enough. Returns the files that nevertheless do not count, because they were being written.
    pub fn read(&mut self, stamps_afterwards: Stamps) -> Option<BTreeSet<PathBuf>> {
        let mut seen = self.seen.take()?;
        let moving = seen.stamps.differences(&stamps_afterwards);
        if !moving.is_empty() && seen.unsettled.is_empty() {
            // It had settled, and now it has not: it is waited for again, but not for ever.
            seen.stamps = stamps_afterwards;
            self.seen = Some(seen);
            return None;
        }
        seen.unsettled.extend(moving);
        let mut read = stamps_afterwards;
        for path in &seen.unsettled {
            // Different from whatever is seen next, so that it is read once it is quiet.
            read.0.insert(path.clone(), None);
        }
        self.read = Some(read);
        Some(seen.unsettled)
    }
}

/// When to look again after a look that took so long.
pub fn pause_after(look_took: Duration) -> Duration {
    LOOK_EVERY.max(look_took * IDLE_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    struct Scene {
        folder: tempfile::TempDir,
        settling: Settling,
    }

    impl Scene {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir(folder.path().join("bank-a")).unwrap();
            let mut scene = Self {
                folder,
                settling: Settling::default(),
            };
            scene.write("one: 1\n");
            assert!(!scene.see(0));
            assert!(scene.see(25));
            scene.take().unwrap();
            scene
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("bank-a/policy.yaml")
        }

        /// By rename, so that its stamp differs whatever the clock of the file system says.
        fn write(&mut self, text: &str) {
            let beside = self.folder.path().join("beside");
            fs::write(&beside, text).unwrap();
            fs::rename(beside, self.path()).unwrap();
        }

        fn see(&mut self, now: u32) -> bool {
            self.settling.see(look(self.folder.path()), MS * now)
        }

        fn take(&mut self) -> Option<BTreeSet<PathBuf>> {
            self.settling.read(look(self.folder.path()))
        }
    }

    #[test]
    fn an_edit_is_read_at_the_second_look_that_sees_it_and_once() {
        let mut scene = Scene::new();
        assert!(!scene.see(50), "nothing was edited");
        scene.write("one: 2\n");
        assert!(!scene.see(75));
        assert!(scene.see(100));
        assert_eq!(scene.take(), Some(BTreeSet::new()));
        assert!(!scene.see(125) && !scene.see(150));
    }

    #[test]
    fn a_file_that_is_being_written_is_left_alone() {
        let mut scene = Scene::new();
        for step in 1..20_u32 {
            scene.write(&"x".repeat(step as usize));
            assert!(!scene.see(step * 25), "written between every two looks");
        }
        assert!(scene.see(20 * 25));
    }

    #[test]
    fn a_file_that_never_becomes_quiet_holds_up_the_others_for_a_second_only() {
        let mut scene = Scene::new();
        let step = |scene: &mut Scene, now: u32| {
            scene.write(&"x".repeat(now as usize));
            scene.see(now)
        };
        assert!((50..1050).step_by(25).all(|now| !step(&mut scene, now)));
        assert!(step(&mut scene, 1050));
        let unsettled = [scene.path()].into();
        assert_eq!(scene.take(), Some(unsettled));
        assert!(!scene.see(1075));
        assert!(scene.see(1100), "it is read when it is quiet at last");
        assert_eq!(scene.take(), Some(BTreeSet::new()));
        assert!(!scene.see(1125));
    }

    #[test]
    fn what_was_read_while_somebody_wrote_does_not_count() {
        let mut scene = Scene::new();
        scene.write("one: 2\n");
        assert!(!scene.see(50));
        assert!(scene.see(75));
        scene.write("one: 3\n");
        assert_eq!(scene.take(), None, "edited during the reading");
        assert!(scene.see(100));
        assert_eq!(scene.take(), Some(BTreeSet::new()));
    }

    #[test]
    fn an_emptied_file_is_believed_only_after_a_second() {
        let mut scene = Scene::new();
        scene.write("");
        assert!(!scene.see(1000) && !scene.see(1025) && !scene.see(1999));
        assert!(scene.see(2000));
        scene.take().unwrap();
        scene.write("one: 1\n");
        assert!(!scene.see(2025));
        assert!(scene.see(2050), "filling it again is an ordinary edit");
    }

    #[test]
    fn a_file_that_goes_or_comes_is_an_edit() {
        let mut scene = Scene::new();
        fs::remove_file(scene.path()).unwrap();
        assert!(!scene.see(50));
        assert!(scene.see(75));
        scene.take().unwrap();
        scene.write("one: 1\n");
        assert!(!scene.see(100));
        assert!(scene.see(125));
    }

    #[test]
    fn a_folder_that_cannot_be_listed_differs_from_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert_ne!(look(&folder.path().join("gone")), look(folder.path()));
    }

    #[test]
    fn a_large_folder_is_looked_at_less_often() {
        assert_eq!(pause_after(MS), LOOK_EVERY);
        assert_eq!(pause_after(MS * 10), MS * 200);
    }
}
