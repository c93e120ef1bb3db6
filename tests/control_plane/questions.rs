//! `diff` and `explain` asked of a live cluster, by who may only read.

use std::process::Command;

use finp2p_tests::banks::Banks;
use finp2p_tests::binaries::binaries;
use finp2p_tests::control_plane::identity::{Identity, Printed};

use crate::guarded::guarded;

const BOND: &str = "bank-a:102:ZZGREEN20318";

fn ask(who: &Identity, arguments: &[&str], manifests: &str) -> Printed {
    let mut command = Command::new(&binaries().operator);
    command.args(arguments);
    who.run(command, manifests)
}

fn sample(name: &str) -> String {
    std::fs::read_to_string(Banks::samples().join("bank-a").join(name)).unwrap()
}

#[test]
fn diff_and_explain_answer_an_auditor_from_the_cluster_and_say_to_others_what_they_lack() {
    let banks = guarded();
    let bank_a = &banks.bank("bank-a").namespace;
    let auditor = bank_a.with_role("auditor");

    let explain_bond = ["explain", "--requester", "bank-b", "--resource", BOND];
    let explain = |who: &Identity, more: &[&str]| {
        let namespace = ["--namespace", "bank-a"];
        ask(who, &[&explain_bond[..], &namespace, more].concat(), "")
    };
    let granted = explain(&auditor, &["--unit", "/terms/coupon"]);
    assert_eq!(granted.code, Some(0), "{granted:?}");
    assert!(granted.stdout.starts_with("granted"), "{granted:?}");
    let refused = explain(&auditor, &["--unit", "/settlement"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for part in ["refused", "/settlement", "bond-settlement-to-distributors"] {
        assert!(refused.stdout.contains(part), "{part}: {refused:?}");
    }
    let asked = ["--unit", "/settlement", "--purpose", "settlement"];
    let granted = explain(&auditor, &asked);
    assert_eq!(granted.code, Some(0), "{granted:?}");

    let diff = |who: &Identity, new: &str, more: &[&str]| {
        let arguments = ["diff", "--namespace", "bank-a", "-"];
        ask(who, &[&arguments[..], more].concat(), new)
    };
    let terms = sample("policy-terms.yaml");
    let same = diff(&auditor, &terms, &[]);
    assert_eq!(same.code, Some(0), "{same:?}");
    assert!(!same.stdout.contains("bank-b on"), "{same:?}");
    let more = terms.replace("/terms/coupon", "/terms/reservePrice, /terms/coupon");
    let gained = diff(&auditor, &more, &[]);
    assert_eq!(gained.code, Some(2), "{gained:?}");
    assert!(gained.stdout.contains("/terms/reservePrice"), "{gained:?}");
    let less = terms.replace(" /terms/coupon,", "");
    let lost = diff(&auditor, &less, &[]);
    assert_eq!(lost.code, Some(0), "{lost:?}");
    assert!(lost.stdout.contains("/terms/coupon"), "{lost:?}");
    // Without the local organization nothing that is left there says whose namespace it is.
    let pruned = diff(&auditor, &terms, &["--prune"]);
    assert_ne!(pruned.code, Some(2), "nothing is gained: {pruned:?}");

    // Lists of a namespace that does not exist are empty.
    let admin = banks.cluster().admin();
    let elsewhere = |namespace| {
        ask(
            admin,
            &[&explain_bond[..], &["--namespace", namespace]].concat(),
            "",
        )
    };
    let nowhere = elsewhere("no-such");
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    let said = "namespace no-such does not exist on this cluster";
    assert!(nowhere.stderr.contains(said), "{nowhere:?}");
    let bare = elsewhere("default");
    assert!(
        bare.stderr.contains("namespace default runs no node yet"),
        "{bare:?}"
    );

    let nobody = bank_a.account("nobody");
    for answer in [explain(&nobody, &[]), diff(&nobody, &terms, &[])] {
        assert_eq!(answer.code, Some(1), "{answer:?}");
        assert!(answer.stderr.contains("finp2p-auditor"), "{answer:?}");
    }
}
