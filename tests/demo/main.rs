//! `make demo`: three banks on this machine, from manifests to sharing, told step by step.
//!
//! It does what a user does (copy the samples, make keys, exchange public records, start the
//! nodes, ask through the local API) and looks at every answer: it ends with 0 only if each step
//! was really seen.

#![allow(missing_docs)] // a program: names say it
#![allow(clippy::indexing_slicing)] // of JSON only: a missing member reads as null

mod expected;
mod story;
mod transcript;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use finp2p_tests::banks::Banks;
use transcript::Transcript;

/// Three banks share a bond on this machine, and every step is checked.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Args {
    /// Leave the banks running at the end, and print lines to copy and try.
    #[arg(long)]
    keep: bool,
    /// Folder with the manifests of the banks.
    #[arg(long, value_name = "DIR")]
    scenario: Option<PathBuf>,
    /// Empty folder to run in; a temporary one is made and removed when absent.
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut transcript = Transcript::stdout();
    match run(&args, &mut transcript) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            transcript.failed(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args, transcript: &mut Transcript) -> Result<(), String> {
    let temporary = tempfile::Builder::new()
        .prefix("finp2p-demo-")
        .tempdir()
        .map_err(|e| e.to_string())?;
    let folder = args
        .folder
        .clone()
        .unwrap_or_else(|| temporary.path().to_owned());
    let scenario = args.scenario.clone().unwrap_or_else(Banks::samples);
    let mut banks = Banks::from(&scenario, &folder)?;
    let told = story::tell(&mut banks, transcript);
    if let Err(error) = told {
        return Err(format!("{error}\n{}", story::logs(&mut banks)));
    }
    if args.keep {
        let _kept = temporary.keep();
        story::keep(banks, transcript)
    } else {
        transcript.progress("stopping the nodes");
        banks.stop()?;
        transcript.done();
        Ok(())
    }
}
