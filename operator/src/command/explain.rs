//! `finp2p-operator explain --requester ID --resource ID PATH…`

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use finp2p_crds::ResourceId;
use finp2p_crds::access::{Facts, Operation, is_pointer};
use finp2p_crds::sidecar_config::SidecarConfigStatus;
use jiff::Timestamp;

use super::live::{LookError, look_with_report};
use super::roll_back;
use crate::cluster::Live;
use crate::diff::files::{SideError, live, side};
use crate::diff::world::World;
use crate::explain::content::{Units, Unread, of_files};
use crate::explain::report::Report;
use crate::explain::{Asked, explain};
use crate::finding::plain;
use crate::manifest::Folder;
use crate::validate::{Checker, CheckerError};

/// Say whether an organization may read something, by which policy, and if not, why not and what
/// would mend it.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Explain {
    /// Files, the folder of one namespace, or a folder of such folders; - is standard input.
    pub paths: Vec<PathBuf>,
    /// Organization id of the reader.
    #[arg(long, value_name = "ID")]
    pub requester: String,
    /// The resource, for example bank-a:102:ZZGREEN20318.
    #[arg(long, value_name = "ID")]
    pub resource: ResourceId,
    /// A field that it asks for, as a JSON Pointer; may be repeated. Without one: whatever it may have.
    #[arg(long, value_name = "POINTER", value_parser = pointer)]
    pub unit: Vec<String>,
    /// The purpose that its request names.
    #[arg(long)]
    pub purpose: Option<String>,
    /// It wants to keep a replica (mode Push) instead of asking once.
    #[arg(long)]
    pub subscribe: bool,
    /// Judge at this moment instead of now, for example 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// Look at a cluster (KUBECONFIG, or the pod's own) instead of files.
    #[arg(long, conflicts_with = "paths")]
    pub from_cluster: bool,
    /// The namespace of the cluster; implies --from-cluster [default: the context's].
    #[arg(long, value_name = "NS", conflicts_with = "paths")]
    pub namespace: Option<String>,
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: the verdict first.
    Text,
    /// For programs; see below.
    Json,
}

const HELP: &str = r#"Examples:
  finp2p-operator explain --requester bank-b --resource bank-a:102:ZZGREEN20318 banks
  finp2p-operator explain --requester bank-b --resource bank-a:102:ZZGREEN20318 \
      --unit /settlement banks
  finp2p-operator explain --requester bank-b --resource bank-a:102:ZZGREEN20318 --namespace bank-a

  refused: bank-b may not fetch /settlement of bank-a:102:ZZGREEN20318 at 2026-12-01T00:00:00Z
    why: /settlement is opened by no policy that is satisfied; a request gets all it asks for, or nothing
    to mend it: ask with --purpose settlement, or do not ask for /settlement
    the peer is told: Fields
  policies
    + bond-terms (change 4f2a91c): grants /isin, /name
    - bond-settlement: is for settlement, and the request names none [ask with --purpose settlement]

The decision is the node's own: the same function over the same declarations. Fields are those of
the content where a Secret or ConfigMap of the files holds it; private values are never shown.

JSON (--output json), finp2p.io/explain/v1:
  {"schema", "requester", "resource", "at", "operation", "purpose"?, "wanted": [pointer],
   "verdict": "granted"|"refused"|"undecided", "reason"?, "told"?, "why"?, "cure"?,
   "fields": [pointer], "everyOtherField", "terms"?: {"modes", "purposes"?, "expires"?, "redistribute"},
   "policies": [{"name", "generation"?, "change"?, "says", "fields"?, "why", "cure"?}],
   "omitted", "unrelated", "depends": [text]}
reason: NotShared, Purpose, Fields, NoContent, or NoValidKey: no root key of the requester opens a
session at that moment, so its node is refused (told: Authentication) before policies are asked.
New members may be added; none is removed or renamed.

A node whose configuration went back in time (ConfigurationRolledBack: a restored control plane)
serves only what both this one and the one that it had before grant, until somebody accepts. What
the manifests grant is then undecided here; what they refuse is refused all the same. That is read
from the node's report, or the status of the local organization; for files, from the state of
finp2p-operator local in .finp2p beside them.

Exit status: 0 granted, 2 refused, 3 undecided, 1 an error.
"#;

fn pointer(text: &str) -> Result<String, &'static str> {
    if is_pointer(text) {
        Ok(text.to_owned())
    } else {
        Err("a field is written as a JSON Pointer, for example /terms/coupon")
    }
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The checks could not be set up.
    #[error("the checks could not be set up")]
    Checker(#[from] CheckerError),
    /// Nothing was given to look at.
    #[error("give the manifests (files or folders), or --namespace to look at a cluster")]
    NothingGiven,
    /// The files are not known.
    #[error("the manifests")]
    Files(#[source] SideError),
    /// The cluster is not known.
    #[error(transparent)]
    Look(#[from] LookError),
    /// Nobody here decides about the resource.
    #[error("nobody here decides about {resource}: {why}")]
    NoPrimary {
        /// The resource.
        resource: String,
        /// What there is instead.
        why: String,
    },
    /// The report could not be written.
    #[error("the report could not be written")]
    Write(#[from] std::io::Error),
    /// The report has no JSON form.
    #[error("the report has no JSON form")]
    Json,
}

/// Runs the command.
///
/// # Errors
/// [`ExplainError`]: there is no verdict.
pub fn run(
    args: &Explain,
    now: Timestamp,
    input: impl Read,
    mut output: impl Write,
) -> Result<ExitCode, ExplainError> {
    let asked = Asked {
        requester: args.requester.clone(),
        resource: args.resource.clone(),
        operation: if args.subscribe {
            Operation::Subscribe
        } else {
            Operation::Fetch
        },
        purpose: args.purpose.clone(),
        wanted: args.unit.clone(),
        now: args.at.unwrap_or(now),
    };
    let seen = see(args, asked.now, input)?;
    let (world, facts) = primary(&seen.worlds, &asked.resource)?;
    let units = units(world, facts, seen.folder.as_ref(), &asked);
    let explanation = explain(facts, asked, units);
    let organization = facts.organization();
    let rolled_back = match &seen.look {
        Some((live, report)) => roll_back::in_cluster(live, report.as_ref(), organization),
        None => roll_back::in_files(&args.paths, organization),
    };
    let numbered = seen.look.is_some();
    let report = Report::new(world, &explanation, numbered, rolled_back.as_deref());
    let text = match args.output {
        Output::Text => plain(&report.text()).into_owned(),
        Output::Json => report.json().ok_or(ExplainError::Json)?,
    };
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(ExitCode::from(report.verdict.exit_status()))
}

/// What is explained from.
struct Seen {
    worlds: Vec<World>,
    /// The manifests, where it is files.
    folder: Option<Folder>,
    /// The namespace and the node's report, where it is a cluster.
    look: Option<(Live, Option<SidecarConfigStatus>)>,
}

fn see(args: &Explain, at: Timestamp, input: impl Read) -> Result<Seen, ExplainError> {
    if args.from_cluster || args.namespace.is_some() {
        let (namespace, report) = look_with_report(args.namespace.as_deref())?;
        return Ok(Seen {
            worlds: vec![live(&namespace, at)],
            folder: None,
            look: Some((namespace, report)),
        });
    }
    if args.paths.is_empty() {
        return Err(ExplainError::NothingGiven);
    }
    let folder = Checker::new()?.read_paths(&args.paths, input);
    let mut side = side(&folder, at, false).map_err(ExplainError::Files)?;
    for refused in side.refused {
        let mut worlds = side.worlds.iter_mut();
        if let Some(world) = worlds.find(|world| world.namespace == refused.namespace) {
            world.refused.push(refused);
        }
    }
    Ok(Seen {
        worlds: side.worlds,
        folder: Some(folder),
        look: None,
    })
}

/// The namespace whose node decides about a resource: the Primary's.
fn primary<'w>(
    worlds: &'w [World],
    resource: &ResourceId,
) -> Result<(&'w World, &'w Facts), ExplainError> {
    let homes: Vec<(&World, &Facts)> = worlds
        .iter()
        .filter_map(|world| Some((world, world.facts.as_ref()?)))
        .collect();
    let mut mine = homes
        .iter()
        .filter(|(_, facts)| facts.organization() == resource.organization());
    match (mine.next(), homes.as_slice()) {
        (Some(home), _) => Ok(*home),
        (None, []) => {
            let why = worlds.iter().find_map(|world| world.homeless.clone());
            Err(ExplainError::NoPrimary {
                resource: resource.to_string(),
                why: why.unwrap_or_else(|| "no local organization is declared".to_owned()),
            })
        }
        (None, many) => {
            let ids: Vec<&str> = many.iter().map(|(_, facts)| facts.organization()).collect();
            Err(ExplainError::NoPrimary {
                resource: resource.to_string(),
                why: format!(
                    "{primary} is its Primary, and here runs the node of {}. Ask with the manifests, or the namespace, of {primary}",
                    ids.join(", "),
                    primary = resource.organization()
                ),
            })
        }
    }
}

fn units(world: &World, facts: &Facts, folder: Option<&Folder>, asked: &Asked) -> Units {
    let asset = facts.own_asset(&asked.resource).ok();
    let namespaces = folder.into_iter().flat_map(|folder| &folder.namespaces);
    let namespace = namespaces.into_iter().find(|n| n.name == world.namespace);
    let known = match (namespace, asset) {
        (Some(namespace), Some(asset)) => of_files(
            namespace,
            asset.payload.content.as_ref(),
            &asset.payload.units,
        ),
        (None, _) => Err(Unread::Elsewhere(
            "nobody but the node reads content in a cluster".to_owned(),
        )),
        (_, None) => Err(Unread::Elsewhere("there is no such asset".to_owned())),
    };
    match known {
        Ok(units) => Units::Known(units),
        Err(because) => Units::assumed(facts, &asked.resource, &asked.wanted, because),
    }
}
