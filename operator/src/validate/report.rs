//! Findings as text for people and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::plan::Planned;
use crate::finding::{Finding, Severity};
use crate::manifest::Folder;

/// What was found, with the counts.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `finp2p.io/validate/v1`: the shape of this report.
    pub schema: &'static str,
    /// Objects that passed every check of what they show by themselves.
    pub objects: usize,
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Namespaces without a local organization among what was given: what their objects name
    /// was not looked up.
    pub unplanned: Vec<String>,
    /// The findings, by file and line.
    pub findings: Vec<Finding>,
}

/// The shape of the JSON report.
pub const SCHEMA: &str = "finp2p.io/validate/v1";

impl Report {
    /// The report on what was read, with the findings of the plan.
    pub fn new(folder: Folder, planned: Planned) -> Self {
        let objects = folder
            .namespaces
            .iter()
            .map(|namespace| namespace.objects.len())
            .sum();
        let mut findings = folder.findings;
        findings.extend(planned.findings);
        findings.sort();
        findings.dedup();
        let errors: Vec<(String, Option<u32>)> = findings
            .iter()
            .filter(|finding| finding.is_error())
            .map(|finding| (finding.file.clone(), finding.line))
            .collect();
        // An error on a line says more than the remark that its scalar is ambiguous.
        findings.retain(|finding| {
            finding.reason != "TextOrBoolean"
                || !errors.contains(&(finding.file.clone(), finding.line))
        });
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        Self {
            schema: SCHEMA,
            objects,
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            unplanned: planned.unplanned,
            findings,
        }
    }

    /// As text: one finding like a compiler's message, the cure below it, a summary last.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.findings {
            line(&mut text, finding);
        }
        for namespace in &self.unplanned {
            let whose = match namespace.as_str() {
                "" => "objects without a namespace".to_owned(),
                named => printable(named),
            };
            let _ = writeln!(
                text,
                "{whose}: no local organization here, so what they name was not looked up"
            );
        }
        let summary = match (self.errors, self.warnings) {
            (0, 0) => "nothing wrong".to_owned(),
            (errors, warnings) => format!(
                "{}, {}",
                counted(errors, "error"),
                counted(warnings, "warning")
            ),
        };
        let _ = writeln!(
            text,
            "{summary} ({} passed)",
            counted(self.objects, "object")
        );
        text
    }

    /// As JSON, one document with a newline.
    pub fn json(&self) -> Option<String> {
        serde_json::to_string_pretty(self)
            .ok()
            .map(|text| text + "\n")
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Writes one finding like a compiler's message, the cure below it.
pub fn line(text: &mut String, finding: &Finding) {
    let _ = write!(text, "{}", finding.file);
    if let (Some(line), Some(column)) = (finding.line, finding.column) {
        let _ = write!(text, ":{line}:{column}");
    }
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let _ = write!(text, ": {severity}: ");
    if let (Some(kind), Some(name)) = (&finding.kind, &finding.name) {
        let namespace = finding
            .namespace
            .as_ref()
            .map(|n| format!("{}/", printable(n)))
            .unwrap_or_default();
        let _ = write!(text, "{} {namespace}{}: ", printable(kind), printable(name));
    }
    if let Some(field) = &finding.field {
        let _ = write!(text, "{}: ", printable(field));
    }
    let _ = writeln!(text, "{} [{}]", finding.message, finding.reason);
    if !finding.message.contains(&finding.cure) {
        let _ = writeln!(text, "    {}", finding.cure);
    }
}

/// A user's text on a terminal: short, and without anything that steers it.
fn printable(text: &str) -> String {
    crate::finding::quote(text)
        .to_string()
        .trim_matches('`')
        .to_owned()
}
