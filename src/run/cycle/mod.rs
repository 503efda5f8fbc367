//! One whole cycle: import everything, synchronise, guard, export, confirm.

use std::collections::BTreeSet;

use super::adoption::{self, Adoption};
use super::canary;
use super::export::{self, ExportReport, Only};
use super::guard::{self, Endangered};
use super::import::{self, ImportReport};
use super::lines::{export_line, sync_line};
use super::reading::{self, Reading};
use super::session::Session;
use super::synchronise;
use super::{Progress, RunError, changes, grace, live, retry, runs, shrinkage};
use crate::connector_space::{ConnectorObject, ObjectId};
use crate::rules::RuleSet;
use crate::store::Draft;
use crate::sync::ledger::View;
use crate::sync::stage;

mod report;

pub use report::{CycleReport, Permissions};

/// Up to so many exported objects are confirmed by looking each up; more by an import.
const FEW: usize = 400;

/// Runs a cycle.
///
/// # Errors
/// See [`RunError`]; what concerns single objects is in the report.
pub fn run(session: &mut Session, permissions: &Permissions, progress: &dyn Progress) -> Result<CycleReport, RunError> {
    run_towards(session, Reading::Everything, None, permissions, progress)
}

/// Runs a cycle that reads everything or what changed, and takes another set of rules at its end if it may be taken by
/// itself.
///
/// # Errors
/// As [`run`].
pub fn run_towards(
    session: &mut Session,
    reading: Reading,
    candidate: Option<&RuleSet>,
    permissions: &Permissions,
    progress: &dyn Progress,
) -> Result<CycleReport, RunError> {
    synchronise::refuse_vanished(session)?;
    session.follows = matches!(reading, Reading::News { .. });
    session.down.clear();
    session.now = jiff::Timestamp::now().as_second();
    session.believed.clone_from(&permissions.believed);
    let log = runs::begin(session)?;
    let id = session.correlation.run();
    let _span = tracing::info_span!("cycle", run = log.run, id = %id).entered();
    let done = steps(session, log.run, reading, candidate, permissions, progress);
    let ended = runs::end(session, &log, done.as_ref());
    let report = done?;
    ended?;
    Ok(report)
}

fn steps(
    session: &mut Session,
    run: u64,
    reading: Reading,
    candidate: Option<&RuleSet>,
    permissions: &Permissions,
    progress: &dyn Progress,
) -> Result<CycleReport, RunError> {
    let started = std::time::Instant::now();
    let mut report = CycleReport {
        run,
        id: session.correlation.run(),
        rules: session.rules.fingerprint().to_owned(),
        rule_count: session.rules.rules().len(),
        ..CycleReport::default()
    };
    let names: Vec<String> = session.config.connectors.iter().map(|(name, _)| name.clone()).collect();
    let targets: Vec<String> =
        names.iter().filter(|name| session.directories.get(*name).is_some_and(|it| it.is_target())).cloned().collect();
    reading::learn(session, &reading)?;
    let advice = std::mem::take(&mut session.advice).into_iter();
    report.warnings = advice.flat_map(|(name, said)| said.into_iter().map(move |it| (name.clone(), it))).collect();
    if let Some(candidate) = candidate {
        report.adoption = adoption::prepare(session, candidate)?;
    }
    report.imports = reading::read(session, reading, progress)?;
    for imported in &report.imports {
        report.errors += usize::try_from(imported.unreadable + imported.held).unwrap_or(usize::MAX);
    }
    report.shrunk = report.imports.iter().flat_map(|import| &import.shrunk).map(ToString::to_string).collect();
    if report.shrunk.is_empty() {
        report.shrunk = shrinkage::unbelieved(session)?;
    }
    let unread = reading::unread(session)?;
    if !report.shrunk.is_empty() || !is_whole(session, &report, unread.is_empty())? {
        report.milliseconds = milliseconds(started);
        return Ok(report);
    }
    live::decide_standby(session)?;
    report.standby = live::is_standby(&session.store.draft())?;
    // What exists in a target that was not read is not known: nothing is decided about it, and nothing written.
    let targets: Vec<String> = match session.follows {
        true => targets.into_iter().filter(|name| !unread.contains(name) && !session.down.contains(name)).collect(),
        false => targets,
    };
    for name in targets.iter().filter(|name| !unread.contains(*name)) {
        live::decide_staging(session, name)?;
        retry::prepare(session, name, &permissions.allowed, permissions.retry)?;
        if !session.behind {
            grace::prepare(session, name)?;
        }
    }
    if let Some(planned) = &permissions.plan {
        let moved = planned.moved(&super::plan::make(session, progress)?)?;
        if moved.count > 0 {
            report.moved = Some(moved);
            report.milliseconds = milliseconds(started);
            return Ok(report);
        }
    }
    report.sync = synchronise::run(session, progress)?;
    progress.end(&sync_line(&report.sync));
    report.errors += report.sync.errors.len();
    if incomplete_target(&report, &targets) || report.sync.stopped {
        report.milliseconds = milliseconds(started);
        return Ok(report);
    }
    report.quiet = session.follows && session.config.serving.is_quiet(jiff::Timestamp::now());
    if report.quiet {
        report.milliseconds = milliseconds(started);
        return Ok(report);
    }
    export_all(session, &targets, permissions, progress, &mut report)?;
    let well = report.exceeded.is_empty() && report.shrunk.is_empty();
    if let (Some(candidate), None, true) = (candidate, &report.adoption, well) {
        report.adoption = Some(adoption::decide(session, candidate, progress)?);
        if report.adoption == Some(Adoption::Taken) {
            report.rules = session.rules.fingerprint().to_owned();
            session.store.stamp_rules(report.rules.clone());
            report.rule_count = session.rules.rules().len();
            let again = synchronise::run(session, progress)?;
            progress.end(&sync_line(&again));
            report.sync.absorb(again);
            export_all(session, &targets, permissions, progress, &mut report)?;
        }
    }
    report.milliseconds = milliseconds(started);
    Ok(report)
}

fn export_all(
    session: &mut Session,
    targets: &[String],
    permissions: &Permissions,
    progress: &dyn Progress,
    report: &mut CycleReport,
) -> Result<(), RunError> {
    report.proposals = proposals(session, targets)?;
    for name in targets {
        match export_to(session, name, permissions, progress, report) {
            // The others need not wait for it; what was sent is looked for first.
            Err(RunError::Connector { connector, error }) if session.follows => {
                report.warnings.push((connector.clone(), format!("it could not be written to: {error}")));
                report.exports.push(ExportReport {
                    connector: connector.clone(),
                    unknown: 1,
                    ..ExportReport::default()
                });
                session.down.insert(connector);
            }
            done => done?,
        }
        if !report.exceeded.is_empty() || !report.shrunk.is_empty() || report.is_halted() {
            break;
        }
    }
    Ok(())
}

fn proposals(session: &Session, targets: &[String]) -> Result<Vec<(String, usize)>, RunError> {
    let draft = session.store.draft();
    let mut found = Vec::new();
    for name in targets {
        let mut count = 0;
        draft.each_export(name, |object| {
            count += usize::from(object.link.is_none() && object.outbound.proposed.is_some());
        })?;
        if count > 0 {
            found.push((name.clone(), count));
        }
    }
    Ok(found)
}

pub(super) fn milliseconds(since: std::time::Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Whether synchronisation may begin: in a store that was made anew, not before every directory was read whole.
fn is_whole(session: &mut Session, report: &CycleReport, all_read: bool) -> Result<bool, RunError> {
    if !session.store.draft().fact::<bool>("rebuilt")?.unwrap_or(false) {
        return Ok(true);
    }
    if !all_read || report.imports.iter().any(|import| !import.incomplete.is_empty()) {
        return Ok(false);
    }
    session.remember("rebuilt", &false)?;
    Ok(true)
}

/// Nothing is written to a target that could not be read whole: what exists there would be made again.
fn incomplete_target(report: &CycleReport, targets: &[String]) -> bool {
    report.imports.iter().any(|import| targets.contains(&import.connector) && !import.incomplete.is_empty())
}

fn export_to(
    session: &mut Session,
    connector: &str,
    permissions: &Permissions,
    progress: &dyn Progress,
    report: &mut CycleReport,
) -> Result<(), RunError> {
    let allowed = &permissions.allowed;
    let draft = session.store.draft();
    if !live::is_live(&draft, connector)? {
        let waiting = waiting(&draft, connector)?;
        drop(draft);
        report.staging.push((connector.to_owned(), waiting));
        return Ok(());
    }
    let intent = guard::intent(session, &draft, connector, (allowed, None))?;
    let exceeded = guard::check(session, &draft, connector, &intent)?;
    let (sent, refused): (Vec<_>, Vec<_>) = intent.endangered.iter().partition(|object| object.is_sent(allowed));
    if !exceeded.is_empty() || !refused.is_empty() {
        let path = guard::list_path(&session.config.store_folder, report.run);
        let stopped = if exceeded.is_empty() { &[][..] } else { &sent };
        let listed: Vec<&Endangered> = stopped.iter().chain(&refused).copied().collect();
        report.endangered = guard::write_list(&path, &draft, (connector, None), &listed, &exceeded)?;
        report.list = Some(path);
    }
    drop(draft);
    if let Some(path) = report.list.take() {
        let path = if session.follows { guard::settle_list(session, connector, path)? } else { path };
        report.list = Some(path);
    }
    if !exceeded.is_empty() {
        report.exceeded = exceeded;
        return Ok(());
    }
    report.endangered.clear();
    if permissions.canary.is_empty() {
        deliver(session, connector, (allowed, None), progress, report)?;
        return Ok(());
    }
    canary::export(session, connector, (allowed, &permissions.canary), progress, report)
}

/// What came of an export and a look at it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivered {
    /// Refused by the target.
    pub(super) refused: u64,
    /// Not answered, or not now.
    pub(super) unanswered: u64,
    /// Objects that were written.
    pub(super) touched: u64,
    /// Those of them that show it.
    pub(super) seen: u64,
}

/// Exports what is due, or a part of it, and looks whether it arrived.
pub(super) fn deliver(
    session: &mut Session,
    connector: &str,
    (allowed, only): (&BTreeSet<ObjectId>, Option<&Only>),
    progress: &dyn Progress,
    report: &mut CycleReport,
) -> Result<Delivered, RunError> {
    let span = tracing::info_span!("export", connector).entered();
    let exported = guard::export(session, connector, (allowed, only), progress)?;
    drop(span);
    report.exported_at = Some(std::time::Instant::now());
    progress.end(&export_line(&exported));
    let touched: Vec<ObjectId> = exported.touched.iter().copied().collect();
    let mut delivered = Delivered {
        refused: exported.refused,
        unanswered: exported.postponed + exported.unknown,
        touched: u64::try_from(touched.len()).unwrap_or(u64::MAX),
        seen: 0,
    };
    report.exports.push(exported);
    if touched.is_empty() {
        return Ok(delivered);
    }
    progress.begin("confirm", connector, None);
    if let Some(imported) = confirm(session, connector, &touched, progress)? {
        report.shrunk.extend(imported.shrunk.iter().map(ToString::to_string));
        if !imported.shrunk.is_empty() || !imported.incomplete.is_empty() {
            // Nothing is derived from it, here or for the targets that follow.
            report.imports.push(imported);
            return Ok(delivered);
        }
    }
    synchronise::run(session, progress)?;
    let seen = count_confirmed(session, &touched)?;
    delivered.seen = seen;
    report.confirmed.0 += seen;
    report.confirmed.1 += delivered.touched;
    progress.end(&format!("confirm   {seen} of {} seen", touched.len()));
    Ok(delivered)
}

/// Looks whether what was written is there. What was written comes back as what changed, where changes can be followed.
fn confirm(
    session: &mut Session,
    connector: &str,
    touched: &[ObjectId],
    progress: &dyn Progress,
) -> Result<Option<ImportReport>, RunError> {
    let few = touched.len() <= FEW;
    if session.follows || (!few && changes::is_reached(session, connector)?) {
        return changes::catch_up(session, connector, progress);
    }
    if few {
        import::refresh(session, connector, touched)?;
        return Ok(None);
    }
    import::run(session, connector, progress).map(Some)
}

/// Objects of a target that wait to be written.
fn waiting(draft: &Draft<'_>, connector: &str) -> Result<usize, RunError> {
    let mut count = 0;
    draft.each_export(connector, |object| count += usize::from(export::item_of(&object).is_some()))?;
    Ok(count)
}

fn count_confirmed(session: &Session, touched: &[ObjectId]) -> Result<u64, RunError> {
    let draft = session.store.draft();
    let mut seen = 0;
    let waits = |object: ConnectorObject| object.export.is_some_and(|export| stage::awaits_confirmation(&export));
    for id in touched {
        seen += u64::from(!draft.object(*id)?.is_some_and(waits));
    }
    Ok(seen)
}
