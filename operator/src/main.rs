//! The operator's program: arguments in, one command, an exit status out. The clock, the
//! environment and the standard streams enter here and nowhere else.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use finp2p_operator::args::{Args, Command};
use finp2p_operator::cluster_error::chain;
use finp2p_operator::command;
use finp2p_operator::finding::plain;
use finp2p_operator::keys::{certify, export, keygen};
use jiff::Timestamp;

/// Gives back what the plan of a large namespace took for a moment; the system's allocator keeps it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return not_understood(&error),
    };
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell if standard error is gone too.
            let _ = writeln!(std::io::stderr(), "error: {}", plain(&chain(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// Prints help, the version, or what is wrong with the arguments. The status of the latter is 2,
/// as everywhere, but not where 2 is a verdict.
fn not_understood(error: &clap::Error) -> ExitCode {
    // Nothing is left to tell if the terminal is gone.
    let _ = error.print();
    let command = std::env::args_os().nth(1).unwrap_or_default();
    match error.exit_code() {
        0 => ExitCode::SUCCESS,
        _ if command == "diff" || command == "explain" => ExitCode::FAILURE,
        _ => ExitCode::from(2),
    }
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    match &args.command {
        Command::Validate(validate) => {
            return command::validate::run(validate, now(), stdin.lock(), stdout.lock())
                .context("validate");
        }
        Command::Diff(diff) => {
            return command::diff::run(diff, now(), stdin.lock(), stdout.lock()).context("diff");
        }
        Command::Explain(explain) => {
            return command::explain::run(explain, now(), stdin.lock(), stdout.lock())
                .context("explain");
        }
        Command::Keygen(args) => {
            keygen::run(args, now(), &mut rand::rng(), stdout.lock()).context("keygen")?;
        }
        Command::Certify(args) => {
            certify::run(args, now(), &mut rand::rng(), stdout.lock()).context("certify")?;
        }
        Command::Export(args) => export::run(args, stdout.lock()).context("export")?,
        Command::Run(args) => {
            // One TLS provider in the process, chosen before the first connection.
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let _chosen_before = provider.install_default();
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .context("run")?;
            runtime
                .block_on(command::run::start(args, now, rand::random()))
                .context("run")?;
        }
        Command::Local(args) => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("local")?;
            runtime
                .block_on(command::local::start(args, now, rand::rng(), stdout.lock()))
                .context("local")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The clock, read here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "main is where the clock is read")]
fn now() -> Timestamp {
    Timestamp::now()
}
