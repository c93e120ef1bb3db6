//! The folder of token files, looked at while the node runs.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use crate::api::auth::Tokens;

/// The folder of token files, read when one of them was changed.
#[derive(Debug)]
pub struct TokenFolder {
    folder: PathBuf,
    tokens: Arc<Tokens>,
    seen: Option<BTreeMap<PathBuf, SystemTime>>,
    told: Vec<String>,
}

impl TokenFolder {
    /// Loads into `tokens`; nothing is read yet.
    pub fn new(folder: PathBuf, tokens: Arc<Tokens>) -> Self {
        Self {
            folder,
            tokens,
            seen: None,
            told: Vec::new(),
        }
    }

    /// Reads the folder if it was changed.
    pub fn load(&mut self) {
        let now = std::fs::read_dir(&self.folder).ok().map(|files| {
            files
                .filter_map(|file| Some(file.ok()?.path()))
                .filter_map(|path| Some((path.clone(), path.metadata().ok()?.modified().ok()?)))
                .collect::<BTreeMap<_, _>>()
        });
        if now.is_some() && now == self.seen {
            return;
        }
        self.seen = now;
        let errors = self.tokens.load(&self.folder);
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        for error in errors.iter().filter(|error| !self.told.contains(error)) {
            tracing::warn!("{error}");
        }
        self.told = errors;
    }
}
