//! Attack 25 and its kin: what no record may be, each under a valid signature where the
//! signature is not the point. They are kept, too: see `corpus`.

mod headers;

use std::slice::from_ref;

use serde_json::{Value, json};

use super::super::disclosure::{base64url, digest};
use super::super::process::ProcessError;
use super::super::{MAX_RECORD_BYTES, MAX_UNITS, VerifyError};
use super::scene::{Scene, all, encoded};

/// Name, text, and what must become of it.
pub type Case = (&'static str, String, Result<(), VerifyError>);

fn disclosures(reason: ProcessError) -> Result<(), VerifyError> {
    Err(VerifyError::Disclosures(reason))
}

/// A digest that stands for nothing here.
fn digest_of(name: &str) -> String {
    digest(name)
}

/// A signed record whose `data` holds the digests of `linked` and, beside them, `others`.
fn linked(linked: &[Value], others: &[String]) -> String {
    let texts: Vec<String> = linked.iter().map(encoded).collect();
    linked_texts(
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
        others,
    )
}

fn linked_texts(texts: &[&str], others: &[String]) -> String {
    let scene = Scene::new();
    let digests: Vec<String> = texts
        .iter()
        .map(|text| digest(text))
        .chain(others.iter().cloned())
        .collect();
    scene.sign(
        &scene.header(),
        &scene.payload(json!({"_sd": digests})),
        texts,
    )
}

/// A signed record that says `data` and discloses `sent`.
fn open(data: Value, sent: &[&Value]) -> String {
    let scene = Scene::new();
    let texts: Vec<String> = sent.iter().map(|one| encoded(one)).collect();
    scene.sign(
        &scene.header(),
        &scene.payload(data),
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

fn sd(one: &Value) -> Value {
    json!({"_sd": [digest(&encoded(one))]})
}

fn digests_and_names() -> Vec<Case> {
    use ProcessError::{
        Arity, Collision, DigestTwice, Digests, DisclosureTwice, ReservedName, Unreferenced,
    };
    let a = json!(["salt-a", "a", 1]);
    let other = json!(["salt-b", "a", 2]);
    let parent = json!(["salt-p", "p", sd(&a)]);
    let x = digest_of("x");
    let twice = json!(["salt-p", "p", {"_sd": [x]}]);
    let element = json!(["salt-e", "element"]);
    vec![
        (
            "digest-twice-disclosed",
            open(
                json!({"_sd": [digest(&encoded(&a)), digest(&encoded(&a))]}),
                &[&a],
            ),
            disclosures(DigestTwice),
        ),
        (
            "digest-twice-undisclosed",
            linked(&[], &[x.clone(), x.clone()]),
            disclosures(DigestTwice),
        ),
        (
            "digest-twice-on-two-levels",
            linked(&[twice], from_ref(&x)),
            disclosures(DigestTwice),
        ),
        (
            "digest-twice-in-an-array",
            open(json!({"_sd": [x], "l": [{"...": x}]}), &[]),
            disclosures(DigestTwice),
        ),
        (
            "digest-of-itself-is-no-loop",
            linked(from_ref(&parent), &[digest(&encoded(&parent))]),
            disclosures(DigestTwice),
        ),
        (
            "disclosure-in-no-list",
            open(json!({"_sd": [x]}), &[&a]),
            disclosures(Unreferenced),
        ),
        (
            "disclosure-of-a-withheld-object",
            open(sd(&parent), &[&a]),
            disclosures(Unreferenced),
        ),
        (
            "disclosure-twice",
            open(sd(&a), &[&a, &a]),
            disclosures(DisclosureTwice),
        ),
        (
            "collision-of-two-disclosures",
            linked(&[a.clone(), other], &[]),
            disclosures(Collision),
        ),
        (
            "collision-with-a-visible-member",
            open(json!({"_sd": [digest(&encoded(&a))], "a": 0}), &[&a]),
            disclosures(Collision),
        ),
        (
            "name-sd",
            linked(&[json!(["salt", "_sd", [x]])], &[]),
            disclosures(ReservedName),
        ),
        (
            "name-dots",
            linked(&[json!(["salt", "...", x])], &[]),
            disclosures(ReservedName),
        ),
        (
            "name-dots-inside",
            linked(&[json!(["salt", "a", {"...": x}])], &[]),
            disclosures(ReservedName),
        ),
        (
            "name-sd-alg",
            linked(&[json!(["salt", "_sd_alg", "sha-256"])], &[]),
            Err(VerifyError::Shape),
        ),
        (
            "name-sd-alg-inside",
            linked(&[json!(["salt", "a", [{"_sd_alg": "none"}]])], &[]),
            Err(VerifyError::Shape),
        ),
        (
            "two-elements-for-a-member",
            linked(from_ref(&element), &[]),
            disclosures(Arity),
        ),
        (
            "three-elements-for-an-array",
            open(
                json!({"_sd": [], "l": [{"...": digest(&encoded(&a))}]}),
                &[&a],
            ),
            disclosures(Arity),
        ),
        (
            "sd-is-no-array",
            open(json!({"_sd": x}), &[]),
            disclosures(Digests),
        ),
        (
            "sd-holds-a-number",
            open(json!({"_sd": [1]}), &[]),
            disclosures(Digests),
        ),
        (
            "dots-not-alone",
            linked(&[json!(["salt", "a", [{"...": x, "b": 1}]])], &[]),
            disclosures(Digests),
        ),
        (
            "dots-is-no-text",
            linked(&[json!(["salt", "a", [{"...": 1}]])], &[]),
            disclosures(Digests),
        ),
    ]
}

fn disclosure_texts() -> Vec<Case> {
    let refused = || disclosures(ProcessError::Disclosure);
    let text = |text: &str| linked_texts(&[&base64url(text.as_bytes())], &[]);
    let padded = format!("{}==", base64url(br#"["salt","a",12]"#));
    vec![
        ("one-element", text(r#"["salt"]"#), refused()),
        ("four-elements", text(r#"["salt","a",1,2]"#), refused()),
        ("salt-is-no-text", text(r#"[1,"a",1]"#), refused()),
        ("name-is-no-text", text(r#"["salt",1,1]"#), refused()),
        (
            "disclosure-is-an-object",
            text(r#"{"salt":"a"}"#),
            refused(),
        ),
        (
            "disclosure-with-trailing-data",
            text(r#"["salt","a",1] 2"#),
            refused(),
        ),
        (
            "disclosure-with-a-member-twice",
            text(r#"["salt","a",{"b":1,"b":2}]"#),
            refused(),
        ),
        (
            "disclosure-with-a-number-beyond",
            text(r#"["salt","a",9007199254740993]"#),
            refused(),
        ),
        (
            "disclosure-with-minus-zero",
            text(r#"["salt","a",-0]"#),
            refused(),
        ),
        (
            "disclosure-with-padding",
            linked_texts(&[&padded], &[]),
            refused(),
        ),
        ("disclosure-empty", linked_texts(&[""], &[]), refused()),
    ]
}

fn shapes() -> Vec<Case> {
    let shape = || Err(VerifyError::Shape);
    let element = json!(["salt-e", "element"]);
    let list = json!(["salt-l", "l", [{"...": digest(&encoded(&element))}]]);
    let visible = json!(["salt-v", "v", {"w": {"_sd": []}}]);
    let mut chain = json!(["salt", "x", 1]);
    let mut sent = vec![chain.clone()];
    for level in 0..20 {
        chain = json!([format!("salt-{level}"), "x", sd(&chain)]);
        sent.push(chain.clone());
    }
    let mut pit = json!(["salt", "x", 1]);
    let mut pits = vec![pit.clone()];
    for level in 0..8 {
        let deep = (0..20).fold(sd(&pit), |inner, _| json!([inner]));
        pit = json!([format!("salt-{level}"), "x", deep]);
        pits.push(pit.clone());
    }
    vec![
        (
            "array-element-withheld",
            linked(from_ref(&list), &[]),
            shape(),
        ),
        (
            "array-element-disclosed",
            open(sd(&list), &[&list, &element]),
            shape(),
        ),
        (
            "visible-member-of-data",
            open(json!({"_sd": [], "a": 1}), &[]),
            shape(),
        ),
        ("data-without-digests", open(json!({}), &[]), shape()),
        ("data-is-no-object", open(json!(1), &[]), shape()),
        (
            "digests-below-a-visible-member",
            linked(&[visible], &[]),
            shape(),
        ),
        (
            "visible-member-of-an-opened-object",
            linked(&[json!(["salt", "a", {"_sd": [], "b": 1}])], &[]),
            shape(),
        ),
        (
            "visible-members-of-two-opened-objects",
            linked(
                &[
                    json!(["salt", "a", {"_sd": [], "b": 1}]),
                    json!(["salt", "c", {"_sd": [], "d": 1}]),
                ],
                &[],
            ),
            shape(),
        ),
        (
            "opened-deeper-than-any-pointer",
            open(sd(&chain), &sent.iter().collect::<Vec<_>>()),
            shape(),
        ),
        (
            "resolved-deeper-than-the-bound",
            open(sd(&pit), &pits.iter().collect::<Vec<_>>()),
            disclosures(ProcessError::TooDeep),
        ),
    ]
}

fn forms() -> Vec<Case> {
    let scene = Scene::new();
    let good = all(&scene.issue(1));
    let good = good.as_str();
    let without_tilde = good.strip_suffix('~').unwrap();
    let jwt = good.split('~').next().unwrap();
    let form = || Err(VerifyError::Form);
    vec![
        ("good-all", good.to_owned(), Ok(())),
        (
            "good-some",
            scene
                .issue(2)
                .disclose(&["/name", "/holders/first/share"])
                .as_str()
                .to_owned(),
            Ok(()),
        ),
        ("good-none", format!("{jwt}~"), Ok(())),
        ("no-closing-tilde", without_tilde.to_owned(), form()),
        ("key-binding", format!("{good}{jwt}"), form()),
        ("jwt-alone", jwt.to_owned(), form()),
        ("two-parts", "e30.e30~".to_owned(), form()),
        ("one-part", "e30~".to_owned(), form()),
        ("empty-text", String::new(), form()),
        ("tilde-alone", "~".to_owned(), form()),
        ("signature-with-padding", format!("{jwt}==~"), form()),
        (
            "signature-missing",
            format!("{}.~", jwt.rsplit_once('.').unwrap().0),
            form(),
        ),
    ]
}

/// All of them.
pub fn cases() -> Vec<Case> {
    [
        digests_and_names(),
        disclosure_texts(),
        shapes(),
        headers::headers_and_claims(),
        forms(),
    ]
    .concat()
}

#[test]
fn attack_25_every_hostile_record_is_refused_for_its_own_reason() {
    let scene = Scene::new();
    for (name, text, expected) in cases() {
        assert_eq!(scene.verify(&text).map(|_| ()), expected, "{name}");
    }
}

#[test]
fn attack_25_more_disclosures_or_bytes_than_any_record_has_are_refused_unread() {
    let scene = Scene::new();
    let good = all(&scene.issue(1));
    let jwt = good.as_str().split('~').next().unwrap();
    assert_eq!(
        scene.verify(&format!("{jwt}~{}", "e30~".repeat(MAX_UNITS + 1))),
        Err(VerifyError::TooLarge)
    );
    assert_eq!(
        scene.verify(&format!("{jwt}~{}", "e30~".repeat(MAX_UNITS))),
        Err(VerifyError::Disclosures(ProcessError::Disclosure))
    );
    assert_eq!(
        scene.verify(&"~".repeat(MAX_RECORD_BYTES + 1)),
        Err(VerifyError::TooLarge)
    );
    assert_eq!(
        scene.verify(&format!("{}~", "a".repeat(MAX_RECORD_BYTES - 1))),
        Err(VerifyError::Form)
    );
}
