//! The log of runs: when each was, with which rules, what it did or why it ended, and where its journal is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::RunError;
use super::cycle::CycleReport;
use super::session::Session;
use crate::change::{Change, Stamp};
use crate::store::Draft;

/// How many runs are remembered; their journal stays.
const REMEMBERED: u64 = 1_000;

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunLog {
    /// Its number.
    pub run: u64,
    /// Its id: requests to Graph carry it as `client-request-id`, with their number in its last group.
    #[serde(default)]
    pub id: Option<Uuid>,
    /// When it began: seconds since 1970.
    pub at: i64,
    /// The fingerprint of the rules.
    pub rules: String,
    /// The journal entries before it.
    pub journal_begin: u64,
    /// Its last journal entry; nothing while it runs, or when it was cut off.
    pub journal_end: Option<u64>,
    /// What it did, as `run --format json` prints it.
    pub report: Option<serde_json::Value>,
    /// Why it could not go on.
    pub error: Option<String>,
}

fn key(run: u64) -> String {
    format!("run/{run}")
}

/// Begins a run: gives it a number, and stamps everything that it will commit.
pub(super) fn begin(session: &mut Session) -> Result<RunLog, RunError> {
    let mut draft = session.store.draft();
    let run = draft.fact::<u64>("run")?.unwrap_or(0) + 1;
    let stamp = Stamp { run, at: jiff::Timestamp::now().as_second(), rules: session.rules.fingerprint().to_owned() };
    let log = RunLog {
        run,
        id: Some(session.correlation.run()),
        at: stamp.at,
        rules: stamp.rules.clone(),
        journal_begin: session.store.journal_end(),
        journal_end: None,
        report: None,
        error: None,
    };
    draft.put_fact("run", &run)?;
    draft.put_fact(&key(run), &log)?;
    if run > REMEMBERED {
        draft.remove_fact(&key(run - REMEMBERED))?;
    }
    let writes = draft.finish();
    session.store.set_stamp(stamp);
    session.store.commit(writes)?;
    Ok(log)
}

/// Ends a run, whichever way it ended.
pub(super) fn end(session: &mut Session, log: &RunLog, done: Result<&CycleReport, &RunError>) -> Result<(), RunError> {
    let mut log = RunLog { journal_end: Some(session.store.journal_end()), ..log.clone() };
    match done {
        Ok(report) => log.report = serde_json::to_value(report).ok(),
        Err(error) => log.error = Some(error.to_string()),
    }
    let mut draft = session.store.draft();
    draft.put_fact(&key(log.run), &log)?;
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.set_stamp(Stamp::default());
    session.correlate();
    Ok(())
}

/// One run that is remembered.
///
/// # Errors
/// When the store cannot be read.
pub fn one(draft: &Draft<'_>, run: u64) -> Result<Option<RunLog>, RunError> {
    Ok(draft.fact(&key(run))?)
}

/// The last runs, the latest first.
///
/// # Errors
/// When the store cannot be read.
pub fn last(draft: &Draft<'_>, count: usize) -> Result<Vec<RunLog>, RunError> {
    let latest = draft.fact::<u64>("run")?.unwrap_or(0);
    let mut logs = Vec::new();
    for run in (1..=latest).rev().take(count) {
        logs.extend(one(draft, run)?);
    }
    Ok(logs)
}

/// Visits everything that a run did, in order.
///
/// # Errors
/// When the store cannot be read.
pub fn each_change(draft: &Draft<'_>, log: &RunLog, mut visit: impl FnMut(Change)) -> Result<(), RunError> {
    let mut number = log.journal_begin + 1;
    while log.journal_end.is_none_or(|end| number <= end) {
        // A run that was cut off has no end; the next one begins there.
        let Some(entry) = draft.journal_entry(number)?.filter(|entry| entry.stamp.run <= log.run) else { break };
        if entry.stamp.run == log.run {
            entry.changes.into_iter().for_each(&mut visit);
        }
        number += 1;
    }
    Ok(())
}
