//! `syncline undo`.

use std::path::PathBuf;

use clap::Args;

use super::output::{plural, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format, plan};
use crate::run::guard;
use crate::run::plan::SavedPlan;
use crate::run::session::Session;
use crate::run::undo::{self, UndoReport, Wishes};
use crate::run::{Progress, RunError, Silent};

/// Takes back what a run wrote to the targets. Without `--yes` it only shows what that would be.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline undo 12\n  syncline undo 12 --yes\n  syncline undo 12 --out undo.plan      and then: syncline run --plan undo.plan"
)]
pub(super) struct UndoArguments {
    /// The number of the run: `syncline show runs` lists them.
    run: u64,
    /// Does it.
    #[arg(long)]
    yes: bool,
    /// Keeps the plan, for `syncline run --plan FILE`.
    #[arg(long, value_name = "FILE", conflicts_with = "yes")]
    out: Option<PathBuf>,
    /// The list of a run that the guard stopped: these objects may be deleted and disabled.
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// Every object with its changes, not just groups of what is alike.
    #[arg(long)]
    detail: bool,
}

pub(super) fn run(mut session: Session, arguments: &UndoArguments, format: Format) -> Result<Exit, RunError> {
    super::run::stop_on_ctrl_c(&session);
    let terminal = Terminal::new();
    let progress: &dyn Progress = if format == Format::Text { &terminal } else { &Silent };
    let allowed = arguments.allow.as_deref().map(guard::read_list).transpose()?;
    let done = if arguments.yes {
        undo::run(&mut session, arguments.run, Wishes { allowed: allowed.as_ref(), plan: None }, progress)
    } else {
        undo::plan(&mut session, arguments.run, progress)
    };
    session.close()?;
    let report = done?;
    if let Some(path) = &arguments.out {
        SavedPlan::of_undo(&report.plan, arguments.run, jiff::Timestamp::now().as_second())?.write(path)?;
        say(&format!("kept in {}. Do it: `syncline run --plan {}`", path.display(), path.display()));
    }
    Ok(end(&report, arguments.detail, format))
}

/// Undoes a run as a plan says that was kept.
pub(super) fn run_plan(
    session: &mut Session,
    run: u64,
    wishes: Wishes<'_>,
    format: Format,
) -> Result<UndoReport, RunError> {
    match format {
        Format::Text => undo::run(session, run, wishes, &Terminal::new()),
        Format::Json => undo::run(session, run, wishes, &Silent),
    }
}

/// Says what came of it.
pub(super) fn end(report: &UndoReport, detail: bool, format: Format) -> Exit {
    match format {
        Format::Json => print_json(report),
        Format::Text => tell(report, detail),
    }
    let refused = report.exports.iter().any(|export| export.refused + export.unknown > 0);
    if !report.exceeded.is_empty() || report.moved.is_some() {
        Exit::Guard
    } else if refused {
        Exit::ObjectErrors
    } else {
        Exit::Success
    }
}

fn tell(report: &UndoReport, detail: bool) {
    let nothing = report.plan.targets.values().all(|target| target.lines.is_empty());
    if report.run == 0 || !report.exceeded.is_empty() {
        plan::text::consequences(&report.plan, detail);
    }
    if report.left.count > 0 {
        say(&format!("{} stay as they are:", plural(report.left.count, "thing")));
        report.left.first.iter().for_each(|what| say(&format!("  {what}")));
        if report.left.count > report.left.first.len() {
            say(&format!("  … and {} more", report.left.count - report.left.first.len()));
        }
    }
    if let Some(moved) = &report.moved {
        super::run::tell_moved(moved);
        return;
    }
    if let (true, Some(path)) = (report.run > 0, &report.list) {
        super::run::tell_exceeded(&report.exceeded, &report.endangered);
        say(&format!("see them:   {}", path.display()));
        say(&format!("go on:      syncline undo {} --yes --allow {}", report.undone, path.display()));
        return;
    }
    if nothing {
        say(&format!("run {} left nothing that could be taken back", report.undone));
    } else if report.run == 0 {
        say(&format!("do it: `syncline undo {} --yes`", report.undone));
    } else {
        for export in &report.exports {
            super::run::list("refused", &export.problems, usize::try_from(export.refused).unwrap_or(usize::MAX));
        }
        for (name, _) in report.plan.targets.iter().filter(|(_, target)| !target.lines.is_empty()) {
            say(&format!(
                "run {} is taken back in `{name}`, which is staging now: the rules still want it",
                report.undone
            ));
            say(&format!("  hint: change the rules, look at `syncline plan`, then `syncline go-live {name}`"));
        }
    }
}
