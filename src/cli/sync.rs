//! `syncline sync`: one object, now.

use clap::Args;

use super::output::{plural, print, print_json, say};
use super::progress::Terminal;
use super::{Exit, Format};
use crate::run::session::Session;
use crate::run::single::{self, Outcome, Single};
use crate::run::{RunError, Silent};

/// Reads one object with what it refers to, synchronises and exports it, and says how each step went.
#[derive(Args)]
#[command(after_help = "Examples:\n  syncline sync ad zoe@contoso.com\n  \
                  syncline sync ad \"CN=Zoë Müller,OU=Sales,DC=contoso,DC=com\"     also one that no run has seen yet\n\n\
                  Adds and changes only: a deletion is left to `syncline run`, whose guard sees all of them.")]
pub(super) struct SyncArguments {
    /// The connector.
    connector: String,
    /// The object, as in `show`; or its distinguished name, or its anchor.
    object: String,
}

pub(super) fn run(mut session: Session, arguments: &SyncArguments, format: Format) -> Result<Exit, RunError> {
    let SyncArguments { connector, object } = arguments;
    session.directory(connector)?;
    let stored = match super::show::find_one(&session, connector, object) {
        Ok(id) => Some(id),
        Err(RunError::Unknown(_)) if crate::dn::is_dn(object) || uuid::Uuid::try_parse(object).is_ok() => None,
        Err(error) => return Err(error),
    };
    super::run::stop_on_ctrl_c(&session);
    let done = match format {
        Format::Text => single::run(&mut session, connector, (stored, object), &Terminal::new()),
        Format::Json => single::run(&mut session, connector, (stored, object), &Silent),
    };
    session.close()?;
    let single = done?;
    match format {
        Format::Text => tell(&single),
        Format::Json => print_json(&single),
    }
    Ok(if single.has_failed() { Exit::ObjectErrors } else { Exit::Success })
}

fn tell(single: &Single) {
    for (number, step) in single.steps.iter().enumerate() {
        let outcome = match step.outcome {
            Outcome::Ok => "ok",
            Outcome::Failed => "FAILED",
            Outcome::Skipped => "-",
        };
        print(&format!("{:>2}  {:<18} {outcome:<7} {}", number + 1, step.step, step.detail));
    }
    if !single.sent.is_empty() {
        print("");
    }
    for sent in &single.sent {
        let values = |values: &[String]| if values.is_empty() { "-".to_owned() } else { values.join(", ") };
        let (before, after) = (values(&sent.before), values(&sent.after));
        print(&format!("{}  {}  {}: {before} -> {after}   {}", sent.connector, sent.object, sent.attribute, sent.by));
    }
    say(&format!("run {}: {} written", single.run, plural(single.sent.len(), "value")));
}
