use std::collections::BTreeSet;
use std::fs;

use super::*;
use crate::local::observe;
use crate::validate::Checker;

const POLICY: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharingPolicy
metadata: {name: terms}
spec:
  assets: {names: [bond]}
  peers: {names: [bank-b]}
  mode: Pull
  fields: [/isin]
";

struct Scene {
    folder: tempfile::TempDir,
    checker: Checker,
    view: View,
}

impl Scene {
    /// A folder with one policy that was read.
    fn new() -> Self {
        let mut scene = Self {
            folder: tempfile::tempdir().unwrap(),
            checker: Checker::new().unwrap(),
            view: View::default(),
        };
        assert_eq!(scene.write("bank-a/terms.yaml", POLICY), "");
        scene
    }

    /// Writes a file, and what stands under the tables of bank-a then.
    fn write(&mut self, place: &str, text: &str) -> String {
        let path = self.folder.path().join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self.read(&BTreeSet::new())
    }

    fn read(&mut self, unsettled: &BTreeSet<std::path::PathBuf>) -> String {
        let directory = self.folder.path();
        let folder = self.checker.read_directory(directory);
        self.view = observe::view(&self.checker, directory, &self.view, folder, unsettled);
        Refusals::of(&self.view, directory, "bank-a").to_string()
    }
}

#[test]
fn a_policy_that_names_nobody_any_more_is_refused_and_grants_on_which_is_said() {
    let mut scene = Scene::new();
    let text = scene.write("bank-a/terms.yaml", &POLICY.replace("[bank-b]", "[]"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("stays in force, and with it what it grants"));
    assert!(
        lines[1].starts_with("  SharingPolicy terms: ")
            && lines[1].contains("terms.yaml:6: /spec/peers/names: "),
        "{text}"
    );
    let (id, file) = scene.view.kept.iter().next().unwrap();
    let told = told(id, file);
    assert!(
        told.contains("what it granted stays granted until"),
        "{told}"
    );
    assert!(told.contains("terms.yaml, or removed there"), "{told}");
    assert_eq!(scene.write("bank-a/terms.yaml", POLICY), "");
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_what_it_held() {
    let mut scene = Scene::new();
    let text = scene.write("bank-a/terms.yaml", ": [");
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.contains("\n  SharingPolicy terms: "), "{text}");
    assert!(text.contains("terms.yaml:1"), "{text}");
}

#[test]
fn what_never_counted_stands_apart() {
    let mut scene = Scene::new();
    let other = POLICY.replace("terms", "other").replace("Pull", "Pul");
    let text = scene.write("bank-a/other.yaml", &other);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert!(text.starts_with("Refused, and not in force:\n  SharingPolicy other: "));
    let text = scene.write("bank-a/torn.yaml", ": [");
    assert_eq!(text.lines().count(), 3, "{text}");
    assert!(!text.contains("Refused edits"), "{text}");
}

#[test]
fn another_bank_is_not_told_and_a_record_of_the_consortium_is_for_all() {
    let mut scene = Scene::new();
    assert_eq!(scene.write("bank-b/torn.yaml", ": ["), "");
    let text = scene.write("members/torn.yaml", ": [");
    assert!(text.contains("members/torn.yaml:1"), "{text}");
}

#[test]
fn a_file_that_is_still_being_written_is_no_mistake() {
    let mut scene = Scene::new();
    let path = scene.folder.path().join("bank-a/terms.yaml");
    let text = scene.read(&BTreeSet::from([path]));
    assert!(
        text.contains("SharingPolicy terms: its file is still being written"),
        "{text}"
    );
}

#[test]
fn many_lines_are_counted() {
    let mut scene = Scene::new();
    let bad = |number| {
        POLICY
            .replace("terms", &format!("p{number}"))
            .replace("Pull", "Pul")
    };
    let all: Vec<String> = (0..LINES_MAX + 5).map(bad).collect();
    let text = scene.write("bank-a/many.yaml", &all.join("---\n"));
    assert_eq!(text.lines().count(), LINES_MAX + 2, "{text}");
    assert!(text.ends_with("  ... and 5 more\n"), "{text}");
}

#[test]
fn a_file_with_too_many_documents_holds_up_no_other_file_and_says_so_itself() {
    let mut scene = Scene::new();
    scene.write("bank-a/a.yaml", &POLICY.replace("terms", "other"));
    let many = "---\n".repeat(crate::manifest::limits::MAX_DOCUMENTS + 1);
    let text = scene.write("bank-a/a.yaml", &many);
    assert!(text.contains("SharingPolicy other: "), "{text}");
    assert!(text.contains("[TooManyDocuments]"), "{text}");
    assert!(!text.contains("terms.yaml"), "{text}");
    assert!(!text.contains("being written"), "{text}");
    fs::remove_file(scene.folder.path().join("bank-a/terms.yaml")).unwrap();
    scene.read(&BTreeSet::new());
    let objects = &scene.view.folder.namespaces[0].objects;
    let names: Vec<&str> = objects.iter().map(|o| o.id.name.as_str()).collect();
    assert_eq!(names, ["other"], "what was deleted is gone");
}

#[test]
fn only_of_a_file_that_is_being_written_it_is_said_that_it_is() {
    let mut scene = Scene::new();
    let file = scene.folder.path().join("bank-a/terms.yaml");
    let text = scene.read(&[file].into());
    assert!(text.contains("its file is still being written"), "{text}");
    scene.view.unsettled.clear();
    let text = Refusals::of(&scene.view, scene.folder.path(), "bank-a").to_string();
    assert!(text.contains("could not be read whole"), "{text}");
}
