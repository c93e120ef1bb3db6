//! One object as it was written: where it stands, what it says, who it is.

use std::path::Path;

use finp2p_crds::{GROUP, VERSION};
use serde_json::{Map, Value};

use super::place::{Place, Position};
use super::yaml::{Parsed, Refusal};
use crate::finding::{Finding, quote};

/// Where an object is written. The order of sources is the order of creation of what is read at
/// once: in files, "the oldest" is the first by path and position.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// File as the user named it; `-` is standard input.
    pub file: String,
    /// Document in the file, from 1.
    pub document: usize,
    /// Item of a `kind: List`, from 1; otherwise 0.
    pub item: usize,
    /// Line at which the object begins, from 1.
    pub line: u32,
}

/// One object as it was written. Its value may hold private data (a Secret's), so it has no
/// derived `Debug`.
#[derive(Clone)]
pub struct Document {
    /// Where it stands.
    pub source: Source,
    /// Where its parts stand.
    pub place: Place,
    /// What it says, without `status` and without what only a server writes.
    pub value: Value,
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// `metadata.namespace`, or the one that the folder gives it; empty when neither does.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
}

/// What only a server writes; `kubectl get -o yaml` prints it, and it is ignored here.
const SERVER_METADATA: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "ownerReferences",
    "finalizers",
];

/// Where objects that make Secrets write their name: all of them may mean their own.
const MADE_SECRET: [&str; 4] = [
    "/metadata/name",
    "/spec/target/name",
    "/spec/destination/name",
    "/spec/template/metadata/name",
];

/// Reason of the one warning that means "something is made of these files, and was not looked at".
pub const KUSTOMIZATION: &str = "Kustomization";
/// API group of what kustomize reads. It applies none of it: it builds objects with it.
const KUSTOMIZE_GROUP: &str = "kustomize.config.k8s.io/";
/// Names that kustomize gives such a file, in which it does not ask for `kind`.
const KUSTOMIZE_FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

impl Document {
    /// The objects of a parsed document: one, or the items of a `kind: List`. What has no
    /// identity becomes a finding.
    pub(super) fn from_parsed(
        file: &str,
        number: usize,
        parsed: Parsed,
    ) -> Vec<Result<Self, Box<Finding>>> {
        let source = |item: usize, at: Position| Source {
            file: file.to_owned(),
            document: number,
            item,
            line: at.line,
        };
        let remarks = parsed.remarks;
        let mut all: Vec<_> = remarks
            .into_iter()
            .map(|remark| Err(Box::new(refusal(file, remark).warn())))
            .collect();
        let Value::Object(mut map) = parsed.value else {
            if !parsed.value.is_null() {
                let at = parsed.place.position();
                all.push(Err(Box::new(not_an_object(file, at))));
            }
            return all;
        };
        if is_kustomization(file, &map) {
            all.push(Err(Box::new(kustomization(file, parsed.place.position()))));
            return all;
        }
        if !is_list(&map) {
            let at = parsed.place.position();
            all.push(Self::identify(source(0, at), map, parsed.place));
            return all;
        }
        let mut place = parsed.place;
        let places = place
            .children
            .iter_mut()
            .find(|child| child.key.as_ref() == "items")
            .map(|items| std::mem::take(&mut items.children))
            .unwrap_or_default();
        let items = match map.remove("items") {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        };
        for (index, (item, place)) in items.into_iter().zip(places).enumerate() {
            let at = place.position();
            all.push(match item {
                Value::Object(map) => {
                    Self::identify(source(index.saturating_add(1), at), map, place)
                }
                _ => Err(Box::new(not_an_object(file, at))),
            });
        }
        all
    }

    fn identify(
        source: Source,
        mut map: Map<String, Value>,
        place: Place,
    ) -> Result<Self, Box<Finding>> {
        let missing = |field: &str, what: &str, cure: &str| {
            let at = place.find(field);
            let mut finding = Finding::error(&source.file, "NotAnObject", what, cure);
            finding.field = Some(field.to_owned());
            finding.kind = text(map.get("kind"));
            Box::new(finding.at(at.line.max(source.line), at.column.max(1)))
        };
        let Some(api_version) = text(map.get("apiVersion")) else {
            return Err(missing(
                "/apiVersion",
                "no apiVersion",
                "begin the object with apiVersion: sharing.finp2p.io/v1alpha1",
            ));
        };
        let Some(kind) = text(map.get("kind")) else {
            return Err(missing(
                "/kind",
                "no kind",
                "write kind: PeerOrganization, SharedAsset or SharingPolicy",
            ));
        };
        let metadata = map.get("metadata");
        let Some(name) = metadata.and_then(|m| text(m.get("name"))) else {
            return Err(missing(
                "/metadata/name",
                "no name (a text) in metadata",
                "write metadata: {name: …}",
            ));
        };
        let namespace = match metadata.and_then(|m| m.get("namespace")) {
            None => String::new(),
            Some(Value::String(namespace)) => namespace.clone(),
            Some(_) => {
                return Err(missing(
                    "/metadata/namespace",
                    "metadata.namespace is not a text",
                    "remove the line, or write a name",
                ));
            }
        };
        strip(&mut map);
        Ok(Self {
            source,
            place,
            value: Value::Object(map),
            api_version,
            kind,
            namespace,
            name,
        })
    }

    /// Whether it is one of our kinds, of the version that is served.
    pub fn is_ours(&self) -> bool {
        self.group() == GROUP && self.api_version.ends_with(&format!("/{VERSION}"))
    }

    /// Whether it is of a kind that nothing here reads.
    pub fn is_foreign(&self) -> bool {
        let is_keyed = self.api_version == "v1" && ["Secret", "ConfigMap"].contains(&&*self.kind);
        self.group() != GROUP && !is_keyed
    }

    /// Names of the Secrets that an object of another kind says it makes: a SealedSecret, an
    /// ExternalSecret and their like, by the fields in which these write it. Empty for any other.
    pub fn made_secrets(&self) -> Vec<String> {
        if !self.is_foreign() || !self.kind.contains("Secret") {
            return Vec::new();
        }
        MADE_SECRET
            .into_iter()
            .filter_map(|field| self.value.pointer(field)?.as_str())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// API group; empty for core kinds.
    pub fn group(&self) -> &str {
        self.api_version
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    /// An error about one field of it. `field` is a JSON Pointer; empty is the whole object.
    pub fn finding(
        &self,
        field: &str,
        reason: &str,
        message: impl Into<String>,
        cure: &str,
    ) -> Finding {
        let at = if field.is_empty() {
            Position {
                line: self.source.line,
                column: self.place.position().column,
            }
        } else {
            self.place.find(field)
        };
        let mut finding =
            Finding::error(&self.source.file, reason, message, cure).at(at.line, at.column);
        finding.kind = Some(self.kind.clone());
        finding.namespace = Some(self.namespace.clone()).filter(|n| !n.is_empty());
        finding.name = Some(self.name.clone());
        finding.field = Some(field.to_owned()).filter(|f| !f.is_empty());
        finding
    }
}

fn is_list(map: &Map<String, Value>) -> bool {
    map.get("kind").and_then(Value::as_str) == Some("List")
        && map.get("apiVersion").and_then(Value::as_str) == Some("v1")
        && map.get("items").is_some_and(Value::is_array)
}

fn is_kustomization(file: &str, map: &Map<String, Value>) -> bool {
    let name = Path::new(file).file_name().and_then(|name| name.to_str());
    match map.get("apiVersion").and_then(Value::as_str) {
        Some(version) => version.starts_with(KUSTOMIZE_GROUP),
        None => {
            let kind = map.get("kind").and_then(Value::as_str);
            matches!(kind, None | Some("Kustomization" | "Component"))
                && name.is_some_and(|name| KUSTOMIZE_FILES.contains(&name))
        }
    }
}

fn kustomization(file: &str, at: Position) -> Finding {
    let folder = Path::new(file)
        .parent()
        .map(|folder| folder.display().to_string());
    let folder = match folder {
        Some(folder) if !folder.is_empty() => folder,
        _ if file == "-" => "DIR".to_owned(),
        _ => ".".to_owned(),
    };
    let cure = format!(
        "build it and read that: kubectl kustomize {folder} | finp2p-operator validate - (diff and explain read - too)"
    );
    let message = "a kustomization is no object: what kustomize builds with it (resources, patches, names, generators) is what counts, and was not looked at";
    Finding::error(file, KUSTOMIZATION, message, &cure)
        .warn()
        .at(at.line, at.column)
}

fn text(value: Option<&Value>) -> Option<String> {
    value
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(ToOwned::to_owned)
}

fn strip(map: &mut Map<String, Value>) {
    map.remove("status");
    if let Some(Value::Object(metadata)) = map.get_mut("metadata") {
        for field in SERVER_METADATA {
            metadata.remove(field);
        }
    }
}

fn not_an_object(file: &str, at: Position) -> Finding {
    Finding::error(
        file,
        "NotAnObject",
        "a document that is not a mapping",
        "write an object: apiVersion, kind, metadata and spec",
    )
    .at(at.line, at.column)
}

/// A refused document as a finding.
pub(super) fn refusal(file: &str, refusal: Refusal) -> Finding {
    Finding::error(file, refusal.reason, refusal.message, refusal.cure)
        .at(refusal.at.line, refusal.at.column)
}

impl std::fmt::Debug for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Document({} {}/{})",
            quote(&self.kind),
            quote(&self.namespace),
            quote(&self.name)
        )
    }
}
