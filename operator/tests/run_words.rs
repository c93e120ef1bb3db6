//! `finp2p-operator run`: what is refused of its arguments before anything is asked of a cluster.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)] // a panic is how a test fails

mod program;

use program::{run, text};

/// Exit status and standard error of the operator with these arguments beside what it needs.
fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let needed = ["run", "--sidecar-image", "registry.example/sidecar"];
    let output = run(&[&needed, arguments].concat(), "");
    assert_eq!(text(&output), "");
    let said = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), said)
}

#[test]
fn a_log_level_that_does_not_exist_is_refused_with_those_that_do() {
    for log in ["infoo", "info,finp2p_operator", ""] {
        let (code, said) = said(&["--namespaces", "bank-a", &format!("--log={log}")]);
        assert!(said.contains("write off, error, warn, info"), "{said}");
        assert_eq!(code, Some(1), "{said}");
    }
    let (_, said) = said(&["--namespaces", "bank-a", "--log", "warn,kube=debug"]);
    assert!(said.contains("no Kubernetes API is configured"), "{said}");
}

#[test]
fn a_namespace_that_cannot_exist_is_refused_with_the_word() {
    let long = "a".repeat(64);
    for name in ["Bank_A", "bank-", "bank.a", "", &long] {
        let list = format!("bank-a,{name}");
        for arguments in [
            ["--namespaces", &list].as_slice(),
            &["--namespaces=bank-a", "--operator-namespace", name],
        ] {
            let (code, said) = said(arguments);
            let word = format!(
                "invalid value '{name}' for '{}",
                &arguments[arguments.len() - 2]
            );
            assert!(said.contains(&word), "{said}");
            assert!(said.contains("1 to 63 of a-z, 0-9 and -"), "{said}");
            assert_eq!(code, Some(2), "{said}");
        }
    }
}
