//! The command line.

use clap::{Parser, Subcommand};

use crate::command::validate;

/// FinP2P operator: declares private data sharing between institutions.
#[derive(Debug, Parser)]
#[command(name = "finp2p-operator", version, about, propagate_version = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What the program can do; one file under `command/` each.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check manifests without applying them.
    Validate(validate::Validate),
}
