//! `finp2p-operator validate`: what people stumbled over, and the words that help.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

mod program;

use program::{program, run, text};

const HEAD: &str = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: ";
const LOCAL: &str = "PeerOrganization\nmetadata: {name: local, namespace: bank-a}\nspec: {organizationId: bank-a, node: {network: net, signer: {secretName: s}, api: {clients: [{serviceAccount: ops, allow: [Administer]}]}}}";
const BANK_B: &str = "PeerOrganization\nmetadata: {name: bank-b, namespace: bank-a}\nspec: {keys: [{id: k, publicKey: MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=, notBefore: 2026-01-01T00:00:00Z, notAfter: 2099-01-01T00:00:00Z}]}";
const BOND: &str =
    "SharedAsset\nmetadata: {name: bond, namespace: bank-a}\nspec: {content: {api: {}}}";

fn validate(paths: &[&str], input: &str) -> (String, Option<i32>) {
    let output = run(&[&["validate"], paths].concat(), input);
    (text(&output), output.status.code())
}

/// What is said of these objects.
fn said(objects: &[&str]) -> (String, Option<i32>) {
    let text: Vec<String> = objects.iter().map(|o| format!("{HEAD}{o}\n")).collect();
    validate(&["-"], &text.join("---\n"))
}

fn policy(assets: &str, peers: &str, more: &str) -> String {
    format!(
        "SharingPolicy\nmetadata: {{name: terms, namespace: bank-a}}\nspec: {{assets: {assets}, peers: {peers}, mode: Pull, fields: [/isin]{more}}}"
    )
}

#[test]
fn peers_whose_root_keys_have_all_ended_or_are_anothers_are_told_wherever_the_local_one_is_kept() {
    let ended = BANK_B.replace("2099-01-01", "2026-02-01");
    assert_ne!(ended, BANK_B);
    for objects in [vec![ended.as_str()], vec![LOCAL, &ended]] {
        let (text, code) = said(&objects);
        let words = "warning: PeerOrganization bank-a/bank-b: /spec/keys: no root key of it opens a session now (k ended at 2026-02-01T00:00:00Z)";
        assert!(text.contains(words), "{text}");
        assert!(text.contains("[Expired]"), "{text}");
        assert_eq!(code, Some(0), "{text}");
    }
    let (text, _) = said(&[LOCAL, BANK_B]);
    assert!(!text.contains("[Expired]"), "{text}");
    let copied = BANK_B.replace("name: bank-b", "name: bank-c");
    let (text, code) = said(&[LOCAL, BANK_B, &copied]);
    let words = "warning: PeerOrganization bank-a/bank-c: /spec/keys: root key k is in PeerOrganization bank-b, too";
    assert!(text.contains(words), "{text}");
    assert_eq!(
        (text.matches("[KeyShared]").count(), code),
        (2, Some(0)),
        "{text}"
    );
}

#[test]
fn a_policy_that_grants_nothing_by_itself_is_told_wherever_the_organizations_are_kept() {
    let expired = policy(
        "{all: true}",
        "{all: true}",
        ", notAfter: 2020-01-01T00:00:00Z",
    );
    let unsupported = policy("{all: true}", "{all: true}", ", retentionDays: 9");
    for (with, errors) in [(&[][..], 0), (&[LOCAL, BANK_B, BOND][..], 1)] {
        let (text, code) = said(&[with, &[&expired]].concat());
        let words = "warning: SharingPolicy bank-a/terms: /spec/notAfter: it grants nothing since 2020-01-01T00:00:00Z: delete it, or give it a later notAfter [Expired]\n";
        assert!(text.contains(words), "{text}");
        assert_eq!(code, Some(0), "{text}");
        let (text, code) = said(&[with, &[&unsupported]].concat());
        assert!(
            text.contains("this version does not enforce retentionDays"),
            "{text}"
        );
        assert_eq!(
            (text.matches(": error: ").count(), code),
            (errors, Some(if errors == 0 { 0 } else { 1 })),
            "{text}"
        );
    }
    let (text, code) = said(&[&policy("{all: true}", "{all: true}", "")]);
    assert!(text.contains("nothing wrong (1 object passed)"), "{text}");
    assert_eq!(code, Some(0));
}

#[test]
fn an_annotation_of_ours_that_does_nothing_is_told_and_refuses_nothing() {
    for (object, annotation, cure) in [
        (LOCAL, "sequence: \"9\"", None),
        (LOCAL, "change: T-1", None),
        (LOCAL, "sequnce: \"9\"", Some("did you mean `sequence`?")),
        (
            BOND,
            "sequence: \"9\"",
            Some("write it on the PeerOrganization with node"),
        ),
        (BOND, "content: \"true\"", Some("write it under labels")),
        (
            BOND,
            "owner: x",
            Some("remove it, or write one of `change`, `sequence`"),
        ),
    ] {
        let annotated =
            format!("namespace: bank-a, annotations: {{sharing.finp2p.io/{annotation}}}");
        let object = object.replace("namespace: bank-a", &annotated);
        let (text, _) = said(&[&object]);
        let warned = text.contains("warning") && text.contains("[IdleAnnotation]");
        assert_eq!(warned, cure.is_some(), "{text}");
        assert!(cure.is_none_or(|cure| text.contains(cure)), "{text}");
        assert!(text.contains("(1 object passed)"), "{text}");
    }
}

#[test]
fn a_selector_that_selects_nothing_is_told_where_what_it_may_select_is_here() {
    let policy = policy("{all: true}", "{selector: {matchLabels: {tier: gold}}}", "");
    let (text, code) = said(&[LOCAL, BANK_B, BOND, &policy]);
    assert!(
        text.contains("/spec/peers/selector: peers.selector (tier=gold) selects no peer"),
        "{text}"
    );
    assert_eq!(code, Some(0), "{text}");
    for elsewhere in [&[&policy[..]][..], &[LOCAL, BOND, &policy]] {
        let (text, _) = said(elsewhere);
        assert!(!text.contains("NothingSelected"), "{text}");
    }
}

#[test]
fn every_name_that_leads_nowhere_is_told_at_once_and_a_rest_only_where_there_is_one() {
    let many = policy(
        "{names: [bond, x1]}",
        "{names: [bank-b, y1, y2, y3, y4, y5, y6, y7]}",
        "",
    );
    let (text, code) = said(&[LOCAL, BANK_B, BOND, &many]);
    for words in [
        "peers.names: y1 does not exist; y2 does not exist; ",
        "; and 2 more. They get nothing. ",
        "assets.names: x1 does not exist. Nothing is shared through these names. The rest of the policy works [PeerNotFound]",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(code, Some(1));
    for (assets, peers) in [
        ("{names: [x1]}", "{names: [bank-b]}"),
        ("{all: true}", "{names: [y1, y2]}"),
    ] {
        let (text, _) = said(&[LOCAL, BANK_B, BOND, &policy(assets, peers, "")]);
        assert!(text.contains("The policy grants nothing"), "{text}");
        assert!(
            !text.contains("the rest") && !text.contains("The rest"),
            "{text}"
        );
    }
}

#[test]
fn a_name_of_something_that_is_there_is_not_to_be_added() {
    let refused_bank = BANK_B.replace("notBefore", "notbefore");
    let refused_bond = BOND.replace("content", "contents");
    let issuer = "PeerOrganization\nmetadata: {name: kyc, namespace: bank-a}\nspec: {issuer: {id: 'https://kyc.example', types: [T], keys: [{id: k1, jwk: {kty: EC, crv: P-256, x: OqAheHLrfyVtuY0WCgePr2bpnrqUSuZJd5TSSvz22PA, y: IOI6VASVRqiTh73MdImKp4QInzPXM1i0Vm48pUuIZIo}}]}}";
    let to = |peers: &str| policy("{names: [bond]}", peers, "");
    for (objects, cure) in [
        (
            [BOND, BANK_B, &to("{names: [local]}")],
            "    leave local out: nobody is a peer of itself\n",
        ),
        (
            [BOND, issuer, &to("{names: [kyc]}")],
            "    leave kyc out, or mend the name\n",
        ),
        (
            [BOND, &refused_bank, &to("{names: [bank-b]}")],
            "    PeerOrganization bank-b is among these manifests and was refused: mend it first\n",
        ),
        (
            [&refused_bond, BANK_B, &to("{names: [bank-b]}")],
            "    SharedAsset bond is among these manifests and was refused: mend it first\n",
        ),
        (
            [BOND, BANK_B, &to("{names: [bank-b, local, bank-x]}")],
            "    leave local out: nobody is a peer of itself; add its PeerOrganization (members/",
        ),
    ] {
        let (text, code) = said(&[&[LOCAL], &objects[..]].concat());
        assert!(text.contains(cure), "{cure}: {text}");
        assert_eq!(code, Some(1));
    }
}

#[test]
fn a_secret_that_was_refused_is_not_to_be_made() {
    let secret = |name: &str, data: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: bank-a}}\n{data}: {{k: e30=}}\n"
        )
    };
    let asset = "SharedAsset\nmetadata: {name: bond, namespace: bank-a}\nspec: {content: {secret: {name: bonds, key: k}}}";
    let objects = [secret("s", "date"), secret("bonds", "date")].join("---\n");
    let (text, code) = validate(
        &["-"],
        &format!("{objects}---\n{HEAD}{LOCAL}\n---\n{HEAD}{asset}\n"),
    );
    for name in ["s", "bonds"] {
        let cure = format!("Secret {name} is among these manifests and was refused: mend it first");
        assert!(text.contains(&cure), "{cure}: {text}");
    }
    assert!(!text.contains("finp2p-operator keygen"), "{text}");
    assert!(!text.contains("add the Secret"), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn in_files_the_first_stays_and_it_is_said_where_it_is() {
    let again = "SharedAsset\nmetadata: {name: again, namespace: bank-a}\nspec: {assetId: bond, content: {api: {}}}";
    let (text, code) = said(&[LOCAL, BOND, again]);
    assert!(
        text.contains(
            "SharedAsset bond is bank-a:102:bond already and comes first, at -:6: edit that one"
        ),
        "{text}"
    );
    assert!(!text.contains("older"), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn no_manifest_at_all_is_an_error_and_an_empty_folder_beside_others_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(path("nothing")).unwrap();
    std::fs::write(
        path("empty.yaml"),
        "# what kustomize would have built\n---\n",
    )
    .unwrap();
    std::fs::write(path("bond.yaml"), format!("{HEAD}{BOND}\n")).unwrap();
    for paths in [
        &["-".to_owned()][..],
        &[path("empty.yaml")],
        &[path("nothing")],
        &[path("empty.yaml"), path("nothing"), "-".to_owned()],
    ] {
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let (text, code) = validate(&paths, "\n");
        assert_eq!(code, Some(1), "{paths:?}: {text}");
        assert!(text.contains("[NothingToRead]"), "{text}");
        assert!(!text.contains("nothing wrong"), "{text}");
    }
    let (text, code) = validate(
        &[&path("nothing"), &path("empty.yaml"), &path("bond.yaml")],
        "",
    );
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("nothing: warning: no manifests"), "{text}");
    assert!(
        text.contains("0 errors, 1 warning (1 object passed)"),
        "{text}"
    );
}

#[test]
fn a_node_that_nobody_may_administer_is_worth_a_warning_and_no_more() {
    let nobody = LOCAL.replace("Administer", "Fetch");
    let (text, code) = said(&[&nobody, BANK_B]);
    assert!(
        text.contains("/spec/node/api/clients: no client may Administer"),
        "{text}"
    );
    assert_eq!(code, Some(0), "{text}");
    let (text, _) = said(&[LOCAL, BANK_B]);
    assert!(!text.contains("NoAdministrator"), "{text}");
}

#[test]
fn a_private_key_where_the_public_one_belongs_is_never_repeated() {
    const SECRET: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";
    let record = BANK_B.replace(
        "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
        SECRET,
    );
    let (text, code) = said(&[&record]);
    assert!(
        text.contains("/spec/keys/0/publicKey: this is a private key"),
        "{text}"
    );
    assert!(!text.contains("INTuctv5"), "{text}");
    assert_eq!(code, Some(1));
}

#[test]
fn cures_are_about_what_stands_there() {
    let organization = |node: &str| {
        format!(
            "PeerOrganization\nmetadata: {{name: local, namespace: bank-a}}\nspec: {{node: {{network: net, signer: {{secretName: s}}, {node}}}}}"
        )
    };
    let asset = |spec: &str| {
        format!("SharedAsset\nmetadata: {{name: bond, namespace: bank-a}}\nspec: {spec}")
    };
    for (object, words) in [
        (
            organization("storage: {size: 50}"),
            "write a number and a unit, like 50Gi, as text",
        ),
        (
            policy("{all: true}", "{all: true}", ", notAfter: 2035"),
            "write it like 2026-03-01T00:00:00Z",
        ),
        (
            policy("{all: true}", "{all: true}", ", notAfter: 2035-12-31"),
            "write it with time and zone: 2035-12-31T00:00:00Z",
        ),
        (
            asset("{content: {secret: bonds}}"),
            "write its fields below, indented by two spaces: key, name",
        ),
        (
            asset(
                "{content: {api: {}}, schema: '{\"properties\": {\"isin\": {\"type\": \"txt\"}}}'}",
            ),
            "`/properties/isin/type` cannot be `\"txt\"`",
        ),
        (
            asset("{content: {api: {}}, schema: '33'}"),
            "it is not a schema",
        ),
    ] {
        let (text, code) = said(&[&object]);
        assert!(text.contains(words), "{words}: {text}");
        assert_eq!(code, Some(1), "{text}");
    }
}

/// The commands of the README of the samples.
#[test]
fn the_four_commented_samples_are_one_namespace_once_its_keys_are_made() {
    let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples");
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().to_str().unwrap();
    let made = program()
        .args(["keygen", "bank-a", "--network", "sandbox-finp2p"])
        .args(["--namespace", "bank-a", "--out", keys])
        .output()
        .unwrap();
    assert!(made.status.success());
    let mut files: Vec<String> = std::fs::read_dir(&samples)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml"))
        .map(|path| path.to_str().unwrap().to_owned())
        .collect();
    assert_eq!(files.len(), 4);
    let without: Vec<&str> = files.iter().map(String::as_str).collect();
    let (text, code) = validate(&without, "");
    assert!(text.contains("[SignerMissing]"), "{text}");
    assert!(text.contains("1 error, 0 warnings"), "{text}");
    assert_eq!(code, Some(1));
    files.push(format!("{keys}/bank-a-issuer.yaml"));
    let with: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(
        validate(&with, ""),
        ("nothing wrong (8 objects passed)\n".to_owned(), Some(0))
    );
}

#[test]
fn contents_among_the_manifests_are_looked_into() {
    let secret = |content: &str| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: bonds, namespace: bank-a, labels: {{sharing.finp2p.io/content: 'true'}}}}\nstringData: {{k: '{content}'}}\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: s, namespace: bank-a}}\nstringData: {{}}\n"
        )
    };
    let said = |content: &str, fields: &str| {
        let asset = "SharedAsset\nmetadata: {name: bond, namespace: bank-a}\nspec: {content: {secret: {name: bonds, key: k}}}";
        let policy = policy("{all: true}", "{all: true}", "").replace("/isin", fields);
        let objects = [LOCAL, BANK_B, asset, &policy].map(|o| format!("{HEAD}{o}\n"));
        validate(
            &["-"],
            &format!("{}---\n{}", secret(content), objects.join("---\n")),
        )
        .0
    };
    let content = r#"{"isin": "XS1", "terms": {"coupon": 3}}"#;
    let well = said(content, "/isin, /terms");
    assert!(
        !well.contains("bond") && !well.contains("FieldUnknown"),
        "{well}"
    );
    for broken in [r#"{"isin": "XS1" "#, "[1]"] {
        let text = said(broken, "/isin");
        let words = "error: SharedAsset bank-a/bond: /spec/content/secret: key k of Secret bonds is no JSON object, so nodes do not take it";
        assert!(
            text.contains(words) && text.contains("[ContentInvalid]"),
            "{text}"
        );
    }
    for (fields, words) in [
        (
            "/isin, /ghost",
            "/ghost opens nothing on SharedAsset bond [FieldUnknown]\n    there is no field /ghost, mend the pointer\n",
        ),
        (
            "/terms/coupon",
            "units: [/terms] of the asset opens its members one by one\n",
        ),
    ] {
        let text = said(content, fields);
        let (_, told) = text
            .split_once("warning: SharingPolicy bank-a/terms: /spec/fields: ")
            .expect(&text);
        assert!(told.contains(words), "{text}");
    }
}

#[test]
fn what_is_not_looked_up_is_said_of_objects_without_a_namespace_too() {
    let here = policy("{all: true}", "{all: true}", "").replace(", namespace: bank-a", "");
    let (text, _) = said(&[&here]);
    assert!(
        text.contains("objects without a namespace: no local organization here"),
        "{text}"
    );
}

#[test]
fn a_store_key_that_is_not_there_is_told_as_far_as_files_show_it() {
    let local = |name: &str| {
        let key = format!("network: net, storeKey: {{secretName: {name}}},");
        LOCAL.replace("network: net,", &key)
    };
    let secret = |name: &str, key: &str| {
        format!(
            "---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: bank-a}}\nstringData: {{{key}: x}}\n"
        )
    };
    let with =
        |name: &str, secrets: &str| validate(&["-"], &format!("{HEAD}{}\n{secrets}", local(name)));
    let (text, code) = with("own-key", "");
    let words = "warning: PeerOrganization bank-a/local: /spec/node/storeKey/secretName: Secret own-key is not among these manifests";
    assert!(text.contains(words), "{text}");
    assert_eq!(code, Some(0), "somebody else makes Secrets: {text}");

    let place =
        "error: PeerOrganization bank-a/local: /spec/node/storeKey/secretName: Secret own-key, ";
    let (text, code) = with("own-key", &secret("other", "k"));
    assert!(text.contains(place), "{text}");
    assert!(text.contains("is not in namespace bank-a"), "{text}");
    assert!(text.contains("[StoreKeyMissing]"), "{text}");
    assert_eq!(code, Some(1));
    let (text, _) = with("own-key", &secret("own-key", "k"));
    assert!(text.contains(place), "{text}");
    assert!(text.contains("has no key store.key"), "{text}");
    let (text, _) = with("own-key", &secret("own-key", "store.key"));
    assert!(!text.contains("StoreKeyMissing"), "{text}");

    for name in ["../../x", "s"] {
        let (text, code) = with(name, &secret("other", "k"));
        assert!(text.contains("node.storeKey.secretName is "), "{text}");
        assert!(text.contains("[Invalid]"), "{text}");
        assert!(!text.contains("StoreKeyMissing"), "{text}");
        assert_eq!(code, Some(1));
    }
}
