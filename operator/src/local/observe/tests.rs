use std::fs;
use std::path::PathBuf;

use super::*;
use crate::manifest::Manifest;

const POLICY: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharingPolicy
metadata: {name: NAME}
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
    fn new() -> Self {
        let mut scene = Self {
            folder: tempfile::tempdir().unwrap(),
            checker: Checker::new().unwrap(),
            view: View::default(),
        };
        scene.write("bank-a/one.yaml", &policy("one"));
        scene.write("bank-a/two.yaml", &policy("two"));
        scene.read();
        assert_eq!(scene.names(), ["one", "two"]);
        scene
    }

    fn path(&self, place: &str) -> PathBuf {
        self.folder.path().join(place)
    }

    fn write(&mut self, place: &str, text: &str) {
        let path = self.path(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&mut self) {
        self.read_without(&BTreeSet::new());
    }

    fn read_without(&mut self, unsettled: &BTreeSet<PathBuf>) {
        let directory = self.folder.path();
        let folder = self.checker.read_directory(directory);
        self.view = view(&self.checker, directory, &self.view, folder, unsettled);
    }

    fn names(&self) -> Vec<&str> {
        let objects = self.view.folder.namespaces.iter().flat_map(|n| &n.objects);
        objects.map(|o| o.id.name.as_str()).collect()
    }

    fn kept(&self) -> Vec<&str> {
        self.view.kept.keys().map(|id| id.name.as_str()).collect()
    }

    fn fields(&self, name: &str) -> Vec<String> {
        let mut objects = self.view.folder.namespaces.iter().flat_map(|n| &n.objects);
        let object = objects.find(|o| o.id.name == name).unwrap();
        match &object.manifest {
            Manifest::SharingPolicy(policy) => policy.spec.fields.clone().unwrap(),
            _ => panic!("not a policy"),
        }
    }
}

fn policy(name: &str) -> String {
    POLICY.replace("NAME", name)
}

#[test]
fn a_file_that_does_not_parse_keeps_its_objects_and_says_so() {
    let mut scene = Scene::new();
    scene.write(
        "bank-a/one.yaml",
        &policy("one").replace("mode:", "mode: ["),
    );
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
    assert_eq!(scene.kept(), ["one"]);
    assert!(scene.view.folder.findings.iter().any(|f| f.is_error()));
    scene.write("bank-a/one.yaml", &policy("one"));
    scene.read();
    assert_eq!((scene.names(), scene.kept()), (vec!["one", "two"], vec![]));
    assert_eq!(scene.view.folder.findings, vec![]);
}

#[test]
fn a_bad_file_does_not_hold_up_what_is_withdrawn_in_another() {
    let mut scene = Scene::new();
    scene.write("bank-a/one.yaml", ": [");
    fs::remove_file(scene.path("bank-a/two.yaml")).unwrap();
    scene.read();
    assert_eq!(scene.names(), ["one"]);
}

#[test]
fn an_object_that_is_refused_keeps_its_last_good_version() {
    let mut scene = Scene::new();
    scene.write(
        "bank-a/one.yaml",
        &policy("one").replace("[/isin]", "[isin]"),
    );
    scene.write(
        "bank-a/two.yaml",
        &policy("two").replace("[/isin]", "[/name]"),
    );
    scene.read();
    assert_eq!(scene.kept(), ["one"]);
    assert_eq!(scene.fields("one"), ["/isin"]);
    assert_eq!(
        scene.fields("two"),
        ["/name"],
        "the edit of the other one applies"
    );
    scene.write("bank-a/one.yaml", ": [");
    scene.read();
    assert_eq!(
        scene.fields("one"),
        ["/isin"],
        "through one bad edit after another"
    );
}

#[test]
fn what_may_not_be_changed_keeps_its_version() {
    let mut scene = Scene::new();
    let asset = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SharedAsset\nmetadata: {name: bond}\nspec: {assetId: ONE, content: {api: {}}}\n";
    scene.write("bank-a/bond.yaml", asset);
    scene.read();
    assert_eq!(scene.names(), ["bond", "one", "two"]);
    scene.write("bank-a/bond.yaml", &asset.replace("ONE", "TWO"));
    scene.read();
    assert_eq!(scene.kept(), ["bond"]);
}

#[test]
fn an_object_that_moved_to_another_file_is_not_kept_twice() {
    let mut scene = Scene::new();
    scene.write("bank-a/one.yaml", ": [");
    scene.write(
        "bank-a/three.yaml",
        &policy("one").replace("[/isin]", "[/name]"),
    );
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
    assert_eq!(scene.fields("one"), ["/name"]);
    assert_eq!(scene.kept(), Vec::<&str>::new());
}

#[test]
fn a_deleted_file_deletes_its_objects_and_a_deleted_folder_all_of_them() {
    let mut scene = Scene::new();
    scene.write("bank-b/three.yaml", &policy("three"));
    scene.read();
    fs::remove_file(scene.path("bank-a/one.yaml")).unwrap();
    scene.read();
    assert_eq!(scene.names(), ["two", "three"]);
    fs::remove_dir_all(scene.path("bank-a")).unwrap();
    scene.read();
    assert_eq!(scene.names(), ["three"]);
}

#[test]
fn a_folder_that_is_gone_or_empty_as_a_whole_keeps_everything() {
    let mut scene = Scene::new();
    fs::remove_dir_all(scene.path("bank-a")).unwrap();
    scene.read();
    assert_eq!(scene.kept(), ["one", "two"]);
    fs::remove_dir_all(scene.folder.path()).unwrap();
    scene.read();
    assert_eq!(scene.kept(), ["one", "two"]);
}

#[test]
fn a_bad_record_of_the_consortium_keeps_its_version_in_every_namespace() {
    let mut scene = Scene::new();
    let record = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {name: bank-b}\nspec: {issuer: {id: \"https://b.example\", types: [T], keys: [{id: k, jwk: {kty: OKP, crv: Ed25519, x: 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo}}]}}\n";
    scene.write("members/bank-b.yaml", record);
    scene.write("bank-b/three.yaml", &policy("three"));
    scene.read();
    assert_eq!(scene.names(), ["one", "two", "bank-b", "three", "bank-b"]);
    scene.write("members/bank-b.yaml", "{");
    scene.read();
    assert_eq!(scene.names(), ["one", "two", "bank-b", "three", "bank-b"]);
    assert_eq!(scene.kept(), ["bank-b", "bank-b"]);
}

#[test]
fn a_file_that_was_being_written_is_not_used_and_others_are() {
    let mut scene = Scene::new();
    scene.write(
        "bank-a/one.yaml",
        &policy("one").replace("[/isin]", "[/half]"),
    );
    scene.write(
        "bank-a/two.yaml",
        &policy("two").replace("[/isin]", "[/name]"),
    );
    scene.read_without(&[scene.path("bank-a/one.yaml")].into());
    assert_eq!(scene.fields("one"), ["/isin"]);
    assert_eq!(scene.fields("two"), ["/name"]);
    assert_eq!(scene.kept(), ["one"]);
}

#[test]
fn what_is_not_wholly_known_is_named() {
    let directory = Path::new("banks");
    let unknown = |lost: &str| {
        let lost = [lost.to_owned()].into();
        let names = unknown(directory, &lost, ["bank-a", "bank-b"].into_iter());
        names.into_iter().collect::<Vec<_>>()
    };
    assert_eq!(unknown("banks/bank-a/x.yaml"), ["bank-a"]);
    assert_eq!(unknown("banks/bank-a"), ["bank-a"]);
    assert_eq!(unknown("banks/members/x.yaml"), ["bank-a", "bank-b"]);
    assert_eq!(unknown("banks"), ["bank-a", "bank-b"]);
    assert_eq!(unknown("banks/bank-ab/x.yaml"), Vec::<String>::new());
}
