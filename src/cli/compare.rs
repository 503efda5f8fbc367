//! `syncline compare`.

use clap::Args;

use super::output::{print, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format};
use crate::run::compare::{self, ByAttribute, Comparison};
use crate::run::session::Session;
use crate::run::{RunError, Silent};

/// What a target holds against what the rules would make of the sources; writes nothing anywhere.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline compare entra              beside Entra Connect, before anything is switched\n  syncline compare entra --object zoe@contoso.com\n  syncline compare entra --format json"
)]
pub(super) struct CompareArguments {
    /// The target.
    connector: String,
    /// One object, attribute by attribute.
    #[arg(long)]
    object: Option<String>,
    /// Every object, not just the first few of each kind.
    #[arg(long)]
    all: bool,
    /// Compares what the last imports showed; without, everything is read first.
    #[arg(long)]
    stored: bool,
}

const SHOWN: usize = 10;

pub(super) fn run(mut session: Session, arguments: &CompareArguments, format: Format) -> Result<Exit, RunError> {
    super::run::stop_on_ctrl_c(&session);
    let (connector, read) = (arguments.connector.clone(), !arguments.stored);
    let made = match format {
        Format::Text => compare::make(&mut session, &connector, read, &Terminal::new()),
        Format::Json => compare::make(&mut session, &connector, read, &Silent),
    };
    session.close()?;
    let mut comparison = made?;
    if let Some(wanted) = &arguments.object {
        comparison.different.retain(|object| object.name.eq_ignore_ascii_case(wanted));
    }
    match (format, &arguments.object) {
        (Format::Json, _) => print_json(&comparison),
        (Format::Text, Some(wanted)) => object(&comparison, wanted),
        (Format::Text, None) => tell(&comparison, arguments.all),
    }
    Ok(Exit::Success)
}

fn tell(comparison: &Comparison, all: bool) {
    let Comparison { connector, same, different, missing, leaving, unknown, errors, .. } = comparison;
    print(&format!(
        "{connector}: {same} as the rules make them   {} otherwise   {} missing   {} leaving   {} that no rule knows",
        different.len(),
        missing.len(),
        leaving.len(),
        unknown.len()
    ));
    for sum in &comparison.by_attribute {
        print(&format!("  {:>6}  {:<24} {:<28} {}", sum.count, sum.attribute, sum.rule, example(sum)));
    }
    if all {
        different.iter().for_each(|object| values(&object.name, &object.values));
    }
    let leaving: Vec<String> = leaving.iter().map(|(name, why)| format!("{name}   {why}")).collect();
    list("missing: the rules would make them", missing, all);
    list("leaving: made or adopted by us, and no rule wants them any more", &leaving, all);
    list("known to no rule: they stay as they are", unknown, all);
    let errors: Vec<String> = errors.iter().map(|(who, why)| format!("{who}   {why}")).collect();
    list("could not be evaluated", &errors, all);
    say("nothing was written");
}

fn example(sum: &ByAttribute) -> String {
    format!("{} → {}   {}", shown(&sum.there), shown(&sum.ours), sum.example)
}

fn shown(values: &[String]) -> String {
    match values {
        [] => "—".to_owned(),
        values if values.len() > 3 => format!("{}, … ({})", values[..3].join(", "), values.len()),
        values => values.join(", "),
    }
}

fn list(what: &str, lines: &[String], all: bool) {
    if lines.is_empty() {
        return;
    }
    print(&format!("  {what}"));
    let count = if all { lines.len() } else { SHOWN };
    lines.iter().take(count).for_each(|line| print(&format!("    {line}")));
    if lines.len() > count {
        print(&format!("    … and {} more: `--all`", lines.len() - count));
    }
}

fn object(comparison: &Comparison, wanted: &str) {
    match comparison.different.first() {
        Some(object) => values(&object.name, &object.values),
        None => say(&format!("`{wanted}` is as the rules make it, or is not there; `syncline preview` shows it")),
    }
}

fn values(name: &str, values: &[compare::DifferentValue]) {
    print(&format!("  {name}"));
    for value in values {
        print(&format!(
            "    {:<24} {} → {}   {}",
            value.attribute,
            shown(&value.there),
            shown(&value.ours),
            value.rule
        ));
    }
}
