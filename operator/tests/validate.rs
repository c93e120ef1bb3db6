//! `finp2p-operator validate` as a person meets it: what it says, where, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use finp2p_operator::validate::Checker;
use serde_json::{Value, json};

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_finp2p-operator"))
}

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples")
}

fn validate(arguments: &[&str], input: &str) -> Output {
    let mut child = program()
        .arg("validate")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What the README of the samples tells a person to do: keys made, public records exchanged.
fn with_keys(sample: &str, banks: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join(sample);
    copy(&samples().join(sample), &target);
    std::fs::create_dir_all(target.join("members")).unwrap();
    for bank in banks {
        let keys = folder.path().join("root-keys").join(bank);
        let made = program()
            .args(["keygen", bank, "--network", "sandbox-finp2p", "--out"])
            .arg(&keys)
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        let issuer = format!("{bank}-issuer.yaml");
        std::fs::rename(keys.join(&issuer), target.join(bank).join(&issuer)).unwrap();
        let record = format!("{bank}.yaml");
        std::fs::rename(keys.join(&record), target.join("members").join(&record)).unwrap();
    }
    folder
}

#[test]
fn first_light_is_good_once_its_keys_are_made() {
    let folder = with_keys("first-light", &["bank-a", "bank-b", "bank-c"]);
    let output = validate(&[folder.path().join("first-light").to_str().unwrap()], "");
    assert_eq!(text(&output), "nothing wrong (22 objects passed)\n");
    assert_eq!(output.status.code(), Some(0));
}

/// The table in the README of the samples, row by row.
#[test]
fn the_samples_say_what_their_readme_promises() {
    let reasons = |path: &str| {
        let output = validate(&[samples().join(path).to_str().unwrap(), "-ojson"], "");
        let report: Value = serde_json::from_str(&text(&output)).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let reasons = findings.map(|f| f["reason"].as_str().unwrap().to_owned());
        let reasons: std::collections::BTreeSet<String> = reasons.collect();
        assert_eq!(output.status.success(), reasons.is_empty(), "{path}");
        reasons.into_iter().collect::<Vec<_>>().join(" ")
    };
    let readme = std::fs::read_to_string(samples().join("README.md")).unwrap();
    for (path, says) in [
        ("peer_organization.yaml", ""),
        ("shared_asset.yaml", ""),
        ("sharing_policy.yaml", ""),
        ("local_organization.yaml", "SignerMissing"),
        ("first-light", "PeerNotFound SignerMissing"),
        ("reference", "NotYetSupported SignerMissing"),
        ("", "NamespaceMismatch"),
    ] {
        assert_eq!(reasons(path), says, "{path}");
        assert!(readme.contains(&format!("{path}`")), "{path}");
        let mut words = says.split_whitespace();
        assert!(
            words.all(|word| readme.contains(&format!("`{word}`"))),
            "{says}"
        );
    }
}

#[test]
fn first_light_without_keys_says_which_command_makes_them() {
    let output = validate(&[samples().join("first-light").to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert_eq!(text.matches("[SignerMissing]").count(), 3, "{text}");
    assert_eq!(text.matches("[PeerNotFound]").count(), 3, "{text}");
    assert!(text.contains("finp2p-operator keygen"));
    assert!(
        text.ends_with("6 errors, 0 warnings (10 objects passed)\n"),
        "{text}"
    );
}

#[test]
fn the_reference_gets_the_conditions_that_are_prescribed_for_it() {
    let folder = with_keys("reference", &["bank-a", "bank-b"]);
    let output = validate(
        &[
            "-o",
            "json",
            folder.path().join("reference").to_str().unwrap(),
        ],
        "",
    );
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found: Vec<(&str, &str)> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (f["name"].as_str().unwrap(), f["reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        found,
        [
            ("bonds-to-distributors", "NotYetSupported"),
            ("users-to-issuing-banks", "NotYetSupported")
        ]
    );
}

const POLICY: &str = "apiVersion: sharing.finp2p.io/v1alpha1
kind: SharingPolicy
metadata: {name: bonds, namespace: bank-a}
spec:
  assets: {all: true}
  peers: {names: [bank-b]}
  mode: Pull
  feilds: [/isin]
";

#[test]
fn a_mistake_is_told_like_a_compiler_does() {
    let output = validate(&["-"], POLICY);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output),
        "-:8:3: error: SharingPolicy bank-a/bonds: /spec/feilds: unknown field `feilds` [UnknownField]\n    did you mean `fields`?\n1 error, 0 warnings (0 objects passed)\n"
    );
}

#[test]
fn the_report_for_programs_has_the_documented_shape() {
    let output = validate(&["--output", "json", "-"], POLICY);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "schema": "finp2p.io/validate/v1", "objects": 0, "errors": 1, "warnings": 0,
            "unplanned": [],
            "findings": [{
                "file": "-", "line": 8, "column": 3, "severity": "error",
                "kind": "SharingPolicy", "namespace": "bank-a", "name": "bonds",
                "field": "/spec/feilds", "reason": "UnknownField",
                "message": "unknown field `feilds`", "cure": "did you mean `fields`?"
            }]
        })
    );
}

#[test]
fn a_command_that_is_not_understood_ends_with_two_and_a_missing_file_with_one() {
    assert_eq!(validate(&[], "").status.code(), Some(2));
    assert_eq!(
        validate(&["--output", "xml", "-"], "").status.code(),
        Some(2)
    );
    let output = validate(&["/nonexistent/x.yaml"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("[FileUnreadable]"));
    let help = program().args(["validate", "--help"]).output().unwrap();
    assert!(
        String::from_utf8(help.stdout)
            .unwrap()
            .contains("Examples:")
    );
}

#[test]
fn a_name_that_is_written_twice_is_told_in_both_places_and_counts_in_neither() {
    let folder = with_keys("first-light", &["bank-a", "bank-b", "bank-c"]);
    let root = folder.path().join("first-light");
    let policy = root.join("bank-a/policy-terms.yaml");
    let second = root.join("bank-a/0-policy.yaml");
    let text_of = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&second, text_of.replace("/terms/coupon", "/investors")).unwrap();
    let output = validate(&[root.to_str().unwrap()], "");
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    for file in [&policy, &second] {
        let begin = file.to_str().unwrap();
        let mut lines = told.lines().filter(|line| line.starts_with(begin));
        assert!(
            lines.any(|line| line.contains("[DuplicateObject]")),
            "{told}"
        );
    }
    assert!(told.contains("2 errors, 0 warnings"), "{told}");
}

#[test]
fn a_single_file_is_checked_without_looking_its_names_up() {
    let file = samples().join("sharing_policy.yaml");
    let output = validate(&[file.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).starts_with("bank-a: no local organization here"));
}

/// What is said of one object with this spec: field, reason and cure of each finding.
fn said(kind: &str, spec: &str) -> Vec<(String, String, String)> {
    let object = format!(
        "apiVersion: sharing.finp2p.io/v1alpha1\nkind: {kind}\nmetadata: {{name: x, namespace: n-s}}\nspec: {spec}\n"
    );
    let checker = checker();
    let folder = checker.read_paths(&[PathBuf::from("-")], object.as_bytes());
    folder
        .findings
        .into_iter()
        .map(|f| (f.field.unwrap_or_default(), f.reason, f.cure))
        .collect()
}

#[test]
fn every_sort_of_mistake_names_its_field_and_a_cure() {
    let policy = |change: &str| {
        format!(
            "{{assets: {{all: true}}, peers: {{all: true}}, mode: Pull, fields: [/a], {change}}}"
        )
    };
    for (kind, spec, field, reason, cure) in [
        ("SharingPolicy", policy("mod: Push"), "/spec/mod", "UnknownField", "did you mean `mode`?"),
        ("SharingPolicy", policy("zz: 1"), "/spec/zz", "UnknownField", "remove it, or write one of"),
        ("SharingPolicy", policy("consent: null"), "/spec/consent", "Null", "remove the line"),
        ("SharingPolicy", policy("purposes: [a, a]"), "/spec/purposes/1", "Duplicate", "keep one of the two"),
        ("SharingPolicy", policy("advertise: yes"), "/spec/advertise", "WrongType", "write true or false, without quotes"),
        ("SharingPolicy", policy("retentionDays: '9'"), "/spec/retentionDays", "WrongType", "write a whole number"),
        ("SharingPolicy", policy("retentionDays: 0"), "/spec/retentionDays", "OutOfRange", "write 1 or more"),
        ("SharingPolicy", policy("notAfter: tomorrow"), "/spec/notAfter", "WrongForm", "write it like 2026-03-01T00:00:00Z"),
        ("SharingPolicy", policy("purposes: ['A B']"), "/spec/purposes/0", "WrongForm", "matches ^[a-z0-9]"),
        ("SharingPolicy", policy("purposes: []"), "/spec/purposes", "TooFew", "add one, or remove the field"),
        ("SharingPolicy", "{assets: {all: true}, peers: {all: true}, mode: pull, fields: [/a]}".to_owned(), "/spec/mode", "NotAnOption", "did you mean `Pull`?"),
        ("SharingPolicy", "{assets: {all: false}, peers: {all: true}, mode: Pull, fields: [/a]}".to_owned(), "/spec/assets/all", "NotAnOption", "write true, or remove the line"),
        ("SharingPolicy", "{assets: {all: true}, peers: {all: true}, fields: [/a]}".to_owned(), "/spec", "Required", "add mode: Pull: the peer asks"),
        ("SharingPolicy", "{assets: {selector: {matchLabels: {a: '-'}}}, peers: {all: true}, mode: Pull, fields: [/a]}".to_owned(), "/spec/assets/selector/matchLabels/a", "InvalidLabel", "use at most 63"),
        ("SharingPolicy", policy("credentials: [{type: T, issuers: [i], condition: 'claims.x >'}]"), "/spec/credentials/0/condition", "InvalidCondition", "write a short CEL expression"),
        ("SharedAsset", "{content: {api: {x: 1}}}".to_owned(), "/spec/content/api/x", "UnknownField", "nothing is written here"),
        ("SharedAsset", "{content: {api: {}}, schema: '{x'}".to_owned(), "/spec/schema", "InvalidSchema", "write a JSON Schema"),
        ("PeerOrganization", "{keys: [{id: k, publicKey: MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, notBefore: 2026-01-01T00:00:00Z, notAfter: 2027-01-01T00:00:00Z}]}".to_owned(), "/spec/keys/0/publicKey", "InvalidKey", "copy the key again"),
        ("PeerOrganization", "{organizationId: b, node: {network: net, signer: {secretName: s}, announce: [/ip4/300.1.1.1/tcp/4001]}}".to_owned(), "/spec/node/announce/0", "InvalidAddress", "write it like /dns4/"),
    ] {
        let all = said(kind, &spec);
        assert_eq!(all.len(), if reason == "WrongType" && spec.contains("yes") { 2 } else { 1 }, "{spec} {all:?}");
        assert!(
            all.iter().any(|(f, r, c)| f == field && r == reason && c.contains(cure)),
            "{spec} {all:?}"
        );
    }
}

#[test]
fn kinds_and_versions_that_do_not_exist_are_told_from_those_of_others() {
    for (head, reason) in [
        (
            "apiVersion: sharing.finp2p.io/v1\nkind: SharedAsset",
            "UnknownVersion",
        ),
        ("apiVersion: v1\nkind: SharedAsset", "UnknownVersion"),
        (
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SharedAssets",
            "UnknownKind",
        ),
        (
            "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SidecarConfig",
            "Internal",
        ),
        ("apiVersion: apps/v1\nkind: Deployment", "NotChecked"),
    ] {
        let checker = checker();
        let text = format!("{head}\nmetadata: {{name: x}}\n");
        let folder = checker.read_paths(&[PathBuf::from("-")], text.as_bytes());
        let reasons: Vec<&str> = folder.findings.iter().map(|f| f.reason.as_str()).collect();
        assert_eq!(reasons, [reason]);
        assert_eq!(folder.findings[0].is_error(), reason != "NotChecked");
    }
}

#[test]
fn what_a_server_wrote_is_ignored() {
    let text = "apiVersion: sharing.finp2p.io/v1alpha1
kind: SharedAsset
metadata: {name: x, uid: u, creationTimestamp: null, resourceVersion: '1', generation: 3, managedFields: []}
spec: {content: {api: {}}}
status: {anything: null}
";
    let checker = checker();
    let folder = checker.read_paths(&[PathBuf::from("-")], text.as_bytes());
    assert_eq!(folder.findings, vec![]);
    assert_eq!(folder.namespaces[0].objects.len(), 1);
}

/// The checks, compiled once for all tests.
fn checker() -> &'static Checker {
    static CHECKER: std::sync::OnceLock<Checker> = std::sync::OnceLock::new();
    CHECKER.get_or_init(|| Checker::new().unwrap())
}
