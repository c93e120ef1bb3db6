//! The real Kubernetes programs, built from source once per version by `tests/suites/parts`.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::binaries::root;

/// What a control plane is made of.
#[derive(Clone, Debug)]
pub struct Parts {
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kubectl: PathBuf,
}

/// The parts that every control plane needs. Says on standard error when it builds.
///
/// # Panics
/// When they cannot be built; what to do is on standard error.
pub fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| {
        let [etcd, kube_apiserver, kubectl] = programs(["etcd", "kube-apiserver", "kubectl"]);
        Parts {
            etcd,
            kube_apiserver,
            kubectl,
        }
    })
}

/// Paths of programs by name, built when they are not there: `helm`, `kstatus`, …
///
/// # Panics
/// When they cannot be built; what to do is on standard error.
pub fn programs<const N: usize>(names: [&str; N]) -> [PathBuf; N] {
    let output = Command::new(root().join("tests/suites/parts"))
        .args(names)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit()) // progress, past the capture of the test
        .output()
        .expect("tests/suites/parts runs");
    assert!(output.status.success(), "{names:?} cannot be built");
    let folders = String::from_utf8(output.stdout).expect("paths are text");
    let folders: Vec<&str> = folders.lines().collect();
    std::array::from_fn(|n| PathBuf::from(folders[n]).join(names[n]))
}
