//! `syncline audit`: who decided or did what, and whether the log of it is whole.

use std::collections::BTreeSet;

use clap::Args;

use super::output::{plural, print, print_json, say};
use super::{Exit, Format};
use crate::config::Config;
use crate::run::RunError;
use crate::run::audit::{Line, Log, Outcome, Verdict};

/// Who decided or did what, and when.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline audit\n  syncline audit --format json\n  syncline audit --verify\n  syncline audit --verify --head 9f2c…"
)]
pub(super) struct AuditArguments {
    /// Whether every line is as it was written and where it was, and every signature is right. Needs no network and no
    /// store.
    #[arg(long)]
    verify: bool,
    /// The hash of a line that was noted elsewhere: everything up to it must still be there.
    #[arg(long, requires = "verify", value_name = "HASH")]
    head: Option<String>,
}

pub(super) fn run(config: &Config, arguments: &AuditArguments, format: Format) -> Result<Exit, RunError> {
    let log = Log::beside(&config.store_folder);
    if !arguments.verify {
        let lines = log.read()?;
        match format {
            Format::Json => print_json(&lines),
            Format::Text => show(&lines),
        }
        return Ok(Exit::Success);
    }
    let verdict = log.verify(config.approval.as_ref(), arguments.head.as_deref())?;
    match format {
        Format::Json => print_json(&verdict),
        Format::Text => tell(&verdict),
    }
    Ok(if verdict.broken.is_empty() { Exit::Success } else { Exit::ObjectErrors })
}

/// How each deed ended. What began and never ended was cut off.
fn show(lines: &[Line]) {
    let ended: BTreeSet<usize> = lines.iter().filter_map(|line| line.begun).collect();
    for line in lines {
        let outcome = match line.outcome {
            Outcome::Begun if ended.contains(&line.line) => continue,
            Outcome::Begun => "begun, and not ended",
            Outcome::Done => "done",
            Outcome::Stopped => "stopped",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
        };
        let note = line.note.as_ref().map(|note| format!("   {note}")).unwrap_or_default();
        let deed = serde_json::to_value(line.deed).ok();
        let deed = deed.as_ref().and_then(|deed| deed.as_str()).unwrap_or_default();
        let time = super::explain::time(line.at.as_second());
        let text = format!("{time}  {:<10} {deed:<14} {}   {outcome}{note}", line.who, line.subject);
        print(&text.replace(char::is_control, " "));
    }
    if lines.is_empty() {
        say("nobody has decided anything here yet");
    }
}

fn tell(verdict: &Verdict) {
    verdict.unknown.iter().for_each(|unknown| say(unknown));
    verdict.broken.iter().for_each(|broken| print(broken));
    if verdict.broken.is_empty() {
        let signatures = plural(verdict.signatures, "signature");
        print(&format!("{} in a whole chain; {signatures} right", plural(verdict.lines, "line")));
    } else {
        say(&format!(
            "the log is NOT whole: {} in {}",
            plural(verdict.broken.len(), "mistake"),
            plural(verdict.lines, "line")
        ));
    }
    if let Some(head) = &verdict.head {
        print(&format!("head {head}"));
        say(
            "  hint: keep the head elsewhere; `syncline audit --verify --head HASH` proves later that nothing before it changed",
        );
    }
}
