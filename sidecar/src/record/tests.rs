//! What records must do and must refuse, over the whole of this module.

mod attacks;
mod corpus;
mod fixtures;
mod fuzz;
mod hostile;
mod properties;
mod rfc9901;
mod scene;

use super::*;
use scene::{IAT, NET, SUB, Scene, all, encoded, pointers, record_key};
use serde_json::json;

#[test]
fn a_reader_sees_exactly_the_units_it_was_granted() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let granted = ["/name", "/address/country", "/größe~1~0"];
    let presented = record.disclose(&granted);
    let verified = scene.verify(presented.as_str()).unwrap();
    assert_eq!(
        json!(verified.data),
        json!({"name": "Bond 2031", "address": {"country": "DE"}, "größe/~": "½ 🏦"})
    );
    assert_eq!(verified.hash, record.hash());
    assert_eq!(verified.claims, scene.claims(1));
    assert_eq!(verified.units, Units::from(pointers(&granted)));
    assert_eq!(
        presented.disclosures_digest(),
        disclosures_digest(presented.as_str())
    );
}

#[test]
fn with_everything_granted_the_content_comes_back_whole() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let verified = scene.verify(all(&record).as_str()).unwrap();
    assert_eq!(&verified.data, scene.content.members());
    assert_eq!(verified.units, record.units());
    assert_eq!(Ok(record.units()), scene.content.units(&scene.opening));
}

#[test]
fn the_units_are_the_members_of_data_and_of_opened_objects() {
    let expected = pointers(&[
        "/name",
        "/lei",
        "/price",
        "/tags",
        "/holders/first/name",
        "/holders/first/share",
        "/holders/second",
        "/address/street",
        "/address/city",
        "/address/country",
        "/empty",
        "/none",
        "/größe~1~0",
    ]);
    assert_eq!(Scene::new().issue(1).units(), Units::from(expected));
}

#[test]
fn an_opened_object_never_goes_along_with_one_of_its_members() {
    let record = Scene::new().issue(1);
    let opened = |granted: &[&str]| all_disclosures(record.disclose(granted).as_str()).len();
    assert_eq!(
        opened(&["/address/country"]),
        2,
        "the member and the digests around it"
    );
    assert_eq!(opened(&["/address"]), 0, "an opened object is no unit");
    assert_eq!(opened(&["/holders/first/name"]), 3);
    assert_eq!(opened(&["/nothing", "/tags/0"]), 0);
}

fn all_disclosures(presented: &str) -> Vec<&str> {
    presented
        .split_once('~')
        .unwrap()
        .1
        .split_terminator('~')
        .collect()
}

#[test]
fn a_pointer_that_opens_no_object_of_this_version_changes_nothing() {
    let opening = Opening::Objects(pointers(&["/tags", "/name/first", "/nothing/here"]));
    let units = Scene::new().content.units(&opening).unwrap();
    assert!(units.contains(&Pointer::parse("/tags").unwrap()));
    assert!(units.contains(&Pointer::parse("/name").unwrap()));
    assert!(!units.contains(&Pointer::parse("/tags/0").unwrap()));
    assert!(!units.contains(&Pointer::parse("/name/first").unwrap()));
    assert_eq!((units.len(), units.is_empty()), (9, false));
}

#[test]
fn every_object_of_a_user_is_opened_but_not_below_the_bound() {
    let mut text = String::from("1");
    for level in (1..=MAX_UNIT_DEPTH + 2).rev() {
        text = format!(r#"{{"m{level}":{text}}}"#);
    }
    let scene = Scene::with(&text, Opening::Every);
    let units: Vec<_> = scene
        .content
        .units(&scene.opening)
        .unwrap()
        .iter()
        .cloned()
        .collect();
    assert_eq!(units, [Pointer::parse("/m1/m2/m3/m4/m5/m6/m7/m8").unwrap()]);
    let verified = scene.verify(all(&scene.issue(1)).as_str()).unwrap();
    assert_eq!(&verified.data, scene.content.members());
}

#[test]
fn refuses_a_record_of_another_issuer_resource_or_network() {
    let scene = Scene::new();
    let presented = all(&scene.issue(1));
    let verify = |change: &dyn Fn(&mut Expectations<'_, _>)| {
        let mut expected = scene.expectations();
        change(&mut expected);
        super::verify(presented.as_str(), &expected)
    };
    assert!(verify(&|_| ()).is_ok());
    assert_eq!(
        verify(&|expected| expected.sub = "bank-a:102:bond-2032"),
        Err(VerifyError::Mismatch("sub"))
    );
    assert_eq!(
        verify(&|expected| expected.net = "finp2p-production"),
        Err(VerifyError::Mismatch("net"))
    );
    assert_eq!(
        verify(&|expected| expected.iss = "bank-b"),
        Err(VerifyError::Key)
    );
    let mut payload = scene.payload(json!({"_sd": []}));
    payload["iss"] = json!("bank-b");
    let other = scene.sign(&scene.header(), &payload, &[]);
    assert_eq!(scene.verify(&other), Err(VerifyError::Mismatch("iss")));
}

#[test]
fn a_record_counts_if_its_key_was_valid_when_it_signed_even_if_it_is_not_now() {
    let mut scene = Scene::new();
    let presented = all(&scene.issue(1));
    let at = |now| {
        super::verify(
            presented.as_str(),
            &Expectations {
                now,
                ..scene.expectations()
            },
        )
    };
    assert!(at(IAT + 1_000_000_000).is_ok(), "long after the key's end");
    assert!(at(IAT - verify::MAX_CLOCK_SKEW_S).is_ok());
    assert_eq!(
        at(IAT - verify::MAX_CLOCK_SKEW_S - 1),
        Err(VerifyError::Time)
    );

    let mut window = |not_before, expires| {
        let kid = scene.key.kid();
        scene.keys.insert(
            kid,
            RecordKey {
                not_before,
                expires,
                ..record_key(&scene.key, "bank-a")
            },
        );
        scene.verify(presented.as_str()).map(|_| ())
    };
    assert_eq!(window(IAT, IAT + 1), Ok(()));
    assert_eq!(window(IAT + 1, IAT + 2), Err(VerifyError::Time));
    assert_eq!(window(IAT - 1, IAT), Err(VerifyError::Time));
}

#[test]
fn a_member_with_a_reserved_name_is_refused_at_write_wherever_it_stands() {
    for name in ["_sd", "...", "_sd_alg"] {
        for text in [
            format!(r#"{{"{name}":1}}"#),
            format!(r#"{{"a":{{"{name}":1}}}}"#),
            format!(r#"{{"a":[[{{"{name}":1}}]]}}"#),
        ] {
            assert_eq!(
                Content::parse(text.as_bytes()),
                Err(ContentError::ReservedName),
                "{text}"
            );
        }
    }
    assert!(Content::parse(br#"{"_sd_":1,"..":2,"sd":"_sd"}"#).is_ok());
}

#[test]
fn a_claim_over_its_bound_is_not_signed() {
    let scene = Scene::new();
    let refused = |change: &dyn Fn(&mut Claims)| {
        let mut claims = scene.claims(1);
        change(&mut claims);
        issue(
            &scene.content,
            &scene.opening,
            &claims,
            &scene.key,
            &mut rand::rng(),
        )
        .err()
    };
    assert_eq!(refused(&|_| ()), None);
    assert_eq!(
        refused(&|claims| claims.iss.clear()),
        Some(IssueError::Claim("iss"))
    );
    assert_eq!(
        refused(&|claims| claims.sub = "s".repeat(MAX_CLAIM_BYTES + 1)),
        Some(IssueError::Claim("sub"))
    );
    assert_eq!(
        refused(&|claims| claims.net.clear()),
        Some(IssueError::Claim("net"))
    );
    assert_eq!(
        refused(&|claims| claims.ver = 1 << 53),
        Some(IssueError::Claim("ver"))
    );
    assert_eq!(
        refused(&|claims| claims.iat = 1 << 53),
        Some(IssueError::Claim("iat"))
    );
    let longest = |claims: &mut Claims| {
        claims.sub = "s".repeat(MAX_CLAIM_BYTES);
        (claims.ver, claims.iat) = (json::MAX_NUMBER, json::MAX_NUMBER);
    };
    assert_eq!(refused(&longest), None);
}

#[test]
fn the_size_of_a_record_is_that_of_all_of_it_disclosed() {
    let record = Scene::new().issue(1);
    assert_eq!(record.len(), all(&record).as_str().len());
}

#[test]
fn the_hash_covers_what_is_signed_and_not_the_signature() {
    let scene = Scene::new();
    let mut record = scene.issue(1);
    let before = record.hash();
    let signature = record.jwt.rfind('.').unwrap();
    record.jwt.replace_range(signature + 1.., "another");
    assert_eq!(record.hash(), before);
    assert_ne!(scene.issue(2).hash(), before);
}

#[test]
fn two_contents_for_one_version_are_told_from_an_update_and_a_replay() {
    let scene = Scene::new();
    let held = scene.verify(all(&scene.issue(5)).as_str()).unwrap();
    let against = |offered: &Verified| held.version().succession(&offered.version());
    let narrowed = scene
        .verify(scene.issue(5).disclose(&["/name"]).as_str())
        .unwrap();
    assert_eq!(against(&narrowed), Succession::Same);

    let other = Scene::with(r#"{"name":"another story"}"#, Opening::Every);
    assert_eq!(
        against(&scene.verify(all(&other.issue(5)).as_str()).unwrap()),
        Succession::Equivocation
    );
    assert_eq!(
        against(&scene.verify(all(&other.issue(6)).as_str()).unwrap()),
        Succession::Newer
    );
    assert_eq!(
        against(&scene.verify(all(&other.issue(4)).as_str()).unwrap()),
        Succession::Older
    );
    let elsewhere = Version {
        sub: "bank-a:102:other",
        ..held.version()
    };
    assert_eq!(held.version().succession(&elsewhere), Succession::Unrelated);
    let another = Version {
        iss: "bank-b",
        ..held.version()
    };
    assert_eq!(held.version().succession(&another), Succession::Unrelated);
}

#[test]
fn no_private_value_is_in_any_debug_output() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let presented = all(&record);
    let verified = scene.verify(presented.as_str()).unwrap();
    let printed = format!("{:?} {record:?} {presented:?} {verified:?}", scene.content);
    for value in [
        "Bond 2031",
        "529900T8BM49AURSDO55",
        "Mainz",
        record.disclosures[0].encoded.as_str(),
    ] {
        assert!(!printed.contains(value), "{printed}");
    }
    assert!(printed.contains(SUB) && !printed.contains(NET));
}

#[test]
fn the_signature_is_over_the_text_that_was_sent_and_by_ed25519() {
    let scene = Scene::new();
    let presented = scene.sign(&scene.header(), &scene.payload(json!({"_sd": []})), &[]);
    assert!(scene.verify(&presented).is_ok());
    assert_eq!(
        scene.verify(&presented.replacen('.', ".e30", 1)),
        Err(VerifyError::Signature)
    );
    let (unsigned, _) = presented.rsplit_once('.').unwrap();
    assert_eq!(
        scene.verify(&format!("{unsigned}.~")),
        Err(VerifyError::Form)
    );
    let zeros = disclosure::base64url(&[0; 64]);
    assert_eq!(
        scene.verify(&format!("{unsigned}.{zeros}~")),
        Err(VerifyError::Signature)
    );
    let with_unit = scene.sign(
        &scene.header(),
        &scene.payload(json!({"_sd": []})),
        &[&encoded(&json!(["salt", "a", 1]))],
    );
    assert_eq!(
        scene.verify(&with_unit),
        Err(VerifyError::Disclosures(
            process::ProcessError::Unreferenced
        ))
    );
}
