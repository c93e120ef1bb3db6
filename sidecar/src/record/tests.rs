//! What records must do and must refuse, over the whole of this module.

mod fixtures;
mod fuzz;
mod hostile;
mod properties;
mod rfc9901;
mod scene;

use super::*;
use ed25519_dalek::SigningKey;
use scene::{IAT, NET, SUB, Scene, all, encoded, has_traces, pointers, record_key};
use serde_json::{Value, json};

/// Every list of digests in a presented record, decoys and all.
fn digest_lists(presented: &str) -> Vec<Vec<String>> {
    let text = |part: &str| String::from_utf8(disclosure::from_base64url(part).unwrap()).unwrap();
    let (jwt, disclosures) = presented.split_once('~').unwrap();
    let payload: Value = serde_json::from_str(&text(jwt.split('.').nth(1).unwrap())).unwrap();
    let inner = disclosures
        .split_terminator('~')
        .map(|one| serde_json::from_str::<Value>(&text(one)).unwrap()[2].clone());
    std::iter::once(payload["data"].clone())
        .chain(inner)
        .filter_map(|value| serde_json::from_value(value.get("_sd")?.clone()).ok())
        .collect()
}

#[test]
fn a_reader_sees_exactly_the_units_it_was_granted() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let granted = pointers(&["/name", "/address/country", "/größe~1~0"]);
    let presented = record.disclose(&granted);
    let verified = scene.verify(presented.as_str()).unwrap();
    assert_eq!(
        json!(verified.data),
        json!({"name": "Bond 2031", "address": {"country": "DE"}, "größe/~": "½ 🏦"})
    );
    assert_eq!(verified.hash, record.hash());
    assert_eq!(verified.claims, scene.claims(1));
    assert_eq!(verified.units, Units::from(granted));
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
    let opened =
        |granted: &[&str]| all_disclosures(record.disclose(&pointers(granted)).as_str()).len();
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
    assert_eq!(units.len(), 9);
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
fn attack_26_what_is_wholly_withheld_leaves_no_trace() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let nothing = scene
        .verify(record.disclose(&pointers(&[])).as_str())
        .unwrap();
    assert_eq!(json!(nothing.data), json!({}));
    assert!(nothing.units.is_empty());

    // Every opened object disclosed as such, and none of its members.
    let shells: Vec<&str> = record
        .disclosures
        .iter()
        .filter(|one| one.opened)
        .map(|one| one.encoded.as_str())
        .collect();
    assert_eq!(shells.len(), 3);
    let shells = scene
        .verify(&format!("{}~{}~", record.jwt(), shells.join("~")))
        .unwrap();
    assert_eq!(json!(shells.data), json!({}));
    assert!(shells.units.is_empty());

    // An object that is really empty is not mistaken for a withheld one.
    let empty = scene
        .verify(record.disclose(&pointers(&["/empty"])).as_str())
        .unwrap();
    assert_eq!(json!(empty.data), json!({"empty": {}}));
}

#[test]
fn attack_26_any_sd_jwt_is_processed_without_a_trace() {
    let withheld = disclosure::digest("anything");
    let claims = json!({
        "list": [{"...": withheld}, 1, [{"...": disclosure::digest("b")}]],
        "object": {"_sd": [disclosure::digest("c")]},
        "_sd": [disclosure::digest("d")],
    });
    let processed = process::process(claims.as_object().unwrap().clone(), &[]).unwrap();
    assert_eq!(
        json!(processed.claims),
        json!({"list": [1, []], "object": {}})
    );
    assert!(!has_traces(&json!(processed.claims)));
}

#[test]
fn attack_27_the_digests_say_neither_how_many_members_there_are_nor_in_which_order() {
    let counted = |members: usize| {
        let content: serde_json::Map<_, _> =
            (0..members).map(|n| (format!("m{n}"), json!(n))).collect();
        let record = Scene::with(&json!(content).to_string(), Opening::Every).issue(1);
        digest_lists(all(&record).as_str()).remove(0).len()
    };
    assert_eq!([0, 1, 5, 8].map(counted), [8; 4]);
    assert_eq!([9, 16, 17, 200].map(counted), [16, 16, 32, 256]);

    for list in digest_lists(all(&Scene::new().issue(1)).as_str()) {
        assert!(list.is_sorted());
        assert!(list.len().is_power_of_two() && list.len() >= MIN_DIGESTS);
    }
}

#[test]
fn attack_27_two_versions_of_one_content_share_no_digest() {
    let scene = Scene::new();
    let lists = |ver| digest_lists(all(&scene.issue(ver)).as_str());
    assert_eq!(lists(1).len(), 4, "data, address, holders, holders/first");
    let all_digests: Vec<String> = lists(1).into_iter().chain(lists(2)).flatten().collect();
    let distinct: std::collections::HashSet<_> = all_digests.iter().collect();
    assert_eq!(distinct.len(), all_digests.len());
}

#[test]
fn attack_30_only_the_issuers_own_record_key_counts() {
    let mut scene = Scene::new();
    let presented = all(&scene.issue(1));
    assert!(scene.verify(presented.as_str()).is_ok());

    let stranger = SigningKey::from_bytes(&[8; 32]);
    scene
        .keys
        .insert(stranger.kid(), record_key(&stranger, "bank-b"));
    let by_stranger = issue(
        &scene.content,
        &scene.opening,
        &scene.claims(1),
        &stranger,
        &mut rand::rng(),
    )
    .unwrap();
    assert_eq!(
        scene.verify(all(&by_stranger).as_str()),
        Err(VerifyError::Key),
        "another organization's K"
    );

    let session = SigningKey::from_bytes(&[9; 32]);
    let by_session = issue(
        &scene.content,
        &scene.opening,
        &scene.claims(1),
        &session,
        &mut rand::rng(),
    )
    .unwrap();
    assert_eq!(
        scene.verify(all(&by_session).as_str()),
        Err(VerifyError::Key),
        "S is in no table of record keys"
    );

    let text = |value: &Value| value.to_string();
    let forged = issue::sign_texts(
        &text(&scene.header()),
        &text(&scene.payload(json!({"_sd": []}))),
        &stranger,
    );
    assert_eq!(
        scene.verify(&format!("{forged}~")),
        Err(VerifyError::Signature),
        "K's kid over another key"
    );

    let mut wrong_table = Scene::new();
    let own = wrong_table.key.kid();
    wrong_table
        .keys
        .insert(own, record_key(&stranger, "bank-a"));
    assert_eq!(
        wrong_table.verify(presented.as_str()),
        Err(VerifyError::Key),
        "a table that maps the kid to another key"
    );

    let mut credential = scene.header();
    credential["typ"] = json!("dc+sd-jwt");
    let as_credential = scene.sign(&credential, &scene.payload(json!({"_sd": []})), &[]);
    assert_eq!(scene.verify(&as_credential), Err(VerifyError::Typ));
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
fn attack_33_the_largest_record_has_one_hash_on_both_sides() {
    // As many lists of digests as units allow, and as many bytes as content may have.
    let mut members = serde_json::Map::new();
    for chain in 0..36 {
        members.insert(
            format!("c{chain:02}"),
            json!({"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}),
        );
    }
    members.insert("text".into(), json!(""));
    let room = MAX_CONTENT_BYTES - json!(members).to_string().len();
    members.insert("text".into(), json!("x".repeat(room)));
    let text = json!(members).to_string();
    assert_eq!(text.len(), MAX_CONTENT_BYTES);

    let scene = Scene::with(&text, Opening::Every);
    let record = scene.issue(1);
    let presented = all(&record);
    let verified = scene.verify(presented.as_str()).unwrap();
    assert_eq!(verified.hash, record.hash());
    assert_eq!(json!(verified.data), json!(members));
    assert_eq!(
        Content::parse(format!("{text} ").as_bytes()),
        Err(ContentError::TooLarge)
    );
}

#[test]
fn attack_33_256_units_pass_and_257_are_refused_at_write() {
    let object = |members: usize| {
        json!(
            (0..members)
                .map(|n| (format!("ключ-{n}-🏦"), json!("\u{1F9FE}\u{0}\u{2028}")))
                .collect::<serde_json::Map<_, _>>()
        )
    };
    let scene = Scene::with(&object(MAX_UNITS).to_string(), Opening::Every);
    let record = scene.issue(1);
    let verified = scene.verify(all(&record).as_str()).unwrap();
    assert_eq!(
        (verified.units.len(), verified.hash),
        (MAX_UNITS, record.hash())
    );
    assert_eq!(&verified.data, scene.content.members());

    let refused = |text: String| {
        Content::parse(text.as_bytes())
            .unwrap()
            .units(&Opening::Every)
    };
    assert_eq!(
        refused(object(MAX_UNITS + 1).to_string()),
        Err(ContentError::TooManyUnits)
    );
    let nested = json!({"inner": object(MAX_UNITS)});
    assert_eq!(
        refused(nested.to_string()),
        Err(ContentError::TooManyUnits),
        "an opened object is counted too"
    );
    let long = json!({"n".repeat(pointer::MAX_POINTER_BYTES): 1});
    assert_eq!(
        refused(long.to_string()),
        Err(ContentError::UnitName(PointerError::TooLong))
    );
}

#[test]
fn attack_33_content_that_readers_see_differently_is_refused_at_write() {
    let refused = |text: &str| Content::parse(text.as_bytes()).map(|_| ());
    let number = Err(ContentError::Json(json::JsonError::Number));
    for literal in [
        "9007199254740993",
        "-9007199254740993",
        "-0",
        "-0.0",
        "0.12345678901234567890",
    ] {
        assert_eq!(
            refused(&format!(r#"{{"a":[{literal}]}}"#)),
            number,
            "{literal}"
        );
    }
    assert!(refused(r#"{"a":1e400}"#).is_err());
    assert_eq!(
        refused(r#"{"a":9007199254740991,"b":-9007199254740991,"c":0.1}"#),
        Ok(())
    );
    assert_eq!(
        refused(r#"{"a":1,"a":1}"#),
        Err(ContentError::Json(json::JsonError::DuplicateMember))
    );
    assert_eq!(refused("[]"), Err(ContentError::NotAnObject));
    let grows = format!(r#"{{"a":[{}1]}}"#, "1e15,".repeat(20_000));
    assert_eq!(
        refused(&grows),
        Err(ContentError::TooLarge),
        "what is signed is bounded, not only what is sent"
    );
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
        .verify(scene.issue(5).disclose(&pointers(&["/name"])).as_str())
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
