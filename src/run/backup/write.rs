//! Making a backup of a store that is open, and of what lies beside it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::pack::Packer;
use super::{BackupError, STORE, Summary, beside};
use crate::store::Store;

/// How often it is begun anew when something beside the store changes.
const ATTEMPTS: usize = 5;

/// Writes a backup of a whole state into a file, as it is now: whoever has the store open can call it, between two commits.
/// The file is there whole or not at all, and nobody else can read it. Memory does not grow with the store.
///
/// # Errors
/// When the file is there, lies in the state, or cannot be written; or when the state cannot be read.
pub fn write(store: &Store, store_folder: &Path, to: &Path) -> Result<Summary, BackupError> {
    if to.symlink_metadata().is_ok() {
        return Err(BackupError::Exists(to.into()));
    }
    let folder = folder_of(to);
    refuse_inside(store_folder, folder, to)?;
    let part = Part::beside(to);
    for _ in 1..ATTEMPTS {
        match attempt(store, store_folder, &part) {
            Err(BackupError::Changed(_)) => {}
            other => return part.place(to, other?),
        }
    }
    part.place(to, attempt(store, store_folder, &part)?)
}

fn attempt(store: &Store, store_folder: &Path, part: &Part) -> Result<Summary, BackupError> {
    let io = BackupError::io(&part.path);
    part.remove().map_err(&io)?;
    let mut packer = Packer::create(&part.path).map_err(&io)?;
    let left_out = beside::pack(store_folder, &mut packer, &part.path)?;
    packer.store().map_err(&io)?;
    store.each_pair(|key, value| packer.pair(key, value).map_err(&io))?;
    let summary = packer.end(&part.path).map_err(&io)?;
    Ok(Summary { left_out, ..summary })
}

/// The folder that a file lies in.
fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// A backup in what it is a backup of would be in the next one, and move aside with it.
fn refuse_inside(store_folder: &Path, folder: &Path, to: &Path) -> Result<(), BackupError> {
    let folder = fs::canonicalize(folder).map_err(BackupError::io(folder))?;
    match fs::canonicalize(store_folder) {
        Ok(state) if folder.starts_with(&state) => Err(BackupError::Inside(to.into())),
        Ok(_) if store_folder.join(STORE).is_dir() => Ok(()),
        _ => Err(BackupError::NoStore(store_folder.into())),
    }
}

/// A file that is being written. It goes away when it does not become the backup.
struct Part {
    path: PathBuf,
}

impl Part {
    fn beside(to: &Path) -> Part {
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        Part { path: name.into() }
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Gives it its name, for good.
    fn place(&self, to: &Path, summary: Summary) -> Result<Summary, BackupError> {
        let folder = folder_of(to);
        let placed = fs::rename(&self.path, to).and_then(|()| File::open(folder)?.sync_all());
        placed.map_err(BackupError::io(to))?;
        Ok(Summary { file: to.into(), ..summary })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}
