//! How serving stands: what was heard last of every connector, and how the last run ended. Judges nothing but whether it is
//! alive and ready; alerts judge the rest.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::counting::Outcome;
use crate::run::cycle::CycleReport;
use crate::run::guard::Exceeded;

/// A loop that gives no sign of life for so long is dead. Long steps give signs, too.
const SILENCE: Duration = Duration::from_secs(300);
/// A connector that was not asked for so long, and not for three times the usual pause, does not count as answering.
const FORGOTTEN: Duration = Duration::from_secs(900);

/// What is known of a connector.
#[derive(Clone, Debug, Default)]
pub(super) struct Connector {
    /// How often in a row it did not answer.
    failures: u32,
    /// Since when, and what it, or the way to it, said.
    down: Option<(Instant, String)>,
    /// It answers, and could not be read whole; since when, and why.
    incomplete: Option<(Instant, String)>,
    answered: Option<Instant>,
}

impl Connector {
    /// Since when something is wrong with it, and what.
    pub(super) fn trouble(&self) -> Option<(Instant, &str)> {
        let first = self.down.iter().chain(&self.incomplete).min_by_key(|(since, _)| *since);
        first.map(|(since, why)| (*since, why.as_str()))
    }
}

/// How serving stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    every: Duration,
    pub(super) begun: Instant,
    turned: Instant,
    pub(super) connectors: BTreeMap<String, Connector>,
    /// A cycle has ended.
    pub(super) ran: bool,
    /// What the guard stopped.
    pub(super) guard: Option<String>,
    /// Whose import was not believed.
    pub(super) shrunk: Option<String>,
    pub(super) success: Option<Instant>,
    /// Since when no cycle can be run, and why.
    pub(super) failed: Option<(Instant, String)>,
    /// Objects that wait in an error.
    pub(super) errors: u64,
}

impl Standing {
    pub(super) fn new(connectors: &[String], every: Duration, now: Instant) -> Standing {
        Standing {
            every,
            begun: now,
            turned: now,
            connectors: connectors.iter().map(|name| (name.clone(), Connector::default())).collect(),
            ran: false,
            guard: None,
            shrunk: None,
            success: None,
            failed: None,
            errors: 0,
        }
    }

    /// A sign of life.
    pub(super) fn turned(&mut self, now: Instant) {
        self.turned = now;
    }

    pub(super) fn answered(&mut self, connector: &str, now: Instant) {
        let known = self.connectors.entry(connector.to_owned()).or_default();
        // Whether it can be read whole, a run will show.
        *known = Connector { answered: Some(now), incomplete: known.incomplete.take(), ..Connector::default() };
    }

    pub(super) fn down(&mut self, connector: &str, error: String, failures: u32, now: Instant) {
        let known = self.connectors.entry(connector.to_owned()).or_default();
        known.failures = failures;
        let since = known.down.as_ref().map_or(now, |(since, _)| *since);
        known.down = Some((since, error));
    }

    pub(super) fn failed(&mut self, error: String, now: Instant) {
        let since = self.failed.as_ref().map_or(now, |(since, _)| *since);
        self.failed = Some((since, error));
    }

    /// A cycle ended. One that did not come to the guard says nothing of it.
    pub(super) fn ran(&mut self, report: &CycleReport, now: Instant) {
        self.ran = true;
        self.failed = None;
        self.errors = u64::try_from(report.errors).unwrap_or(u64::MAX);
        match Outcome::of(report) {
            Outcome::Done => {
                self.success = Some(now);
                self.shrunk = None;
                if !report.quiet {
                    self.guard = None;
                }
            }
            Outcome::Guard => {
                self.shrunk = None;
                let limits: Vec<String> = report.exceeded.iter().map(Exceeded::deed).collect();
                self.guard = Some(format!("the guard stopped run {}: {}", report.run, limits.join("; ")));
            }
            Outcome::Shrinkage => self.shrunk = Some(report.shrunk.join("; ")),
            Outcome::Incomplete | Outcome::Failed => {}
        }
        for import in &report.imports {
            let known = self.connectors.entry(import.connector.clone()).or_default();
            let since = known.incomplete.as_ref().map_or(now, |(since, _)| *since);
            let why = Some(import.incomplete.join("; ")).filter(|why| !why.is_empty());
            known.incomplete = why.map(|why| (since, format!("not all of it could be read: {why}")));
        }
    }

    /// Whether the loop turns.
    pub(super) fn is_alive(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.turned) < SILENCE
    }

    /// Why it is not ready; nothing when it is.
    pub(super) fn unready(&self, now: Instant) -> Vec<String> {
        let mut why = Vec::new();
        if !self.is_alive(now) {
            why.push("the loop does not turn".to_owned());
        }
        if !self.ran {
            why.push("no run has ended yet".to_owned());
        }
        why.extend(self.failed.iter().map(|(_, error)| format!("the last run failed: {error}")));
        why.extend(self.guard.clone());
        why.extend(self.shrunk.clone());
        for (name, connector) in &self.connectors {
            let longest = FORGOTTEN.max(self.every * 3);
            if let Some((_, what)) = connector.trouble() {
                why.push(format!("`{name}` does not answer: {what}"));
            } else if connector.answered.is_none_or(|at| now.saturating_duration_since(at) > longest) {
                why.push(format!("`{name}` has not answered lately"));
            }
        }
        why
    }

    /// What `/healthz` answers.
    pub(super) fn alive_as_json(&self, now: Instant) -> Json {
        let seconds = now.saturating_duration_since(self.turned).as_secs_f64();
        json!({ "alive": self.is_alive(now), "seconds_since_sign_of_life": seconds })
    }

    /// What `/readyz` answers.
    pub(super) fn ready_as_json(&self, now: Instant) -> Json {
        let seconds = |at: Option<Instant>| at.map(|at| now.saturating_duration_since(at).as_secs());
        let connectors: BTreeMap<&String, Json> = self
            .connectors
            .iter()
            .map(|(name, it)| {
                let known = json!({ "failures": it.failures, "seconds_since_answer": seconds(it.answered) });
                (name, known)
            })
            .collect();
        let reasons = self.unready(now);
        json!({
            "ready": reasons.is_empty(),
            "reasons": reasons,
            "connectors": connectors,
            "seconds_since_success": seconds(self.success),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::import::ImportReport;

    #[test]
    fn it_is_ready_when_all_have_answered_and_nothing_is_stopped() {
        let start = Instant::now();
        let mut standing = Standing::new(&["ad".into(), "entra".into()], Duration::from_secs(30), start);
        assert_eq!(standing.unready(start).len(), 3, "no run, and two that have not answered");
        standing.answered("ad", start);
        standing.answered("entra", start);
        standing.ran(&CycleReport::default(), start);
        assert_eq!(standing.unready(start), Vec::<String>::new());
        standing.down("ad", "no route".into(), 1, start);
        assert_eq!(standing.unready(start), ["`ad` does not answer: no route"]);
        standing.answered("ad", start);
        let shrunk = CycleReport { shrunk: vec!["`ad` shows nobody".into()], ..CycleReport::default() };
        standing.ran(&shrunk, start);
        let incomplete = ImportReport { incomplete: vec!["broken".into()], ..ImportReport::default() };
        standing.ran(&CycleReport { imports: vec![incomplete], ..CycleReport::default() }, start);
        assert!(standing.unready(start).contains(&"`ad` shows nobody".to_owned()), "it has not come so far");
        let later = start + Duration::from_secs(1_000);
        assert!(!standing.is_alive(later));
        assert!(standing.unready(later).contains(&"`entra` has not answered lately".to_owned()));
    }
}
