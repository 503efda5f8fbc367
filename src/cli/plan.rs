//! `syncline plan`.

use clap::Args;

use super::output::{plural, print, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format};
use crate::run::plan::{self, Plan, TargetPlan};
use crate::run::session::Session;
use crate::run::{RunError, Silent};

/// What a run would export, for everybody; writes nothing and reads no directory.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline plan\n  syncline plan --kind delete --all\n  syncline plan --format json"
)]
pub(super) struct PlanArguments {
    /// Only lines of this kind: delete, disable, refused, held, create, update.
    #[arg(long)]
    kind: Option<String>,
    /// Every line, not just the first 20 of each kind.
    #[arg(long)]
    all: bool,
}

const SHOWN: usize = 20;

pub(super) fn run(session: Session, arguments: &PlanArguments, format: Format) -> Result<Exit, RunError> {
    super::run::stop_on_ctrl_c(&session);
    let plan = match format {
        Format::Text => plan::make(&session, &Terminal::new()),
        Format::Json => plan::make(&session, &Silent),
    };
    session.close()?;
    let plan = plan?;
    match format {
        Format::Json => print_json(&plan),
        Format::Text => tell(&plan, arguments),
    }
    Ok(if plan.exceeded.is_empty() { Exit::Success } else { Exit::Guard })
}

fn tell(plan: &Plan, arguments: &PlanArguments) {
    for (name, target) in &plan.targets {
        print(&format!("{name}: {}", worst(target)));
        print(&format!(
            "  delete {}   disable {}   create {}   update {}   members {}   refused {}   held {}",
            target.delete, target.disable, target.create, target.update, target.references, target.refused, target.held
        ));
        if !target.live {
            let how = if plan.standby { "promote" } else { "go-live" };
            print(&format!("  staging: nothing is written before `syncline {how}`"));
        }
        lines(target, arguments);
    }
    for exceeded in &plan.exceeded {
        say(&format!(
            "a run would stop: {} {}s of `{}` in danger, {} allowed in 24 hours",
            exceeded.now + exceeded.before,
            exceeded.object_type,
            exceeded.connector,
            exceeded.limit
        ));
    }
    if !plan.sync.errors.is_empty() {
        say(&format!("{} objects could not be synchronised and stay as they are:", plan.sync.errors.len()));
        for (who, why) in plan.sync.errors.iter().take(SHOWN) {
            say(&format!("  {who}: {why}"));
        }
    }
}

/// The worst consequence in one sentence.
fn worst(target: &TargetPlan) -> String {
    match (target.delete, target.disable, target.create + target.update + target.references) {
        (0, 0, 0) => "nothing would change.".into(),
        (0, 0, changes) => format!("nobody would be deleted or disabled; {}.", plural(changes, "change")),
        (0, disabled, _) => format!("{disabled} accounts would be DISABLED."),
        (deleted, 0, _) => format!("{deleted} objects would be DELETED."),
        (deleted, disabled, _) => format!("{deleted} objects would be DELETED and {disabled} accounts DISABLED."),
    }
}

fn lines(target: &TargetPlan, arguments: &PlanArguments) {
    let wanted = |kind: &str| arguments.kind.as_deref().is_none_or(|wanted| wanted == kind);
    let mut shown = std::collections::BTreeMap::new();
    for line in target.lines.iter().filter(|line| wanted(line.kind)) {
        let count = shown.entry(line.kind).or_insert(0_usize);
        *count += 1;
        if *count > SHOWN && !arguments.all {
            continue;
        }
        print(&format!("  {:<8} {:<6} {}   {}", line.kind, line.object_type, line.name, line.reason));
        if line.kind == "update" || line.kind == "disable" {
            for change in &line.changes {
                print(&format!(
                    "             {}: {} → {}   {}",
                    change.attribute, change.before, change.after, change.from
                ));
            }
        }
    }
    for (kind, count) in shown.into_iter().filter(|(_, count)| *count > SHOWN && !arguments.all) {
        print(&format!("  … {} more {kind}: `syncline plan --kind {kind} --all`", count - SHOWN));
    }
}
