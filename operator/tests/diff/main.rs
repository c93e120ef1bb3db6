//! `finp2p-operator diff` and `explain` as a pipeline and a person meet them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

mod banks;
mod explain;
#[path = "../program/mod.rs"]
mod program;

use serde_json::Value;

use banks::*;

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
