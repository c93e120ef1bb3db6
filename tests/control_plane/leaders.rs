//! Two operators: one leads, the other waits, and takes over.

use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::interceptor::{Interceptor, Verdict};
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use finp2p_tests::wait;
use serde_json::json;

/// Longest from SIGTERM of the leader until the other leads.
const HANDED_OVER: Duration = Duration::from_secs(2);
/// Longest from a leader's sudden end until another leads: its Lease lasts 15 s.
const TAKEN_OVER: Duration = Duration::from_secs(20);
/// Longest from SIGTERM to the end with the API server away; Kubernetes kills after 30 s.
const ENDED: Duration = Duration::from_secs(12);
/// A new leader that would write something does so long before.
const SETTLED: Duration = Duration::from_secs(5);

fn leads(banks: &Consortium, number: usize) -> Result<(), String> {
    let leading = banks.metric(number, "leading")?;
    (leading == 1)
        .then_some(())
        .ok_or(format!("operator {number} does not lead"))
}

/// The node's configuration, by the numbers that only grow.
fn sequence(namespace: &Namespace) -> Result<u64, String> {
    let root = namespace.get("sidecarconfigs", "bank-a")?;
    let sequence = root["spec"]["root"]["sequence"].as_u64();
    sequence.ok_or_else(|| format!("no sequence: {root}"))
}

/// Edits the policy and waits until a slice says so.
fn edit(namespace: &Namespace, field: &str) {
    let policy = "bond-terms-to-distributors";
    namespace.edit_spec("sharingpolicy", policy, json!({"fields": ["/isin", field]}));
    namespace.until("the edit", SEEN, || {
        let configs = json!(namespace.list("sidecarconfigs")?).to_string();
        configs
            .contains(field)
            .then_some(())
            .ok_or(format!("no slice says {field}"))
    });
}

#[test]
fn of_two_operators_one_leads_and_the_other_takes_over_and_writes_nothing_twice() {
    let cluster = ControlPlane::shared();
    let mut banks = Consortium::install(cluster, &["bank-a"], &[]);
    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    wait::until("the first to lead", SEEN, || leads(&banks, 0));
    let account = format!("{}-operator", banks.release);
    let second = Interceptor::start(cluster, &banks.system.account(&account));
    banks.start_operator_as(second.identity());
    wait::until("the second to be ready", SEEN, || {
        banks.probe_of(1, "/readyz").map(drop)
    });
    let bank_a = &banks.bank("bank-a").namespace;
    edit(bank_a, "/by-the-first");
    std::thread::sleep(SETTLED); // long enough for the second to have written, if it did
    let first = sequence(bank_a).unwrap();
    leads(&banks, 0).unwrap();
    leads(&banks, 1).unwrap_err();
    let asked = second.take_asked();
    assert!(!asked.is_empty(), "the second looks at the Lease");
    let written: Vec<_> = asked.iter().filter(|asked| asked.is_write()).collect();
    assert!(written.is_empty(), "{written:?}");

    // The first ends in good order: the second leads at once, and finds nothing to do.
    let begin = Instant::now();
    finp2p_tests::process::signal(banks.operators()[0].id(), "TERM");
    wait::until("the second to lead", TAKEN_OVER, || leads(&banks, 1));
    let handed_over = begin.elapsed();
    banks.operators()[0].stop().unwrap();
    std::thread::sleep(SETTLED); // long enough for it to write, if it did
    let asked = second.take_asked();
    let written: Vec<_> = asked.iter().filter(|asked| asked.is_write()).collect();
    assert!(written.is_empty(), "{written:?}");
    let bank_a = &banks.bank("bank-a").namespace;
    assert_eq!(sequence(bank_a).unwrap(), first, "nothing changed");
    edit(bank_a, "/by-the-second");
    let next = sequence(bank_a).unwrap();
    assert!(next > first, "{next} after {first}");

    // The second ends at once: its Lease runs out, and a third leads.
    let third = Interceptor::start(cluster, &banks.system.account(&account));
    banks.start_operator_as(third.identity());
    wait::until("the third to be ready", SEEN, || {
        banks.probe_of(2, "/readyz").map(drop)
    });
    let begin = Instant::now();
    banks.operators()[1].kill();
    wait::until("the third to lead", SEEN, || leads(&banks, 2));
    let taken_over = begin.elapsed();
    std::thread::sleep(SETTLED); // long enough for it to write, if it did
    let asked = third.take_asked();
    let written: Vec<_> = asked.iter().filter(|asked| asked.is_write()).collect();
    assert!(written.is_empty(), "{written:?}");
    let bank_a = &banks.bank("bank-a").namespace;
    edit(bank_a, "/by-the-third");
    assert!(sequence(bank_a).unwrap() > next);

    // Nobody answers any more: the third ends all the same, and leaves its Lease to run out.
    third.rule(|_| Verdict::Keep);
    finp2p_tests::process::signal(banks.operators()[2].id(), "TERM");
    wait::until("the third to end", ENDED, || {
        let ended = banks.operators()[2].ended();
        ended.map(drop).ok_or("it still runs".to_owned())
    });
    let printed = banks.operators()[2].printed();
    assert!(
        printed.contains("the Lease could not be given back"),
        "{printed}"
    );
    eprintln!("handed over in {handed_over:.1?}, taken over in {taken_over:.1?}");
    assert!(handed_over < HANDED_OVER, "handed over in {handed_over:?}");
    assert!(taken_over < TAKEN_OVER, "taken over in {taken_over:?}");
}

#[test]
fn two_operators_of_one_name_do_not_both_lead() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a"], &[]);
    let account = banks.system.account(&format!("{}-operator", banks.release));
    banks.start_operator_named(&account, "operator");
    wait::until("the first to lead", SEEN, || leads(&banks, 0));
    banks.start_operator_named(&account, "operator");
    wait::until("the second to be ready", SEEN, || {
        banks.probe_of(1, "/readyz").map(drop)
    });
    std::thread::sleep(SETTLED); // long enough for it to take the Lease, if it did
    leads(&banks, 0).unwrap();
    leads(&banks, 1).unwrap_err();
}
