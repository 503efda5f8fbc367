//! What is wrong, and who has to hear of it: once when it begins, once when it ends, and once a day while it goes on.
//! Remembered beside the store, so that a start tells nothing twice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::health::Standing;
use crate::config::Alerting;

/// What goes on is told again after so long.
const AGAIN: i64 = 24 * 3_600;

/// Runs that fail for less than this are nobody's business.
const PASSING: Duration = Duration::from_secs(60);

/// The kinds of alerts, by their names.
pub const KINDS: [&str; 7] =
    ["connector_down", "errors", "expiry", "guard_stopped", "no_success", "run_failed", "shrinkage_stopped"];

/// Something that is wrong, or may be soon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) alert: &'static str,
    /// Whom it concerns: a connector, or nothing.
    pub(super) subject: String,
    pub(super) message: String,
    /// It is bad enough to begin an alert; else it only keeps one that is on.
    pub(super) begins: bool,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Notice {
    pub(super) alert: String,
    pub(super) subject: String,
    /// `begins`, `goes on` or `ends`.
    pub(super) state: &'static str,
    pub(super) message: String,
    /// Since when, in RFC 3339.
    pub(super) since: String,
    /// One sentence: what chats show.
    pub(super) text: String,
}

/// An alert that is on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Active {
    alert: String,
    subject: String,
    message: String,
    since: i64,
    told: i64,
}

/// The alerts that are on.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    path: Option<PathBuf>,
    active: BTreeMap<String, Active>,
}

impl Alerts {
    /// Those of the last time.
    pub(super) fn kept(folder: &Path) -> Alerts {
        let path = folder.join("alerts.json");
        let text = std::fs::read(&path).unwrap_or_default();
        Alerts { path: Some(path), active: serde_json::from_slice(&text).unwrap_or_default() }
    }

    /// Compares what is wrong with what is on. `settled` says whether what is not wrong is known to be well. Gives what is
    /// to be sent; times are in seconds since 1970.
    pub(super) fn update(&mut self, troubles: Vec<Trouble>, settled: bool, now: i64) -> Vec<Notice> {
        let before = self.active.clone();
        let mut notices = Vec::new();
        let mut seen = Vec::new();
        for trouble in troubles {
            let key = format!("{} {}", trouble.alert, trouble.subject);
            seen.push(key.clone());
            match self.active.get_mut(&key) {
                Some(active) if now - active.told >= AGAIN => {
                    active.told = now;
                    active.message = trouble.message;
                    notices.push(active.notice("goes on"));
                }
                None if trouble.begins => {
                    let Trouble { alert, subject, message, .. } = trouble;
                    let active = Active { alert: alert.to_owned(), subject, message, since: now, told: now };
                    notices.push(active.notice("begins"));
                    self.active.insert(key, active);
                }
                Some(_) | None => {}
            }
        }
        if settled {
            let ended: Vec<String> = self.active.keys().filter(|key| !seen.contains(key)).cloned().collect();
            notices.extend(ended.iter().filter_map(|key| self.active.remove(key)).map(|active| active.notice("ends")));
        }
        if self.active != before {
            self.keep();
        }
        notices
    }

    /// Alert and subject of all that are on.
    pub(super) fn active(&self) -> impl Iterator<Item = (&str, &str)> {
        self.active.values().map(|active| (active.alert.as_str(), active.subject.as_str()))
    }

    fn keep(&self) {
        let Some(path) = &self.path else { return };
        if let Ok(text) = serde_json::to_vec_pretty(&self.active) {
            // Without it, somebody hears something twice.
            let _ = std::fs::write(path, text);
        }
    }
}

impl Active {
    fn notice(&self, state: &'static str) -> Notice {
        let since = jiff::Timestamp::from_second(self.since).map(|at| at.to_string()).unwrap_or_default();
        Notice {
            alert: self.alert.clone(),
            subject: self.subject.clone(),
            state,
            message: self.message.clone(),
            text: format!("Syncline: {} {state}: {}", self.alert.replace('_', " "), self.message),
            since,
        }
    }
}

/// When a credential or a certificate of a connector ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) connector: String,
    pub(super) what: String,
    /// Seconds since 1970.
    pub(super) at: i64,
}

/// What is wrong now.
pub(super) fn troubles(
    standing: &Standing,
    settings: &Alerting,
    endings: &[Ending],
    (now, clock): (Instant, i64),
) -> Vec<Trouble> {
    let mut found = Vec::new();
    let mut trouble = |alert, subject: &str, message: String, begins| {
        found.push(Trouble { alert, subject: subject.to_owned(), message, begins });
    };
    if let Some(why) = &standing.guard {
        trouble("guard_stopped", "", why.clone(), true);
    }
    if let Some(why) = &standing.shrunk {
        trouble("shrinkage_stopped", "", why.clone(), true);
    }
    let waits = |since: Instant, patience: Duration| now.saturating_duration_since(since) >= patience;
    if let Some((since, why)) = &standing.failed {
        trouble("run_failed", "", format!("no run can be run: {why}"), waits(*since, PASSING));
    }
    for (name, connector) in &standing.connectors {
        if let Some((since, why)) = connector.trouble() {
            let message = format!("`{name}` does not answer: {why}");
            trouble("connector_down", name, message, waits(since, settings.down));
        }
    }
    let last = standing.success.unwrap_or(standing.begun);
    if standing.success.is_none() || waits(last, settings.success) {
        let minutes = now.saturating_duration_since(last).as_secs() / 60;
        let message = format!("no run has ended with everything done for {minutes} minutes");
        trouble("no_success", "", message, waits(last, settings.success));
    }
    if let Some(most) = settings.errors.filter(|most| standing.errors > *most) {
        trouble("errors", "", format!("{} objects wait in an error (more than {most})", standing.errors), true);
    }
    let horizon = i64::try_from(settings.expiry.as_secs()).unwrap_or(i64::MAX);
    for ending in endings.iter().filter(|ending| ending.at - clock <= horizon) {
        let days = (ending.at - clock).div_euclid(24 * 3_600);
        let when = if days < 0 { "has expired".to_owned() } else { format!("expires in {days} days") };
        let subject = format!("{}: {}", ending.connector, ending.what);
        trouble("expiry", &subject, format!("{} of `{}` {when}", ending.what, ending.connector), true);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::cycle::CycleReport;

    const DAY: i64 = 24 * 3_600;

    fn trouble(begins: bool) -> Vec<Trouble> {
        vec![Trouble { alert: "errors", subject: String::new(), message: "many".into(), begins }]
    }

    fn states(notices: &[Notice]) -> Vec<&'static str> {
        notices.iter().map(|notice| notice.state).collect()
    }

    #[test]
    fn an_alert_is_told_at_its_begin_once_a_day_and_at_its_end() {
        let mut alerts = Alerts::default();
        assert!(alerts.update(trouble(false), true, 0).is_empty(), "not bad enough");
        assert_eq!(states(&alerts.update(trouble(true), true, 1)), ["begins"]);
        assert!(alerts.update(trouble(true), true, 2).is_empty());
        assert!(alerts.update(trouble(false), true, DAY).is_empty(), "it goes on");
        assert_eq!(states(&alerts.update(trouble(true), true, DAY + 1)), ["goes on"]);
        assert!(alerts.update(Vec::new(), false, DAY + 2).is_empty(), "nobody knows yet that it is over");
        let ended = alerts.update(Vec::new(), true, DAY + 3);
        assert_eq!(states(&ended), ["ends"]);
        assert_eq!(ended[0].since, "1970-01-01T00:00:01Z");
        assert!(alerts.update(Vec::new(), true, DAY + 4).is_empty());
    }

    #[test]
    fn alerts_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Alerts::kept(folder.path()).update(trouble(true), true, 1).len(), 1);
        assert!(Alerts::kept(folder.path()).update(trouble(true), true, 2).is_empty());
        assert_eq!(states(&Alerts::kept(folder.path()).update(Vec::new(), true, 3)), ["ends"]);
    }

    #[test]
    fn what_is_wrong_is_found() {
        let start = Instant::now();
        let mut standing = Standing::new(&["ad".into()], Duration::from_secs(30), start);
        let settings = Alerting { errors: Some(3), ..Alerting::default() };
        let at = |minutes: u64| (start + Duration::from_secs(minutes * 60), 0);
        let begun = |standing: &Standing, endings: &[Ending], minutes: u64| {
            let found = troubles(standing, &settings, endings, at(minutes));
            found.into_iter().filter(|trouble| trouble.begins).map(|trouble| trouble.alert).collect::<Vec<_>>()
        };
        assert!(begun(&standing, &[], 1).is_empty());
        standing.down("ad", "no route".into(), 1, start);
        assert!(begun(&standing, &[], 9).is_empty());
        assert_eq!(begun(&standing, &[], 10), ["connector_down"]);
        assert_eq!(begun(&standing, &[], 60), ["connector_down", "no_success"]);
        standing.answered("ad", start);
        standing.ran(&CycleReport { errors: 4, ..CycleReport::default() }, start);
        assert_eq!(begun(&standing, &[], 1), ["errors"]);
        let ending = |days: i64| Ending { connector: "entra".into(), what: "secret".into(), at: days * DAY };
        standing.errors = 0;
        assert!(begun(&standing, &[ending(31)], 1).is_empty());
        assert_eq!(begun(&standing, &[ending(30)], 1), ["expiry"]);
    }
}
