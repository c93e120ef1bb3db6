//! `make control-plane`: a Kubernetes API server on this machine with two banks on it, to try things
//! on: etcd, kube-apiserver and kube-controller-manager, the objects of the chart, the operator and
//! the banks' sidecars, each a process under its own service account. Everything is gone when it ends.
#![allow(clippy::print_stdout)] // its output is for a person

mod guide;

use std::io::Write as _;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use finp2p_tests::binaries::binaries;
use finp2p_tests::consortium::Consortium;
use finp2p_tests::control_plane::parts::parts;
use finp2p_tests::control_plane::{ControlPlane, Settings};
use tokio::signal::unix::{SignalKind, signal};

/// A Kubernetes API server with two banks on it, until Ctrl-C.
#[derive(Debug, Parser)]
#[command(name = "control-plane")]
struct Args {
    /// Only the API server with our CRDs: no chart, no operator, no banks.
    #[arg(long)]
    bare: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if args.bare {
        let cluster = ControlPlane::start(Settings::default());
        say(&environment(&cluster)?)?;
        say("# an API server with our CRDs runs until Ctrl-C")?;
        return until_interrupted();
    }
    #[allow(clippy::disallowed_methods)] // how long the start takes, for a person
    let begin = Instant::now();
    binaries(); // built now, where it is seen, if they are not there
    parts();
    let seconds = || begin.elapsed().as_secs();
    say("Starting etcd, the Kubernetes API server and its controllers.")?;
    let cluster = ControlPlane::start(Settings::default());
    say(&format!("{:>4} s  applying the chart", seconds()))?;
    let mut banks = Consortium::install_alone(&cluster, &["bank-a", "bank-b"]);
    let started = format!(
        "{:>4} s  applying the samples; starting the operator and the nodes of bank-a and bank-b",
        seconds()
    );
    say(&started)?;
    banks.start();
    guide::accounts(&banks);
    say(&format!("{:>4} s  every object is Ready", seconds()))?;
    say(&guide::text(&banks, &environment(&cluster)?))?;
    until_interrupted()?;
    say("\nStopping.")?;
    drop(banks);
    drop(cluster);
    say("Everything is gone.")
}

/// Lines that make this control plane the one of a shell.
fn environment(cluster: &ControlPlane) -> anyhow::Result<String> {
    let kubectl = parts().kubectl.parent().context("the folder of kubectl")?;
    let kubeconfig = cluster.admin().kubeconfig.display().to_string();
    Ok(format!(
        "export KUBECONFIG={kubeconfig}\nexport PATH={}:$PATH",
        kubectl.display()
    ))
}

/// At once, also into a pipe.
fn say(text: &str) -> anyhow::Result<()> {
    println!("{text}");
    std::io::stdout().flush()?;
    Ok(())
}

fn until_interrupted() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        Ok(())
    })
}
