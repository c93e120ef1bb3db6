//! `finp2p-operator run`: the operator on an API server.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use finp2p_crds::resource_id::is_organization;
use jiff::Timestamp;
use kube::Config;
use tokio::signal::unix::{SignalKind, signal};

use crate::client::client;
use crate::keys::signer_command::SignerCommand;
use crate::leader::Candidate;
use crate::run::{Options, run};
use crate::telemetry::{self, LogFormat};

/// Watches the listed namespaces and runs a node for the local organization of each.
///
/// The Kubernetes API is found as kubectl finds it ($KUBECONFIG, ~/.kube/config), or by the service
/// account of the pod. What the operator may do is written down in the chart: read the kinds of
/// sharing.finp2p.io, write their status, and make what a node needs, in the listed namespaces and
/// nowhere else.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Run {
    /// Namespaces to keep, each with at most one local organization. No other is looked at.
    #[arg(long, env = "FINP2P_NAMESPACES", value_name = "NAMESPACE", value_delimiter = ',', value_parser = namespace, required = true, num_args = 1..)]
    pub namespaces: Vec<String>,
    /// Namespace of the Lease that elects one of several operators [default: the namespace that the
    /// client is configured for].
    #[arg(long, env = "FINP2P_OPERATOR_NAMESPACE", value_name = "NAMESPACE", value_parser = namespace)]
    pub operator_namespace: Option<String>,
    /// Name of the Lease.
    #[arg(
        long,
        env = "FINP2P_LEASE",
        value_name = "NAME",
        default_value = "finp2p-operator"
    )]
    pub lease: String,
    /// Name of this instance; each process adds a random suffix, so that no two ever take each other's
    /// Lease for their own [default: $HOSTNAME].
    #[arg(long, env = "FINP2P_IDENTITY", value_name = "NAME")]
    pub identity: Option<String>,
    /// Image of the sidecar, for nodes that do not name their own.
    #[arg(long, env = "FINP2P_SIDECAR_IMAGE", value_name = "IMAGE")]
    pub sidecar_image: String,
    /// Labels of the namespaces whose pods may scrape the nodes' metrics, as KEY=VALUE; all must
    /// match. Without it nobody may.
    #[arg(long, env = "FINP2P_METRICS_FROM", value_name = "LABEL", value_delimiter = ',', value_parser = label)]
    pub metrics_from: Vec<(String, String)>,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(
        long,
        env = "FINP2P_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "0.0.0.0:8080"
    )]
    pub listen: SocketAddr,
    /// Program that signs with issuing keys which are elsewhere (HSM, KMS, Vault). It gets the
    /// organization and the key's id as arguments and the bytes on standard input, and answers
    /// with 64 bytes. The Secrets then hold `certificate` only.
    #[arg(long, env = "FINP2P_SIGNER_COMMAND", value_name = "PROGRAM")]
    pub signer_command: Option<PathBuf>,
    /// How log lines look.
    #[arg(long, env = "FINP2P_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// Which log lines are written, as tracing directives: info, debug, finp2p_operator=debug.
    #[arg(
        long,
        env = "FINP2P_LOG",
        value_name = "FILTER",
        default_value = "info"
    )]
    pub log: String,
}

const EXAMPLES: &str = "\
Examples:
  finp2p-operator run --namespaces bank-a --sidecar-image registry.example/finp2p-sidecar:0.1.0
  kubectl get finp2p -n bank-a          # what is accepted, in force, and why not";

/// The operator until a signal ends it.
///
/// # Errors
/// When there is no way to an API server in the configuration, or the probes cannot be served.
pub async fn start(args: &Run, clock: fn() -> Timestamp, random: u32) -> anyhow::Result<()> {
    telemetry::start(&args.log, args.log_format)?;
    let mut config = Config::infer().await.context(
        "no Kubernetes API is configured: set KUBECONFIG, or run in a pod with a service account",
    )?;
    // The operator has pauses of its own, and tells about them. The client's grow to minutes, unseen.
    config.default_retry = false;
    let namespace = args.operator_namespace.clone();
    let options = Options {
        namespaces: unique(&args.namespaces),
        candidate: Candidate {
            namespace: namespace.unwrap_or_else(|| config.default_namespace.clone()),
            lease: args.lease.clone(),
            identity: identity(args.identity.as_deref(), random),
        },
        sidecar_image: args.sidecar_image.clone(),
        metrics_from: (!args.metrics_from.is_empty()).then(|| {
            args.metrics_from
                .iter()
                .cloned()
                .collect::<BTreeMap<_, _>>()
        }),
        listen: args.listen,
        signer_command: args.signer_command.clone().map(SignerCommand::new),
    };
    let client = client(config).context("the Kubernetes client does not start")?;
    run(options, client, clock, terminated()?).await?;
    Ok(())
}

fn terminated() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn unique(namespaces: &[String]) -> Vec<String> {
    let set: std::collections::BTreeSet<_> = namespaces.iter().cloned().collect();
    set.into_iter().collect()
}

fn identity(name: Option<&str>, random: u32) -> String {
    let host = rustix::system::uname();
    let name = name.map_or_else(|| host.nodename().to_string_lossy(), Into::into);
    format!("{name}-{random:08x}")
}

/// The name of a namespace is a DNS label (RFC 1123), as an organization id is.
fn namespace(text: &str) -> Result<String, String> {
    if is_organization(text) {
        return Ok(text.to_owned());
    }
    Err("no namespace can have this name: it is 1 to 63 of a-z, 0-9 and -, and begins and ends with a letter or digit".to_owned())
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once('=')
        .ok_or("write a label as KEY=VALUE, for example kubernetes.io/metadata.name=monitoring")?;
    Ok((key.to_owned(), value.to_owned()))
}
