//! What is counted, under which names. Every name stands in `docs/observability.md`.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::connector::Traffic;

/// Buckets of the lag, in seconds.
const LAG: [f64; 13] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0];
/// Buckets of a run, in seconds.
const RUN: [f64; 13] = [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0];

pub(super) type Labels = Vec<(&'static str, String)>;
pub(super) type Counters = Family<Labels, Counter>;
pub(super) type Gauges = Family<Labels, Gauge>;
pub(super) type Seconds = Family<Labels, Counter<f64, AtomicU64>>;

#[derive(Clone)]
pub(super) struct Buckets;

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        Histogram::new(LAG)
    }
}

/// Everything that is counted. What counts is in [`super::counting`].
pub struct Metrics {
    registry: Registry,
    /// Name and kind of each metric, as it is exported.
    pub names: BTreeMap<String, &'static str>,
    pub(super) lag: Family<Labels, Histogram, Buckets>,
    pub(super) runs: Counters,
    pub(super) run_seconds: Histogram,
    pub(super) imported: Counters,
    pub(super) synchronised: Counters,
    pub(super) exported: Counters,
    pub(super) whole: Counters,
    pub(super) writes: Counters,
    pub(super) closed: Gauges,
    pub(super) up: Gauges,
    pub(super) failures: Gauges,
    pub(super) answered: Gauges,
    pub(super) objects: Gauges,
    pub(super) pending_exports: Gauges,
    pub(super) refused: Gauges,
    pub(super) pending_references: Gauge,
    pub(super) queue: Gauges,
    pub(super) errors: Gauge,
    pub(super) rule_calls: Counters,
    pub(super) rule_seconds: Seconds,
    pub(super) bytes: Gauge,
    pub(super) waiting_rules: Gauge,
    pub(super) success: Gauge,
    pub(super) since_success: Gauge<f64, AtomicU64>,
    pub(super) turned: Gauge<i64, AtomicI64>,
    pub(super) alerts: Gauges,
    pub(super) sent: Counters,
    pub(super) expiry: Gauges,
    pub(super) seen: Mutex<Seen>,
}

/// Counts that others keep, as they were when they were read last.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) traffic: BTreeMap<String, Traffic>,
    pub(super) rules: BTreeMap<String, (u64, u64)>,
}

/// A registry that remembers names.
struct Shelf {
    registry: Registry,
    names: BTreeMap<String, &'static str>,
}

impl Shelf {
    fn put<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: &M) {
        let (kind, end) = match metric.metric_type() {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Gauge => ("gauge", ""),
            MetricType::Histogram => ("histogram", ""),
            MetricType::Info => ("info", "_info"),
            MetricType::Unknown => ("unknown", ""),
        };
        self.names.insert(format!("syncline_{name}{end}"), kind);
        self.registry.register(name, help, metric.clone());
    }
}

impl Default for Metrics {
    fn default() -> Metrics {
        let registry = Registry::with_prefix("syncline");
        let mut shelf = Shelf { registry, names: BTreeMap::new() };
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        shelf.registry.register("build", "Which version runs", build);
        shelf.names.insert("syncline_build_info".to_owned(), "info");
        let mut metrics = Metrics {
            registry: Registry::default(),
            names: BTreeMap::new(),
            lag: Family::new_with_constructor(Buckets),
            runs: Counters::default(),
            run_seconds: Histogram::new(RUN),
            imported: Counters::default(),
            synchronised: Counters::default(),
            exported: Counters::default(),
            whole: Counters::default(),
            writes: Counters::default(),
            closed: Gauges::default(),
            up: Gauges::default(),
            failures: Gauges::default(),
            answered: Gauges::default(),
            objects: Gauges::default(),
            pending_exports: Gauges::default(),
            refused: Gauges::default(),
            pending_references: Gauge::default(),
            queue: Gauges::default(),
            errors: Gauge::default(),
            rule_calls: Counters::default(),
            rule_seconds: Seconds::default(),
            bytes: Gauge::default(),
            waiting_rules: Gauge::default(),
            success: Gauge::default(),
            since_success: Gauge::default(),
            turned: Gauge::default(),
            alerts: Gauges::default(),
            sent: Counters::default(),
            expiry: Gauges::default(),
            seen: Mutex::default(),
        };
        metrics.register(&mut shelf);
        metrics.registry = shelf.registry;
        metrics.names = shelf.names;
        metrics
    }
}

impl Metrics {
    fn register(&self, shelf: &mut Shelf) {
        shelf.put("change_lag_seconds", "From when changes were told to when their export was through", &self.lag);
        shelf.put("runs", "Runs by how they ended", &self.runs);
        shelf.put("run_seconds", "How long runs took", &self.run_seconds);
        shelf.put("imported_objects", "Objects that imports showed, and what was new about them", &self.imported);
        shelf.put("synchronised", "What synchronisation looked at and did", &self.synchronised);
        shelf.put("exported", "What was written to targets, and what became of the rest", &self.exported);
        shelf.put("whole_reads", "Connectors that were read whole", &self.whole);
        shelf.put("writes", "Writes to Graph: needed, sent, refused for coming too soon", &self.writes);
        shelf.put("closed_until_timestamp_seconds", "The target takes no writes before; 0: it does", &self.closed);
        shelf.put("connector_up", "Whether a connector answered the last time", &self.up);
        shelf.put("connector_failures", "How often in a row it did not", &self.failures);
        shelf.put("connector_answered_timestamp_seconds", "When it answered last", &self.answered);
        shelf.put("objects", "Objects in the connector space", &self.objects);
        shelf.put("pending_exports", "Objects that wait to be written or confirmed", &self.pending_exports);
        shelf.put("refused_exports", "Objects that the target refused and nothing has changed since", &self.refused);
        shelf.put("pending_references", "References that wait to be written or confirmed", &self.pending_references);
        shelf.put("queue_length", "What waits to be synchronised", &self.queue);
        shelf.put("errors", "Objects that wait in an error", &self.errors);
        shelf.put("rule_calls", "Calls of the functions of a rule; estimated from one in sixteen", &self.rule_calls);
        shelf.put("rule_seconds", "How long they took; estimated from one in sixteen", &self.rule_seconds);
        shelf.put("store_bytes", "Size of the store on the disk", &self.bytes);
        shelf.put("rules_waiting", "Whether rules wait to be accepted", &self.waiting_rules);
        shelf.put("success_timestamp_seconds", "When a run ended last with everything done", &self.success);
        shelf.put("seconds_since_success", "Seconds since then, or since the start", &self.since_success);
        shelf.put("loop_timestamp_seconds", "When serving gave the last sign of life", &self.turned);
        shelf.put("alert_active", "Whether an alert is on", &self.alerts);
        shelf.put("alerts_sent", "Alerts that were sent, or could not be", &self.sent);
        shelf.put("expiry_timestamp_seconds", "When a credential or certificate expires", &self.expiry);
    }

    /// All of it as text: OpenMetrics, or what Prometheus spoke before.
    pub(super) fn text(&self, open_metrics: bool) -> String {
        let mut out = String::new();
        let written = if open_metrics {
            text::encode(&mut out, &self.registry)
        } else {
            prometheus_text::encode(&mut out, &self.registry)
        };
        // Writing into a text does not fail.
        written.map(|()| out).unwrap_or_default()
    }
}
