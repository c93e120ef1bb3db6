//! Numbers for Prometheus. Labels are namespaces, kinds and reasons: never a name or a value.

use std::fmt;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Namespace {
    namespace: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Objects {
    namespace: String,
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    namespace: String,
    step: String,
}

/// All numbers of the operator.
pub struct Metrics {
    registry: Registry,
    reconciles: Family<Namespace, Counter>,
    seconds: Family<Namespace, Histogram, fn() -> Histogram>,
    errors: Family<Failure, Counter>,
    watch_errors: Family<Kind, Counter>,
    objects: Family<Objects, Gauge>,
    statuses: Family<Namespace, Counter>,
    queue: Gauge,
    leading: Gauge,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn buckets() -> Histogram {
    // 1 ms to 16 s: a plan of an ordinary namespace to the first plan of ten thousand assets.
    Histogram::new(exponential_buckets(0.001, 2.0, 15))
}

impl Metrics {
    /// Numbers that are all zero.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("finp2p_operator"),
            reconciles: Family::default(),
            seconds: Family::new_with_constructor(buckets),
            errors: Family::default(),
            watch_errors: Family::default(),
            objects: Family::default(),
            statuses: Family::default(),
            queue: Gauge::default(),
            leading: Gauge::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "build",
            "Version of the operator",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "reconciles",
            "Plans that were made and applied",
            metrics.reconciles.clone(),
        );
        registry.register(
            "reconcile_seconds",
            "Time from looking at a namespace to the last write of its plan",
            metrics.seconds.clone(),
        );
        registry.register(
            "reconcile_errors",
            "Plans that could not be applied whole, by the step that failed",
            metrics.errors.clone(),
        );
        registry.register(
            "watch_errors",
            "Watches that failed and were started again",
            metrics.watch_errors.clone(),
        );
        registry.register(
            "objects",
            "Objects that are watched, by kind",
            metrics.objects.clone(),
        );
        registry.register(
            "statuses_written",
            "Statuses of users' objects that were written",
            metrics.statuses.clone(),
        );
        registry.register(
            "queue",
            "Namespaces that wait to be planned",
            metrics.queue.clone(),
        );
        registry.register(
            "leading",
            "1 while this instance leads",
            metrics.leading.clone(),
        );
        metrics
    }

    /// The text that a scrape gets (OpenMetrics).
    ///
    /// # Errors
    /// When the text cannot be written.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// A plan was made and applied.
    pub fn reconciled(&self, namespace: &str, seconds: f64) {
        let labels = Namespace {
            namespace: namespace.to_owned(),
        };
        self.reconciles.get_or_create(&labels).inc();
        self.seconds.get_or_create(&labels).observe(seconds);
    }

    /// A step of a reconcile failed.
    pub fn failed(&self, namespace: &str, step: &str) {
        let labels = Failure {
            namespace: namespace.to_owned(),
            step: step.to_owned(),
        };
        self.errors.get_or_create(&labels).inc();
    }

    /// A watch failed.
    pub fn watch_failed(&self, kind: &str) {
        let labels = Kind {
            kind: kind.to_owned(),
        };
        self.watch_errors.get_or_create(&labels).inc();
    }

    /// So many objects of a kind are watched.
    pub fn watched(&self, namespace: &str, kind: &str, count: usize) {
        let labels = Objects {
            namespace: namespace.to_owned(),
            kind: kind.to_owned(),
        };
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.objects.get_or_create(&labels).set(count);
    }

    /// Statuses were written.
    pub fn told(&self, namespace: &str, written: usize) {
        let labels = Namespace {
            namespace: namespace.to_owned(),
        };
        let written = u64::try_from(written).unwrap_or(u64::MAX);
        self.statuses.get_or_create(&labels).inc_by(written);
    }

    /// A namespace waits to be planned, or is.
    pub fn queued(&self, by: i64) {
        self.queue.inc_by(by);
    }

    /// Whether this instance leads.
    pub fn leads(&self, leads: bool) {
        self.leading.set(i64::from(leads));
    }
}
