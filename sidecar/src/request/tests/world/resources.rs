//! What bank-a has declared.

use std::sync::Arc;

use finp2p_crds::access::Facts;
use finp2p_crds::entry::{AssetEntry, Entry as Declared, PeerEntry, PolicyEntry};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::bank::Bank;

pub fn declared<T: DeserializeOwned>(name: &str, payload: Value) -> Declared<T> {
    Declared {
        uid: format!("uid-{name}"),
        generation: 1,
        name: name.to_owned(),
        payload: serde_json::from_value(payload).unwrap(),
    }
}

/// What bank-a has declared.
#[derive(Clone)]
pub struct Resources {
    pub peers: Vec<Declared<PeerEntry>>,
    pub policies: Vec<Declared<PolicyEntry>>,
    pub assets: Vec<Declared<AssetEntry>>,
    pub requests_per_second: u32,
    pub stale: bool,
    /// What was in force before a roll-back.
    pub restrained_by: Option<Arc<Facts>>,
}

impl Resources {
    pub fn policy(&mut self, name: &str, assets: &[&str], more: Value) {
        let mut spec = json!({
            "assets": {"names": assets},
            "peers": {"names": ["peer-bank-b"]},
            "mode": "Pull",
        });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        self.policies.push(declared(name, json!({ "spec": spec })));
    }

    pub fn asset(&mut self, name: &str) {
        let payload = json!({"resourceId": format!("bank-a:102:{name}"), "units": ["/address"]});
        self.assets.push(declared(name, payload));
    }

    pub fn peer(&mut self, organization: &str) -> &mut PeerEntry {
        let mut peers = self.peers.iter_mut().map(|peer| &mut peer.payload);
        peers
            .find(|peer| peer.organization_id == organization)
            .unwrap()
    }

    pub fn facts(&self) -> Arc<Facts> {
        let (peers, policies) = (self.peers.clone(), self.policies.clone());
        Arc::new(Facts::new(
            "bank-a".to_owned(),
            peers,
            policies,
            self.assets.clone(),
        ))
    }
}

pub fn resources(b: &Bank, c: &Bank) -> Resources {
    let mut resources = Resources {
        peers: vec![b.as_peer(), c.as_peer()],
        policies: Vec::new(),
        assets: Vec::new(),
        requests_per_second: 1000,
        stale: false,
        restrained_by: None,
    };
    for name in [
        "bond", "research", "quiet", "secret", "past", "empty", "broken",
    ] {
        resources.asset(name);
    }
    let some = json!({"fields": ["/name", "/coupon", "/address/country"]});
    resources.policy("bonds", &["bond", "empty", "broken"], some);
    let settlement = json!({"allFields": true, "purposes": ["settlement"]});
    resources.policy("settlement", &["research"], settlement);
    let unadvertised = json!({"fields": ["/name"], "purposes": ["settlement"], "advertise": false});
    resources.policy("unadvertised", &["quiet"], unadvertised);
    let over = json!({"allFields": true, "notAfter": "2026-06-01T00:00:00Z"});
    resources.policy("over", &["past"], over);
    resources
}

/// Four units that a policy may open, and values that must not be seen outside.
pub fn content() -> Value {
    json!({
        "name": "Green bond 2031",
        "coupon": "2.1",
        "price": "planted-price",
        "address": {"country": "DE", "street": "planted-street"},
    })
}
