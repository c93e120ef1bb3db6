//! Numbers for Prometheus. Labels are codes, operations and organization ids: never a resource,
//! a user or a value.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::audit::{self, Audit, AuditError, Entry};
use crate::clock::Clock;
use crate::network;
use crate::request::Trail;

/// Labels of a decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    op: String,
    code: u32,
}

/// What the node is in, read when somebody asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Sequence of the configuration in force, 0 before the first.
    pub sequence: i64,
    /// When the configuration's source was last reached.
    pub contact: Option<Timestamp>,
    /// When the first of the node's certificates ends.
    pub certificates_end: Option<Timestamp>,
    /// Entries that the node could not use.
    pub exceptions: usize,
    /// Whether a rolled-back configuration restrains what is served.
    pub rolled_back: bool,
}

/// Where [`State`] comes from.
pub type StateSource = Arc<dyn Fn() -> State + Send + Sync>;

/// All numbers of the node.
pub struct Metrics {
    registry: Registry,
    decisions: Family<DecisionLabels, Counter>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

impl Metrics {
    /// Numbers that read `network`, `refusals` and `state` whenever they are asked for.
    #[must_use]
    pub fn new(
        network: Arc<network::Counters>,
        refusals: Arc<audit::Counters>,
        state: StateSource,
        clock: Clock,
    ) -> Self {
        let mut registry = Registry::with_prefix("finp2p");
        let decisions = Family::default();
        registry.register(
            "build",
            "Version of the sidecar",
            Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]),
        );
        registry.register(
            "decisions",
            "Audited decisions on requests of peers and programs, by operation and code (0: granted)",
            decisions.clone(),
        );
        registry.register_collector(Box::new(NetworkCollector(network)));
        registry.register_collector(Box::new(RefusalCollector(refusals)));
        registry.register_collector(Box::new(StateCollector { state, clock }));
        Self {
            registry,
            decisions,
        }
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

    /// The audit log, counted as it is written.
    #[must_use]
    pub fn counting(&self, audit: Arc<Audit>) -> CountingTrail {
        CountingTrail {
            audit,
            decisions: self.decisions.clone(),
        }
    }
}

/// Writes to the audit log and counts what it wrote.
#[derive(Debug)]
pub struct CountingTrail {
    audit: Arc<Audit>,
    decisions: Family<DecisionLabels, Counter>,
}

impl Trail for CountingTrail {
    fn record(&self, entries: &[Entry]) -> Result<(), AuditError> {
        self.audit.append_all(entries)?;
        for entry in entries {
            if let Entry::Decision(decision) = entry {
                self.decisions
                    .get_or_create(&DecisionLabels {
                        op: decision.op.clone(),
                        code: u32::from(decision.code),
                    })
                    .inc();
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct NetworkCollector(Arc<network::Counters>);

impl Collector for NetworkCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for (name, value) in self.0.read().named() {
            let counter = ConstCounter::new(value);
            let name = format!("network_{name}");
            let metric = encoder.encode_descriptor(
                &name,
                "Counted by the network since the start",
                None,
                counter.metric_type(),
            )?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

#[derive(Debug)]
struct RefusalCollector(Arc<audit::Counters>);

impl Collector for RefusalCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let totals = self.0.totals();
        let mut family = encoder.encode_descriptor(
            "refusals_counted",
            "Refusals before a signature or a token was verified, which the audit only counts",
            None,
            MetricType::Counter,
        )?;
        for (kind, n) in &totals.kinds {
            let labels = [
                ("door", kind.door.name().to_owned()),
                (
                    "organization",
                    kind.organization.clone().unwrap_or_default(),
                ),
                ("code", kind.code.to_string()),
                ("reason", kind.detail.to_owned()),
            ];
            ConstCounter::new(*n).encode(family.encode_family(&labels)?)?;
        }
        let more = encoder.encode_descriptor(
            "refusals_counted_further",
            "The same, of more kinds than are told apart",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(totals.more).encode(more)
    }
}

struct StateCollector {
    state: StateSource,
    clock: Clock,
}

impl fmt::Debug for StateCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StateCollector")
    }
}

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let state = (self.state)();
        let mut gauges = vec![
            (
                "configuration_sequence",
                "Sequence of the configuration in force",
                state.sequence,
            ),
            (
                "configuration_rolled_back",
                "1 while only what both the older and the newer configuration grant is served",
                i64::from(state.rolled_back),
            ),
            (
                "configuration_exceptions",
                "Entries that the node could not use",
                i64::try_from(state.exceptions).unwrap_or(i64::MAX),
            ),
        ];
        if let Some(contact) = state.contact {
            gauges.push((
                "configuration_age_seconds",
                "Seconds since the configuration's source was last reached",
                self.clock.now().duration_since(contact).as_secs(),
            ));
        }
        if let Some(end) = state.certificates_end {
            gauges.push((
                "certificates_end_timestamp_seconds",
                "When the first of the node's certificates ends, unix time",
                end.as_second(),
            ));
        }
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
