//! What a schema cannot say of one object.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use finp2p_crds::condition::reasons;
use finp2p_wire::key::PublicKey;
use serde_json::Value;

use super::{cel_text, metadata};
use crate::finding::{Finding, quote};
use crate::manifest::Document;

/// Checks one object that passed schema and rules.
pub fn check(document: &Document) -> Vec<Finding> {
    let mut deep = Deep {
        document,
        findings: Vec::new(),
    };
    match document.kind.as_str() {
        "PeerOrganization" => {
            deep.each("/spec/keys", Deep::root_key);
            deep.each("/spec/issuer/keys", Deep::issuer_key);
            deep.each("/spec/addresses", Deep::address);
            deep.each("/spec/node/announce", Deep::address);
        }
        "SharedAsset" => {
            deep.json_schema("/spec/schema");
            deep.condition("/spec/eligibility/condition");
            deep.each("/spec/eligibility/credentials", Deep::credential);
        }
        "SharingPolicy" => {
            deep.each("/spec/credentials", Deep::credential);
            for selection in ["/spec/assets", "/spec/users", "/spec/peers"] {
                deep.selector(&format!("{selection}/selector"));
            }
        }
        _ => {}
    }
    deep.findings
}

struct Deep<'a> {
    document: &'a Document,
    findings: Vec<Finding>,
}

impl Deep<'_> {
    fn report(&mut self, pointer: &str, reason: &str, message: impl Into<String>, cure: &str) {
        let finding = self.document.finding(pointer, reason, message, cure);
        self.findings.push(finding);
    }

    fn value(&self, pointer: &str) -> Option<&Value> {
        self.document.value.pointer(pointer)
    }

    fn text(&self, pointer: &str) -> Option<String> {
        self.value(pointer)?.as_str().map(ToOwned::to_owned)
    }

    fn each(&mut self, list: &str, check: impl Fn(&mut Self, &str)) {
        let count = self
            .value(list)
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        for index in 0..count {
            check(self, &format!("{list}/{index}"));
        }
    }

    fn root_key(&mut self, pointer: &str) {
        let pointer = format!("{pointer}/publicKey");
        if let Some(text) = self.text(&pointer)
            && PublicKey::from_spki_base64(&text).is_err()
        {
            self.report(
                &pointer,
                reasons::INVALID_KEY,
                "not a usable Ed25519 public key: the bytes are no point of the curve, or a weak one",
                "copy the key again from the organization's own record (finp2p-operator export prints it)",
            );
        }
    }

    fn issuer_key(&mut self, pointer: &str) {
        let okp = self.text(&format!("{pointer}/jwk/kty")).as_deref() == Some("OKP");
        for coordinate in ["x", "y"] {
            let pointer = format!("{pointer}/jwk/{coordinate}");
            let Some(text) = self.text(&pointer) else {
                continue;
            };
            let bytes = URL_SAFE_NO_PAD
                .decode(&text)
                .ok()
                .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
            let usable = bytes.is_some_and(|bytes| !okp || PublicKey::from_bytes(&bytes).is_ok());
            if !usable {
                self.report(
                    &pointer,
                    reasons::INVALID_KEY,
                    "not a usable public key",
                    "copy the JWK again from the issuer",
                );
            }
        }
    }

    fn address(&mut self, pointer: &str) {
        let Some(text) = self.text(pointer) else {
            return;
        };
        if let Some(wrong) = wrong_address(&text) {
            self.report(
                pointer,
                "InvalidAddress",
                format!("{}: {wrong}", quote(&text)),
                "write it like /dns4/finp2p.bank-b.example/tcp/4001 or /ip4/192.0.2.1/tcp/4001",
            );
        }
    }

    fn credential(&mut self, pointer: &str) {
        self.condition(&format!("{pointer}/condition"));
    }

    fn condition(&mut self, pointer: &str) {
        if let Some(text) = self.text(pointer)
            && let Some(wrong) = cel_text::wrong(&text)
        {
            self.report(
                pointer,
                "InvalidCondition",
                format!("the condition cannot be used: {wrong}"),
                "write a short CEL expression that is true or false, like claims.level >= 2",
            );
        }
    }

    fn json_schema(&mut self, pointer: &str) {
        let Some(text) = self.text(pointer) else {
            return;
        };
        if let Some(wrong) = wrong_json_schema(&text) {
            self.report(
                pointer,
                "InvalidSchema",
                format!("the JSON Schema cannot be used: {wrong}"),
                "write a JSON Schema (2020-12) as JSON text, with references inside it only",
            );
        }
    }

    fn selector(&mut self, pointer: &str) {
        let Some(Value::Object(labels)) = self.value(&format!("{pointer}/matchLabels")).cloned()
        else {
            return self.each(&format!("{pointer}/matchExpressions"), Deep::requirement);
        };
        for (key, value) in labels {
            let below = format!(
                "{pointer}/matchLabels/{}",
                crate::manifest::place::escape(&key)
            );
            if !metadata::is_label_key(&key)
                || !value.as_str().is_some_and(metadata::is_label_value)
            {
                self.not_a_label(&below);
            }
        }
        self.each(&format!("{pointer}/matchExpressions"), Deep::requirement);
    }

    fn requirement(&mut self, pointer: &str) {
        let key = format!("{pointer}/key");
        if self
            .text(&key)
            .is_some_and(|text| !metadata::is_label_key(&text))
        {
            self.not_a_label(&key);
        }
        self.each(&format!("{pointer}/values"), |deep, value| {
            if deep
                .text(value)
                .is_some_and(|text| !metadata::is_label_value(&text))
            {
                deep.not_a_label(value);
            }
        });
    }

    fn not_a_label(&mut self, pointer: &str) {
        self.report(
            pointer,
            "InvalidLabel",
            "no object can carry this label, so nothing is selected",
            "use at most 63 of A-Z, a-z, 0-9, -, _ and ., with a letter or digit at both ends",
        );
    }
}

/// What is wrong with a multiaddr of the schema's form `/<protocol>/<host>/tcp/<port>[/p2p/…]`.
fn wrong_address(text: &str) -> Option<&'static str> {
    let mut parts = text.split('/').skip(1);
    let (protocol, host) = (parts.next()?, parts.next()?);
    let port = parts.nth(1).and_then(|port| port.parse::<u16>().ok());
    if port.is_none_or(|port| port == 0) {
        return Some("the port is not between 1 and 65535");
    }
    let host_ok = match protocol {
        "ip4" => host.parse::<std::net::Ipv4Addr>().is_ok(),
        "ip6" => host.parse::<std::net::Ipv6Addr>().is_ok(),
        _ => is_host(host),
    };
    (!host_ok).then_some("the host does not fit the protocol before it")
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 253
        && host.split('.').all(|part| {
            !part.is_empty()
                && part.len() <= 63
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        })
}

/// What is wrong with a JSON Schema text; it is read, never executed here.
fn wrong_json_schema(text: &str) -> Option<String> {
    let Ok(schema) = serde_json::from_str::<Value>(text) else {
        return Some("it is not JSON".to_owned());
    };
    if !schema.is_object() && !schema.is_boolean() {
        return Some("it is not a schema".to_owned());
    }
    if refers_outside(&schema) {
        return Some("it refers to a schema outside itself".to_owned());
    }
    jsonschema::draft202012::meta::validate(&schema)
        .err()
        .map(|error| {
            let text = error.instance().to_string();
            match error.instance_path().as_str() {
                "" => format!("{} is no schema", quote(&text)),
                path => format!("{} cannot be {}", quote(path), quote(&text)),
            }
        })
}

/// Recursion is bounded by the JSON reader's own depth (128).
fn refers_outside(schema: &Value) -> bool {
    match schema {
        Value::Object(map) => map.iter().any(|(key, value)| {
            let reference = matches!(key.as_str(), "$ref" | "$dynamicRef" | "$schema")
                && value.as_str().is_some_and(|target| {
                    !target.starts_with('#')
                        && target != "https://json-schema.org/draft/2020-12/schema"
                });
            reference || refers_outside(value)
        }),
        Value::Array(items) => items.iter().any(refers_outside),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_can_be_dialled() {
        for text in [
            "/dns4/finp2p.bank-b.example/tcp/4001",
            "/ip4/192.0.2.1/tcp/1",
            "/ip6/2001:db8::1/tcp/65535/p2p/12D3Koo",
        ] {
            assert_eq!(wrong_address(text), None, "{text}");
        }
        for text in [
            "/ip4/192.0.2.256/tcp/1",
            "/ip6/::g/tcp/1",
            "/dns4/a..b/tcp/1",
            "/dns4/a b/tcp/1",
            "/dns4/a/tcp/0",
            "/dns4/a/tcp/65536",
        ] {
            assert!(wrong_address(text).is_some(), "{text}");
        }
    }

    #[test]
    fn json_schemas_are_read_and_kept_to_themselves() {
        assert_eq!(
            wrong_json_schema(r#"{"type":"object","required":["isin"]}"#),
            None
        );
        assert_eq!(
            wrong_json_schema(r##"{"$ref":"#/$defs/a","$defs":{"a":true}}"##),
            None
        );
        for text in [
            "",
            "[]",
            "{",
            r#"{"type":"objekt"}"#,
            r#"{"$ref":"https://x.example/s"}"#,
            r#"{"$ref":"file:///etc/passwd"}"#,
            &"[".repeat(30_000),
        ] {
            assert!(wrong_json_schema(text).is_some(), "{:.40}", text);
        }
    }
}
