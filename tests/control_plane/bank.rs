//! A bank whose node takes its configuration from the API server: its namespace, its keys, its node
//! with the rights that a node has and no others. What an operator would write is written by the
//! test, so that it can be written wrong.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_tests::binaries::binaries;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::identity::Identity;
use finp2p_tests::http::{Answer, Api};
use finp2p_tests::process::Process;
use finp2p_tests::wait;
use finp2p_wire::cbor::{Bytes, List, Text};
use finp2p_wire::certificate::{Certificate, KeyBytes, Use};
use finp2p_wire::key::{PublicKey, SigningKey};
use jiff::{SignedDuration, Timestamp};
use libp2p::PeerId;
use serde_json::{Value, json};
use tempfile::TempDir;

pub const NETWORK: &str = "test-net";
/// Longest that anything may take on a busy machine.
pub const SEEN: Duration = Duration::from_secs(60);
const DAY_S: u64 = 86_400;
/// The service account that nodes run as.
pub const ACCOUNT: &str = "finp2p-node";

/// A bank. Its namespace goes with the control plane: no borrow keeps a test from stopping that.
pub struct Bank {
    pub org: String,
    pub namespace: String,
    pub admin: Identity,
    pub account: Identity,
    root: SigningKey,
    issuing: SigningKey,
    ports: [u16; 3],
    folder: TempDir,
    node: Option<Process>,
    /// What the configuration says now.
    pub config: Config,
    /// For this node's API, by account: a program asks for one token and keeps it.
    tokens: Mutex<BTreeMap<String, String>>,
}

/// What an operator would have planned.
#[derive(Clone)]
pub struct Config {
    pub sequence: i64,
    pub set: String,
    /// Name, bucket entries.
    pub slices: Vec<(String, Vec<Value>)>,
    pub clients: Vec<Value>,
    pub certificates: Vec<String>,
    pub max_age_s: i64,
}

/// An entry of a slice.
pub fn entry(kind: &str, name: &str, payload: Value) -> Value {
    json!({"kind": kind, "uid": format!("uid-{kind}-{name}").to_lowercase(), "generation": 1, "name": name, "payload": payload})
}

/// An asset with content from the Secret `bonds`.
pub fn asset(org: &str, name: &str) -> Value {
    let content = json!({"secret": {"name": "bonds", "key": format!("{name}.json")}});
    entry(
        "Asset",
        name,
        json!({"resourceId": format!("{org}:102:{name}"), "content": content}),
    )
}

/// A policy that lets a peer fetch everything of every asset.
pub fn policy(name: &str, peer: &str) -> Value {
    let spec = json!({
        "assets": {"all": true}, "peers": {"names": [peer]}, "mode": "Pull", "allFields": true,
    });
    entry("Policy", name, json!({"spec": spec}))
}

/// The content object of the samples here.
pub fn bonds(values: &[(&str, Value)], labelled: bool) -> Value {
    let data: serde_json::Map<String, Value> = values
        .iter()
        .map(|(name, value)| (format!("{name}.json"), json!(value.to_string())))
        .collect();
    let label = labelled.then_some("true");
    json!({
        "metadata": {"name": "bonds", "labels": {"sharing.finp2p.io/content": label}},
        "stringData": data,
    })
}

impl Bank {
    /// A bank in a namespace of its own; its node does not run yet.
    pub fn new(cluster: &ControlPlane, org: &str) -> Self {
        let namespace = cluster.namespace(org);
        let account = namespace.account(ACCOUNT);
        namespace.account("trading");
        let name = namespace.name.clone();
        std::mem::forget(namespace);
        let mut rng = rand::rng();
        let bank = Self {
            org: org.to_owned(),
            namespace: name,
            admin: cluster.admin().clone(),
            account,
            root: SigningKey::generate(&mut rng),
            issuing: SigningKey::generate(&mut rng),
            ports: finp2p_tests::ports::free().unwrap(),
            folder: tempfile::tempdir().unwrap(),
            node: None,
            config: Config {
                sequence: 1,
                set: "s1".to_owned(),
                slices: vec![(format!("{org}-s1-0"), Vec::new())],
                clients: vec![
                    json!({"serviceAccount": "trading", "allow": ["ReadAssets", "Fetch", "Administer"]}),
                ],
                certificates: Vec::new(),
                max_age_s: 259_200,
            },
            tokens: Mutex::default(),
        };
        bank.give_rights(&["bonds"]);
        bank
    }

    /// The Role of a node, exactly, and its way to verify callers.
    pub fn give_rights(&self, secrets: &[&str]) {
        let (name, ns) = (format!("finp2p-{}-node", self.org), &self.namespace);
        let mut rules = vec![
            json!({"apiGroups": ["sharing.finp2p.io"], "resources": ["sidecarconfigs"], "verbs": ["get", "list", "watch"]}),
            json!({"apiGroups": ["sharing.finp2p.io"], "resources": ["sidecarconfigs/status"], "verbs": ["get", "patch"], "resourceNames": [self.org]}),
        ];
        if !secrets.is_empty() {
            rules.push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"], "resourceNames": secrets}));
        }
        let subject = json!([{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": ns}]);
        let role_ref = |kind: &str, name: &str| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name});
        self.put(
            "roles",
            &json!({"metadata": {"name": name}, "rules": rules}),
        );
        self.put(
            "rolebindings",
            &json!({"metadata": {"name": name}, "roleRef": role_ref("Role", &name), "subjects": subject}),
        );
        let reviews = json!([{"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}]);
        self.put(
            "clusterroles",
            &json!({"metadata": {"name": ACCOUNT}, "rules": reviews}),
        );
        self.put(
            "clusterrolebindings",
            &json!({"metadata": {"name": format!("{ACCOUNT}-{ns}")}, "roleRef": role_ref("ClusterRole", ACCOUNT), "subjects": subject}),
        );
    }

    /// Creates an object of the namespace, or changes it.
    pub fn put(&self, resource: &str, object: &Value) {
        let ns = &self.namespace;
        let name = object["metadata"]["name"].as_str().unwrap();
        match self.admin.create(resource, ns, object) {
            Ok(_) => {}
            Err(refusal) if refusal.code == 409 => {
                self.admin.patch(resource, ns, name, object).unwrap();
            }
            Err(refusal) => panic!("{resource}/{name}: {refusal:?}"),
        }
    }

    pub fn get(&self, resource: &str, name: &str) -> Result<Value, String> {
        Ok(self.admin.get(resource, &self.namespace, name)?)
    }

    pub fn delete(&self, resource: &str, name: &str) {
        self.admin.delete(resource, &self.namespace, name).unwrap();
    }

    /// Writes the slices, then the root: the order in which a set grows.
    pub fn write(&mut self) {
        for number in 0..self.config.slices.len() {
            self.write_slice(number);
        }
        self.write_root();
    }

    pub fn write_slice(&self, number: usize) {
        let (name, entries) = &self.config.slices[number];
        let slice = json!({"set": self.config.set, "bucket": number, "entries": entries});
        let object = json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SidecarConfig",
            "metadata": {"name": name}, "spec": {"slice": slice},
        });
        self.put("sidecarconfigs", &object);
    }

    pub fn write_root(&self) {
        let config = &self.config;
        let names: Vec<_> = config.slices.iter().map(|(name, _)| name).collect();
        let root = json!({
            "organizationId": self.org, "network": NETWORK, "incarnation": 1,
            "sequence": config.sequence, "certificates": config.certificates,
            "limits": {
                "requestsPerSecond": 1000, "connections": 8, "eraseAfterSeconds": 86_400,
                "maxConfigAgeSeconds": config.max_age_s,
            },
            "api": config.clients, "set": config.set, "slices": names,
        });
        let object = json!({
            "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SidecarConfig",
            "metadata": {"name": self.org}, "spec": {"root": root},
        });
        self.put("sidecarconfigs", &object);
    }

    /// An edit: the sequence grows, and everything is written.
    pub fn edit(&mut self, change: impl FnOnce(&mut Config)) {
        change(&mut self.config);
        self.config.sequence += 1;
        self.write_root();
        self.write();
    }

    /// Starts the node as the service account of nodes.
    pub fn start(&mut self) {
        let folder = self.folder.path();
        let key = folder.join("store.key");
        if !key.exists() {
            std::fs::write(&key, rand::random::<[u8; 32]>()).unwrap();
            private(&key);
        }
        let [p2p, api, metrics] = self.ports;
        let mut node = Command::new(&binaries().sidecar);
        node.args(["--kubernetes-root", &self.org]);
        node.arg("--state").arg(folder.join("state"));
        node.arg("--store-key").arg(&key);
        node.arg("--listen")
            .arg(format!("/ip4/127.0.0.1/tcp/{p2p}"));
        node.arg("--api").arg(format!("127.0.0.1:{api}"));
        node.arg("--metrics").arg(format!("127.0.0.1:{metrics}"));
        node.arg("--log")
            .arg("debug,libp2p=warn,yamux=warn,hyper=warn");
        let name = format!("{}-node", self.namespace);
        self.node = Some(self.account.start(&name, node).unwrap());
    }

    pub fn stop(&mut self) {
        if let Some(mut node) = self.node.take() {
            assert!(node.stop().unwrap().success(), "{}", node.printed());
        }
    }

    /// What the node has printed so far.
    pub fn printed(&self) -> String {
        self.node.as_ref().unwrap().printed()
    }

    /// A configuration with certificates for the node's keys, in force.
    pub fn come_up(&mut self) {
        self.write();
        self.start();
        let report = self.until("requests for certificates", |bank| {
            let status = bank.report()?;
            let requests = status["certificateRequests"].as_array().cloned();
            requests
                .filter(|requests| requests.len() == 2)
                .map(|requests| (requests, status.clone()))
                .ok_or_else(|| status.to_string())
        });
        self.config.certificates = self.certify(&report.0);
        self.edit(|_| {});
        self.until("the node to serve", |bank| bank.ready());
    }

    /// The status of the root: the node's report.
    pub fn report(&self) -> Result<Value, String> {
        let root = self.get("sidecarconfigs", &self.org)?;
        Ok(root["status"].clone())
    }

    /// The exception of an object in the report.
    pub fn exception(&self, name: &str, reason: &str) -> Result<Value, String> {
        let report = self.report()?;
        let mut exceptions = report["exceptions"].as_array().into_iter().flatten();
        exceptions
            .find(|exception| exception["name"] == name && exception["reason"] == reason)
            .cloned()
            .ok_or_else(|| report["exceptions"].to_string())
    }

    /// Whether the report says that every slice is applied as it stands in the API.
    pub fn applied(&self) -> Result<(), String> {
        let applied = self.report()?["applied"].clone();
        let mut expected = Vec::new();
        for (name, _) in &self.config.slices {
            let slice = self.get("sidecarconfigs", name)?;
            let generation = &slice["metadata"]["generation"];
            expected.push(json!({"slice": name, "generation": generation}));
        }
        (applied == json!(expected))
            .then_some(())
            .ok_or_else(|| format!("{applied} is not {}", json!(expected)))
    }

    /// Whether `/readyz` says so.
    pub fn ready(&self) -> Result<(), String> {
        let answer = self.probe("/readyz");
        (answer.0 == 200).then_some(()).ok_or(answer.1)
    }

    pub fn probe(&self, path: &str) -> (u16, String) {
        let url = format!("http://127.0.0.1:{}{path}", self.ports[2]);
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .into();
        match agent.get(url).call() {
            Ok(mut answer) => (
                answer.status().as_u16(),
                answer.body_mut().read_to_string().unwrap_or_default(),
            ),
            Err(error) => (0, error.to_string()),
        }
    }

    /// The local API with a token for it.
    pub fn api(&self, account: &str) -> Api {
        let audience = format!("finp2p-{}-api", self.org);
        let mut tokens = self.tokens.lock().unwrap();
        let token = tokens
            .entry(account.to_owned())
            .or_insert_with(|| self.token(account, &audience));
        self.api_with(token.clone())
    }

    /// A token of a service account for an audience.
    pub fn token(&self, account: &str, audience: &str) -> String {
        let spec = json!({"expirationSeconds": 3600, "audiences": [audience]});
        let request =
            json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec});
        let path = format!(
            "/api/v1/namespaces/{}/serviceaccounts/{account}/token",
            self.namespace
        );
        let answer = self.admin.ask("POST", &path, Some(&request)).unwrap();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    pub fn api_with(&self, token: String) -> Api {
        Api {
            base: format!("http://127.0.0.1:{}", self.ports[1]),
            token,
        }
    }

    /// `GET /v1/status` of the client `trading`.
    pub fn status(&self) -> Result<Value, String> {
        let answer = self.api("trading").get("/v1/status")?;
        (answer.status == 200)
            .then(|| answer.body.clone())
            .ok_or_else(|| answer.body.to_string())
    }

    /// Fetches a resource of a peer.
    pub fn fetch(&self, resource: &str) -> Result<Answer, String> {
        self.api("trading").fetch(&json!({"resource": resource}))
    }

    /// Waits on something about this bank.
    pub fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Result<T, String>) -> T {
        wait::try_ask_until(SEEN, || look(self)).unwrap_or_else(|last| {
            let printed = self.node.as_ref().map(Process::printed).unwrap_or_default();
            let tail = printed.len().saturating_sub(6000);
            let tail = printed.get(tail..).unwrap_or(&printed);
            panic!("{what} of {} was not seen: {last}\n{tail}", self.namespace)
        })
    }

    /// Holds for long enough that what the test provoked would have shown.
    pub fn stays<T>(&self, what: &str, look: impl Fn(&Self) -> Result<T, String>) {
        let broken = wait::try_until(Duration::from_secs(2), || match look(self) {
            Ok(_) => Err("still so".to_owned()),
            Err(why) => Ok(why),
        });
        if let Ok(why) = broken {
            panic!("{what} did not stay so: {why}");
        }
    }

    /// What another organization pins for this one.
    pub fn as_peer(&self) -> Value {
        let (now, year) = (Timestamp::now(), SignedDuration::from_hours(365 * 24));
        let key = json!({
            "id": "k1", "publicKey": self.root.public().to_spki_base64(),
            "notBefore": (now - year).to_string(), "notAfter": (now + year).to_string(),
        });
        let address = format!("/ip4/127.0.0.1/tcp/{}", self.ports[0]);
        entry(
            "Peer",
            &self.org,
            json!({"organizationId": self.org, "keys": [key], "addresses": [address]}),
        )
    }

    fn certify(&self, requests: &[Value]) -> Vec<String> {
        let mut all =
            vec![self.certificate(&self.root, Use::Issue, self.issuing.public(), None, 1)];
        for (serial, request) in (2..).zip(requests) {
            let key = request["publicKey"].as_str().unwrap();
            let key = PublicKey::from_spki_base64(key).unwrap();
            let peer = request["peerIds"][0].as_str();
            let peer = peer.map(|peer| peer.parse::<PeerId>().unwrap());
            let of = if request["use"] == "net" {
                Use::Net
            } else {
                Use::Rec
            };
            all.push(self.certificate(&self.issuing, of, &key, peer, serial));
        }
        all
    }

    fn certificate(
        &self,
        issuer: &SigningKey,
        of: Use,
        key: &PublicKey,
        peer: Option<PeerId>,
        serial: u64,
    ) -> String {
        let issued = u64::try_from(Timestamp::now().as_second()).unwrap() - DAY_S;
        let says = Certificate {
            org: Text::new(&self.org).unwrap(),
            uses: List::new(vec![of]).unwrap(),
            key: KeyBytes(*key.as_bytes()),
            peers: peer.map(|peer| List::new(vec![Bytes::new(peer.to_bytes()).unwrap()]).unwrap()),
            serial,
            incarnation: 1,
            not_before: issued,
            not_after: issued + 30 * DAY_S,
        };
        STANDARD.encode(says.issue(NETWORK, issuer).unwrap())
    }
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}
