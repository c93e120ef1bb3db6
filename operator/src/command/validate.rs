//! `finp2p-operator validate PATH…`

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use crate::finding::plain;
use crate::validate::report::Report;
use crate::validate::{Checker, CheckerError, plan};

/// Check manifests without applying them: schema with unknown fields refused, CEL rules, keys,
/// and whether what they name is there. Nothing is contacted and nothing is changed.
#[derive(Debug, Args)]
#[command(after_long_help = HELP)]
pub struct Validate {
    /// Files, the folder of one namespace, or a folder of such folders; - is standard input.
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
    /// How findings are printed.
    #[arg(long, short, value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How findings are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: file:line:column first, as a compiler does.
    Text,
    /// For programs; see below.
    Json,
}

const HELP: &str = r#"Examples:
  finp2p-operator validate bank-a/bond.yaml
  finp2p-operator validate crds/samples/first-light
  kubectl kustomize overlays/production | finp2p-operator validate -

  bank-a/policy.yaml:9:3: error: SharingPolicy bank-a/bonds: /spec/feilds: unknown field `feilds` [UnknownField]
      did you mean `fields`?
  1 error, 0 warnings (4 objects passed)

A folder of namespaces:
  DIR/bank-a/*.yaml    objects of namespace bank-a (metadata.namespace absent, or equal)
  DIR/members/*.yaml   public records of the consortium, in every namespace
Names are looked up, and everything is planned as the operator would, in namespaces that have a
local organization (a PeerOrganization with node) among what is given. A Secret or ConfigMap that is
not there is an error where others of its kind are; where a namespace declares none of them, it is taken
to be made elsewhere (sealed secrets, external secrets), with a warning.
A kustomization is passed over with a warning: build it, and give what comes out, as above.

JSON (--output json), finp2p.io/validate/v1:
  {"schema", "objects", "errors", "warnings", "unplanned": [namespace],
   "findings": [{"file", "line"?, "column"?, "severity": "error"|"warning",
                 "kind"?, "namespace"?, "name"?, "field"? (JSON Pointer),
                 "reason" (one word), "message", "cure"}]}
Findings are sorted by file and line. New members may be added; none is removed or renamed.

Exit status: 0 nothing worse than a warning, 1 at least one error, 2 the command was not understood.
"#;

/// Why the command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The checks could not be set up.
    #[error("the checks could not be set up")]
    Checker(#[from] CheckerError),
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
/// [`ValidateError`]; what is wrong with manifests is not an error of the command.
pub fn run(
    args: &Validate,
    now: Timestamp,
    input: impl Read,
    mut output: impl Write,
) -> Result<ExitCode, ValidateError> {
    let checker = Checker::new()?;
    let folder = checker.read_paths(&args.paths, input);
    let planned = plan::check(&folder, now);
    let report = Report::new(folder, planned);
    let text = match args.output {
        Output::Text => plain(&report.text()).into_owned(),
        Output::Json => report.json().ok_or(ValidateError::Json)?,
    };
    output.write_all(text.as_bytes())?;
    output.flush()?;
    Ok(if report.errors == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
