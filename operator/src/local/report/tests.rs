use super::*;
use crate::local::plan::Circumstances;
use crate::manifest::Folder;
use crate::validate::Checker;

const LOCAL: &str = "\
apiVersion: sharing.finp2p.io/v1alpha1
kind: PeerOrganization
metadata: {name: local, namespace: bank-a}
spec: {organizationId: bank-a, node: {network: net, signer: {secretName: none}, service: {type: LoadBalancer}, announce: [/dns4/a.example/tcp/1]}}
";

fn read(text: &str) -> Folder {
    Checker::new()
        .unwrap()
        .read_paths(&["-".into()], text.as_bytes())
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn planned(folder: &Folder) -> Desk {
    let claims = crate::node::files::claims(folder);
    let namespace = &folder.namespaces[0];
    let mut desk = Desk::default();
    let circumstances = Circumstances {
        claims: &claims,
        loopback: &BTreeMap::new(),
        report: None,
        now: now(),
    };
    let planned = desk.plan(namespace, &circumstances, &mut rand::rng());
    desk.settle(planned.plan);
    desk
}

fn sight<'s>(namespace: &'s Namespace, desk: &'s Desk) -> Sight<'s> {
    const NONE: &Refusals = &Refusals::none();
    Sight {
        namespace,
        desk,
        refusals: NONE,
        behind: None,
    }
}

fn told(teller: &mut Teller<Vec<u8>>) -> String {
    String::from_utf8(std::mem::take(&mut teller.stream)).unwrap()
}

fn teller(output: Output) -> Teller<Vec<u8>> {
    Teller::new(Vec::new(), output, Printer::new().unwrap())
}

#[test]
fn nothing_that_is_told_steers_a_terminal() {
    let mut teller = teller(Output::Text);
    teller.say(Some("bank-a"), "peer said \u{202e}\u{1b}[2J");
    assert_eq!(told(&mut teller), "bank-a: peer said \\u{202e}\\u{1b}[2J\n");
}

#[test]
fn what_is_not_ready_is_shown_with_its_reason() {
    let folder = read(LOCAL);
    let namespace = &folder.namespaces[0];
    let mut teller = teller(Output::Text);
    let desk = planned(&folder);
    teller.status(&sight(namespace, &desk), now());
    let text = told(&mut teller);
    assert!(text.contains("namespace bank-a\nNAME"), "{text}");
    assert!(text.contains("local   Local"), "{text}");
    assert!(
        text.contains("PeerOrganization local is not Ready (SignerMissing): "),
        "{text}"
    );
}

#[test]
fn what_is_ready_and_still_worth_a_sentence_has_one() {
    let row = |reason: &str| {
        let ready = json!({"type": "Ready", "status": "True", "reason": reason, "message": "m"});
        json!({"metadata": {"name": "p"}, "status": {"conditions": [ready]}})
    };
    let said = |row: &Value| {
        let mut text = String::new();
        reason(&mut text, "SharingPolicy", row);
        (text, nothing_to_say(row))
    };
    for quiet in ["Ready", "Self"] {
        assert_eq!(said(&row(quiet)), (String::new(), true));
    }
    let told = "SharingPolicy p is Ready, but (Expired): m\n";
    assert_eq!(said(&row("Expired")), (told.to_owned(), false));
}

#[test]
fn as_json_only_what_differs_is_told() {
    let folder = read(LOCAL);
    let namespace = &folder.namespaces[0];
    let desk = planned(&folder);
    let mut teller = teller(Output::Json);
    teller.status(&sight(namespace, &desk), now());
    let event: Value = serde_json::from_str(told(&mut teller).trim()).unwrap();
    assert_eq!(event["event"], "status");
    assert_eq!(event["name"], "local");
    assert_eq!(event["status"]["role"], "Local");
    teller.status(&sight(namespace, &desk), now());
    assert_eq!(told(&mut teller), "");
}

#[test]
fn a_finding_is_told_once_and_again_when_it_comes_back() {
    let findings = read(&LOCAL.replace("node:", "nood:")).findings;
    assert_eq!(findings.len(), 1);
    let mut teller = teller(Output::Text);
    teller.findings(&findings);
    assert!(told(&mut teller).contains("nood"));
    teller.findings(&findings);
    assert_eq!(told(&mut teller), "");
    teller.findings(&[]);
    teller.findings(&findings);
    assert!(told(&mut teller).contains("nood"));
}

#[test]
fn a_long_table_shows_what_is_not_ready_and_counts_the_rest() {
    let asset = |index: usize| {
        format!(
            "---\napiVersion: sharing.finp2p.io/v1alpha1\nkind: SharedAsset\nmetadata: {{name: bond-{index:03}, namespace: bank-a}}\nspec: {{assetId: A{index}, content: {{api: {{}}}}}}\n"
        )
    };
    let text = LOCAL.to_owned() + &(0..100).map(asset).collect::<String>();
    let folder = read(&text);
    let namespace = &folder.namespaces[0];
    let desk = planned(&folder);
    let tables = teller(Output::Text).tables(&sight(namespace, &desk), now());
    assert_eq!(
        tables.lines().filter(|l| l.starts_with("bond-")).count(),
        ROWS_MAX
    );
    assert!(tables.contains("... and 80 more\n"), "{tables}");
}

#[test]
fn what_local_mode_does_not_use_is_named() {
    let folder = read(LOCAL);
    assert_eq!(
        unused(&folder.namespaces[0]).as_deref(),
        Some("checked, and not used in local mode: spec.node.service, spec.node.announce")
    );
    let folder = read(&LOCAL.replace(
        ", service: {type: LoadBalancer}, announce: [/dns4/a.example/tcp/1]",
        "",
    ));
    assert_eq!(unused(&folder.namespaces[0]), None);
}

#[test]
fn a_name_that_is_written_twice_is_one_row_that_says_so() {
    let policy = "---\napiVersion: sharing.finp2p.io/v1alpha1\nkind: SharingPolicy\nmetadata: {name: p, namespace: bank-a}\nspec: {assets: {all: true}, peers: {all: true}, mode: Pull, allFields: true}\n";
    let folder = read(&format!("{LOCAL}{policy}{policy}"));
    let namespace = &folder.namespaces[0];
    let mut desk = planned(&folder);
    let text = teller(Output::Text).tables(&sight(namespace, &desk), now());
    let rows = text.lines().filter(|line| line.starts_with("p  "));
    assert_eq!(rows.count(), 1, "{text}");
    assert!(
        text.contains("SharingPolicy p is not Ready (DuplicateObject): "),
        "{text}"
    );
    let claims = crate::node::files::claims(&folder);
    let circumstances = Circumstances {
        claims: &claims,
        loopback: &BTreeMap::new(),
        report: None,
        now: now(),
    };
    let again = desk.plan(namespace, &circumstances, &mut rand::rng());
    assert!(!desk.settle(again.plan), "nothing changed");
}
