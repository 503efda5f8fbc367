//! `syncline show runs` and `show run N`: what runs did.

use std::collections::BTreeMap;

use clap::Args;

use super::explain::time;
use super::output::{print, print_json, say};
use super::{Exit, Format};
use crate::change::Change;
use crate::run::RunError;
use crate::run::runs::{self, RunLog};
use crate::run::session::Session;
use crate::store::Draft;
use crate::sync::ledger::View;

/// How many runs are listed.
const RUNS: usize = 20;

/// Lists the last runs: when, with which rules, and what came of them.
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline history\n  syncline history --last 100 --format json\n  \
                  syncline show run 4711     everything that one run did")]
pub(super) struct HistoryArguments {
    /// How many.
    #[arg(long, value_name = "COUNT", default_value_t = RUNS)]
    last: usize,
}

pub(super) fn history(session: Session, arguments: &HistoryArguments, format: Format) -> Result<Exit, RunError> {
    tell(&session, arguments.last, format)?;
    session.close()?;
    Ok(Exit::Success)
}
/// How many changes of a run are listed.
const CHANGES: usize = 200;

pub(super) fn list(session: &Session, format: Format) -> Result<(), RunError> {
    tell(session, RUNS, format)
}

fn tell(session: &Session, count: usize, format: Format) -> Result<(), RunError> {
    let logs = runs::last(&session.store.draft(), count)?;
    if format == Format::Json {
        print_json(&logs);
        return Ok(());
    }
    if logs.is_empty() {
        say("there has been no run yet");
    }
    for log in &logs {
        print(&format!("{:>6}  {}  {}  {}", log.run, time(log.at), log.rules, outcome(log)));
    }
    Ok(())
}

fn number(log: &RunLog, pointer: &str) -> u64 {
    log.report.as_ref().and_then(|report| report.pointer(pointer)).and_then(serde_json::Value::as_u64).unwrap_or(0)
}

/// What came of a run in a few words.
fn outcome(log: &RunLog) -> String {
    if let Some(error) = &log.error {
        return format!("ended early: {error}");
    }
    let Some(report) = &log.report else { return "was cut off".into() };
    let count = |list: &str| report.pointer(list).and_then(serde_json::Value::as_array).map_or(0, Vec::len);
    let mut sums: BTreeMap<&str, u64> = BTreeMap::new();
    for at in 0..count("/exports") {
        for what in ["created", "restored", "updated", "deleted", "added", "removed", "refused"] {
            *sums.entry(what).or_insert(0) += number(log, &format!("/exports/{at}/{what}"));
        }
    }
    let mut words: Vec<String> =
        sums.iter().filter(|(_, count)| **count > 0).map(|(what, count)| format!("{count} {what}")).collect();
    if words.is_empty() {
        words.push("nothing to write".into());
    }
    if count("/exceeded") > 0 {
        words = vec!["stopped by the guard".into()];
    }
    if number(log, "/errors") > 0 {
        words.push(format!("{} errors", number(log, "/errors")));
    }
    let milliseconds = number(log, "/milliseconds");
    format!("{}   {}.{} s", words.join(", "), milliseconds / 1_000, milliseconds % 1_000 / 100)
}

pub(super) fn one(session: &Session, number: &str, format: Format) -> Result<(), RunError> {
    let draft = session.store.draft();
    let log = match number.parse() {
        Ok(number) => runs::one(&draft, number)?,
        Err(_) => None,
    };
    let log =
        log.ok_or_else(|| RunError::Unknown(format!("there is no run `{number}`; `syncline show runs` lists them")))?;
    let mut changes = Vec::new();
    let mut count = 0_usize;
    runs::each_change(&draft, &log, |change| {
        count += 1;
        if changes.len() < CHANGES || format == Format::Json {
            changes.push(change);
        }
    })?;
    if format == Format::Json {
        print_json(&serde_json::json!({ "run": log, "changes": changes }));
        return Ok(());
    }
    print(&format!("run {}   {}   rules {}   {}", log.run, time(log.at), log.rules, outcome(&log)));
    if let Some(id) = log.id {
        print(&format!("  client-request-id {id}, with the number of each request in its last group"));
    }
    for change in &changes {
        print(&format!("  {}", told(&draft, change)?));
    }
    if count > changes.len() {
        say(&format!("… and {} more: `--format json` has them", count - changes.len()));
    }
    Ok(())
}

/// A change with the name of whom it is about in place of the id.
fn told(draft: &Draft<'_>, change: &Change) -> Result<String, RunError> {
    let id = change.subject();
    let object = draft.object(crate::connector_space::ObjectId(id))?;
    let person = draft.metaverse(crate::metaverse::MetaverseId(id))?;
    let name = object
        .map(|object| format!("{} `{}`", object.connector, object.title()))
        .or_else(|| person.as_ref().map(crate::sync::title));
    let text = change.to_string();
    Ok(name.map_or_else(|| text.clone(), |name| text.replacen(&id.to_string(), &name, 1)))
}
