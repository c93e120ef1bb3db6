use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::*;
use crate::local::plan::{Circumstances, Desk};
use crate::local::state::State;
use crate::manifest::Folder;
use crate::validate::Checker;

const OBJECTS: &str = r#"
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local, namespace: bank-a}
spec: {organizationId: bank-a, node: {network: net, signer: {secretName: finp2p-issuer}}}
---
apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: bond, namespace: bank-a}
spec: {assetId: BOND, content: {api: {}}}
"#;

struct Scene {
    folder: tempfile::TempDir,
    _state: State,
    home: Home,
    configuration: Configuration,
    desk: Desk,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s"), Path::new("banks")).unwrap();
        let home = state.home("bank-a").unwrap();
        Self {
            folder,
            _state: state,
            configuration: Configuration::new(&home),
            home,
            desk: Desk::default(),
        }
    }

    fn apply(&mut self, text: &str, content: &Files) -> bool {
        self.try_to_apply(text, content).unwrap()
    }

    /// Goes on from the plan also when it could not be written.
    fn try_to_apply(&mut self, text: &str, content: &Files) -> Result<bool, ApplyError> {
        let folder = read(text);
        let claims = crate::node::files::claims(&folder);
        let namespace = &folder.namespaces[0];
        let circumstances = Circumstances {
            claims: &claims,
            loopback: &BTreeMap::new(),
            report: None,
            now: Timestamp::from_second(1_800_000_000).unwrap(),
        };
        let planned = self.desk.plan(namespace, &circumstances, &mut rand::rng());
        assert_eq!(planned.organization(), Some("bank-a"));
        let wrote = self.configuration.apply(&planned.plan, content);
        assert_eq!(
            self.configuration.says(&planned.plan, content),
            wrote.is_ok()
        );
        self.desk.settle(planned.plan);
        wrote
    }

    fn read(&self, file: &str) -> SidecarConfig {
        serde_yaml::from_slice(&fs::read(self.path(file)).unwrap()).unwrap()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join("s/bank-a/config").join(file)
    }

    fn sequence(&self) -> i64 {
        self.read(ROOT).spec.root.unwrap().sequence
    }

    fn slice(&self) -> SidecarConfig {
        let name = &self.read(ROOT).spec.root.unwrap().slices[0];
        self.read(&format!("slices/{name}.yaml"))
    }
}

fn read(text: &str) -> Folder {
    let folder = Checker::new()
        .unwrap()
        .read_paths(&["-".into()], text.as_bytes());
    assert!(folder.findings.iter().all(|f| !f.is_error()));
    folder
}

fn content(name: &str, text: &str) -> Files {
    [(name.to_owned(), Zeroizing::new(text.as_bytes().to_vec()))].into()
}

#[test]
fn a_plan_becomes_a_complete_set_and_an_idle_one_writes_nothing() {
    let mut scene = Scene::new();
    assert!(scene.apply(OBJECTS, &Files::new()));
    let root = scene.read(ROOT);
    assert_eq!(root.metadata.uid.as_ref().unwrap().len(), 32);
    assert_eq!(root.metadata.generation, Some(1));
    let slice = scene.slice().spec.slice.unwrap();
    assert_eq!(slice.set, root.spec.root.unwrap().set);
    assert_eq!(slice.entries.len(), 1);
    let inode = fs::metadata(scene.path(ROOT)).unwrap().ino();
    assert!(!scene.apply(OBJECTS, &Files::new()));
    assert_eq!(fs::metadata(scene.path(ROOT)).unwrap().ino(), inode);
}

#[test]
fn an_edit_grows_sequence_and_generation_and_moves_the_root_last() {
    let mut scene = Scene::new();
    scene.apply(OBJECTS, &Files::new());
    scene.apply(
        &OBJECTS.replace("{api: {}}", "{api: {}}, units: [/x]"),
        &Files::new(),
    );
    assert_eq!(scene.sequence(), 2);
    assert_eq!(scene.slice().metadata.generation, Some(2));
    let changed = |file: &str| {
        let metadata = fs::metadata(scene.path(file)).unwrap();
        (metadata.ctime(), metadata.ctime_nsec())
    };
    let slice = scene.slice().metadata.name.unwrap();
    assert!(changed(ROOT) >= changed(&format!("slices/{slice}.yaml")));
}

#[test]
fn content_is_private_and_a_change_of_it_moves_the_root() {
    let mut scene = Scene::new();
    scene.apply(OBJECTS, &content("secret.bond.yaml", "one"));
    let mode = fs::metadata(scene.path("content/secret.bond.yaml")).unwrap();
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    // Held open, so that its inode cannot be given to another file.
    let before = fs::File::open(scene.path(ROOT)).unwrap();
    assert!(scene.apply(OBJECTS, &content("secret.bond.yaml", "two")));
    let moved = fs::metadata(scene.path(ROOT)).unwrap().ino();
    assert_ne!(moved, before.metadata().unwrap().ino());
    assert_eq!(scene.sequence(), 1, "content is not configuration");
    assert!(scene.apply(OBJECTS, &Files::new()));
    assert!(!scene.path("content/secret.bond.yaml").exists());
}

#[test]
fn a_switched_off_node_keeps_no_content() {
    let mut scene = Scene::new();
    scene.apply(OBJECTS, &content("secret.bond.yaml", "one"));
    scene.configuration.switch_off();
    assert!(!scene.path("content/secret.bond.yaml").exists());
    assert!(scene.apply(OBJECTS, &content("secret.bond.yaml", "one")));
    assert!(scene.path("content/secret.bond.yaml").exists());
}

#[test]
fn a_restart_goes_on_from_the_slices_that_are_there_and_removes_what_was_left_behind() {
    let mut scene = Scene::new();
    scene.apply(OBJECTS, &Files::new());
    fs::write(scene.home.staging().join("left"), "half").unwrap();
    fs::write(scene.path("slices/bank-a-s0-9.yaml"), "old").unwrap();
    let root = scene.read(ROOT);
    scene.configuration = Configuration::new(&scene.home);
    let slices = scene.configuration.slices(&root);
    assert_eq!(slices, [scene.slice()]);
    scene.desk = Desk {
        previous: Some(crate::node::Previous {
            root,
            slices,
            memory: crate::node::plan::Memory::default(),
        }),
        ..Desk::default()
    };
    scene.apply(OBJECTS, &Files::new());
    assert_eq!(scene.sequence(), 1, "nothing was edited");
    assert!(!scene.home.staging().join("left").exists());
    assert!(!scene.path("slices/bank-a-s0-9.yaml").exists());
}

#[test]
fn what_failed_in_the_middle_is_written_at_the_next_try_and_counts_once() {
    let mut scene = Scene::new();
    scene.apply(OBJECTS, &Files::new());
    let slice = scene.slice().metadata.name.unwrap();
    let slice = scene.path(&format!("slices/{slice}.yaml"));
    fs::remove_file(&slice).unwrap();
    fs::create_dir_all(slice.join("in the way")).unwrap();
    let edited = OBJECTS.replace("{api: {}}", "{api: {}}, units: [/x]");
    for _ in 0..3 {
        assert!(scene.try_to_apply(&edited, &Files::new()).is_err());
        assert_eq!(scene.sequence(), 2, "the root was written");
    }
    fs::remove_dir_all(&slice).unwrap();
    assert!(scene.apply(&edited, &Files::new()));
    assert_eq!(scene.sequence(), 2);
    assert_eq!(scene.slice().metadata.generation, Some(2));
}

#[test]
fn what_somebody_else_wrote_or_removed_is_noticed_and_written_again() {
    let mut scene = Scene::new();
    scene.apply(OBJECTS, &Files::new());
    assert!(!scene.configuration.notice());
    fs::remove_file(scene.path(ROOT)).unwrap();
    assert!(scene.configuration.notice());
    assert!(scene.apply(OBJECTS, &Files::new()));
    assert_eq!(scene.sequence(), 1);
    assert!(!scene.apply(OBJECTS, &Files::new()));
}
