//! `finp2p-operator diff OLD NEW`

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::live::{LookError, look};
use crate::diff::compare::{CompareError, namespaces};
use crate::diff::files::{Side, SideError, applied, live, side};
use crate::diff::report::Report;
use crate::finding::plain;
use crate::validate::{Checker, CheckerError, STANDARD_INPUT};

/// Print what a change gives and takes: access gained and lost per peer, resource and field, and
/// whom we newly trust. Ends with 2 when anything is gained: the gate of a pipeline.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Diff {
    /// The manifests before and after: files, the folder of one namespace, or a folder of such
    /// folders; - is standard input. With a cluster as OLD only NEW is given.
    #[arg(value_names = ["OLD", "NEW"], num_args = 1..=2, required = true)]
    pub paths: Vec<PathBuf>,
    /// Compare what a cluster holds now (KUBECONFIG, or the pod's own) with what it would hold
    /// once NEW has been applied.
    #[arg(long)]
    pub from_cluster: bool,
    /// The namespace of the cluster; implies --from-cluster [default: the context's].
    #[arg(long, value_name = "NS")]
    pub namespace: Option<String>,
    /// With a cluster: what NEW does not name is deleted. Without it, that stays.
    #[arg(long)]
    pub prune: bool,
    /// Judge from this moment on instead of now, for example 2027-01-01T00:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub at: Option<Timestamp>,
    /// How it is printed.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How a difference is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: + is gained, - is lost.
    Text,
    /// For programs; see below.
    Json,
    /// For a review comment: one line, then a table.
    Markdown,
}

const HELP: &str = r#"Examples:
  git worktree add ../main origin/main
  finp2p-operator diff ../main/bank-a bank-a                # what does this branch change?
  finp2p-operator diff --output markdown ../main . > comment.md
  finp2p-operator diff --namespace bank-a bank-a            # against what the cluster holds now
  kubectl kustomize overlays/prod | finp2p-operator diff --from-cluster -

  access gained: 1 peer on 1 asset; lost: nothing
  + bank-b on bank-a:102:ZZGREEN20318: /terms/reservePrice
      see listed, fetch; for any purpose; by policy bond-terms (changed with 4f2a91c)

Gained is whatever would be granted at any moment from now on and was not before: a field, a
purpose, fetching, subscribing, being listed, passing on, a longer window, also one that only
begins later. It is also trust: a root key or more time for one, verifyOnly or revokedAt taken
away, a revoked serial, a lifted suspension, a lower minimumProtocolVersion, an issuer, its types,
keys and status lists, a verb of the local API; and a demand on buyers that is gone.
Names that lead nowhere count as if their object will be added. Objects that are refused count as
not there, and are listed; against a cluster, one that cannot be applied leaves there what is there
("kept"), unless --prune. OLD and NEW need the local organization (the PeerOrganization with
node) of every namespace that shares something; the records of peers alone can be compared too.

JSON (--output json), finp2p.io/diff/v1:
  {"schema", "now", "summary", "gained": CHANGES, "lost": CHANGES,
   "refused": [{"namespace"?, "kind", "name", "place"?, "reason", "message", "kept"?}], "remarks": [text]}
  CHANGES: {"access": [{"namespace", "pairs", "peers": [id], "resources": [id],
              "rights": ["List"|"Fetch"|"Subscribe"|"Redistribute"],
              "fields": WORDS, "purposes": WORDS, "from"?, "until"?,
              "policies": [{"name", "change"?}], "because": [{"kind", "name"?, "what"}],
              "unresolved"?: [name]}],
            "omitted", "peers", "resources",
            "trust": [{"organization", "record", "what", …, "namespaces"}],
            "eligibility": [{"namespace", "resource", "what", …}]}
  WORDS: {"only": [word]} or {"all": {"except": [word]}}
New members may be added; none is removed or renamed.

Exit status: 0 nothing gained (what is lost is shown), 2 something gained, 1 an error: it is not
known what is gained.
"#;

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum DiffError {
    /// The checks could not be set up.
    #[error("the checks could not be set up")]
    Checker(#[from] CheckerError),
    /// The arguments do not name two sides.
    #[error("{0}")]
    Arguments(&'static str),
    /// The older side is not known.
    #[error("OLD")]
    Old(#[source] SideError),
    /// The newer side is not known.
    #[error("NEW")]
    New(#[source] SideError),
    /// The cluster is not known.
    #[error(transparent)]
    Look(#[from] LookError),
    /// The sides cannot be compared.
    #[error(transparent)]
    Compare(#[from] CompareError),
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
/// [`DiffError`]: it is not known whether anything is gained.
pub fn run(
    args: &Diff,
    now: Timestamp,
    input: impl Read,
    mut output: impl Write,
) -> Result<ExitCode, DiffError> {
    let now = args.at.unwrap_or(now);
    let [before, after] = sides(args, now, input)?;
    let mut difference = namespaces(&before.worlds, &after.worlds, now)?;
    difference.refused.extend(after.refused);
    difference.refused.sort();
    let report = Report::new(difference, now);
    let text = match args.output {
        Output::Text => plain(&report.text()).into_owned(),
        Output::Json => report.json().ok_or(DiffError::Json)?,
        Output::Markdown => plain(&report.markdown()).into_owned(),
    };
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(if report.widens() {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

fn sides(args: &Diff, now: Timestamp, mut input: impl Read) -> Result<[Side; 2], DiffError> {
    let checker = Checker::new()?;
    let mut read = |path: &PathBuf| checker.read_paths(std::slice::from_ref(path), &mut input);
    let cluster = args.from_cluster || args.namespace.is_some();
    match (cluster, args.paths.as_slice()) {
        (true, [new]) => {
            let there = look(args.namespace.as_deref())?;
            let before = Side {
                worlds: vec![live(&there, now)],
                refused: Vec::new(),
            };
            let after =
                applied(&checker, &there, &read(new), args.prune, now).map_err(DiffError::New)?;
            Ok([before, after])
        }
        (false, [old, new]) => {
            if [old, new]
                .iter()
                .all(|path| path.as_os_str() == STANDARD_INPUT)
            {
                return Err(DiffError::Arguments(
                    "only one of OLD and NEW can be standard input",
                ));
            }
            if args.prune {
                return Err(DiffError::Arguments(
                    "--prune is about a cluster: of two sides in files, what NEW does not name is gone",
                ));
            }
            Ok([
                side(&read(old), now, true).map_err(DiffError::Old)?,
                side(&read(new), now, false).map_err(DiffError::New)?,
            ])
        }
        (true, _) => Err(DiffError::Arguments(
            "with --from-cluster or --namespace the cluster is OLD: give NEW only",
        )),
        (false, _) => Err(DiffError::Arguments(
            "give OLD and NEW, or NEW with --from-cluster or --namespace",
        )),
    }
}
