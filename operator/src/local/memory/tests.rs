use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use jiff::Timestamp;

use super::*;
use crate::local::observe;
use crate::validate::Checker;

const OBJECTS: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: bond, labels: {desk: fixed-income}, annotations: {sharing.finp2p.io/change: abc}}
spec: {assetId: ONE, content: {secret: {name: bond, key: c}}}
---
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local}
spec: {organizationId: bank-a, node: {network: net, incarnation: 2, signer: {secretName: s}}}
---
apiVersion: v1
kind: Secret
metadata: {name: bond}
stringData: {c: a private value}
";

const POLICY: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharingPolicy
metadata: {name: terms}
spec: {assets: {all: true}, peers: {all: true}, mode: Pull, fields: [/isin]}
";

/// Writes files, reads the folder after `last`, and notes it.
fn reading(
    directory: &Path,
    last: &View,
    registers: &mut Registers,
    files: &[(&str, &str)],
) -> View {
    for (place, text) in files {
        let path = directory.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let checker = Checker::new().unwrap();
    let folder = checker.read_directory(directory);
    let mut view = observe::view(&checker, directory, last, folder, &BTreeSet::new());
    registers.note(
        &mut view.folder,
        Timestamp::from_second(1_800_000_000).unwrap(),
    );
    view
}

/// Kept and read again, in a folder that is called otherwise.
fn restarted(directory: &Path, view: &View, registers: &Registers, renamed: &Path) -> View {
    let text = written(directory, view, registers);
    let (view, again) = read(renamed, text.as_bytes()).unwrap();
    assert_eq!(&again, registers);
    view
}

fn shown(view: &View) -> Vec<String> {
    let objects = view.folder.namespaces.iter().flat_map(|n| &n.objects);
    objects
        .map(|o| format!("{} {:?}", o.id.name, o.manifest))
        .collect()
}

#[test]
fn every_object_comes_back_as_it_was_and_no_secret_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, mut registers) = (folder.path(), Registers::default());
    let view = reading(
        directory,
        &View::default(),
        &mut registers,
        &[("bank-a/all.yaml", OBJECTS)],
    );
    assert_eq!(view.folder.findings, vec![]);
    let text = written(directory, &view, &registers);
    assert!(!text.contains("private value"));
    assert!(!text.contains(directory.to_str().unwrap()), "{text}");
    let renamed = PathBuf::from("elsewhere");
    let back = restarted(directory, &view, &registers, &renamed);
    let before = shown(&view);
    assert_eq!(before.len(), 3);
    assert_eq!(shown(&back), before[..2]);
    let object = &back.folder.namespaces[0].objects[1];
    assert_eq!(object.source.file, "elsewhere/bank-a/all.yaml");
    assert_eq!((object.source.document, object.source.line), (2, 6));
}

#[test]
fn a_restart_is_one_more_reading() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, mut registers) = (folder.path(), Registers::default());
    let files = [("bank-a/all.yaml", OBJECTS), ("bank-a/terms.yaml", POLICY)];
    let view = reading(directory, &View::default(), &mut registers, &files);
    let before = shown(&view);
    let back = restarted(directory, &view, &registers, directory);
    let lower = OBJECTS
        .replace("incarnation: 2", "incarnation: 1")
        .replace("ONE", "TWO");
    let edits = [
        ("bank-a/all.yaml", lower.as_str()),
        ("bank-a/terms.yaml", ": ["),
    ];
    let view = reading(directory, &back, &mut registers, &edits);
    let told = view
        .folder
        .findings
        .iter()
        .filter(|f| f.reason == "RuleBroken");
    assert_eq!(told.count(), 2, "{:?}", view.folder.findings);
    let mut after = shown(&view);
    let mut expected = before;
    after.sort();
    expected.sort();
    assert_eq!(after, expected);
    assert_eq!(view.kept.len(), 3);
}

#[test]
fn a_doubt_is_remembered_with_what_counted_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (directory, mut registers) = (folder.path(), Registers::default());
    let files = [("bank-a/all.yaml", OBJECTS), ("bank-a/terms.yaml", POLICY)];
    let view = reading(directory, &View::default(), &mut registers, &files);
    let view = reading(
        directory,
        &view,
        &mut registers,
        &[("bank-a/0.yaml", POLICY)],
    );
    let back = restarted(directory, &view, &registers, directory);
    let (_, dispute) = back.folder.namespaces[0]
        .disputed
        .first_key_value()
        .unwrap();
    assert!(dispute.former.is_some());
    assert!(
        dispute.places().contains("bank-a/0.yaml:3"),
        "{}",
        dispute.places()
    );
    let view = reading(
        directory,
        &back,
        &mut registers,
        &[("bank-a/0.yaml", ": [")],
    );
    assert_eq!(
        view.folder.namespaces[0].disputed.len(),
        1,
        "it may still be there"
    );
    fs::remove_file(directory.join("bank-a/0.yaml")).unwrap();
    let view = reading(directory, &view, &mut registers, &[]);
    assert!(
        shown(&view)
            .iter()
            .any(|object| object.starts_with("terms "))
    );
}

#[test]
fn what_is_not_what_was_written_is_told() {
    for text in ["", "{", "{\"registers\": {}}"] {
        assert!(read(Path::new("banks"), text.as_bytes()).is_err(), "{text}");
    }
    let kept = r#"{"registers": {}, "objects": [{"namespace": "a", "kind": "Secret", "name": "s",
        "file": "f", "document": 1, "item": 0, "line": 1, "member": false, "object": {}}], "disputes": []}"#;
    assert!(read(Path::new("banks"), kept.as_bytes()).is_err());
}
