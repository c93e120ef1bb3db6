//! A temporary folder that goes with its process, also when that is killed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Removes the folder when its standard input closes: in good order, or because the process that
/// held the other end is gone. A few attempts, as the programs that write there are just being
/// killed.
const REMOVE: &str =
    r#"read -r _; for try in 1 2 3 4 5 6 7 8 9 10; do rm -rf "$1" && exit; sleep 0.1; done"#;

/// The folder; removed on drop, and at the end of the process.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    remover: Child,
}

impl Folder {
    pub fn make() -> std::io::Result<Self> {
        let path = tempfile::Builder::new()
            .prefix("finp2p-control-plane-")
            .tempdir()?
            .keep();
        let remover = Command::new("sh")
            .args(["-c", REMOVE, "remover"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0) // Ctrl-C is for us
            .spawn()?;
        Ok(Self { path, remover })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(self.remover.stdin.take());
        let _status = self.remover.wait();
    }
}
