//! Attacks 25 to 27: records that a hostile Primary makes, and what a record's digests tell.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finp2p_sidecar::network::Answer;
use finp2p_sidecar::reader::{Fault, FetchError, Fetched, RecordFault};
use finp2p_sidecar::record::{Claims, Content, Opening, Pointer, disclosures_digest, issue};
use finp2p_wire::cbor::List;
use finp2p_wire::digest::Digest;
use finp2p_wire::key::{PublicKey, SigningKey};
use finp2p_wire::message::{self, Body, FetchAnswer, RecordRef};
use serde_json::{Value, json};

use crate::attacker::Attacker;
use crate::bank::{Bank, NETWORK};
use crate::node::{NOW, soon};
use crate::primary::{BOND, Heard, Primary, signed, terms};
use crate::reader::{Scene, scene_with};
use crate::victim::Victim;

/// The resource that the kept texts are about, and their key, network and time.
const KEPT: &str = "bank-a:102:bond-2031";
const SEED: [u8; 32] = [7; 32];
const KEPT_NETWORK: &str = "finp2p-test";
const KEPT_AT: &str = "1795000000";

/// A reader, and a Primary that has the key of the kept texts certified.
async fn hostile() -> Scene {
    let mut bank = Bank::new("bank-a");
    bank.record = SigningKey::from_seed(&SEED);
    scene_with(bank, |_| {}).await
}

/// What the Primary signs for this text: hash and digest fit, whatever it is.
fn named(text: &str) -> RecordRef {
    let jwt = text.split('~').next().unwrap_or_default();
    let input = jwt.rsplit_once('.').map_or(jwt, |(input, _)| input);
    RecordRef {
        h: Digest::of(input.as_bytes()),
        dd: Digest(disclosures_digest(text)),
        a: 0,
    }
}

/// Serves this text for whatever is fetched, in an answer that is as it should be.
async fn served(scene: &Scene, resource: &str, text: &str) -> Result<Fetched, FetchError> {
    let text = text.to_owned();
    scene.primary.twist(move |primary: &Primary, heard| {
        let Heard::Request { request, digest } = heard else {
            return None;
        };
        if !matches!(request.body, Body::Fetch(_)) {
            return None;
        }
        let (mut response, _) = primary.response(request, *digest);
        let answer = FetchAnswer::Record {
            record: named(&text),
            terms: terms(),
        };
        response.answer = message::Answer::Fetch(List::new(vec![answer]).unwrap());
        let answer: Answer = primary.reply(&response, &[text.clone().into_bytes()]);
        Some(answer)
    });
    soon("a fetch", scene.reader.fetch(resource, None, None)).await
}

/// The text as of this network and time, signed again where its signature was right.
fn of_today(text: &str, key: &SigningKey) -> String {
    let (jwt, rest) = match text.split_once('~') {
        Some((jwt, rest)) => (jwt, format!("~{rest}")),
        None => (text, String::new()),
    };
    let parts: Vec<&str> = jwt.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return text.to_owned();
    };
    let was_right = URL_SAFE_NO_PAD
        .decode(signature)
        .ok()
        .and_then(|signature| <[u8; 64]>::try_from(signature).ok())
        .is_some_and(|signature| {
            let input = format!("{header}.{payload}");
            let public: &PublicKey = key.public();
            public.verifies(input.as_bytes(), &signature)
        });
    if !was_right {
        return text.to_owned();
    }
    let said = String::from_utf8(URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    let said = said
        .replace(KEPT_NETWORK, NETWORK)
        .replace(KEPT_AT, &(NOW - 60).to_string());
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(said));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()));
    format!("{input}.{signature}{rest}")
}

/// The kept texts by name, each with its verdict.
fn kept_texts() -> BTreeMap<String, (String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/record");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let verdicts: BTreeMap<String, String> = serde_json::from_str(&read("verdicts.json")).unwrap();
    let texts = verdicts.into_iter().map(|(name, verdict)| {
        let text = read(&format!("{name}.sdjwt"));
        (name, (text, verdict))
    });
    texts.collect()
}

/// Whether anything that SD-JWT uses itself is left in what an application sees.
fn has_traces(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, inner)| {
            matches!(name.as_str(), "_sd" | "..." | "_sd_alg") || has_traces(inner)
        }),
        Value::Array(items) => items.iter().any(has_traces),
        _ => false,
    }
}

/// What attack 25 names, by the names of the kept texts, and the fault of each.
const NAMED: [(&str, &str); 9] = [
    ("disclosure-in-no-list", "Disclosures(Unreferenced)"),
    ("digest-twice-disclosed", "Disclosures(DigestTwice)"),
    ("digest-twice-undisclosed", "Disclosures(DigestTwice)"),
    ("digest-twice-on-two-levels", "Disclosures(DigestTwice)"),
    ("collision-of-two-disclosures", "Disclosures(Collision)"),
    ("collision-with-a-visible-member", "Disclosures(Collision)"),
    ("name-sd", "Disclosures(ReservedName)"),
    ("name-dots", "Disclosures(ReservedName)"),
    ("two-elements-for-a-member", "Disclosures(Arity)"),
];

#[tokio::test]
async fn attack_25_nothing_of_a_hostile_record_reaches_the_caller() {
    let scene = hostile().await;
    let texts = kept_texts();
    let mut reached = BTreeSet::new();
    for (name, (text, verdict)) in &texts {
        let text = of_today(text, &scene.primary.bank.record);
        let result = served(&scene, KEPT, &text).await;
        if verdict == "Ok(())" {
            let fetched = result.unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert!(!has_traces(&json!(fetched.data)), "{name}");
            continue;
        }
        let error = result.expect_err(name);
        assert!(error.reference.is_some(), "{name}");
        // The values of the kept texts, in what a log would show.
        let shown = format!("{error:?} {error} {}", error.sentence());
        assert!(!shown.contains("Bond 2031") && !shown.contains("Hauptstr"));
        match error.fault {
            Fault::Record(RecordFault::Verify(why)) => {
                // A record that is refused is refused for the reason that is kept with it.
                assert_eq!(&format!("Err({why:?})"), verdict, "{name}");
                reached.insert(name.as_str());
            }
            // Its key cannot be found, or it is too broken to name one.
            Fault::Record(_) => {}
            fault => panic!("{name}: {fault:?}"),
        }
    }
    for (name, why) in NAMED {
        assert!(reached.contains(name), "{name}");
        assert_eq!(texts[name].1, format!("Err({why})"));
    }
    assert!(
        reached.len() > 50,
        "{} texts were looked into",
        reached.len()
    );
    // One bad record spoils no other.
    let good = signed(&scene.primary.bank.record, BOND, 1);
    let text = good.disclose(&good.units().names()).as_str().to_owned();
    let fetched = served(&scene, BOND, &text).await.unwrap();
    assert_eq!(fetched.data["coupon"], "3.25");
}

/// A disclosure, decoded.
fn decoded(encoded: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

fn issued(key: &SigningKey, version: u64) -> String {
    let content = json!({
        "name": "Green Bond", "tags": ["green", "eu"], "empty": {},
        "address": {"country": "DE", "street": "planted-street"},
    });
    let content = Content::parse(content.to_string().as_bytes()).unwrap();
    let opened = ["/address", "/empty"].map(|one| Pointer::parse(one).unwrap());
    let claims = Claims {
        iss: "bank-a".to_owned(),
        sub: BOND.to_owned(),
        ver: version,
        iat: NOW as u64 - 60,
        net: NETWORK.to_owned(),
    };
    let opening = Opening::Objects(opened.into());
    let record = issue(&content, &opening, &claims, key, &mut rand::rng()).unwrap();
    record.disclose(&record.units().names()).as_str().to_owned()
}

#[tokio::test]
async fn attack_26_what_is_wholly_withheld_leaves_no_trace_at_the_reader() {
    let scene = hostile().await;
    let text = issued(&scene.primary.bank.record, 1);
    let (jwt, disclosures) = text.split_once('~').unwrap();
    let all: Vec<&str> = disclosures.split_terminator('~').collect();
    let is_shell = |one: &&&str| decoded(one)[2].get("_sd").is_some();
    let shells: Vec<&str> = all.iter().filter(is_shell).copied().collect();
    assert!(!shells.is_empty());
    for shown in [&[][..], &shells] {
        let text: String = [jwt]
            .iter()
            .chain(shown)
            .map(|one| format!("{one}~"))
            .collect();
        let fetched = served(&scene, BOND, &text).await.unwrap();
        assert_eq!(
            json!(fetched.data),
            json!({}),
            "an object that was withheld is not there"
        );
        assert!(fetched.units.is_empty());
    }
    // A withheld array, and a withheld element, which the profile does not have at all.
    let is_tags = |one: &&&str| decoded(one)[1] == "tags";
    let without: String = std::iter::once(jwt)
        .chain(all.iter().filter(|one| !is_tags(one)).copied())
        .map(|one| format!("{one}~"))
        .collect();
    let fetched = served(&scene, BOND, &without).await.unwrap();
    assert!(!has_traces(&json!(fetched.data)));
    assert!(!fetched.data.contains_key("tags"));
    assert_eq!(
        fetched.data["address"],
        json!({"country": "DE", "street": "planted-street"})
    );
    let element = &kept_texts()["array-element-withheld"].0;
    let text = of_today(element, &scene.primary.bank.record);
    let error = served(&scene, KEPT, &text).await.unwrap_err();
    assert!(matches!(error.fault, Fault::Record(RecordFault::Verify(_))));
    // The control: everything arrives when everything is shown.
    let fetched = served(&scene, BOND, &text_of(jwt, &all)).await.unwrap();
    assert_eq!(fetched.data["tags"], json!(["green", "eu"]));
}

fn text_of(jwt: &str, disclosures: &[&str]) -> String {
    let parts = [jwt].into_iter().chain(disclosures.iter().copied());
    parts.map(|one| format!("{one}~")).collect()
}

/// Every list of digests in what was presented, decoys and all.
fn digest_lists(presented: &str) -> Vec<Vec<String>> {
    let (jwt, disclosures) = presented.split_once('~').unwrap();
    let payload = decoded(jwt.split('.').nth(1).unwrap());
    let inner = disclosures
        .split_terminator('~')
        .map(|one| decoded(one)[2].clone());
    std::iter::once(payload["data"].clone())
        .chain(inner)
        .filter_map(|value| serde_json::from_value(value.get("_sd")?.clone()).ok())
        .collect()
}

#[tokio::test]
async fn attack_27_what_a_node_serves_tells_neither_order_nor_number_nor_what_stayed_the_same() {
    let (victim, b) = Victim::start().await;
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    let mut lists = Vec::new();
    for version in 1..=5 {
        // The same content each time, three members of it.
        victim.publish(BOND, &signed(&victim.a.record, BOND, version));
        let (_, signed) = talk.fetch(&victim, &talk.fetching(version, BOND)).await;
        let presented = String::from_utf8(signed.attachments[0].clone()).unwrap();
        assert_eq!(
            presented.matches('~').count(),
            3,
            "the JWT and two of three"
        );
        let of_it = digest_lists(&presented);
        assert_eq!(of_it.len(), 1);
        assert!(of_it[0].is_sorted());
        assert_eq!(of_it[0].len(), 8, "three members look like any up to eight");
        lists.extend(of_it);
    }
    let digests: Vec<&String> = lists.iter().flatten().collect();
    let distinct: BTreeSet<&&String> = digests.iter().collect();
    assert_eq!(
        distinct.len(),
        digests.len(),
        "no version shares a digest with another"
    );
    victim.still_serves().await;
}
