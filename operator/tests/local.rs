//! The local mode as a program, with tiny real children in the place of sidecars: what a folder
//! of manifests becomes, and what is left when it ends. (With real sidecars: the suites in
//! tests/.)
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use finp2p_crds::SidecarConfig;
use serde_json::Value;

#[path = "local/written.rs"]
mod written;

/// Longest that anything here may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A child that ends when its standard input closes, as a sidecar does, and says who it is.
const PATIENT: &str =
    "#!/bin/sh\necho $$ >> \"$(dirname \"$0\")/processes\"\nexec cat > /dev/null\n";
const POLICY: &str = "bank-a/policy-terms.yaml";

/// A folder of first-light manifests with keys, and the program that runs it.
struct Scene {
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Scene {
    fn new(sidecar: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let samples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../crds/samples/first-light");
        let scene = Self {
            folder,
            child: None,
        };
        for bank in ["bank-a", "bank-b"] {
            fs::create_dir_all(scene.path(bank)).unwrap();
            for entry in fs::read_dir(samples.join(bank)).unwrap() {
                let entry = entry.unwrap();
                fs::copy(entry.path(), scene.path(bank).join(entry.file_name())).unwrap();
            }
            scene.keygen(bank);
        }
        let program = scene.folder.path().join("sidecar");
        fs::write(&program, sidecar).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
        scene
    }

    fn keygen(&self, bank: &str) {
        let keys = self.folder.path().join("keys");
        fs::create_dir_all(self.path("members")).unwrap();
        let made = Command::new(env!("CARGO_BIN_EXE_finp2p-operator"))
            .args(["keygen", bank, "--network", "sandbox-finp2p", "--out"])
            .arg(&keys)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let issuer = self.path(&format!("{bank}/issuer.yaml"));
        fs::rename(keys.join(format!("{bank}-issuer.yaml")), issuer).unwrap();
        let record = self.path(&format!("members/{bank}.yaml"));
        fs::rename(keys.join(format!("{bank}.yaml")), record).unwrap();
    }

    fn path(&self, place: &str) -> PathBuf {
        self.folder.path().join("banks").join(place)
    }

    fn state(&self, place: &str) -> PathBuf {
        self.path(".finp2p").join(place)
    }

    fn command(&self) -> Command {
        let output = fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("output"))
            .unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_finp2p-operator"));
        command
            .arg("local")
            .arg(self.path(""))
            .arg("--sidecar")
            .arg(self.folder.path().join("sidecar"))
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output);
        command
    }

    fn start(&mut self) {
        self.child = Some(self.command().spawn().unwrap());
        self.until("both nodes were started", |scene| {
            (scene.processes().len() >= 2).then_some(())
        });
    }

    /// Ends it with a signal and waits for that.
    fn end(&mut self, signal: &str) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
        until("the program ends", || child.try_wait().unwrap())
    }

    /// Every child that was ever started.
    fn processes(&self) -> Vec<u32> {
        let text = fs::read_to_string(self.folder.path().join("processes")).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    fn output(&self) -> String {
        fs::read_to_string(self.folder.path().join("output")).unwrap_or_default()
    }

    fn root(&self) -> SidecarConfig {
        read_config(&self.state("bank-a/config/root.yaml"))
    }

    fn sequence(&self) -> i64 {
        self.root().spec.root.unwrap().sequence
    }

    /// What the node of bank-a is told, as JSON text.
    fn entries(&self) -> String {
        let root = self.root().spec.root.unwrap();
        let slices = root.slices.iter().map(|name| {
            let path = self.state(&format!("bank-a/config/slices/{name}.yaml"));
            serde_json::to_string(&read_config(&path)).unwrap()
        });
        slices.collect()
    }

    /// Where the nodes are, without who they are.
    fn addresses(&self) -> Vec<[Value; 3]> {
        let endpoints = self.endpoints();
        let nodes = endpoints.as_object().unwrap().values();
        nodes
            .map(|node| ["api", "metrics", "p2p"].map(|name| node[name].clone()))
            .collect()
    }

    fn endpoints(&self) -> Value {
        let text = fs::read_to_string(self.state("endpoints.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Edits as an editor does that writes in place, without care.
    fn edit(&self, place: &str, from: &str, to: &str) {
        let before = fs::read_to_string(self.path(place)).unwrap();
        assert!(before.contains(from), "{from} is in {place}");
        fs::write(self.path(place), before.replace(from, to)).unwrap();
    }

    fn until<T>(&mut self, what: &str, mut condition: impl FnMut(&Self) -> Option<T>) -> T {
        let begin = now();
        loop {
            if let Some(found) = condition(self) {
                return found;
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait().unwrap()
            {
                panic!("{what}: it ended with {status}: {}", self.output());
            }
            assert!(begin.elapsed() < PATIENCE, "{what}: {}", self.output());
            std::thread::yield_now();
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

#[allow(clippy::disallowed_methods)] // a deadline, not a decision
fn now() -> Instant {
    Instant::now()
}

fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begin = now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}

fn read_config(path: &Path) -> SidecarConfig {
    serde_yaml::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn is_alive(process: u32) -> bool {
    fs::read_to_string(format!("/proc/{process}/stat")).is_ok_and(|stat| {
        let rest = stat.rsplit(')').next();
        rest.is_some_and(|rest| !rest.starts_with(" Z"))
    })
}

#[test]
fn a_folder_becomes_configured_nodes_and_a_signal_ends_them_in_good_order() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let endpoints = scene.endpoints();
    for bank in ["bank-a", "bank-b"] {
        let token = scene.state(&format!("{bank}/tokens"));
        assert_eq!(
            fs::read_dir(token).unwrap().count(),
            2,
            "one for each client"
        );
        let key = fs::metadata(scene.state(&format!("{bank}/store.key"))).unwrap();
        assert_eq!(key.permissions().mode() & 0o777, 0o600);
        assert_eq!(endpoints[bank]["ready"], false, "nothing answers there");
    }
    // bank-b dials bank-a on this machine, whatever its record says.
    let p2p = endpoints["bank-b"]["p2p"].as_str().unwrap().to_owned();
    assert!(p2p.starts_with("/ip4/127.0.0.1/tcp/"));
    assert!(scene.entries().contains(&p2p), "{}", scene.entries());
    let content: Vec<_> = fs::read_dir(scene.state("bank-a/config/content"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(content.len(), 2, "the two bonds, and no key: {content:?}");
    scene.until("the statuses are printed", |scene| {
        scene.output().contains("NodeBehind").then_some(())
    });
    assert!(scene.end("-TERM").success());
    for process in scene.processes() {
        assert!(!is_alive(process));
    }
    assert!(scene.output().ends_with("stopped\n"), "{}", scene.output());
    assert_eq!(scene.endpoints(), serde_json::json!({}));
}

#[test]
fn no_child_is_left_when_the_program_is_killed() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let processes = scene.processes();
    assert!(processes.iter().all(|process| is_alive(*process)));
    scene.end("-KILL");
    until("the children end by themselves", || {
        (!processes.iter().any(|process| is_alive(*process))).then_some(())
    });
}

#[test]
fn a_second_program_on_the_same_state_is_refused_and_told_why() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let second = scene
        .command()
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    let first = scene.child.as_ref().unwrap().id();
    assert!(told.contains("another `finp2p-operator local`"), "{told}");
    assert!(told.contains(&format!("process {first}")), "{told}");
}

#[test]
fn a_child_that_dies_is_told_and_started_again() {
    let mut scene = Scene::new(
        "#!/bin/sh\ncd \"$(dirname \"$0\")\"\necho $$ >> processes\nmkdir \"died-$$\"\n[ $(ls -d died-* | wc -l) -gt 2 ] || { echo out of luck; exit 7; }\nexec cat > /dev/null\n",
    );
    scene.start();
    scene.until("two died and were started again", |scene| {
        let processes = scene.processes();
        let alive = processes.iter().filter(|process| is_alive(**process));
        (processes.len() >= 4 && alive.count() == 2).then_some(())
    });
    let output = scene.output();
    assert!(output.contains("it failed with exit status 7"), "{output}");
    assert!(output.contains("out of luck"), "{output}");
    assert!(output.contains("sidecar.log"), "{output}");
}

#[test]
fn an_edit_reaches_the_node_and_a_bad_one_does_not() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let sequence = scene.sequence();
    assert!(scene.entries().contains("/terms/coupon"));
    scene.edit(POLICY, "/terms/coupon, ", "");
    scene.until("the edit reaches the node", |scene| {
        (!scene.entries().contains("/terms/coupon")).then_some(())
    });
    assert!(scene.sequence() > sequence);

    let entries = scene.entries();
    scene.edit(POLICY, "mode: Pull", "mode: Pull\n  feilds: [/x]");
    scene.until("the refusal is told", |scene| {
        scene
            .output()
            .contains("bond-terms-to-distributors keeps its last good version")
            .then_some(())
    });
    assert!(scene.output().contains("did you mean `fields`?"));
    assert!(scene.output().contains("what it granted stays granted"));
    scene.until("the tables say so", |scene| {
        let status = fs::read_to_string(scene.state("status.txt")).ok()?;
        let (_, refused) = status.split_once("Refused edits.")?;
        refused.contains("unknown field `feilds`").then_some(())
    });
    fs::write(scene.path(POLICY), "spec: [").unwrap();
    let other = "bank-a/policy-settlement.yaml";
    fs::remove_file(scene.path(other)).unwrap();
    scene.until("another file's policy is withdrawn meanwhile", |scene| {
        (!scene.entries().contains("bond-settlement-to-distributors")).then_some(())
    });
    assert!(scene.entries().contains("bond-terms-to-distributors"));
    assert!(entries.contains("bond-terms-to-distributors"));
}

#[test]
fn a_second_file_with_the_name_of_a_policy_opens_nothing_and_both_are_told() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let name = "bond-terms-to-distributors";
    assert!(scene.entries().contains(name));
    let text = fs::read_to_string(scene.path(POLICY)).unwrap();
    let wider = text.replace("/terms/coupon", "/investors, /terms/coupon");
    let second = "bank-a/0-policy.yaml";
    fs::write(scene.path(second), wider).unwrap();
    scene.until("neither of the two counts", |scene| {
        (!scene.entries().contains(name)).then_some(())
    });
    assert!(!scene.entries().contains("/investors"));
    scene.until("both are told", |scene| {
        let output = scene.output();
        let told = [second, POLICY].map(|place| {
            let lines = output.lines().filter(|line| line.contains(place));
            lines.filter(|l| l.contains("[DuplicateObject]")).count()
        });
        (told[0] > 0 && told[1] > 0).then_some(())
    });
    scene.until("the table says so", |scene| {
        let status = fs::read_to_string(scene.state("status.txt")).ok()?;
        let mut lines = status.lines().filter(|line| line.starts_with(name));
        lines.next()?.contains("DuplicateObject").then_some(())
    });
    fs::remove_file(scene.path(second)).unwrap();
    scene.until("the one that is left counts", |scene| {
        scene.entries().contains(name).then_some(())
    });
    assert!(!scene.entries().contains("/investors"));
}

#[test]
fn content_without_its_label_is_reported_and_taken_away() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let content = scene.state("bank-a/config/content/secret.green-bond-2031.yaml");
    assert!(content.exists());
    scene.edit(
        "bank-a/bond.yaml",
        "content: \"true\"",
        "content: \"false\"",
    );
    scene.until("the content is taken away", |_| {
        (!content.exists()).then_some(())
    });
    scene.until("the asset says so", |scene| {
        let status = fs::read_to_string(scene.state("status.txt")).ok()?;
        let line = status
            .lines()
            .find(|line| line.contains("ContentNotPermitted"))?;
        line.contains("green-bond-2031").then_some(())
    });
}

#[test]
fn a_node_whose_local_organization_goes_is_switched_off_and_goes_on_where_it_was() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let (sequence, ports) = (scene.sequence(), scene.endpoints()["bank-a"].clone());
    let local = fs::read_to_string(scene.path("bank-a/local.yaml")).unwrap();
    fs::remove_file(scene.path("bank-a/local.yaml")).unwrap();
    scene.until("its node is switched off", |scene| {
        let alive = scene.processes().into_iter().filter(|p| is_alive(*p));
        (alive.count() == 1 && scene.endpoints().get("bank-a").is_none()).then_some(())
    });
    assert!(
        !scene
            .state("bank-a/config/content/secret.green-bond-2031.yaml")
            .exists()
    );
    fs::write(scene.path("bank-a/local.yaml"), local).unwrap();
    scene.until("its node runs again", |scene| {
        let alive = scene.processes().into_iter().filter(|p| is_alive(*p));
        (alive.count() == 2 && scene.endpoints().get("bank-a").is_some()).then_some(())
    });
    assert!(scene.sequence() >= sequence);
    assert_eq!(scene.endpoints()["bank-a"]["api"], ports["api"]);
    assert!(
        scene
            .state("bank-a/config/content/secret.green-bond-2031.yaml")
            .exists()
    );
}

#[test]
fn a_restart_keeps_addresses_keys_and_sequence() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    scene.edit(POLICY, "/terms/coupon, ", "");
    scene.until("the edit reaches the node", |scene| {
        (!scene.entries().contains("/terms/coupon")).then_some(())
    });
    let before = (scene.root(), scene.addresses(), scene.entries());
    let key = fs::read(scene.state("bank-a/store.key")).unwrap();
    assert!(scene.end("-TERM").success());
    fs::remove_file(scene.folder.path().join("processes")).unwrap();
    scene.start();
    let after = (scene.root(), scene.addresses(), scene.entries());
    assert_eq!(after, before, "nothing was edited, so nothing is");
    assert_eq!(fs::read(scene.state("bank-a/store.key")).unwrap(), key);
}

#[test]
fn a_file_that_cannot_be_read_at_the_start_leaves_what_the_last_run_configured() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let entries = scene.entries();
    assert!(scene.end("-TERM").success());
    fs::remove_file(scene.folder.path().join("processes")).unwrap();
    let policy = fs::read_to_string(scene.path(POLICY)).unwrap();
    fs::write(scene.path(POLICY), "spec: [").unwrap();
    scene.start();
    assert_eq!(scene.entries(), entries);
    let told = "bank-a: SharingPolicy bond-terms-to-distributors keeps its last good version";
    scene.until("that is told", |scene| {
        scene.output().contains(told).then_some(())
    });
    fs::write(scene.path(POLICY), policy.replace("/terms/coupon, ", "")).unwrap();
    scene.until("the mended file applies", |scene| {
        (!scene.entries().contains("/terms/coupon")).then_some(())
    });
    assert!(scene.sequence() > 1);
}
