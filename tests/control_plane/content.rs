//! Content that a node refuses: from the first status on that says the node works with the asset,
//! it says so too. Every status is looked at, by a watch, and none is missed.

use std::process::Command;

use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::ControlPlane;
use finp2p_tests::control_plane::namespace::{Namespace, SEEN};
use finp2p_tests::control_plane::parts::parts;
use finp2p_tests::process::Process;
use serde_json::{Value, json};

/// A line for every state of every asset: its name, and of its conditions types, statuses and reasons.
const LINE: &str = r#"jsonpath={.metadata.name}{";"}{.status.conditions[*].type}{";"}{.status.conditions[*].status}{";"}{.status.conditions[*].reason}{"\n"}"#;
/// Makes the schema of an asset.
type Schema = fn() -> String;

/// Content, schema, and what is to be said of it; `None` of what is well.
const KINDS: [(&str, &str, Option<Schema>, Option<&str>); 5] = [
    ("well", r#"{"isin": "ZZ"}"#, None, None),
    ("broken", r#"{"isin": "#, None, Some("ContentInvalid")),
    (
        "mismatched",
        r#"{"isin": 7}"#,
        Some(|| json!({"properties": {"isin": {"type": "string"}}}).to_string()),
        Some("ContentInvalid"),
    ),
    (
        "endless",
        r#"{"isin": "ZZ"}"#,
        Some(endless),
        Some("ContentInvalid"),
    ),
    (
        "unlabelled",
        r#"{"isin": "ZZ"}"#,
        None,
        Some("ContentNotPermitted"),
    ),
];
/// Whether Secrets come before the assets that name them, in each round.
const SECRETS_FIRST: [bool; 4] = [true, false, true, true];

/// A schema that would keep whoever checks by it busy for years: each definition names the next one twice.
fn endless() -> String {
    let mut definitions = json!({"d60": {}});
    for level in 0..60 {
        let next = json!({"$ref": format!("#/$defs/d{}", level + 1)});
        definitions[format!("d{level}")] = json!({"allOf": [next.clone(), next]});
    }
    json!({"$defs": definitions, "$ref": "#/$defs/d0"}).to_string()
}

fn secret(name: &str, content: &str, labelled: bool) -> Value {
    let mut secret = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": name}, "stringData": {"content.json": content}});
    if labelled {
        secret["metadata"]["labels"] = json!({"sharing.finp2p.io/content": "true"});
    }
    secret
}

fn asset(name: &str, schema: Option<Schema>) -> Value {
    let mut asset = json!({"apiVersion": "sharing.finp2p.io/v1alpha1", "kind": "SharedAsset",
        "metadata": {"name": name},
        "spec": {"content": {"secret": {"name": name, "key": "content.json"}}}});
    if let Some(schema) = schema {
        asset["spec"]["schema"] = json!(schema());
    }
    asset
}

/// Applies one asset of each kind at once, and waits until each is told what it is.
fn round(bank: &Namespace<'_>, watch: &Process, number: usize, secrets_first: bool) {
    let mut objects: Vec<Value> = Vec::new();
    for (kind, content, schema, says) in KINDS {
        let name = format!("{kind}-{number}");
        let labelled = says != Some("ContentNotPermitted");
        objects.push(secret(&name, content, labelled));
        objects.push(asset(&name, schema));
    }
    objects.sort_by_key(|object| (object["kind"] == "Secret") != secrets_first);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    bank.apply(&list.to_string()).ok().unwrap();
    for (kind, _, _, says) in KINDS {
        let name = format!("{kind}-{number}");
        let said = says.map_or_else(
            || " Ready=True/".to_owned(),
            |reason| format!(" ResolvedRefs=False/{reason}"),
        );
        bank.until(&format!("{said} of {name}"), SEEN, || {
            let states = states(watch, &name);
            let last = states.last().ok_or("nothing")?;
            last.contains(&said)
                .then_some(())
                .ok_or_else(|| last.clone())
        });
    }
}

fn watch(bank: &Namespace<'_>) -> Process {
    let mut kubectl = Command::new(&parts().kubectl);
    kubectl.args([
        "get",
        "sharedassets",
        "--watch",
        "-n",
        &bank.name,
        "-o",
        LINE,
    ]);
    let name = format!("{}-watch", bank.name);
    bank.cluster().admin().start(&name, kubectl).unwrap()
}

/// What the watch has shown of an asset: ` Ready=True/Ready Accepted=…` of each state.
fn states(watch: &Process, name: &str) -> Vec<String> {
    let printed = watch.printed();
    let end = printed.rfind('\n').unwrap_or(0); // the rest is being written
    let lines = printed[..end].lines().map(|line| line.split(';'));
    let lines = lines.filter_map(|mut line| (line.next() == Some(name)).then_some(line));
    let states = lines.map(|line| {
        let columns: Vec<Vec<&str>> = line.map(|list| list.split(' ').collect()).collect();
        let [types, statuses, reasons] = columns.try_into().expect("three lists");
        let conditions = types.iter().zip(statuses).zip(reasons);
        let conditions =
            conditions.map(|((of, status), reason)| format!(" {of}={status}/{reason}"));
        conditions.collect()
    });
    states.collect()
}

#[test]
fn an_asset_whose_content_is_refused_is_ready_at_no_moment() {
    let mut banks = Consortium::install(ControlPlane::shared(), &["bank-a"], &[]);
    banks.apply_members();
    banks.apply_samples();
    banks.start_operator();
    banks.start_node("bank-a");
    let bank_a = &banks.bank("bank-a").namespace;
    bank_a.until_condition("sharedassets", "green-bond-2031", "Ready", "True");
    let watch = watch(bank_a);
    bank_a.until("the watch", SEEN, || {
        let seen = states(&watch, "green-bond-2031");
        (!seen.is_empty())
            .then_some(())
            .ok_or_else(|| watch.printed())
    });
    for (number, secrets_first) in SECRETS_FIRST.into_iter().enumerate() {
        if number + 1 == SECRETS_FIRST.len() {
            // The node begins anew, and has nothing to say of assets that are refused as before.
            *banks.node("bank-a") = None;
            banks.start_node("bank-a");
        }
        let bank_a = &banks.bank("bank-a").namespace;
        round(bank_a, &watch, number, secrets_first);
    }

    for number in 0..SECRETS_FIRST.len() {
        for (kind, ..) in KINDS.iter().filter(|(.., says)| says.is_some()) {
            let states = states(&watch, &format!("{kind}-{number}"));
            let ready = |state: &String| state.contains(" Ready=True/");
            assert!(!states.iter().any(ready), "{states:#?}");
            let early = states.iter().find(|state| {
                state.contains(" Programmed=True/") && !state.contains(" ResolvedRefs=False/")
            });
            assert_eq!(early, None, "{states:#?}");
        }
    }
}
