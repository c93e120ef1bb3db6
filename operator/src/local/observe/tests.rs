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

const ASSET: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: bond}
spec: {assetId: ONE, content: {api: {}}}
";

const LOCAL: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local}
spec: {organizationId: bank-a, node: {network: net, signer: {secretName: s}}}
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

    /// What is told about names that are written twice.
    fn doubts(&self) -> Vec<String> {
        let told = self.view.folder.findings.iter();
        let told = told.filter(|f| f.reason == "DuplicateObject");
        told.map(|f| f.message.clone()).collect()
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

/// The same policy with more fields.
fn wider(name: &str) -> String {
    policy(name).replace("[/isin]", "[/isin, /price]")
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
fn a_mistake_in_the_kind_or_the_namespace_deletes_nothing() {
    let mut scene = Scene::new();
    for wrong in [
        policy("one").replace("SharingPolicy", "SharePolicy"),
        policy("one").replace("metadata: {", "metadata: {namespace: bank-b, "),
    ] {
        assert_ne!(wrong, policy("one"));
        scene.write("bank-a/one.yaml", &wrong);
        scene.read();
        assert_eq!(scene.names(), ["one", "two"], "{wrong}");
        assert_eq!(scene.kept(), ["one"], "{wrong}");
        scene.write("bank-a/one.yaml", &policy("one"));
        scene.read();
        assert_eq!((scene.names(), scene.kept()), (vec!["one", "two"], vec![]));
    }
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
    scene.write("bank-a/bond.yaml", ASSET);
    scene.read();
    assert_eq!(scene.names(), ["bond", "one", "two"]);
    scene.write("bank-a/bond.yaml", &ASSET.replace("ONE", "TWO"));
    scene.read();
    assert_eq!(scene.kept(), ["bond"]);
}

#[test]
fn an_object_that_moved_to_another_file_counts_there_once_its_own_file_can_be_read() {
    let mut scene = Scene::new();
    scene.write("bank-a/one.yaml", ": [");
    scene.write("bank-a/0.yaml", &wider("one"));
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
    assert_eq!(scene.fields("one"), ["/isin"]);
    assert_eq!(scene.kept(), ["one"]);
    let told = scene.doubts();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("one.yaml already, which cannot be read"),
        "{told:?}"
    );
    fs::remove_file(scene.path("bank-a/one.yaml")).unwrap();
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
    assert_eq!(scene.fields("one"), ["/isin", "/price"]);
    assert_eq!(scene.kept(), Vec::<&str>::new());
}

#[test]
fn a_second_manifest_that_sorts_first_does_not_win_and_nothing_of_either_counts() {
    let mut scene = Scene::new();
    scene.write("bank-a/0.yaml", &wider("one"));
    scene.read();
    assert_eq!((scene.names(), scene.kept()), (vec!["two"], vec![]));
    assert_eq!(scene.doubts().len(), 2);
    fs::remove_file(scene.path("bank-a/0.yaml")).unwrap();
    scene.read();
    assert_eq!(scene.fields("one"), ["/isin"]);
    assert_eq!(scene.doubts(), Vec::<String>::new());
}

#[test]
fn what_counted_before_a_doubt_does_not_come_back_by_a_mistake() {
    let mut scene = Scene::new();
    scene.write("bank-a/0.yaml", &policy("one"));
    scene.read();
    assert_eq!(scene.names(), ["two"]);
    // One of the two cannot be read, or is refused: the other may still not be what is meant.
    for bad in [
        ": [".to_owned(),
        policy("one").replace("[/isin]", "[isin]"),
        policy("one"),
    ] {
        scene.write("bank-a/one.yaml", &bad);
        scene.read();
        assert_eq!((scene.names(), scene.kept()), (vec!["two"], vec![]));
    }
    fs::remove_file(scene.path("bank-a/0.yaml")).unwrap();
    scene.write(
        "bank-a/one.yaml",
        &policy("one").replace("[/isin]", "[isin]"),
    );
    scene.read();
    assert_eq!((scene.names(), scene.kept()), (vec!["two"], vec![]));
    scene.write("bank-a/one.yaml", &policy("one"));
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
}

#[test]
fn a_doubt_is_no_way_around_what_may_not_be_changed() {
    let mut scene = Scene::new();
    scene.write("bank-a/bond.yaml", ASSET);
    scene.read();
    scene.write("bank-a/0.yaml", &ASSET.replace("ONE", "TWO"));
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
    fs::remove_file(scene.path("bank-a/bond.yaml")).unwrap();
    scene.read();
    assert_eq!(scene.names(), ["one", "two"]);
    let told = scene.view.folder.findings.iter();
    let told: Vec<&str> = told.map(|f| f.reason.as_str()).collect();
    assert_eq!(told, ["RuleBroken"]);
    scene.write("bank-a/0.yaml", ASSET);
    scene.read();
    assert_eq!(scene.names(), ["bond", "one", "two"]);
}

#[test]
fn a_local_organization_that_is_written_twice_stays_as_it_is() {
    let mut scene = Scene::new();
    scene.write("bank-a/local.yaml", LOCAL);
    scene.read();
    scene.write(
        "bank-a/0.yaml",
        &LOCAL.replace("node: {", "node: {incarnation: 7, "),
    );
    for _ in 0..2 {
        scene.read();
        assert_eq!(scene.names(), ["local", "one", "two"]);
        assert_eq!(scene.kept(), ["local"]);
        assert_eq!(scene.doubts().len(), 2);
        let objects = scene.view.folder.namespaces.iter().flat_map(|n| &n.objects);
        let mut files = objects.map(|o| o.source.file.as_str());
        assert!(files.next().unwrap().ends_with("local.yaml"));
    }
    let mut scene = Scene::new();
    scene.write("bank-a/local.yaml", LOCAL);
    scene.write("bank-a/0.yaml", LOCAL);
    scene.read();
    assert_eq!(
        scene.names(),
        ["one", "two"],
        "nobody knows which came first"
    );
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
