//! Folders: which files are read, in which order, and what is no file at all.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use finp2p_operator::manifest::{Folder, Reader};
use std::os::unix::fs::symlink;
use std::path::Path;

const GOOD: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: good, namespace: ns}\ndata: {a: b}\n";

fn reasons(folder: &Folder) -> Vec<&str> {
    folder.findings.iter().map(|f| f.reason.as_str()).collect()
}

fn names(folder: &Folder) -> Vec<&str> {
    folder
        .namespaces
        .iter()
        .flat_map(|n| &n.objects)
        .map(|o| o.id.name.as_str())
        .collect()
}

fn directory(path: &Path) -> Folder {
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check);
    reader.directory(path);
    reader.finish()
}

#[test]
fn loops_pipes_and_folders_named_like_files_are_findings() {
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join("bank-a");
    std::fs::create_dir(&bank).unwrap();
    std::fs::write(bank.join("good.yaml"), GOOD.replace(", namespace: ns", "")).unwrap();
    symlink(bank.join("loop.yaml"), bank.join("loop.yaml")).unwrap();
    symlink(folder.path(), bank.join("up")).unwrap();
    std::fs::create_dir(bank.join("folder.yaml")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(bank.join("pipe.yaml"))
        .status()
        .unwrap();
    assert!(made.success());
    let read = directory(folder.path());
    assert_eq!(names(&read), ["good"]);
    assert_eq!(
        reasons(&read),
        ["FileUnreadable", "FileUnreadable", "FileUnreadable"]
    );
    assert!(!read.complete);
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let folder = tempfile::tempdir().unwrap();
    for (place, name) in [
        ("b/2.yaml", "two"),
        ("b/1.yml", "one"),
        ("a/9.json", "nine"),
        ("b/.hidden.yaml", "x"),
        ("b/notes.txt", "x"),
    ] {
        let path = folder.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(
            path,
            format!(
                r#"{{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {{"name": "{name}"}}}}"#
            ),
        )
        .unwrap();
    }
    let read = directory(folder.path());
    assert_eq!(names(&read), ["nine", "one", "two"]);
    assert_eq!(read.findings, vec![]);
}

#[test]
fn members_are_in_every_namespace_and_hold_public_records_only() {
    let folder = tempfile::tempdir().unwrap();
    let write = |place: &str, text: &str| {
        let path = folder.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let record = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {name: bank-b}\nspec: {}\n";
    write("members/bank-b.yaml", record);
    write("members/secret.yaml", &GOOD.replace(", namespace: ns", ""));
    write(
        "members/local.yaml",
        &record.replace(
            "spec: {}",
            "spec: {node: {network: net, signer: {secretName: s}}}",
        ),
    );
    write("bank-a/x.yaml", &GOOD.replace(", namespace: ns", ""));
    write("bank-c/x.yaml", &GOOD.replace("ns", "bank-z"));
    let read = directory(folder.path());
    assert_eq!(names(&read), ["good", "bank-b", "bank-b"]);
    assert_eq!(
        reasons(&read),
        ["NamespaceMismatch", "NotPublic", "NotPublic"]
    );
    let ids: Vec<_> = read
        .namespaces
        .iter()
        .flat_map(|n| &n.objects)
        .map(|o| o.id.clone())
        .collect();
    assert_ne!(
        ids[1].uid(),
        ids[2].uid(),
        "one record is an object of its own in each namespace"
    );
    assert!(read.complete, "every object is known by name");
}

#[test]
fn of_two_objects_with_one_name_the_first_stays() {
    let text = format!("{GOOD}---\n{}", GOOD.replace("a: b", "a: c"));
    let checker = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&checker);
    reader.stream(text.as_bytes());
    let read = reader.finish();
    assert_eq!(reasons(&read), ["DuplicateObject"]);
    assert_eq!(read.findings[0].line, Some(8));
    assert_eq!(names(&read), ["good"]);
}
