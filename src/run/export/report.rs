//! What an export did.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use crate::connector_space::ObjectId;

/// More refusals than this are counted, not listed.
const LISTED: usize = 50;

/// What an export did.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ExportReport {
    /// The connector.
    pub connector: String,
    /// Objects made.
    pub created: u64,
    /// Objects taken out of the recycle bin.
    pub restored: u64,
    /// Objects changed.
    pub updated: u64,
    /// Objects deleted.
    pub deleted: u64,
    /// References added.
    pub added: u64,
    /// References removed.
    pub removed: u64,
    /// Refused by the directory, or beforehand.
    pub refused: u64,
    /// Refused by an earlier run, and not sent again, for nothing has changed since.
    pub refused_before: u64,
    /// Not now; the next run tries again.
    pub postponed: u64,
    /// What the target said when it took no more objects; those that were not made are among the postponed.
    pub full: Option<String>,
    /// Sent, and nobody knows: the next run looks first.
    pub unknown: u64,
    /// Left for the next run, for this one has had its time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left: u64,
    /// Requests that it took, where the directory counts them, and how many it would have taken at the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<(u64, u64)>,
    /// The directory takes no writes before then, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_until: Option<i64>,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
    /// The first refusals: who, and why.
    pub problems: Vec<(String, String)>,
    /// Objects that were written.
    #[serde(skip)]
    pub touched: BTreeSet<ObjectId>,
    /// Objects that were sent.
    #[serde(skip)]
    pub sent: BTreeSet<ObjectId>,
    /// Objects that were sent and not taken now: the next time they come after others of their wave.
    #[serde(skip)]
    pub put_off: BTreeSet<ObjectId>,
    /// Those of the written ones that came out of the recycle bin as they were, and wait for what rules say now.
    #[serde(skip)]
    pub as_they_were: Vec<ObjectId>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl ExportReport {
    /// Everything that was written.
    pub fn written(&self) -> u64 {
        self.created + self.restored + self.updated + self.deleted + self.added + self.removed
    }

    /// How long what was left will take, at the speed of what was written; nothing where none was.
    pub fn time_left(&self) -> Option<Duration> {
        let (left, written) = (u32::try_from(self.left).ok()?, u32::try_from(self.written()).ok()?);
        Duration::from_millis(self.milliseconds).checked_mul(left)?.checked_div(written).filter(|_| left > 0)
    }

    pub(in crate::run) fn refuse(&mut self, who: String, why: String) {
        self.refused += 1;
        if self.problems.len() < LISTED {
            self.problems.push((who, why));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_was_written() {
        let report =
            |written, left| ExportReport { updated: written, left, milliseconds: 10_000, ..ExportReport::default() };
        assert_eq!(report(200, 1_000).time_left(), Some(Duration::from_secs(50)));
        assert_eq!(report(200, 0).time_left(), None, "nothing is left");
        assert_eq!(report(0, 1_000).time_left(), None, "nobody knows");
    }
}
