//! `syncline plan`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::keys::secret_key;
use super::output::{print, print_json, say};
use super::progress::Terminal;
use super::{Exit, Shape};
use crate::config::Config;
use crate::run::approval;
use crate::run::plan::{self, Plan, SavedPlan, TargetPlan};
use crate::run::session::Session;
use crate::run::who::Who;
use crate::run::{Progress, RunError, Silent};
use crate::signature::SecretKey;

pub(super) mod csv;
pub(super) mod html;
mod markdown;
pub(super) mod text;

/// What a run would export, for everybody; nothing is written to any directory.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline plan\n  syncline plan --rules ../edited-rules\n  syncline plan --kind delete --detail\n  syncline plan --format html > plan.html\n  syncline plan --out friday.plan"
)]
pub(super) struct PlanArguments {
    /// Another folder of rules, in the place of the configured one.
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Option<PathBuf>,
    /// Reads the directories first, and keeps what they show, as a run does.
    #[arg(long)]
    import: bool,
    /// Keeps the whole plan, for `syncline run --plan FILE`.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Signs the plan that is kept with this key of a person, in the place of the installation's.
    #[arg(long, requires = "out", value_name = "KEY")]
    sign_with: Option<PathBuf>,
    /// Where the password of that key is: `env:NAME`, `file:PATH`, `credential:NAME` or `command:…`; without, it is asked for.
    #[arg(long, requires = "sign_with", value_name = "WHERE")]
    password: Option<String>,
    /// Ends with 0 if nothing would change, 2 if something would, 3 if a limit would be exceeded, and 1 if there is no whole
    /// plan.
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Only objects of this kind: delete, disable, refused, held, create, update, members.
    #[arg(long)]
    kind: Option<String>,
    /// Only objects whose name contains this.
    #[arg(long, value_name = "TEXT")]
    object: Option<String>,
    /// Every object with its changes, not just groups of what is alike.
    #[arg(long, visible_alias = "all")]
    detail: bool,
}

impl PlanArguments {
    /// Whether a line is asked for.
    fn wants(&self, line: &plan::PlanLine) -> bool {
        let named = |text: &String| line.name.to_lowercase().contains(&text.to_lowercase());
        self.kind.as_deref().is_none_or(|kind| kind == line.kind) && self.object.as_ref().is_none_or(named)
    }

    /// Whether objects are shown one by one.
    fn in_detail(&self) -> bool {
        self.detail || self.object.is_some()
    }
}

pub(super) fn run(mut session: Session, arguments: &PlanArguments, shape: Shape) -> Result<Exit, RunError> {
    // Whoever is asked for a password is asked at once.
    let key = arguments.sign_with.as_ref().map(|key| secret_key(key, arguments.password.as_deref())).transpose()?;
    super::run::stop_on_ctrl_c(&session);
    let terminal = Terminal::new();
    let progress: &dyn Progress = if shape == Shape::Text { &terminal } else { &Silent };
    let plan = plan::make_from(&mut session, arguments.import, progress);
    let (config, who) = (session.config.clone(), Who::of(session.who.as_deref()));
    session.close()?;
    let mut plan = plan?;
    let exit = if arguments.exit_code { detailed(&plan) } else { exit_of(&plan) };
    if let Some(path) = &arguments.out {
        let saved = SavedPlan::of(&plan, jiff::Timestamp::now().as_second())?;
        keep(&config, &who, &saved, path, key.as_ref())?;
    }
    for target in plan.targets.values_mut().filter(|_| arguments.kind.is_some() || arguments.object.is_some()) {
        target.lines.retain(|line| arguments.wants(line));
        target.groups = plan::group(&mut target.lines);
    }
    match shape {
        Shape::Text => text::tell(&plan, arguments.in_detail()),
        Shape::Json => print_json(&plan),
        Shape::Csv => print(csv::table(&plan)?.trim_end()),
        Shape::Html => print(html::page(&plan).trim_end()),
        Shape::Markdown => print(markdown::comment(&plan).trim_end()),
    }
    Ok(exit)
}

/// Keeps a plan, signed where there is a key, and says what comes next.
pub(super) fn keep(
    config: &Config,
    who: &Who,
    plan: &SavedPlan,
    path: &Path,
    key: Option<&SecretKey>,
) -> Result<(), RunError> {
    let made = approval::keep(config, plan, path, who, key)?;
    let path = path.display();
    let signed = made.as_ref().map(|made| format!(", signed by {}", made.by)).unwrap_or_default();
    match &config.approval {
        Some(_) if made.is_none() => {
            say(&format!("kept in {path}, NOT signed: no run will do it"));
            say(
                "  hint: give the installation a `secret_key` in `[approval]`, or sign with your own: `--sign-with KEY`",
            );
        }
        Some(approval) if approval.required => {
            say(&format!("kept in {path}{signed}. It waits for an approval: `syncline approve {path}`"));
        }
        Some(_) | None => say(&format!("kept in {path}{signed}. Do it: `syncline run --plan {path}`")),
    }
    Ok(())
}

/// For pipelines: whether something would change is what they ask.
fn detailed(plan: &Plan) -> Exit {
    let changes = |target: &TargetPlan| !target.lines.is_empty();
    match (plan.incomplete.is_empty(), plan.exceeded.is_empty()) {
        (false, _) => Exit::ObjectErrors,
        (true, false) => Exit::Rules,
        (true, true) if plan.targets.values().any(changes) => Exit::Usage,
        (true, true) => Exit::Success,
    }
}

fn exit_of(plan: &Plan) -> Exit {
    if !plan.incomplete.is_empty() {
        Exit::Connector
    } else if !plan.exceeded.is_empty() {
        Exit::Guard
    } else {
        Exit::Success
    }
}
