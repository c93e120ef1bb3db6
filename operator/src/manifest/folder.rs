//! From paths to namespaces of objects.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;

use super::document::{self, Document, KUSTOMIZATION};
use super::files::{self, Listing};
use super::namespace::{Namespace, Spot};
use super::object::{Manifest, Object, ObjectId};
use super::{Check, limits, split, yaml};
use crate::finding::{Finding, quote};

/// Name of the sub-folder with the consortium's records.
pub const MEMBERS: &str = "members";
/// Reason of the finding that no manifest is where one is looked for.
pub const NOTHING_TO_READ: &str = "NothingToRead";

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Namespaces, sorted by name.
    pub namespaces: Vec<Namespace>,
    /// What is wrong, sorted, without repetition.
    pub findings: Vec<Finding>,
    /// Whether every document could be read far enough to know which object it is. When
    /// false, an object that is not here may still be meant to exist: whoever applies the
    /// folder keeps what it has rather than take the absence for a deletion.
    pub complete: bool,
    /// Files and folders of which something could not be read far enough: what they held
    /// before is unknown now, and not deleted.
    pub lost: BTreeSet<String>,
    /// Whether anything was read that is an object, or should be one.
    pub any: bool,
    /// What reading it took.
    pub cost: Cost,
}

/// What reading took; each is bounded in [`limits`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Bytes of text.
    pub bytes: usize,
    /// YAML documents.
    pub documents: usize,
    /// Mappings, sequences, scalars and keys.
    pub nodes: usize,
}

/// The most that one run may take.
pub const BUDGET: Cost = Cost {
    bytes: limits::TOTAL_MAX_BYTES,
    documents: limits::MAX_DOCUMENTS,
    nodes: limits::TOTAL_MAX_NODES,
};

/// Reads paths under one budget of bytes, nodes and documents ([`limits`]).
pub struct Reader<'a> {
    check: &'a Check<'a>,
    budget: Cost,
    bytes: usize,
    nodes: usize,
    documents: usize,
    files: usize,
    lost: BTreeSet<String>,
    overflow: bool,
    any: bool,
    findings: Vec<Finding>,
    namespaces: BTreeMap<String, Namespace>,
    members: Namespace,
}

/// Where the objects of a file belong.
#[derive(Clone, Copy, Debug)]
enum Belongs<'a> {
    /// To the namespace that each object names.
    Anywhere,
    /// To the namespace of the folder.
    Namespace(&'a str),
    /// To every namespace.
    Members,
}

impl<'a> Reader<'a> {
    /// A reader whose documents must pass `check` to become objects.
    pub fn new(check: &'a Check<'a>) -> Self {
        Self {
            check,
            budget: BUDGET,
            bytes: BUDGET.bytes,
            nodes: BUDGET.nodes,
            documents: 0,
            files: 0,
            lost: BTreeSet::new(),
            overflow: false,
            any: false,
            findings: Vec::new(),
            namespaces: BTreeMap::new(),
            members: Namespace::default(),
        }
    }

    /// The same reader with less to spend.
    #[must_use]
    pub fn within(mut self, budget: Cost) -> Self {
        self.budget = Cost {
            bytes: budget.bytes.min(BUDGET.bytes),
            documents: budget.documents.min(BUDGET.documents),
            nodes: budget.nodes.min(BUDGET.nodes),
        };
        self.bytes = self.budget.bytes;
        self.nodes = self.budget.nodes;
        self
    }

    /// Reads a file, the folder of one namespace, or a folder of such folders.
    pub fn path(&mut self, path: &Path) {
        if !path.is_dir() {
            let text = files::read_regular(path, self.bytes);
            return self.text(&files::printed(path), text, Belongs::Anywhere);
        }
        let Some(listing) = self.list(path) else {
            return;
        };
        if listing.files.is_empty() {
            return self.folders(path, &listing);
        }
        let mut below = listing.folders.iter();
        if below.any(|folder| files::list(folder).is_ok_and(|below| !below.files.is_empty())) {
            // Local mode reads it so, too; nothing below may be passed over in silence.
            return self.directory(path);
        }
        let name = path
            .canonicalize()
            .ok()
            .as_deref()
            .and_then(Path::file_name)
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        self.namespace_files(&name, path, &listing);
    }

    /// Reads standard input (or any other stream), called `-`.
    pub fn stream(&mut self, source: impl Read) {
        let text = files::read_text("-", source, self.bytes);
        self.text("-", text, Belongs::Anywhere);
    }

    /// Reads a folder of namespace folders, the layout of local mode.
    pub fn directory(&mut self, directory: &Path) {
        let Some(listing) = self.list(directory) else {
            return;
        };
        for file in &listing.files {
            self.report(
                Finding::error(
                    &files::printed(file),
                    "NotRead",
                    "a manifest beside the organizations' folders belongs to none of them",
                    "move it into the folder of its organization, or into members/",
                )
                .warn(),
            );
        }
        self.folders(directory, &listing);
    }

    /// What was read, with the members in every namespace.
    pub fn finish(mut self) -> Folder {
        let members = std::mem::take(&mut self.members);
        if self.namespaces.is_empty() && !members.objects.is_empty() {
            // Only members were given: they are worth checking by themselves.
            self.namespace(MEMBERS);
        }
        let mut namespaces = std::mem::take(&mut self.namespaces);
        for (name, namespace) in &mut namespaces {
            namespace
                .objects
                .extend(members.objects.iter().map(|member| member.moved_to(name)));
            for (id, spots) in &members.refused {
                let id = ObjectId {
                    namespace: name.clone(),
                    ..id.clone()
                };
                namespace
                    .refused
                    .entry(id)
                    .or_default()
                    .extend_from_slice(spots);
            }
            namespace.objects.sort_by(|a, b| a.source.cmp(&b.source));
            for finding in namespace.dispute_names() {
                self.report(finding);
            }
        }
        self.findings.sort();
        self.findings.dedup();
        Folder {
            namespaces: namespaces.into_values().collect(),
            findings: self.findings,
            complete: self.lost.is_empty(),
            lost: self.lost,
            any: self.any,
            cost: Cost {
                bytes: self.budget.bytes.saturating_sub(self.bytes),
                documents: self.documents,
                nodes: self.budget.nodes.saturating_sub(self.nodes),
            },
        }
    }

    fn list(&mut self, folder: &Path) -> Option<Listing> {
        match files::list(folder) {
            Ok(listing) => Some(listing),
            Err(finding) => {
                self.lose(*finding);
                None
            }
        }
    }

    fn folders(&mut self, directory: &Path, listing: &Listing) {
        let mut any = false;
        for folder in &listing.folders {
            let Some(inner) = self.list(folder) else {
                continue;
            };
            let name = folder
                .file_name()
                .map(|n| n.to_string_lossy().into_owned())
                .unwrap_or_default();
            if inner.files.is_empty() {
                continue;
            }
            any = true;
            if name == MEMBERS {
                for file in &inner.files {
                    let text = files::read_regular(file, self.bytes);
                    self.text(&files::printed(file), text, Belongs::Members);
                }
            } else {
                self.namespace_files(&name, folder, &inner);
            }
        }
        if !any {
            self.report(Finding::error(
                &files::printed(directory),
                NOTHING_TO_READ,
                "no manifests (*.yaml, *.yml, *.json) here or one folder below",
                "name a file, the folder of one namespace, or a folder of such folders",
            ));
        }
    }

    fn namespace_files(&mut self, name: &str, folder: &Path, listing: &Listing) {
        if !finp2p_crds::resource_id::is_organization(name) {
            self.lost.insert(files::printed(folder));
            self.report(Finding::error(
                &files::printed(folder),
                "NamespaceName",
                format!(
                    "{} cannot name a namespace, and a folder of manifests is one",
                    quote(name)
                ),
                "rename the folder: 1 to 63 of a-z, 0-9 and -",
            ));
            return;
        }
        self.namespace(name);
        for file in &listing.files {
            let text = files::read_regular(file, self.bytes);
            self.text(&files::printed(file), text, Belongs::Namespace(name));
        }
    }

    fn namespace(&mut self, name: &str) -> &mut Namespace {
        self.namespaces
            .entry(name.to_owned())
            .or_insert_with(|| Namespace::named(name))
    }

    fn text(&mut self, file: &str, text: Result<String, Box<Finding>>, belongs: Belongs<'_>) {
        self.files = self.files.saturating_add(1);
        if self.files > limits::MAX_FILES {
            return self.lose_rest(file, "TooManyFiles", limits::MAX_FILES, "files");
        }
        let text = match text {
            Ok(text) => text,
            Err(finding) => return self.lose(*finding),
        };
        self.bytes = self.bytes.saturating_sub(text.len());
        let documents = self.documents.saturating_add(split::pieces(&text).count());
        if documents > self.budget.documents {
            // The files after it may still fit: one that is too long is lost alone.
            return self.lose(Finding::error(
                file,
                "TooManyDocuments",
                format!(
                    "with this file there are more than {} documents; it was not read",
                    self.budget.documents
                ),
                "read fewer at once",
            ));
        }
        self.documents = documents;
        for (index, piece) in split::pieces(&text).enumerate() {
            let (nodes, parsed) = yaml::parse(piece, self.nodes);
            self.nodes = self.nodes.saturating_sub(nodes);
            match parsed {
                Err(refusal) => self.lose(document::refusal(file, refusal)),
                Ok(parsed) => {
                    for document in Document::from_parsed(file, index.saturating_add(1), parsed) {
                        self.document(document, belongs);
                    }
                }
            }
        }
    }

    fn document(&mut self, document: Result<Document, Box<Finding>>, belongs: Belongs<'_>) {
        self.any = true;
        let mut document = match document {
            Ok(document) => document,
            Err(finding) if finding.is_error() => return self.lose(*finding),
            // What it builds is not known here: whoever compares sides must know that.
            Err(skipped) if skipped.reason == KUSTOMIZATION => return self.lose(*skipped),
            Err(remark) => return self.report(*remark),
        };
        if let Err(finding) = settle(&mut document, belongs) {
            // It is no object of this place, so it claims no name here.
            self.refused(&document, belongs);
            return self.report(*finding);
        }
        let findings = (self.check)(&document);
        let refused = findings.iter().any(Finding::is_error);
        findings
            .into_iter()
            .for_each(|finding| self.report(finding));
        let member = matches!(belongs, Belongs::Members);
        if refused {
            return self.refuse(&document, belongs);
        }
        match Object::from_document(&document, member) {
            Ok(None) => {
                let made = document.made_secrets();
                if !made.is_empty() {
                    let home = self.home(&document.namespace, belongs);
                    home.made_secrets.extend(made);
                }
            }
            Ok(Some(object)) => self.home(&document.namespace, belongs).objects.push(object),
            Err(finding) => {
                self.refuse(&document, belongs);
                self.report(*finding);
            }
        }
    }

    fn home(&mut self, namespace: &str, belongs: Belongs<'_>) -> &mut Namespace {
        match belongs {
            Belongs::Members => &mut self.members,
            Belongs::Namespace(name) => self.namespace(name),
            Belongs::Anywhere => self.namespace(namespace),
        }
    }

    /// A refused manifest still claims its name.
    fn refuse(&mut self, document: &Document, belongs: Belongs<'_>) {
        self.refused(document, belongs).push(Spot {
            file: document.source.file.clone(),
            at: document.place.find("/metadata/name"),
        });
    }

    fn refused(&mut self, document: &Document, belongs: Belongs<'_>) -> &mut Vec<Spot> {
        let id = ObjectId {
            kind: document.kind.clone(),
            namespace: document.namespace.clone(),
            name: document.name.clone(),
        };
        let namespace = self.home(&document.namespace, belongs);
        namespace.refused.entry(id).or_default()
    }

    /// A finding about something whose identity is not known.
    fn lose(&mut self, finding: Finding) {
        self.lost.insert(finding.file.clone());
        self.report(finding);
    }

    fn lose_rest(&mut self, file: &str, reason: &str, most: usize, what: &str) {
        self.lost.insert(file.to_owned());
        if !self.overflow {
            self.overflow = true;
            self.report(Finding::error(
                file,
                reason,
                format!("more than {most} {what}; this and what follows was not read"),
                "read fewer at once",
            ));
        }
    }

    fn report(&mut self, finding: Finding) {
        match self.findings.len() {
            n if n < limits::MAX_FINDINGS => self.findings.push(finding),
            n if n == limits::MAX_FINDINGS => self.findings.push(Finding::error(
                &finding.file,
                "TooManyFindings",
                format!(
                    "more than {} findings; the rest is not shown",
                    limits::MAX_FINDINGS
                ),
                "mend these first",
            )),
            _ => {}
        }
    }
}

/// Gives a document its namespace, or says why it cannot have it.
fn settle(document: &mut Document, belongs: Belongs<'_>) -> Result<(), Box<Finding>> {
    match belongs {
        Belongs::Anywhere => Ok(()),
        // Nothing is made of it here; the pipeline's own objects lie beside ours.
        Belongs::Namespace(_) if document.is_foreign() => Ok(()),
        Belongs::Namespace(name) if document.namespace.is_empty() || document.namespace == name => {
            name.clone_into(&mut document.namespace);
            Ok(())
        }
        Belongs::Namespace(name) => Err(Box::new(document.finding(
            "/metadata/namespace",
            "NamespaceMismatch",
            format!(
                "it says namespace {} and lies in the folder of {}",
                quote(&document.namespace),
                quote(name)
            ),
            "remove the line (the folder names the namespace), move the file, or name the file itself",
        ))),
        Belongs::Members if !document.namespace.is_empty() => Err(Box::new(document.finding(
            "/metadata/namespace",
            "NamespaceMismatch",
            "a record of the consortium is applied in every namespace and names none",
            "remove the line",
        ))),
        Belongs::Members
            if document.kind != "PeerOrganization"
                || document.value.pointer("/spec/node").is_some() =>
        {
            Err(Box::new(document.finding(
                "/kind",
                "NotPublic",
                "members/ holds the consortium's public records: PeerOrganizations without node",
                "move it into the folder of its organization",
            )))
        }
        Belongs::Members => Ok(()),
    }
}

impl std::fmt::Debug for Reader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("files", &self.files)
            .field("documents", &self.documents)
            .field("findings", &self.findings.len())
            .finish_non_exhaustive()
    }
}

/// Whether an object is the local organization of its namespace.
pub fn is_local_organization(object: &Object) -> bool {
    matches!(&object.manifest, Manifest::PeerOrganization(organization) if organization.spec.node.is_some())
}
