//! Every CEL rule of every kind refuses what it is there to refuse, with its message.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

use std::collections::BTreeSet;
use std::path::PathBuf;

use finp2p_operator::manifest::Folder;
use finp2p_operator::validate::Checker;
use serde::Deserialize;
use serde_json::{Value, json};

/// One way to break one rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Where the rule stands.
    rule: String,
    /// How its message begins.
    message: String,
    spec: Value,
    /// The specification before the edit, where the rule is about edits.
    old: Option<Value>,
}

impl Case {
    fn kind(&self) -> &str {
        self.rule.split('.').next().unwrap()
    }
}

fn cases() -> Vec<Case> {
    serde_yaml::from_str(include_str!("../../crds/testdata/rules.yaml")).unwrap()
}

fn read(checker: &Checker, kind: &str, spec: &Value) -> Folder {
    let object = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": kind, "metadata": {"name": "x"}, "spec": spec});
    checker.read_paths(&[PathBuf::from("-")], object.to_string().as_bytes())
}

#[test]
fn every_rule_refuses_what_it_is_there_for_with_its_message() {
    let checker = Checker::new().unwrap();
    let rules = checker.rules();
    let mut covered = BTreeSet::new();
    for case in cases() {
        let rule = rules
            .iter()
            .find(|(place, message)| *place == case.rule && message.starts_with(&case.message))
            .unwrap_or_else(|| panic!("no rule {} {}", case.rule, case.message));
        covered.insert(rule.clone());
        if case.kind() == "SidecarConfig" {
            refuses_the_internal_kind(&case, &rule.1);
            continue;
        }
        let mut folder = read(&checker, case.kind(), &case.spec);
        if let Some(old) = &case.old {
            let old = read(&checker, case.kind(), old);
            assert_eq!(old.findings, vec![], "the object before the edit is good");
            assert_eq!(
                folder.findings,
                vec![],
                "the object after the edit is good by itself"
            );
            checker.refuse_changes(&old, &mut folder);
        }
        let messages: Vec<&String> = folder.findings.iter().map(|f| &f.message).collect();
        assert_eq!(messages, vec![&rule.1], "{} {}", case.rule, case.spec);
        assert_eq!(folder.findings[0].reason, "RuleBroken");
        assert!(
            folder.namespaces[0].objects.is_empty(),
            "the object is refused"
        );
        assert_eq!(folder.namespaces[0].refused.len(), 1);
    }
    let all: BTreeSet<_> = rules.into_iter().collect();
    let forgotten: Vec<_> = all.difference(&covered).collect();
    assert!(forgotten.is_empty(), "rules without a case: {forgotten:#?}");
}

/// Users cannot write a SidecarConfig, so its rules are asked directly.
fn refuses_the_internal_kind(case: &Case, message: &str) {
    let definition = finp2p_crds::definition::all()
        .unwrap()
        .into_iter()
        .find(|definition| definition.kind == case.kind())
        .unwrap();
    let schema = &definition.crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let validator = kube::core::cel::Validator::new();
    let errors = validator
        .validate(schema, &json!({"spec": case.spec}), case.old.as_ref())
        .unwrap_err();
    assert_eq!(errors.as_slice()[0].message, message);
}

#[test]
fn an_edit_that_breaks_no_rule_passes() {
    let checker = Checker::new().unwrap();
    let old = json!({"organizationId": "bank-a", "node": {"network": "n", "signer": {"secretName": "s"}}});
    let new = json!({"organizationId": "bank-a", "node": {"network": "n", "incarnation": 2, "signer": {"secretName": "t"}}});
    let mut folder = read(&checker, "PeerOrganization", &new);
    checker.refuse_changes(&read(&checker, "PeerOrganization", &old), &mut folder);
    assert_eq!(folder.findings, vec![]);
    assert_eq!(folder.namespaces[0].objects.len(), 1);
}
