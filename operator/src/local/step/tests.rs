use std::fs;
use std::io::Sink;

use rand::rngs::ThreadRng;

use super::*;
use crate::local::report::Output;

const LOCAL: &str = "
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local}
spec: {organizationId: bank-a, node: {network: net, signer: {secretName: finp2p-issuer}}}
";

struct Scene {
    folder: tempfile::TempDir,
    local: Local<fn() -> Timestamp, ThreadRng, Sink>,
    now: Duration,
    // Nodes are asked whether they are ready on a thread of a runtime.
    runtime: tokio::runtime::Runtime,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            directory: folder.path().to_owned(),
            state: folder.path().join(".finp2p"),
            // What it would do is not looked at here: any program that ends by itself.
            sidecar: "/bin/true".into(),
            output: Output::Text,
        };
        let outside = Outside {
            clock: (|| Timestamp::from_second(1_800_000_000).unwrap()) as fn() -> Timestamp,
            rng: rand::rng(),
            stream: std::io::sink(),
        };
        Self {
            local: Local::new(options, outside).unwrap(),
            folder,
            now: Duration::ZERO,
            runtime: tokio::runtime::Runtime::new().unwrap(),
        }
    }

    fn write(&self, namespace: &str) {
        let folder = self.folder.path().join(namespace);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("local.yaml"), LOCAL).unwrap();
    }

    /// Looks until `namespace` runs bank-a; the sequence that is configured then.
    fn runs_in(&mut self, namespace: &str) -> i64 {
        let _entered = self.runtime.enter();
        for _ in 0..8 {
            self.now += watch::LOOK_EVERY;
            self.local.step(self.now, || Duration::ZERO);
        }
        assert_eq!(self.local.fleet.organization_in(namespace), Some("bank-a"));
        let configured = self.local.fleet.previous("bank-a").unwrap();
        configured.root.spec.root.unwrap().sequence
    }
}

#[test]
fn the_sequence_goes_on_when_a_node_moves_to_another_namespace_and_back() {
    let mut scene = Scene::new();
    scene.write("bank-a");
    let first = scene.runs_in("bank-a");
    // Its path comes first, so it counts as the older one.
    scene.write("aaa");
    let moved = scene.runs_in("aaa");
    assert!(moved > first, "{moved} after {first}");
    fs::remove_dir_all(scene.folder.path().join("aaa")).unwrap();
    let back = scene.runs_in("bank-a");
    assert!(back > moved, "{back} after {moved}");
}
