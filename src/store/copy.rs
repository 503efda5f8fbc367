//! Copies of a whole store: every key and value in order, and a store filled from them.
//!
//! A commit needs the store for itself (`&mut`), and a copy borrows it: nothing is committed while a copy is made, so what it
//! shows is one moment. No other process can write, for the folder is locked.

use std::path::Path;
use std::time::Instant;

use super::disk::{self, COUNT, Disk, LETTING_GO};
use super::keyspace::{Keyspace, Pair, Writes};
use super::{Store, StoreError, key};

/// How many pairs are read at once.
const STRETCH: usize = 1_000;
/// How many bytes are written in one batch.
const BATCH: usize = 1 << 20;

/// Keeps others away from a store that may be damaged, as long as it lives.
#[must_use = "others are kept away only while this lives"]
pub struct Held {
    _lock: std::fs::File,
}

/// What tells of the files and not of what is in them: every store counts for itself.
fn is_own(key: &[u8]) -> bool {
    [COUNT, "clean"].iter().any(|fact| key == key::fact(fact))
}

impl Store {
    /// The version of what is stored. A store of another version is refused.
    pub const FORMAT: u32 = key::FORMAT;

    /// Keeps others away from the store in a folder, without opening it.
    ///
    /// # Errors
    /// When another process has it.
    pub fn hold(folder: &Path) -> Result<Held, StoreError> {
        soon(|| disk::own(folder)).map(|lock| Held { _lock: lock })
    }

    /// Visits every key and value in order. Gives how many there are.
    ///
    /// # Errors
    /// When the store cannot be read, or the visitor fails.
    pub fn each_pair<E: From<StoreError>>(
        &self,
        mut visit: impl FnMut(&[u8], &[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut count = 0;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let pairs = self.base.keyspace().scan(&[], after.as_deref(), STRETCH).map_err(StoreError::from)?;
            for (key, value) in pairs.iter().filter(|(key, _)| !is_own(key)) {
                visit(key, value)?;
                count += 1;
            }
            match pairs.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(count),
            }
        }
    }

    /// Fills a new store in a folder that has none, and opens it. Gives it with everything on the disk.
    ///
    /// # Errors
    /// When there is a store, it cannot be written, what comes is no store of this version, or the giver fails.
    pub fn fill<E: From<StoreError>>(
        folder: &Path,
        mut next: impl FnMut() -> Result<Option<Pair>, E>,
    ) -> Result<Store, E> {
        let disk = soon(|| Disk::open(folder))?;
        if !disk.scan(&[], None, 1).map_err(StoreError::from)?.is_empty() {
            let what = "there is a store already, and a new one was to be filled".into();
            return Err(StoreError::Damaged { folder: folder.into(), what }.into());
        }
        let mut writes = Writes::new();
        let mut bytes = 0;
        while let Some((key, value)) = next()? {
            bytes += key.len() + value.len();
            writes.insert(key, Some(value));
            if bytes >= BATCH {
                disk.apply(std::mem::take(&mut writes))?;
                bytes = 0;
            }
        }
        writes.insert(key::fact("clean"), Some(b"true".to_vec()));
        disk.apply(writes)?;
        disk.checkpoint()?;
        drop(disk);
        Ok(soon(|| Store::open(folder))?)
    }
}

/// Tries for a moment. A store that this process closed just now is still locked by a program that it starts just then, until
/// that runs.
fn soon<T>(mut open: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(StoreError::InUse { .. }) if begun.elapsed() < LETTING_GO => std::thread::sleep(LETTING_GO / 100),
            other => return other,
        }
    }
}
