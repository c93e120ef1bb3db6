//! What kstatus thinks of objects: the code by which Flux and others decide that they are ready.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::parts::programs;

/// One object's verdict.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub struct Verdict {
    pub kind: String,
    #[serde(default)]
    pub namespace: String,
    pub name: String,
    /// `InProgress`, `Failed`, `Current`, `Terminating`, `NotFound` or `Unknown`.
    pub status: String,
    pub message: String,
}

/// Verdicts in the order of the objects.
///
/// # Panics
/// When the program cannot be built, or refuses an object.
pub fn verdicts(objects: &[Value]) -> Vec<Verdict> {
    let [program] = programs(["kstatus"]);
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("kstatus starts");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let mut stdin = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(list.as_bytes()));
    let output = child.wait_with_output().expect("kstatus ends");
    writer.join().expect("no panic").expect("kstatus reads");
    assert!(output.status.success(), "kstatus refuses an object");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("a verdict"))
        .collect()
}
