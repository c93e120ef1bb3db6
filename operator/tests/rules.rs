//! Every CEL rule of every kind refuses what it is there to refuse, with its message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::collections::BTreeSet;
use std::path::PathBuf;

use finp2p_operator::manifest::Folder;
use finp2p_operator::validate::Checker;
use serde_json::{Value, json};

const KEY: &str = "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=";

/// One way to break one rule: where the rule stands, how its message begins, the spec, and
/// the spec before the edit where the rule is about edits.
struct Case {
    place: &'static str,
    message: &'static str,
    spec: Value,
    old: Option<Value>,
}

fn case(place: &'static str, message: &'static str, spec: Value) -> Case {
    Case {
        place,
        message,
        spec,
        old: None,
    }
}

fn edit(place: &'static str, message: &'static str, old: Value, spec: Value) -> Case {
    Case {
        place,
        message,
        spec,
        old: Some(old),
    }
}

/// `base` with the members of `patch` replaced; null removes (RFC 7396).
fn with(base: &Value, patch: Value) -> Value {
    let mut merged = base.clone();
    merge(&mut merged, patch);
    merged
}

fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let map = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            map.remove(&key);
        } else {
            merge(map.entry(key).or_insert(Value::Null), value);
        }
    }
}

fn key() -> Value {
    json!({"id": "k", "publicKey": KEY, "notBefore": "2026-03-01T00:00:00Z", "notAfter": "2028-03-01T00:00:00Z"})
}

fn organizations() -> Vec<Case> {
    let peer = json!({"keys": [key()]});
    let local = json!({"organizationId": "bank-a", "node": {"network": "sandbox", "signer": {"secretName": "s"}, "incarnation": 2}});
    let issuer = json!({"issuer": {"id": "https://i.example", "types": ["T"], "keys": [
        {"id": "k", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}]}});
    let mut backwards = key();
    backwards["notAfter"] = json!("2026-02-01T00:00:00Z");
    let mut mixed = issuer.clone();
    mixed["issuer"]["keys"][0]["jwk"]["crv"] = json!("P-256");
    let spec = "PeerOrganization.spec";
    let node = "PeerOrganization.spec.node";
    vec![
        edit(
            spec,
            "organizationId is immutable",
            with(&peer, json!({"organizationId": "bank-b"})),
            with(&peer, json!({"organizationId": "bank-c"})),
        ),
        edit(
            spec,
            "organizationId is immutable",
            peer.clone(),
            with(&peer, json!({"organizationId": "x"})),
        ),
        edit(
            spec,
            "organizationId is immutable",
            with(&peer, json!({"organizationId": "x"})),
            peer.clone(),
        ),
        edit(
            spec,
            "node cannot be added or removed",
            with(&local, peer.clone()),
            with(&with(&local, peer.clone()), json!({"node": null})),
        ),
        case(
            spec,
            "an object with node is this cluster's own record",
            with(&local, issuer.clone()),
        ),
        case(
            spec,
            "the local organization cannot be suspended",
            with(&local, json!({"suspended": true})),
        ),
        case(
            spec,
            "a peer needs at least one root key",
            json!({"organizationId": "bank-b"}),
        ),
        case(
            spec,
            "a peer needs at least one root key",
            json!({"keys": []}),
        ),
        case(
            "PeerOrganization.spec.keys[]",
            "notAfter must be later",
            json!({"keys": [backwards]}),
        ),
        case(
            "PeerOrganization.spec.issuer.keys[].jwk",
            "use {kty: OKP",
            mixed,
        ),
        edit(
            node,
            "network is immutable",
            local.clone(),
            with(&local, json!({"node": {"network": "production"}})),
        ),
        edit(
            node,
            "incarnation may only grow",
            local.clone(),
            with(&local, json!({"node": {"incarnation": 1}})),
        ),
        edit(
            node,
            "incarnation may only grow",
            local.clone(),
            with(&local, json!({"node": {"incarnation": null}})),
        ),
    ]
}

fn assets() -> Vec<Case> {
    let own = json!({"content": {"api": {}}});
    let taken = json!({"from": {"peer": "bank-a", "assetId": "X", "mode": "Pull"}});
    let spec = "SharedAsset.spec";
    let primary = "assetId, units, schema and eligibility belong to the Primary";
    let from = "peer and assetId of from are immutable";
    vec![
        case(spec, "an asset has either content", json!({})),
        case(
            spec,
            "an asset has either content",
            with(&own, taken.clone()),
        ),
        edit(
            spec,
            "content or from is chosen once",
            own.clone(),
            taken.clone(),
        ),
        edit(
            spec,
            "assetId is immutable",
            own.clone(),
            with(&own, json!({"assetId": "X"})),
        ),
        edit(
            spec,
            "assetId is immutable",
            with(&own, json!({"assetId": "X"})),
            with(&own, json!({"assetId": "Y"})),
        ),
        case(spec, primary, with(&taken, json!({"assetId": "X"}))),
        case(spec, primary, with(&taken, json!({"units": ["/a"]}))),
        case(spec, primary, with(&taken, json!({"schema": "{}"}))),
        case(spec, primary, with(&taken, json!({"eligibility": {}}))),
        case(
            spec,
            "offer says whether our users",
            with(&own, json!({"offer": true})),
        ),
        case(
            "SharedAsset.spec.content",
            "content has exactly one source",
            json!({"content": {}}),
        ),
        case(
            "SharedAsset.spec.content",
            "content has exactly one source",
            json!({"content": {"api": {}, "secret": {"name": "a", "key": "b"}}}),
        ),
        edit(
            "SharedAsset.spec.from",
            from,
            taken.clone(),
            with(&taken, json!({"from": {"peer": "bank-c"}})),
        ),
        edit(
            "SharedAsset.spec.from",
            from,
            taken.clone(),
            with(&taken, json!({"from": {"assetId": "Y"}})),
        ),
    ]
}

fn policies() -> Vec<Case> {
    let assets = json!({"assets": {"names": ["a"]}, "peers": {"names": ["bank-b"]}, "mode": "Pull", "fields": ["/x"]});
    let users = with(
        &assets,
        json!({"assets": null, "users": {"all": true}, "purposes": ["p"]}),
    );
    let spec = "SharingPolicy.spec";
    let credential = json!([{"type": "T", "issuers": ["i"], "subject": "User"}]);
    let mut all = vec![
        case(
            spec,
            "a policy shares either assets or users",
            with(&assets, json!({"assets": null})),
        ),
        case(
            spec,
            "a policy shares either assets or users",
            with(&users, json!({"assets": {"all": true}})),
        ),
        case(
            spec,
            "say which fields",
            with(&assets, json!({"fields": null})),
        ),
        case(
            spec,
            "say which fields",
            with(&assets, json!({"allFields": true})),
        ),
        case(
            spec,
            "user information is shared for a purpose",
            with(&users, json!({"purposes": null})),
        ),
        case(
            spec,
            "notAfter must be later",
            with(
                &assets,
                json!({"notBefore": "2026-01-02T00:00:00Z", "notAfter": "2026-01-01T00:00:00Z"}),
            ),
        ),
        case(
            spec,
            "notAfter must be later",
            with(
                &assets,
                json!({"notBefore": "2026-01-01T01:00:00+01:00", "notAfter": "2026-01-01T00:00:00Z"}),
            ),
        ),
        case(
            spec,
            "consent is given by users",
            with(&assets, json!({"consent": "Required"})),
        ),
        case(
            spec,
            "an asset has no user to prove",
            with(&assets, json!({"credentials": credential})),
        ),
        case(
            spec,
            "minimumRecipients counts",
            with(&assets, json!({"minimumRecipients": 1})),
        ),
        case(
            spec,
            "leaseHours is about replicas",
            with(&assets, json!({"leaseHours": 1})),
        ),
        case(
            "SharingPolicy.spec.assets",
            "say which are meant",
            with(&assets, json!({"assets": {"names": null}})),
        ),
        case(
            "SharingPolicy.spec.peers",
            "say which are meant",
            with(&assets, json!({"peers": {"all": true}})),
        ),
        case(
            "SharingPolicy.spec.users",
            "say which users are meant",
            with(&users, json!({"users": {"all": null}})),
        ),
    ];
    for (place, base) in [("assets", &assets), ("peers", &assets), ("users", &users)] {
        let selector = |selector: Value| {
            with(
                &with(base, json!({place: null})),
                json!({place: {"selector": selector}}),
            )
        };
        let requirement = |operator: &str, values: Value| {
            selector(
                json!({"matchExpressions": [{"key": "k", "operator": operator, "values": values}]}),
            )
        };
        let (empty, operators): (&'static str, &'static str) = match place {
            "assets" => (
                "SharingPolicy.spec.assets.selector",
                "SharingPolicy.spec.assets.selector.matchExpressions[]",
            ),
            "peers" => (
                "SharingPolicy.spec.peers.selector",
                "SharingPolicy.spec.peers.selector.matchExpressions[]",
            ),
            _ => (
                "SharingPolicy.spec.users.selector",
                "SharingPolicy.spec.users.selector.matchExpressions[]",
            ),
        };
        all.push(case(
            empty,
            "an empty selector selects nothing",
            selector(json!({})),
        ));
        all.push(case(
            empty,
            "an empty selector selects nothing",
            selector(json!({"matchLabels": {}})),
        ));
        all.push(case(
            operators,
            "In and NotIn need at least one value",
            requirement("In", json!([])),
        ));
        all.push(case(
            operators,
            "In and NotIn need at least one value",
            requirement("Exists", json!(["v"])),
        ));
    }
    all
}

fn read(checker: &Checker, kind: &str, spec: &Value) -> Folder {
    let object = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    checker.read_paths(&[PathBuf::from("-")], object.to_string().as_bytes())
}

fn kind_of(case: &Case) -> &'static str {
    case.place.split('.').next().unwrap()
}

#[test]
fn every_rule_refuses_what_it_is_there_for_with_its_message() {
    let checker = Checker::new().unwrap();
    let rules = checker.rules();
    let mut covered = BTreeSet::new();
    for case in organizations()
        .into_iter()
        .chain(assets())
        .chain(policies())
    {
        let (place, message) = rules
            .iter()
            .find(|(place, message)| place == case.place && message.starts_with(case.message))
            .unwrap_or_else(|| panic!("no rule {} {}", case.place, case.message));
        let mut folder = read(&checker, kind_of(&case), &case.spec);
        if let Some(old) = &case.old {
            let old = read(&checker, kind_of(&case), old);
            assert_eq!(old.findings, vec![], "the object before the edit is good");
            assert_eq!(
                folder.findings,
                vec![],
                "the object after the edit is good by itself"
            );
            checker.refuse_changes(&old, &mut folder);
        }
        let messages: Vec<&String> = folder.findings.iter().map(|f| &f.message).collect();
        assert_eq!(messages, vec![message], "{} {}", case.place, case.spec);
        assert_eq!(folder.findings[0].reason, "RuleBroken");
        assert!(
            folder.namespaces[0].objects.is_empty(),
            "the object is refused"
        );
        assert_eq!(folder.namespaces[0].refused.len(), 1);
        covered.insert((place.clone(), message.clone()));
    }
    covered.insert(the_rule_of_the_internal_kind(&rules));
    let all: BTreeSet<_> = rules.into_iter().collect();
    let forgotten: Vec<_> = all.difference(&covered).collect();
    assert!(forgotten.is_empty(), "rules without a case: {forgotten:#?}");
}

/// Users cannot write a SidecarConfig, so its rule is asked directly.
fn the_rule_of_the_internal_kind(rules: &[(String, String)]) -> (String, String) {
    let definition = finp2p_crds::definition::all()
        .unwrap()
        .into_iter()
        .find(|definition| definition.kind == "SidecarConfig")
        .unwrap();
    let schema = &definition.crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let validator = kube::core::cel::Validator::new();
    let errors = validator
        .validate(schema, &json!({"spec": {}}), None)
        .unwrap_err();
    let rule = rules
        .iter()
        .find(|(place, _)| place == "SidecarConfig.spec")
        .unwrap();
    assert_eq!(errors.as_slice()[0].message, rule.1);
    rule.clone()
}

#[test]
fn an_edit_that_breaks_no_rule_passes() {
    let checker = Checker::new().unwrap();
    let old = json!({"organizationId": "bank-a", "node": {"network": "n", "signer": {"secretName": "s"}}});
    let new = with(
        &old,
        json!({"node": {"incarnation": 2, "signer": {"secretName": "t"}}}),
    );
    let mut folder = read(&checker, "PeerOrganization", &new);
    checker.refuse_changes(&read(&checker, "PeerOrganization", &old), &mut folder);
    assert_eq!(folder.findings, vec![]);
    assert_eq!(folder.namespaces[0].objects.len(), 1);
}
