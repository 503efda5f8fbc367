//! `syncline decisions`: what only the store knows, as lines of text, and a store made anew from them.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use clap::Subcommand;

use super::output::{plural, say};
use super::{Exit, Format};
use crate::run::RunError;
use crate::run::audit::{self, Deed};
use crate::run::session::Session;
use crate::store::decisions::{self, Decisions};

/// What only the store knows: joins, adoptions, names that were decided, what waits.
#[derive(Subcommand)]
pub(super) enum DecisionsCommand {
    /// Writes them to a file, a line of JSON each.
    #[command(after_help = "Examples:\n  syncline decisions export kept.jsonl")]
    Export {
        /// The file; it must not be there.
        file: PathBuf,
    },
    /// Fills an empty store from such a file. The next run imports everything, and goes on from there.
    #[command(after_help = "Examples:\n  syncline decisions restore kept.jsonl")]
    Restore {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(mut session: Session, command: &DecisionsCommand, format: Format) -> Result<Exit, RunError> {
    let (count, what) = match command {
        DecisionsCommand::Export { file } => (export(&session, file)?, "written"),
        DecisionsCommand::Restore { file } => {
            (restore(&mut session, file)?, "restored; the next run imports everything")
        }
    };
    session.close()?;
    match format {
        Format::Json => super::output::print_json(&count),
        Format::Text => say(&format!(
            "decisions about {}, {} and {} are {what}",
            plural(count.objects, "object"),
            plural(count.people, "metaverse object"),
            plural(count.references, "reference"),
        )),
    }
    Ok(Exit::Success)
}

fn export(session: &Session, file: &Path) -> Result<Decisions, RunError> {
    let failed = |error: std::io::Error| RunError::Unknown(format!("cannot write `{}`: {error}", file.display()));
    let mut to = BufWriter::new(File::create_new(file).map_err(failed)?);
    let unique = session.rules.rules().iter().flat_map(|rule| rule.footprint.unique.iter().cloned()).collect();
    let count = decisions::write(&session.store.draft(), &unique, &mut to)?;
    let written = to.into_inner().map_err(|error| failed(error.into_error()))?;
    written.sync_all().map_err(failed)?;
    Ok(count)
}

fn restore(session: &mut Session, file: &Path) -> Result<Decisions, RunError> {
    let failed = |error: std::io::Error| RunError::Unknown(format!("cannot read `{}`: {error}", file.display()));
    let mut from = BufReader::new(File::open(file).map_err(failed)?);
    let mut draft = session.store.draft();
    if !draft.all_objects(None, 1)?.is_empty() || !draft.all_metaverse(None, 1)?.is_empty() {
        return Err(RunError::Unknown("the store is not empty: decisions fill a new one".into()));
    }
    let count = decisions::read(&mut draft, &mut from)
        .map_err(|error| RunError::Unknown(format!("`{}`: {error}", file.display())))?;
    // Until every directory was read whole, who is not shown would look like somebody who left.
    draft.put_fact("rebuilt", &true)?;
    let writes = draft.finish();
    audit::commit(session, writes, Deed::RestoreDecisions, file.display().to_string())?;
    Ok(count)
}
