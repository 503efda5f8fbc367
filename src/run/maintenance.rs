//! What is done at night while Syncline serves: the journal loses what is too old, the whole state is kept in a backup, and
//! a store that has grown is compacted.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

use super::compaction::Compacted;
use super::session::Session;
use super::{Progress, RunError, backup};
use crate::store::private_folder;

/// How many journal entries are looked at between two commits.
const BATCH: usize = 2_000;
/// How the files of this are called: no other file is ever deleted.
const NAME: (&str, &str) = ("syncline-", ".backup");

/// The minute of the last time that all of it was done: whoever starts again in it does nothing twice.
const DONE: &str = "maintained";

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Maintained {
    /// Journal entries that are gone.
    pub forgotten: u64,
    /// The backup.
    pub backup: Option<PathBuf>,
    /// Its size in bytes.
    pub bytes: u64,
    /// Older backups that were deleted.
    pub deleted: Vec<PathBuf>,
    /// What became of the store, if it was compacted.
    pub compacted: Option<Compacted>,
}

/// Does what the configuration asks for, once a minute (they count since 1970): nothing if it was done in this one already.
/// Compacting needs a store that nobody uses, and is done by whoever has the session.
///
/// # Errors
/// When the store fails, the backup cannot be written, or somebody pressed Ctrl-C.
pub fn run(session: &mut Session, minute: i64, progress: &dyn Progress) -> Result<Option<Maintained>, RunError> {
    if session.store.draft().fact(DONE)? == Some(minute) {
        return Ok(None);
    }
    let serving = session.config.serving.clone();
    let mut maintained = Maintained::default();
    if serving.journal_days > 0 {
        let days = i64::from(serving.journal_days);
        maintained.forgotten = forget(session, Timestamp::now().as_second() - days * 86_400, progress)?;
    }
    if let Some(folder) = &serving.backups {
        keep_backup(session, (folder, serving.keep_backups), progress, &mut maintained)?;
    }
    session.remember(DONE, &minute)?;
    session.store.checkpoint()?;
    Ok(Some(maintained))
}

/// Makes a backup, and deletes those that are too old.
fn keep_backup(
    session: &Session,
    (folder, keep): (&Path, usize),
    progress: &dyn Progress,
    maintained: &mut Maintained,
) -> Result<(), RunError> {
    let failed = |error: std::io::Error| RunError::Unknown(format!("cannot use `{}`: {error}", folder.display()));
    private_folder(folder).map_err(failed)?;
    let path = folder.join(format!("{}{}{}", NAME.0, Timestamp::now().strftime("%Y%m%dT%H%M%SZ"), NAME.1));
    let summary = backup::write(&session.store, &session.config.store_folder, &path)?;
    progress.advance(summary.keys, None);
    // What cannot be read again is no backup.
    backup::verify(&path)?;
    (maintained.backup, maintained.bytes) = (Some(path), summary.bytes);
    for old in older(folder, keep).map_err(failed)? {
        std::fs::remove_file(&old).map_err(failed)?;
        maintained.deleted.push(old);
    }
    Ok(())
}

/// Forgets journal entries from before a time.
fn forget(session: &mut Session, before: i64, progress: &dyn Progress) -> Result<u64, RunError> {
    let mut forgotten = 0;
    loop {
        session.go_on()?;
        let mut draft = session.store.draft();
        let count = draft.forget_journal(before, BATCH)?;
        let writes = draft.finish();
        if count == 0 {
            return Ok(forgotten);
        }
        session.store.commit(writes)?;
        forgotten += u64::try_from(count).unwrap_or(0);
        progress.advance(forgotten, None);
    }
}

/// All backups of this kind but the last so many.
fn older(folder: &Path, keep: usize) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let date = name.strip_prefix(NAME.0).and_then(|rest| rest.strip_suffix(NAME.1));
        if date.is_some_and(|date| date.len() == 16 && date.ends_with('Z')) {
            found.push(path);
        }
    }
    // Dates sort as text.
    found.sort();
    found.truncate(found.len().saturating_sub(keep.max(1)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Silent;

    #[test]
    fn whoever_starts_again_in_the_same_minute_does_nothing_twice() {
        let folder = tempfile::tempdir().unwrap();
        let mut session = crate::run::staging::tests::session(folder.path());
        session.config.serving.backups = Some(folder.path().join("backups"));
        let backup = run(&mut session, 7, &Silent).unwrap().unwrap().backup.unwrap();
        assert_eq!(run(&mut session, 7, &Silent).unwrap(), None);
        std::fs::remove_file(backup).unwrap();
        assert!(run(&mut session, 8, &Silent).unwrap().is_some());
    }

    #[test]
    fn only_own_backups_are_deleted_and_the_last_ones_stay() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let names = [
            "syncline-20261127T030000Z.backup",
            "syncline-20261128T030000Z.backup",
            "syncline-20261129T030000Z.backup",
            "syncline-before-the-move.backup",
            "other.backup",
        ];
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap_or_else(|error| panic!("{error}"));
        }
        let found = |keep| older(folder.path(), keep).unwrap_or_else(|error| panic!("{error}"));
        let name = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
        assert_eq!(found(2).iter().filter_map(name).collect::<Vec<_>>(), [names[0]]);
        assert_eq!(found(0).len(), 2, "one stays whatever is asked for");
        assert!(found(5).is_empty());
    }
}
