//! The programs under test, built from this checkout.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The operator and the sidecar, as `cargo build` leaves them.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub operator: PathBuf,
    pub sidecar: PathBuf,
}

/// Builds the programs once per process (a moment when nothing changed) and says where they are.
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["build", "--workspace", "--bins", "--locked"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(root())
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(output.status.success(), "the programs do not build");
        let executable = |name: &str| {
            String::from_utf8_lossy(&output.stdout)
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
                .filter(|message| message["target"]["name"] == name)
                .find_map(|message| message["executable"].as_str().map(PathBuf::from))
                .unwrap_or_else(|| panic!("cargo built no {name}"))
        };
        Binaries {
            operator: executable("finp2p-operator"),
            sidecar: executable("finp2p-sidecar"),
        }
    })
}

/// The top of this checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the checkout")
        .to_owned()
}
