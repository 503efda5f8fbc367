//! Undoing a run: what it wrote is taken back, from what the journal kept before it was sent. Only what still is as the
//! run left it is taken back; what somebody changed since stays, and is told.
//!
//! The rules still want what they wanted. So the target is staging afterwards, until somebody says `go-live`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use super::export::{ExportReport, Only};
use super::guard::{self, ByReason, Exceeded};
use super::plan::{self, Moved, Plan, SavedPlan};
use super::session::Session;
use super::taking_back::{self, Left};
use super::{Progress, RunError, cycle, import, in_flight, lines, runs};
use crate::connector_space::ObjectId;
use crate::store::Draft;

/// What undoing a run comes to.
#[derive(Clone, Debug, Default, Serialize)]
pub struct UndoReport {
    /// The run that is undone.
    pub undone: u64,
    /// The number of the run that does it; 0 while it is only planned.
    pub run: u64,
    /// What is written.
    pub plan: Plan,
    /// What stays.
    pub left: Left,
    /// Limits that stopped it; nothing was written.
    pub exceeded: Vec<Exceeded>,
    /// How many would get another source anchor, and nobody has looked at them; nothing was written.
    pub anchors: usize,
    /// What the guard stopped: why, how many, and the first.
    pub endangered: ByReason,
    /// Where the whole list is.
    pub list: Option<PathBuf>,
    /// What has changed since the plan was made; nothing was written.
    pub moved: Option<Moved>,
    /// One a target.
    pub exports: Vec<ExportReport>,
}

impl UndoReport {
    /// Whether the guard stopped it.
    pub fn is_stopped(&self) -> bool {
        !self.exceeded.is_empty() || self.anchors > 0
    }
}

/// What somebody wants of an undoing besides it.
#[derive(Clone, Copy, Default)]
pub struct Wishes<'a> {
    /// Objects that a person has looked at.
    pub allowed: Option<&'a BTreeSet<ObjectId>>,
    /// Does exactly this, or nothing.
    pub plan: Option<&'a SavedPlan>,
}

/// What undoing a run would do, after a look at the targets; writes nothing to them.
///
/// # Errors
/// When there is no such run, a target could not be read whole, or the store fails.
pub fn plan(session: &mut Session, run: u64, progress: &dyn Progress) -> Result<UndoReport, RunError> {
    let started = std::time::Instant::now();
    look(session, progress)?;
    let mut draft = session.store.draft();
    let (only, left) = taking_back::lay_over(session, &mut draft, run)?;
    let mut plan = plan::describe(session, &draft, Some(&only))?;
    plan.milliseconds = cycle::milliseconds(started);
    Ok(UndoReport { undone: run, exceeded: plan.exceeded.clone(), plan, left, ..UndoReport::default() })
}

/// Undoes a run.
///
/// # Errors
/// As [`plan`], and when a target could not be used.
pub fn run(
    session: &mut Session,
    undone: u64,
    wishes: Wishes<'_>,
    progress: &dyn Progress,
) -> Result<UndoReport, RunError> {
    let log = runs::begin(session)?;
    let done = steps(session, (undone, log.run), wishes, progress);
    let as_cycle = done.as_ref().map(|report| cycle::CycleReport {
        run: log.run,
        rules: session.rules.fingerprint().to_owned(),
        exports: report.exports.clone(),
        exceeded: report.exceeded.clone(),
        ..cycle::CycleReport::default()
    });
    let ended = runs::end(session, &log, as_cycle.as_ref().map_err(|error| *error));
    let report = done?;
    ended?;
    Ok(report)
}

fn steps(
    session: &mut Session,
    (undone, run): (u64, u64),
    wishes: Wishes<'_>,
    progress: &dyn Progress,
) -> Result<UndoReport, RunError> {
    let nobody = BTreeSet::new();
    let allowed = wishes.allowed.unwrap_or(&nobody);
    look(session, progress)?;
    let mut draft = session.store.draft();
    let (only, left) = taking_back::lay_over(session, &mut draft, undone)?;
    let plan = plan::describe(session, &draft, Some(&only))?;
    let mut report = UndoReport { undone, run, plan, left, ..UndoReport::default() };
    if let Some(moved) = wishes.plan.map(|planned| planned.moved(&report.plan)).transpose()?
        && moved.count > 0
    {
        report.moved = Some(moved);
        return Ok(report);
    }
    let names: Vec<String> = session.target_kinds().map(|(name, _)| name.clone()).collect();
    for name in &names {
        if stops(session, &draft, (name, &only), allowed, &mut report)? {
            return Ok(report);
        }
    }
    for (name, _) in report.plan.targets.iter().filter(|(_, target)| !target.lines.is_empty()) {
        // Before anything is sent: whatever happens from here on, no rule writes over it.
        draft.put_fact(&format!("live/{name}"), &false)?;
    }
    let writes = draft.finish();
    session.store.commit(writes)?;
    session.store.checkpoint()?;
    for name in &names {
        let exported = guard::export(session, name, (allowed, Some(&only)), progress)?;
        progress.end(&lines::export_line(&exported));
        if exported.written() > 0 {
            progress.end(&lines::import_line(&import::run(session, name, progress)?));
        }
        report.exports.push(exported);
    }
    Ok(report)
}

/// Whether a limit stops it, or an anchor that nobody has looked at; then who is concerned is listed.
fn stops(
    session: &Session,
    draft: &Draft<'_>,
    (name, only): (&str, &Only),
    allowed: &BTreeSet<ObjectId>,
    report: &mut UndoReport,
) -> Result<bool, RunError> {
    let intent = guard::intent(session, draft, name, (allowed, Some(only)))?;
    report.exceeded = guard::check(session, draft, name, &intent)?;
    report.anchors = intent.endangered.iter().filter(|object| !object.is_sent(allowed)).count();
    if !report.is_stopped() {
        return Ok(false);
    }
    let path = guard::list_path(&session.config.store_folder, report.run);
    let listed: Vec<_> = intent.endangered.iter().collect();
    report.endangered = guard::write_list(&path, draft, (name, Some(only)), &listed, &report.exceeded)?;
    report.list = Some(path);
    Ok(true)
}

/// Settles what was under way, and looks at every target: only what is as the run left it is taken back.
fn look(session: &mut Session, progress: &dyn Progress) -> Result<(), RunError> {
    session.wake()?;
    let names: Vec<String> = session.target_kinds().map(|(name, _)| name.clone()).collect();
    for name in names {
        in_flight::settle(session, &name)?;
        let imported = import::run(session, &name, progress)?;
        progress.end(&lines::import_line(&imported));
        let shrunk = imported.shrunk.iter().map(ToString::to_string);
        if let Some(why) = imported.incomplete.iter().cloned().chain(shrunk).next() {
            let why = format!("`{name}` could not be read whole, and so nothing is taken back: {why}");
            return Err(RunError::Unknown(why));
        }
    }
    Ok(())
}
