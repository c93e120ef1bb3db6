//! The sidecar's command line: reads the arguments, holds the clock, waits for the end.

use std::process::ExitCode;

use finp2p_sidecar::args::Args;
use finp2p_sidecar::clock::Clock;
use finp2p_sidecar::{run, telemetry};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    // Before anything makes a TLS client: with two providers in reach the first to ask would panic.
    let _installed_before = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match start(Args::read()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Every cause on a line of its own: the first says what, the last says why.
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            #[allow(clippy::print_stderr)] // logging itself may be what did not start
            {
                eprintln!("finp2p-sidecar: {}", causes.join(": "));
            }
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    telemetry::start(&args.log, args.log_format)?;
    finp2p_sidecar::hardening::no_core_dumps()?;
    #[allow(clippy::disallowed_methods)] // the one place that reads the clock
    let clock = Clock::new(jiff::Timestamp::now);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let parent_gone = parent_gone(args.until_stdin_closes);
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = parent_gone => {}
            }
        };
        Ok(run::run(args, clock, stop).await?)
    })
}

/// Resolves when standard input has closed; never, if nobody asked for that.
async fn parent_gone(asked: bool) {
    if !asked {
        return std::future::pending().await;
    }
    let (closed, is_closed) = tokio::sync::oneshot::channel();
    // A thread of its own: a read of standard input cannot be cancelled, and must not keep the
    // runtime from ending.
    std::thread::spawn(move || {
        let _read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _nobody_waits = closed.send(());
    });
    let _thread_gone = is_closed.await;
}
