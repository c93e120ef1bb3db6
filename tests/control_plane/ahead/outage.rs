//! The API server is away: nodes go on answering each other, the operator waits, and what is
//! edited right after the return is obeyed.

use std::time::{Duration, Instant};

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::{ControlPlane, Settings};
use finp2p_tests::http::{Answer, Api};
use serde_json::json;

const BOND: &str = "bank-a:102:ZZGREEN20318";
/// How long the API server is away, each time: longer than the operator's Lease lasts, so that it
/// has to win it again, and than the pauses of a watch are at first.
const AWAY: Duration = Duration::from_secs(60);
/// A node believes the API server's word on a caller for a minute, and a little less is safe.
const BELIEVED: Duration = Duration::from_secs(50);
/// Longest until an edit right after the return is obeyed: clients look again after up to half a
/// minute.
const RETURN: Duration = Duration::from_secs(90);

fn fetch(api: &Api) -> Answer {
    api.fetch(&json!({"resource": BOND})).expect("an answer")
}

/// Takes away or gives the coupon, and waits until the peer's answer obeys.
fn edit(banks: &Consortium, reader: &Api, with_coupon: bool) {
    let fields: &[&str] = match with_coupon {
        true => &["/isin", "/terms/coupon"],
        false => &["/isin"],
    };
    let policy = "bond-terms-to-distributors";
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.edit_spec("sharingpolicy", policy, json!({"fields": fields}));
    bank_a.until("the edit to be obeyed", RETURN, || {
        let answer = fetch(reader);
        let coupon = answer.body.pointer("/data/terms/coupon").is_some();
        (answer.status == 200 && coupon == with_coupon)
            .then_some(())
            .ok_or(format!("{answer:?}"))
    });
    bank_a.until_condition("sharingpolicies", policy, "Ready", "True");
}

/// A caller of bank-b whose token the API server has just vouched for, and since when.
fn reader(banks: &Consortium) -> (Api, Instant) {
    let (reader, now) = (banks.bank("bank-b").api("trading"), Instant::now());
    let answer = fetch(&reader);
    assert_eq!(answer.status, 200, "{answer:?}");
    (reader, now)
}

fn goes_on(banks: &mut Consortium, (reader, vouched): (Api, Instant)) {
    let end = Instant::now() + AWAY;
    while Instant::now() < end {
        let is_believed = vouched.elapsed() < BELIEVED;
        let answer = fetch(&reader);
        // Then nobody says who calls, and the caller is told that.
        let is_unknown = answer.body["title"] == "authentication-unavailable";
        assert!(
            answer.status == 200 || (is_unknown && !is_believed),
            "{answer:?}"
        );
        for bank in ["bank-a", "bank-b"] {
            banks
                .bank(bank)
                .probe("/readyz")
                .expect("the node is ready");
        }
        assert!(banks.operators()[0].ended().is_none(), "the operator ended");
        std::thread::sleep(Duration::from_millis(500)); // a caller now and then
    }
}

#[test]
fn nodes_and_operator_outlive_an_api_server_that_dies_and_one_that_hangs() {
    let cluster = ControlPlane::start(Settings::default());
    let mut banks = Consortium::install(&cluster, &["bank-a", "bank-b"], &[]);
    banks.start();
    let caller = reader(&banks);
    edit(&banks, &caller.0, true);

    let caller = reader(&banks);
    cluster.kill_api_server();
    goes_on(&mut banks, caller.clone());
    cluster.start_api_server();
    edit(&banks, &caller.0, false);
    let log = banks.operators()[0].printed();
    assert!(
        log.contains("cannot be watched"),
        "the log says nothing of it:\n{log}"
    );

    // One that hangs takes connections and answers nothing.
    let caller = reader(&banks);
    cluster.pause_api_server();
    goes_on(&mut banks, caller.clone());
    cluster.resume_api_server();
    edit(&banks, &caller.0, true);
}
