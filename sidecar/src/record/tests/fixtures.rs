//! One record as version 1 of the format has it, frozen: later versions must read it.
//! `UPDATE_FIXTURES=1` writes it anew, which is right only before the format is released.

use finp2p_wire::key::{PublicKey, SigningKey};
use serde_json::{Value, json};

use super::super::*;
use super::scene::{CONTENT, IAT, NET, SEED, SUB, Scene, all, crate_path, pointers, updating};

const FOLDER: &str = "testdata/v1/record";
const GRANTED: [&str; 3] = ["/name", "/address/country", "/holders/first/share"];

fn write() {
    let scene = Scene::new();
    let record = issue(
        &scene.content,
        &scene.opening,
        &scene.claims(4_294_967_297),
        &scene.key,
        &mut rand::rng(),
    )
    .unwrap();
    let about = json!({
        "privateKeyHex": hex::encode(SEED),
        "publicKeyHex": hex::encode(scene.key.public().as_bytes()),
        "kidHex": scene.key.kid().to_string(),
        "claims": {"iss": "bank-a", "sub": SUB, "ver": 4_294_967_297_u64, "iat": IAT, "net": NET},
        "hashHex": hex::encode(record.hash()),
        "opened": ["/address", "/holders/first", "/empty"],
        "content": serde_json::from_str::<Value>(CONTENT).unwrap(),
        "granted": GRANTED,
        "disclosuresDigestHex": hex::encode(record.disclose(&GRANTED).disclosures_digest()),
        "dataAsGranted": {"name": "Bond 2031", "address": {"country": "DE"}, "holders": {"first": {"share": 60}}},
    });
    let folder = crate_path(FOLDER);
    std::fs::create_dir_all(&folder).unwrap();
    let files = [
        (
            "about.json",
            serde_json::to_string_pretty(&about).unwrap() + "\n",
        ),
        ("all.sdjwt", all(&record).as_str().to_owned()),
        (
            "granted.sdjwt",
            record.disclose(&GRANTED).as_str().to_owned(),
        ),
        (
            "stored.json",
            serde_json::to_string_pretty(&record).unwrap() + "\n",
        ),
    ];
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn the_frozen_record_of_version_1_is_read_as_it_was_written() {
    if updating() {
        write();
    }
    let read = |name: &str| {
        std::fs::read_to_string(crate_path(FOLDER).join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let about: Value = serde_json::from_str(&read("about.json")).unwrap();
    let bytes = |name: &str| {
        <[u8; 32]>::try_from(hex::decode(about[name].as_str().unwrap()).unwrap()).unwrap()
    };
    let key = PublicKey::from_bytes(&bytes("publicKeyHex")).unwrap();
    assert_eq!(
        SigningKey::from_seed(&bytes("privateKeyHex")).public(),
        &key
    );
    assert_eq!(key.kid().to_string(), about["kidHex"]);

    let scene = Scene::new();
    let whole = scene.verify(&read("all.sdjwt")).unwrap();
    assert_eq!(json!(whole.data), about["content"]);
    assert_eq!(
        json!({"iss": whole.claims.iss, "sub": whole.claims.sub, "ver": whole.claims.ver, "iat": whole.claims.iat, "net": whole.claims.net}),
        about["claims"]
    );
    assert_eq!(whole.hash, bytes("hashHex"));

    let granted = scene.verify(&read("granted.sdjwt")).unwrap();
    assert_eq!(json!(granted.data), about["dataAsGranted"]);
    assert_eq!(granted.hash, whole.hash);

    let stored: Record = serde_json::from_str(&read("stored.json")).unwrap();
    let again = stored.disclose(&GRANTED);
    assert_eq!(again.as_str(), read("granted.sdjwt"));
    assert_eq!(again.disclosures_digest(), bytes("disclosuresDigestHex"));
    assert_eq!(all(&stored).as_str(), read("all.sdjwt"));
    let opened: Vec<&str> = about["opened"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one.as_str().unwrap())
        .collect();
    let content = Content::parse(about["content"].to_string().as_bytes()).unwrap();
    assert_eq!(
        content.units(&Opening::Objects(pointers(&opened))),
        Ok(stored.units())
    );
}
