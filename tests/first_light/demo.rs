//! The demo itself, and its planted faults: one altered policy at a time.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use finp2p_tests::banks::Banks;
use finp2p_tests::binaries::binaries;
use serde_yaml::Value;

fn demo(scenario: Option<&Path>) -> Output {
    binaries(); // the demo starts the other programs: they must be of this checkout
    let mut command = Command::new(env!("CARGO_BIN_EXE_demo"));
    if let Some(scenario) = scenario {
        command.arg("--scenario").arg(scenario);
    }
    command.stdin(Stdio::null()).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Every file of the scenario that holds a SharingPolicy.
fn policies() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for bank in std::fs::read_dir(Banks::samples()).unwrap() {
        for file in std::fs::read_dir(bank.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if std::fs::read_to_string(&path)
                .unwrap()
                .contains("kind: SharingPolicy")
            {
                found.push(path.strip_prefix(Banks::samples()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A copy of the scenario in which one policy says something else.
fn altered(policy: &Path, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    finp2p_tests::banks::copy(&Banks::samples(), folder.path()).unwrap();
    let path = folder.path().join(policy);
    let mut manifest: Value =
        serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut manifest["spec"]);
    std::fs::write(&path, serde_yaml::to_string(&manifest).unwrap()).unwrap();
    folder
}

fn fails(policy: &Path, what: &str, change: impl FnOnce(&mut Value)) {
    let scenario = altered(policy, change);
    let output = demo(Some(scenario.path()));
    assert!(
        !output.status.success() && printed(&output).contains("FAILED in step"),
        "the demo did not notice that {} {what}: {}",
        policy.display(),
        printed(&output)
    );
}

#[test]
fn the_demo_sees_every_step() {
    let output = demo(None);
    assert!(output.status.success(), "{}", printed(&output));
    assert!(
        printed(&output).contains("steps were seen"),
        "{}",
        printed(&output)
    );
}

#[test]
fn the_demo_notices_a_policy_that_opens_one_field_more() {
    let policies = policies();
    assert_eq!(policies.len(), 2, "{policies:?}");
    for policy in &policies {
        fails(policy, "opens /internalRating too", |spec| {
            let fields = spec["fields"].as_sequence_mut().unwrap();
            fields.push("/internalRating".into());
        });
    }
}

#[test]
fn the_demo_notices_a_policy_that_names_another_peer() {
    for policy in &policies() {
        fails(policy, "names bank-c", |spec| {
            spec["peers"]["names"] = Value::Sequence(vec!["bank-c".into()]);
        });
    }
}
