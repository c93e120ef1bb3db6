//! One bank, its key, and one asset, for the tests of this module.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use finp2p_wire::key::{Kid, SigningKey};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::super::disclosure::base64url;
use super::super::issue::sign_texts;
use super::super::*;

pub const SUB: &str = "bank-a:102:bond-2031";
pub const NET: &str = "finp2p-test";
pub const IAT: u64 = 1_795_000_000;
/// The private key of every record in these tests, the frozen ones too. It signs nothing else.
pub const SEED: [u8; 32] = [7; 32];

pub const CONTENT: &str = r#"{
  "name": "Bond 2031", "lei": "529900T8BM49AURSDO55", "price": 98.75, "tags": ["green", "eu"],
  "holders": {"first": {"name": "Ada", "share": 60}, "second": {"name": "Bob", "share": 40}},
  "address": {"street": "Hauptstr. 1", "city": "Mainz", "country": "DE"},
  "empty": {}, "none": null, "größe/~": "½ 🏦"
}"#;

#[derive(Debug)]
pub struct Scene {
    pub key: SigningKey,
    pub keys: HashMap<Kid, RecordKey>,
    pub content: Content,
    pub opening: Opening,
}

impl Scene {
    pub fn new() -> Self {
        Self::with(
            CONTENT,
            Opening::Objects(pointers(&["/address", "/holders/first", "/empty"])),
        )
    }

    pub fn with(content: &str, opening: Opening) -> Self {
        let key = SigningKey::from_seed(&SEED);
        let keys = HashMap::from([(key.kid(), record_key(&key, "bank-a"))]);
        Self {
            key,
            keys,
            content: Content::parse(content.as_bytes()).unwrap(),
            opening,
        }
    }

    pub fn claims(&self, ver: u64) -> Claims {
        Claims {
            iss: "bank-a".into(),
            sub: SUB.into(),
            ver,
            iat: IAT,
            net: NET.into(),
        }
    }

    /// The scene's content as version `ver`, with salts that follow from `ver`.
    pub fn issue(&self, ver: u64) -> Record {
        let mut rng = StdRng::seed_from_u64(ver);
        issue(
            &self.content,
            &self.opening,
            &self.claims(ver),
            &self.key,
            &mut rng,
        )
        .unwrap()
    }

    pub fn expectations(&self) -> Expectations<'_, HashMap<Kid, RecordKey>> {
        Expectations {
            iss: "bank-a",
            sub: SUB,
            net: NET,
            now: IAT + 60,
            keys: &self.keys,
        }
    }

    pub fn verify(&self, presented: &str) -> Result<Verified, VerifyError> {
        verify(presented, &self.expectations())
    }

    pub fn header(&self) -> Value {
        json!({"alg": ALG, "kid": self.key.kid().to_string(), "typ": TYP})
    }

    /// A payload that is right but for what `data` says.
    pub fn payload(&self, data: Value) -> Value {
        json!({"iss": "bank-a", "sub": SUB, "ver": 1, "iat": IAT, "net": NET, "_sd_alg": SD_ALG, "data": data})
    }

    /// A text under this bank's valid signature, whatever it says.
    pub fn sign(&self, header: &Value, payload: &Value, disclosures: &[&str]) -> String {
        self.sign_texts(&header.to_string(), &payload.to_string(), disclosures)
    }

    pub fn sign_texts(&self, header: &str, payload: &str, disclosures: &[&str]) -> String {
        let mut text = sign_texts(header, payload, &self.key);
        text.push('~');
        for disclosure in disclosures {
            text.push_str(disclosure);
            text.push('~');
        }
        text
    }
}

pub fn record_key(key: &SigningKey, organization: &str) -> RecordKey {
    RecordKey {
        organization: organization.into(),
        key: key.public().clone(),
        not_before: IAT - 1000,
        expires: IAT + 1000,
    }
}

pub fn pointers(texts: &[&str]) -> BTreeSet<Pointer> {
    texts
        .iter()
        .map(|text| Pointer::parse(text).unwrap())
        .collect()
}

/// The encoded form of a disclosure given as JSON.
pub fn encoded(disclosure: &Value) -> String {
    base64url(disclosure.to_string().as_bytes())
}

/// Every unit of a record, disclosed.
pub fn all(record: &Record) -> Presented {
    record.disclose(&record.units().names())
}

pub fn crate_path(below: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(below)
}

/// Whether the kept files are to be written anew, by the wish of whoever runs the tests.
pub fn updating() -> bool {
    std::env::var_os("UPDATE_FIXTURES").is_some_and(|value| value == "1")
}

/// Whether anything that SD-JWT uses itself is left in what an application sees.
pub fn has_traces(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, inner)| {
            matches!(name.as_str(), "_sd" | "..." | "_sd_alg") || has_traces(inner)
        }),
        Value::Array(items) => items.iter().any(has_traces),
        _ => false,
    }
}
