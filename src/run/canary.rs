//! A canary: an export in stages. The first objects are written and looked at; only if the target took them, and shows
//! what was written, do more follow.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde::Serialize;

use super::cycle::{self, CycleReport, Delivered};
use super::export::{ExportReport, Only};
use super::session::Session;
use super::{Progress, RunError, waves};
use crate::connector_space::ObjectId;
use crate::sync::ledger::View as _;

/// How far an export goes before somebody looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// So many objects, counted from the first.
    Count(usize),
    /// So many in a hundred.
    Percent(usize),
}

impl FromStr for Stage {
    type Err = String;

    fn from_str(text: &str) -> Result<Stage, String> {
        let wrong = || format!("`{text}` is neither a number of objects nor a share such as 1%");
        match text.strip_suffix('%') {
            Some(share) => match share.parse() {
                Ok(percent @ 1..=100) => Ok(Stage::Percent(percent)),
                _ => Err(wrong()),
            },
            None => text.parse().ok().filter(|count| *count > 0).map(Stage::Count).ok_or_else(wrong),
        }
    }
}

impl Stage {
    fn of(self, all: usize) -> usize {
        match self {
            Stage::Count(count) => count.min(all),
            Stage::Percent(percent) => (all * percent).div_ceil(100),
        }
    }
}

/// What came of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CanaryStage {
    /// The target.
    pub connector: String,
    /// How many objects were sent, with those of the stages before.
    pub objects: usize,
    /// Of how many.
    pub of: usize,
    /// Why nothing more was sent.
    pub halted: Option<String>,
}

/// Exports in stages.
///
/// # Errors
/// As [`super::export::run`].
pub(super) fn export(
    session: &mut Session,
    connector: &str,
    (allowed, stages): (&BTreeSet<ObjectId>, &[Stage]),
    progress: &dyn Progress,
    report: &mut CycleReport,
) -> Result<(), RunError> {
    let order = order(session, connector, allowed, report)?;
    let mut done = 0;
    for stage in stages {
        let upto = stage.of(order.len());
        if upto <= done {
            continue;
        }
        // What comes up meanwhile waits for a run of its own, and its limits.
        let only = Some(Only { objects: order.iter().take(upto).copied().collect(), references: None });
        let delivered = cycle::deliver(session, connector, (allowed, only.as_ref()), progress, report)?;
        done = upto;
        let mut halted = concern(&delivered);
        if halted.is_none() && upto < order.len() {
            let question = format!("{upto} of {} objects of `{connector}` are written; go on?", order.len());
            halted = (!progress.asks(&question)).then(|| "somebody said so".to_owned());
        }
        let stop = halted.is_some();
        report.canary.push(CanaryStage { connector: connector.to_owned(), objects: upto, of: order.len(), halted });
        if stop {
            return Ok(());
        }
    }
    Ok(())
}

/// Everything that is due: who lets go of a value stands before who takes it, and whose references alone change is last.
fn order(
    session: &mut Session,
    connector: &str,
    allowed: &BTreeSet<ObjectId>,
    report: &mut CycleReport,
) -> Result<Vec<ObjectId>, RunError> {
    let facts = session.tenant(connector)?;
    let mut beforehand = ExportReport { connector: connector.to_owned(), ..ExportReport::default() };
    let sorted = waves::sort(session, connector, &facts, (allowed, None), &mut beforehand)?;
    if beforehand.refused > 0 {
        report.exports.push(beforehand);
    }
    let mut order: Vec<ObjectId> = sorted.waves.into_iter().flatten().collect();
    let mut known: BTreeSet<ObjectId> = order.iter().copied().collect();
    let draft = session.store.draft();
    let mut after = None;
    loop {
        let keys = draft.edge_exports(after.as_ref(), 5_000)?;
        for (from, attribute, to) in &keys {
            let new = !known.contains(from) && draft.edge(*from, attribute, *to)?.is_due();
            if new && draft.object(*from)?.is_some_and(|object| object.connector == connector) {
                known.insert(*from);
                order.push(*from);
            }
        }
        match keys.last() {
            Some(last) => after = Some(last.clone()),
            None => return Ok(order),
        }
    }
}

/// Why nothing more should follow.
fn concern(delivered: &Delivered) -> Option<String> {
    let Delivered { refused, unanswered, touched, seen } = *delivered;
    if refused > 0 {
        Some(format!("{refused} were refused by the target"))
    } else if unanswered > 0 {
        Some(format!("the target gave no answer about {unanswered}"))
    } else if seen < touched {
        Some(format!("{} do not show what was written to them", touched - seen))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_numbers_and_shares() {
        let of = |text: &str| text.parse::<Stage>().map(|stage| stage.of(1_050));
        assert_eq!([of("10"), of("1%"), of("100%"), of("2000")], [Ok(10), Ok(11), Ok(1_050), Ok(1_050)]);
        for wrong in ["", "0", "0%", "101%", "ten", "-1", "1.5%"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
