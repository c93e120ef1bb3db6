//! The CRDs in `crds/yaml`, and the chart's copies of them, are what the types say. `make generate`
//! rewrites them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a panic is how a test fails

use std::path::Path;

#[test]
fn crd_yaml_is_generated_from_the_types() {
    // A chart cannot read outside of its folder, so it has a copy.
    for folder in ["yaml", "../charts/finp2p/files/crds"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut files = Vec::new();
        for definition in finp2p_crds::definition::all().unwrap() {
            let path = folder.join(&definition.file);
            let yaml = definition.yaml().unwrap();
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                std::fs::write(&path, &yaml).unwrap();
            }
            let kept = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                kept == yaml,
                "{} differs from the types: run `make generate` and commit the result",
                path.display()
            );
            files.push(definition.file);
        }
        let mut found: Vec<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        files.sort();
        assert_eq!(found, files, "{}", folder.display());
    }
}
