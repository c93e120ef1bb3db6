//! The command line of the sidecar.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// The node of one organization: holds its private data, checks every request of a peer, and
/// fetches what peers share.
///
/// It takes its configuration from a directory that `finp2p-operator local` writes: root.yaml,
/// slices/ and content/. Nothing is shared until a complete configuration and a certificate
/// for this node's keys are there; what is missing is told at /readyz and in the report.
#[derive(Clone, Debug, Parser)]
#[command(name = "finp2p-sidecar", version, max_term_width = 100)]
pub struct Args {
    /// Directory with the node's configuration: root.yaml, slices/, content/.
    #[arg(long, env = "FINP2P_CONFIG", value_name = "DIR")]
    pub config: PathBuf,
    /// Directory on the node's own volume: keys, private store, audit log.
    #[arg(long, env = "FINP2P_STATE", value_name = "DIR")]
    pub state: PathBuf,
    /// File with the store key: 32 random bytes, or 64 hex digits (head -c 32 /dev/urandom > store.key).
    /// Without it the private store cannot be read, by nobody.
    #[arg(long, env = "FINP2P_STORE_KEY", value_name = "FILE")]
    pub store_key: PathBuf,
    /// Where peers reach this node, as a multiaddr; may be given more than once.
    #[arg(
        long,
        env = "FINP2P_LISTEN",
        value_name = "MULTIADDR",
        value_delimiter = ',',
        default_value = "/ip4/0.0.0.0/tcp/4001"
    )]
    pub listen: Vec<String>,
    /// Where the organization's own programs reach the local API. Loopback unless the pod's
    /// network says who may come in.
    #[arg(
        long,
        env = "FINP2P_API",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:4080"
    )]
    pub api: SocketAddr,
    /// Directory with one file per client of the local API: its name is the client's in
    /// `api.clients`, its content the bearer token (at least 32 characters).
    #[arg(long, env = "FINP2P_API_TOKENS", value_name = "DIR")]
    pub api_tokens: Option<PathBuf>,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(
        long,
        env = "FINP2P_METRICS",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:4090"
    )]
    pub metrics: SocketAddr,
    /// File that the node writes its report to [default: report.yaml in the state directory].
    #[arg(long, env = "FINP2P_REPORT", value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// End in good order when standard input closes: for whoever starts nodes as children, so that
    /// none outlives it.
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// How log lines look.
    #[arg(long, env = "FINP2P_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Which log lines are written, as tracing directives: info, debug, finp2p_sidecar=debug.
    #[arg(
        long,
        env = "FINP2P_LOG",
        value_name = "FILTER",
        default_value = "info,libp2p=warn"
    )]
    pub log: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}
