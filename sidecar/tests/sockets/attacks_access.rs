//! Attacks 17, 18 and 20: what exists, what is granted, and by which policies together.

use std::collections::BTreeSet;

use finp2p_sidecar::record::{Claims, Content, Opening, Pointer, Record, issue};
use finp2p_wire::digest::Digest;
use finp2p_wire::envelope::{self, Kind};
use finp2p_wire::message::{FetchAnswer, FetchItem, Request};
use serde_json::{Value, json};

use crate::attacker::{
    Attacker, Signed, fetch_body, item, purpose, refused, sealed, units, verified,
};
use crate::bank::{Bank, NETWORK};
use crate::kept::kept;
use crate::node::NOW;
use crate::primary::{BOND, SECRET};
use crate::victim::{Declares, PAST, RESEARCH, Victim};

/// All that an answer shows and costs; equal for whatever must look the same.
#[derive(Debug, PartialEq)]
struct Seen {
    body: Vec<FetchAnswer>,
    frame_bytes: usize,
    /// The signed payload, without the three things that name the request.
    payload: Vec<u8>,
    reads: usize,
    signatures: u64,
    chains: u64,
    entries: usize,
}

fn without(mut bytes: Vec<u8>, part: &[u8]) -> Vec<u8> {
    let at = bytes.windows(part.len()).position(|window| window == part);
    let at = at.unwrap();
    bytes[at..at + part.len()].fill(0);
    bytes
}

/// Asks in a session of its own, as its first request, so that every number has one length.
async fn seen(victim: &Victim, attacker: &Attacker, item: FetchItem) -> (Seen, Value) {
    let talk = attacker.greet(victim).await;
    victim.audited();
    let cost = || {
        let tally = victim.responder().tally(victim.time());
        (victim.reads(), tally.signatures, tally.chains)
    };
    let before = cost();
    let request = talk.request(1, fetch_body(vec![item]));
    let (body, signed): (Vec<FetchAnswer>, Signed) = talk.fetch(victim, &request).await;
    let after = cost();
    let sent = envelope::seal(
        Kind::Req,
        NETWORK,
        &attacker.bank.session,
        &request.encode(),
    );
    let payload = without(verified(victim, Kind::Res, &signed), &request.sid.0);
    let mut entries = victim.audited();
    let seen = Seen {
        body,
        frame_bytes: signed.frame.len(),
        payload: without(payload, &envelope::digest(&sent).0),
        reads: after.0 - before.0,
        signatures: after.1 - before.1,
        chains: after.2 - before.2,
        entries: entries.len(),
    };
    (seen, entries.remove(0))
}

#[tokio::test]
async fn attack_17_what_is_not_shared_and_what_is_not_there_look_and_cost_the_same() {
    let (victim, b) = Victim::start().await;
    let mut declares = Declares::default();
    let quiet = declares.policies[2].as_object_mut().unwrap();
    quiet.insert("advertise".to_owned(), json!(false));
    victim.apply(&declares);
    let b = Attacker::new(b).await;
    let d = Attacker::new(Bank::clone_of(&victim.pinned[2])).await;
    let absent = item("bank-a:102:NOBODYS");
    let (expected, entry) = seen(&victim, &b, absent).await;
    assert_eq!(refused(&expected.body[0]), (7104, None));
    let cost = (expected.reads, expected.signatures, expected.entries);
    assert_eq!((cost, expected.chains), ((0, 1, 1), 0));
    assert_eq!(entry["detail"], "no such asset");

    let known = FetchItem {
        have: Some(Digest([1; 32])),
        ..item(SECRET)
    };
    let to_b = [
        ("unshared", item(SECRET), "no policy"),
        ("expired", item(PAST), "policy expired"),
        ("a user", item("bank-a:101:nobody"), "not an asset"),
        ("unknown type", item("bank-a:1234:nobody"), "not an asset"),
        (
            "absent, with units",
            units("bank-a:102:NO", &["/name"]),
            "no such asset",
        ),
        (
            "unshared, with units",
            units(SECRET, &["/name"]),
            "no policy",
        ),
        ("unshared, known by hash", known, "no policy"),
        ("unadvertised", item(RESEARCH), "no grant for this purpose"),
    ];
    for (what, item, detail) in to_b {
        let (got, entry) = seen(&victim, &b, item).await;
        assert_eq!(got, expected, "{what}");
        // The true reason stands here and nowhere else.
        assert_eq!(
            (&entry["code"], &entry["detail"]),
            (&json!(7104), &json!(detail))
        );
    }
    // To whom nothing is shared, everything looks like that, what others may see too.
    for resource in [BOND, SECRET, PAST, RESEARCH, "bank-a:102:NOBODYS"] {
        assert_eq!(
            seen(&victim, &d, item(resource)).await.0,
            expected,
            "{resource}"
        );
    }
    // The control: what is granted is read, and looks different.
    let (granted, _) = seen(&victim, &b, item(BOND)).await;
    assert_eq!(granted.reads, 1);
    assert_ne!(granted, expected);
    victim.still_serves().await;
}

/// A record with an object that is opened.
fn nested(victim: &Victim, resource: &str) -> Record {
    let content = json!({
        "name": "Green Bond", "price": "planted-price",
        "address": {"country": "DE", "street": "planted-street"},
    });
    let claims = Claims {
        iss: "bank-a".to_owned(),
        sub: resource.to_owned(),
        ver: 2,
        iat: NOW as u64 - 60,
        net: NETWORK.to_owned(),
    };
    let opened = BTreeSet::from([Pointer::parse("/address").unwrap()]);
    let content = Content::parse(content.to_string().as_bytes()).unwrap();
    let opening = Opening::Objects(opened);
    issue(
        &content,
        &opening,
        &claims,
        &victim.a.record,
        &mut rand::rng(),
    )
    .unwrap()
}

/// What the presented record discloses, as its disclosures stand there.
fn disclosed(attachment: &[u8]) -> String {
    let text = String::from_utf8(attachment.to_vec()).unwrap();
    let parts = text.split('~').skip(1).filter(|part| !part.is_empty());
    let decode = |part| {
        let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
        base64::Engine::decode(&engine, part).unwrap()
    };
    parts
        .map(|part: &str| String::from_utf8(decode(part)).unwrap())
        .collect()
}

#[tokio::test]
async fn attack_18_ungranted_unknown_and_above_granted_are_one_refusal() {
    let (victim, b) = Victim::start().await;
    victim.publish(RESEARCH, &nested(&victim, RESEARCH));
    let mut declares = Declares::default();
    declares.policies[2] = json!({
        "assets": {"names": [RESEARCH]}, "peers": {"names": ["bank-b"]}, "mode": "Pull",
        "fields": ["/name", "/address/country"],
    });
    victim.apply(&declares);
    let b = Attacker::new(b).await;
    let mut expected = None;
    for pointers in [
        &["/price"][..],
        &["/nothing"],
        &["/address"],
        &["/address/street"],
        &["/address/nothing"],
        &["/name/first"],
        &["/"],
        &["no pointer"],
        &["/name", "/price"],
    ] {
        let (got, entry) = seen(&victim, &b, units(RESEARCH, pointers)).await;
        assert_eq!(
            refused(&got.body[0]),
            (3400, Some("fields")),
            "{pointers:?}"
        );
        assert_eq!(&got, expected.get_or_insert_with(|| seen_again(&got)));
        assert_eq!(
            (&entry["code"], &entry["slug"]),
            (&json!(3400), &json!("fields"))
        );
        assert!(
            ["h", "ver", "units"]
                .iter()
                .all(|name| entry.get(name).is_none())
        );
    }
    // The control: what is granted comes, whole and alone, asked for by name or not.
    for item in [
        item(RESEARCH),
        units(RESEARCH, &["/name", "/address/country"]),
    ] {
        let talk = b.greet(&victim).await;
        let request = talk.request(1, fetch_body(vec![item]));
        let (answers, signed) = talk.fetch(&victim, &request).await;
        assert!(matches!(answers[..], [FetchAnswer::Record { .. }]));
        let disclosed = disclosed(&signed.attachments[0]);
        assert!(disclosed.contains("Green Bond") && disclosed.contains("DE"));
        assert!(!disclosed.contains("planted"));
    }
    victim.still_serves().await;
}

fn seen_again(seen: &Seen) -> Seen {
    Seen {
        body: seen.body.clone(),
        payload: seen.payload.clone(),
        ..*seen
    }
}

#[tokio::test]
async fn attack_20_policies_add_up_an_expired_one_adds_nothing_and_suspension_beats_all() {
    let (victim, b) = Victim::start().await;
    victim.publish(RESEARCH, &nested(&victim, RESEARCH));
    let policy = |more: Value| {
        let mut spec = json!({
            "assets": {"names": [RESEARCH]}, "peers": {"names": ["bank-b"]}, "mode": "Pull",
        });
        let members = spec.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        spec
    };
    let mut policies = vec![
        policy(json!({"fields": ["/name"]})),
        policy(json!({"fields": ["/price"]})),
        policy(json!({"allFields": true, "notAfter": "2026-06-01T00:00:00Z"})),
        policy(json!({"allFields": true, "notBefore": "2030-01-01T00:00:00Z"})),
        Declares::default().policies.remove(0),
    ];
    let b = Attacker::new(b).await;
    let talk = b.greet(&victim).await;
    for first in [1, 10] {
        victim.apply(&Declares {
            policies: policies.clone(),
            ..Declares::default()
        });
        let union = vec![units(RESEARCH, &["/name", "/price"])];
        let request = talk.request(first, fetch_body(union));
        let (answers, signed) = talk.fetch(&victim, &request).await;
        assert!(matches!(answers[..], [FetchAnswer::Record { .. }]));
        let disclosed = disclosed(&signed.attachments[0]);
        assert!(disclosed.contains("planted-price"));
        assert!(!disclosed.contains("planted-street"));
        let over = vec![units(RESEARCH, &["/address/country"])];
        let request = talk.request(first + 1, fetch_body(over));
        let (answers, _) = talk.fetch(&victim, &request).await;
        assert_eq!(refused(&answers[0]), (3400, Some("fields")));
        // The order of the policies is nothing.
        policies.reverse();
    }
    let decided = kept(&victim.audited()).decided;
    let codes: Vec<u64> = decided.iter().map(|(_, code)| *code).collect();
    assert_eq!(codes, [0, 0, 3400, 0, 3400]);

    victim.apply(&Declares {
        policies,
        suspended: vec!["bank-b"],
        ..Declares::default()
    });
    let reads = victim.reads();
    let request = Request {
        purpose: purpose("settlement"),
        ..talk.fetching(20, RESEARCH)
    };
    assert_eq!(talk.send(&victim, &request).await.hint(), 3000);
    let hello = sealed(Kind::Hello, &b.bank.session, &b.hello().encode());
    assert_eq!(b.send(&victim, &hello).await.hint(), 3000);
    let audited = victim.audited();
    let kept = kept(&audited);
    assert_eq!(kept.decided, []);
    assert_eq!(kept.counted[&(Some("bank-b".to_owned()), 3000)], 2);
    let counts = &audited.last().unwrap()["counts"];
    assert_eq!(counts[0]["detail"], "suspended", "{counts}");
    assert_eq!(victim.reads(), reads);
    victim.still_serves().await;
}
