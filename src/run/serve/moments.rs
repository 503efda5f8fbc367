//! Since when changes wait: from the moment that a directory said that there are some, or else was asked, until their
//! export was through.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::run::cycle::CycleReport;
use crate::run::export::ExportReport;

/// The first moment that each connector spoke of changes that are not exported yet. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Moments(Arc<Mutex<Waiting>>);

#[derive(Default)]
struct Waiting {
    /// Said, and not asked for yet.
    said: BTreeMap<String, Instant>,
    /// Asked for just now.
    asked: BTreeMap<String, Instant>,
    /// There are changes, and they are not exported.
    told: BTreeMap<String, Instant>,
}

impl Moments {
    fn with<T>(&self, work: impl FnOnce(&mut Waiting) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A directory says that something happened.
    pub(super) fn said(&self, connector: &str) {
        self.with(|waiting| {
            waiting.said.entry(connector.to_owned()).or_insert_with(Instant::now);
        });
    }

    /// It is asked what. If it does not answer, what it said stands.
    pub(super) fn asked(&self, connector: &str) {
        self.with(|waiting| {
            let since = waiting.said.get(connector).copied().unwrap_or_else(Instant::now);
            waiting.asked.insert(connector.to_owned(), since);
        });
    }

    /// It answered. Gives since when its changes wait, if there are any.
    pub(super) fn answered(&self, connector: &str) -> Instant {
        self.with(|waiting| {
            let Some(since) = waiting.asked.remove(connector) else { return Instant::now() };
            // What it said while it was being asked stands, too.
            if waiting.said.get(connector) == Some(&since) {
                waiting.said.remove(connector);
            }
            since
        })
    }

    /// A cycle ended that took in what waited since then. Gives how long what it exported waited; what it left for the
    /// next waits on.
    pub(super) fn exported(&self, report: &CycleReport, taken: Vec<(String, Instant)>) -> Vec<(String, Duration)> {
        let sum = |count: fn(&ExportReport) -> u64| report.exports.iter().map(count).sum::<u64>();
        let written = sum(ExportReport::written) > 0;
        let left = sum(|export| export.left + export.postponed + export.unknown) > 0;
        self.with(|waiting| {
            for (name, since) in taken {
                let told = waiting.told.entry(name).or_insert(since);
                *told = since.min(*told);
            }
            let ended = report.exported_at.filter(|_| written);
            let lag = ended.map(|ended| {
                let told = waiting.told.iter();
                told.map(|(name, since)| (name.clone(), ended.saturating_duration_since(*since))).collect()
            });
            if !left && !report.quiet {
                waiting.told.clear();
            }
            lag.unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cycle(written: u64, left: u64) -> CycleReport {
        CycleReport {
            exports: vec![ExportReport { updated: written, left, ..ExportReport::default() }],
            exported_at: Some(Instant::now()),
            ..CycleReport::default()
        }
    }

    #[test]
    fn changes_wait_from_the_first_word_to_the_end_of_their_export() {
        let moments = Moments::default();
        let names = |lag: Vec<(String, Duration)>| lag.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        moments.said("ad");
        std::thread::sleep(Duration::from_millis(20));
        moments.asked("ad");
        let told = vec![("ad".to_owned(), moments.answered("ad"))];
        let lag = moments.exported(&cycle(1, 1), told);
        assert!(lag[0].1 >= Duration::from_millis(20), "since it was said: {lag:?}");
        assert_eq!(names(moments.exported(&cycle(1, 0), Vec::new())), ["ad"], "the rest waited on");
        assert_eq!(names(moments.exported(&cycle(1, 0), Vec::new())), Vec::<String>::new());
        moments.asked("ad");
        let told = vec![("ad".to_owned(), moments.answered("ad"))];
        assert_eq!(names(moments.exported(&cycle(0, 0), told)), Vec::<String>::new(), "nothing to write");
        assert_eq!(names(moments.exported(&cycle(1, 0), Vec::new())), Vec::<String>::new());
    }
}
