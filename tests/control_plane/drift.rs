//! What others write into the objects of a node, with kubectl or by a controller, is undone, and
//! they are named; what is ordinary stays; and what the operator did not make it does not trust.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::interceptor::Interceptor;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use finp2p_tests::wait;
use serde_json::{Value, json};

/// What a node has on its cluster.
const OBJECTS: [(&str, &str); 6] = [
    ("roles", "finp2p-bank-a-node"),
    ("rolebindings", "finp2p-bank-a-node"),
    ("services", "finp2p-bank-a"),
    ("services", "finp2p-bank-a-api"),
    ("networkpolicies", "finp2p-bank-a"),
    ("statefulsets", "finp2p-bank-a"),
];
/// What comes back too often is undone every 30 s at most, and what a person must mend is looked at as often.
const LATER: Duration = Duration::from_secs(120);
/// An operator that has something to write does so long before.
const QUIET: Duration = Duration::from_secs(5);
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// What people write into each kind: type of the patch, the patch, and what the operator says of it.
const DRIFT: [(&str, &str, &str, &str, &str); 6] = [
    (
        "statefulsets",
        "finp2p-bank-a",
        "strategic",
        r#"{"spec": {"template": {"spec": {"hostNetwork": true,
            "initContainers": [{"name": "evil", "image": "registry.example/evil"}],
            "containers": [{"name": "sidecar", "stdin": true}, {"name": "proxy", "image": "registry.example/proxy"}],
            "volumes": [{"name": "more", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}]}}}}"#,
        "spec.template.spec.hostNetwork",
    ),
    (
        "services",
        "finp2p-bank-a",
        "merge",
        r#"{"spec": {"externalIPs": ["192.0.2.7"], "publishNotReadyAddresses": true}}"#,
        "spec.externalIPs",
    ),
    (
        "services",
        "finp2p-bank-a-api",
        "json",
        r#"[{"op": "add", "path": "/spec/ports/-", "value": {"name": "more", "port": 22, "protocol": "TCP", "targetPort": 22}},
            {"op": "add", "path": "/spec/selector/more", "value": "x"}]"#,
        "spec.selector",
    ),
    (
        "networkpolicies",
        "finp2p-bank-a",
        "json",
        r#"[{"op": "add", "path": "/spec/ingress/-", "value": {"ports": [{"port": 22, "protocol": "TCP"}]}},
            {"op": "add", "path": "/spec/podSelector/matchLabels/more", "value": "x"},
            {"op": "add", "path": "/spec/podSelector/matchExpressions", "value": [{"key": "x", "operator": "Exists"}]}]"#,
        "spec.podSelector",
    ),
    (
        "roles",
        "finp2p-bank-a-node",
        "json",
        r#"[{"op": "add", "path": "/rules/0/resourceNames", "value": ["x"]}]"#,
        "rules",
    ),
    (
        "rolebindings",
        "finp2p-bank-a-node",
        "json",
        r#"[{"op": "add", "path": "/subjects/-", "value": {"kind": "ServiceAccount", "name": "default", "namespace": "default"}}]"#,
        "subjects",
    ),
];

/// A bank whose operator runs, and its objects as they were made.
struct Home<'a> {
    banks: Consortium<'a>,
    interceptor: Interceptor,
    made: BTreeMap<String, Value>,
}

impl<'a> Home<'a> {
    fn start() -> Self {
        let cluster = ControlPlane::shared();
        let banks = Consortium::install(cluster, &["bank-a"], &[]);
        banks.apply_members();
        banks.apply_samples();
        let account = banks.system.account(&format!("{}-operator", banks.release));
        let mut this = Self {
            interceptor: Interceptor::start(cluster, &account),
            banks,
            made: BTreeMap::new(),
        };
        this.start_operator();
        let bank = this.bank();
        this.made = bank.until("the objects of the node", SEEN, || contents(bank));
        this
    }

    fn start_operator(&mut self) {
        let identity = self.interceptor.identity().clone();
        self.banks.start_operator_as(&identity);
    }

    fn stop_operator(&mut self) {
        self.banks.operators().last_mut().unwrap().stop().unwrap();
    }

    fn bank(&self) -> &Namespace<'a> {
        &self.banks.bank("bank-a").namespace
    }

    fn patch(&self, kind: &str, name: &str, how: &str, patch: &str) {
        let how = format!("--type={how}");
        let arguments = ["patch", kind, name, &how, "-p", patch];
        self.bank().kubectl(&arguments, "").ok().expect("the patch");
    }

    /// Waits until every object is as it was made.
    fn until_as_made(&self, deadline: Duration) {
        let bank = self.bank();
        bank.until("everything as it was", deadline, || {
            let now = contents(bank)?;
            let other = now
                .iter()
                .find(|(name, content)| self.made[*name] != **content);
            other.map_or(Ok(()), |(name, content)| {
                Err(format!("{name} is {content}, not {}", self.made[name]))
            })
        });
    }

    /// Waits until the local organization says, or does not say, that something is in the way.
    fn until_obstructed(&self, is_obstructed: bool) -> String {
        let bank = self.bank();
        let what = format!("Obstructed to be {is_obstructed}");
        bank.until(&what, LATER, || {
            let local = bank.get("peerorganizations", "local")?;
            let ready = &local["status"]["conditions"][0];
            ((ready["reason"] == "Obstructed") == is_obstructed)
                .then(|| ready["message"].to_string())
                .ok_or(ready.to_string())
        })
    }

    /// What the operators printed so far.
    fn log(&mut self) -> String {
        let operators = self.banks.operators().iter();
        operators.map(|operator| operator.printed()).collect()
    }

    /// Whether log and Events say of every drift where it was and who wrote it.
    fn authors_named(&mut self) -> Result<(), String> {
        let log = self.log();
        let events = self.bank().list("events")?;
        let notes: Vec<String> = events
            .iter()
            .filter(|event| event["reason"] == "ChangeUndone")
            .filter(|event| event["regarding"]["name"] == "local")
            .map(|event| event["note"].to_string())
            .collect();
        for (_, name, _, _, field) in DRIFT {
            let says = |line: &str| {
                [name, "kubectl-patch wrote", field]
                    .iter()
                    .all(|part| line.contains(part))
            };
            if !log.lines().any(says) {
                return Err(format!("{name}, {field} in the log: {log}"));
            }
            if !notes.iter().any(|note| says(note)) {
                return Err(format!("{name}, {field} in Events: {notes:?}"));
            }
        }
        Ok(())
    }

    /// Waits until the operator has nothing to write any more, then looks on a while longer.
    fn writes_nothing(&self) {
        let mut last = Instant::now();
        self.bank().until("the operator to come to rest", SEEN, || {
            let asked = self.interceptor.take_asked();
            if asked.iter().any(|asked| asked.is_write()) {
                last = Instant::now();
            }
            let quiet = last.elapsed();
            (quiet > QUIET)
                .then_some(())
                .ok_or(format!("quiet for {quiet:?}"))
        });
        std::thread::sleep(2 * QUIET); // what is measured is so long
        let asked = self.interceptor.take_asked();
        let writes: Vec<_> = asked.iter().filter(|asked| asked.is_write()).collect();
        assert!(writes.is_empty(), "{writes:?}");
    }
}

/// What each object says, and whose it is.
fn contents(bank: &Namespace<'_>) -> Result<BTreeMap<String, Value>, String> {
    let mut contents = BTreeMap::new();
    for (kind, name) in OBJECTS {
        let mut object = bank.get(kind, name)?;
        let owners = object["metadata"]["ownerReferences"].clone();
        let fields = object.as_object_mut().expect("an object");
        for other in ["metadata", "status", "apiVersion", "kind"] {
            fields.remove(other);
        }
        if let Some(template) = object.pointer_mut("/spec/template/metadata") {
            // What a restart leaves is looked at by itself.
            template
                .as_object_mut()
                .expect("an object")
                .remove("annotations");
        }
        contents.insert(format!("{kind}/{name}"), json!([object, owners]));
    }
    Ok(contents)
}

#[test]
fn what_others_write_is_undone_and_they_are_named_and_a_restart_stays() {
    let mut home = Home::start();
    for (kind, name, how, patch, _) in DRIFT {
        home.patch(kind, name, how, patch);
    }
    home.until_as_made(SEEN);
    wait::until("every author to be named", SEEN, || home.authors_named());

    let restart = ["rollout", "restart", "statefulset/finp2p-bank-a"];
    home.bank().kubectl(&restart, "").ok().expect("the restart");
    home.writes_nothing();
    home.until_as_made(SEEN);
    let set = home.bank().get("statefulsets", "finp2p-bank-a").unwrap();
    let annotations = &set["spec"]["template"]["metadata"]["annotations"];
    assert!(annotations[RESTARTED].is_string(), "{annotations}");
}

#[test]
fn a_change_that_comes_back_is_undone_twice_a_minute_and_told_until_it_stays_away() {
    let home = Home::start();
    let evil = r#"{"spec": {"template": {"spec": {"hostPID": true}}}}"#;
    for _at_once in 0..5 {
        home.patch("statefulsets", "finp2p-bank-a", "merge", evil);
        home.until_as_made(SEEN);
    }
    home.patch("statefulsets", "finp2p-bank-a", "merge", evil);
    let told = home.until_obstructed(true);
    for part in [
        "again and again",
        "kubectl-patch wrote spec.template.spec.hostPID",
    ] {
        assert!(told.contains(part), "{told}");
    }
    home.until_as_made(LATER);
    home.until_obstructed(false);
    home.until_as_made(SEEN);
}

#[test]
fn what_was_written_while_no_operator_ran_is_undone_also_when_nobody_remembers_who_wrote_it() {
    let mut home = Home::start();
    home.stop_operator();
    for (kind, name, how, patch, _) in DRIFT {
        home.patch(kind, name, how, patch);
    }
    home.start_operator();
    home.until_as_made(SEEN);

    home.stop_operator();
    let nobody = r#"{"metadata": {"managedFields": [{}]}}"#;
    for (kind, name, how, patch, _) in DRIFT {
        home.patch(kind, name, how, patch);
        home.patch(kind, name, "merge", nobody);
    }
    home.start_operator();
    home.until_as_made(SEEN);
    home.writes_nothing();
}

#[test]
fn a_role_that_lost_its_owner_is_put_back_and_one_that_another_made_is_given_to_nobody() {
    let mut home = Home::start();
    let name = "finp2p-bank-a-node";
    let rule = |resource: &str, verb: &str| json!([{"apiGroups": [""], "resources": [resource], "verbs": [verb]}]);
    let widened = json!({"metadata": {"ownerReferences": null}, "rules": rule("secrets", "list")});
    home.patch("roles", name, "merge", &widened.to_string());
    home.until_as_made(SEEN);

    home.stop_operator();
    let bank = home.bank();
    bank.kubectl(&["delete", "role", name], "").ok().unwrap();
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": {"name": name}, "rules": rule("pods", "delete")});
    bank.apply(&role.to_string()).ok().expect("a Role");
    home.start_operator();
    let told = home.until_obstructed(true);
    for part in [
        "Role finp2p-bank-a-node was not made by this operator",
        "delete this RoleBinding",
    ] {
        assert!(told.contains(part), "{told}");
    }

    // As soon as the API server lets it, the operator gives the Role to nobody.
    let narrow = json!({"rules": rule("secrets", "list")});
    home.patch("roles", name, "merge", &narrow.to_string());
    let bank = home.bank();
    bank.until("a RoleBinding of nobody", LATER, || {
        let subjects = bank.get("rolebindings", name)?["subjects"].clone();
        subjects.is_null().then_some(()).ok_or(subjects.to_string())
    });
    let role = bank.get("roles", name).unwrap();
    assert_eq!(role["rules"], rule("secrets", "list"), "it is left alone");
    bank.kubectl(&["delete", "role", name], "").ok().unwrap();
    home.until_as_made(LATER);
    home.until_obstructed(false);
}
