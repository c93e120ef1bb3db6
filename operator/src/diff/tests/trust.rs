//! Each way in which an organization can be trusted more, and that nothing else is.

use finp2p_crds::PeerOrganization;
use serde_json::{Value, json};

use crate::diff::trust::{Record, Trust, wider};

const KEY: &str = "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=";

/// A peer that is trusted as little as one can be, and an issuer.
fn spec() -> Value {
    json!({
        "keys": [{
            "id": "2026-a", "publicKey": KEY,
            "notBefore": "2026-03-01T00:00:00Z", "notAfter": "2028-03-01T00:00:00Z",
            "verifyOnly": true, "revokedAt": "2027-01-01T00:00:00Z"
        }],
        "suspended": true,
        "revokedSerials": [7],
        "minimumProtocolVersion": 3,
        "issuer": {
            "id": "https://kyc.example", "types": ["A"],
            "keys": [{"id": "k1", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": "x"}}],
            "statusListPrefixes": ["https://kyc.example/status/"]
        },
        "node": {
            "network": "n", "signer": {"secretName": "s"},
            "api": {"clients": [{"serviceAccount": "trading", "allow": ["Fetch"]}]}
        }
    })
}

fn record(spec: Value) -> Record {
    let object: PeerOrganization = serde_json::from_value(json!({
        "apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "PeerOrganization",
        "metadata": {"name": "bank-b"}, "spec": spec
    }))
    .unwrap();
    Record::of(&object)
}

/// What an edit makes its reader trust more; and that nothing is trusted less.
fn gained(edit: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut edited = spec();
    edit(&mut edited);
    let (old, new) = (record(spec()), record(edited));
    assert_eq!(wider(Some(&new), Some(&old)), []);
    wider(Some(&old), Some(&new))
        .iter()
        .map(Trust::phrase)
        .collect()
}

fn remove(value: &mut Value, field: &str) {
    value.as_object_mut().unwrap().remove(field);
}

#[test]
fn every_way_to_be_trusted_more_is_gained() {
    let another = json!({
        "id": "2027-a", "publicKey": "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
        "notBefore": "2026-03-01T00:00:00Z", "notAfter": "2028-03-01T00:00:00Z", "verifyOnly": true
    });
    assert_eq!(gained(|_| {}), Vec::<String>::new());
    let said = gained(|s| s["keys"].as_array_mut().unwrap().push(another));
    assert!(
        said[0].starts_with("root key 2027-a (")
            && said[0].ends_with("), for what it certified before"),
        "{said:?}"
    );
    for (edit, expected) in [
        (
            (|s| s["keys"][0]["notAfter"] = json!("2029-03-01T00:00:00Z")) as fn(&mut Value),
            "root key 2026-a from 2026-03-01T00:00:00Z to 2029-03-01T00:00:00Z (otherwise from 2026-03-01T00:00:00Z to 2028-03-01T00:00:00Z)",
        ),
        (
            |s| s["keys"][0]["notBefore"] = json!("2025-03-01T00:00:00Z"),
            "root key 2026-a from 2025-03-01T00:00:00Z to 2028-03-01T00:00:00Z (otherwise from 2026-03-01T00:00:00Z to 2028-03-01T00:00:00Z)",
        ),
        (
            |s| remove(&mut s["keys"][0], "verifyOnly"),
            "root key 2026-a for new certificates (otherwise verifyOnly)",
        ),
        (
            |s| remove(&mut s["keys"][0], "revokedAt"),
            "root key 2026-a without an end by revocation (otherwise revokedAt 2027-01-01T00:00:00Z)",
        ),
        (
            |s| s["keys"][0]["revokedAt"] = json!("2027-06-01T00:00:00Z"),
            "root key 2026-a until it is revoked at 2027-06-01T00:00:00Z (otherwise 2027-01-01T00:00:00Z)",
        ),
        (|s| remove(s, "suspended"), "not suspended"),
        (
            |s| s["revokedSerials"] = json!([]),
            "certificate 7, otherwise revoked",
        ),
        (
            |s| s["minimumProtocolVersion"] = json!(2),
            "protocol versions from 2 on (otherwise from 3)",
        ),
        (
            |s| remove(s, "minimumProtocolVersion"),
            "protocol versions below 3",
        ),
        (
            |s| s["issuer"]["types"] = json!(["A", "B"]),
            "credentials of type B",
        ),
        (
            |s| {
                s["issuer"]["statusListPrefixes"] =
                    json!(["https://kyc.example/status/", "https://other.example/"])
            },
            "status lists at https://other.example/",
        ),
        (
            |s| {
                s["issuer"]["statusListPrefixes"] =
                    json!(["https://kyc.example/status/", "https://kyc.example/s"])
            },
            "status lists at https://kyc.example/s",
        ),
        (
            |s| s["node"]["api"]["clients"][0]["allow"] = json!(["Fetch", "Administer"]),
            "local API: trading may Administer",
        ),
        (
            |s| {
                let clients = s["node"]["api"]["clients"].as_array_mut().unwrap();
                clients.push(json!({"serviceAccount": "audit", "allow": ["Audit"]}));
            },
            "local API: audit may Audit",
        ),
    ] {
        assert_eq!(gained(edit), [expected]);
    }
}

#[test]
fn a_key_under_the_same_name_is_another_key() {
    let (mut a, mut b) = (spec(), spec());
    a["issuer"]["keys"][0]["jwk"]["x"] = json!("other");
    let (old, new) = (record(spec()), record(a));
    let key = Trust::IssuerKey {
        id: "k1".to_owned(),
    };
    assert_eq!(wider(Some(&old), Some(&new)), *std::slice::from_ref(&key));
    assert_eq!(wider(Some(&new), Some(&old)), [key]);
    b["keys"][0]["publicKey"] =
        json!("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
    let found = wider(Some(&old), Some(&record(b)));
    assert!(matches!(found.as_slice(), [Trust::RootKey { id, .. }] if id == "2026-a"));
}

#[test]
fn the_same_key_under_another_name_is_the_same() {
    let mut renamed = spec();
    renamed["keys"][0]["id"] = json!("first");
    assert_eq!(wider(Some(&record(spec())), Some(&record(renamed))), []);
}

#[test]
fn an_issuer_under_another_id_is_new_as_a_whole() {
    assert_eq!(wider(Some(&record(spec())), Some(&record(spec()))), []);
    let mut moved = spec();
    moved["issuer"]["id"] = json!("https://kyc.example.org");
    assert_eq!(wider(Some(&record(spec())), Some(&record(moved))).len(), 4);
}

#[test]
fn a_new_record_is_trusted_with_what_it_says_and_nothing_is_lifted_by_it() {
    let found = wider(None, Some(&record(spec())));
    let phrases: Vec<String> = found.iter().map(Trust::phrase).collect();
    assert!(phrases[0].starts_with("root key 2026-a"), "{phrases:?}");
    assert_eq!(
        phrases[1..],
        [
            "credentials issued by https://kyc.example",
            "credentials of type A",
            "issuer key k1",
            "status lists at https://kyc.example/status/",
            "local API: trading may Fetch"
        ]
    );
    assert_eq!(wider(Some(&record(spec())), None), []);
}
