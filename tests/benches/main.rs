//! `make bench`: a signed pull of 1 KiB over loopback beside what limits it, in one run; then how
//! long an edit takes to be obeyed ([`enforcement`]). `make bench-scale`: [`scale`].
//!
//! Two nodes in one process, each with its own network thread, real sockets, the store and the
//! audit log on disk. The limits are measured in the same run on the same cores: the signatures
//! that a pull needs and nothing else, and a bare request and response of the same sizes.

#![allow(missing_docs)] // a program: names say it
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a panic is how a measurement fails
#![allow(clippy::disallowed_methods)] // a benchmark measures time

mod enforcement;
mod limit;
mod nodes;
mod report;
mod scale;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use finp2p_sidecar::reader::Reader;
use nodes::{Nodes, RESOURCE};
use report::{Report, Row};
use tokio::task::JoinSet;

/// How long each figure is measured. Long enough for thousands of pulls, short enough to repeat.
const MEASURE: Duration = Duration::from_secs(5);
/// Requests in flight at once.
const IN_FLIGHT: usize = 64;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        None => {
            let pulls = measure_pulls();
            if pulls == ExitCode::SUCCESS {
                return finish("from an edit to the changed answer", enforcement::measure());
            }
            pulls
        }
        Some("pulls") => measure_pulls(),
        Some("enforcement") => finish("from an edit to the changed answer", enforcement::measure()),
        Some("scale") => finish("10,000 assets, 100 peers, 1,000 policies", scale::measure()),
        Some(other) => {
            report::line(&format!("{other}: pulls, enforcement or scale"));
            ExitCode::FAILURE
        }
    }
}

fn finish(title: &str, rows: Vec<Row>) -> ExitCode {
    let mut report = Report::new(title.to_owned());
    rows.into_iter().for_each(|row| report.add(row));
    report.print();
    match report.write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(&format!("the report was not written: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn measure_pulls() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let measured = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(run()));
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::line(&format!("the benchmark failed: {error}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    report::line(
        "measuring signatures, a bare request and response, and signed pulls (about half a minute)",
    );
    let nodes = Nodes::start().await?;
    let size = nodes.check().await?;
    let signatures = limit::signatures(MEASURE);
    let bare_one = nodes.bare(1, MEASURE).await?;
    let bare_many = nodes.bare(IN_FLIGHT, MEASURE).await?;
    let one = pulls(&nodes.reader, 1).await?;
    let many = pulls(&nodes.reader, IN_FLIGHT).await?;
    nodes.stop().await;

    let mut report = Report::new(format!(
        "pull of 1 KiB in 20 fields, {size} bytes answered, {IN_FLIGHT} in flight unless said otherwise"
    ));
    report.add(Row::new("signature_limit", signatures, "1/s"));
    report.add(Row::new("bare_rate", bare_many.rate, "1/s").against(signatures));
    report.add(Row::new("bare_latency", bare_one.median_ms, "ms"));
    // DESIGN: at least three quarters of what the signatures alone would allow.
    report.add(
        Row::new("pull_rate", many.rate, "1/s")
            .against(signatures)
            .at_least(0.75),
    );
    report.add(Row::new("pull_rate_of_bare", many.rate, "1/s").against(bare_many.rate));
    report.add(Row::new("pull_rate_one_at_a_time", one.rate, "1/s").against(bare_one.rate));
    report.add(Row::new("pull_latency", one.median_ms, "ms").against(bare_one.median_ms));
    report.add(Row::new("pull_latency_p99", one.p99_ms, "ms").against(bare_one.p99_ms));
    report.add(Row::new("pull_latency_64", many.median_ms, "ms").against(bare_many.median_ms));
    report.print();
    report.write()
}

/// What one measurement saw.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub rate: f64,
    pub median_ms: f64,
    pub p99_ms: f64,
}

impl Seen {
    #[allow(clippy::cast_precision_loss)] // counts of seconds
    pub fn of(mut took: Vec<Duration>, elapsed: Duration) -> Self {
        took.sort();
        let at = |part: f64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let index = (took.len().saturating_sub(1) as f64 * part) as usize;
            took.get(index).map_or(0.0, |d| d.as_secs_f64() * 1e3)
        };
        Self {
            rate: took.len() as f64 / elapsed.as_secs_f64(),
            median_ms: at(0.5),
            p99_ms: at(0.99),
        }
    }
}

#[allow(clippy::disallowed_methods)] // a benchmark measures time
async fn pulls(reader: &Arc<Reader>, in_flight: usize) -> Result<Seen, String> {
    let begun = Instant::now();
    let mut workers = JoinSet::new();
    for _ in 0..in_flight {
        let reader = Arc::clone(reader);
        workers.spawn(async move {
            let mut took = Vec::new();
            while begun.elapsed() < MEASURE {
                let asked = Instant::now();
                reader
                    .fetch(RESOURCE, None, None)
                    .await
                    .map_err(|error| error.to_string())?;
                took.push(asked.elapsed());
            }
            Ok::<_, String>(took)
        });
    }
    let mut took = Vec::new();
    while let Some(worker) = workers.join_next().await {
        took.extend(worker.map_err(|error| error.to_string())??);
    }
    Ok(Seen::of(took, begun.elapsed()))
}
