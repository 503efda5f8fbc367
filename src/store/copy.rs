//! Copies of a whole store: every key and value in order, a store filled from them, and one like another.
//!
//! A commit needs the store for itself (`&mut`), and a copy borrows it: nothing is committed while a copy is made, so what it
//! shows is one moment. No other process can write, for the folder is locked.

use std::path::Path;
use std::time::Instant;

use super::disk::{self, COUNT, Disk, LETTING_GO};
use super::keyspace::{Keyspace, Pair, Writes};
use super::{Base, Store, StoreError, key};
use crate::sync::ledger::LedgerError;

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

/// Every pair of a store, in order.
struct Pairs<'a> {
    store: &'a Store,
    stretch: std::vec::IntoIter<Pair>,
    after: Option<Vec<u8>>,
}

impl<'a> Pairs<'a> {
    fn of(store: &'a Store) -> Pairs<'a> {
        Pairs { store, stretch: Vec::new().into_iter(), after: None }
    }

    fn next(&mut self) -> Result<Option<Pair>, StoreError> {
        loop {
            if let Some(pair) = self.stretch.find(|(key, _)| !is_own(key)) {
                return Ok(Some(pair));
            }
            let stretch = self.store.base.keyspace().scan(&[], self.after.as_deref(), STRETCH)?;
            let Some((last, _)) = stretch.last() else { return Ok(None) };
            self.after = Some(last.clone());
            self.stretch = stretch.into_iter();
        }
    }
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

    /// Closes the store, and keeps others away from it.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn let_go(mut self) -> Result<Held, StoreError> {
        self.end()?;
        match self.base {
            Base::Disk(disk) => Ok(Held { _lock: disk.let_go()? }),
            Base::Memory(_) => Err(LedgerError("a store in memory has no files".into()).into()),
        }
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
        let mut pairs = Pairs::of(self);
        while let Some((key, value)) = pairs.next()? {
            visit(&key, &value)?;
            count += 1;
        }
        Ok(count)
    }

    /// Writes every key into a new store in a folder that has none, and compares the two. Gives the new one, with everything
    /// on the disk, and how many keys there are. `visit` hears now and then how many keys are done, in each of the two steps.
    ///
    /// # Errors
    /// When there is a store, one of them cannot be read or written, or they are not the same.
    pub fn copy_to(&self, folder: &Path, mut visit: impl FnMut(u64)) -> Result<(Store, u64), StoreError> {
        let mut done = |count: &mut u64| {
            *count += 1;
            if count.is_multiple_of(STRETCH as u64) {
                visit(*count);
            }
        };
        let mut pairs = Pairs::of(self);
        let mut count = 0;
        let copy = Store::fill(folder, || {
            done(&mut count);
            pairs.next()
        })?;
        let (mut these, mut those) = (Pairs::of(self), Pairs::of(&copy));
        let mut count = 0;
        loop {
            match (these.next()?, those.next()?) {
                (None, None) => return Ok((copy, count)),
                (this, that) if this == that => done(&mut count),
                (_, _) => {
                    let what = "what was copied into it is not what was read".into();
                    return Err(StoreError::Damaged { folder: folder.into(), what });
                }
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
