//! A Kubernetes API server on this machine for as long as this program runs, to try things on: etcd,
//! kube-apiserver and kube-controller-manager with our CRDs. Everything is gone when it ends.
#![allow(clippy::print_stdout)] // its output is for a person

use std::io::Write as _;

use anyhow::Context as _;
use finp2p_tests::control_plane::parts::parts;
use finp2p_tests::control_plane::{ControlPlane, Settings};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<()> {
    let cluster = ControlPlane::start(Settings::default());
    let kubectl = parts().kubectl.parent().context("the folder of kubectl")?;
    println!("export KUBECONFIG={}", cluster.admin().kubeconfig.display());
    println!("export PATH={}:$PATH", kubectl.display());
    println!(
        "# An API server with our CRDs, up in {:.1} s, runs until Ctrl-C.",
        cluster.started_in.as_secs_f64()
    );
    std::io::stdout().flush()?;
    until_interrupted()
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
