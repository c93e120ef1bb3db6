//! `export`: the public record of an organization, for its peers.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use finp2p_crds::definition::to_yaml;
use finp2p_crds::peer_organization::{Issuer, PeerOrganization, PeerOrganizationSpec, RootKey};

use crate::manifest::{Document, Manifest, Reader};

/// Prints the public record of an organization: what its peers apply.
#[derive(Args, Clone, Debug)]
#[command(after_long_help = HELP)]
pub struct Export {
    /// Folder with the organization's manifests.
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
    /// Id of the organization on the network: bank-b.
    #[arg(value_name = "ORG")]
    pub organization: String,
}

const HELP: &str = "\
Reads the manifests of FOLDER and puts together what is public of ORG: root keys, addresses,
issuer. Nothing else is printed: no node, no labels, no suspension, no Secret.

Example:
  finp2p-operator export banks bank-b > bank-b.yaml    # then move it to where members are
";

/// Why nothing was exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Some of the manifests could not be read.
    #[error(
        "{file}: {message}. Mend it first: finp2p-operator validate shows everything that is wrong"
    )]
    Manifests {
        /// The file.
        file: String,
        /// What is wrong in it.
        message: String,
    },
    /// Nothing is said of the organization.
    #[error(
        "no PeerOrganization of {organization} is in {folder}: give the folder that keygen wrote its public record to, or the organization's own manifests"
    )]
    NotFound {
        /// The organization.
        organization: String,
        /// The folder.
        folder: PathBuf,
    },
    /// The organization's manifests list different keys.
    #[error(
        "PeerOrganization {first} and PeerOrganization {second} list different keys for one organization: correct whichever is wrong"
    )]
    KeysDiffer {
        /// Name of an object.
        first: String,
        /// Name of another.
        second: String,
    },
    /// There is nothing that peers could trust.
    #[error(
        "the manifests of {0} list neither keys nor an issuer: add the public record that keygen wrote"
    )]
    NothingPublic(String),
    /// No YAML form.
    #[error("the record could not be written as YAML")]
    Yaml(#[source] serde_yaml::Error),
    /// It could not be printed.
    #[error("standard output is closed")]
    Output(#[source] std::io::Error),
}

/// Prints the public record.
///
/// # Errors
/// [`ExportError`]; then nothing was printed.
pub fn run(args: &Export, mut output: impl Write) -> Result<(), ExportError> {
    let accept_all = |_: &Document| Vec::new();
    let mut reader = Reader::new(&accept_all);
    reader.path(&args.folder);
    let folder = reader.finish();
    if let Some(finding) = folder.findings.iter().find(|finding| finding.is_error()) {
        return Err(ExportError::Manifests {
            file: finding.file.clone(),
            message: finding.message.clone(),
        });
    }
    let mut of_organization: Vec<&PeerOrganization> = folder
        .namespaces
        .iter()
        .flat_map(|namespace| &namespace.objects)
        .filter_map(|object| match &object.manifest {
            Manifest::PeerOrganization(o) if id_of(o) == args.organization => Some(o.as_ref()),
            _ => None,
        })
        .collect();
    // In a folder of several organizations peers hold copies of the record: the organization's
    // own word comes first.
    let home = of_organization.iter().find(|o| o.spec.node.is_some());
    if let Some(home) = home.and_then(|o| o.metadata.namespace.clone()) {
        of_organization.retain(|o| o.metadata.namespace.as_deref() == Some(&home));
    }
    let text = merged(args, &of_organization)?;
    output
        .write_all(text.as_bytes())
        .map_err(ExportError::Output)
}

fn merged(args: &Export, objects: &[&PeerOrganization]) -> Result<String, ExportError> {
    let organization = &args.organization;
    if objects.is_empty() {
        return Err(ExportError::NotFound {
            organization: organization.clone(),
            folder: args.folder.clone(),
        });
    }
    let mut keys: Option<&PeerOrganization> = None;
    for object in objects.iter().filter(|o| !o.spec.keys.is_empty()) {
        match keys {
            Some(first) if first.spec.keys != object.spec.keys => {
                return Err(ExportError::KeysDiffer {
                    first: name_of(first),
                    second: name_of(object),
                });
            }
            _ => keys = Some(object),
        }
    }
    let issuer = objects.iter().find_map(|o| o.spec.issuer.clone());
    // What the node announces is what peers should dial, unless the record says it already.
    let listed = objects.iter().map(|o| &o.spec.addresses);
    let announced = objects
        .iter()
        .filter_map(|o| o.spec.node.as_ref())
        .map(|node| &node.announce);
    let addresses = announced
        .chain(listed)
        .find(|addresses| !addresses.is_empty());
    let keys = keys
        .map(|object| object.spec.keys.clone())
        .unwrap_or_default();
    if keys.is_empty() && issuer.is_none() {
        return Err(ExportError::NothingPublic(organization.clone()));
    }
    record(
        organization,
        keys,
        addresses.cloned().unwrap_or_default(),
        issuer,
    )
}

/// The public record as YAML: these facts, and no others.
///
/// # Errors
/// [`ExportError::Yaml`].
pub fn record(
    organization: &str,
    keys: Vec<RootKey>,
    addresses: Vec<String>,
    issuer: Option<Issuer>,
) -> Result<String, ExportError> {
    let spec = PeerOrganizationSpec {
        keys,
        addresses,
        issuer,
        ..PeerOrganizationSpec::default()
    };
    // Who runs a node and cannot be dialled shares nothing: whoever reads the record should know.
    let remark = if spec.addresses.is_empty() && !spec.keys.is_empty() {
        "# It lists no addresses: its node dials others, and nobody can fetch what it shares. To be dialled, add spec.addresses.\n"
    } else {
        ""
    };
    let yaml = to_yaml(&PeerOrganization::new(organization, spec)).map_err(ExportError::Yaml)?;
    Ok(format!(
        "# Public record of {organization}: apply it in the namespace of each member. Nothing in it is secret.\n{remark}{yaml}"
    ))
}

fn id_of(object: &PeerOrganization) -> String {
    object
        .spec
        .organization_id
        .clone()
        .unwrap_or_else(|| name_of(object))
}

fn name_of(object: &PeerOrganization) -> String {
    object.metadata.name.clone().unwrap_or_default()
}
