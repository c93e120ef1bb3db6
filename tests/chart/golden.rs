//! Renderings that a reader of a change can see: `make generate` rewrites them.

use std::fmt::Write as _;

use finp2p_tests::binaries::root;

use crate::helm::{self, NAMESPACE, RELEASE, chart};

/// Compares with `charts/finp2p/tests/golden/NAME`, or writes it.
pub fn compare(name: &str, found: &str) {
    let path = chart().join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let first = kept
        .lines()
        .zip(found.lines())
        .find(|(kept, found)| kept != found);
    assert!(
        kept == found,
        "{} is no longer what the chart renders, from {first:?} on: look at the difference, run `make generate`, commit it",
        path.display()
    );
}

/// The text with each CRD cut off behind its metadata, after a look that the rest is word for word the
/// generated one: five times seventy kilobytes would hide every other change.
fn without_definitions(rendering: &str) -> String {
    const SOURCE: &str = "---\n# Source: finp2p/templates/crds.yaml\n";
    let mut pieces = rendering.split(SOURCE);
    let mut text = pieces.next().unwrap().to_owned();
    let mut definitions = 0;
    for piece in pieces {
        let end = piece.find("\n---\n").map_or(piece.len(), |at| at + 1);
        let (definition, rest) = piece.split_at(end);
        let (head, body) = definition.split_once("\nspec:\n").unwrap();
        let (before, metadata) = head.split_once("\nmetadata:\n").unwrap();
        let at = metadata.find("  name: ").unwrap();
        let plural = metadata[at..]["  name: ".len()..]
            .split('.')
            .next()
            .unwrap();
        let generated = root().join(format!("crds/yaml/{plural}.yaml"));
        let generated = std::fs::read_to_string(generated).unwrap();
        let plain = format!("{before}\nmetadata:\n{}\nspec:\n{body}", &metadata[at..]);
        assert_eq!(plain.trim_end(), generated.trim_end(), "{plural}");
        write!(
            text,
            "{SOURCE}{head}\n# spec: as in crds/yaml/{plural}.yaml\n{rest}"
        )
        .unwrap();
        definitions += 1;
    }
    assert!(
        definitions == 0 || definitions == 4,
        "{definitions} of 4 kinds"
    );
    text
}

fn rendering_is_the_golden_one(name: &str) {
    let rendering = helm::template(&helm::values(name), &[]).unwrap();
    compare(&format!("{name}.yaml"), &without_definitions(&rendering));
}

#[test]
fn renders_the_default() {
    rendering_is_the_golden_one("default");
}

#[test]
fn renders_two_namespaces() {
    rendering_is_the_golden_one("two-namespaces");
}

#[test]
fn renders_every_option() {
    rendering_is_the_golden_one("everything");
}

#[test]
fn notes_tell_the_next_three_commands() {
    for name in ["default", "two-namespaces"] {
        let file = helm::values(name);
        let found = helm::run(helm::helm(&[
            "install",
            RELEASE,
            "charts/finp2p",
            "-n",
            NAMESPACE,
            "-f",
            file.to_str().unwrap(),
            "--dry-run=client",
            "--output",
            "json",
        ]))
        .unwrap();
        let release: serde_json::Value = serde_json::from_str(&found).unwrap();
        compare(
            &format!("{name}.notes.txt"),
            release["info"]["notes"].as_str().unwrap(),
        );
    }
}

#[test]
fn lint_finds_nothing_even_when_strict() {
    helm::run(helm::helm(&["lint", "--strict", "charts/finp2p"])).unwrap();
    for name in ["default", "two-namespaces", "everything"] {
        let file = helm::values(name);
        helm::run(helm::helm(&[
            "lint",
            "--strict",
            "charts/finp2p",
            "-f",
            file.to_str().unwrap(),
        ]))
        .unwrap();
    }
}

#[test]
fn the_packaged_chart_renders_the_same_and_carries_the_health_check_but_not_the_tests() {
    let folder = tempfile::TempDir::new().unwrap();
    let to = folder.path().to_str().unwrap();
    helm::run(helm::helm(&["package", "charts/finp2p", "-d", to])).unwrap();
    let package = folder.path().join("finp2p-0.1.0.tgz");
    let mut list = std::process::Command::new("tar");
    list.arg("-tzf").arg(&package);
    let files = helm::run(list).unwrap();
    assert!(files.contains("finp2p/argocd/health.lua\n"), "{files}");
    assert!(
        files.contains("finp2p/files/crds/sidecarconfigs.yaml\n"),
        "{files}"
    );
    assert!(!files.contains("tests/"), "{files}");
    let file = helm::values("default");
    let packaged = helm::run(helm::helm(&[
        "template",
        RELEASE,
        package.to_str().unwrap(),
        "-n",
        NAMESPACE,
        "-f",
        file.to_str().unwrap(),
    ]));
    assert_eq!(packaged.unwrap(), helm::template(&file, &[]).unwrap());
}
