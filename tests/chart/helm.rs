//! Helm, and the chart in this checkout.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use finp2p_tests::binaries::root;
use finp2p_tests::control_plane::parts::programs;
use serde_json::Value;
use tempfile::TempDir;

/// Release and namespace of all golden renderings, as in the README.
pub const RELEASE: &str = "finp2p";
pub const NAMESPACE: &str = "finp2p-system";

pub fn chart() -> PathBuf {
    root().join("charts/finp2p")
}

/// Values files of the tests, by name.
pub fn values(name: &str) -> PathBuf {
    chart().join(format!("tests/values/{name}.yaml"))
}

/// Helm with folders of its own: nothing of the user's is read or written.
pub fn helm(arguments: &[&str]) -> Command {
    static HOME: OnceLock<(PathBuf, TempDir)> = OnceLock::new();
    let (program, home) = HOME.get_or_init(|| {
        let [program] = programs(["helm"]);
        (program, TempDir::new().unwrap())
    });
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("HELM_CACHE_HOME", home.path().join("cache"))
        .env("HELM_CONFIG_HOME", home.path().join("config"))
        .env("HELM_DATA_HOME", home.path().join("data"))
        .env_remove("KUBECONFIG")
        .current_dir(root());
    command
}

/// Standard output, or standard error.
pub fn run(mut command: Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().expect("it starts");
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The rendering with a values file and more arguments.
pub fn template(file: &Path, more: &[&str]) -> Result<String, String> {
    let file = file.to_str().unwrap();
    let mut arguments = vec![
        "template",
        RELEASE,
        "charts/finp2p",
        "-n",
        NAMESPACE,
        "-f",
        file,
    ];
    arguments.extend(more);
    run(helm(&arguments))
}

/// The objects of a rendering.
pub fn objects(rendering: &str) -> Vec<Value> {
    serde_yaml::Deserializer::from_str(rendering)
        .map(|document| {
            let object: serde_yaml::Value = serde::Deserialize::deserialize(document).unwrap();
            serde_json::to_value(object).unwrap()
        })
        .filter(|object: &Value| !object.is_null())
        .collect()
}
