//! The command line of the sidecar.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser, ValueEnum};
use libp2p::Multiaddr;

/// The node of one organization: holds its private data, checks every request of a peer, and
/// fetches what peers share.
///
/// It takes its configuration from one of two places. On a cluster (--kubernetes-root) the operator
/// writes it into SidecarConfigs of the node's namespace; the node follows them with its service
/// account, and leaves its report in the status of the root. Without a cluster (--config) it is a
/// directory that `finp2p-operator local` writes: root.yaml, slices/ and content/. Nothing is shared
/// until a complete configuration and a certificate for this node's keys are there; what is missing
/// is told at /readyz and in the report. What was applied last is kept, and served from after a
/// restart, for as long as the configuration allows (maxConfigAgeSeconds).
#[derive(Clone, Debug, Parser)]
#[command(name = "finp2p-sidecar", version, max_term_width = 100)]
pub struct Args {
    /// Directory with the node's configuration: root.yaml, slices/, content/. Either this or
    /// --kubernetes-root.
    #[arg(long, env = "FINP2P_CONFIG", value_name = "DIR")]
    pub config: Option<PathBuf>,
    /// Name of the SidecarConfig with the node's root: the id of its organization. The API server is
    /// reached by KUBECONFIG where it is set, else by the pod's service account.
    #[arg(long, env = "FINP2P_KUBERNETES_ROOT", value_name = "ORG")]
    pub kubernetes_root: Option<String>,
    /// Namespace of the node's configuration [default: the one of the kubeconfig or of the pod].
    #[arg(long, env = "FINP2P_KUBERNETES_NAMESPACE", value_name = "NAMESPACE")]
    pub kubernetes_namespace: Option<String>,
    /// Directory on the node's own volume: keys, private store, audit log.
    #[arg(long, env = "FINP2P_STATE", value_name = "DIR")]
    pub state: PathBuf,
    /// File with the store key: 32 random bytes, or 64 hex digits, for this node's eyes only:
    /// (umask 077; head -c 32 /dev/urandom > store.key). Without it nobody can read the private
    /// store.
    #[arg(long, env = "FINP2P_STORE_KEY", value_name = "FILE")]
    pub store_key: PathBuf,
    /// Where peers reach this node, as a multiaddr with a TCP port; may be given more than once.
    #[arg(
        long,
        env = "FINP2P_LISTEN",
        value_name = "MULTIADDR",
        value_delimiter = ',',
        value_parser = crate::network::listen_address,
        default_value = "/ip4/0.0.0.0/tcp/4001"
    )]
    pub listen: Vec<Multiaddr>,
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
    /// `api.clients`, its content the bearer token (at least 32 characters). On a cluster clients
    /// come with the token of their service account, made for the audience finp2p-ORG-api.
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
    /// File that the node writes its report to [default: report.yaml in the state directory]. On a
    /// cluster the report is the status of the root.
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
        default_value = "info,libp2p=warn,kube_client=off"
    )]
    pub log: String,
}

/// Where the configuration comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From<'a> {
    /// A directory.
    Directory(&'a Path),
    /// The Kubernetes API.
    Kubernetes {
        /// Name of the root.
        root: &'a str,
        /// Namespace; the client's own when it is not given.
        namespace: Option<&'a str>,
    },
}

impl Args {
    /// The command line of this process. Ends it with a message when it makes no sense, or asks
    /// for help.
    #[must_use]
    pub fn read() -> Self {
        let args = Self::parse();
        if let Err(message) = args.check() {
            Self::command()
                .error(ErrorKind::ArgumentConflict, message)
                .exit();
        }
        args
    }

    /// Whether the options go together.
    ///
    /// # Errors
    /// What to do about it.
    pub fn check(&self) -> Result<(), &'static str> {
        match (&self.config, &self.kubernetes_root) {
            (None, None) => Err(
                "say where the node's configuration comes from: --kubernetes-root ORG on a cluster, or --config DIR with a directory that `finp2p-operator local` writes",
            ),
            (Some(_), Some(_)) => Err(
                "the node's configuration comes from one place: give --kubernetes-root ORG or --config DIR, not both (FINP2P_KUBERNETES_ROOT and FINP2P_CONFIG count too)",
            ),
            (Some(_), None) if self.kubernetes_namespace.is_some() => Err(
                "--kubernetes-namespace goes with --kubernetes-root; a directory (--config) has no namespace",
            ),
            (None, Some(_)) if self.api_tokens.is_some() => Err(
                "--api-tokens goes with --config: on a cluster clients of the local API come with the token of their service account",
            ),
            (None, Some(_)) if self.report.is_some() => Err(
                "--report goes with --config: on a cluster the report is the status of the root",
            ),
            (None, Some(root)) if !is_object_name(root) => Err(
                "--kubernetes-root is the id of an organization, as in bank-a: lower-case letters, digits and dashes",
            ),
            _ => Ok(()),
        }
    }

    /// Where the configuration comes from.
    #[must_use]
    pub fn from(&self) -> From<'_> {
        match (&self.config, &self.kubernetes_root) {
            (_, Some(root)) => From::Kubernetes {
                root,
                namespace: self.kubernetes_namespace.as_deref(),
            },
            (config, None) => From::Directory(config.as_deref().unwrap_or_else(|| Path::new("."))),
        }
    }
}

fn is_object_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for programs.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(given: &[&str]) -> Args {
        let fixed = ["finp2p-sidecar", "--state", "s", "--store-key", "k"];
        Args::try_parse_from(fixed.iter().chain(given)).unwrap()
    }

    #[test]
    fn a_configuration_comes_from_exactly_one_place() {
        assert_eq!(
            args(&["--config", "dir"]).from(),
            From::Directory(Path::new("dir"))
        );
        let cluster = args(&["--kubernetes-root", "bank-a"]);
        assert_eq!(cluster.check(), Ok(()));
        assert_eq!(
            cluster.from(),
            From::Kubernetes {
                root: "bank-a",
                namespace: None
            }
        );
        for (given, word) in [
            (&[][..], "say where"),
            (&["--config", "d", "--kubernetes-root", "o"], "not both"),
            (
                &["--config", "d", "--kubernetes-namespace", "n"],
                "goes with --kubernetes-root",
            ),
            (
                &["--kubernetes-root", "o", "--api-tokens", "t"],
                "service account",
            ),
            (&["--kubernetes-root", "o", "--report", "f"], "status"),
            (&["--kubernetes-root", "Bank A"], "lower-case"),
        ] {
            let message = args(given).check().unwrap_err();
            assert!(message.contains(word), "{given:?}: {message}");
        }
    }
}
