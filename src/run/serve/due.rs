//! Which connectors are asked, and when: those that said something at once, the others every so often, one that fails
//! later and later. Says nothing of how.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A connector that fails is asked later and later, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

/// How long there is no cycle after so many in a row that failed.
pub(super) fn rest(failures: u32) -> Duration {
    pause_after(failures, Duration::from_secs(2))
}

/// A pause that doubles with each failure in a row.
fn pause_after(failures: u32, shortest: Duration) -> Duration {
    shortest.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
}

/// When each connector is asked the next time.
pub(super) struct Due {
    every: Duration,
    next: BTreeMap<String, Instant>,
    failures: BTreeMap<String, u32>,
}

impl Due {
    /// All at once, and then every so often.
    pub(super) fn new(connectors: impl IntoIterator<Item = String>, every: Duration, now: Instant) -> Due {
        Due { every, next: connectors.into_iter().map(|name| (name, now)).collect(), failures: BTreeMap::new() }
    }

    /// Who is to be asked now. One that failed waits for its pause, whatever it says meanwhile.
    pub(super) fn at(&self, heard: &BTreeSet<String>, now: Instant) -> BTreeSet<String> {
        let due = self
            .next
            .iter()
            .filter(|(name, next)| **next <= now || (heard.contains(*name) && !self.failures.contains_key(*name)));
        due.map(|(name, _)| name.clone()).collect()
    }

    /// One is being asked; it is not asked again meanwhile unless it says something.
    pub(super) fn asked(&mut self, connector: &str, now: Instant) {
        self.next.insert(connector.to_owned(), now + self.every);
    }

    /// One was asked, and answered. Gives whether it had failed before.
    pub(super) fn answered(&mut self, connector: &str, now: Instant) -> bool {
        self.next.insert(connector.to_owned(), now + self.every);
        self.failures.remove(connector).is_some()
    }

    /// One could not be asked. Gives the pause until it is again, and how often in a row that was.
    pub(super) fn failed(&mut self, connector: &str, now: Instant) -> (Duration, u32) {
        let failures = self.failures.entry(connector.to_owned()).or_insert(0);
        *failures += 1;
        let pause = pause_after(*failures, self.every.min(Duration::from_secs(5)));
        self.next.insert(connector.to_owned(), now + pause);
        (pause, *failures)
    }

    /// Who did not answer the last time.
    pub(super) fn failing(&self) -> BTreeSet<String> {
        self.failures.keys().cloned().collect()
    }

    /// Everybody is asked at once.
    pub(super) fn all(&mut self, now: Instant) {
        self.next.values_mut().for_each(|next| *next = now);
    }

    /// How long nobody is due.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        self.next.values().map(|next| next.saturating_duration_since(now)).min().unwrap_or(self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_that_fail_come_later_and_later() {
        let pauses: Vec<u64> = [1, 2, 3, 8, 9, 10, 100].map(|failures| rest(failures).as_secs()).to_vec();
        assert_eq!(pauses, [2, 4, 8, 256, 512, 600, 600]);
    }

    #[test]
    fn who_fails_is_asked_later_and_later() {
        let start = Instant::now();
        let mut due = Due::new(["ad".to_owned(), "entra".to_owned()], Duration::from_secs(30), start);
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(due.at(&names(&[]), start), names(&["ad", "entra"]));
        due.answered("ad", start);
        let pauses: Vec<u64> = (0..9).map(|_| due.failed("entra", start).0.as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600]);
        assert_eq!(due.at(&names(&["ad", "entra"]), start), names(&["ad"]));
        assert_eq!(due.pause(start), Duration::from_secs(30));
        assert_eq!(due.at(&names(&[]), start + Duration::from_secs(30)), names(&["ad"]));
        due.answered("entra", start);
        assert_eq!(due.at(&names(&["entra"]), start), names(&["entra"]));
    }
}
