//! One bank, its key, and one asset, for the tests of this module.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::super::*;

pub const SUB: &str = "bank-a:102:bond-2031";
pub const NET: &str = "finp2p-test";
pub const IAT: u64 = 1_795_000_000;

pub struct Scene {
    pub key: SigningKey,
    pub keys: Vec<RecordKey>,
    pub content: Content,
    pub opening: Opening,
}

impl Scene {
    pub fn new() -> Self {
        let key = SigningKey::from_bytes(&[7; 32]);
        let keys = vec![record_key(&key, "bank-a")];
        let content = Content::parse(
            br#"{"name":"Bond 2031","lei":"529900T8BM49AURSDO55","price":98.75,"tags":["green","eu"],
                "holders":{"first":{"name":"Ada","share":60},"second":{"name":"Bob","share":40}},
                "address":{"street":"Hauptstr. 1","city":"Mainz","country":"DE"},"empty":{},"none":null}"#,
        )
        .unwrap();
        let opening = Opening::Objects(pointers(&["/address", "/holders/first", "/empty"]));
        Self {
            key,
            keys,
            content,
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

    pub fn expectations(&self) -> Expectations<'_, [RecordKey]> {
        Expectations {
            iss: "bank-a",
            sub: SUB,
            net: NET,
            now: IAT + 60,
            keys: self.keys.as_slice(),
        }
    }

    pub fn verify(&self, presented: &str) -> Result<Verified, VerifyError> {
        verify(presented, &self.expectations())
    }
}

pub fn record_key(key: &SigningKey, organization: &str) -> RecordKey {
    RecordKey {
        organization: organization.into(),
        key: key.verifying_key(),
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
