//! The published examples of RFC 9901, at the level under the signature (theirs is ES256).

use serde_json::{Value, json};

use super::super::disclosure::{base64url, digest};
use super::super::process::{ProcessError, Processed, process};

/// Disclosures of §5.1, each with its digest: contents as printed there.
const SECTION_5: [(&str, &str); 10] = [
    (
        r#"["2GLC42sKQveCfGfryNRN9w", "given_name", "John"]"#,
        "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4",
    ),
    (
        r#"["eluV5Og3gSNII8EYnsxA_A", "family_name", "Doe"]"#,
        "TGf4oLbgwd5JQaHyKVQZU9UdGE0w5rtDsrZzfUaomLo",
    ),
    (
        r#"["6Ij7tM-a5iVPGboS5tmvVA", "email", "johndoe@example.com"]"#,
        "JzYjH4svliH0R3PyEMfeZu6Jt69u5qehZo7F7EPYlSE",
    ),
    (
        r#"["eI8ZWm9QnKPpNPeNenHdhQ", "phone_number", "+1-202-555-0101"]"#,
        "PorFbpKuVu6xymJagvkFsFXAbRoc2JGlAUA2BA4o7cI",
    ),
    (
        r#"["Qg_O64zqAxe412a108iroA", "phone_number_verified", true]"#,
        "XQ_3kPKt1XyX7KANkqVR6yZ2Va5NrPIvPYbyMvRKBMM",
    ),
    (
        r#"["AJx-095VPrpTtN4QMOqROA", "address", {"street_address": "123 Main St", "locality": "Anytown", "region": "Anystate", "country": "US"}]"#,
        "XzFrzwscM6Gn6CJDc6vVK8BkMnfG8vOSKfpPIZdAfdE",
    ),
    (
        r#"["Pc33JM2LchcU_lHggv_ufQ", "birthdate", "1940-01-01"]"#,
        "gbOsI4Edq2x2Kw-w5wPEzakob9hV1cRD0ATN3oQL9JM",
    ),
    (
        r#"["G02NSrQfjFXQ7Io09syajA", "updated_at", 1570000000]"#,
        "CrQe7S5kqBAHt-nMYXgc6bdt2SH5aTY1sU_M-PgkjPI",
    ),
    (
        r#"["lklxF5jMYlGTPUovMNIvCA", "US"]"#,
        "pFndjkZ_VCzmyTa6UjlZo3dh-ko8aIKQc9DlGzhaVYo",
    ),
    (
        r#"["nPuoQnkRFq3BIeAm7AnXFA", "DE"]"#,
        "7Cf6JkPudry3lcbwHgeZ8khAv1U1OSlerP0VkBJrWZ0",
    ),
];

/// Disclosures of §6.2 and §6.3; the last one, recursive, is of §6.3 only.
const SECTION_6: [(&str, &str); 5] = [
    (
        r#"["2GLC42sKQveCfGfryNRN9w", "street_address", "Schulstr. 12"]"#,
        "9gjVuXtdFROCgRrtNcGUXmF65rdezi_6Er_j76kmYyM",
    ),
    (
        r#"["eluV5Og3gSNII8EYnsxA_A", "locality", "Schulpforta"]"#,
        "6vh9bq-zS4GKM_7GpggVbYzzu6oOGXrmNVGPHP75Ud0",
    ),
    (
        r#"["6Ij7tM-a5iVPGboS5tmvVA", "region", "Sachsen-Anhalt"]"#,
        "KURDPh4ZC19-3tiz-Df39V8eidy1oV3a3H1Da2N0g88",
    ),
    (
        r#"["eI8ZWm9QnKPpNPeNenHdhQ", "country", "DE"]"#,
        "WN9r9dCBJ8HTCsS2jKASxTjEyW5m5x65_Z_2ro2jfXM",
    ),
    (
        r#"["Qg_O64zqAxe412a108iroA", "address", {"_sd": ["6vh9bq-zS4GKM_7GpggVbYzzu6oOGXrmNVGPHP75Ud0", "9gjVuXtdFROCgRrtNcGUXmF65rdezi_6Er_j76kmYyM", "KURDPh4ZC19-3tiz-Df39V8eidy1oV3a3H1Da2N0g88", "WN9r9dCBJ8HTCsS2jKASxTjEyW5m5x65_Z_2ro2jfXM"]}]"#,
        "HvrKX6fPV0v9K_yCVFBiLFHsMaxcD_114Em6VT8x1lg",
    ),
];

fn section_5_payload() -> Value {
    json!({
        "_sd": [
            "CrQe7S5kqBAHt-nMYXgc6bdt2SH5aTY1sU_M-PgkjPI", "JzYjH4svliH0R3PyEMfeZu6Jt69u5qehZo7F7EPYlSE",
            "PorFbpKuVu6xymJagvkFsFXAbRoc2JGlAUA2BA4o7cI", "TGf4oLbgwd5JQaHyKVQZU9UdGE0w5rtDsrZzfUaomLo",
            "XQ_3kPKt1XyX7KANkqVR6yZ2Va5NrPIvPYbyMvRKBMM", "XzFrzwscM6Gn6CJDc6vVK8BkMnfG8vOSKfpPIZdAfdE",
            "gbOsI4Edq2x2Kw-w5wPEzakob9hV1cRD0ATN3oQL9JM", "jsu9yVulwQQlhFlM_3JlzMaSFzglhQG0DpfayQwLUK4",
        ],
        "iss": "https://issuer.example.com", "iat": 1_683_000_000, "exp": 1_883_000_000, "sub": "user_42",
        "nationalities": [
            {"...": "pFndjkZ_VCzmyTa6UjlZo3dh-ko8aIKQc9DlGzhaVYo"},
            {"...": "7Cf6JkPudry3lcbwHgeZ8khAv1U1OSlerP0VkBJrWZ0"},
        ],
    })
}

fn run(payload: &Value, disclosures: &[&str]) -> Result<Processed, ProcessError> {
    let encoded: Vec<String> = disclosures
        .iter()
        .map(|text| base64url(text.as_bytes()))
        .collect();
    process(
        payload.as_object().unwrap().clone(),
        &encoded.iter().map(String::as_str).collect::<Vec<_>>(),
    )
}

fn named(examples: &[(&'static str, &str)], name: &str) -> &'static str {
    examples
        .iter()
        .find(|(text, _)| text.contains(name))
        .unwrap()
        .0
}

#[test]
fn every_published_disclosure_has_the_published_digest() {
    for (text, published) in SECTION_5.iter().chain(&SECTION_6) {
        assert_eq!(digest(&base64url(text.as_bytes())), *published, "{text}");
    }
    // §4.2.1 and §4.2.3, where the encoded text is printed too.
    let encoded = "WyJfMjZiYzRMVC1hYzZxMktJNmNCVzVlcyIsICJmYW1pbHlfbmFtZSIsICJNw7ZiaXVzIl0";
    assert_eq!(
        base64url(r#"["_26bc4LT-ac6q2KI6cBW5es", "family_name", "Möbius"]"#.as_bytes()),
        encoded
    );
    assert_eq!(
        digest(encoded),
        "X9yH0Ajrdm1Oij4tWso9UzzKJvPoDxwmuEcO3XAdRC0"
    );
}

#[test]
fn section_5_with_everything_disclosed() {
    let texts: Vec<&str> = SECTION_5.iter().map(|(text, _)| *text).collect();
    let claims = run(&section_5_payload(), &texts).unwrap().claims;
    let expected = json!({
        "iss": "https://issuer.example.com", "iat": 1_683_000_000, "exp": 1_883_000_000, "sub": "user_42",
        "given_name": "John", "family_name": "Doe", "email": "johndoe@example.com",
        "phone_number": "+1-202-555-0101", "phone_number_verified": true, "birthdate": "1940-01-01",
        "updated_at": 1_570_000_000, "nationalities": ["US", "DE"],
        "address": {"street_address": "123 Main St", "locality": "Anytown", "region": "Anystate", "country": "US"},
    });
    assert_eq!(Value::Object(claims), expected);
}

#[test]
fn section_5_2_as_it_was_presented() {
    let chosen =
        ["family_name", "address", "given_name", "\"US\"]"].map(|name| named(&SECTION_5, name));
    let claims = run(&section_5_payload(), &chosen).unwrap().claims;
    let expected = json!({
        "iss": "https://issuer.example.com", "iat": 1_683_000_000, "exp": 1_883_000_000, "sub": "user_42",
        "given_name": "John", "family_name": "Doe", "nationalities": ["US"],
        "address": {"street_address": "123 Main St", "locality": "Anytown", "region": "Anystate", "country": "US"},
    });
    assert_eq!(Value::Object(claims), expected);
}

#[test]
fn section_6_2_structured_and_6_3_recursive() {
    let structured = json!({"sub": "x", "address": {"_sd": SECTION_6[..4].iter().map(|(_, digest)| *digest).collect::<Vec<_>>()}});
    let recursive = json!({"sub": "x", "_sd": [SECTION_6[4].1]});
    let country = named(&SECTION_6, "country");
    let address = SECTION_6[4].0;
    let only_country = json!({"sub": "x", "address": {"country": "DE"}});

    assert_eq!(
        json!(run(&structured, &[country]).unwrap().claims),
        only_country
    );
    assert_eq!(
        json!(run(&structured, &[]).unwrap().claims),
        json!({"sub": "x", "address": {}})
    );
    assert_eq!(
        json!(run(&recursive, &[address, country]).unwrap().claims),
        only_country
    );
    assert_eq!(
        json!(run(&recursive, &[]).unwrap().claims),
        json!({"sub": "x"})
    );
    assert_eq!(
        run(&recursive, &[country]).err(),
        Some(ProcessError::Unreferenced),
        "without the one around it"
    );
}
