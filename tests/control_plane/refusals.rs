//! An API server that says no, late, or nothing: the operator says so, waits, and catches up.

use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::interceptor::{Asked, Interceptor, Verdict};
use finp2p_tests::control_plane::namespace::Namespace;
use serde_json::json;

const POLICY: &str = "bond-terms-to-distributors";
/// How long each trouble lasts.
const TROUBLE: Duration = Duration::from_secs(8);
/// Requests in that time, of 13 watches, one keeper and one Lease whose pauses double: a client
/// that does not pause makes thousands.
const REQUESTS_MAX: usize = 250;
/// Longest until everything is as it should be afterwards; pauses have grown to some seconds.
const MENDED: Duration = Duration::from_secs(90);

/// What the API server does, to which requests, and what the operator's log and metrics say then.
struct Trouble {
    name: &'static str,
    verdict: fn(&Asked) -> Verdict,
    log: &'static str,
    metric: &'static str,
}

const TROUBLES: [Trouble; 5] = [
    Trouble {
        name: "429",
        verdict: |asked| refuse(!asked.is_lease(), 429),
        log: "TooManyRequests (429)",
        metric: "watch_errors_total",
    },
    Trouble {
        name: "409",
        verdict: |asked| refuse(asked.is_write(), 409),
        log: "refuses with Conflict",
        metric: "reconcile_errors_total",
    },
    Trouble {
        name: "500",
        verdict: |asked| refuse(!asked.is_lease(), 500),
        log: "InternalError (500)",
        metric: "watch_errors_total",
    },
    Trouble {
        name: "410",
        verdict: |asked| {
            if asked.is_watch() {
                Verdict::Expired
            } else {
                Verdict::Pass
            }
        },
        log: "too old resource version",
        metric: "watch_errors_total",
    },
    Trouble {
        name: "slow lists",
        verdict: |asked| {
            if asked.is_list() && !asked.is_write() {
                Verdict::PassAfter(Duration::from_secs(3))
            } else {
                Verdict::Pass
            }
        },
        log: "",
        metric: "",
    },
];

fn refuse(is_concerned: bool, code: u16) -> Verdict {
    if is_concerned {
        Verdict::Refuse(code)
    } else {
        Verdict::Pass
    }
}

/// An edit of the policy that the operator can only obey by writing a slice.
fn edit(namespace: &Namespace, field: &str) {
    namespace.edit_spec("sharingpolicy", POLICY, json!({"fields": ["/isin", field]}));
}

/// Whether nodes are told of the edit, and its author of that.
fn obeyed(namespace: &Namespace, field: &str) -> Result<(), String> {
    let configs = json!(namespace.list("sidecarconfigs")?).to_string();
    if !configs.contains(field) {
        return Err(format!("no slice says {field}"));
    }
    let policy = namespace.get("sharingpolicies", POLICY)?;
    let (told, present) = (
        &policy["status"]["observedGeneration"],
        &policy["metadata"]["generation"],
    );
    (told == present)
        .then_some(())
        .ok_or(format!("the status is about {told}, not {present}"))
}

#[test]
fn an_api_server_that_refuses_delays_and_forgets_is_borne_without_a_storm() {
    let cluster = ControlPlane::shared();
    let mut banks = Consortium::install(cluster, &["bank-a", "bank-b"], &[]);
    banks.apply_members();
    banks.apply_samples();
    let account = format!("{}-operator", banks.release);
    let interceptor = Interceptor::start(cluster, &banks.system.account(&account));
    banks.start_operator_as(interceptor.identity());
    edit(&banks.bank("bank-a").namespace, "/first");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("the first edit", MENDED, || obeyed(bank_a, "/first"));

    for trouble in &TROUBLES {
        let name = trouble.name;
        let counted = |banks: &Consortium| banks.metric(0, trouble.metric).unwrap();
        let before = counted(&banks);
        interceptor.rule(trouble.verdict);
        interceptor.take_asked();
        interceptor.cut_watches();
        let begin = Instant::now();
        let field = format!("/{}", name.replace(' ', "-"));
        edit(&banks.bank("bank-a").namespace, &field);
        if !trouble.log.is_empty() {
            let bank_a = &banks.bank("bank-a").namespace;
            bank_a.until(&format!("{name} in the metrics"), MENDED, || {
                let now = banks.metric(0, trouble.metric)?;
                (now > before).then_some(()).ok_or(now.to_string())
            });
        }
        std::thread::sleep(TROUBLE.saturating_sub(begin.elapsed())); // what is counted is so long
        let lasted = begin.elapsed();
        let asked = interceptor.take_asked();
        let bound = REQUESTS_MAX * (1 + lasted.as_secs() as usize / 8);
        assert!(
            asked.len() < bound,
            "{name}: {} requests in {lasted:?}: {:?}",
            asked.len(),
            &asked[asked.len() - 20..]
        );
        interceptor.pass();
        let bank_a = &banks.bank("bank-a").namespace;
        bank_a.until(&format!("the edit after {name}"), MENDED, || {
            obeyed(bank_a, &field)
        });
        let mended = begin.elapsed() - lasted;
        eprintln!(
            "{name}: {} requests in {lasted:.1?}, mended in {mended:.1?}",
            asked.len()
        );
        let log = banks.operators()[0].printed();
        assert!(
            log.contains(trouble.log),
            "{name}: the log says nothing of it:\n{log}"
        );
        assert!(
            !log.contains("Status {"),
            "answers are told in words:\n{log}"
        );
        let conflicts = log.lines().filter(|line| line.contains("(409)"));
        for line in conflicts {
            assert!(
                line.contains(r#""level":"INFO""#),
                "nobody need do anything: {line}"
            );
        }
        assert!(banks.operators()[0].ended().is_none(), "{name}: it ended");
    }
}
