//! What stands in the files and does not count: refused edits, and what stays in force instead.
//!
//! A refused edit of a policy withdraws nothing, also when withdrawing was what it meant. So it is
//! told, and stays told under the tables, until it is mended or removed.

use std::fmt;
use std::path::Path;

use super::observe::View;
use crate::finding::{Finding, quote};
use crate::manifest::ObjectId;
use crate::manifest::files::printed;
use crate::manifest::folder::MEMBERS;

/// Most lines under one heading: as many as a table has rows; the rest is counted.
const LINES_MAX: usize = 20;

/// The refused manifests of one namespace, a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// Of objects whose last good version stays.
    edits: Vec<String>,
    /// Of what is not in force at all.
    others: Vec<String>,
}

impl Refusals {
    /// Nothing was refused.
    pub const fn none() -> Self {
        Self {
            edits: Vec::new(),
            others: Vec::new(),
        }
    }

    /// What of `directory` does not count in a namespace.
    pub fn of(view: &View, directory: &Path, namespace: &str) -> Self {
        let errors = view.folder.findings.iter().filter(|f| f.is_error());
        let errors: Vec<&Finding> = errors
            .filter(|finding| concerns(finding, directory, namespace))
            .collect();
        let kept = view.kept.iter().filter(|(id, _)| id.namespace == namespace);
        let edits: Vec<(&ObjectId, Option<&Finding>)> = kept
            .map(|(id, file)| (id, why(&errors, id, file)))
            .collect();
        let in_doubt = |finding: &Finding| {
            // The table has a row for each of them.
            let namespaces = view.folder.namespaces.iter();
            let mut disputed = namespaces.flat_map(|n| n.disputed.keys());
            disputed.any(|id| is_about(finding, id))
        };
        let others = errors.iter().filter(|finding| {
            let told = edits
                .iter()
                .any(|(id, why)| why.is_some_and(|why| why == **finding) || is_about(finding, id));
            !told && !in_doubt(finding)
        });
        Self {
            others: others.map(|finding| line(finding)).collect(),
            edits: edits.iter().map(|(id, why)| edit(id, *why, view)).collect(),
        }
    }
}

/// What a person is told at the moment at which an edit is refused.
pub fn told(id: &ObjectId, file: &str) -> String {
    let stays = match id.kind.as_str() {
        "SharingPolicy" => "what it granted stays granted",
        _ => "what rests on it stays in force",
    };
    format!(
        "{} {} keeps its last good version: {stays} until it is mended in {file}, or removed there",
        id.kind, id.name
    )
}

/// Whether a finding is about a namespace: about an object of it, or about a file of its folder
/// or of the consortium's.
fn concerns(finding: &Finding, directory: &Path, namespace: &str) -> bool {
    if let Some(named) = &finding.namespace {
        return named == namespace;
    }
    let file = Path::new(&finding.file);
    let folders = [namespace, MEMBERS].map(|name| printed(&directory.join(name)));
    let whole = file == Path::new(&printed(directory));
    whole || folders.iter().any(|folder| file.starts_with(folder))
}

fn is_about(finding: &Finding, id: &ObjectId) -> bool {
    finding.kind.as_ref() == Some(&id.kind) && finding.name.as_ref() == Some(&id.name)
}

/// Why an object of a file keeps its version: its own mistake, or that its file cannot be read.
fn why<'f>(errors: &[&'f Finding], id: &ObjectId, file: &str) -> Option<&'f Finding> {
    let file = Path::new(file);
    let its_file = |finding: &&&Finding| {
        file.starts_with(&finding.file) && (finding.name.is_none() || is_about(finding, id))
    };
    let mut all = errors.iter();
    let found = all.clone().find(its_file);
    found
        .or_else(|| all.find(|finding| is_about(finding, id)))
        .copied()
}

fn edit(id: &ObjectId, why: Option<&Finding>, view: &View) -> String {
    let file = view.kept.get(id).map(String::as_str).unwrap_or_default();
    match why {
        Some(finding) if is_about(finding, id) => line(finding),
        Some(finding) => format!("{} {}: {}", id.kind, id.name, line(finding)),
        None if view.unsettled.contains(file) => {
            format!("{} {}: its file is still being written", id.kind, id.name)
        }
        // There are more findings than are kept.
        None => format!("{} {}: {file} could not be read whole", id.kind, id.name),
    }
}

fn line(finding: &Finding) -> String {
    let printable = |text: &str| quote(text).to_string().trim_matches('`').to_owned();
    let mut text = String::new();
    if let (Some(kind), Some(name)) = (&finding.kind, &finding.name) {
        text.push_str(&format!("{} {}: ", printable(kind), printable(name)));
    }
    text.push_str(&finding.file);
    if let Some(line) = finding.line {
        text.push_str(&format!(":{line}"));
    }
    if let Some(field) = &finding.field {
        text.push_str(&format!(": {}", printable(field)));
    }
    text.push_str(&format!(": {} [{}]", finding.message, finding.reason));
    text
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (heading, lines) in [
            (
                "Refused edits. The version before stays in force, and with it what it grants, until each is mended or removed:",
                &self.edits,
            ),
            ("Refused, and not in force:", &self.others),
        ] {
            if lines.is_empty() {
                continue;
            }
            writeln!(f, "{heading}")?;
            for line in lines.iter().take(LINES_MAX) {
                writeln!(f, "  {line}")?;
            }
            let more = lines.len().saturating_sub(LINES_MAX);
            if more > 0 {
                writeln!(f, "  ... and {more} more")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
