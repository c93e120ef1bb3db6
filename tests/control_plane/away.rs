//! API servers that go away, come back, and forget.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use finp2p_tests::control_plane::{ControlPlane, Settings};
use finp2p_tests::{process, wait};
use serde_json::{Value, json};

/// Longest until the kernel has killed what was bound to a process, on a busy machine.
const GONE: Duration = Duration::from_secs(30);

#[test]
fn an_api_server_comes_back_as_it_was_and_as_it_was_before() {
    let cluster = ControlPlane::start(Settings {
        controllers: false,
        ..Settings::default()
    });
    let value = |cluster: &ControlPlane| -> Value {
        cluster.admin().get("configmaps", "default", "x").unwrap()["data"]["is"].clone()
    };
    let body = json!({"metadata": {"name": "x"}, "data": {"is": "old"}});
    cluster
        .admin()
        .create("configmaps", "default", &body)
        .unwrap();
    let backup = cluster.back_up();
    let patch = json!({"data": {"is": "new"}});
    cluster
        .admin()
        .patch("configmaps", "default", "x", &patch)
        .unwrap();

    cluster.kill_api_server();
    assert_eq!(
        cluster
            .admin()
            .get("configmaps", "default", "x")
            .unwrap_err()
            .code,
        0
    );
    cluster.start_api_server();
    assert_eq!(value(&cluster), "new");

    cluster.pause_api_server();
    let silent = cluster
        .admin()
        .kubectl(&["get", "configmap", "x", "--request-timeout=1s"]);
    assert!(!silent.success, "{silent:?}");
    cluster.resume_api_server();
    assert_eq!(value(&cluster), "new");

    cluster.restore(&backup);
    assert_eq!(value(&cluster), "old");
    cluster
        .admin()
        .patch("configmaps", "default", "x", &patch)
        .unwrap();
    assert_eq!(value(&cluster), "new");
}

#[test]
fn nothing_is_left_of_a_control_plane_whose_program_was_killed() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_control-plane"))
        .arg("--bare")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let kubeconfig = line.strip_prefix("export KUBECONFIG=").unwrap();
    let folder = kubeconfig.strip_suffix("/kubeconfigs/admin").unwrap();
    // A process carries another name until it runs its program.
    wait::until("three parts and who removes the folder", GONE, || {
        let running = running(folder);
        (running.len() == 4)
            .then_some(())
            .ok_or(format!("{running:?}"))
    });
    process::signal(program.id(), "KILL");
    program.wait().unwrap();
    wait::until("the end of everything", GONE, || {
        let left = running(folder);
        if !left.is_empty() {
            return Err(format!("still there: {left:?}"));
        }
        match std::fs::exists(folder).unwrap() {
            true => Err(format!("still there: {folder}")),
            false => Ok(()),
        }
    });
}

/// Command lines that name a folder, of processes that have not ended.
fn running(folder: &str) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|process| std::fs::read_to_string(process.path().join("cmdline")).ok())
        .filter(|line| line.contains(folder))
        .collect()
}
