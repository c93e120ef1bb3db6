//! etcd restored to before a policy was withdrawn: still refused, until a person says otherwise.

use std::process::Command;
use std::time::Duration;

use finp2p_tests::binaries::binaries;
use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::interceptor::{Interceptor, Verdict};
use finp2p_tests::control_plane::kstatus::verdicts;
use finp2p_tests::control_plane::namespace::Namespace;
use finp2p_tests::control_plane::{ControlPlane, Settings, condition};
use finp2p_tests::http::{Answer, Api};
use finp2p_tests::wait;
use serde_json::{Value, json};

const BOND: &str = "bank-a:102:ZZGREEN20318";
/// Longest until everybody has noticed that the API server went back in time: watches are tried
/// again after up to half a minute.
const NOTICED: Duration = Duration::from_secs(120);

fn fetch(api: &Api) -> Result<Answer, String> {
    api.fetch(&json!({"resource": BOND}))
}

fn refused(reader: &Api) -> Result<(), String> {
    let answer = fetch(reader)?;
    (answer.body["code"] == 7104)
        .then_some(())
        .ok_or(format!("{answer:?}"))
}

fn granted(reader: &Api) -> Result<(), String> {
    let answer = fetch(reader)?;
    (answer.status == 200)
        .then_some(())
        .ok_or(format!("{answer:?}"))
}

fn sequence(bank: &Namespace<'_>) -> Result<i64, String> {
    let root = bank.get("sidecarconfigs", "bank-a")?;
    let sequence = root["spec"]["root"]["sequence"].as_i64();
    sequence.ok_or(format!("no sequence: {root}"))
}

#[test]
fn a_policy_withdrawn_since_the_backup_stays_withdrawn_until_it_is_accepted() {
    let cluster = ControlPlane::start(Settings::default());
    let mut banks = Consortium::install(&cluster, &["bank-a", "bank-b"], &[]);
    let account = banks.system.account(&format!("{}-operator", banks.release));
    let interceptor = Interceptor::start(&cluster, &account);
    banks.start_as(interceptor.identity());
    let bank_a = &banks.bank("bank-a").namespace;
    // Accounts that are in the backup: their tokens are good afterwards. The samples let `operations`
    // administer.
    let reader = banks.bank("bank-b").api("trading");
    let operations = banks.bank("bank-a").api("operations");
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
    bank_a.until("the bond at its reader", NOTICED, || granted(&reader));

    let backup = cluster.back_up();
    let gone = bank_a.kubectl(&["delete", "sharingpolicies", "--all"], "");
    gone.ok().expect("the policies go");
    bank_a.until("the withdrawal", NOTICED, || refused(&reader));
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");

    // The worst order for the operator: it sees the older configuration, and knows of no policy yet.
    interceptor.rule(
        |asked| match asked.path.contains("/sharingpolicies") && !asked.is_write() {
            true => Verdict::Refuse(500),
            false => Verdict::Pass,
        },
    );
    cluster.restore(&backup);
    let restored = sequence(bank_a).unwrap();
    wait::until(
        "the operator to see the older configuration",
        NOTICED,
        || {
            let noticed = banks.operators()[0].printed().contains("went back in time");
            let counted = sequence(&banks.bank("bank-a").namespace)? > restored;
            (noticed || counted)
                .then_some(())
                .ok_or("nothing was seen".to_owned())
        },
    );
    interceptor.pass();
    let bank_a = &banks.bank("bank-a").namespace;
    let told = bank_a.until("word of the roll-back", NOTICED, || {
        refused(&reader)?; // meanwhile
        let local = bank_a.get("peerorganizations", "local")?;
        let text = local["status"]["conditions"].to_string();
        text.contains("ConfigurationRolledBack")
            .then_some(text.clone())
            .ok_or(text)
    });
    eprintln!("{told}");
    assert_eq!(sequence(bank_a), Ok(restored), "it stands still");
    everybody_is_told(&banks);
    refused(&reader).unwrap();
    let again = bank_a.get("sharingpolicies", "bond-terms-to-distributors");
    again.expect("the restored API server has the policy");

    let accepted = operations
        .post("/v1/configuration/accept", &json!({}))
        .expect("an answer");
    assert_eq!(accepted.body, json!({"accepted": true}), "{accepted:?}");
    bank_a.until("what the restored objects grant", NOTICED, || {
        granted(&reader)
    });
    bank_a.until("the end of the warning", NOTICED, || {
        let local = bank_a.get("peerorganizations", "local")?;
        condition(&local, "Ready", "True")?;
        policies(bank_a)?
            .iter()
            .try_for_each(|policy| condition(policy, "Ready", "True").map(drop))
    });
    let (granted, said) = explain(&banks);
    assert!(granted && said.starts_with("granted: "), "{said}");
    let ready = banks.bank("bank-a").probe("/readyz");
    assert_eq!(ready.as_deref(), Ok("ready\n"));
}

#[test]
fn counting_on_from_the_backup_while_the_node_is_away_brings_nothing_back_either() {
    let cluster = ControlPlane::start(Settings::default());
    let mut banks = Consortium::install(&cluster, &["bank-a", "bank-b"], &[]);
    banks.start();
    let reader = banks.bank("bank-b").api("trading");
    let operations = banks.bank("bank-a").api("operations");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("the bond at its reader", NOTICED, || granted(&reader));
    let backup = cluster.back_up();
    let gone = bank_a.kubectl(&["delete", "sharingpolicies", "--all"], "");
    gone.ok().expect("the policies go");
    bank_a.until("the withdrawal", NOTICED, || refused(&reader));
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
    let remembered = sequence(bank_a).unwrap();

    // Nobody is there who knows of it: the node is away, and the operator is another.
    for process in [
        banks.node("bank-a").take().expect("the node runs"),
        banks.operators().remove(0),
    ] {
        drop(process);
    }
    cluster.restore(&backup);
    let bank_a = &banks.bank("bank-a").namespace;
    assert!(sequence(bank_a).unwrap() < remembered);
    banks.start_operator();
    let bank_a = &banks.bank("bank-a").namespace;
    for edit in 0.. {
        let before = sequence(bank_a).unwrap();
        if before > remembered {
            break;
        }
        let label = format!("edit={edit}");
        let edit = ["label", "sharedassets", "--all", "--overwrite", &label];
        bank_a.kubectl(&edit, "").ok().expect("an edit");
        bank_a.until("the edit to count", NOTICED, || {
            let counted = sequence(bank_a)?;
            (counted > before).then_some(()).ok_or(counted.to_string())
        });
    }

    banks.start_node("bank-a");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until("word of the roll-back", NOTICED, || {
        if granted(&reader).is_ok() {
            panic!("what was withdrawn is served again");
        }
        let local = bank_a.get("peerorganizations", "local")?;
        let ready = condition(&local, "Ready", "False")?;
        (ready["reason"] == "ConfigurationRolledBack")
            .then_some(())
            .ok_or(ready.to_string())
    });
    bank_a.until("an answer of the node", NOTICED, || refused(&reader));
    let accepted = operations.post("/v1/configuration/accept", &json!({}));
    assert_eq!(accepted.expect("an answer").body["accepted"], true);
    bank_a.until("what the restored objects grant", NOTICED, || {
        granted(&reader)
    });
    bank_a.until_condition("peerorganizations", "local", "Ready", "True");
}

fn policies(bank: &Namespace<'_>) -> Result<Vec<Value>, String> {
    let policies = bank.list("sharingpolicies")?;
    (!policies.is_empty())
        .then_some(policies)
        .ok_or("no policies".to_owned())
}

/// What `explain` says of the bond, and whether it ends with success.
fn explain(banks: &Consortium<'_>) -> (bool, String) {
    let mut command = Command::new(&binaries().operator);
    command
        .args(["explain", "--requester", "bank-b", "--resource", BOND])
        .args(["--namespace", &banks.bank("bank-a").namespace.name]);
    let printed = banks.cluster().admin().run(command, "");
    assert_eq!(printed.stderr, "");
    (printed.success, printed.stdout)
}

/// While the node serves only what both configurations grant nobody is told that a policy is in force.
fn everybody_is_told(banks: &Consortium<'_>) {
    let bank_a = &banks.bank("bank-a").namespace;
    let told = bank_a.until("word of the roll-back in every policy", NOTICED, || {
        let policies = policies(bank_a)?;
        for policy in &policies {
            let ready = condition(policy, "Ready", "False")?;
            if ready["reason"] != "ConfigurationRolledBack" {
                return Err(ready.to_string());
            }
        }
        Ok(policies)
    });
    for policy in &told {
        let ready = condition(policy, "Programmed", "False").unwrap();
        let message = ready["message"].as_str().unwrap();
        assert!(message.contains("/v1/configuration/accept"), "{message}");
        assert!(message.contains("sharing.finp2p.io/sequence"), "{message}");
    }
    // Nobody must edit them: who waits goes on waiting.
    let verdicts = verdicts(&told);
    assert!(
        verdicts.iter().all(|v| v.status == "InProgress"),
        "{verdicts:?}"
    );
    // Assets are in the node as they were.
    bank_a.until_condition("sharedassets", "green-bond-2031", "Ready", "True");

    let (granted, said) = explain(banks);
    assert!(!granted && said.starts_with("undecided: "), "{said}");
    assert!(said.contains("/v1/configuration/accept"), "{said}");
    let ready = banks.bank("bank-a").probe("/readyz").expect("it serves");
    let (first, warning) = ready.split_once('\n').unwrap();
    assert_eq!(first, "ready");
    assert!(warning.starts_with("ConfigurationRolledBack: "), "{ready}");
}
