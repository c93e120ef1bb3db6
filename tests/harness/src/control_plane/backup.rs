//! etcd as it was: what an administrator restores after an accident.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use super::parts::parts;
use super::{ControlPlane, Part, end};
use crate::banks::copy;

/// A copy of etcd's data.
#[derive(Debug)]
pub struct Backup {
    folder: PathBuf,
}

impl ControlPlane {
    /// Copies etcd's data. etcd is away for a moment; the API server goes on.
    ///
    /// # Panics
    /// When etcd or the copy fails.
    pub fn back_up(&self) -> Backup {
        let number = self.backups.fetch_add(1, Ordering::Relaxed);
        let folder = self.folder().join(format!("backup-{number}"));
        self.stop_etcd();
        copy(&self.data(), &folder).expect("a copy");
        self.start_process(Part::Etcd, parts())
            .and_then(|()| self.until_ready())
            .unwrap_or_else(|why| panic!("{why}"));
        Backup { folder }
    }

    /// Puts the data back and starts everything again at the same address, as if nothing had
    /// happened since. Resource versions go back too.
    ///
    /// # Panics
    /// When something does not come up.
    pub fn restore(&self, backup: &Backup) {
        end(&self.controllers);
        end(&self.api_server);
        self.stop_etcd();
        fs::remove_dir_all(self.data()).expect("the data can be removed");
        copy(&backup.folder, &self.data()).expect("a copy");
        self.start_process(Part::Etcd, parts())
            .and_then(|()| self.start_process(Part::ApiServer, parts()))
            .and_then(|()| self.until_ready())
            .and_then(|()| self.start_process(Part::Controllers, parts()))
            .unwrap_or_else(|why| panic!("{why}"));
    }

    fn stop_etcd(&self) {
        let process = self.etcd.lock().expect("nobody panics with it").take();
        let mut process = process.expect("etcd runs");
        process.stop().expect("etcd ends in good order");
    }
}
