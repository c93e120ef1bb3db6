//! The samples are what they say they are.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use finp2p_crds::sharing_policy::Mode;
use finp2p_operator::manifest::{Folder, Manifest, Namespace};
use finp2p_operator::validate::Checker;
use serde_json::Value;

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples")
}

fn read(path: &str) -> Folder {
    let checker = Checker::new().unwrap();
    checker.read_paths(&[samples().join(path)], std::io::empty())
}

fn namespace<'a>(folder: &'a Folder, name: &str) -> &'a Namespace {
    folder.namespaces.iter().find(|n| n.name == name).unwrap()
}

/// ISO 6166: letters as two digits, then Luhn over all of it.
fn is_isin(text: &str) -> bool {
    let shape = text.len() == 12
        && text[..2].bytes().all(|b| b.is_ascii_uppercase())
        && text[2..11]
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
        && text[11..].bytes().all(|b| b.is_ascii_digit());
    let digits: String = text
        .chars()
        .filter_map(|c| c.to_digit(36))
        .map(|d| d.to_string())
        .collect();
    let sum: u32 = digits
        .chars()
        .rev()
        .enumerate()
        .map(|(index, c)| {
            let digit = c.to_digit(10).unwrap() * if index % 2 == 1 { 2 } else { 1 };
            digit / 10 + digit % 10
        })
        .sum();
    shape && sum.is_multiple_of(10)
}

/// ISO 17442 (ISO 7064 MOD 97-10): letters as two digits, the whole is 1 modulo 97.
fn is_lei(text: &str) -> bool {
    let shape = text.len() == 20
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    let remainder = text
        .chars()
        .filter_map(|c| c.to_digit(36))
        .fold(0, |rest: u32, value| {
            let shift = if value > 9 { 100 } else { 10 };
            (rest * shift + value) % 97
        });
    shape && remainder == 1
}

#[test]
fn check_digits_are_told_from_wrong_ones() {
    // Published examples: ISO 6166 (Apple, Treasury), GLEIF's own LEI.
    for isin in ["US0378331005", "GB0002634946", "XS2712345672"] {
        assert!(is_isin(isin), "{isin}");
    }
    for isin in [
        "US0378331006",
        "XS2712345671",
        "us0378331005",
        "US037833100",
    ] {
        assert!(!is_isin(isin), "{isin}");
    }
    assert!(is_lei("506700GE1G29325QX363"));
    assert!(!is_lei("506700GE1G29325QX364"));
}

#[test]
fn every_sample_passes_schema_and_rules() {
    for path in [
        "peer_organization.yaml",
        "local_organization.yaml",
        "shared_asset.yaml",
        "sharing_policy.yaml",
        "first-light",
        "reference",
    ] {
        let folder = read(path);
        assert_eq!(folder.findings, vec![], "{path}");
        assert!(folder.complete);
    }
}

#[test]
fn every_sample_file_is_one_of_those_that_are_tested() {
    let mut found: Vec<String> = std::fs::read_dir(samples())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    assert_eq!(
        found,
        [
            "README.md",
            "first-light",
            "local_organization.yaml",
            "peer_organization.yaml",
            "pipelines", // built and applied by the suite `chart`
            "reference",
            "shared_asset.yaml",
            "sharing_policy.yaml"
        ]
    );
}

#[test]
fn identifiers_have_valid_check_digits() {
    let mut isins = 0;
    for path in ["shared_asset.yaml", "first-light", "reference"] {
        for object in read(path).namespaces.iter().flat_map(|n| &n.objects) {
            let ids = match &object.manifest {
                Manifest::SharedAsset(asset) => {
                    let taken = asset.spec.from.as_ref().map(|from| from.asset_id.clone());
                    [asset.spec.asset_id.clone(), taken]
                }
                Manifest::Secret(secret) => {
                    let content: Value =
                        serde_json::from_slice(secret.data.values().next().unwrap()).unwrap();
                    let text = |name: &str| content[name].as_str().map(ToOwned::to_owned);
                    if let Some(lei) = text("lei") {
                        assert!(is_lei(&lei), "{lei}");
                    }
                    [text("isin"), None]
                }
                _ => continue,
            };
            for id in ids.into_iter().flatten() {
                let file = &object.source.file;
                assert!(is_isin(&id), "{id} in {file}");
                // ZZ is nobody's: no instrument will ever bear it. The reference scenario has its
                // identifier from elsewhere, so each of its files says what it is.
                if path == "reference" {
                    let text = std::fs::read_to_string(file).unwrap();
                    assert!(text.contains(&format!("{id} is made up")), "{file}");
                } else {
                    assert!(id.starts_with("ZZ"), "{id} in {file}");
                }
                isins += 1;
            }
        }
    }
    assert!(isins >= 10, "{isins} identifiers were seen");
}

#[test]
fn first_light_holds_back_at_least_two_members_and_shares_nothing_with_bank_c() {
    let folder = read("first-light");
    let names: Vec<&str> = folder.namespaces.iter().map(|n| n.name.as_str()).collect();
    assert_eq!(names, ["bank-a", "bank-b", "bank-c"]);
    let bank_a = namespace(&folder, "bank-a");
    let mut content = BTreeMap::new();
    let mut policies = Vec::new();
    for object in &bank_a.objects {
        match &object.manifest {
            Manifest::Secret(secret) => {
                assert_eq!(
                    secret.labels.get(finp2p_crds::CONTENT_LABEL).unwrap(),
                    "true"
                );
                let json: Value = serde_json::from_slice(&secret.data["content.json"]).unwrap();
                content.insert(secret.name.clone(), json);
            }
            Manifest::SharingPolicy(policy) => policies.push(policy.spec.clone()),
            _ => {}
        }
    }
    assert!(policies.len() >= 2);
    let granted: Vec<String> = policies
        .iter()
        .flat_map(|p| p.fields.clone().unwrap())
        .collect();
    let bond = content["green-bond-2031"].as_object().unwrap();
    let withheld: Vec<&String> = bond
        .keys()
        .filter(|key| {
            !granted
                .iter()
                .any(|field| field == &format!("/{key}") || field.starts_with(&format!("/{key}/")))
        })
        .collect();
    assert_eq!(withheld, ["internalRating", "investors"]);
    for field in &granted {
        assert!(
            content["green-bond-2031"].pointer(field).is_some(),
            "{field} exists"
        );
    }
    for policy in &policies {
        assert_eq!(policy.mode, Mode::Pull);
        assert_eq!(
            policy.peers.names.as_deref(),
            Some(&["bank-b".to_owned()][..])
        );
        assert!(finp2p_crds::access::not_yet_enforced(policy).is_empty());
    }
    assert!(
        policies.iter().any(|p| p.purposes.is_some())
            && policies.iter().any(|p| p.purposes.is_none())
    );
}

#[test]
fn first_light_has_no_keys_until_keygen_makes_them() {
    let folder = read("first-light");
    for namespace in &folder.namespaces {
        assert!(
            !namespace
                .objects
                .iter()
                .any(|o| o.id.name == "finp2p-issuer")
        );
    }
    assert!(!samples().join("first-light/members").exists());
}
