//! Which files are read, and their text: sorted, bounded, and never a panic for a loop of
//! symbolic links, a pipe or a folder without permission.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::limits;
use crate::finding::Finding;

/// Extensions of files that hold manifests.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// What a folder holds, sorted by name. Hidden entries and other files are not listed.
#[derive(Debug, Default)]
pub struct Listing {
    /// Manifest files.
    pub files: Vec<PathBuf>,
    /// Sub-folders.
    pub folders: Vec<PathBuf>,
}

/// A path as it is printed.
pub fn printed(path: &Path) -> String {
    path.to_string_lossy()
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// Lists a folder.
///
/// # Errors
/// A finding when it cannot be listed whole.
pub fn list(folder: &Path) -> Result<Listing, Box<Finding>> {
    let unreadable = |error: &std::io::Error| Box::new(not_readable(&printed(folder), error));
    let mut listing = Listing::default();
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(&error))? {
        if entries.len() >= limits::MAX_FILES {
            return Err(Box::new(too_many_files(&printed(folder))));
        }
        let entry = entry.map_err(|error| unreadable(&error))?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            entries.push(entry.path());
        }
    }
    entries.sort();
    for path in entries {
        if is_manifest(&path) {
            listing.files.push(path);
        } else if path.is_dir() {
            listing.folders.push(path);
        }
    }
    Ok(listing)
}

fn is_manifest(path: &Path) -> bool {
    path.extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| EXTENSIONS.contains(&extension))
}

/// Reads a file, found in a folder or named: regular files only, or a pipe would be waited for, for
/// ever if nobody writes. What the shell hands over as a descriptor, `<(COMMAND)`, has its writer.
///
/// # Errors
/// A finding when it is not a regular file, too large, unreadable or not UTF-8.
pub fn read_regular(path: &Path, budget: usize) -> Result<String, Box<Finding>> {
    let name = printed(path);
    let unreadable = |error: std::io::Error| Box::new(not_readable(&name, &error));
    let is_handed_over = path.starts_with("/dev/fd") || path == Path::new("/dev/stdin");
    if !is_handed_over && !std::fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Box::new(Finding::error(
            &name,
            "FileUnreadable",
            "not a regular file",
            "give a file, or - to read what a pipe brings from standard input",
        )));
    }
    let file = File::open(path).map_err(unreadable)?;
    read_text(&name, file, budget)
}

/// Reads text of at most `budget` bytes and [`limits::FILE_MAX_BYTES`].
///
/// # Errors
/// A finding when it is too large, unreadable or not UTF-8.
pub fn read_text(name: &str, source: impl Read, budget: usize) -> Result<String, Box<Finding>> {
    let most = limits::FILE_MAX_BYTES.min(budget);
    let mut bytes = Vec::new();
    source
        .take(u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| Box::new(not_readable(name, &error)))?;
    if bytes.len() > most {
        return Err(Box::new(Finding::error(
            name,
            "FileTooLarge",
            format!(
                "larger than {most} bytes, the most that is read of a file or was left of the {} for all files",
                limits::TOTAL_MAX_BYTES
            ),
            "split it into smaller files, or validate fewer at once",
        )));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = error.as_bytes().get(..valid).unwrap_or_default();
        let line = before
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
            .saturating_add(1);
        Box::new(
            Finding::error(name, "NotUtf8", "not UTF-8 text", "save the file as UTF-8")
                .at(u32::try_from(line).unwrap_or(u32::MAX), 1),
        )
    })?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(rest) => rest.to_owned(),
        None => text,
    })
}

fn not_readable(name: &str, error: &std::io::Error) -> Finding {
    Finding::error(
        name,
        "FileUnreadable",
        format!("cannot be read: {error}"),
        "check that it exists and may be read",
    )
}

fn too_many_files(name: &str) -> Finding {
    Finding::error(
        name,
        "TooManyFiles",
        format!("more than {} files", limits::MAX_FILES),
        "put several objects into one file, or validate fewer at once",
    )
}
