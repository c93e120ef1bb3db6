//! The operator killed -9 between any two writes: the next one ends where one that was never
//! killed ends, makes nothing twice and loses nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::interceptor::{Interceptor, Verdict};
use finp2p_tests::control_plane::namespace::SEEN;
use finp2p_tests::control_plane::{ControlPlane, Settings};
use finp2p_tests::wait;
use serde_json::{Value, json};

/// Kinds that a bank's people write.
const USERS: [&str; 3] = ["peerorganizations", "sharedassets", "sharingpolicies"];
/// Kinds that the operator writes.
const MADE: [&str; 7] = [
    "sidecarconfigs",
    "roles",
    "rolebindings",
    "services",
    "networkpolicies",
    "statefulsets",
    "secrets",
];
/// Fields that are another's in each run: times, chances, counters of the API server.
const CHANCE: [&str; 15] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "lastTransitionTime",
    "certificates",
    "sequence",
    "lineage",
    "generation",
    "sharing.finp2p.io/applied",
    "clusterIP",
    "clusterIPs",
    "store.key",
    "notBefore",
    "notAfter",
];
/// An operator that writes nothing for so long has nothing to write: a status waits for a second.
const QUIET: Duration = Duration::from_secs(4);
/// Rounds at once, each in a bank of its own: the machine has two cores.
const LANES: usize = 3;
/// No start takes more; one that does has found a loop.
const WRITES_MAX: usize = 80;

/// One bank, started and killed again and again.
struct Lane<'a> {
    banks: Consortium<'a>,
    interceptor: Interceptor,
    /// What its people apply.
    applied: Vec<(&'static str, Value)>,
    /// What an operator that nobody kills leaves.
    reference: BTreeMap<String, Value>,
}

impl<'a> Lane<'a> {
    fn prepare(cluster: &'a ControlPlane) -> Self {
        let banks = Consortium::install(cluster, &["bank-a", "bank-b"], &[]);
        banks.apply_members();
        let samples = finp2p_tests::banks::Banks::samples().join("bank-a");
        let path = samples.to_str().unwrap();
        let namespace = &banks.bank("bank-a").namespace;
        namespace.kubectl(&["apply", "-f", path], "").ok().unwrap();
        // The other bank is a peer here, and has no node of its own.
        let other = &banks.bank("bank-b").namespace;
        let none = other.kubectl(&["delete", "peerorganizations", "--all"], "");
        none.ok().unwrap();
        let applied = USERS.iter().flat_map(|kind| {
            let objects = namespace.list(kind).unwrap().into_iter();
            objects.map(|object| {
                let metadata = &object["metadata"];
                let (name, labels) = (&metadata["name"], &metadata["labels"]);
                let clean = json!({"apiVersion": object["apiVersion"], "kind": object["kind"],
                    "metadata": {"name": name, "labels": labels}, "spec": object["spec"]});
                (*kind, clean)
            })
        });
        let applied: Vec<_> = applied.collect();
        let account = format!("{}-operator", banks.release);
        let interceptor = Interceptor::start(cluster, &banks.system.account(&account));
        let mut this = Self {
            banks,
            interceptor,
            applied,
            reference: BTreeMap::new(),
        };
        this.reset();
        this
    }

    fn namespace(&self) -> &finp2p_tests::control_plane::namespace::Namespace<'a> {
        &self.banks.bank("bank-a").namespace
    }

    /// As it was before the first operator ever ran.
    fn reset(&mut self) {
        for operator in self.banks.operators() {
            operator.kill();
        }
        let admin = self.namespace().cluster().admin();
        let namespace = &self.namespace().name;
        for kind in USERS.iter().chain(&MADE) {
            for (name, _) in self.objects(kind) {
                admin.delete(kind, namespace, &name).unwrap();
            }
        }
        for (kind, object) in &self.applied {
            let mut object = object.clone();
            if object["metadata"]["labels"].is_null() {
                object["metadata"]["labels"] = json!({});
            }
            admin.create(kind, namespace, &object).unwrap();
        }
    }

    /// Objects of a kind that are ours or the operator's, by name.
    fn objects(&self, kind: &str) -> Vec<(String, Value)> {
        let objects = self.namespace().list(kind).unwrap().into_iter();
        let ours = objects.filter(|object| {
            let by = &object["metadata"]["labels"]["app.kubernetes.io/managed-by"];
            by == "finp2p-operator" || USERS.contains(&kind) || kind == "sidecarconfigs"
        });
        ours.map(|object| {
            let name = object["metadata"]["name"].as_str().unwrap().to_owned();
            (name, object)
        })
        .collect()
    }

    fn all(&self) -> BTreeMap<String, Value> {
        let kinds = USERS.iter().chain(&MADE);
        kinds
            .flat_map(|kind| {
                let objects = self.objects(kind).into_iter();
                objects.map(move |(name, object)| (format!("{kind}/{name}"), object))
            })
            .collect()
    }

    /// Starts an operator. What one that was killed left of its Lease would end by itself in 15 s.
    fn start_operator(&mut self) {
        let admin = self.namespace().cluster().admin();
        let lease = format!("{}-operator", self.banks.release);
        match admin.delete("leases", &self.banks.system.name, &lease) {
            Err(refusal) if refusal.code != 404 => panic!("{refusal:?}"),
            _ => {}
        }
        let identity = self.interceptor.identity().clone();
        self.banks.start_operator_as(&identity);
    }

    /// Everything as the reference has it.
    fn converged(&self) -> Result<BTreeMap<String, Value>, String> {
        let all = self.all();
        let found = without_chance(&all);
        let names = |map: &BTreeMap<String, Value>| map.keys().cloned().collect::<Vec<_>>();
        if names(&found) != names(&self.reference) {
            return Err(format!(
                "{:?}, not {:?}",
                names(&found),
                names(&self.reference)
            ));
        }
        for (name, expected) in &self.reference {
            if &found[name] != expected {
                return Err(format!("{name} is {}, not {expected}", found[name]));
            }
        }
        Ok(all)
    }

    /// A run that nobody disturbs. Returns how many writes it took.
    fn undisturbed(&mut self) -> usize {
        self.interceptor.take_asked();
        self.start_operator();
        let (mut writes, mut last) = (0, Instant::now());
        self.namespace()
            .until("the operator to come to rest", SEEN, || {
                let asked = self.interceptor.take_asked();
                let more = asked.iter().filter(|asked| asked.is_write()).count();
                if more > 0 {
                    (writes, last) = (writes + more, Instant::now());
                }
                let is_quiet = writes > 0 && last.elapsed() > QUIET;
                is_quiet.then_some(()).ok_or(format!("{writes} writes"))
            });
        self.reference = without_chance(&self.all());
        writes
    }

    /// Kills the operator at its write `n`, and lets another finish. Returns whether there was
    /// such a write.
    fn killed_at(&mut self, n: usize, verdict: Verdict) -> bool {
        self.reset();
        let (mut writes, before) = (0, self.interceptor.kept());
        self.interceptor.rule(move |asked| {
            writes += usize::from(asked.is_write());
            match writes.cmp(&n) {
                _ if !asked.is_write() => Verdict::Pass,
                std::cmp::Ordering::Less => Verdict::Pass,
                std::cmp::Ordering::Equal => verdict,
                // Those that were on their way beside it.
                std::cmp::Ordering::Greater => Verdict::Keep,
            }
        });
        self.start_operator();
        let mut looked = Instant::now();
        let reached = wait::until("the write or the end", SEEN, || {
            if self.interceptor.kept() > before {
                return Ok(true);
            }
            if looked.elapsed() < Duration::from_secs(1) {
                return Err("on its way".to_owned());
            }
            looked = Instant::now();
            self.converged().map(|_| false)
        });
        self.banks.operators().last_mut().unwrap().kill();
        let left = self.all();
        self.interceptor.pass();
        self.start_operator();
        let what = format!("the end of a start killed at write {n} ({verdict:?})");
        let all = self.namespace().until(&what, SEEN, || self.converged());
        for (name, object) in &left {
            let now = &all[name];
            assert_eq!(
                now["metadata"]["uid"], object["metadata"]["uid"],
                "{name} was made twice"
            );
            if name.starts_with("secrets/") {
                assert_eq!(
                    now["data"], object["data"],
                    "{name} is another, killed at {n}"
                );
            }
            let sequence = |object: &Value| object["spec"]["root"]["sequence"].as_u64();
            assert!(
                sequence(now) >= sequence(object),
                "{name} went back, killed at {n}"
            );
        }
        reached
    }
}

fn without_chance(objects: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
    let clean = objects.iter().map(|(name, object)| {
        let mut object = object.clone();
        strip(&mut object);
        (name.clone(), object)
    });
    clean.collect()
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !CHANCE.contains(&key.as_str()));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => {
            items.iter_mut().for_each(strip);
            // Entries of a slice are in the order of their uids.
            items.sort_by_key(Value::to_string);
        }
        _ => {}
    }
}

#[test]
fn an_operator_that_is_killed_at_any_write_is_finished_by_the_next() {
    // Nobody collects garbage and nobody makes pods here: each round begins with nothing.
    let cluster = ControlPlane::start(Settings {
        controllers: false,
        ..Settings::default()
    });
    let rounds: usize = std::thread::scope(|scope| {
        let lanes: Vec<_> = (1..=LANES)
            .map(|first| {
                let cluster = &cluster;
                scope.spawn(move || {
                    let mut lane = Lane::prepare(cluster);
                    let writes = lane.undisturbed();
                    assert!((12..WRITES_MAX).contains(&writes), "{writes} writes");
                    let names: Vec<_> = lane.reference.keys().collect();
                    let roots = lane.objects("sidecarconfigs").into_iter();
                    let roots = roots.filter(|(_, o)| !o["spec"]["root"].is_null()).count();
                    assert_eq!(roots, 1, "{names:?}");
                    let mut rounds = 0;
                    for n in (first..WRITES_MAX).step_by(LANES) {
                        let before = lane.killed_at(n, Verdict::Keep);
                        let after = lane.killed_at(n, Verdict::KeepAnswer);
                        rounds += 2;
                        if !before && !after {
                            return rounds;
                        }
                    }
                    panic!("more than {WRITES_MAX} writes");
                })
            })
            .collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    });
    assert!(rounds > 24, "{rounds} rounds");
}
