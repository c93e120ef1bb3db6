//! The frozen format: `sidecar/testdata/v1/wire.json` holds one example of every message with the
//! keys that made it. A change that these tests notice is a change of the protocol.
//! `UPDATE_FIXTURES=1` rewrites the file (`make generate` does).

use std::path::{Path, PathBuf};

use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::open;
use finp2p_wire::frame::{self, Expect, Frame};
use finp2p_wire::key::{PublicKey, SigningKey};
use finp2p_wire::message::Request;
use serde_json::{Value, json};

use crate::samples::{self, Bank, NETWORK, Reader, read};

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/v1/wire.json")
}

fn keys() -> Vec<(String, SigningKey)> {
    [Bank::a(), Bank::b()]
        .into_iter()
        .flat_map(|bank| {
            let name = |role: &str| format!("{} {role}", bank.org);
            [
                (name("root"), bank.root),
                (name("issuing"), bank.issuing),
                (name("session"), bank.session),
                (name("record"), bank.record),
                (name("peer"), bank.peer),
            ]
        })
        .collect()
}

fn generate() -> Value {
    let keys = keys().into_iter().map(|(name, key)| {
        json!({
            "name": name,
            "seed": hex::encode(*key.to_seed()),
            "public": hex::encode(key.public().as_bytes()),
            "spki": key.public().to_spki_base64(),
            "kid": key.kid().to_string(),
        })
    });
    let messages = samples::all().into_iter().map(|sample| {
        let envelope = sample.envelope();
        let opened = open(&envelope).unwrap();
        let attachments: Vec<_> = sample.attachments.iter().map(hex::encode).collect();
        json!({
            "name": sample.name,
            "kind": sample.kind.number(),
            "signer": sample.signer_name,
            "payload": hex::encode(&sample.payload),
            "envelope": hex::encode(&envelope),
            "digest": opened.digest().to_string(),
            "attachments": attachments,
            "frame": hex::encode(frame::encode(Expect::Response, &envelope, &sample.attachments).unwrap()),
        })
    });
    json!({
        "about": "FinP2P wire format v1: one example of every message, all bytes in hex. Test keys, never to be used.",
        "network": NETWORK,
        "now": samples::NOW,
        "keys": keys.collect::<Vec<_>>(),
        "messages": messages.collect::<Vec<_>>(),
        "hint": hex::encode(frame::encode_hint(&samples::hint())),
    })
}

fn frozen() -> Value {
    serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

#[test]
fn what_is_sent_today_is_what_was_frozen() {
    let generated = generate();
    if std::env::var("UPDATE_FIXTURES").is_ok_and(|set| set == "1") {
        std::fs::create_dir_all(path().parent().unwrap()).unwrap();
        std::fs::write(
            path(),
            serde_json::to_string_pretty(&generated).unwrap() + "\n",
        )
        .unwrap();
    }
    let frozen = frozen();
    for (today, then) in generated["messages"]
        .as_array()
        .unwrap()
        .iter()
        .zip(frozen["messages"].as_array().unwrap())
    {
        assert_eq!(today, then);
    }
    assert_eq!(generated, frozen);
}

#[test]
fn what_was_frozen_is_still_read() {
    let frozen = frozen();
    let network = frozen["network"].as_str().unwrap();
    let public = |name: &Value| {
        let keys = frozen["keys"].as_array().unwrap();
        let key = keys.iter().find(|key| key["name"] == *name).unwrap();
        PublicKey::from_bytes(bytes(&key["public"]).as_slice().try_into().unwrap()).unwrap()
    };
    let messages = frozen["messages"].as_array().unwrap();
    assert_eq!(messages.len(), samples::all().len());
    for (message, sample) in messages.iter().zip(samples::all()) {
        let framed = bytes(&message["frame"]);
        let Ok(Frame::Signed {
            envelope,
            attachments,
        }) = frame::decode(Expect::Response, &framed)
        else {
            panic!("{}: not a frame", message["name"]);
        };
        assert_eq!(envelope, bytes(&message["envelope"]));
        let frozen_attachments: Vec<_> = message["attachments"]
            .as_array()
            .unwrap()
            .iter()
            .map(bytes)
            .collect();
        assert_eq!(attachments, frozen_attachments);
        let opened = open(envelope).unwrap();
        let payload = opened
            .verify(sample.kind, network, &public(&message["signer"]))
            .unwrap();
        assert_eq!(
            read(sample.reader, payload).unwrap(),
            sample.payload,
            "{}",
            message["name"]
        );
        if sample.reader == Reader::Request {
            let request = Request::decode(payload).unwrap();
            let announced: Vec<_> = request.pres.iter().flat_map(|all| all.iter()).collect();
            let carried: Vec<_> = attachments.iter().map(Digest::of).collect();
            assert_eq!(announced, carried.iter().collect::<Vec<_>>());
        }
    }
    let hint = bytes(&frozen["hint"]);
    assert_eq!(
        frame::decode(Expect::Hello, &hint),
        Ok(Frame::Hint(samples::hint()))
    );
}
