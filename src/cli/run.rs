//! `syncline run`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::output::{plural, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format};
use crate::config::Config;
use crate::rules::RuleSet;
use crate::run::approval::{self, Admitted, Kind};
use crate::run::audit::Outcome;
use crate::run::canary::Stage;
use crate::run::cycle::{self, CycleReport, Permissions};
use crate::run::guard::{ByReason, Exceeded};
use crate::run::plan::Moved;
use crate::run::rules_in_use;
use crate::run::session::{Session, folders};
use crate::run::undo::Wishes;
use crate::run::who::Who;
use crate::run::{RunError, Silent};

/// One cycle: import everything, synchronise, export, confirm.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline run\n  syncline run --allow state/stopped-12.jsonl\n  syncline run --format json"
)]
pub(super) struct RunArguments {
    /// A list that the guard wrote: these deletions, disablements and new anchors were looked at and are meant.
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// A plan that `plan --out` wrote: exactly this is done, or nothing if anything has changed since.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Believes what a directory shows, though it shows far fewer objects or values than it did. May be given several
    /// times.
    #[arg(long, value_name = "CONNECTOR")]
    allow_shrinkage: Vec<String>,
    /// Exports in stages, such as `10,1%,100%`: ten objects, one in a hundred, all. Each stage is looked at; when the
    /// target refuses something, or does not show what was written, nothing more is sent. A person who watches is asked.
    #[arg(long, value_name = "STAGES", value_delimiter = ',')]
    canary: Vec<Stage>,
    /// Sends again what a target refused, though nothing has changed since. Otherwise that is done once a day.
    #[arg(long)]
    retry: bool,
    /// Ends with exit code 1 when objects have errors or were refused, though the run itself is complete.
    #[arg(long)]
    strict: bool,
}

impl RunArguments {
    /// What this run is to do, in files that somebody may have to approve.
    fn files(&self) -> Vec<(Kind, &Path)> {
        let plan = self.plan.as_deref().map(|path| (Kind::Plan, path));
        let list = self.allow.as_deref().map(|path| (Kind::List, path));
        plan.into_iter().chain(list).collect()
    }
}

/// Keeps the rules of this run beside the store, for `rules diff`, and for `serve` to begin with.
fn keep_rules(config: &Config, fingerprint: &str) {
    let same = |rules: &RuleSet| rules.fingerprint() == fingerprint;
    let rules = RuleSet::load(&folders(config), config.settings.clone()).ok().map(|(rules, _)| rules).filter(same);
    if let Some(Err(error)) = rules.map(|rules| rules_in_use::keep(&config.store_folder, &rules)) {
        say(&format!("the rules of this run cannot be kept beside the store: {error}"));
    }
}

pub(super) fn run(mut session: Session, arguments: &RunArguments, format: Format) -> Result<Exit, RunError> {
    let believed: BTreeSet<String> = arguments.allow_shrinkage.iter().cloned().collect();
    for name in &believed {
        session.directory(name)?;
    }
    let who = Who::of(session.who.as_deref());
    let mut admitted = approval::admit(&session.config, &who, &arguments.files())?;
    let (allowed, plan) = (std::mem::take(&mut admitted.allowed), admitted.plan.take());
    if let Some((undone, plan)) = plan.as_ref().and_then(|plan| Some((plan.undo?, plan))) {
        stop_on_ctrl_c(&session);
        let done =
            super::undo::run_plan(&mut session, undone, Wishes { allowed: Some(&allowed), plan: Some(plan) }, format);
        let closed = session.close();
        super::undo::write_down(&mut admitted, &done)?;
        closed?;
        return Ok(super::undo::end(&done?, false, format));
    }
    let permissions = Permissions { allowed, believed, canary: arguments.canary.clone(), retry: arguments.retry, plan };
    stop_on_ctrl_c(&session);
    if format == Format::Text {
        let count = session.rules.rules().len();
        let warnings = session.warnings.len();
        let folder = session.config.rules_folder.display();
        say(&format!(
            "rules     {}, {}   {folder} (fingerprint {})",
            plural(count, "rule"),
            plural(warnings, "warning"),
            session.rules.fingerprint()
        ));
    }
    let report = match format {
        Format::Text => cycle::run(&mut session, &permissions, &Terminal::new()),
        Format::Json => cycle::run(&mut session, &permissions, &Silent),
    };
    let (config, fingerprint) = (session.config.clone(), session.rules.fingerprint().to_owned());
    let closed = session.close();
    write_down(&mut admitted, &report)?;
    let report = report?;
    keep_rules(&config, &fingerprint);
    closed?;
    match format {
        Format::Text => tell(&report, &config),
        Format::Json => print_json(&report),
    }
    Ok(exit_of(&report, arguments.strict))
}

/// Writes down how what was approved has ended.
fn write_down(admitted: &mut Admitted, report: &Result<CycleReport, RunError>) -> Result<(), RunError> {
    match report {
        Ok(report) => {
            let outcome = if is_stopped(report) { Outcome::Stopped } else { Outcome::Done };
            admitted.end(outcome, Some(&format!("run {}", report.run)))
        }
        Err(_) => admitted.end(Outcome::Failed, None),
    }
}

/// The first Ctrl-C asks for an orderly end, the second ends at once.
pub(super) fn stop_on_ctrl_c(session: &Session) {
    let interrupted: Arc<AtomicBool> = Arc::clone(&session.interrupted);
    session.runtime.spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            if interrupted.swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(Exit::Interrupted as u8));
            }
            say("stopping after this step; press Ctrl-C again to stop at once");
        }
    });
}

fn changed(count: usize) -> String {
    format!("{} {} changed", plural(count, "thing"), if count == 1 { "has" } else { "have" })
}

/// What has changed since a plan was made.
pub(super) fn tell_moved(moved: &Moved) {
    say(&format!("stopped: {} since the plan was made. Nothing was exported.", changed(moved.count)));
    moved.first.iter().for_each(|what| say(&format!("  {what}")));
    if moved.count > moved.first.len() {
        say(&format!("  … and {} more", moved.count - moved.first.len()));
    }
    say("  hint: `syncline plan --out FILE` makes a new one from what is there now");
}

/// Whether the run ended before it had done all: by the guard, a stage that went wrong, or because something has changed.
fn is_stopped(report: &CycleReport) -> bool {
    let stopped = report.sync.stopped || report.moved.is_some() || !report.shrunk.is_empty() || report.is_halted();
    !report.exceeded.is_empty() || stopped
}

fn exit_of(report: &CycleReport, strict: bool) -> Exit {
    let incomplete = report.imports.iter().any(|import| !import.incomplete.is_empty());
    let refused = report
        .exports
        .iter()
        .any(|export| export.refused + export.refused_before + export.unknown > 0 || export.full.is_some());
    if is_stopped(report) {
        Exit::Guard
    } else if incomplete {
        Exit::Connector
    } else if strict && (report.errors > 0 || refused) {
        Exit::ObjectErrors
    } else if report.staging.iter().any(|(_, waiting)| *waiting > 0) {
        Exit::Staging
    } else {
        Exit::Success
    }
}

fn tell(report: &CycleReport, config: &Config) {
    for (connector, warning) in &report.warnings {
        say(&format!("warning: {connector}: {warning}"));
    }
    for import in &report.imports {
        for reason in &import.incomplete {
            say(&format!("  incomplete: {}: {reason}; nothing was inferred from what was not shown", import.connector));
        }
        for note in &import.notes {
            say(&format!("  {}: {note}", import.connector));
        }
    }
    list("could not be synchronised", &report.sync.errors, report.sync.errors.len());
    for export in &report.exports {
        list("refused", &export.problems, usize::try_from(export.refused).unwrap_or(usize::MAX));
        if let Some(full) = &export.full {
            say(&format!("  no room: {full}"));
            say(
                "  hint: the next run tries again to make what was not made; `syncline plan` says how many there is room for",
            );
        }
        if export.refused_before > 0 {
            say(&format!(
                "  {} refused before and not sent again, for nothing has changed: `syncline plan --kind refused`, `syncline run --retry`",
                export.refused_before
            ));
        }
    }
    if report.standby {
        let waiting: usize = report.staging.iter().map(|(_, waiting)| waiting).sum();
        say(&format!(
            "staging: this installation does everything but export (`staging = true`); {waiting} objects wait"
        ));
        say("  hint: look with `syncline plan`, then `syncline promote`");
    }
    for (connector, waiting) in report.staging.iter().filter(|_| !report.standby) {
        say(&format!(
            "staging: `{connector}` was not empty when it was first seen, or a run was taken back in it: nothing is written; {waiting} objects wait"
        ));
        say(&format!("  hint: look with `syncline plan`, then `syncline go-live {connector}`"));
    }
    for (connector, count) in &report.proposals {
        let objects = plural(*count, "object");
        say(&format!("{objects} of `{connector}` may be somebody's, and nothing is written for these people"));
        say(&format!("  hint: look with `syncline adopt {connector}`; who is somebody else's: `syncline disjoin`"));
    }
    tell_canary(report);
    let approved_first = config.approval.as_ref().is_some_and(|approval| approval.required);
    tell_guard(report, approved_first.then(|| format!("approve:    syncline approve {} --key FILE", report.run)));
    report.moved.iter().for_each(tell_moved);
    let seconds = report.milliseconds / 1_000;
    let tenths = report.milliseconds % 1_000 / 100;
    let errors = match report.errors {
        0 => String::new(),
        1 => ", 1 error".into(),
        errors => format!(", {errors} errors"),
    };
    say(&format!("done in {seconds}.{tenths} s{errors}. Run {}", report.run));
}

pub(super) fn list(what: &str, problems: &[(String, String)], count: usize) {
    const SHOWN: usize = 10;
    if count == 0 {
        return;
    }
    say(&format!("  {count} {what}:"));
    for (who, why) in problems.iter().take(SHOWN) {
        say(&format!("    {who}"));
        say(&format!("      {why}"));
    }
    if count > SHOWN {
        say(&format!("    … and {} more: `--format json` has them", count - SHOWN));
    }
}

/// How far an export in stages came.
fn tell_canary(report: &CycleReport) {
    let Some(stage) = report.canary.last() else { return };
    let left = stage.of - stage.objects;
    if let Some(why) = &stage.halted {
        say(&format!("halted after {} of {} objects of `{}`: {why}", stage.objects, stage.of, stage.connector));
        say(&format!("  go on: `syncline run`   take it back: `syncline undo {}`", report.run));
    } else if left > 0 {
        say(&format!("{left} of {} objects of `{}` wait for the next run", stage.of, stage.connector));
    }
}

/// More reasons are counted, not listed.
const REASONS: usize = 20;

/// Which limits stopped it, and why so many are concerned.
pub(super) fn tell_exceeded(exceeded: &[Exceeded], reasons: &ByReason) {
    for exceeded in exceeded {
        say(&format!("stopped: this run would {}. Nothing was exported.", exceeded.deed()));
    }
    for (reason, count, first) in reasons.iter().take(REASONS) {
        say(&format!("  {count:>5} because {reason} (first: `{first}`)"));
    }
    if reasons.len() > REASONS {
        say(&format!("        … and {} reasons more", reasons.len() - REASONS));
    }
}

fn tell_guard(report: &CycleReport, approve: Option<String>) {
    if report.sync.stopped {
        let errors = plural(report.sync.errors.len(), "object");
        say(&format!("stopped: {errors} with errors (`errors` of `[limits]`). Nothing was exported."));
        say("  hint: `syncline errors` lists them; the next run goes on with those that were not looked at");
    }
    for shrunk in &report.shrunk {
        say(&format!("stopped: {shrunk}. Nothing was derived from what it shows."));
    }
    if !report.shrunk.is_empty() {
        let mut allow = Vec::new();
        for import in report.imports.iter().filter(|import| !import.shrunk.is_empty()) {
            allow.push(format!("--allow-shrinkage {}", import.connector));
            import.shrunk_list.iter().for_each(|path| say(&format!("see them:   {}", path.display())));
        }
        say(&format!("if the directory is right:   syncline run {}", allow.join(" ")));
        return;
    }
    if let (true, Some(path)) = (report.exceeded.is_empty(), &report.list) {
        say("  a source anchor that changes is refused, for the account would be somebody else's");
        say(&format!("  hint: look at {}; if it is meant: `syncline run --allow {}`", path.display(), path.display()));
        approve.iter().for_each(|approve| say(&format!("  {approve}")));
    }
    if report.exceeded.is_empty() {
        return;
    }
    tell_exceeded(&report.exceeded, &report.endangered);
    if let Some(path) = &report.list {
        say(&format!("see them:   {}", path.display()));
        approve.iter().for_each(|approve| say(approve));
        say(&format!("go on:      syncline run --allow {}", path.display()));
    }
}
