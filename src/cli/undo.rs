//! `syncline undo`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::output::{plural, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format, plan};
use crate::run::approval::{self, Admitted, Kind};
use crate::run::audit::{Deed, Outcome};
use crate::run::plan::SavedPlan;
use crate::run::session::Session;
use crate::run::undo::{self, UndoReport, Wishes};
use crate::run::who::Who;
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
    let (config, who) = (session.config.clone(), Who::of(session.who.as_deref()));
    let done = if arguments.yes {
        let list: Vec<(Kind, &Path)> = arguments.allow.iter().map(|path| (Kind::List, path.as_path())).collect();
        let mut admitted = approval::admit(&config, &who, &list)?;
        admitted.begin(&config, who.clone(), Deed::Undo, format!("run {}", arguments.run))?;
        let wishes = Wishes { allowed: Some(&admitted.allowed), plan: None };
        let done = undo::run(&mut session, arguments.run, wishes, progress);
        write_down(&mut admitted, &done)?;
        done
    } else {
        undo::plan(&mut session, arguments.run, progress)
    };
    session.close()?;
    let report = done?;
    if let Some(path) = &arguments.out {
        let saved = SavedPlan::of_undo(&report.plan, arguments.run, jiff::Timestamp::now().as_second())?;
        plan::keep(&config, &who, &saved, path, None)?;
    }
    Ok(end(&report, arguments.detail, format))
}

/// Writes down how an undoing has ended.
pub(super) fn write_down(admitted: &mut Admitted, done: &Result<UndoReport, RunError>) -> Result<(), RunError> {
    match done {
        Ok(report) => {
            let stopped = report.is_stopped() || report.moved.is_some();
            let outcome = if stopped { Outcome::Stopped } else { Outcome::Done };
            admitted.end(outcome, Some(&format!("run {}", report.run)))
        }
        Err(_) => admitted.end(Outcome::Failed, None),
    }
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
    if report.is_stopped() || report.moved.is_some() {
        Exit::Guard
    } else if refused {
        Exit::ObjectErrors
    } else {
        Exit::Success
    }
}

fn tell(report: &UndoReport, detail: bool) {
    let nothing = report.plan.targets.values().all(|target| target.lines.is_empty());
    if report.run == 0 || report.is_stopped() {
        plan::text::consequences(&report.plan, detail);
    }
    if report.left.count > 0 {
        let stay = if report.left.count == 1 { "stays as it is" } else { "stay as they are" };
        say(&format!("{} {stay}:", plural(report.left.count, "thing")));
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
        if report.anchors > 0 {
            let accounts = plural(report.anchors, "object");
            say(&format!(
                "stopped: {accounts} would get another source anchor, and so be somebody else's. Nothing was exported."
            ));
        }
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
