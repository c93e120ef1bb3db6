//! Folders: which files are read, in which order, and what is no file at all.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

mod program;

use finp2p_operator::manifest::{Folder, Reader};
use std::os::unix::fs::symlink;
use std::path::Path;

use program::{run, text};

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
fn a_pod_template_nested_without_end_is_told_by_its_field_or_its_line() {
    let said = |levels: usize| {
        let deep = format!("{{spec: {}1{}}}", "{a: ".repeat(levels), "}".repeat(levels));
        let manifest = format!(
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\n\
             metadata: {{name: bank-a, namespace: bank-a}}\n\
             spec: {{node: {{network: net, signer: {{secretName: s}}, podTemplate: {deep}}}}}\n"
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("local.yaml");
        std::fs::write(&file, manifest).unwrap();
        let output = run(&["validate", file.to_str().unwrap()], "");
        (output.status.code(), text(&output))
    };
    for levels in [1, 40] {
        let (code, told) = said(levels);
        assert_eq!(code, Some(1), "{told}");
        for part in ["/spec/node", "node.podTemplate has spec.a", "[Invalid]"] {
            assert!(told.contains(part), "{part}: {told}");
        }
    }
    for levels in [60, 200, 5_000] {
        let (code, told) = said(levels);
        assert_eq!(code, Some(1), "{told}");
        assert!(told.contains("nested deeper than 48 levels"), "{told}");
    }
}

#[test]
fn nothing_that_a_manifest_says_steers_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a\u{202e}b\u{1b}[2J.yaml");
    std::fs::write(&file, "{kind: x}").unwrap();
    let output = run(&["validate", file.to_str().unwrap()], "");
    let told = text(&output);
    assert!(told.contains(r"a\u{202e}b"), "{told}");
    assert!(!told.contains(['\u{202e}', '\u{1b}']), "{told:?}");
    let missing = "no\u{202e}such";
    let output = run(&["diff", missing, missing], "");
    let told = String::from_utf8_lossy(&output.stderr).into_owned() + &text(&output);
    assert!(
        told.contains("such") && !told.contains('\u{202e}'),
        "{told:?}"
    );
}

#[test]
fn a_pipe_that_is_named_is_not_waited_for_and_one_that_the_shell_hands_over_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    // Whoever waits for a writer here is ended, with 124.
    let validate = |more: &str| {
        let line = format!(
            "exec timeout 60 {} validate {more}",
            env!("CARGO_BIN_EXE_finp2p-operator")
        );
        let bash = std::process::Command::new("bash")
            .args(["-c", &line])
            .output();
        let output = bash.unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = validate(pipe.to_str().unwrap());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("not a regular file") && said.contains("standard input"),
        "{said}"
    );
    let (code, said) = validate("<(echo '{kind: x}')");
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("regular file"), "{said}");
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

/// What is told about a name that is written twice: file, line and the whole sentence.
fn doubts(folder: &Folder) -> Vec<(String, u32, &str)> {
    let told = folder.findings.iter();
    let told = told.filter(|finding| finding.reason == "DuplicateObject");
    told.map(|f| (f.file.clone(), f.line.unwrap(), f.message.as_str()))
        .collect()
}

#[test]
fn of_two_objects_with_one_name_neither_counts_and_both_are_told() {
    let text = format!(
        "{GOOD}---\n{}---\n{}",
        GOOD.replace("a: b", "a: c"),
        GOOD.replace("name: good", "name: other")
    );
    let checker = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&checker);
    reader.stream(text.as_bytes());
    let read = reader.finish();
    assert_eq!(names(&read), ["other"]);
    let told = doubts(&read);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((told[0].1, told[1].1), (3, 8));
    assert!(told[0].2.contains("also at -:8"), "{told:?}");
    assert!(told[1].2.contains("also at -:3"), "{told:?}");
    let disputed: Vec<_> = read.namespaces[0].disputed.values().collect();
    assert_eq!(disputed.len(), 1);
    assert_eq!(disputed[0].objects.len(), 2);
}

#[test]
fn a_manifest_that_is_refused_still_claims_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let bank = folder.path().join("bank-a");
    std::fs::create_dir(&bank).unwrap();
    let good = GOOD.replace(", namespace: ns", "");
    std::fs::write(bank.join("a.yaml"), &good).unwrap();
    std::fs::write(bank.join("b.yaml"), good.replace("a: b", "a: bad")).unwrap();
    let check = |document: &finp2p_operator::manifest::Document| {
        let bad = document.value.pointer("/data/a").unwrap() == "bad";
        let refused = document.finding("/data/a", "Bad", "bad", "mend it");
        Vec::from_iter(bad.then_some(refused))
    };
    let mut reader = Reader::new(&check);
    reader.directory(folder.path());
    let read = reader.finish();
    assert_eq!(names(&read), Vec::<&str>::new());
    assert_eq!(read.namespaces[0].refused.len(), 0);
    assert_eq!(doubts(&read).len(), 2);
}

#[test]
fn a_record_of_the_consortium_and_one_of_the_bank_are_in_doubt_there_only() {
    let folder = tempfile::tempdir().unwrap();
    let record = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {name: bank-b}\nspec: {}\n";
    for place in ["members/b.yaml", "bank-a/b.yaml", "bank-c/x.yaml"] {
        let path = folder.path().join(place);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = match place {
            "bank-c/x.yaml" => GOOD.replace(", namespace: ns", ""),
            _ => record.to_owned(),
        };
        std::fs::write(path, text).unwrap();
    }
    let read = directory(folder.path());
    assert_eq!(names(&read), ["good", "bank-b"], "bank-c has both");
    let told = doubts(&read);
    assert_eq!(told.len(), 2);
    assert!(
        told.iter()
            .all(|(_, _, m)| m.contains("namespace `bank-a`"))
    );
}

#[test]
fn a_manifest_beside_folders_of_manifests_does_not_hide_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("bank-a")).unwrap();
    let good = GOOD.replace(", namespace: ns", "");
    std::fs::write(folder.path().join("bank-a/good.yaml"), &good).unwrap();
    std::fs::write(folder.path().join("stray.yaml"), &good).unwrap();
    let check = |_: &finp2p_operator::manifest::Document| Vec::new();
    let mut reader = Reader::new(&check);
    reader.path(folder.path());
    let read = reader.finish();
    assert_eq!(names(&read), ["good"]);
    assert_eq!(reasons(&read), ["NotRead"]);
    assert_eq!(read.namespaces[0].name, "bank-a");
}
