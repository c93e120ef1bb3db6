//! What is planned and cannot be written, and what somebody else writes where it was written.

use super::*;

impl Scene {
    /// A folder where a file should be: it cannot be replaced, as on a full disk.
    fn block(&self, place: &str) {
        let path = self.state(place);
        fs::remove_file(&path).unwrap();
        fs::create_dir_all(path.join("in the way")).unwrap();
    }

    fn unblock(&self, place: &str) {
        fs::remove_dir_all(self.state(place)).unwrap();
    }

    /// The process of a bank that runs.
    fn process(&self, bank: &str) -> Option<u32> {
        let text = fs::read_to_string(self.state("endpoints.json")).ok()?;
        let endpoints: Value = serde_json::from_str(&text).ok()?;
        let process = u32::try_from(endpoints[bank]["process"].as_u64()?).ok()?;
        is_alive(process).then_some(process)
    }

    fn has_terms(&self) -> bool {
        self.entries().contains("bond-terms-to-distributors")
    }

    fn status(&self) -> String {
        fs::read_to_string(self.state("status.txt")).unwrap_or_default()
    }

    /// Withdraws a policy while something cannot be written: the node of bank-a ends, the other
    /// one does not, and once it can be written it goes on without the policy.
    fn withdraw_while_blocked(&mut self, place: &str) {
        self.start();
        let [a, b] =
            ["bank-a", "bank-b"].map(|bank| self.until("both run", |scene| scene.process(bank)));
        self.block(place);
        fs::remove_file(self.path(POLICY)).unwrap();
        until("the node that would serve what is withdrawn ends", || {
            (!is_alive(a)).then_some(())
        });
        self.until("the status says so", |scene| {
            let status = scene.status();
            (status.contains("Not in force: ") && status.contains(place)).then_some(())
        });
        self.until("the log says so", |scene| {
            let told = "bank-a: its configuration could not be written";
            scene.output().contains(told).then_some(())
        });
        assert_eq!(self.process("bank-a"), None, "it stays stopped");
        assert_eq!(self.process("bank-b"), Some(b), "the other one runs on");
        assert!(
            !self
                .output()
                .contains("bank-b: its configuration could not")
        );
        self.unblock(place);
        self.until("it runs again", |scene| scene.process("bank-a"));
        assert!(!self.has_terms(), "without what was withdrawn");
        self.until("the status is mended", |scene| {
            (!scene.status().contains("Not in force: ")).then_some(())
        });
        assert_eq!(self.process("bank-b"), Some(b));
    }
}

#[test]
fn a_node_whose_plan_cannot_be_kept_is_stopped_and_no_other() {
    Scene::new(PATIENT).withdraw_while_blocked("bank-a/plan.json");
}

#[test]
fn a_node_whose_configuration_cannot_be_written_is_stopped_and_no_other() {
    Scene::new(PATIENT).withdraw_while_blocked("bank-a/config/root.yaml");
}

#[test]
fn when_nothing_can_be_remembered_only_the_nodes_that_an_edit_concerns_are_stopped() {
    Scene::new(PATIENT).withdraw_while_blocked("objects.json");
}

#[test]
fn a_node_does_not_start_with_what_an_earlier_run_configured_while_nothing_can_be_written() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    assert!(scene.end("-TERM").success());
    let before = scene.processes();
    scene.block("bank-a/config/root.yaml");
    fs::remove_file(scene.path(POLICY)).unwrap();
    scene.child = Some(scene.command().spawn().unwrap());
    scene.until("it is told", |scene| {
        scene.status().contains("Not in force: ").then_some(())
    });
    scene.until("the other node runs", |scene| scene.process("bank-b"));
    scene.until("only that one was started", |scene| {
        (scene.processes().len() > before.len()).then_some(())
    });
    assert_eq!(scene.processes().len(), before.len() + 1);
    assert_eq!(scene.process("bank-a"), None);
    scene.unblock("bank-a/config/root.yaml");
    scene.until("it runs", |scene| scene.process("bank-a"));
    assert!(!scene.has_terms());
}

#[test]
fn folders_that_somebody_removed_are_made_again_and_a_withdrawal_gets_through() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    let policy = fs::read_to_string(scene.path(POLICY)).unwrap();
    for folder in ["config/slices", "staging", "config/content", "config"] {
        fs::remove_dir_all(scene.state("bank-a").join(folder)).unwrap();
        fs::remove_file(scene.path(POLICY)).unwrap();
        let withdrawn = |scene: &Scene| {
            let root = fs::read(scene.state("bank-a/config/root.yaml")).ok()?;
            let root: SidecarConfig = serde_yaml::from_slice(&root).ok()?;
            let mut text = String::new();
            for name in root.spec.root?.slices {
                let path = scene.state(&format!("bank-a/config/slices/{name}.yaml"));
                text.push_str(&fs::read_to_string(path).ok()?);
            }
            (!text.contains("bond-terms-to-distributors")).then_some(())
        };
        scene.until("the withdrawal reaches the node", withdrawn);
        fs::write(scene.path(POLICY), &policy).unwrap();
        scene.until("the policy is back", |scene| {
            scene.has_terms().then_some(())
        });
    }
}

#[test]
fn files_that_somebody_wrote_or_removed_are_written_again() {
    let mut scene = Scene::new(PATIENT);
    scene.start();
    scene.until("both run", |scene| scene.process("bank-a"));
    let root = scene.state("bank-a/config/root.yaml");
    // Not the same one: certificates come into it meanwhile.
    let is_root = |text: &str| text.contains("organizationId: bank-a");
    assert!(is_root(&fs::read_to_string(&root).unwrap()));
    fs::remove_file(&root).unwrap();
    scene.until("a removed root", |_| {
        is_root(&fs::read_to_string(&root).ok()?).then_some(())
    });
    fs::write(&root, "garbage").unwrap();
    scene.until("a garbled root", |_| {
        is_root(&fs::read_to_string(&root).ok()?).then_some(())
    });
    for file in ["endpoints.json", "status.txt"] {
        let path = scene.state(file);
        fs::write(&path, "{}").unwrap();
        scene.until(file, |_| {
            (fs::read_to_string(&path).ok()? != "{}").then_some(())
        });
        fs::remove_file(&path).unwrap();
        scene.until(file, |_| path.exists().then_some(()));
    }
}
