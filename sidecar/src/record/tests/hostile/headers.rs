//! Headers and claims that no record has.

use super::*;

fn header(name: &str, value: Value) -> String {
    let scene = Scene::new();
    let mut header = scene.header();
    header[name] = value;
    scene.sign(&header, &scene.payload(json!({"_sd": []})), &[])
}

fn header_without(name: &str) -> String {
    let scene = Scene::new();
    let mut header = scene.header();
    header.as_object_mut().unwrap().remove(name);
    scene.sign(&header, &scene.payload(json!({"_sd": []})), &[])
}

fn claim(name: &str, value: Value) -> String {
    let scene = Scene::new();
    let mut payload = scene.payload(json!({"_sd": []}));
    payload[name] = value;
    scene.sign(&scene.header(), &payload, &[])
}

pub(super) fn headers_and_claims() -> Vec<Case> {
    let scene = Scene::new();
    let right = scene.payload(json!({"_sd": []})).to_string();
    let good = scene.header().to_string();
    let kid = hex::encode([1; 16]);
    let mut no_network = scene.payload(json!({"_sd": []}));
    no_network.as_object_mut().unwrap().remove("net");
    no_network["_sd"] = json!([digest_of("net")]);
    let claims = || Err(VerifyError::Claims);
    vec![
        (
            "typ-of-a-credential",
            header("typ", json!("dc+sd-jwt")),
            Err(VerifyError::Typ),
        ),
        ("typ-missing", header_without("typ"), Err(VerifyError::Typ)),
        (
            "alg-eddsa",
            header("alg", json!("EdDSA")),
            Err(VerifyError::Alg),
        ),
        (
            "alg-none",
            header("alg", json!("none")),
            Err(VerifyError::Alg),
        ),
        ("alg-missing", header_without("alg"), Err(VerifyError::Alg)),
        (
            "kid-missing",
            header_without("kid"),
            Err(VerifyError::Header),
        ),
        (
            "kid-unknown",
            header("kid", json!(kid)),
            Err(VerifyError::Key),
        ),
        (
            "kid-in-capitals",
            header(
                "kid",
                json!(scene.header()["kid"].as_str().unwrap().to_uppercase()),
            ),
            Err(VerifyError::Header),
        ),
        (
            "kid-too-short",
            header("kid", json!("00ff")),
            Err(VerifyError::Header),
        ),
        (
            "crit",
            header("crit", json!(["b64"])),
            Err(VerifyError::Header),
        ),
        (
            "key-in-the-header",
            header("jwk", json!({"kty": "OKP"})),
            Err(VerifyError::Header),
        ),
        (
            "header-member-twice",
            scene.sign_texts(&good.replacen('{', r#"{"alg":"Ed25519","#, 1), &right, &[]),
            Err(VerifyError::Header),
        ),
        (
            "header-with-trailing-data",
            scene.sign_texts(&format!("{good}{{}}"), &right, &[]),
            Err(VerifyError::Header),
        ),
        (
            "payload-member-twice",
            scene.sign_texts(&good, &right.replacen('{', r#"{"ver":2,"#, 1), &[]),
            claims(),
        ),
        (
            "payload-with-trailing-data",
            scene.sign_texts(&good, &format!("{right}1"), &[]),
            claims(),
        ),
        (
            "payload-is-an-array",
            scene.sign_texts(&good, "[]", &[]),
            claims(),
        ),
        ("claim-too-many", claim("nbf", json!(0)), claims()),
        (
            "claim-concealed",
            scene.sign(&scene.header(), &no_network, &[]),
            claims(),
        ),
        ("sd-alg-other", claim("_sd_alg", json!("sha-512")), claims()),
        ("ver-negative", claim("ver", json!(-1)), claims()),
        ("ver-fraction", claim("ver", json!(1.0)), claims()),
        ("ver-text", claim("ver", json!("1")), claims()),
        ("ver-beyond", claim("ver", json!(1_u64 << 53)), claims()),
        ("net-empty", claim("net", json!("")), claims()),
        (
            "sub-of-another",
            claim("sub", json!("bank-a:102:other")),
            Err(VerifyError::Mismatch("sub")),
        ),
        (
            "iat-in-the-future",
            claim("iat", json!(super::super::scene::IAT + 900)),
            Err(VerifyError::Time),
        ),
    ]
}
