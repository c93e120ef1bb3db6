//! `finp2p-operator diff` and `explain` as a pipeline and a person meet them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The private value that no output may show.
const SECRET: &str = "99.20";
const NOW: &str = "2026-12-01T00:00:00Z";
const BOND: &str = "bank-a:102:ZZGREEN20318";

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_finp2p-operator"));
    command
        .env_remove("KUBECONFIG")
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("HOME", "/nonexistent");
    command
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = program()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program may end without reading its input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    for stream in [&output.stdout, &output.stderr] {
        assert!(!String::from_utf8_lossy(stream).contains(SECRET));
    }
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The first scenario of the samples, with records of its peers whose keys are of no use to
/// anybody, under `name` in a fresh folder.
struct Banks {
    folder: tempfile::TempDir,
}

impl Banks {
    fn new() -> Self {
        let banks = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        banks.copy("old");
        banks.copy("new");
        banks
    }

    fn copy(&self, side: &str) {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/samples/first-light");
        for bank in ["bank-a", "bank-b", "bank-c"] {
            let target = self.path(side).join(bank);
            std::fs::create_dir_all(&target).unwrap();
            for file in std::fs::read_dir(samples.join(bank)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), target.join(file.file_name())).unwrap();
            }
        }
        std::fs::create_dir_all(self.path(side).join("members")).unwrap();
        self.write(side, "members/bank-b.yaml", &record("bank-b", KEYS[0], ""));
        self.write(side, "members/bank-c.yaml", &record("bank-c", KEYS[1], ""));
    }

    fn path(&self, side: &str) -> PathBuf {
        self.folder.path().join(side)
    }

    fn write(&self, side: &str, file: &str, text: &str) {
        std::fs::write(self.path(side).join(file), text).unwrap();
    }

    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path("new").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    fn diff(&self, more: &[&str]) -> Output {
        let (old, new) = (self.path("old"), self.path("new"));
        let mut arguments = vec!["diff", "--at", NOW];
        arguments.extend(more);
        arguments.extend([old.to_str().unwrap(), new.to_str().unwrap()]);
        run(&arguments, "")
    }

    fn explain(&self, more: &[&str]) -> Output {
        let new = self.path("new");
        let mut arguments = vec!["explain", "--at", NOW];
        arguments.extend(more);
        arguments.push(new.to_str().unwrap());
        run(&arguments, "")
    }
}

/// Root keys of nobody.
const KEYS: [&str; 2] = [
    "MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=",
    "MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=",
];

fn record(name: &str, key: &str, more: &str) -> String {
    format!(
        "apiVersion: sharing.finp2p.io/v1alpha1\nkind: PeerOrganization\nmetadata: {{name: {name}}}\nspec:\n  keys: [{{id: 2026-a, publicKey: {key}, notBefore: 2026-01-01T00:00:00Z, notAfter: 2028-01-01T00:00:00Z}}]\n{more}"
    )
}

const TERMS: &str = "bank-a/policy-terms.yaml";

#[test]
fn nothing_changed_ends_with_zero() {
    let output = Banks::new().diff(&[]);
    assert_eq!(text(&output), "access gained: nothing; lost: nothing\n");
    assert_eq!(output.status.code(), Some(0), "{}", complaint(&output));
}

#[test]
fn a_field_more_ends_with_two_and_names_peer_resource_and_field() {
    let banks = Banks::new();
    banks.edit(
        TERMS,
        "/terms/coupon,",
        "/terms/coupon, /terms/reservePrice,",
    );
    let output = banks.diff(&[]);
    assert_eq!(
        text(&output),
        "access gained: 1 peer on 1 asset; lost: nothing\n\
         + bank-b on bank-a:102:ZZGREEN20318: /terms/reservePrice\n    see listed, fetch; for any purpose; by policy bond-terms-to-distributors (changed)\n"
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_only_lost_is_shown_and_ends_with_zero() {
    let banks = Banks::new();
    std::fs::remove_file(banks.path("new").join(TERMS)).unwrap();
    let output = banks.diff(&[]);
    let text = text(&output);
    assert!(
        text.starts_with("access gained: nothing; lost: 1 peer on 1 asset\n- bank-b on "),
        "{text}"
    );
    assert!(
        text.contains("by policy bond-terms-to-distributors (gone)"),
        "{text}"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_key_of_a_member_is_told_once_with_the_namespaces_that_trust_it() {
    let banks = Banks::new();
    banks.write(
        "new",
        "members/bank-c.yaml",
        &record("bank-c", KEYS[1], "  suspended: true\n"),
    );
    assert_eq!(banks.diff(&[]).status.code(), Some(0));
    banks.write(
        "old",
        "members/bank-c.yaml",
        &record("bank-c", KEYS[1], "  suspended: true\n"),
    );
    banks.write("new", "members/bank-c.yaml", &record("bank-c", KEYS[1], ""));
    let output = banks.diff(&[]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output);
    assert!(
        said.contains("+ bank-c: not suspended\n    in namespaces bank-a, bank-b, bank-c\n"),
        "{said}"
    );
}

#[test]
fn programs_and_reviewers_get_their_forms() {
    let banks = Banks::new();
    banks.edit(TERMS, "mode: Pull", "mode: Push");
    let report: Value = serde_json::from_slice(&banks.diff(&["-o", "json"]).stdout).unwrap();
    assert_eq!(report["schema"], "finp2p.io/diff/v1");
    assert_eq!(report["now"], NOW);
    let change = &report["gained"]["access"][0];
    assert_eq!(change["rights"], serde_json::json!(["Subscribe"]));
    assert_eq!(change["peers"], serde_json::json!(["bank-b"]));
    assert_eq!(change["resources"], serde_json::json!([BOND]));
    assert_eq!(change["namespace"], "bank-a");
    let comment = text(&banks.diff(&["-o", "markdown"]));
    assert!(
        comment.starts_with("**access gained: 1 peer on 1 asset; lost: nothing**\n\n| | who"),
        "{comment}"
    );
    assert!(
        comment.contains("| gained | `bank-b` on `bank-a:102:ZZGREEN20318` |"),
        "{comment}"
    );
}

#[test]
fn what_cannot_be_judged_is_an_error_and_never_nothing_gained() {
    let banks = Banks::new();
    let new = banks.path("new");
    banks.write("new", "bank-a/broken.yaml", "kind: [\n");
    let output = banks.diff(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("NEW: cannot be read: ")
            && complaint(&output).contains("broken.yaml"),
        "{}",
        complaint(&output)
    );
    std::fs::remove_file(new.join("bank-a/broken.yaml")).unwrap();
    banks.write("new", "bank-a/kustomization.yaml", "resources: []\n");
    let output = banks.diff(&[]);
    assert_eq!(output.status.code(), Some(1), "what it builds counts");
    assert!(complaint(&output).contains("kubectl kustomize"));
    std::fs::remove_file(new.join("bank-a/kustomization.yaml")).unwrap();
    std::fs::remove_file(new.join("bank-a/local.yaml")).unwrap();
    std::fs::remove_file(banks.path("old").join("bank-a/local.yaml")).unwrap();
    let output = banks.diff(&[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("no accepted local organization"),
        "{}",
        complaint(&output)
    );
    let output = run(&["diff", new.to_str().unwrap(), "/nonexistent"], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(run(&["diff", "-", "-"], "").status.code(), Some(1));
    assert_eq!(run(&["diff", "one"], "").status.code(), Some(1));
    assert_eq!(
        run(&["diff", "--prune", "one", "two"], "").status.code(),
        Some(1)
    );
    // Two would mean "gained".
    assert_eq!(run(&["diff"], "").status.code(), Some(1));
    assert_eq!(
        run(&["diff", "--output", "xml", "a", "b"], "")
            .status
            .code(),
        Some(1)
    );
    assert_eq!(run(&["validate"], "").status.code(), Some(2));
}

#[test]
fn without_a_cluster_it_says_what_is_missing() {
    let output = run(&["diff", "--namespace", "bank-a", "-"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("set KUBECONFIG"),
        "{}",
        complaint(&output)
    );
    let output = run(&["diff", "--from-cluster", "old", "new"], "");
    assert!(
        complaint(&output).contains("give NEW only"),
        "{}",
        complaint(&output)
    );
}

#[test]
fn an_object_that_is_refused_is_told_and_gives_nothing() {
    let banks = Banks::new();
    banks.edit(TERMS, "fields: [", "feilds: [/terms/reservePrice, ");
    let output = banks.diff(&[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        said.contains("refused on the newer side, so it counts as not there:\n! "),
        "{said}"
    );
    assert!(
        said.contains("policy-terms.yaml:") && said.contains("[UnknownField]"),
        "{said}"
    );
}

#[test]
fn standard_input_can_be_either_side() {
    let banks = Banks::new();
    let (old, new) = (banks.path("old/bank-a"), banks.path("new/bank-a"));
    let manifests: Vec<String> = std::fs::read_dir(&old)
        .unwrap()
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .collect();
    // Manifests that name no namespace are those of the one there is on the other side.
    let output = run(
        &["diff", "-", new.to_str().unwrap()],
        &manifests.join("\n---\n"),
    );
    assert_eq!(
        text(&output),
        "access gained: nothing; lost: nothing\n",
        "{}",
        complaint(&output)
    );
}

const ASK: [&str; 4] = ["--requester", "bank-b", "--resource", BOND];

fn explained(banks: &Banks, more: &[&str]) -> (Option<i32>, String) {
    let output = banks.explain(&[&ASK[..], more].concat());
    assert_eq!(complaint(&output), "");
    (output.status.code(), text(&output))
}

#[test]
fn explain_names_the_fields_and_the_policies_that_open_them() {
    let (code, said) = explained(&Banks::new(), &[]);
    assert_eq!(
        said,
        "granted: bank-b may fetch bank-a:102:ZZGREEN20318 at 2026-12-01T00:00:00Z
  fields: /currency, /isin, /issuer, /name, /terms/coupon, /terms/denomination, /terms/maturity
  terms: fetched each time; for any purpose; not to be passed on
policies
  + bond-terms-to-distributors: grants /currency, /isin, /issuer, /name, /terms/coupon, /terms/denomination, /terms/maturity
  - bond-settlement-to-distributors: is for settlement, and the request names none [ask with --purpose settlement]
this depends on
  the node: it has applied this configuration, and the content is loaded
  the request's signature: it leads to a root key in the requester's record
"
    );
    assert_eq!(code, Some(0));
}

#[test]
fn explain_says_why_not_and_what_would_mend_it() {
    let banks = Banks::new();
    let refused = |more: &[&str]| {
        let (code, said) = explained(&banks, more);
        assert_eq!(code, Some(2), "{said}");
        said
    };
    let said = refused(&["--unit", "/terms/reservePrice"]);
    assert!(
        said.contains("why: /terms/reservePrice is opened by no policy that is satisfied"),
        "{said}"
    );
    assert!(said.contains("the peer is told: Fields"), "{said}");
    for more in [vec![], vec!["--purpose", "audit"]] {
        let said = refused(&[&["--unit", "/settlement"][..], &more].concat());
        let cure = "to mend it: ask with --purpose settlement, or do not ask for /settlement\n";
        assert!(said.contains(cure), "{said}");
        assert!(said.contains("[ask with --purpose settlement]"), "{said}");
    }
    let said = refused(&["--unit", "/settlement/place"]);
    assert!(
        said.contains("is inside /settlement, which the asset does not open"),
        "{said}"
    );
    let said = refused(&["--unit", "/terms/coupn"]);
    assert!(said.contains("names nothing in the content"), "{said}");
    let said = refused(&["--subscribe"]);
    assert!(
        said.contains("lets the peer fetch and not subscribe [mode: Push]"),
        "{said}"
    );
    let (code, _) = explained(
        &banks,
        &["--unit", "/settlement", "--purpose", "settlement"],
    );
    assert_eq!(code, Some(0));
    for (requester, resource, why) in [
        ("bank-x", BOND, "no PeerOrganization here has the id bank-x"),
        ("bank-bb", BOND, "did you mean bank-b?"),
        ("bank-a", BOND, "is the organization itself"),
        (
            "bank-c",
            BOND,
            "no policy selects both PeerOrganization bank-c and SharedAsset green-bond-2031",
        ),
        (
            "bank-b",
            "bank-a:102:ZZGREEN20319",
            "did you mean bank-a:102:ZZGREEN20318?",
        ),
        (
            "bank-b",
            "bank-a:101:ZZGREEN20318",
            "is no asset (type 102)",
        ),
    ] {
        let output = banks.explain(&["--requester", requester, "--resource", resource]);
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output).contains(why), "{}", text(&output));
    }
}

#[test]
fn explain_names_the_purposes_that_would_do_and_the_flag_to_type() {
    let banks = Banks::new();
    std::fs::remove_file(banks.path("new/bank-a/policy-terms.yaml")).unwrap();
    let policy = "bank-a/policy-settlement.yaml";
    banks.edit(policy, "[settlement]", "[settlement, audit]");
    for more in [vec![], vec!["--purpose", "trade"]] {
        let (code, said) = explained(&banks, &more);
        assert_eq!(code, Some(2));
        let cure = "to mend it: ask with --purpose audit or --purpose settlement (a program: ";
        assert!(said.contains(cure), "{said}");
    }
    let (code, said) = explained(&banks, &["--purpose", "audit"]);
    assert_eq!(code, Some(0), "{said}");
}

#[test]
fn explain_for_programs_has_the_documented_shape() {
    let banks = Banks::new();
    let output = banks.explain(&[&ASK[..], &["-o", "json", "--purpose", "settlement"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "finp2p.io/explain/v1");
    assert_eq!(report["verdict"], "granted");
    assert_eq!(report["fields"].as_array().unwrap().len(), 8);
    assert_eq!(report["policies"][0]["says"], "Grants");
    assert_eq!(report["everyOtherField"], false);
    let output = banks.explain(&["-o", "json", "--requester", "bank-x", "--resource", BOND]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "refused");
    assert_eq!(report["reason"], "NotShared");
    assert_eq!(report["told"], "NotShared");
}

#[test]
fn explain_without_the_content_says_what_only_the_node_knows() {
    let banks = Banks::new();
    let local = banks.path("new/bank-a");
    let bond = std::fs::read_to_string(local.join("bond.yaml")).unwrap();
    let (_, asset) = bond.split_once("---\n").unwrap();
    banks.write("new", "bank-a/bond.yaml", asset);
    let (code, said) = explained(&banks, &["--unit", "/terms/coupon"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("which fields the content has: not known here, because Secret green-bond-2031 is not among the files"), "{said}");
}

#[test]
fn explain_asks_where_the_decision_is_made() {
    let banks = Banks::new();
    let output = banks.explain(&["--requester", "bank-b", "--resource", "bank-z:102:X"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output).contains("the local organizations are bank-a, bank-b, bank-c"),
        "{}",
        complaint(&output)
    );
    for arguments in [&[BOND][..], &["bond", "x"]] {
        let asked = [
            &["explain", "--requester", "bank-b", "--resource"],
            arguments,
        ]
        .concat();
        assert_eq!(run(&asked, "").status.code(), Some(1));
    }
    let help = run(&["explain", "--help"], "");
    assert!(text(&help).contains("Examples:"));
    assert_eq!(help.status.code(), Some(0));
}

/// The report of the node of bank-a, as local mode leaves it in the folder of `new`.
fn node_reports(banks: &Banks, exceptions: &str) {
    let folder = banks.path("new/.finp2p/bank-a");
    std::fs::create_dir_all(&folder).unwrap();
    let report = format!("incarnation: 1\napplied: []\nexceptions: {exceptions}\n");
    std::fs::write(folder.join("report.yaml"), report).unwrap();
}

#[test]
fn explain_decides_nothing_that_is_granted_while_the_node_is_in_roll_back() {
    let banks = Banks::new();
    node_reports(
        &banks,
        r#"[{kind: Node, name: bank-a, reason: ConfigurationRolledBack, message: "accept it (POST /v1/configuration/accept)"}]"#,
    );
    let (code, said) = explained(&banks, &[]);
    assert_eq!(code, Some(3), "{said}");
    let first = "undecided: by the manifests bank-b may fetch bank-a:102:ZZGREEN20318 at ";
    assert!(said.starts_with(first), "{said}");
    assert!(
        said.contains("only if the configuration that it had before grants it as well"),
        "{said}"
    );
    assert!(said.contains("to mend it: say whether the older configuration is meant. The node: accept it (POST /v1/configuration/accept)"), "{said}");
    let output = banks.explain(&[&ASK[..], &["-o", "json"]].concat());
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["verdict"], "undecided");
    assert!(report["reason"].is_null());

    // What the manifests refuse is refused whatever else there was.
    let (code, said) = explained(&banks, &["--subscribe"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(
        said.contains("what is mended here counts once that has ended"),
        "{said}"
    );
    node_reports(&banks, "[]");
    let (code, said) = explained(&banks, &[]);
    assert_eq!(code, Some(0), "{said}");
}
