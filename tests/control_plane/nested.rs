//! Fields that take any JSON take it in any depth, and no parser here goes down there: what one person
//! writes into one object hides no edit of any other.

use std::process::Command;
use std::time::Duration;

use finp2p_tests::binaries::binaries;
use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::Namespace;
use finp2p_tests::http::Api;
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
/// Longest that an edit may take to be in force and told, on a busy machine.
const EDIT: Duration = Duration::from_secs(60);
/// More than a JSON parser of ours takes, which is 128.
const LEVELS: usize = 500;

fn granted(reader: &Api, wanted: bool) -> Result<(), String> {
    let answer = reader.fetch(&json!({"resource": BOND}))?;
    ((answer.status == 200) == wanted)
        .then_some(())
        .ok_or(format!("{answer:?}"))
}

/// What the local organization says of itself; its spec is not for our parser.
fn says(bank: &Namespace<'_>, wanted: &str) -> Result<(), String> {
    let asked = [
        "get",
        "peerorganization",
        "local",
        "-o",
        "jsonpath={.status.conditions}",
    ];
    let conditions = bank.kubectl(&asked, "").ok()?;
    conditions.contains(wanted).then_some(()).ok_or(conditions)
}

#[test]
fn a_pod_template_of_any_depth_is_refused_and_every_other_edit_is_obeyed() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a", "bank-b"], &[]);
    banks.start();
    let reader = banks.bank("bank-b").api("trading");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("the bond at its reader", EDIT, || granted(&reader, true));

    let deep = (0..LEVELS).fold(json!({}), |inner, _| json!({"n": [inner]}));
    let template = json!({"node": {"podTemplate": {"spec": {"deep": deep}}}});
    bank_a.edit_spec("peerorganization", "local", template);
    bank_a.until("word of it", EDIT, || {
        says(bank_a, r#""reason":"Invalid","#)?;
        says(bank_a, "node.podTemplate has spec.deep")?;
        says(bank_a, r#""type":"Stalled""#)
    });
    bank_a.edit_spec("peerorganization", "bank-b", json!({"suspended": true}));
    bank_a.until("the suspension", EDIT, || granted(&reader, false));

    // What asks a cluster reads it too.
    let mut explain = Command::new(&binaries().operator);
    explain
        .args(["explain", "--requester", "bank-b", "--resource", BOND])
        .args(["--namespace", &bank_a.name]);
    let printed = banks.cluster().admin().run(explain, "");
    assert!(!printed.success && printed.stderr.is_empty(), "{printed:?}");
    assert!(printed.stdout.contains("suspended"), "{printed:?}");

    // So does an operator that finds it there when it starts.
    let stopped = banks.operators()[0].stop().expect("it stops");
    assert!(stopped.success(), "{stopped}");
    banks.start_operator();
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.edit_spec("peerorganization", "bank-b", json!({"suspended": null}));
    bank_a.until("the end of the suspension", EDIT, || granted(&reader, true));

    let mend = json!({"node": {"podTemplate": Value::Null}});
    bank_a.edit_spec("peerorganization", "local", mend);
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
}
