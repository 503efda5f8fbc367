//! What counts: from what serving tells to the metrics.

use std::sync::PoisonError;
use std::time::Duration;

use super::metrics::{Counters, Gauges, Labels, Metrics};
use crate::rules::RuleSet;
use crate::run::cycle::CycleReport;
use crate::run::export::ExportReport;
use crate::run::serve::census::Census;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Everything was done that was due.
    Done,
    /// A directory could not be read whole, or too many objects had errors: nothing was exported.
    Incomplete,
    /// The guard stopped it.
    Guard,
    /// An import showed far fewer objects.
    Shrinkage,
    /// It ended in an error.
    Failed,
}

impl Outcome {
    pub(super) fn of(report: &CycleReport) -> Outcome {
        if !report.shrunk.is_empty() {
            Outcome::Shrinkage
        } else if !report.exceeded.is_empty() {
            Outcome::Guard
        } else if report.sync.stopped || report.imports.iter().any(|import| !import.incomplete.is_empty()) {
            Outcome::Incomplete
        } else {
            Outcome::Done
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Outcome::Done => "done",
            Outcome::Incomplete => "incomplete",
            Outcome::Guard => "guard",
            Outcome::Shrinkage => "shrinkage",
            Outcome::Failed => "failed",
        }
    }
}

impl Metrics {
    /// Counters are there from the start, so that their first increase is seen.
    pub(super) fn begin(&self, connectors: &[String], rules: &RuleSet) {
        for outcome in [Outcome::Done, Outcome::Incomplete, Outcome::Guard, Outcome::Shrinkage, Outcome::Failed] {
            add(&self.runs, &[("outcome", outcome.name())], 0);
        }
        for name in connectors {
            drop(self.failures.get_or_create(&labels(&[("connector", name)])));
            add(&self.whole, &[("connector", name)], 0);
            drop(self.lag.get_or_create(&labels(&[("connector", name)])));
        }
        self.rules(rules);
    }

    /// A connector was asked: how often in a row it did not answer.
    pub(super) fn asked(&self, connector: &str, failures: u32) {
        let name = [("connector", connector)];
        set(&self.up, &name, i64::from(failures == 0));
        set(&self.failures, &name, i64::from(failures));
        if failures == 0 {
            set(&self.answered, &name, jiff::Timestamp::now().as_second());
        }
    }

    pub(super) fn read_whole(&self, connector: &str) {
        add(&self.whole, &[("connector", connector)], 1);
    }

    pub(super) fn lag(&self, lag: &[(String, Duration)]) {
        for (name, lag) in lag {
            self.lag.get_or_create(&labels(&[("connector", name)])).observe(lag.as_secs_f64());
        }
    }

    pub(super) fn failed(&self) {
        add(&self.runs, &[("outcome", Outcome::Failed.name())], 1);
    }

    pub(super) fn rules_wait(&self, wait: bool) {
        self.waiting_rules.set(i64::from(wait));
    }

    /// A run ended.
    pub(super) fn cycle(&self, report: &CycleReport) {
        let outcome = Outcome::of(report);
        add(&self.runs, &[("outcome", outcome.name())], 1);
        self.run_seconds.observe(Duration::from_millis(report.milliseconds).as_secs_f64());
        self.errors.set(i64::try_from(report.errors).unwrap_or(i64::MAX));
        if outcome == Outcome::Done {
            self.success.set(jiff::Timestamp::now().as_second());
        }
        for import in &report.imports {
            let counts = [
                ("shown", import.objects),
                ("new", import.new),
                ("changed", import.changed),
                ("gone", import.gone),
                ("held", import.held),
                ("unreadable", import.unreadable),
            ];
            for (what, count) in counts {
                add(&self.imported, &[("connector", &import.connector), ("what", what)], count);
            }
        }
        let sync = &report.sync;
        let counts = [
            ("objects", sync.objects),
            ("metaverse", sync.metaverse),
            ("references", sync.references),
            ("flowed", sync.flowed),
            ("joined", sync.joined),
            ("projected", sync.projected),
            ("provisioned", sync.provisioned),
            ("disconnected", sync.disconnected),
        ];
        for (what, count) in counts {
            add(&self.synchronised, &[("what", what)], count);
        }
        report.exports.iter().for_each(|export| self.export(export));
    }

    fn export(&self, export: &ExportReport) {
        let counts = [
            ("created", export.created),
            ("restored", export.restored),
            ("updated", export.updated),
            ("deleted", export.deleted),
            ("members_added", export.added),
            ("members_removed", export.removed),
            ("refused", export.refused),
            ("postponed", export.postponed),
            ("unknown", export.unknown),
            ("left", export.left),
        ];
        for (what, count) in counts {
            add(&self.exported, &[("connector", &export.connector), ("what", what)], count);
        }
        let name = [("connector", export.connector.as_str())];
        set(&self.closed, &name, export.closed_until.unwrap_or(0));
        set(&self.refused, &name, number(export.refused + export.refused_before));
    }

    /// The store was counted.
    pub(super) fn counted(&self, census: &Census) {
        for ((connector, object_type), count) in &census.objects {
            let labels = [("connector", connector.as_str()), ("type", object_type)];
            set(&self.objects, &labels, i64::try_from(*count).unwrap_or(i64::MAX));
        }
        for (connector, count) in &census.exports {
            set(&self.pending_exports, &[("connector", connector)], i64::try_from(*count).unwrap_or(i64::MAX));
        }
        for (queue, count) in ["objects", "metaverse", "references"].iter().zip(census.queues) {
            set(&self.queue, &[("queue", queue)], i64::try_from(count).unwrap_or(i64::MAX));
        }
        self.pending_references.set(i64::try_from(census.references).unwrap_or(i64::MAX));
        self.bytes.set(number(census.bytes));
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (connector, traffic) in &census.traffic {
            let before = seen.traffic.insert(connector.clone(), *traffic).unwrap_or_default();
            let counts = [
                ("needed", before.needed, traffic.needed),
                ("sent", before.sent, traffic.sent),
                ("throttled", before.throttled, traffic.throttled),
            ];
            for (what, before, now) in counts {
                add(&self.writes, &[("connector", connector), ("what", what)], since(before, now));
            }
        }
    }

    /// What rules took so far.
    pub(super) fn rules(&self, rules: &RuleSet) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for rule in rules.rules() {
            let (calls, nanoseconds) = rule.spent();
            let before = seen.rules.insert(rule.name.clone(), (calls, nanoseconds)).unwrap_or_default();
            let name = [("rule", rule.name.as_str())];
            add(&self.rule_calls, &name, since(before.0, calls));
            let took = Duration::from_nanos(since(before.1, nanoseconds)).as_secs_f64();
            self.rule_seconds.get_or_create(&labels(&name)).inc_by(took);
        }
    }
}

/// What was added since; counts that are lower than before began anew.
fn since(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn labels(labels: &[(&'static str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect()
}

pub(super) fn add(family: &Counters, with: &[(&'static str, &str)], count: u64) {
    family.get_or_create(&labels(with)).inc_by(count);
}

pub(super) fn set(family: &Gauges, with: &[(&'static str, &str)], value: i64) {
    family.get_or_create(&labels(with)).set(value);
}
