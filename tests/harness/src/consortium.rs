//! Banks on one API server, as a platform team runs them: the chart's own objects, the operator and
//! the nodes as processes, each under its own service account and nobody as an administrator.
//!
//! What a Deployment and a StatefulSet would start in pods is started here on loopback, with the
//! arguments and the environment that those objects say, but for ports and paths.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::banks::{Banks, NETWORK};
use crate::binaries::{binaries, root};
use crate::control_plane::ControlPlane;
use crate::control_plane::identity::Identity;
use crate::control_plane::namespace::Namespace;
use crate::control_plane::parts::programs;
use crate::http::Api;
use crate::process::Process;
use crate::{ports, wait};

/// Longest that everything may take to be in force on a busy machine.
const START: Duration = Duration::from_secs(120);
/// Account of node pods.
pub const NODE_ACCOUNT: &str = "finp2p-node";

/// One bank: a namespace, and the node in it.
pub struct Bank<'a> {
    pub organization: String,
    pub namespace: Namespace<'a>,
    folder: PathBuf,
    ports: [u16; 3],
    node: Option<Process>,
}

/// A release of the chart, the operator it describes, and the banks that it keeps.
pub struct Consortium<'a> {
    cluster: &'a ControlPlane,
    pub release: String,
    /// The admission policies are those of the cluster: one release on an API server installs them.
    guards: bool,
    pub system: Namespace<'a>,
    banks: BTreeMap<String, Bank<'a>>,
    operators: Vec<Process>,
    operator_ports: Vec<u16>,
    folder: tempfile::TempDir,
}

impl<'a> Consortium<'a> {
    /// Renders and applies the chart for a namespace per organization, and makes the keys. Nothing
    /// runs, and nothing of ours is applied yet.
    ///
    /// # Panics
    /// When something does not work.
    pub fn install(cluster: &'a ControlPlane, organizations: &[&str], values: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Several releases share an API server here.
        let this = Self::make(cluster, organizations, false, format!("finp2p-{number}"));
        this.prepare(values);
        this
    }

    /// The only release of an API server: as the chart's README installs it, in namespaces that are
    /// called as the organizations, and with the admission policies.
    ///
    /// # Panics
    /// When something does not work.
    pub fn install_alone(cluster: &'a ControlPlane, organizations: &[&str]) -> Self {
        let this = Self::make(cluster, organizations, true, "finp2p".to_owned());
        this.prepare(&[]);
        this
    }

    fn make(
        cluster: &'a ControlPlane,
        organizations: &[&str],
        alone: bool,
        release: String,
    ) -> Self {
        let namespace = |name: &str| {
            if alone {
                cluster.namespace_called(name)
            } else {
                cluster.namespace(name)
            }
        };
        // It goes with the control plane, however that ends.
        let folder = tempfile::tempdir_in(cluster.folder()).expect("a folder");
        let system = namespace(if alone { "finp2p-system" } else { "system" });
        let banks = organizations.iter().map(|organization| {
            let home = folder.path().join(organization);
            fs::create_dir_all(&home).expect("a folder");
            let bank = Bank {
                organization: (*organization).to_owned(),
                namespace: namespace(organization),
                folder: home,
                ports: ports::free().expect("three ports"),
                node: None,
            };
            ((*organization).to_owned(), bank)
        });
        Self {
            cluster,
            release,
            guards: alone,
            system,
            banks: banks.collect(),
            operators: Vec::new(),
            operator_ports: Vec::new(),
            folder,
        }
    }

    fn prepare(&self, values: &[&str]) {
        self.apply_chart(values);
        for bank in self.banks.values() {
            self.make_keys(&bank.organization);
        }
    }

    /// The chart as Helm renders it for this consortium.
    pub fn render(&self, values: &[&str]) -> String {
        let [helm] = programs(["helm"]);
        let namespaces: Vec<&str> = self
            .banks
            .values()
            .map(|b| b.namespace.name.as_str())
            .collect();
        let mut command = Command::new(helm);
        command
            .args(["template", &self.release])
            .arg(root().join("charts/finp2p"))
            .args(["--namespace", &self.system.name])
            .args(["--set", &format!("namespaces={{{}}}", namespaces.join(","))])
            .args([
                "--set",
                &format!("admissionPolicies.install={}", self.guards),
            ]);
        for value in values {
            command.args(["--set", value]);
        }
        let output = command.stdin(Stdio::null()).output().expect("helm runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "helm: {said}");
        String::from_utf8(output.stdout).expect("YAML is text")
    }

    fn apply_chart(&self, values: &[&str]) {
        let rendered = self.render(values);
        let apply = ["apply", "--server-side", "--force-conflicts", "-f", "-"];
        let admin = self.cluster.admin();
        admin
            .kubectl_reading(&apply, &rendered)
            .ok()
            .expect("the chart applies");
    }

    fn make_keys(&self, organization: &str) {
        let made = Command::new(&binaries().operator)
            .args(["keygen", organization, "--network", NETWORK, "--out"])
            .arg(self.keys())
            .stdin(Stdio::null())
            .output()
            .expect("keygen runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }

    /// The folder of everybody's keys.
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    pub fn cluster(&self) -> &'a ControlPlane {
        self.cluster
    }

    /// # Panics
    /// When there is no such bank.
    pub fn bank(&self, organization: &str) -> &Bank<'a> {
        &self.banks[organization]
    }

    pub fn banks(&self) -> impl Iterator<Item = &Bank<'a>> {
        self.banks.values()
    }

    /// Applies, in every bank, its issuing key and the public records of all, as members of a
    /// consortium exchange them: with the addresses at which their nodes are.
    pub fn apply_members(&self) {
        for bank in self.banks.values() {
            let issuer = self
                .keys()
                .join(format!("{}-issuer.yaml", bank.organization));
            let issuer = fs::read_to_string(issuer).expect("the issuing key");
            bank.namespace.apply(&issuer).ok().expect("the issuing key");
            for member in self.banks.values() {
                let record = self.record(&member.organization);
                bank.namespace.apply(&record).ok().expect("a record");
            }
        }
    }

    /// The public record of a bank, with its address.
    pub fn record(&self, organization: &str) -> String {
        let path = self.keys().join(format!("{organization}.yaml"));
        let record = fs::read_to_string(path).expect("a record");
        let mut record: Value = serde_yaml::from_str(&record).expect("a record");
        record["spec"]["addresses"] = serde_json::json!([self.banks[organization].address()]);
        record.to_string()
    }

    /// Applies the first-light sample of each bank that has one.
    pub fn apply_samples(&self) {
        for bank in self.banks.values() {
            let samples = Banks::samples().join(&bank.organization);
            let path = samples.to_str().expect("a path");
            let applied = bank.namespace.kubectl(&["apply", "-f", path], "");
            applied.ok().expect("the samples");
        }
    }

    /// Name of the operator's service account, as the API server knows it.
    pub fn operator_user(&self) -> String {
        format!(
            "system:serviceaccount:{}:{}-operator",
            self.system.name, self.release
        )
    }

    /// Starts an operator as the chart's Deployment says.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_operator(&mut self) {
        let account = self.system.account(&format!("{}-operator", self.release));
        self.start_operator_as(&account);
    }

    /// The same with another kubeconfig: through an interceptor, for instance.
    pub fn start_operator_as(&mut self, identity: &Identity) {
        let name = format!("operator-{}", self.operators.len());
        self.start_operator_named(identity, &name);
    }

    /// The same under a name, as a pod gives it to its containers one after another.
    pub fn start_operator_named(&mut self, identity: &Identity, name: &str) {
        let deployment = format!("{}-operator", self.release);
        let deployment = self.system.get("deployments", &deployment);
        let deployment = deployment.expect("the Deployment");
        let container = &deployment["spec"]["template"]["spec"]["containers"][0];
        let [port] = ports::free().expect("a port");
        let mut command = Command::new(&binaries().operator);
        for argument in texts(&container["args"]) {
            if argument.starts_with("--listen=") {
                command.arg(format!("--listen=127.0.0.1:{port}"));
            } else {
                command.arg(argument);
            }
        }
        command.env("FINP2P_IDENTITY", name);
        let log = format!("{}-{}", self.release, self.operators.len());
        let process = identity.start(&log, command).expect("the operator starts");
        self.operators.push(process);
        self.operator_ports.push(port);
    }

    /// Where the first operator serves its metrics and probes.
    pub fn operator_url(&self) -> String {
        self.url_of(0)
    }

    fn url_of(&self, number: usize) -> String {
        format!("http://127.0.0.1:{}", self.operator_ports[number])
    }

    /// What the first operator says at a path of its probes.
    pub fn probe(&self, path: &str) -> Result<String, String> {
        self.probe_of(0, path)
    }

    /// What an operator says at a path of its probes, counted as they were started.
    pub fn probe_of(&self, number: usize, path: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.url_of(number));
        let mut answer = ureq::get(&url).call().map_err(|e| e.to_string())?;
        answer
            .body_mut()
            .read_to_string()
            .map_err(|e| e.to_string())
    }

    /// A number of an operator, summed over its labels: `watch_errors_total`.
    pub fn metric(&self, number: usize, name: &str) -> Result<u64, String> {
        let text = self.probe_of(number, "/metrics")?;
        let prefix = format!("finp2p_operator_{name}");
        let values = text.lines().filter_map(|line| {
            let rest = line.strip_prefix(&prefix)?;
            let is_whole = rest.starts_with([' ', '{']);
            is_whole.then(|| rest.rsplit(' ').next()?.parse::<u64>().ok())?
        });
        Ok(values.sum())
    }

    /// The operators that were started, in that order.
    pub fn operators(&mut self) -> &mut Vec<Process> {
        &mut self.operators
    }

    /// Starts the node of a bank as its StatefulSet says.
    ///
    /// # Panics
    /// When there is no StatefulSet, or no store key, in time.
    pub fn start_node(&mut self, organization: &str) {
        let bank = self.banks.get_mut(organization).expect("a bank");
        bank.start();
    }

    /// What becomes of a node's volume whose claim is deleted. Its process has ended.
    ///
    /// # Panics
    /// When the folder cannot be removed.
    pub fn lose_volume(&mut self, organization: &str) {
        let bank = self.banks.get_mut(organization).expect("a bank");
        bank.node = None;
        fs::remove_dir_all(bank.folder.join("node")).expect("the volume goes");
    }

    /// Applies everything, starts operator and nodes, and waits until every object is ready.
    pub fn start(&mut self) {
        let account = self.system.account(&format!("{}-operator", self.release));
        self.start_as(&account);
    }

    /// The same with another kubeconfig for the operator: through an interceptor, for instance.
    pub fn start_as(&mut self, operator: &Identity) {
        self.apply_members();
        self.apply_samples();
        self.start_operator_as(operator);
        let organizations: Vec<String> = self.banks.keys().cloned().collect();
        for organization in &organizations {
            self.start_node(organization);
        }
        for bank in self.banks.values() {
            bank.until_ready();
        }
    }

    /// The node of a bank.
    pub fn node(&mut self, organization: &str) -> &mut Option<Process> {
        &mut self.banks.get_mut(organization).expect("a bank").node
    }
}

impl Bank<'_> {
    /// Where peers dial its node.
    pub fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.ports[0])
    }

    /// Waits until every object of the bank is Ready about its present generation.
    pub fn until_ready(&self) {
        self.namespace.until("everything to be Ready", START, || {
            for kind in ["peerorganizations", "sharedassets", "sharingpolicies"] {
                for object in self.namespace.list(kind)? {
                    let name = &object["metadata"]["name"];
                    crate::control_plane::condition(&object, "Ready", "True")
                        .map_err(|why| format!("{kind} {name}: {why}"))?;
                }
            }
            Ok(())
        });
    }

    /// The local API as a program of the bank, by a token of its service account.
    pub fn api(&self, account: &str) -> Api {
        let _made = self.namespace.account(account);
        let audience = format!("finp2p-{}-api", self.organization);
        Api {
            base: format!("http://127.0.0.1:{}", self.ports[1]),
            token: self.namespace.token(account, Some(&audience), 3600),
        }
    }

    /// The entries of its node's audit log so far, as JSON.
    pub fn audited(&self) -> Result<Vec<Value>, String> {
        let folder = self.folder.join("node/audit");
        let mut segments: Vec<PathBuf> = fs::read_dir(&folder)
            .and_then(|files| files.map(|file| Ok(file?.path())).collect())
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        segments.retain(|path| path.extension().is_some_and(|kind| kind == "jsonl"));
        segments.sort();
        let mut entries = Vec::new();
        for segment in segments {
            let text = fs::read_to_string(&segment).map_err(|error| error.to_string())?;
            // The first line is the header; the last may be half written.
            let lines = text.lines().skip(1);
            let lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            entries.extend(lines.map(|mut line| line["entry"].take()));
        }
        Ok(entries)
    }

    /// Where its node serves metrics and probes.
    pub fn metrics_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[2])
    }

    /// What the node says at a path of its metrics address.
    pub fn probe(&self, path: &str) -> Result<String, String> {
        let url = format!("{}{path}", self.metrics_url());
        let mut answer = ureq::get(&url).call().map_err(|e| e.to_string())?;
        answer
            .body_mut()
            .read_to_string()
            .map_err(|e| e.to_string())
    }

    fn start(&mut self) {
        let name = format!("finp2p-{}", self.organization);
        let namespace = &self.namespace;
        let set = namespace.until("the StatefulSet", START, || {
            Ok(namespace.get("statefulsets", &name)?)
        });
        let pod = &set["spec"]["template"]["spec"];
        let secret = pod["volumes"][0]["secret"]["secretName"].as_str();
        let secret = secret
            .expect("the first volume is the store key's")
            .to_owned();
        let key = namespace.until("the store key", START, || {
            Ok(namespace.get("secrets", &secret)?)
        });
        let key = key["data"]["store.key"].as_str().expect("store.key");
        let key_file = self.folder.join("store.key");
        write_private(&key_file, &STANDARD.decode(key).expect("base64"));
        let mut command = Command::new(&binaries().sidecar);
        for variable in pod["containers"][0]["env"]
            .as_array()
            .expect("an environment")
        {
            let name = variable["name"].as_str().expect("a name");
            let [p2p, api, metrics] = self.ports;
            let value = match name {
                "FINP2P_KUBERNETES_NAMESPACE" => self.namespace.name.clone(),
                "FINP2P_STATE" => self.folder.join("node").display().to_string(),
                "FINP2P_STORE_KEY" => key_file.display().to_string(),
                "FINP2P_LISTEN" => format!("/ip4/127.0.0.1/tcp/{p2p}"),
                "FINP2P_API" => format!("127.0.0.1:{api}"),
                "FINP2P_METRICS" => format!("127.0.0.1:{metrics}"),
                _ => variable["value"]
                    .as_str()
                    .expect("a plain value")
                    .to_owned(),
            };
            command.env(name, value);
        }
        let account = self.namespace.account(NODE_ACCOUNT);
        let log = format!("{}-node", self.namespace.name);
        self.node = Some(account.start(&log, command).expect("the node starts"));
        let probed = wait::try_until(START, || self.probe("/healthz").map(drop));
        if let Err(why) = probed {
            let printed = self.node.as_ref().map(Process::printed).unwrap_or_default();
            panic!(
                "the node of {} does not come up: {why}\n{printed}",
                self.organization
            );
        }
    }
}

fn texts(list: &Value) -> Vec<String> {
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

fn write_private(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = fs::OpenOptions::new();
    options.create(true).write(true).truncate(true).mode(0o600);
    let mut file = options.open(path).expect("a file");
    file.write_all(bytes).expect("it is written");
}
