//! The only file that names sled: opening with its known traps, atomic batches, checkpoints.
//!
//! sled takes a damaged log for a shorter one and opens it without a word, if need be empty. So every checkpoint is
//! counted twice: in the tree, and then in a file beside it. A tree that is behind the file has lost something.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::StoreError;
use super::key;
use super::keyspace::{Keyspace, Pair, Writes};
use crate::sync::ledger::{LedgerError, Result};

/// How much of the tree sled keeps in memory, in bytes. Its own default is 1 GB.
const CACHE: u64 = 96 * 1024 * 1024;

/// How many old pages sled's collector frees in one go, at least: a write leaves one or two.
const FREED_AT_A_TIME: usize = 128;

/// How long sled may take to let go of a store that was closed.
pub(super) const LETTING_GO: Duration = Duration::from_secs(2);

/// The file that holds the number of the last checkpoint.
pub(super) const COUNT: &str = "checkpoint";

pub(super) struct Disk {
    tree: sled::Db,
    folder: PathBuf,
    /// Let go of last.
    _lock: File,
}

impl Disk {
    /// Opens or makes the store in a folder.
    pub(super) fn open(folder: &Path) -> std::result::Result<Disk, StoreError> {
        super::private_folder(folder).map_err(|error| StoreError::io(folder, &error))?;
        let lock = own(folder)?;
        remove_torn_snapshots(folder).map_err(|error| StoreError::io(folder, &error))?;
        let config = sled::Config::new().path(folder).cache_capacity(CACHE).flush_every_ms(None);
        let begun = Instant::now();
        let tree = loop {
            match config.open().map_err(|error| opening(folder, error)) {
                Ok(tree) => break tree,
                // It is ours: a store that this process closed a moment ago lets go of its files a moment later.
                Err(StoreError::InUse { .. }) if begun.elapsed() < LETTING_GO => std::thread::sleep(LETTING_GO / 100),
                Err(error) => return Err(error),
            }
        };
        let disk = Disk { tree, folder: folder.to_path_buf(), _lock: lock };
        disk.refuse_losses()?;
        Ok(disk)
    }

    /// Compares the tree with the last checkpoint that was told to anybody.
    fn refuse_losses(&self) -> std::result::Result<(), StoreError> {
        let path = self.folder.join(COUNT);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(StoreError::io(&path, &error)),
        };
        let damaged = |what: String| Err(StoreError::Damaged { folder: self.folder.clone(), what });
        let Ok(told) = text.trim().parse::<u64>() else {
            return damaged(format!("its file `{COUNT}` holds no number"));
        };
        match self.checkpoints()? {
            there if there < told => damaged(format!("it ends at checkpoint {there} of {told}")),
            _ => Ok(()),
        }
    }

    fn checkpoints(&self) -> std::result::Result<u64, StoreError> {
        let found = self.tree.get(key::fact(COUNT)).map_err(|error| writing(&self.folder, &error))?;
        let bytes = found.and_then(|bytes| bytes.as_ref().try_into().ok());
        Ok(bytes.map_or(0, u64::from_be_bytes))
    }

    /// Applies writes as one atomic batch.
    pub(super) fn apply(&self, writes: Writes) -> std::result::Result<(), StoreError> {
        let count = writes.len();
        let mut batch = sled::Batch::default();
        for (key, write) in writes {
            match write {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        let applied = self.tree.apply_batch(batch).map_err(|error| writing(&self.folder, &error));
        free_old_pages(count);
        applied
    }

    /// Brings everything that was applied to the disk. sled's own flush does not sync the file's metadata.
    pub(super) fn checkpoint(&self) -> std::result::Result<(), StoreError> {
        let count = self.checkpoints()? + 1;
        let counted = self.tree.insert(key::fact(COUNT), &count.to_be_bytes());
        counted.and_then(|_| self.tree.flush()).map_err(|error| writing(&self.folder, &error))?;
        for name in ["db", "conf", "."] {
            let path = self.folder.join(name);
            if path.exists() {
                File::open(&path).and_then(|file| file.sync_all()).map_err(|error| StoreError::io(&path, &error))?;
            }
        }
        let path = self.folder.join(COUNT);
        replace(&path, &count.to_string()).map_err(|error| StoreError::io(&path, &error))
    }

    /// Closes the files, and waits until sled, too, has let go of them. Nobody else gets in while the lock lives.
    pub(super) fn let_go(self) -> std::result::Result<File, StoreError> {
        let Disk { tree, folder, _lock: lock } = self;
        drop(tree);
        let path = folder.join("db");
        let failed = |error: io::Error| StoreError::io(&path, &error);
        let begun = Instant::now();
        loop {
            match File::open(&path).map_err(failed)?.try_lock() {
                Ok(()) => return Ok(lock),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LETTING_GO => std::thread::sleep(LETTING_GO / 100),
                Err(TryLockError::WouldBlock) => return Err(StoreError::InUse { folder }),
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
        }
    }

    /// Bytes on disk.
    pub(super) fn size(&self) -> u64 {
        self.tree.size_on_disk().unwrap_or(0)
    }
}

impl Keyspace for Disk {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.tree.get(key).map(|value| value.map(|value| value.to_vec())).map_err(reading)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>> {
        let start = match after {
            Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
            _ => Bound::Included(prefix.to_vec()),
        };
        let mut pairs = Vec::new();
        for pair in self.tree.range((start, Bound::Unbounded)) {
            let (key, value) = pair.map_err(reading)?;
            if pairs.len() == limit || !key.starts_with(prefix) {
                break;
            }
            pairs.push((key.to_vec(), value.to_vec()));
        }
        Ok(pairs)
    }
}

/// Every write of a batch leaves an old copy of a page, which is freed when nobody can be looking at it any more; left to
/// itself that falls behind: 800 MB of old pages after 100,000 objects. One call frees up to 512 of them.
fn free_old_pages(writes: usize) {
    for _ in 0..=writes / FREED_AT_A_TIME {
        sled::pin().flush();
    }
}

/// A snapshot that was being written when the process ended makes sled refuse to open.
fn remove_torn_snapshots(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let torn = name.ends_with(".generating") || (name.starts_with("snap.") && entry.metadata()?.len() == 0);
        if name.starts_with("snap.") && torn {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Writes a file whole or not at all.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn reading(error: sled::Error) -> LedgerError {
    LedgerError(format!("the store cannot be read: {error}"))
}

/// A lock of our own: sled takes its lock late, and what a store leaves behind is tidied up before that.
pub(super) fn own(folder: &Path) -> std::result::Result<File, StoreError> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| StoreError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { folder: folder.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path, &error)),
    }
}

fn opening(folder: &Path, error: sled::Error) -> StoreError {
    let path = folder.to_path_buf();
    match error {
        sled::Error::Io(error) if error.to_string().contains("lock") || error.kind() == io::ErrorKind::WouldBlock => {
            StoreError::InUse { folder: path }
        }
        sled::Error::Io(error) => StoreError::io(folder, &error),
        sled::Error::Corruption { .. } => {
            StoreError::Damaged { folder: path, what: "its files do not fit together".into() }
        }
        other => StoreError::Damaged { folder: path, what: other.to_string() },
    }
}

fn writing(folder: &Path, error: &sled::Error) -> StoreError {
    match error {
        sled::Error::Io(error) => StoreError::io(folder, error),
        other => StoreError::Damaged { folder: folder.to_path_buf(), what: other.to_string() },
    }
}
