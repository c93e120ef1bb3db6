//! `finp2p-operator explain`: may this peer read this, and if not, why not.

use std::process::Output;

use serde_json::Value;

use crate::banks::*;

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
    assert_eq!(report["told"], "Authentication");
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
fn what_no_node_takes_is_undecided() {
    let banks = Banks::new();
    let bond = std::fs::read_to_string(banks.path("new/bank-a/bond.yaml")).unwrap();
    for (was, is, why) in [
        ("\"isin\":", "\"isin\"", "is no JSON object"),
        (
            "sharing.finp2p.io/content: \"true\"",
            "other: \"true\"",
            "has no label",
        ),
    ] {
        assert!(bond.contains(was), "{bond}");
        banks.write("new", "bank-a/bond.yaml", &bond.replacen(was, is, 1));
        let (code, said) = explained(&banks, &["--unit", "/terms/coupon"]);
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.starts_with("undecided: ") && said.contains(why),
            "{said}"
        );
        assert!(said.contains("the version before"), "{said}");
    }
}

#[test]
fn explain_asks_where_the_decision_is_made() {
    let banks = Banks::new();
    let output = banks.explain(&["--requester", "bank-b", "--resource", "bank-z:102:X"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        complaint(&output)
            .contains("bank-z is its Primary, and here runs the node of bank-a, bank-b, bank-c"),
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

/// `explain` at a moment, with the record of bank-b changed.
fn at(banks: &Banks, moment: &str, more: &[&str]) -> Output {
    let new = banks.path("new");
    let folder = new.to_str().unwrap();
    let arguments = [&["explain", "--at", moment], &ASK[..], more, &[folder]].concat();
    run(&arguments, "")
}

#[test]
fn explain_grants_nothing_at_a_moment_at_which_no_root_key_opens_a_session() {
    let record_of = |change: &str| {
        let banks = Banks::new();
        let end = "notAfter: 2028-01-01T00:00:00Z";
        banks.edit("members/bank-b.yaml", end, &format!("{end}{change}"));
        banks
    };
    for (moment, change, why) in [
        (
            "2028-06-01T00:00:00Z",
            "",
            "2026-a ended at 2028-01-01T00:00:00Z",
        ),
        (
            "2025-06-01T00:00:00Z",
            "",
            "2026-a begins at 2026-01-01T00:00:00Z",
        ),
        (NOW, ", verifyOnly: true", "2026-a is verifyOnly"),
        (
            NOW,
            ", revokedAt: 2026-11-01T00:00:00Z",
            "2026-a is revoked since 2026-11-01T00:00:00Z",
        ),
    ] {
        let output = at(&record_of(change), moment, &[]);
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("refused: bank-b may not fetch"), "{said}");
        assert!(!said.contains("grants /"), "{said}");
        for words in [
            why,
            "so every request of its node is refused before policies are asked",
            "to mend it: add a root key that is valid then to PeerOrganization bank-b",
            "the peer is told: Authentication",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
    }
    let report = at(&record_of(""), "2028-06-01T00:00:00Z", &["-o", "json"]);
    let report: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(report["verdict"], "refused");
    assert_eq!(report["reason"], "NoValidKey");
    assert_eq!(report["told"], "Authentication");
    assert_eq!(report["fields"].as_array().unwrap().len(), 0);
    assert_eq!(report["terms"], Value::Null);
    // What a node allows for clocks that differ, and a revocation that is still to come.
    for (moment, change) in [
        ("2028-01-01T00:01:00Z", ""),
        (NOW, ", revokedAt: 2027-01-01T00:00:00Z"),
    ] {
        let output = at(&record_of(change), moment, &[]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    }
}

#[test]
fn explain_says_of_a_suspended_peer_that_it_is_and_promises_nothing_of_its_signature() {
    let banks = Banks::new();
    let key = record("bank-b", KEYS[0], "  suspended: true\n");
    banks.write("new", "members/bank-b.yaml", &key);
    let output = at(&banks, NOW, &[]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("PeerOrganization bank-b is suspended"),
        "{said}"
    );
    assert!(!said.contains("it leads to a root key"), "{said}");
}

#[test]
fn explain_does_not_answer_for_the_node_of_another_bank() {
    let banks = Banks::new();
    let reader = banks.path("new").join("bank-b");
    for requester in ["bank-b", "bank-c", "bank-x"] {
        let asked = ["explain", "--requester", requester, "--resource", BOND];
        let output = run(&[&asked[..], &[reader.to_str().unwrap()]].concat(), "");
        assert_eq!(output.status.code(), Some(1), "{requester}");
        assert_eq!(text(&output), "");
        let said = complaint(&output);
        assert!(
            said.contains("bank-a is its Primary, and here runs the node of bank-b"),
            "{said}"
        );
    }
}
