//! `syncline approve` and `reject`: what a person thinks of a plan, or of what the guard stopped.

use std::collections::BTreeMap;

use clap::Args;
use serde_json::{Map, Value as Json, json};

use super::keys::{KeyArguments, secret_key};
use super::output::{plural, print, print_json, say};
use super::plan::text::{counts, worst};
use super::{Exit, Format};
use crate::config::Config;
use crate::run::RunError;
use crate::run::approval::standing::{self, Standing};
use crate::run::approval::statement::Says;
use crate::run::approval::{self, Kind, Subject, Word};
use crate::run::guard::Endangered;
use crate::run::plan::TargetPlan;

/// What somebody speaks of, and who it is.
#[derive(Args)]
struct WordArguments {
    /// A plan, a list that the guard wrote, or the number of the run that it stopped.
    #[arg(value_name = "FILE|RUN")]
    what: String,
    #[command(flatten)]
    key: KeyArguments,
    /// Why; it is signed, too.
    #[arg(long)]
    reason: Option<String>,
}

/// Says that a plan, or what the guard stopped, may be done. Without a key, shows what it is and how it stands.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline approve friday.plan                      what is in it, and who said what\n  \
                  syncline approve friday.plan --key ben.key\n  syncline approve 12 --key ben.key                 what the guard stopped in run 12"
)]
pub(super) struct ApproveArguments {
    #[command(flatten)]
    word: WordArguments,
}

/// Says that a plan, or what the guard stopped, must not be done. Nobody else's approval outdoes that.
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline reject friday.plan --key ben.key --reason \"not before the audit\"\n  \
                  syncline reject friday.plan --key ben.key --withdraw")]
pub(super) struct RejectArguments {
    #[command(flatten)]
    word: WordArguments,
    /// Takes back what you said of it before, be it yes or no.
    #[arg(long)]
    withdraw: bool,
}

pub(super) fn approve(
    config: &Config,
    who: Option<&str>,
    arguments: &ApproveArguments,
    format: Format,
) -> Result<Exit, RunError> {
    let subject = Subject::named(config, &arguments.word.what)?;
    if format == Format::Text {
        show(&subject)?;
    }
    if arguments.word.key.key.is_none() {
        return stands(config, &subject, format);
    }
    say_it(config, &subject, Says::Approved, (who, &arguments.word))?;
    stands(config, &subject, format).map(|_| Exit::Success)
}

pub(super) fn reject(
    config: &Config,
    who: Option<&str>,
    arguments: &RejectArguments,
    format: Format,
) -> Result<Exit, RunError> {
    let subject = Subject::named(config, &arguments.word.what)?;
    let says = if arguments.withdraw { Says::Withdrawn } else { Says::Rejected };
    say_it(config, &subject, says, (who, &arguments.word))?;
    stands(config, &subject, format).map(|_| Exit::Success)
}

/// The longest reason: it goes into a comment, and minisign reads 8,192 bytes.
const REASON: usize = 1_000;

fn say_it(
    config: &Config,
    subject: &Subject,
    says: Says,
    (named, word): (Option<&str>, &WordArguments),
) -> Result<(), RunError> {
    let no_key = || RunError::Unknown("your key says who you are: `--key FILE`".into());
    let path = word.key.key.as_ref().ok_or_else(no_key)?;
    if word.reason.as_ref().is_some_and(|reason| reason.chars().count() > REASON) {
        return Err(RunError::Unknown(format!("a reason has {REASON} characters at most")));
    }
    let key = secret_key(path, word.key.password.as_deref())?;
    let word = Word { says, key: &key, named, reason: word.reason.clone() };
    let (name, path) = approval::decide(config, subject, word)?;
    say(&format!("{} by {name}: {}", says.word(), path.display()));
    Ok(())
}

/// What it is about, for people: the worst first.
fn show(subject: &Subject) -> Result<(), RunError> {
    let path = subject.path.display();
    match subject.kind {
        Kind::Plan => {
            let plan = subject.plan()?;
            let made = super::explain::time(plan.made);
            let undone = plan.undo.map(|run| format!(", which undoes run {run}")).unwrap_or_default();
            print(&format!("plan {path} of {made} with rules {}{undone}", plan.rules));
            for (name, target) in plan.counts() {
                print(&format!("{name}: {}", worst(&target)));
                print(&format!("  {}", counts(&target)));
            }
        }
        Kind::List => {
            let list = subject.list()?;
            print(&format!("list {path}: {}", plural(list.len(), "object")));
            for ((danger, object_type, reason), (count, first)) in alike(&list) {
                print(&format!("  {danger:<8} {count:>6}  {object_type:<6} {reason} (first: `{first}`)"));
            }
        }
    }
    print(&format!("  sha256 {}", subject.sha256));
    Ok(())
}

/// The same for machines.
fn content(subject: &Subject) -> Result<Json, RunError> {
    Ok(match subject.kind {
        Kind::Plan => {
            let plan = subject.plan()?;
            let counted = |(name, target): (&str, TargetPlan)| {
                let counts = json!({
                    "delete": target.delete, "disable": target.disable, "create": target.create, "update": target.update,
                    "references": target.references, "refused": target.refused, "held": target.held,
                });
                (name.to_owned(), counts)
            };
            let targets: Map<String, Json> = plan.counts().into_iter().map(counted).collect();
            json!({ "rules": plan.rules, "undo": plan.undo, "made": plan.made, "targets": targets })
        }
        Kind::List => {
            let list = subject.list()?;
            let groups = alike(&list).into_iter().map(|((danger, object_type, reason), (count, first))| {
                json!({ "danger": danger, "object_type": object_type, "reason": reason, "count": count, "first": first })
            });
            groups.collect()
        }
    })
}

/// What is alike in a list: danger, type and reason, with how many and the first.
fn alike(list: &[Endangered]) -> BTreeMap<(String, &str, &str), (usize, &str)> {
    let mut alike: BTreeMap<(String, &str, &str), (usize, &str)> = BTreeMap::new();
    for object in list {
        let danger = serde_json::to_value(object.danger).ok();
        let danger = danger.as_ref().and_then(|danger| danger.as_str()).unwrap_or_default().to_owned();
        alike.entry((danger, &object.object_type, &object.reason)).or_insert((0, &object.name)).0 += 1;
    }
    alike
}

fn stands(config: &Config, subject: &Subject, format: Format) -> Result<Exit, RunError> {
    let standing = standing::of(config, subject, None)?;
    let exit = if standing.refusal.is_none() { Exit::Success } else { Exit::Guard };
    match format {
        Format::Json => print_json(&json!({
            "file": subject.path, "sha256": subject.sha256, "content": content(subject)?, "standing": standing,
        })),
        Format::Text => tell(subject, &standing),
    }
    Ok(exit)
}

fn tell(subject: &Subject, standing: &Standing) {
    let said = standing.decisions.iter().map(|decision| (&decision.statement, decision.void.as_deref()));
    for (statement, void) in standing.made.iter().map(|made| (made, None)).chain(said) {
        let reason = statement.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        let void = void.map(|void| format!("   ({void})")).unwrap_or_default();
        let at = super::explain::time(statement.at.as_second());
        print(&format!("  {:<10} {at}   {}{reason}{void}", statement.says.word(), statement.by));
    }
    for doubt in &standing.doubts {
        say(&format!("  nothing is proved by a signature: {doubt}"));
    }
    match &standing.refusal {
        Some(refusal) => {
            say(&refusal.why);
            say(&format!("  hint: {}", refusal.hint));
        }
        None => {
            let option = if subject.kind == Kind::Plan { "--plan" } else { "--allow" };
            say(&format!("do it: `syncline run {option} {}`", subject.path.display()));
        }
    }
}
