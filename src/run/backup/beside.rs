//! What lies beside the store and belongs to the state: the audit log, the rules in use, lists of the guard.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;

use super::pack::Packer;
use super::{BackupError, STORE};

/// Emulated directories begin with this. They hold keys, and are no state of ours.
const EMULATOR: &str = "emulator-";
/// What says whose turn it is with the store.
const TURNS: [&str; 2] = ["turn-wanted", "serve.lock"];
/// The log that others may be writing to.
const AUDIT: &str = "audit.jsonl";

/// One file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Found {
    /// Its path in the folder of the state.
    name: String,
    length: u64,
    changed: Option<SystemTime>,
}

/// All of them, in the order of their names, and what is left out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Beside {
    files: Vec<Found>,
    left_out: Vec<String>,
}

/// Whether something right in the folder of the state is no part of it: the store, which goes by its keys, emulated
/// directories, and files that are being written.
fn is_apart(name: &str) -> bool {
    name == STORE || is_other_store(name) || is_emulated(name) || name.ends_with(".new") || TURNS.contains(&name)
}

/// A store that compaction fills, or the one before it.
fn is_other_store(name: &str) -> bool {
    name.strip_prefix(STORE).is_some_and(|rest| rest.starts_with('.'))
}

/// Whether it is an emulated directory.
pub(super) fn is_emulated(name: &str) -> bool {
    name.starts_with(EMULATOR)
}

/// Whether a path may be written into a folder: downwards, and nothing that is apart.
pub(super) fn belongs(name: &str) -> bool {
    let path = Path::new(name);
    let plain = path.components().all(|part| matches!(part, Component::Normal(_)));
    let first = path.components().next().and_then(|part| part.as_os_str().to_str());
    plain && first.is_some_and(|first| !is_apart(first))
}

fn look(folder: &Path) -> io::Result<Beside> {
    let mut beside = Beside::default();
    let mut folders = vec![PathBuf::new()];
    while let Some(below) = folders.pop() {
        for entry in fs::read_dir(folder.join(&below))? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            let (Some(name), kind) = (path.to_str(), entry.file_type()?) else {
                beside.left_out.push(path.display().to_string());
                continue;
            };
            if below.as_os_str().is_empty() && is_apart(name) {
                if is_emulated(name) {
                    beside.left_out.push(name.to_owned());
                }
            } else if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let about = entry.metadata()?;
                beside.files.push(Found { name: name.to_owned(), length: about.len(), changed: about.modified().ok() });
            } else {
                beside.left_out.push(name.to_owned());
            }
        }
    }
    beside.files.sort_by(|one, other| one.name.cmp(&other.name));
    beside.left_out.sort();
    Ok(beside)
}

/// Packs all of it. Gives what is left out.
///
/// # Errors
/// `Changed` when something was written meanwhile.
pub(super) fn pack(folder: &Path, to: &mut Packer, backup: &Path) -> Result<Vec<String>, BackupError> {
    let io = BackupError::io(folder);
    let before = look(folder).map_err(&io)?;
    for found in &before.files {
        let path = folder.join(&found.name);
        let (mut file, length) = match open(&path, found) {
            Ok(open) => open,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(BackupError::Changed(path)),
            Err(error) => return Err(BackupError::Io { path, error }),
        };
        to.file(&found.name, &mut file, length).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => BackupError::Changed(path),
            _ => BackupError::io(backup)(error),
        })?;
    }
    let after = look(folder).map_err(&io)?;
    let still = |beside: Beside| beside.files.into_iter().filter(|found| found.name != AUDIT).collect::<Vec<_>>();
    let left_out = before.left_out.clone();
    if still(before) != still(after) {
        return Err(BackupError::Changed(folder.into()));
    }
    Ok(left_out)
}

/// Opens a file. The audit log grows, by whole lines: its length is taken while nobody writes.
fn open(path: &Path, found: &Found) -> io::Result<(File, u64)> {
    let file = File::open(path)?;
    if found.name != AUDIT {
        return Ok((file, found.length));
    }
    file.lock_shared()?;
    let length = file.metadata()?.len();
    file.unlock()?;
    Ok((file, length))
}
