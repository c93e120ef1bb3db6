//! The operator's program: arguments in, one command, an exit status out. The clock, the
//! environment and the standard streams enter here and nowhere else.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use finp2p_operator::args::{Args, Command};
use finp2p_operator::command;

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to tell if standard error is gone too.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Validate(validate) => {
            command::validate::run(validate, std::io::stdin().lock(), std::io::stdout().lock())
                .context("validate")
        }
    }
}
