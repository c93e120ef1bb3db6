use std::fs;
use std::io::Sink;

use rand::rngs::ThreadRng;

use super::*;
use crate::local::report::Output;
use crate::local::state::StateError;

const LOCAL: &str = "
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local}
spec: {organizationId: bank-a, node: {network: net, signer: {secretName: finp2p-issuer}}}
";

type Running = Local<fn() -> Timestamp, ThreadRng, Sink>;

struct Scene {
    folder: tempfile::TempDir,
    local: Option<Running>,
    now: Duration,
    // Nodes are asked whether they are ready on a thread of a runtime.
    runtime: tokio::runtime::Runtime,
}

fn outside() -> Outside<fn() -> Timestamp, ThreadRng, Sink> {
    Outside {
        clock: || Timestamp::from_second(1_800_000_000).unwrap(),
        rng: rand::rng(),
        stream: std::io::sink(),
    }
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self {
            folder: tempfile::tempdir().unwrap(),
            local: None,
            now: Duration::ZERO,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        };
        scene.restart();
        scene
    }

    fn options(&self) -> Options {
        Options {
            directory: self.folder.path().to_owned(),
            state: self.folder.path().join(".finp2p"),
            // What it would do is not looked at here: any program that ends by itself.
            sidecar: "/bin/true".into(),
            output: Output::Text,
        }
    }

    /// Ends it, without ceremony, and starts it anew on the same state.
    fn restart(&mut self) {
        self.local = None;
        self.local = Some(Local::new(self.options(), outside()).unwrap());
    }

    fn write(&self, namespace: &str, text: &str) {
        let folder = self.folder.path().join(namespace);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("local.yaml"), text).unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        let path = |name| self.folder.path().join(name);
        fs::rename(path(from), path(to)).unwrap();
    }

    fn remove(&self, namespace: &str) {
        fs::remove_dir_all(self.folder.path().join(namespace)).unwrap();
    }

    fn root(&self) -> finp2p_crds::sidecar_config::Root {
        let local = self.local.as_ref().unwrap();
        let configured = local.fleet.previous("bank-a").unwrap();
        configured.root.spec.root.unwrap()
    }

    fn incarnation(&self) -> i64 {
        self.root().incarnation
    }

    /// Looks some times and expects that `namespace` runs bank-a; the sequence that is configured
    /// then.
    fn runs_in(&mut self, namespace: &str) -> i64 {
        let _entered = self.runtime.enter();
        let local = self.local.as_mut().unwrap();
        for _ in 0..8 {
            self.now += watch::LOOK_EVERY;
            local.step(self.now, || Duration::ZERO);
        }
        assert_eq!(local.fleet.organization_in(namespace), Some("bank-a"));
        self.root().sequence
    }
}

#[test]
fn the_sequence_goes_on_when_a_node_moves_to_another_namespace_and_back() {
    let mut scene = Scene::new();
    scene.write("bank-a", LOCAL);
    let first = scene.runs_in("bank-a");
    scene.rename("bank-a", "aaa");
    let moved = scene.runs_in("aaa");
    assert!(moved > first, "{moved} after {first}");
    scene.rename("aaa", "bank-a");
    let back = scene.runs_in("bank-a");
    assert!(back > moved, "{back} after {moved}");
}

#[test]
fn a_copied_folder_that_sorts_first_does_not_take_an_organization_over() {
    let mut scene = Scene::new();
    scene.write("bank-a", LOCAL);
    scene.runs_in("bank-a");
    scene.write("aaa", LOCAL);
    scene.runs_in("bank-a");
    scene.restart();
    scene.runs_in("bank-a");
    // A copy that was made meanwhile came later, too.
    scene.write("aa", LOCAL);
    scene.restart();
    scene.runs_in("bank-a");
    scene.remove("bank-a");
    scene.runs_in("aaa");
    scene.write("bank-a", LOCAL);
    scene.runs_in("aaa");
}

#[test]
fn what_may_not_be_changed_may_not_be_changed_while_nothing_runs_either() {
    let mut scene = Scene::new();
    let incarnation =
        |number: u32| LOCAL.replace("node: {", &format!("node: {{incarnation: {number}, "));
    scene.write("bank-a", &incarnation(3));
    scene.runs_in("bank-a");
    for lower in [incarnation(2), LOCAL.to_owned()] {
        scene.restart();
        scene.write("bank-a", &lower);
        scene.runs_in("bank-a");
        assert_eq!(scene.incarnation(), 3);
        let status = fs::read_to_string(scene.folder.path().join(".finp2p/status.txt")).unwrap();
        assert!(status.contains("Refused edits."), "{status}");
    }
    scene.restart();
    scene.write("bank-a", &incarnation(4));
    scene.runs_in("bank-a");
    assert_eq!(scene.incarnation(), 4);
}

#[test]
fn a_memory_that_cannot_be_read_is_no_empty_memory() {
    let mut scene = Scene::new();
    scene.write("bank-a", LOCAL);
    scene.runs_in("bank-a");
    let options = scene.options();
    scene.local = None;
    fs::write(options.state.join("objects.json"), "{").unwrap();
    let error = Local::new(options, outside()).err().unwrap();
    assert!(
        matches!(error, LocalError::State(StateError::Forgotten(_))),
        "{error}"
    );
}
