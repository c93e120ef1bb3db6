//! The steps of the demo. Each says what it does, does it, and compares what it saw with what
//! must be seen.

use std::time::{Duration, Instant};

use finp2p_tests::banks::{Banks, ORGANIZATIONS};
use finp2p_tests::http::{Answer, Api};
use finp2p_tests::wait;
use serde_json::{Value, json};

use crate::expected;
use crate::transcript::Transcript;

/// Longest that an edit may take to be obeyed on a busy machine; the transcript says how long it
/// really took.
const EDIT: Duration = Duration::from_secs(20);
/// Objects of the scenario that have a status: four records in each of three banks, three assets,
/// two policies.
const OBJECTS: usize = 17;
const TERMS_POLICY: &str = "bank-a/policy-terms.yaml";

/// Tells and checks the whole story.
pub fn tell(banks: &mut Banks, t: &mut Transcript) -> Result<(), String> {
    declare(banks, t)?;
    start(banks, t)?;
    let bank_b = banks.api("bank-b", "trading")?;
    let bank_c = banks.api("bank-c", "trading")?;
    list(&bank_b, t)?;
    granted(&bank_b, t)?;
    purpose(&bank_b, t)?;
    refused(&bank_b, t)?;
    invisible(&bank_b, &bank_c, t)?;
    edited(banks, &bank_b, t)?;
    withdrawn(banks, &bank_b, t)
}

fn declare(banks: &mut Banks, t: &mut Transcript) -> Result<(), String> {
    t.step("What is declared: three banks, in YAML");
    t.say(&format!(
        "The manifests were copied to {}.",
        banks.folder().display()
    ));
    t.say(
        "bank-a is the Primary of two bonds (SharedAsset). Two SharingPolicies say what bank-b may see \
         of one of them: its terms at any time, its settlement details only in order to settle. The \
         other bond, and bank-c, appear in no policy.",
    );
    let policy =
        std::fs::read_to_string(banks.folder().join(TERMS_POLICY)).map_err(|e| e.to_string())?;
    let declared: Vec<_> = policy
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    t.shown(&declared.join("\n"));
    for organization in ORGANIZATIONS {
        banks.keygen(organization)?;
    }
    t.seen(
        "finp2p-operator keygen made each bank's root key (kept apart), its issuing key and its public \
         record; the records are in members/",
    );
    Ok(())
}

fn start(banks: &mut Banks, t: &mut Transcript) -> Result<(), String> {
    t.step("Each bank gets a node: finp2p-operator local");
    t.progress("starting one sidecar for each bank");
    banks.start()?;
    t.progress("all three serve");
    t.say("What `kubectl get` would print:");
    let status = wait::try_until(EDIT, || ready(banks.status()?))?;
    t.shown(&status);
    t.seen(&format!("all {OBJECTS} objects are Ready"));
    Ok(())
}

/// The tables, if every object in them is Ready.
fn ready(status: String) -> Result<String, String> {
    let rows = status
        .lines()
        .filter(|line| line.split_whitespace().any(|word| word == "True"));
    if rows.count() == OBJECTS && !status.contains("False") && !status.contains("not Ready") {
        Ok(status)
    } else {
        Err(format!("not all objects are Ready:\n{status}"))
    }
}

fn list(bank_b: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("bank-b looks at what others share with it");
    t.asked("bank-b", "GET /v1/shared");
    let answer = expect(bank_b.get("/v1/shared")?, 200)?;
    let listed = resources(&answer.body);
    t.shown(&listed.join("\n"));
    if listed != [expected::BOND] {
        return Err(format!(
            "bank-b must see exactly {} listed, and sees {listed:?}",
            expected::BOND
        ));
    }
    t.seen("the bond that a policy grants, and nothing of the other one");
    Ok(())
}

fn granted(bank_b: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("bank-b asks bank-a for the bond, over libp2p");
    t.asked(
        "bank-b",
        &format!("POST /v1/fetch {{\"resource\": \"{}\"}}", expected::BOND),
    );
    let answer = expect(bank_b.fetch(&json!({"resource": expected::BOND}))?, 200)?;
    t.json(&answer.body["data"]);
    same(&answer.body["data"], &expected::terms())?;
    t.say(&format!(
        "Version {} of the record, hash {}: signed by bank-a, verified by bank-b before anybody saw it.",
        text(&answer.body, "version"),
        text(&answer.body, "hash"),
    ));
    t.seen("exactly the fields of the policy: no investors, no internal rating, no reserve price");
    Ok(())
}

fn purpose(bank_b: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("Some fields are for a purpose");
    let fields = json!(["/isin", "/settlement"]);
    t.asked("bank-b", "for /settlement, without a purpose");
    let without = bank_b.fetch(&json!({"resource": expected::BOND, "fields": fields}))?;
    refusal(t, &without, 3400, "fields")?;
    t.asked("bank-b", "for everything, with the purpose settlement");
    let body = json!({"resource": expected::BOND, "purpose": "settlement"});
    let with = expect(bank_b.fetch(&body)?, 200)?;
    t.json(&with.body["data"]);
    same(&with.body["data"], &expected::with_settlement())?;
    t.seen("with the purpose, both policies apply: the terms, and where the bond settles");
    Ok(())
}

fn refused(bank_b: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("bank-b asks for what it may not see");
    for field in [
        "/investors",
        "/internalRating",
        "/terms/reservePrice",
        "/terms",
        "/doesNotExist",
    ] {
        t.asked("bank-b", &format!("for {field}"));
        let answer = bank_b.fetch(&json!({"resource": expected::BOND, "fields": [field]}))?;
        refusal(t, &answer, 3400, "fields")?;
    }
    t.seen("a field that is not granted and one that does not exist are refused alike");
    Ok(())
}

fn invisible(bank_b: &Api, bank_c: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("Without a policy a bond cannot be told from one that does not exist");
    let mut seen = Vec::new();
    for (who, api, resource, why) in [
        (
            "bank-b",
            bank_b,
            expected::VAULT,
            "the bond that no policy names",
        ),
        (
            "bank-c",
            bank_c,
            expected::BOND,
            "the bond that is shared with bank-b",
        ),
        (
            "bank-c",
            bank_c,
            expected::ABSENT,
            "a bond that nobody ever made",
        ),
    ] {
        t.asked(who, &format!("for {resource} ({why})"));
        let answer = api.fetch(&json!({"resource": resource}))?;
        refusal(t, &answer, 7104, "not-shared")?;
        let mut body = answer.body;
        if let Some(object) = body.as_object_mut() {
            object.remove("reference");
        }
        seen.push(body);
    }
    if seen.iter().any(|body| Some(body) != seen.first()) {
        return Err(format!(
            "the three refusals differ in more than their reference: {seen:?}"
        ));
    }
    let listed = resources(&expect(bank_c.get("/v1/shared")?, 200)?.body);
    if !listed.is_empty() {
        return Err(format!(
            "bank-c must see nothing listed, and sees {listed:?}"
        ));
    }
    t.seen(
        "three refusals, equal to the last byte but for their reference; bank-c's list is empty",
    );
    Ok(())
}

fn edited(banks: &Banks, bank_b: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("bank-a edits its policy, and the next request obeys");
    banks.edit(TERMS_POLICY, |policy| policy.replace("/terms/coupon, ", ""))?;
    t.say("The line fields: of the policy no longer has /terms/coupon.");
    let took = obeyed(|| {
        let answer = bank_b.fetch(&json!({"resource": expected::BOND}))?;
        same(&answer.body["data"], &expected::terms_without_coupon())
    })?;
    t.asked("bank-b", "for the bond, as before");
    t.json(&expected::terms_without_coupon());
    t.seen(&format!(
        "the coupon is gone from the answer, {} ms after the edit",
        took.as_millis()
    ));
    Ok(())
}

fn withdrawn(banks: &Banks, bank_b: &Api, t: &mut Transcript) -> Result<(), String> {
    t.step("bank-a deletes both policies");
    for policy in [TERMS_POLICY, "bank-a/policy-settlement.yaml"] {
        std::fs::remove_file(banks.folder().join(policy)).map_err(|e| format!("{policy}: {e}"))?;
    }
    let took = obeyed(|| {
        let answer = bank_b.fetch(&json!({"resource": expected::BOND}))?;
        (answer.status == 403 && answer.body["code"] == 7104)
            .then_some(())
            .ok_or_else(|| format!("still answered with {}", answer.status))
    })?;
    t.asked("bank-b", "for the bond, once more");
    refusal(
        t,
        &bank_b.fetch(&json!({"resource": expected::BOND}))?,
        7104,
        "not-shared",
    )?;
    t.seen(&format!(
        "to bank-b the bond does not exist any more, {} ms later",
        took.as_millis()
    ));
    Ok(())
}

/// Leaves the banks running, with lines to copy and try.
pub fn keep(banks: Banks, t: &mut Transcript) -> Result<(), String> {
    banks.restore()?;
    let api = banks.api("bank-b", "trading")?;
    let folder = banks.folder().display().to_string();
    t.done();
    t.say("The banks go on running, with their policies as they were. Copy and try:");
    t.shown(&format!(
        "TOKEN=$(cat {folder}/.finp2p/bank-b/tokens/trading)\n\
         curl -s -H \"Authorization: Bearer $TOKEN\" {base}/v1/shared\n\
         curl -s -H \"Authorization: Bearer $TOKEN\" {base}/v1/fetch --json '{{\"resource\": \"{bond}\"}}'\n\
         vi {folder}/{TERMS_POLICY}      # then ask again\n\
         cat {folder}/.finp2p/status.txt; tail {folder}/local.log      # what every object is told\n\
         tail {folder}/.finp2p/bank-a/node/audit/*.jsonl",
        base = api.base,
        bond = expected::BOND,
    ));
    let id = banks.leave().unwrap_or_default();
    t.say(&format!("To end them: kill {id}; rm -r {folder}"));
    Ok(())
}

/// The ends of the logs, for a failure.
pub fn logs(banks: &mut Banks) -> String {
    let printed = banks.process().map(|p| p.printed()).unwrap_or_default();
    let mut tail: Vec<_> = printed.lines().rev().take(30).collect();
    tail.reverse();
    tail.join("\n")
}

#[allow(clippy::disallowed_methods)] // the transcript says how long it took
fn obeyed(look: impl FnMut() -> Result<(), String>) -> Result<Duration, String> {
    let begun = Instant::now();
    wait::try_until(EDIT, look)?;
    Ok(begun.elapsed())
}

fn expect(answer: Answer, status: u16) -> Result<Answer, String> {
    if answer.status == status {
        Ok(answer)
    } else {
        Err(format!(
            "expected HTTP {status}, and got {}: {}",
            answer.status, answer.body
        ))
    }
}

fn refusal(t: &mut Transcript, answer: &Answer, code: u64, title: &str) -> Result<(), String> {
    t.refused(&answer.body);
    if answer.status == 403 && answer.body["code"] == code && answer.body["title"] == title {
        Ok(())
    } else {
        Err(format!(
            "expected to be refused with {code} {title}, and got {}: {}",
            answer.status, answer.body
        ))
    }
}

fn same(got: &Value, expected: &Value) -> Result<(), String> {
    if got == expected {
        Ok(())
    } else {
        Err(format!("expected exactly {expected}, and got {got}"))
    }
}

/// Ids of everything listed, peer by peer; a peer that could not be asked fails the step.
fn resources(body: &Value) -> Vec<String> {
    let peers = body["peers"].as_array().cloned().unwrap_or_default();
    peers
        .iter()
        .flat_map(|peer| peer["resources"].as_array().cloned().unwrap_or_default())
        .map(|item| text(&item, "resourceId"))
        .collect()
}

fn text(value: &Value, name: &str) -> String {
    value
        .get(name)
        .and_then(Value::as_str)
        .unwrap_or("?")
        .to_owned()
}
