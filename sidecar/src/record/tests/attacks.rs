//! Attacks 26, 27, 30 and 33; attack 25 is in `hostile`.

use finp2p_wire::key::SigningKey;
use finp2p_wire::limits::POINTER_MAX_BYTES;
use serde_json::{Value, json};

use super::super::*;
use super::scene::{Scene, all, has_traces, record_key};

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
fn attack_26_what_is_wholly_withheld_leaves_no_trace() {
    let scene = Scene::new();
    let record = scene.issue(1);
    let nothing = scene.verify(record.disclose::<&str>(&[]).as_str()).unwrap();
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
    let empty = scene.verify(record.disclose(&["/empty"]).as_str()).unwrap();
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

    let stranger = SigningKey::from_seed(&[8; 32]);
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

    let session = SigningKey::from_seed(&[9; 32]);
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
    let named = |bytes: usize| refused(json!({"n".repeat(bytes - 1): 1}).to_string());
    assert_eq!(
        named(POINTER_MAX_BYTES + 1),
        Err(ContentError::UnitName(PointerError::TooLong))
    );
    // Whatever is signed can be asked for.
    let longest = named(POINTER_MAX_BYTES).unwrap().names().remove(0);
    assert!(finp2p_wire::message::Pointer::new(longest).is_ok());
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
