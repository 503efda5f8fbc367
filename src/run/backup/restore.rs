//! A state made anew from a backup: filled beside the old one, compared with the backup, and put in its place.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::format::{Entry, Pairs};
use super::switch::Building;
use super::unpack::Unpacker;
use super::{BackupError, STORE, Summary, beside};
use crate::run::RunError;
use crate::run::audit::{self, Deed, Log, Outcome};
use crate::run::who::Who;
use crate::store::Store;

/// What became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Restored {
    /// What was in the backup.
    #[serde(flatten)]
    pub backup: Summary,
    /// The folder of the state.
    pub state: PathBuf,
    /// Where the state that was there lies now.
    pub before: Option<PathBuf>,
}

/// Makes the state in a folder anew from a backup. What was there is moved aside if `replace` says so; until the new one
/// is whole, it stays where it is.
///
/// # Errors
/// When the backup cannot be used, there is a state and it is not to be replaced, or somebody else has it open.
pub fn restore(from: &Path, store_folder: &Path, replace: bool, who: Who) -> Result<Restored, RunError> {
    let mut unpacker = Unpacker::open(from)?;
    let occupied = is_occupied(store_folder).map_err(BackupError::io(store_folder))?;
    if occupied && !replace {
        return Err(BackupError::Occupied(store_folder.into()).into());
    }
    let store = store_folder.join(STORE);
    let _held = if store.is_dir() { Some(Store::hold(&store)?) } else { None };
    let building = Building::begin(store_folder).map_err(BackupError::io(store_folder))?;
    let begun = fill(&mut unpacker, from, &building, store_folder).and_then(|()| {
        let entry = audit::Entry {
            deed: Deed::Restore,
            subject: from.display().to_string(),
            sha256: Some(unpacker.summary().sha256),
            signatures: Vec::new(),
        };
        Log::beside(building.folder()).begin(who, entry)
    });
    let begun = match begun {
        Ok(begun) => begun.moving_to(store_folder),
        Err(error) => {
            building.abandon();
            return Err(error);
        }
    };
    let before = building.put_in_place(occupied).map_err(BackupError::io(store_folder))?;
    let note = before.as_ref().map(|before| format!("the state before is in {}", before.display()));
    begun.end(Outcome::Done, note)?;
    Ok(Restored { backup: unpacker.summary(), state: store_folder.into(), before })
}

fn is_occupied(folder: &Path) -> io::Result<bool> {
    match fs::read_dir(folder) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Everything that the new state holds, compared with the backup.
fn fill(unpacker: &mut Unpacker, from: &Path, building: &Building, before: &Path) -> Result<(), RunError> {
    unpack_files(unpacker, from, building.folder())?;
    let folder = building.folder().join(STORE);
    let store = Store::fill(&folder, || match unpacker.next()? {
        Entry::Pair(key, value) => Ok(Some((key.to_vec(), value.to_vec()))),
        Entry::End(_) => Ok(None),
        other => Err(misplaced(from, &other)),
    })?;
    let mut pairs = Pairs::new();
    store.each_pair(|key, value| {
        pairs.add(key, value);
        Ok::<(), BackupError>(())
    })?;
    let told = unpacker.count();
    if pairs.counted(told.files) != *told {
        return Err(BackupError::NotRestored(folder).into());
    }
    store.close()?;
    keep_the_log(before, building.folder()).map_err(BackupError::io(before))?;
    copy_emulated(before, building.folder()).map_err(BackupError::io(before))?;
    Ok(())
}

fn misplaced(path: &Path, entry: &Entry<'_>) -> BackupError {
    let what = match entry {
        Entry::File(name, _) => format!("the file `{name}` is where it does not belong"),
        _ => "an entry is where it does not belong".into(),
    };
    BackupError::Wrong { path: path.into(), what }
}

/// Writes the files up to the store.
fn unpack_files(unpacker: &mut Unpacker, from: &Path, to: &Path) -> Result<(), BackupError> {
    let mut open: Option<(PathBuf, File)> = None;
    loop {
        match unpacker.next()? {
            Entry::File(name, _) if beside::belongs(name) => {
                let path = to.join(name);
                let folder = path.parent().unwrap_or(to);
                let file = fs::create_dir_all(folder).and_then(|()| File::create_new(&path));
                let file = file.map_err(BackupError::io(&path))?;
                finish(open.replace((path, file)))?;
            }
            Entry::Bytes(bytes) if open.is_some() => {
                if let Some((path, file)) = &mut open {
                    file.write_all(bytes).map_err(BackupError::io(path))?;
                }
            }
            Entry::Store => return finish(open),
            other => return Err(misplaced(from, &other)),
        }
    }
}

fn finish(open: Option<(PathBuf, File)>) -> Result<(), BackupError> {
    let Some((path, file)) = open else { return Ok(()) };
    file.sync_all().map_err(BackupError::io(&path))
}

/// The audit log never loses a line: where the one that is there goes on from the one in the backup, it stays.
fn keep_the_log(before: &Path, new: &Path) -> io::Result<()> {
    let (before, new) = (Log::beside(before).path().to_owned(), Log::beside(new).path().to_owned());
    if !before.is_file() || (new.is_file() && !goes_on_from(&before, &new)?) {
        return Ok(());
    }
    fs::copy(&before, &new)?;
    File::open(&new)?.sync_all()
}

/// Whether a file begins with all that another holds.
fn goes_on_from(longer: &Path, shorter: &Path) -> io::Result<bool> {
    let length = shorter.metadata()?.len();
    if longer.metadata()?.len() < length {
        return Ok(false);
    }
    let (longer, shorter) = (BufReader::new(File::open(longer)?.take(length)), BufReader::new(File::open(shorter)?));
    for (one, other) in longer.bytes().zip(shorter.bytes()) {
        if one? != other? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Emulated directories are no part of the state, and stay as they are.
fn copy_emulated(before: &Path, new: &Path) -> io::Result<()> {
    let Ok(entries) = fs::read_dir(before) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(beside::is_emulated) {
            copy(&entry.path(), &new.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return fs::copy(from, to).map(|_| ());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}
