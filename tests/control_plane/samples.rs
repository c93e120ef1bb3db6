//! What the samples show is what the API server takes.

use std::fs;
use std::path::{Path, PathBuf};

use finp2p_tests::binaries::root;
use finp2p_tests::control_plane::ControlPlane;
use serde::Deserialize as _;
use serde_json::{Value, json};

#[test]
fn each_sample_file_passes_strict_validation() {
    let samples = root().join("crds/samples");
    let files: Vec<PathBuf> = manifests(&samples);
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        applies("sample", &[&file]);
    }
}

#[test]
fn each_namespace_of_a_scenario_passes_with_the_records_of_the_members() {
    let mut seen = 0;
    for scenario in ["first-light", "reference"] {
        let scenario = root().join("crds/samples").join(scenario);
        let members = manifests(&scenario.join("members"));
        for folder in fs::read_dir(&scenario)
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
        {
            if !folder.is_dir() || folder.ends_with("members") {
                continue;
            }
            let mut files = manifests(&folder);
            files.extend(members.clone());
            applies("scenario", &files.iter().collect::<Vec<_>>());
            seen += 1;
        }
    }
    assert_eq!(seen, 5, "banks of both scenarios");
}

/// Applies the objects of files in a namespace of their own.
fn applies(label: &str, files: &[&PathBuf]) {
    let namespace = ControlPlane::shared().namespace(label);
    let mut objects = Vec::new();
    for file in files {
        for document in serde_yaml::Deserializer::from_str(&fs::read_to_string(file).unwrap()) {
            let mut object = Value::deserialize(document).unwrap();
            object["metadata"]["namespace"] = json!(namespace.name);
            objects.push(object);
        }
    }
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let printed = namespace.kubectl(
        &["apply", "--validate=strict", "-f", "-"],
        &list.to_string(),
    );
    assert_eq!(printed.stderr, "", "no error and no warning: {files:?}");
    assert_eq!(
        printed.stdout.lines().count(),
        objects.len(),
        "{}",
        printed.stdout
    );
}

fn manifests(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .collect();
    files.sort();
    files
}
