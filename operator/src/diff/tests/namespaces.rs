//! Whole folders compared, as a pipeline does.

use finp2p_crds::access::NOT_YET_ENFORCED;
use jiff::Timestamp;

use crate::cluster::Live;
use crate::diff::compare::{CompareError, Difference, namespaces};
use crate::diff::files::{applied, live, side};
use crate::diff::report::Report;
use crate::node::files::Objects;
use crate::validate::Checker;

const HEAD: &str = "apiVersion: sharing.finp2p.io/v1alpha1\nkind: ";
const BANK_A: &str = "PeerOrganization\nmetadata: {name: local, namespace: bank-a}\nspec: {organizationId: bank-a, node: {network: net, signer: {secretName: s}}}";
const BANK_B: &str = "PeerOrganization\nmetadata: {name: bank-b, namespace: bank-a}\nspec: {keys: [{id: k, publicKey: MCowBQYDK2VwAyEAeP6n4Fdz+JFT+0XKMimmrH34WjlNLZt4ibIpldJEKQY=, notBefore: 2026-01-01T00:00:00Z, notAfter: 2028-01-01T00:00:00Z}]}";
const BOND: &str =
    "SharedAsset\nmetadata: {name: bond, namespace: bank-a}\nspec: {content: {api: {}}}";
const POLICY: &str = "SharingPolicy\nmetadata: {name: terms, namespace: bank-a, annotations: {sharing.finp2p.io/change: T-1}}\nspec: {assets: {names: [bond]}, peers: {names: [bank-b]}, mode: Pull, fields: [/isin]}";

fn now() -> Timestamp {
    "2026-12-01T00:00:00Z".parse().unwrap()
}

fn difference(old: &[&str], new: &[&str]) -> Result<Difference, CompareError> {
    static CHECKER: std::sync::OnceLock<Checker> = std::sync::OnceLock::new();
    let checker = CHECKER.get_or_init(|| Checker::new().unwrap());
    let [old, new] = [old, new].map(|objects| {
        let text: Vec<String> = objects
            .iter()
            .map(|object| format!("{HEAD}{object}\n"))
            .collect();
        let folder = checker.read_paths(&["-".into()], text.join("---\n").as_bytes());
        let side = side(&folder, now(), true).unwrap();
        assert_eq!(side.refused, []);
        side
    });
    namespaces(&old.worlds, &new.worlds, now())
}

fn text(old: &[&str], new: &[&str]) -> String {
    Report::new(difference(old, new).unwrap(), now()).text()
}

#[test]
fn a_new_policy_is_told_with_its_change() {
    assert_eq!(
        text(&[BANK_A, BANK_B, BOND], &[BANK_A, BANK_B, BOND, POLICY]),
        "access gained: 1 peer on 1 asset; lost: nothing\n\
         + bank-b on bank-a:102:bond: /isin\n    see listed, fetch; for any purpose; by policy terms (new with T-1)\n"
    );
}

#[test]
fn a_name_that_leads_nowhere_counts_as_if_its_object_will_be_added() {
    let policy = POLICY
        .replace("bank-b", "bank-x")
        .replace("[bond]", "[gone]");
    let gained = text(&[BANK_A, BANK_B, BOND], &[BANK_A, BANK_B, BOND, &policy]);
    assert!(
        gained.contains("+ bank-x on gone (not there yet: bank-x, gone): /isin"),
        "{gained}"
    );
    // It was reviewed with the policy; its object is told for itself when it comes.
    let with = difference(&[BANK_A, BOND, POLICY], &[BANK_A, BANK_B, BOND, POLICY]).unwrap();
    assert_eq!(with.gained.access.len(), 1);
    assert_eq!(with.gained.access[0].unresolved, Vec::<String>::new());
    assert_eq!(with.gained.trust.len(), 1);
    assert_eq!(
        difference(&[BANK_A, BOND, POLICY], &[BANK_A, BOND, POLICY]).unwrap(),
        Difference::default()
    );
}

#[test]
fn the_organization_itself_is_not_taken_for_a_peer_to_come() {
    let policy = POLICY.replace("[bank-b]", "[local]");
    let none = difference(&[BANK_A, BANK_B, BOND], &[BANK_A, BANK_B, BOND, &policy]).unwrap();
    assert!(none.gained.is_empty());
}

#[test]
fn what_is_refused_counts_as_not_there_and_is_told() {
    let twin = BOND
        .replace("name: bond,", "name: twin,")
        .replace("{content", "{assetId: bond, content");
    let users = POLICY
        .replace("name: terms", "name: users")
        .replace("mode", "retentionDays: 9, mode");
    let found = difference(
        &[BANK_A, BANK_B, BOND],
        &[BANK_A, BANK_B, BOND, &twin, &users],
    )
    .unwrap();
    assert!(found.gained.is_empty());
    let told: Vec<(&str, &str)> = found
        .refused
        .iter()
        .map(|r| (r.name.as_str(), r.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [("twin", "ResourceTaken"), ("users", "NotYetSupported")]
    );
    assert!(
        found.refused[0]
            .place
            .as_deref()
            .is_some_and(|place| place.starts_with("-:"))
    );
    // Taking the obstacle away is what grants.
    let found = difference(
        &[BANK_A, BANK_B, BOND, &users],
        &[BANK_A, BANK_B, BOND, POLICY],
    )
    .unwrap();
    assert_eq!(found.gained.access.len(), 1);
}

#[test]
fn without_a_local_organization_nothing_is_said() {
    let error = difference(&[BANK_B, BOND], &[BANK_B, BOND, POLICY]).unwrap_err();
    assert_eq!(
        error,
        CompareError::NoLocalOrganization("bank-a".to_owned())
    );
    // Records alone can be compared: the consortium's repository has nothing else.
    let members = difference(&[], &[BANK_B]).unwrap();
    assert_eq!(members.gained.trust.len(), 1);
    assert_eq!(difference(&[BANK_B], &[]).unwrap().lost, members.gained);
}

#[test]
fn a_local_organization_that_goes_is_a_loss_with_a_remark() {
    let found = difference(&[BANK_A, BANK_B, BOND, POLICY], &[BANK_B, BOND, POLICY]).unwrap();
    assert!(found.gained.is_empty());
    assert_eq!(found.lost.access.len(), 1);
    assert!(
        found.remarks[0].contains("goes on with what it has"),
        "{:?}",
        found.remarks
    );
}

#[test]
fn a_new_namespace_gains_everything_in_it() {
    let found = difference(&[], &[BANK_A, BANK_B, BOND, POLICY]).unwrap();
    assert_eq!(
        (found.gained.access.len(), found.gained.trust.len()),
        (1, 1)
    );
}

#[test]
fn namespaces_of_another_name_are_found_by_their_organization() {
    let moved =
        [BANK_A, BANK_B, BOND, POLICY].map(|o| o.replace("namespace: bank-a", "namespace: prod"));
    let moved: Vec<&str> = moved.iter().map(String::as_str).collect();
    assert_eq!(
        difference(&[BANK_A, BANK_B, BOND, POLICY], &moved).unwrap(),
        Difference::default()
    );
}

#[test]
fn eligibility_and_offers_are_part_of_it() {
    let strict = BOND.replace("{content", "{eligibility: {fields: [/lei]}, content");
    let found = difference(&[BANK_A, &strict], &[BANK_A, BOND]).unwrap();
    assert_eq!(found.gained.eligibility.len(), 1);
    assert_eq!(
        text(&[BANK_A, &strict], &[BANK_A, BOND]),
        "access gained: 1 demand on buyers lifted; lost: nothing\n+ bank-a:102:bond: a buyer need not disclose /lei\n"
    );
}

#[test]
fn conditions_that_are_enforced_one_day_must_be_compared_from_that_day_on() {
    // A policy with one of these grants nothing, so taking it away is seen as all that the policy
    // then grants. Once one is enforced, a policy may grant with it, and a weaker one must count
    // as gained: teach crate::diff::reach about it before it leaves this list.
    let fields: Vec<&str> = NOT_YET_ENFORCED.iter().map(|entry| entry.field).collect();
    assert_eq!(
        fields,
        [
            "users",
            "credentials",
            "consent",
            "retentionDays",
            "leaseHours",
            "minimumRecipients"
        ]
    );
}

/// What is said of these objects where a cluster holds an asset, a policy and both banks.
fn against_a_cluster(new: &[&str], prune: bool) -> String {
    let checker = Checker::new().unwrap();
    let read = |objects: &[&str]| {
        let text: Vec<String> = objects.iter().map(|o| format!("{HEAD}{o}\n")).collect();
        checker.read_paths(&["-".into()], text.join("---\n").as_bytes())
    };
    let cluster = read(&[BANK_A, BANK_B, BOND, POLICY]);
    let there = Live {
        namespace: "bank-a".to_owned(),
        objects: Objects::of(&cluster.namespaces[0]),
        sources_known: true,
    };
    let after = applied(&checker, &there, &read(new), prune, now()).unwrap();
    let mut found = namespaces(&[live(&there, now())], &after.worlds, now()).unwrap();
    found.refused.extend(after.refused);
    Report::new(found, now()).text()
}

#[test]
fn what_a_cluster_refuses_leaves_there_what_is_there_and_is_told_so() {
    let broken = POLICY.replace("mode: Pull", "mode: Pul");
    let unknown = broken.replace("name: terms", "name: other");
    let said = |prune| against_a_cluster(&[BANK_A, BANK_B, BOND, &broken, &unknown], prune);
    let text = said(false);
    assert!(
        text.starts_with("access gained: nothing; lost: nothing\n"),
        "{text}"
    );
    let (gone, kept) = text
        .split_once("so what the cluster holds under its name stays")
        .unwrap();
    assert!(
        gone.contains("so it counts as not there:\n") && gone.contains("bank-a/other"),
        "{text}"
    );
    assert!(kept.contains("bank-a/terms"), "{text}");
    let text = said(true);
    assert!(
        text.starts_with("access gained: nothing; lost: 1 peer on 1 asset\n"),
        "{text}"
    );
    assert!(!text.contains("stays"), "{text}");
}

#[test]
fn what_a_cluster_does_not_let_be_changed_is_refused_and_kept() {
    let other_id = BOND.replace("spec: {", "spec: {assetId: other, ");
    assert_ne!(other_id, BOND);
    let text = against_a_cluster(&[BANK_A, BANK_B, &other_id, POLICY], false);
    assert!(
        text.starts_with("access gained: nothing; lost: nothing\n"),
        "{text}"
    );
    let (_, kept) = text
        .split_once("so what the cluster holds under its name stays")
        .unwrap();
    assert!(
        kept.contains("bank-a/bond") && kept.contains("immutable"),
        "{text}"
    );
}
