//! The store: records in one ordered tree, one atomic batch a commit. The only place that knows sled.
//!
//! Reading order: `key.rs` and `codec.rs` (what is stored), `records.rs` (a [`Draft`]: typed reads and writes), `derived.rs` (the keys that follow from them), `disk.rs`
//! (sled), this file (opening, committing, rebuilding), `copy.rs` (all of it, for backups).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::change::{Change, Stamp};
use crate::sync::ledger::{LedgerError, View};
use crate::value::AttributeName;

mod codec;
mod copy;
pub mod decisions;
mod derived;
mod disk;
mod glance;
mod journal;
mod key;
mod keyspace;
mod parts;
mod records;
mod symbols;
mod view;
mod walk;

pub use copy::Held;
use disk::Disk;
use keyspace::{Keyspace, Memory, Writes};
pub use records::{Draft, DraftWrites};
use symbols::{Symbol, Symbols};

/// How many records are rebuilt in one batch.
const REBUILD_BATCH: usize = 2_000;

/// Which attribute values can be looked up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Indexes {
    /// Of metaverse objects: what inbound rules join on.
    pub metaverse: BTreeSet<AttributeName>,
    /// Of connector objects, by connector: what outbound rules match on, and what must be unique.
    pub objects: BTreeMap<String, BTreeSet<AttributeName>>,
    /// Counts the ways in which keys were derived so far: where it differs, they are made anew.
    #[serde(default)]
    pub generation: u8,
}

impl Default for Indexes {
    /// None, with keys as they are derived now: since 1, objects that are held are among those that wait.
    fn default() -> Self {
        Indexes { metaverse: BTreeSet::new(), objects: BTreeMap::new(), generation: 1 }
    }
}

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("the store in `{}` is in use by another process", folder.display())]
    InUse {
        /// Where.
        folder: PathBuf,
    },
    /// It was written by another version.
    #[error("the store in `{}` has format {found}; this version reads format {}", folder.display(), key::FORMAT)]
    Format {
        /// Where.
        folder: PathBuf,
        /// What it has.
        found: u32,
    },
    /// The disk is full.
    #[error("the disk that holds `{}` is full", path.display())]
    DiskFull {
        /// The file or folder.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("`{}`: {error}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What it says.
        error: String,
    },
    /// Its files do not fit together.
    #[error("the store in `{}` is damaged: {what}", folder.display())]
    Damaged {
        /// Where.
        folder: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// A record cannot be read or written.
    #[error(transparent)]
    Record(#[from] LedgerError),
}

impl StoreError {
    fn io(path: &Path, error: &std::io::Error) -> StoreError {
        match error.kind() {
            std::io::ErrorKind::StorageFull => StoreError::DiskFull { path: path.into() },
            _ => StoreError::Io { path: path.into(), error: error.to_string() },
        }
    }
}

enum Base {
    Disk(Disk),
    Memory(Memory),
}

impl Base {
    fn keyspace(&self) -> &dyn Keyspace {
        match self {
            Base::Disk(disk) => disk,
            Base::Memory(memory) => memory,
        }
    }

    fn apply(&mut self, writes: Writes) -> Result<(), StoreError> {
        match self {
            Base::Disk(disk) => disk.apply(writes),
            Base::Memory(memory) => {
                for (key, write) in writes {
                    match write {
                        Some(value) => memory.0.insert(key, value),
                        None => memory.0.remove(&key),
                    };
                }
                Ok(())
            }
        }
    }
}

/// The store.
pub struct Store {
    base: Base,
    symbols: Symbols,
    indexes: Indexes,
    journal: u64,
    stamp: Stamp,
    /// What is on the disk says that something was written since the store was closed last.
    open: bool,
}

/// Makes a folder for what the directories say about people, readable for its owner alone; one that is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Store {
    /// Opens the store in a folder, or makes one. After an unclean stop every index is rebuilt.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        let disk = Disk::open(folder)?;
        let mut store = Store { base: Base::Disk(disk), ..Store::in_memory() };
        store.load(folder)?;
        Ok(store)
    }

    /// A store in memory, for tests and for trying rules out.
    pub fn in_memory() -> Store {
        Store {
            base: Base::Memory(Memory::default()),
            symbols: Symbols::default(),
            indexes: Indexes::default(),
            journal: 0,
            stamp: Stamp::default(),
            open: false,
        }
    }

    fn load(&mut self, folder: &Path) -> Result<(), StoreError> {
        self.check_format(folder)?;
        self.load_symbols(folder)?;
        let draft = self.draft();
        let clean: Option<bool> = draft.fact("clean")?;
        let indexes: Option<Indexes> = draft.fact("indexes")?;
        let journal: Option<u64> = draft.fact("journal")?;
        let format: Option<u32> = draft.fact("format")?;
        self.indexes = indexes.unwrap_or_default();
        self.journal = journal.unwrap_or(0);
        if clean == Some(false) {
            self.rebuild()?;
        }
        if format.is_none() {
            let mut draft = self.draft();
            draft.put_fact("format", &key::FORMAT)?;
            let writes = draft.finish();
            self.commit(writes)?;
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Before anything else is read, for another version may have laid it out otherwise.
    fn check_format(&self, folder: &Path) -> Result<(), StoreError> {
        let format: Option<u32> = self.draft().fact("format")?;
        match format {
            Some(found) if found != key::FORMAT => return Err(StoreError::Format { folder: folder.into(), found }),
            Some(_) => {}
            None if !self.base.keyspace().scan(&[], None, 1)?.is_empty() => {
                return Err(StoreError::Damaged { folder: folder.into(), what: "it does not say its format".into() });
            }
            None => {}
        }
        Ok(())
    }

    fn load_symbols(&mut self, folder: &Path) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let pairs = self.base.keyspace().scan(&[key::SYMBOL], after.as_deref(), 1_000)?;
            for (key, name) in &pairs {
                let number: Option<[u8; 2]> = key.get(1..).and_then(|bytes| bytes.try_into().ok());
                let symbol = number.map(|bytes| Symbol(u16::from_be_bytes(bytes)));
                let name = std::str::from_utf8(name).ok();
                if !symbol.zip(name).is_some_and(|(symbol, name)| self.symbols.restore(symbol, name)) {
                    return Err(StoreError::Damaged {
                        folder: folder.into(),
                        what: "its table of names has a hole".into(),
                    });
                }
            }
            match pairs.last() {
                Some((key, _)) => after = Some(key.clone()),
                None => return Ok(()),
            }
        }
    }

    /// Says that everything was written in order; without it the next start rebuilds the indexes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn close(mut self) -> Result<(), StoreError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StoreError> {
        if !self.open {
            return Ok(());
        }
        let mut draft = self.draft();
        draft.put_fact("clean", &true)?;
        let writes = draft.finish();
        self.commit(writes)?;
        self.checkpoint()
    }

    /// What the journal says of commits from now on.
    pub fn set_stamp(&mut self, stamp: Stamp) {
        self.stamp = stamp;
    }

    /// Other rules from now on, in the same run.
    pub fn stamp_rules(&mut self, rules: String) {
        self.stamp.rules = rules;
    }

    /// The number of the last journal entry.
    pub fn journal_end(&self) -> u64 {
        self.journal
    }

    /// A draft over what is stored.
    pub fn draft(&self) -> Draft<'_> {
        Draft::new(self.base.keyspace(), self.symbols.clone(), &self.indexes)
    }

    /// A draft that goes on where another of this store ended, before that is committed.
    pub fn resume(&self, ended: DraftWrites) -> Draft<'_> {
        Draft::resume(self.base.keyspace(), ended, &self.indexes)
    }

    /// Makes a draft real: one atomic batch, its journal entry inside.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn commit(&mut self, mut draft: DraftWrites) -> Result<Vec<Change>, StoreError> {
        if !draft.notes.is_empty() {
            let (last, writes) = journal::writes(self.journal, &self.stamp, &draft.notes)?;
            self.journal = last;
            draft.writes.extend(writes);
            let number = serde_json::to_vec(&self.journal).unwrap_or_default();
            draft.writes.insert(key::fact("journal"), Some(number));
        }
        if !self.open && matches!(self.base, Base::Disk(_)) {
            // In the batch that is the first: who only reads writes nothing.
            draft.writes.insert(key::fact("clean"), Some(b"false".to_vec()));
            self.open = true;
        }
        self.base.apply(draft.writes)?;
        debug_assert!(draft.symbols.len() >= self.symbols.len(), "another draft was committed while this one was open");
        self.symbols = draft.symbols;
        Ok(draft.notes)
    }

    /// Brings everything committed so far to the disk.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn checkpoint(&self) -> Result<(), StoreError> {
        match &self.base {
            Base::Disk(disk) => disk.checkpoint(),
            Base::Memory(_) => Ok(()),
        }
    }

    /// Bytes on disk.
    pub fn size(&self) -> u64 {
        match &self.base {
            Base::Disk(disk) => disk.size(),
            Base::Memory(_) => 0,
        }
    }

    /// Which values can be looked up from now on. Rebuilds the indexes when that changes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn set_indexes(&mut self, indexes: Indexes) -> Result<(), StoreError> {
        if self.indexes == indexes {
            return Ok(());
        }
        self.indexes = indexes;
        let mut draft = self.draft();
        draft.put_fact("indexes", &self.indexes)?;
        let writes = draft.finish();
        self.commit(writes)?;
        self.rebuild()
    }

    /// Writes every derived key anew from the records.
    fn rebuild(&mut self) -> Result<(), StoreError> {
        for kind in key::DERIVED {
            loop {
                let pairs = self.base.keyspace().scan(&[kind], None, REBUILD_BATCH)?;
                if pairs.is_empty() {
                    break;
                }
                self.base.apply(pairs.into_iter().map(|(key, _)| (key, None)).collect())?;
            }
        }
        self.rebuild_objects()?;
        self.rebuild_metaverse()?;
        self.rebuild_edges()
    }

    fn rebuild_objects(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let mut draft = self.draft();
            let ids = draft.all_objects(after, REBUILD_BATCH)?;
            for id in &ids {
                if let Some(object) = draft.object(*id)? {
                    draft.index_object(&object)?;
                }
            }
            after = ids.last().copied();
            let writes = draft.finish();
            self.commit(writes)?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn rebuild_metaverse(&mut self) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let mut draft = self.draft();
            let ids = draft.all_metaverse(after, REBUILD_BATCH)?;
            for id in &ids {
                if let Some(object) = draft.metaverse(*id)? {
                    draft.index_metaverse(&object)?;
                }
            }
            after = ids.last().copied();
            let writes = draft.finish();
            self.commit(writes)?;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn rebuild_edges(&mut self) -> Result<(), StoreError> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let mut draft = self.draft();
            let last = draft.index_edges(after.as_deref(), REBUILD_BATCH)?;
            let writes = draft.finish();
            self.commit(writes)?;
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }
}
