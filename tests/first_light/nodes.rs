//! Nodes as processes: killed, stopped, started twice.

use std::process::{Command, Stdio};
use std::time::Duration;

use finp2p_tests::banks::Banks;
use finp2p_tests::binaries::binaries;
use finp2p_tests::wait;
use serde_json::json;

const BOND: &str = "bank-a:102:ZZGREEN20318";
const BACK: Duration = Duration::from_secs(60);

fn fetches(banks: &Banks) -> Result<(), String> {
    let answer = banks
        .api("bank-b", "trading")?
        .fetch(&json!({"resource": BOND}))?;
    (answer.status == 200)
        .then_some(())
        .ok_or_else(|| answer.body.to_string())
}

#[test]
fn a_killed_node_comes_back_and_serves_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    banks.start().unwrap();
    fetches(&banks).unwrap();
    for organization in ["bank-a", "bank-b"] {
        banks.kill(organization).unwrap();
        wait::until("the node serves again", BACK, || fetches(&banks));
    }
    banks.stop().unwrap();
}

#[test]
fn a_second_local_mode_on_the_same_state_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    banks.start().unwrap();
    let second = Command::new(&binaries().operator)
        .arg("local")
        .arg(folder.path())
        .arg("--sidecar")
        .arg(&binaries().sidecar)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("in use"), "{told}");
    fetches(&banks).unwrap();
    banks.stop().unwrap();
}

#[test]
fn one_bad_manifest_harms_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    std::fs::write(folder.path().join("bank-a/broken.yaml"), "kind: [\n").unwrap();
    std::fs::write(
        folder.path().join("bank-a/wrong.yaml"),
        "apiVersion: sharing.finp2p.io/v1alpha1\nkind: SharingPolicy\nmetadata: {name: wrong}\nspec: {mode: Pull}\n",
    )
    .unwrap();
    banks.start().unwrap();
    fetches(&banks).unwrap();
    banks.stop().unwrap();
}

#[test]
fn a_pointer_that_opens_nothing_is_told_with_its_policy_and_with_its_asset() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    let policy = folder.path().join("bank-a/policy-terms.yaml");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("/terms/coupon", "/terms/cupon")).unwrap();
    banks.start().unwrap();
    let status = folder.path().join(".finp2p/status.txt");
    wait::until("the tables say so", BACK, || {
        let text = std::fs::read_to_string(&status).map_err(|error| error.to_string())?;
        let told = |begin: &str| {
            let mut lines = text.lines().filter(|line| line.starts_with(begin));
            lines.any(|l| l.contains("(FieldUnknown): ") && l.contains("/terms/cupon"))
        };
        let both = told("SharingPolicy bond-terms-to-distributors is Ready, but")
            && told("SharedAsset green-bond-2031 is Ready, but");
        both.then_some(()).ok_or(text)
    });
    banks.stop().unwrap();
}

#[test]
fn a_node_whose_store_was_deleted_by_hand_does_not_begin_anew() {
    let folder = tempfile::tempdir().unwrap();
    let mut banks = Banks::prepare(folder.path()).unwrap();
    banks.start().unwrap();
    fetches(&banks).unwrap();
    banks.stop().unwrap();
    let home = banks.state().join("bank-a");
    let (store, saved) = (home.join("node/store"), folder.path().join("saved"));
    std::fs::rename(&store, &saved).unwrap();
    let sidecar = |state: &std::path::Path| {
        Command::new(&binaries().sidecar)
            .args(["--listen", "/ip4/127.0.0.1/tcp/0"])
            .args(["--api", "127.0.0.1:0", "--metrics", "127.0.0.1:0"])
            .arg("--config")
            .arg(home.join("config"))
            .arg("--state")
            .arg(state)
            .arg("--store-key")
            .arg(home.join("store.key"))
            .arg("--until-stdin-closes")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    };
    let refused = sidecar(&home.join("node"));
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("store") && told.contains("backup"), "{told}");
    assert!(!store.exists());
    // An empty volume is another matter.
    assert!(sidecar(&folder.path().join("empty")).status.success());
    std::fs::rename(&saved, &store).unwrap();
    banks.start().unwrap();
    fetches(&banks).unwrap();
    banks.stop().unwrap();
}
