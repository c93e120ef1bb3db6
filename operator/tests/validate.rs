//! `finp2p-operator validate` as a person meets it: what it says, where, and how it ends.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

mod program;

use std::path::{Path, PathBuf};
use std::process::Output;

use finp2p_operator::validate::Checker;
use serde_json::{Value, json};

use program::{program, run, text};

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples")
}

fn validate(arguments: &[&str], input: &str) -> Output {
    run(&[&["validate"], arguments].concat(), input)
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
        assert_eq!(output.status.success(), report["errors"] == 0, "{path}");
        reasons.into_iter().collect::<Vec<_>>().join(" ")
    };
    let readme = std::fs::read_to_string(samples().join("README.md")).unwrap();
    for (path, says) in [
        ("peer_organization.yaml", ""),
        ("shared_asset.yaml", ""),
        ("sharing_policy.yaml", ""),
        ("local_organization.yaml", "SignerMissing"),
        ("first-light", "PeerNotFound SignerMissing"),
        ("reference", "NoAdministrator NotYetSupported SignerMissing"),
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
    // Of bank-a other Secrets are there; bank-b and bank-c keep none in files.
    assert!(
        text.ends_with("4 errors, 2 warnings (10 objects passed)\n"),
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
            ("local", "NoAdministrator"),
            ("users-to-issuing-banks", "NotYetSupported"),
            ("local", "NoAdministrator")
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
        ("SharingPolicy", policy("purposes: []"), "/spec/purposes", "TooFew", "write at least one entry, or remove the field"),
        ("SharingPolicy", "{assets: {all: true}, peers: {all: true}, mode: pull, fields: [/a]}".to_owned(), "/spec/mode", "NotAnOption", "did you mean `Pull`?"),
        ("SharingPolicy", policy("notBefore: 2027-01-01T00:00:00Z, notAfter: 2026-01-01T00:00:00Z"), "/spec/notAfter", "RuleBroken", "correct what it names"),
        ("SharingPolicy", policy("leaseHours: 3"), "/spec/leaseHours", "RuleBroken", "it needs mode: Push"),
        ("SharingPolicy", "{users: {all: true}, peers: {all: true}, mode: Pull, fields: [/a]}".to_owned(), "/spec/purposes", "RuleBroken", "list at least one in purposes"),
        ("SharingPolicy", "{assets: {all: true}, peers: {all: true}, mode: Pull, fields: [a]}".to_owned(), "/spec/fields/0", "WrongForm", "like /terms/coupon"),
        ("SharingPolicy", "{assets: {all: true}, peers: {names: ['']}, mode: Pull, fields: [/a]}".to_owned(), "/spec/peers/names/0", "TooShort", "write it in full"),
        ("SharingPolicy", "{assets: {selector: {matchExpressions: [{key: a, operator: In}]}}, peers: {all: true}, mode: Pull, fields: [/a]}".to_owned(), "/spec/assets/selector/matchExpressions/0/values", "RuleBroken", "correct what it names"),
        ("SharingPolicy", "{assets: {all: false}, peers: {all: true}, mode: Pull, fields: [/a]}".to_owned(), "/spec/assets/all", "NotAnOption", "write true, or remove the line"),
        ("SharingPolicy", "{assets: {all: true}, peers: {all: true}, fields: [/a]}".to_owned(), "/spec/mode", "Required", "add mode: Pull: the peer asks"),
        ("SharingPolicy", "{assets: {selector: {matchLabels: {a: '-'}}}, peers: {all: true}, mode: Pull, fields: [/a]}".to_owned(), "/spec/assets/selector/matchLabels/a", "InvalidLabel", "use at most 63"),
        ("SharingPolicy", policy("credentials: [{type: T, issuers: [i], condition: 'claims.x >'}]"), "/spec/credentials/0/condition", "InvalidCondition", "write a short CEL expression"),
        ("SharedAsset", "{content: {api: {x: 1}}}".to_owned(), "/spec/content/api/x", "UnknownField", "nothing is written here"),
        ("SharedAsset", "{content: {api: {}}, schema: {type: object}}".to_owned(), "/spec/schema", "WrongType", "as lines below |"),
        ("SharedAsset", "{content: {api: {}}, offer: true}".to_owned(), "/spec/offer", "RuleBroken", "write it beside from"),
        ("SharedAsset", "{content: {api: {}}, schema: '{x'}".to_owned(), "/spec/schema", "InvalidSchema", "write a JSON Schema"),
        ("PeerOrganization", "{keys: [{id: k, publicKey: MCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=, notBefore: 2026-01-01T00:00:00Z, notAfter: 2027-01-01T00:00:00Z}]}".to_owned(), "/spec/keys/0/publicKey", "InvalidKey", "copy the key again"),
        ("PeerOrganization", "{addresses: [/dns4/b.example/tcp/4001]}".to_owned(), "/spec/keys", "RuleBroken", "correct what it names"),
        ("PeerOrganization", "{organizationId: b, node: {network: net, signer: {secretName: s}, storage: {size: 50GB}}}".to_owned(), "/spec/node/storage/size", "WrongForm", "like 50Gi"),
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
fn a_missing_spec_is_told_in_one_line_with_the_field() {
    let output = validate(
        &["-"],
        "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SharingPolicy\nmetadata: {name: p}\n",
    );
    let told = text(&output);
    assert!(
        told.starts_with("-:1:1: error: SharingPolicy p: /spec: `spec` is missing"),
        "{told}"
    );
    assert_eq!(told.lines().count(), 3, "{told}");
}

/// A namespace as a bank keeps it in git: the node, an asset, a policy, and no Secret.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let sharing = folder.path().join("bank-a");
    copy(&samples().join("pipelines/bank-a/sharing"), &sharing);
    std::fs::remove_file(sharing.join("kustomization.yaml")).unwrap();
    let policy = POLICY
        .replace("feilds", "fields")
        .replace("{all: true}", "{names: [gren-bond]}");
    std::fs::write(sharing.join("mistyped.yaml"), policy).unwrap();
    folder
}

/// Severity, reason, name and field of each finding.
fn found(path: &Path) -> (Vec<[String; 4]>, Option<i32>) {
    let output = validate(&["-ojson", path.to_str().unwrap()], "");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = report["findings"].as_array().unwrap().iter();
    let word = |finding: &Value, member: &str| finding[member].as_str().unwrap_or("-").to_owned();
    let words = findings.map(|f| ["severity", "reason", "name", "field"].map(|m| word(f, m)));
    (words.collect(), output.status.code())
}

#[test]
fn a_repository_without_secrets_is_told_where_they_are_taken_to_be_and_keeps_its_real_mistakes() {
    let folder = repository();
    let bank = folder.path().join("bank-a");
    let secret = [
        "warning",
        "SignerMissing",
        "local",
        "/spec/node/signer/secretName",
    ];
    let content = [
        "warning",
        "ContentNotFound",
        "green-bond-2031",
        "/spec/content/secret/name",
    ];
    let peer = ["error", "PeerNotFound", "bonds", "/spec/peers/names"];
    let (told, status) = found(&bank);
    assert_eq!(told, [content, secret, peer]);
    assert_eq!(status, Some(1));
    std::fs::remove_file(bank.join("mistyped.yaml")).unwrap();
    assert_eq!(
        found(&bank),
        (
            vec![content.map(str::to_owned), secret.map(str::to_owned)],
            Some(0)
        )
    );

    // An object that makes the Secret is its declaration.
    let sealed = |name: &str| {
        format!(
            "apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nmetadata: {{name: {name}}}\nspec: {{}}\n"
        )
    };
    std::fs::write(bank.join("sealed.yaml"), sealed("finp2p-issuer")).unwrap();
    let kind = ["warning", "NotChecked", "finp2p-issuer", "/kind"];
    assert_eq!(found(&bank).0, [content, kind]);
    let external = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: from-vault}\nspec: {target: {name: bonds}}\n";
    std::fs::write(bank.join("external.yaml"), external).unwrap();
    assert_eq!(
        found(&bank).0,
        [["warning", "NotChecked", "from-vault", "/kind"], kind]
    );

    // Where Secrets are kept in files, one that is not there is missing.
    std::fs::remove_file(bank.join("sealed.yaml")).unwrap();
    let other = "apiVersion: v1\nkind: Secret\nmetadata: {name: other}\nstringData: {a: b}\n";
    std::fs::write(bank.join("other.yaml"), other).unwrap();
    let (told, status) = found(&bank);
    let missing = ["error", secret[1], secret[2], secret[3]];
    assert!(told.contains(&missing.map(str::to_owned)), "{told:?}");
    assert_eq!(status, Some(1));
}

#[test]
fn a_kustomization_is_no_object_and_says_what_to_run_instead() {
    let sharing = samples().join("pipelines/bank-a/sharing");
    let output = validate(&[sharing.to_str().unwrap()], "");
    let told = text(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let command = format!(
        "kubectl kustomize {} | finp2p-operator validate -",
        sharing.display()
    );
    assert!(
        told.contains("kustomization.yaml:3:1: warning: a kustomization is no object"),
        "{told}"
    );
    assert!(told.contains(&command), "{told}");
    // kustomize does not ask for apiVersion and kind in a file of this name.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kustomization.yml");
    std::fs::write(&file, "resources: [a.yaml]\n").unwrap();
    assert_eq!(found(&file).0[0][..2], ["warning", "Kustomization"]);
    let policy = POLICY.replace("feilds", "fields");
    std::fs::write(&file, policy.replace("mode: Pull", "mode: pull")).unwrap();
    assert_eq!(
        found(&file).0[0][1],
        "NotAnOption",
        "an object is one under any name"
    );
}

#[test]
fn objects_of_a_pipeline_beside_ours_are_told_and_hinder_nothing() {
    let (told, status) = found(&samples().join("pipelines/bank-a"));
    let errors: Vec<_> = told.iter().filter(|words| words[0] == "error").collect();
    assert_eq!(errors, Vec::<&[String; 4]>::new());
    assert_eq!(status, Some(0));
    let applications = told.iter().filter(|words| words[2] == "bank-a-sharing");
    assert_eq!(
        applications.count(),
        2,
        "an AppProject and an Application in another namespace"
    );
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
