//! The first step of a cycle: what directories say of themselves, and what is in them, all of it or what changed. What they
//! say of themselves is asked between cycles, where there is time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::changes::{self, Changes};
use super::import::{self, ImportReport};
use super::session::Session;
use super::wanted::Wanted;
use super::{Progress, RunError, in_flight, lines};
use crate::connector::ConnectorError;
use crate::store::Draft;

/// How often directories are asked about themselves (schema, domains, licences) while only changes are read: at a moment
/// when nothing is to be done.
const LEARN: Duration = Duration::from_secs(600);
/// When there is no such moment: before a cycle.
const LEARN_AT_LAST: Duration = Duration::from_secs(1_200);

/// What a cycle reads.
pub enum Reading {
    /// Everything, from everywhere.
    Everything,
    /// What changed, and everything from connectors that cannot tell.
    News {
        /// What changed, one a connector.
        changes: Vec<Changes>,
        /// Connectors that are read whole, and why.
        whole: Vec<(String, String)>,
    },
}

/// Asks every directory about itself, where that is due.
pub(super) fn learn(session: &mut Session, reading: &Reading) -> Result<(), RunError> {
    let recent = session.learned.is_some_and(|at| at.elapsed() < LEARN_AT_LAST);
    match reading {
        Reading::News { whole, .. } if recent && whole.is_empty() => Ok(()),
        Reading::News { whole, .. } => {
            let needed: BTreeSet<&String> = whole.iter().map(|(name, _)| name).collect();
            learn_each(session, |name| needed.contains(name)).map(drop)
        }
        Reading::Everything => learn_all(session),
    }
}

/// The same while there is nothing else to do, so that no change waits for it later. Gives who did not answer.
pub(super) fn learn_at_leisure(session: &mut Session) -> Result<Vec<(String, ConnectorError)>, RunError> {
    match session.learned {
        Some(at) if at.elapsed() < LEARN => Ok(Vec::new()),
        _ => learn_each(session, |_| false),
    }
}

fn learn_all(session: &mut Session) -> Result<(), RunError> {
    learn_each(session, |_| true).map(drop)
}

/// Asks each; one that is not needed now may be out of reach. What they say of their attributes decides which rules apply,
/// and what is asked for; what people should know is kept for the next report.
fn learn_each(
    session: &mut Session,
    is_needed: impl Fn(&String) -> bool,
) -> Result<Vec<(String, ConnectorError)>, RunError> {
    session.wake()?;
    let mut failed = Vec::new();
    let names: Vec<String> = session.config.connectors.iter().map(|(name, _)| name.clone()).collect();
    for name in names {
        if session.silent.contains(&name) && !is_needed(&name) {
            continue;
        }
        let warnings = match import::learn(session, &name) {
            Err(RunError::Connector { error, .. }) if !is_needed(&name) => {
                failed.push((name, error));
                continue;
            }
            learned => learned?,
        };
        session.advice.insert(name, warnings);
    }
    session.learned = Some(Instant::now());
    session.fit_rules(Vec::new())?;
    Ok(failed)
}

/// Reads every directory, and keeps what they show. Nothing is synchronised or written.
///
/// # Errors
/// When a directory could not be used, the rules do not fit, or the store fails.
pub fn import_all(session: &mut Session, progress: &dyn Progress) -> Result<Vec<ImportReport>, RunError> {
    learn_all(session)?;
    read_all(session, progress)
}

/// Settles what was under way when a run broke off, and imports.
pub(super) fn read(
    session: &mut Session,
    reading: Reading,
    progress: &dyn Progress,
) -> Result<Vec<ImportReport>, RunError> {
    let Reading::News { changes, whole } = reading else { return read_all(session, progress) };
    settle(session)?;
    let mut imports = Vec::new();
    for changes in changes {
        let _span = tracing::info_span!("import", connector = changes.connector()).entered();
        let report = changes::take_in(session, changes)?;
        progress.end(&lines::import_line(&report));
        imports.push(report);
    }
    for (name, _) in whole {
        let _span = tracing::info_span!("import", connector = name).entered();
        let imported = match import::run(session, &name, progress) {
            // The others need not wait for it.
            Err(RunError::Connector { connector, error }) => {
                ImportReport { connector, incomplete: vec![error.to_string()], ..ImportReport::default() }
            }
            imported => imported?,
        };
        progress.end(&lines::import_line(&imported));
        imports.push(imported);
    }
    Ok(imports)
}

/// What was under way when a run broke off: nobody knows, so it is looked at. A target that does not answer is not written to
/// in this cycle; where only changes are read, whether a deletion arrived is asked, for nobody would tell.
fn settle(session: &mut Session) -> Result<(), RunError> {
    let targets: Vec<String> = session.target_kinds().map(|(name, _)| name.clone()).collect();
    for name in targets {
        let settled = in_flight::settle(session, &name).and_then(|deletions| {
            if session.follows && !deletions.is_empty() {
                import::refresh(session, &name, &deletions)?;
            }
            Ok(())
        });
        match settled {
            Err(RunError::Connector { .. }) if session.follows => {
                session.down.insert(name);
            }
            other => other?,
        }
    }
    Ok(())
}

fn unread_key(connector: &str) -> String {
    format!("unread/{connector}")
}

/// A connector is about to be read whole: until that has ended well, it counts as unread.
pub(super) fn begin_whole(session: &mut Session, connector: &str) -> Result<(), RunError> {
    session.remember(&unread_key(connector), &true)
}

/// It ended well.
pub(super) fn end_whole(draft: &mut Draft<'_>, connector: &str) -> Result<(), RunError> {
    Ok(draft.remove_fact(&unread_key(connector))?)
}

/// Connectors that were never read whole, or not the last time that was tried: what exists there is not known.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn unread(session: &Session) -> Result<BTreeSet<String>, RunError> {
    let mut unread = BTreeSet::new();
    for (name, _) in &session.config.connectors {
        let draft = session.store.draft();
        let never = draft.fact::<serde::de::IgnoredAny>(&format!("imported/{name}"))?.is_none();
        if (never && !Wanted::of(session, name)?.request.types.is_empty())
            || draft.fact::<bool>(&unread_key(name))?.unwrap_or(false)
        {
            unread.insert(name.clone());
        }
    }
    Ok(unread)
}

fn read_all(session: &mut Session, progress: &dyn Progress) -> Result<Vec<ImportReport>, RunError> {
    settle(session)?;
    let names: Vec<String> = session.config.connectors.iter().map(|(name, _)| name.clone()).collect();
    let mut imports = Vec::new();
    for name in names {
        let _span = tracing::info_span!("import", connector = name).entered();
        let imported = import::run(session, &name, progress)?;
        progress.end(&lines::import_line(&imported));
        imports.push(imported);
    }
    Ok(imports)
}
