//! The checks that an object must pass by itself: what an API server would refuse, and more.
//!
//! In order, cheapest first; the first that refuses ends the object's checks:
//! 1. [`metadata`]: name, labels, annotations; kind and version.
//! 2. [`shape`]: no null, no unknown field, no double entry in a set.
//! 3. [`schema`]: the generated CRD's schema.
//! 4. [`rule`]: the CRD's CEL rules, with the message that each carries.
//! 5. [`deep`]: what a schema cannot say: keys that are points on the curve, addresses that
//!    can be dialled, CEL and JSON Schema texts that parse.
//!
//! [`plan`] then asks the operator's own plan what only shows beside other objects, but for what
//! manifests in git leave to somebody else (`elsewhere`), and looks into contents that are there (`content`).
//! [`change`] holds the rules about edits, for local mode; [`report`] prints findings.
//!
//! ```text
//! paths ──manifest──► documents ──Checker::check──► objects ──plan──► findings ──report──► text or JSON
//! ```

mod cel_text;
pub mod change;
mod content;
mod deep;
mod elsewhere;
mod kind;
mod metadata;
pub mod plan;
pub mod report;
mod rule;
mod schema;
mod shape;

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use finp2p_crds::definition::{self, DefinitionError};
use finp2p_crds::{GROUP, VERSION};
use serde_json::Value;

use crate::finding::{Finding, Severity};
use crate::manifest::files::printed;
use crate::manifest::folder::NOTHING_TO_READ;
use crate::manifest::{Document, Folder, Reader};

/// The path that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// Why the checks could not be set up: a defect of this program, not of a manifest.
#[derive(Debug, thiserror::Error)]
pub enum CheckerError {
    /// The CRDs could not be generated.
    #[error("the CRDs could not be generated")]
    Definition(#[from] DefinitionError),
    /// A CRD has no schema for the served version.
    #[error("the CRD of {0} has no schema")]
    NoSchema(String),
    /// A schema does not compile.
    #[error("the schema of {0} does not compile")]
    Schema(String),
    /// A rule does not compile.
    #[error("a rule of {0} does not compile")]
    Rule(String),
}

/// The checks of every kind, compiled once.
#[derive(Debug)]
pub struct Checker {
    kinds: BTreeMap<String, kind::KindChecks>,
}

impl Checker {
    /// Compiles the schemas and rules of the CRDs.
    ///
    /// # Errors
    /// [`CheckerError`] when a CRD of this program is broken.
    pub fn new() -> Result<Self, CheckerError> {
        let mut kinds = BTreeMap::new();
        for definition in definition::all()? {
            let schema = definition
                .crd
                .pointer("/spec/versions/0/schema/openAPIV3Schema")
                .ok_or_else(|| CheckerError::NoSchema(definition.kind.clone()))?;
            let checks = kind::KindChecks::new(&definition.kind, schema.clone())?;
            kinds.insert(definition.kind, checks);
        }
        Ok(Self { kinds })
    }

    /// Everything that is wrong with one object by itself.
    pub fn check(&self, document: &Document) -> Vec<Finding> {
        if document.group() != GROUP {
            return self.check_foreign(document);
        }
        if !document.is_ours() {
            return vec![document.finding(
                "/apiVersion",
                "UnknownVersion",
                "a version that does not exist",
                &format!("write apiVersion: {GROUP}/{VERSION}"),
            )];
        }
        if document.kind == "SidecarConfig" {
            return vec![document.finding(
                "/kind",
                "Internal",
                "SidecarConfig is written by the operator only",
                "remove it; write PeerOrganization, SharedAsset and SharingPolicy",
            )];
        }
        let Some(checks) = self.kinds.get(&document.kind) else {
            return vec![self.unknown_kind(document)];
        };
        let mut findings = metadata::check(document);
        findings.extend(shape::check(document, &checks.schema));
        findings.extend(schema::check(document, checks));
        if !findings.iter().any(Finding::is_error) {
            findings.extend(rule::check(document, checks));
        }
        if !findings.iter().any(Finding::is_error) {
            findings.extend(deep::check(document));
        }
        findings
    }

    fn check_foreign(&self, document: &Document) -> Vec<Finding> {
        if document.api_version == "v1" && matches!(document.kind.as_str(), "Secret" | "ConfigMap")
        {
            let mut findings = metadata::check(document);
            findings.extend(metadata::check_keyed(document));
            return findings;
        }
        if self.kinds.contains_key(&document.kind) {
            return vec![document.finding(
                "/apiVersion",
                "UnknownVersion",
                format!("a {} of another API group", document.kind),
                &format!("write apiVersion: {GROUP}/{VERSION}"),
            )];
        }
        let finding = document.finding(
            "/kind",
            "NotChecked",
            "an object of a kind that is not checked here",
            "nothing to do, if it is meant for something else",
        );
        vec![finding.warn()]
    }

    fn unknown_kind(&self, document: &Document) -> Finding {
        let known: Vec<&str> = self
            .kinds
            .keys()
            .map(String::as_str)
            .filter(|kind| *kind != "SidecarConfig")
            .collect();
        document.finding(
            "/kind",
            "UnknownKind",
            format!("unknown kind {}", crate::finding::quote(&document.kind)),
            &shape::suggestion(&document.kind, &known),
        )
    }

    /// The rules of a kind's CRD as `(place in the schema, message)`, for tests that must
    /// cover each.
    pub fn rules(&self) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (kind, checks) in &self.kinds {
            rule::list(&checks.schema, kind, &mut all);
        }
        all
    }

    /// Reads a folder of namespace folders, the layout of local mode, every object checked.
    pub fn read_directory(&self, directory: &Path) -> Folder {
        let check = |document: &Document| self.check(document);
        let mut reader = Reader::new(&check);
        reader.directory(directory);
        reader.finish()
    }

    /// Reads what the user named: files, namespace folders, folders of such folders, and
    /// [`STANDARD_INPUT`].
    pub fn read_paths(&self, paths: &[PathBuf], mut standard_input: impl Read) -> Folder {
        let check = |document: &Document| self.check(document);
        let mut reader = Reader::new(&check);
        for path in paths {
            if path.as_os_str() == STANDARD_INPUT {
                reader.stream(&mut standard_input);
            } else {
                reader.path(path);
            }
        }
        let mut folder = reader.finish();
        judge_nothing(paths, &mut folder);
        folder
    }
}

/// No manifest in anything that was named is an error: a pipeline whose build step wrote nothing would
/// be green. An empty folder beside one that is not is worth a warning.
fn judge_nothing(paths: &[PathBuf], folder: &mut Folder) {
    if folder.any {
        let nothing = folder.findings.iter_mut();
        nothing
            .filter(|finding| finding.reason == NOTHING_TO_READ)
            .for_each(|finding| finding.severity = Severity::Warning);
    } else if let Some(path) = paths.first()
        && !folder.findings.iter().any(Finding::is_error)
    {
        let others = match paths.len().saturating_sub(1) {
            0 => String::new(),
            others => format!(", nor in the {others} other paths"),
        };
        folder.findings.push(Finding::error(
            &printed(path),
            NOTHING_TO_READ,
            format!("no manifest is in here{others}: nothing was checked"),
            "look at what should have written it, or name a file or folder that has manifests (*.yaml, *.yml, *.json)",
        ));
    }
}

/// The schema of the node that a JSON Pointer names in an object of this schema.
fn schema_at<'s>(schema: &'s Value, pointer: &str) -> Option<&'s Value> {
    let mut here = schema;
    for token in pointer.split('/').skip(1) {
        let key = crate::manifest::place::unescape(token);
        here = here
            .get("properties")
            .and_then(|properties| properties.get(&key))
            .or_else(|| here.get("items"))
            .or_else(|| here.get("additionalProperties").filter(|s| s.is_object()))?;
    }
    Some(here)
}
