//! Backups: the whole state in one file, and a state made anew from it.
//!
//! In it is every key and value of the store (connector space, metaverse, journal, runs, decisions), and what lies beside it:
//! the audit log, the rules in use and how they stand, lists of the guard. Not in it are the configuration and the rules
//! folder, which are somebody's files, and emulated directories, which are no state of ours but somebody's directory.
//! No secret is in it, for none is in the state.
//!
//! Reading order: `format` (the file), `pack`, `unpack`, `beside` (what lies beside the store), `write`, `restore`, `switch` (one
//! folder in place of another).

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::RunError;
use crate::config::STORE;
use crate::store::{Store, StoreError};

mod beside;
mod format;
mod pack;
mod restore;
pub(super) mod switch;
#[cfg(test)]
mod tests;
mod unpack;
mod write;

pub use restore::{Restored, restore};
pub use write::write;

/// Why a backup cannot be made or used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The file is there.
    #[error("`{}` is there already", .0.display())]
    Exists(PathBuf),
    /// It would lie in what is backed up.
    #[error("`{}` lies in the folder of the state", .0.display())]
    Inside(PathBuf),
    /// There is nothing to back up.
    #[error("there is no store in `{}`", .0.display())]
    NoStore(PathBuf),
    /// Something is where the state would be restored.
    #[error("there is a state already in `{}`", .0.display())]
    Occupied(PathBuf),
    /// What lies beside the store changes all the time.
    #[error("`{}` changed while it was read", .0.display())]
    Changed(PathBuf),
    /// It is something else.
    #[error("`{}` is no backup of Syncline", .0.display())]
    Other(PathBuf),
    /// Another version made it.
    #[error("`{}` is a backup of format {found}; this version reads format {}", path.display(), format::VERSION)]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// The store in it has another format.
    #[error(
        "`{}` holds a store of format {found}, made by Syncline {by}; this version reads format {}",
        path.display(),
        Store::FORMAT
    )]
    StoreFormat {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// The version that made it.
        by: String,
    },
    /// Its checksum is not that of its bytes.
    #[error("`{}` is not whole: it was cut off or altered", .0.display())]
    Altered(PathBuf),
    /// Its checksum is right, and yet it holds what no backup holds.
    #[error("`{}` is wrong: {what}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// What was written is not what was read.
    #[error("the store restored in `{}` is not the one in the backup", .0.display())]
    NotRestored(PathBuf),
    /// The file system refuses.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        error: std::io::Error,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl BackupError {
    pub(in crate::run) fn io(path: &Path) -> impl Fn(std::io::Error) -> BackupError + '_ {
        move |error| BackupError::Io { path: path.into(), error }
    }

    /// Whether something else has to be asked for.
    pub fn is_usage(&self) -> bool {
        matches!(self, BackupError::Exists(_) | BackupError::Inside(_) | BackupError::Occupied(_))
    }

    /// The way on.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            BackupError::Exists(_) => "backups are not written over: give another name, such as one with the day in it",
            BackupError::Inside(_) => "put backups elsewhere, best on another disk",
            BackupError::NoStore(_) => "a run makes one; is this the right configuration?",
            BackupError::Occupied(_) => "`--replace` moves it aside; nothing is deleted",
            BackupError::Changed(_) => "nothing was written; try again",
            BackupError::Altered(_) | BackupError::Other(_) | BackupError::Wrong { .. } => {
                "nothing was written; is there an earlier backup?"
            }
            BackupError::Version { .. } | BackupError::StoreFormat { .. } => {
                "nothing was written; the version of Syncline that made it restores it"
            }
            BackupError::NotRestored(_) => "the state is as it was before; is the disk sound?",
            BackupError::Io { .. } | BackupError::Store(_) => return None,
        };
        Some(hint.to_owned())
    }
}

impl From<BackupError> for RunError {
    fn from(error: BackupError) -> RunError {
        match error {
            BackupError::Store(error) => RunError::Store(error),
            other => RunError::Backup(other),
        }
    }
}

/// What is in a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The file.
    pub file: PathBuf,
    /// When it was made.
    pub made_at: jiff::Timestamp,
    /// The version that made it.
    pub made_by: String,
    /// Keys of the store.
    pub keys: u64,
    /// Files beside it.
    pub files: u64,
    /// The size of the backup.
    pub bytes: u64,
    /// SHA-256 of the whole file, as `sha256sum` says it.
    pub sha256: String,
    /// What lies beside the store and is not in the backup.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// Reads a backup from end to end.
///
/// # Errors
/// What is wrong with it.
pub fn verify(path: &Path) -> Result<Summary, BackupError> {
    let mut unpacker = unpack::Unpacker::open(path)?;
    while !matches!(unpacker.next()?, format::Entry::End(_)) {}
    Ok(unpacker.summary())
}
