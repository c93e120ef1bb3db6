//! What a person and a program are told: messages, findings, and the tables that `kubectl get`
//! would print.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use finp2p_crds::condition::reasons;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::plan::Desk;
use super::refusals::Refusals;
use crate::finding::{Finding, plain};
use crate::manifest::{Manifest, Namespace};
use crate::print::Printer;
use crate::validate::report::line;

/// Most rows of one table; beyond it, those with something to say come first and the rest is counted.
const ROWS_MAX: usize = 20;

/// How things are told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// What there is to tell of one namespace.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'s> {
    /// Its objects.
    pub namespace: &'s Namespace,
    /// Their statuses.
    pub desk: &'s Desk,
    /// What stands in the files and does not count.
    pub refusals: &'s Refusals,
    /// Why what is planned could not be written, and its node is stopped.
    pub behind: Option<&'s str>,
}

/// Tells what happens on one stream.
pub struct Teller<W> {
    stream: W,
    output: Output,
    printer: Printer,
    findings: BTreeSet<Finding>,
    /// Statuses as they were told, by namespace, kind and name.
    told: BTreeMap<(String, &'static str, String), Value>,
}

impl<W: Write> Teller<W> {
    /// A teller that has told nothing yet.
    pub fn new(stream: W, output: Output, printer: Printer) -> Self {
        Self {
            stream,
            output,
            printer,
            findings: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    /// Tells one thing; `about` is the organization or namespace it concerns.
    pub fn say(&mut self, about: Option<&str>, text: &str) {
        let text = match (self.output, about) {
            (Output::Text, Some(about)) => format!("{about}: {text}\n"),
            (Output::Text, None) => format!("{text}\n"),
            (Output::Json, about) => {
                json!({"event": "message", "about": about, "text": text}).to_string() + "\n"
            }
        };
        self.write(&text);
    }

    /// Tells what is wrong with the files, each finding once until it is mended.
    pub fn findings(&mut self, findings: &[Finding]) {
        let current: BTreeSet<Finding> = findings.iter().cloned().collect();
        let mut text = String::new();
        for finding in current.difference(&self.findings) {
            match self.output {
                Output::Text => line(&mut text, finding),
                Output::Json => {
                    text.push_str(&json!({"event": "finding", "finding": finding}).to_string());
                    text.push('\n');
                }
            }
        }
        self.findings = current;
        self.write(&text);
    }

    /// Tells the statuses of a namespace: the tables whole, or only what differs as JSON.
    pub fn status(&mut self, sight: &Sight<'_>, now: Timestamp) {
        let text = match self.output {
            Output::Text => format!("\n{}", self.tables(sight, now)),
            Output::Json => self.differences(sight.namespace, sight.desk),
        };
        self.write(&text);
    }

    /// The tables of a namespace, a sentence on what is not simply Ready, and what was refused.
    pub fn tables(&self, sight: &Sight<'_>, now: Timestamp) -> String {
        let Sight {
            namespace,
            desk,
            refusals,
            behind,
        } = sight;
        let mut text = format!("namespace {}\n", namespace.name);
        if let Some(why) = behind {
            text.push_str(&format!(
                "Not in force: {why}. A node without what is declared is stopped until it can be written.\n"
            ));
        }
        let mut reasons = String::new();
        for kind in KINDS {
            let mut rows = rows(kind, namespace, desk);
            rows.sort_by_key(|row| row.pointer("/metadata/name").map(Value::to_string));
            let all = rows.len();
            if all > ROWS_MAX {
                rows.sort_by_key(nothing_to_say);
                rows.truncate(ROWS_MAX);
            }
            let shown = rows.len();
            let table = self.printer.table(kind, &rows, now);
            if table.is_empty() {
                continue;
            }
            text.push_str(&table);
            if all > shown {
                text.push_str(&format!("... and {} more\n", all - shown));
            }
            text.push('\n');
            rows.iter().for_each(|row| reason(&mut reasons, kind, row));
        }
        text.push_str(&reasons);
        text.push_str(&refusals.to_string());
        text
    }

    fn differences(&mut self, namespace: &Namespace, desk: &Desk) -> String {
        let mut text = String::new();
        for kind in KINDS {
            for row in rows(kind, namespace, desk) {
                let name = row.pointer("/metadata/name").and_then(Value::as_str);
                let name = name.unwrap_or_default().to_owned();
                let status = row.get("status").cloned().unwrap_or_default();
                let key = (namespace.name.clone(), kind, name.clone());
                if self.told.get(&key) == Some(&status) {
                    continue;
                }
                let event = json!({
                    "event": "status", "namespace": namespace.name, "kind": kind, "name": name,
                    "status": status,
                });
                text.push_str(&event.to_string());
                text.push('\n');
                self.told.insert(key, status);
            }
        }
        text
    }

    fn write(&mut self, text: &str) {
        let text = match self.output {
            Output::Text => plain(text),
            Output::Json => text.into(),
        };
        // Whoever read it may have gone; the nodes run on.
        let _told = self
            .stream
            .write_all(text.as_bytes())
            .and_then(|()| self.stream.flush());
    }
}

const KINDS: [&str; 3] = ["PeerOrganization", "SharedAsset", "SharingPolicy"];

/// The objects of one kind as an API server would return them.
fn rows(kind: &str, namespace: &Namespace, desk: &Desk) -> Vec<Value> {
    // A name that is in doubt is one row.
    let disputed = namespace.disputed.values();
    let disputed = disputed.filter_map(|dispute| dispute.claimants().next());
    let objects = namespace.objects.iter().chain(disputed);
    objects
        .filter_map(|object| {
            let name = &object.id.name;
            let (value, status) = match (&object.manifest, kind) {
                (Manifest::PeerOrganization(o), "PeerOrganization") => (
                    json!({"metadata": o.metadata}),
                    json!(desk.organizations.get(name)),
                ),
                (Manifest::SharedAsset(o), "SharedAsset") => (
                    json!({"metadata": o.metadata}),
                    json!(desk.assets.get(name)),
                ),
                (Manifest::SharingPolicy(o), "SharingPolicy") => (
                    json!({"metadata": o.metadata, "spec": {"mode": o.spec.mode}}),
                    json!(desk.policies.get(name)),
                ),
                _ => return None,
            };
            let Value::Object(mut row) = value else {
                return None;
            };
            row.insert("status".to_owned(), status);
            Some(Value::Object(row))
        })
        .collect()
}

fn ready(row: &Value) -> Option<&Value> {
    let conditions = row.pointer("/status/conditions")?.as_array()?;
    conditions
        .iter()
        .find(|c| c.get("type").is_some_and(|t| t == "Ready"))
}

fn is_ready(row: &Value) -> bool {
    ready(row).is_some_and(|condition| condition.get("status").is_some_and(|s| s == "True"))
}

/// Whether an object is Ready without a sentence.
fn nothing_to_say(row: &Value) -> bool {
    let mut text = String::new();
    reason(&mut text, "", row);
    is_ready(row) && text.is_empty()
}

/// Why an object is not Ready, or what is worth a sentence although it is.
fn reason(text: &mut String, kind: &str, row: &Value) {
    let Some(condition) = ready(row) else {
        return;
    };
    let part = |name: &str| {
        condition
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let says = match (is_ready(row), part("reason")) {
        (true, reasons::READY | reasons::SELF) => return,
        (true, _) => "is Ready, but",
        (false, _) => "is not Ready",
    };
    let name = row.pointer("/metadata/name").and_then(Value::as_str);
    text.push_str(&format!(
        "{kind} {} {says} ({}): {}\n",
        name.unwrap_or_default(),
        part("reason"),
        part("message")
    ));
}

/// Fields of a local organization that mean something on a cluster only, of those that are set.
pub fn unused(namespace: &Namespace) -> Option<String> {
    let local = namespace.objects.iter().find_map(|o| match &o.manifest {
        Manifest::PeerOrganization(organization) => organization.spec.node.as_ref(),
        _ => None,
    })?;
    let fields = [
        ("storage", local.storage.is_some()),
        ("service", local.service.is_some()),
        ("announce", !local.announce.is_empty()),
        ("storeKey", local.store_key.is_some()),
        ("image", local.image.is_some()),
        ("resources", local.resources.is_some()),
        ("podTemplate", local.pod_template.is_some()),
        ("networkPolicy", local.network_policy.is_some()),
        ("audit", local.audit.is_some()),
    ];
    let set: Vec<&str> = fields
        .iter()
        .filter_map(|(name, set)| set.then_some(*name))
        .collect();
    (!set.is_empty()).then(|| {
        format!(
            "checked, and not used in local mode: spec.node.{}",
            set.join(", spec.node.")
        )
    })
}

#[cfg(test)]
mod tests;
