//! `finp2p-operator` as a process of its own, with what is typed into it and what it prints.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

/// The program, out of reach of any cluster.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finp2p-operator"));
    command
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", "/nonexistent");
    command
}

pub fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

pub fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}
