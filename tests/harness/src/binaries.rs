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

/// Where the programs are: beside this one, or built once per process (a moment when nothing
/// changed).
pub fn binaries() -> &'static Binaries {
    static BINARIES: OnceLock<Binaries> = OnceLock::new();
    BINARIES.get_or_init(|| beside().unwrap_or_else(build))
}

/// The programs in the folder of this one: the demo was built together with them.
fn beside() -> Option<Binaries> {
    let folder = std::env::current_exe().ok()?.parent()?.to_owned();
    let found = Binaries {
        operator: folder.join("finp2p-operator"),
        sidecar: folder.join("finp2p-sidecar"),
    };
    (found.operator.is_file() && found.sidecar.is_file()).then_some(found)
}

fn build() -> Binaries {
    let mut cargo = Command::new(env!("CARGO"));
    // What cargo tells a test about its package would make build scripts that look at it (ring's) run
    // again, and everything above them compile again, here and in the next suite.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    let output = cargo
        // As the suites build them: with other features most of it would be built once more.
        .args(["test", "--workspace", "--no-run", "--locked"])
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
            .filter(|message| {
                message["target"]["name"] == name && message["profile"]["test"] == false
            })
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .unwrap_or_else(|| panic!("cargo built no {name}"))
    };
    Binaries {
        operator: executable("finp2p-operator"),
        sidecar: executable("finp2p-sidecar"),
    }
}

/// The top of this checkout.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the checkout")
        .to_owned()
}
