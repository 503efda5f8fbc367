//! `syncline backup` and `syncline restore`: the whole state in one file, and back.

use std::path::PathBuf;

use clap::Args;

use super::output::{plural, print_json, say};
use super::{Exit, Format, open_store};
use crate::config::Config;
use crate::run::RunError;
use crate::run::backup::{self, Summary};
use crate::run::who::Who;

/// Writes the whole state into one file, or looks whether such a file is whole.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline backup /backups/syncline-$(date +%F).backup\n  syncline backup --verify /backups/syncline-2026-11-29.backup"
)]
pub(super) struct BackupArguments {
    /// The file; it must not be there.
    file: PathBuf,
    /// Reads a backup from end to end and says whether it is whole; writes nothing.
    #[arg(long)]
    verify: bool,
}

/// Makes the state anew from a backup.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  syncline restore /backups/syncline-2026-11-29.backup\n  syncline restore /backups/syncline-2026-11-29.backup --replace"
)]
pub(super) struct RestoreArguments {
    /// The file that `syncline backup` wrote.
    file: PathBuf,
    /// Moves the state that is there aside. It is not deleted.
    #[arg(long)]
    replace: bool,
}

pub(super) fn backup(
    config: impl FnOnce() -> Result<Config, RunError>,
    arguments: &BackupArguments,
    format: Format,
) -> Result<Exit, RunError> {
    let (summary, what) = if arguments.verify {
        (backup::verify(&arguments.file)?, "is whole")
    } else {
        (written(&config()?, arguments)?, "is written")
    };
    match format {
        Format::Json => print_json(&summary),
        Format::Text => {
            say(&format!("{} {what}: {}", summary.file.display(), told(&summary)));
            say(&format!("  made {} by Syncline {}   SHA-256 {}", summary.made_at, summary.made_by, summary.sha256));
            if !summary.left_out.is_empty() {
                say(&format!("  not in it: {}", summary.left_out.join(", ")));
            }
        }
    }
    Ok(Exit::Success)
}

fn written(config: &Config, arguments: &BackupArguments) -> Result<Summary, RunError> {
    let store = open_store(config)?;
    let summary = backup::write(&store, &config.store_folder, &arguments.file)?;
    store.close()?;
    Ok(summary)
}

fn told(summary: &Summary) -> String {
    let count = |number: u64, what: &str| plural(usize::try_from(number).unwrap_or(usize::MAX), what);
    format!("{}, {}, {}", count(summary.keys, "key"), count(summary.files, "file"), count(summary.bytes, "byte"))
}

pub(super) fn restore(
    config: &Config,
    who: Option<&str>,
    arguments: &RestoreArguments,
    format: Format,
) -> Result<Exit, RunError> {
    let restored = backup::restore(&arguments.file, &config.store_folder, arguments.replace, Who::of(who))?;
    match format {
        Format::Json => print_json(&restored),
        Format::Text => {
            say(&format!("{} is restored: {}", restored.state.display(), told(&restored.backup)));
            say(&format!("  it is as it was at {}", restored.backup.made_at));
            if let Some(before) = &restored.before {
                say(&format!("  the state before is in {}", before.display()));
            }
            say("  see what a run would do now: `syncline plan --import`");
        }
    }
    Ok(Exit::Success)
}
