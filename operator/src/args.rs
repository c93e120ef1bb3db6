//! The command line.

use clap::{Parser, Subcommand};

use crate::command::{diff, explain, local, run, validate};
use crate::keys::{certify, export, keygen};

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
    /// Print what a change gives and takes: access gained and lost.
    Diff(diff::Diff),
    /// Say whether an organization may read something, and why.
    Explain(explain::Explain),
    /// Make the keys of a new organization.
    Keygen(keygen::Keygen),
    /// Certify an issuing key with the root key, once a year.
    Certify(certify::Certify),
    /// Print the public record of an organization, for its peers.
    Export(export::Export),
    /// Run the operator on a Kubernetes API server.
    Run(run::Run),
    /// Run the organizations of a folder on this machine, without a cluster.
    Local(local::Local),
}
