//! A namespace to plan for: objects as a user writes them, a node that does what it is told,
//! and an operator that applies what was planned.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use finp2p_crds::condition::{Condition, Truth};
use finp2p_crds::sidecar_config::{
    AppliedSlice, CertificateRequest, PeerReport, RawEntry, SidecarConfigStatus,
};
use finp2p_crds::{PeerOrganization, SharedAsset, SharingPolicy};
use finp2p_wire::key::SigningKey;
use jiff::{SignedDuration, Timestamp};
use libp2p_identity::Keypair;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::keys::signer::{Signer, Terms, certify};
use crate::node::inputs::{Age, Claim, Dialling, Inputs, Observed, Previous, Source, SourceKind};
use crate::node::plan::{Plan, plan};

pub const NETWORK: &str = "sandbox-finp2p";

/// Base64 of the public key of a seed.
pub fn public_key(seed: u8) -> String {
    SigningKey::from_seed(&[seed; 32]).public().to_spki_base64()
}

/// Root keys as in a manifest: one, of a seed.
pub fn keys(seed: u8) -> Value {
    json!([{
        "id": "2026-a", "publicKey": public_key(seed),
        "notBefore": "2026-01-01T00:00:00Z", "notAfter": "2028-01-01T00:00:00Z"
    }])
}

pub fn object<K: DeserializeOwned>(kind: &str, name: &str, spec: Value) -> K {
    serde_json::from_value(json!({
        "apiVersion": "sharing.finp2p.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "bank-a", "uid": format!("{kind}-{name}"), "generation": 1},
        "spec": spec
    }))
    .unwrap()
}

/// Namespace bank-a with its operator and its node.
#[derive(Clone)]
pub struct Scene {
    pub inputs: Inputs,
    pub signer: Arc<Signer>,
    born: i64,
    serial: u64,
}

impl Scene {
    /// An empty namespace.
    pub fn empty() -> Self {
        let now: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let signer = issuing(1, now, 300);
        Self {
            inputs: Inputs {
                namespace: "bank-a".to_owned(),
                organizations: Vec::new(),
                assets: Vec::new(),
                policies: Vec::new(),
                sources: Vec::new(),
                disputed: BTreeMap::new(),
                claims: Vec::new(),
                signer: signer.state(),
                signed: Vec::new(),
                dialling: Dialling::Network {
                    service: Some(Vec::new()),
                },
                cluster: None,
                previous: None,
                report: None,
                now,
            },
            signer: Arc::new(signer),
            born: 1_700_000_000,
            serial: 100,
        }
    }

    /// Bank-a with the consortium's record of itself, and the peer bank-b.
    pub fn bank_a() -> Self {
        let mut scene = Self::empty();
        scene.organization("bank-a", json!({"keys": keys(1)}));
        scene.organization("local", local_spec());
        scene.organization(
            "bank-b",
            json!({"keys": keys(2), "addresses": ["/dns4/b.example/tcp/4001"]}),
        );
        scene
    }

    fn age(&mut self, name: &str) -> Age {
        self.born += 1;
        Age::Created {
            at: Timestamp::from_second(self.born).unwrap(),
            namespace: "bank-a".to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn organization(&mut self, name: &str, spec: Value) {
        let age = self.age(name);
        let object = Arc::new(object::<PeerOrganization>("PeerOrganization", name, spec));
        let observed = Observed { object, age };
        self.inputs.claims.extend(Claim::of("bank-a", &observed));
        self.inputs.organizations.push(observed);
    }

    pub fn asset(&mut self, name: &str, spec: Value) {
        let age = self.age(name);
        let object = Arc::new(object::<SharedAsset>("SharedAsset", name, spec));
        self.inputs.assets.push(Observed { object, age });
    }

    pub fn policy(&mut self, name: &str, spec: Value) {
        let age = self.age(name);
        let object = Arc::new(object::<SharingPolicy>("SharingPolicy", name, spec));
        self.inputs.policies.push(Observed { object, age });
    }

    /// Several manifests bear this name.
    pub fn in_doubt(&mut self, kind: &str, name: &str) {
        let name = (kind.to_owned(), name.to_owned());
        let places = "a.yaml:1, b.yaml:1".to_owned();
        self.inputs.disputed.insert(name, places);
    }

    pub fn source(&mut self, kind: SourceKind, name: &str, permitted: bool, keys: &[&str]) {
        let keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
        self.inputs.sources.push(Source {
            kind,
            name: name.to_owned(),
            permitted,
            keys,
        });
    }

    /// Edits an organization as a user does: the generation grows.
    pub fn edit_organization(&mut self, name: &str, edit: impl FnOnce(&mut PeerOrganization)) {
        let list = &mut self.inputs.organizations;
        let found = list
            .iter_mut()
            .find(|o| o.object.metadata.name.as_deref() == Some(name))
            .unwrap();
        let object = Arc::make_mut(&mut found.object);
        edit(object);
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
    }

    pub fn edit_asset(&mut self, name: &str, edit: impl FnOnce(&mut SharedAsset)) {
        let list = &mut self.inputs.assets;
        let found = list
            .iter_mut()
            .find(|o| o.object.metadata.name.as_deref() == Some(name))
            .unwrap();
        let object = Arc::make_mut(&mut found.object);
        edit(object);
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
    }

    pub fn edit_policy(&mut self, name: &str, edit: impl FnOnce(&mut SharingPolicy)) {
        let list = &mut self.inputs.policies;
        let found = list
            .iter_mut()
            .find(|o| o.object.metadata.name.as_deref() == Some(name))
            .unwrap();
        let object = Arc::make_mut(&mut found.object);
        edit(object);
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
    }

    pub fn wait(&mut self, time: SignedDuration) {
        self.inputs.now = self.inputs.now.checked_add(time).unwrap();
    }

    pub fn plan(&self) -> Plan {
        plan(&self.inputs)
    }

    /// Applies a plan as an API server would: generations, statuses, deletions, signatures.
    pub fn apply(&mut self, plan: &Plan) {
        if let Some(root) = &plan.root {
            self.inputs.previous = Some(Previous {
                root: root.config.clone(),
                slices: plan.slices.iter().map(|s| s.config.clone()).collect(),
                memory: plan.memory.clone(),
            });
        }
        fn set<K: Clone, S: Clone>(
            observed: &mut [Observed<K>],
            statuses: &[crate::node::plan::ObjectStatus<S>],
            name: impl Fn(&K) -> Option<&str>,
            status: impl Fn(&mut K) -> &mut Option<S>,
        ) {
            for o in observed {
                let new = statuses
                    .iter()
                    .find(|s| Some(s.name.as_str()) == name(&o.object))
                    .unwrap();
                *status(Arc::make_mut(&mut o.object)) = Some(new.status.clone());
            }
        }
        set(
            &mut self.inputs.organizations,
            &plan.organizations,
            |o| o.metadata.name.as_deref(),
            |o| &mut o.status,
        );
        set(
            &mut self.inputs.assets,
            &plan.assets,
            |o| o.metadata.name.as_deref(),
            |o| &mut o.status,
        );
        set(
            &mut self.inputs.policies,
            &plan.policies,
            |o| o.metadata.name.as_deref(),
            |o| &mut o.status,
        );
        for request in &plan.signing {
            self.serial += 1;
            let signed = self
                .signer
                .sign(request, self.inputs.now, self.serial)
                .unwrap();
            self.inputs.signed.push(signed);
        }
    }

    /// The node applies what is configured and reports it.
    pub fn node_follows(&mut self) {
        let previous = self.inputs.previous.as_ref().unwrap();
        let applied = previous.slices.iter().map(|slice| AppliedSlice {
            slice: slice.metadata.name.clone().unwrap(),
            generation: slice.metadata.generation.unwrap(),
        });
        let report = SidecarConfigStatus {
            incarnation: previous
                .root
                .spec
                .root
                .as_ref()
                .map(|root| root.incarnation),
            applied: applied.collect(),
            certificate_requests: requests(11),
            ..self.inputs.report.take().unwrap_or_default()
        };
        self.inputs.report = Some(report);
    }

    pub fn peer_answers(&mut self, organization_id: &str, reachable: bool) {
        let report = self.inputs.report.get_or_insert_default();
        report
            .peers
            .retain(|peer| peer.organization_id != organization_id);
        report.peers.push(PeerReport {
            organization_id: organization_id.to_owned(),
            reachable,
            message: None,
        });
    }

    /// Plans, applies and reports until nothing is left to do.
    pub fn settle(&mut self) -> Plan {
        for _ in 0..10 {
            let plan = self.plan();
            if plan.is_idle() {
                return plan;
            }
            self.apply(&plan);
            if plan.root.is_some() {
                self.node_follows();
            }
        }
        panic!("the plan does not come to rest");
    }
}

/// The local organization as its manifest says it.
pub fn local_spec() -> Value {
    json!({
        "organizationId": "bank-a",
        "node": {"network": NETWORK, "signer": {"secretName": "finp2p-issuer"}}
    })
}

/// An asset with content from a Secret.
pub fn bond() -> Value {
    json!({"assetId": "XS2712345672", "content": {"secret": {"name": "bonds", "key": "bond.json"}}})
}

/// A policy that shares one named asset with one named peer.
pub fn share(asset: &str, peer: &str) -> Value {
    json!({
        "assets": {"names": [asset]}, "peers": {"names": [peer]}, "mode": "Pull", "fields": ["/name"]
    })
}

/// An issuing key of bank-a, certified by the root of a seed.
pub fn issuing(root: u8, now: Timestamp, days: i64) -> Signer {
    let (root, key) = (
        SigningKey::from_seed(&[root; 32]),
        SigningKey::from_seed(&[9; 32]),
    );
    let terms = Terms {
        serial: 7,
        incarnation: 1,
        not_before: now,
        not_after: now
            .checked_add(SignedDuration::from_hours(24 * days))
            .unwrap(),
    };
    let certificate = certify("bank-a", NETWORK, &root, key.public(), &terms).unwrap();
    let data = BTreeMap::from([
        (
            "key.pem".to_owned(),
            Zeroizing::new(key.to_pkcs8_pem().unwrap().as_bytes().to_vec()),
        ),
        (
            "certificate".to_owned(),
            Zeroizing::new(STANDARD.encode(certificate).into_bytes()),
        ),
    ]);
    Signer::from_secret("bank-a", NETWORK, &data).unwrap()
}

/// What a node asks for: a session key with its peer id, and a record key.
pub fn requests(seed: u8) -> Vec<CertificateRequest> {
    let peer = Keypair::ed25519_from_bytes([seed; 32])
        .unwrap()
        .public()
        .to_peer_id();
    vec![
        CertificateRequest {
            use_: "net".to_owned(),
            public_key: public_key(seed + 1),
            peer_ids: vec![peer.to_string()],
        },
        CertificateRequest {
            use_: "rec".to_owned(),
            public_key: public_key(seed + 2),
            peer_ids: Vec::new(),
        },
    ]
}

/// The conditions of an object.
pub fn conditions<'p>(plan: &'p Plan, kind: &str, name: &str) -> &'p [Condition] {
    let found = match kind {
        "PeerOrganization" => plan
            .organizations
            .iter()
            .find(|o| o.name == name)
            .map(|o| &o.status.conditions),
        "SharedAsset" => plan
            .assets
            .iter()
            .find(|o| o.name == name)
            .map(|o| &o.status.conditions),
        _ => plan
            .policies
            .iter()
            .find(|o| o.name == name)
            .map(|o| &o.status.conditions),
    };
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

/// One condition of an object: status, reason, message.
pub fn condition<'p>(
    plan: &'p Plan,
    kind: &str,
    name: &str,
    type_: &str,
) -> (Truth, &'p str, &'p str) {
    let found = conditions(plan, kind, name)
        .iter()
        .find(|c| c.type_ == type_);
    let found = found.unwrap_or_else(|| panic!("no condition {type_} on {kind} {name}"));
    (found.status, found.reason.as_str(), found.message.as_str())
}

/// Status and reason of one condition, as in `True Ready`.
pub fn says(plan: &Plan, kind: &str, name: &str, type_: &str) -> String {
    let (status, reason, _) = condition(plan, kind, name, type_);
    format!("{} {reason}", status.as_str())
}

pub fn has(plan: &Plan, kind: &str, name: &str, type_: &str) -> bool {
    conditions(plan, kind, name)
        .iter()
        .any(|c| c.type_ == type_)
}

/// All entries of all slices.
pub fn entries(plan: &Plan) -> Vec<RawEntry> {
    let slices = plan
        .slices
        .iter()
        .filter_map(|s| s.config.spec.slice.as_ref());
    slices
        .flat_map(|slice| slice.entries.iter().cloned())
        .collect()
}

/// Kinds and names of all entries, sorted.
pub fn entry_names(plan: &Plan) -> Vec<String> {
    let mut names: Vec<String> = entries(plan)
        .iter()
        .map(|e| format!("{} {}", e.kind, e.name))
        .collect();
    names.sort();
    names
}

/// Labels for an object, on a deserialized one.
pub fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}
