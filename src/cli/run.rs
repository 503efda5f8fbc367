//! `syncline run`.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::Args;

use super::output::{plural, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format};
use crate::config::Config;
use crate::rules::RuleSet;
use crate::run::cycle::{self, CycleReport, Permissions};
use crate::run::guard;
use crate::run::plan::SavedPlan;
use crate::run::rules_in_use;
use crate::run::session::{Session, folders};
use crate::run::{RunError, Silent};

/// One cycle: import everything, synchronise, export, confirm.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline run\n  syncline run --allow-deletes state/deletes-12.jsonl\n  syncline run --format json"
)]
pub(super) struct RunArguments {
    /// A list that the guard wrote: these deletions, disablements and new anchors were looked at and are meant.
    #[arg(long, value_name = "FILE")]
    allow_deletes: Option<PathBuf>,
    /// A plan that `plan --out` wrote: exactly this is done, or nothing if anything has changed since.
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Sends again what a target refused, though nothing has changed since. Otherwise that is done once a day.
    #[arg(long)]
    retry: bool,
    /// Ends with exit code 1 when objects have errors or were refused, though the run itself is complete.
    #[arg(long)]
    strict: bool,
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
    let allowed = match &arguments.allow_deletes {
        Some(path) => guard::read_list(path)?,
        None => BTreeSet::new(),
    };
    let plan = arguments.plan.as_deref().map(SavedPlan::read).transpose()?;
    let permissions = Permissions { allowed, retry: arguments.retry, plan };
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
    let report = report?;
    keep_rules(&config, &fingerprint);
    closed?;
    match format {
        Format::Text => tell(&report),
        Format::Json => print_json(&report),
    }
    Ok(exit_of(&report, arguments.strict))
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

fn exit_of(report: &CycleReport, strict: bool) -> Exit {
    let incomplete = report.imports.iter().any(|import| !import.incomplete.is_empty());
    let refused = report.exports.iter().any(|export| export.refused + export.refused_before + export.unknown > 0);
    if !report.exceeded.is_empty() || report.sync.stopped || report.moved.is_some() {
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

fn tell(report: &CycleReport) {
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
            "staging: `{connector}` was not empty when it was first seen, so nothing is written to it; {waiting} objects wait"
        ));
        say(&format!("  hint: look with `syncline plan`, then `syncline go-live {connector}`"));
    }
    for (connector, count) in &report.proposals {
        let objects = plural(*count, "object");
        say(&format!("{objects} of `{connector}` may be somebody's, and nothing is written for these people"));
        say(&format!("  hint: look with `syncline adopt {connector}`; who is somebody else's: `syncline disjoin`"));
    }
    tell_guard(report);
    if let Some(moved) = &report.moved {
        say(&format!("stopped: {} since the plan was made. Nothing was exported.", changed(moved.count)));
        moved.first.iter().for_each(|what| say(&format!("  {what}")));
        if moved.count > moved.first.len() {
            say(&format!("  … and {} more", moved.count - moved.first.len()));
        }
        say("  hint: `syncline plan --out FILE` makes a new one from what is there now");
    }
    let seconds = report.milliseconds / 1_000;
    let tenths = report.milliseconds % 1_000 / 100;
    let errors = match report.errors {
        0 => String::new(),
        1 => ", 1 error".into(),
        errors => format!(", {errors} errors"),
    };
    say(&format!("done in {seconds}.{tenths} s{errors}. Run {}", report.run));
}

fn list(what: &str, problems: &[(String, String)], count: usize) {
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

fn tell_guard(report: &CycleReport) {
    if report.sync.stopped {
        let errors = plural(report.sync.errors.len(), "object");
        say(&format!("stopped: {errors} with errors (`errors` of `[limits]`). Nothing was exported."));
        say("  hint: `syncline errors` lists them; the next run goes on with those that were not looked at");
    }
    for exceeded in &report.exceeded {
        say(&format!("stopped: this run would {}. Nothing was exported.", exceeded.deed()));
    }
    if let (true, Some(path)) = (report.exceeded.is_empty(), &report.list) {
        say("  a source anchor that changes is refused, for the account would be somebody else's");
        say(&format!(
            "  hint: look at {}; if it is meant: `syncline run --allow-deletes {}`",
            path.display(),
            path.display()
        ));
    }
    if report.exceeded.is_empty() {
        return;
    }
    for (reason, count, first) in &report.endangered {
        say(&format!("  {count:>5} because {reason} (first: `{first}`)"));
    }
    if let Some(path) = &report.list {
        say(&format!("see them:   {}", path.display()));
        say(&format!("go on:      syncline run --allow-deletes {}", path.display()));
    }
}
