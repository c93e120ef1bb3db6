//! The sidecar as a process, with what only a process has: standard streams.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::fs::{self, File};
use std::process::{Command, Stdio};

#[test]
fn a_log_on_a_full_disk_does_not_end_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("store.key"), "07".repeat(32)).unwrap();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let mut node = Command::new(env!("CARGO_BIN_EXE_finp2p-sidecar"))
        .args(["--listen", "/ip4/127.0.0.1/tcp/0"])
        .args(["--api", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
        .arg("--config")
        .arg(path("config"))
        .arg("--state")
        .arg(path("state"))
        .arg("--store-key")
        .arg(path("store.key"))
        .arg("--until-stdin-closes")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .unwrap();
    drop(node.stdin.take());
    // It said that it starts and that it stops, in vain, and ended in good order.
    assert_eq!(node.wait().unwrap().code(), Some(0));
}
