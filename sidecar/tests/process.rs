//! The sidecar as a process, with what only a process has: arguments, standard streams, the mode
//! of its files.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder with what a node needs, and its state.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::write(home.path("store.key"), "07".repeat(32)).unwrap();
        home.set_mode("store.key", 0o600);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), Permissions::from_mode(mode)).unwrap();
    }

    /// The sidecar, listening there, which ends in good order as soon as it has started.
    fn sidecar_on(&self, listen: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_finp2p-sidecar"));
        command
            .args(["--listen", listen])
            .args(["--api", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
            .arg("--config")
            .arg(self.path("config"))
            .arg("--state")
            .arg(self.path("state"))
            .arg("--store-key")
            .arg(self.path("store.key"))
            .arg("--until-stdin-closes")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }

    fn sidecar(&self) -> Command {
        self.sidecar_on("/ip4/127.0.0.1/tcp/0")
    }
}

/// What a node says that does not start.
fn refusal(command: &mut Command) -> String {
    let ended = command.output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success(), "it started: {said}");
    said
}

fn starts(command: &mut Command) {
    let ended = command.output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{said}");
}

#[test]
fn a_log_on_a_full_disk_does_not_end_the_node() {
    let home = Home::new();
    let full = File::options().write(true).open("/dev/full").unwrap();
    // It said that it starts and that it stops, in vain, and ended in good order.
    let ended = home.sidecar().stderr(full).status().unwrap();
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn an_address_that_nobody_can_reach_is_refused_before_anything_is_made() {
    for (listen, why) in [
        ("/ip4/127.0.0.1/udp/4001", "TCP only"),
        ("/ip4/127.0.0.1", "no port"),
        ("127.0.0.1:4001", "not a multiaddr"),
    ] {
        let home = Home::new();
        let said = refusal(&mut home.sidecar_on(listen));
        assert!(said.contains(why) && said.contains("--listen"), "{said}");
        assert!(said.contains("/ip4/0.0.0.0/tcp/4001"), "{said}");
        assert!(!home.path("state").exists());
    }
    starts(&mut Home::new().sidecar_on("/ip6/::1/tcp/0"));
}

#[test]
fn a_log_level_that_does_not_exist_is_refused_before_anything_is_made() {
    let home = Home::new();
    for log in ["infoo", "debug,finp2p_sidecar", ""] {
        let said = refusal(home.sidecar().arg(format!("--log={log}")));
        assert!(said.contains("write off, error, warn, info"), "{said}");
        assert!(!home.path("state").exists());
    }
    starts(home.sidecar().args(["--log", "warn, libp2p=error"]));
}

#[test]
fn a_store_key_that_everybody_can_read_is_refused() {
    let home = Home::new();
    home.set_mode("store.key", 0o644);
    let said = refusal(&mut home.sidecar());
    assert!(said.contains("chmod 600"), "{said}");
    home.set_mode("store.key", 0o600);
    starts(&mut home.sidecar());
}
