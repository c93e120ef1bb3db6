//! How long an edit takes until a peer's answer obeys it: an API server, the operator and two nodes
//! as processes, under a load of pulls.
//!
//! Measured from the moment at which the edit is sent to the API server to the end of the first
//! pull that is answered by it. What kubectl takes to start is not in it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::http::Api;
use serde_json::{Value, json};

use crate::Seen;
use crate::report::{Row, line};

const RESOURCE: &str = "bank-a:102:ZZGREEN20318";
const POLICY: &str = "bond-terms-to-distributors";
const EDITS: usize = 200;
/// Programs of the bank that pull all the time.
const PULLERS: usize = 4;
/// More than all of them ask for.
const REQUESTS_PER_SECOND: u32 = 100_000;
/// An edit that takes this long is a failure and not a figure.
const LONGEST: Duration = Duration::from_secs(30);
/// DESIGN: 250 ms at the 99th percentile.
const BAR_MS: f64 = 250.0;

/// The figures.
pub fn measure() -> Vec<Row> {
    line("starting an API server, the operator and two banks; then 200 edits under load");
    let cluster = ControlPlane::shared();
    let mut banks = Consortium::install(cluster, &["bank-a", "bank-b"], &[]);
    banks.start();
    lift_the_limit(&banks);
    let api = banks.bank("bank-b").api("trading");
    let stop = AtomicBool::new(false);
    let pulls = AtomicU64::new(0);
    let begun = Instant::now();
    let took = std::thread::scope(|scope| {
        for _ in 0..PULLERS {
            let (api, stop, pulls) = (api.clone(), &stop, &pulls);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    fetch(&api);
                    pulls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let took = (0..EDITS)
            .map(|number| edit(&banks, &api, number))
            .collect();
        stop.store(true, Ordering::Relaxed);
        took
    });
    let seen = Seen::of(took, begun.elapsed());
    #[allow(clippy::cast_precision_loss)] // a count of pulls
    let rate = pulls.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    vec![
        Row::new("enforcement_p50", seen.median_ms, "ms").at_most(BAR_MS),
        Row::new("enforcement_p99", seen.p99_ms, "ms").at_most(BAR_MS),
        Row::new("enforcement_load", rate, "1/s"),
    ]
}

/// Whoever asks more often than the node's limit waits a second, which would be measured instead.
fn lift_the_limit(banks: &Consortium<'_>) {
    let bank_a = &banks.bank("bank-a").namespace;
    let limits = json!({"node": {"limits": {"requestsPerSecond": REQUESTS_PER_SECOND}}});
    bank_a.edit_spec("peerorganization", "local", limits);
    bank_a.until("the limit in the node's root", LONGEST, || {
        let root = bank_a.get("sidecarconfigs", "bank-a")?;
        let limit = &root["spec"]["root"]["limits"]["requestsPerSecond"];
        (*limit == REQUESTS_PER_SECOND)
            .then_some(())
            .ok_or(root.to_string())
    });
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
}

fn edit(banks: &Consortium<'_>, api: &Api, number: usize) -> Duration {
    let with = number.is_multiple_of(2);
    let fields = if with {
        json!(["/isin", "/terms/coupon"])
    } else {
        json!(["/isin"])
    };
    let patch = json!({"spec": {"fields": fields}});
    let bank_a = &banks.bank("bank-a").namespace;
    let begun = Instant::now();
    banks
        .cluster()
        .admin()
        .patch("sharingpolicies", &bank_a.name, POLICY, &patch)
        .expect("the edit");
    while fetch(api).pointer("/data/terms/coupon").is_some() != with {
        assert!(begun.elapsed() < LONGEST, "edit {number} is not obeyed");
    }
    begun.elapsed()
}

fn fetch(api: &Api) -> Value {
    let answer = api
        .fetch(&json!({"resource": RESOURCE}))
        .expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}
