//! The journal: what every commit did, and which of that concerns one object.

use std::collections::BTreeSet;

use uuid::Uuid;

use super::codec;
use super::key::{self, Key};
use super::keyspace::{Keyspace, Writes};
use super::records::Draft;
use super::view;
use crate::change::{Change, JournalEntry, Stamp};
use crate::sync::ledger::Result;

/// How many changes an entry holds. sled keeps up to 16 values in a page, pages of any size in memory, and counts
/// a page of more than half a megabyte as a few bytes: entries of a whole commit would fill the memory.
const LONGEST: usize = 32;

/// The keys that a commit leaves in the journal, and the number of its last entry.
pub(super) fn writes(last: u64, stamp: &Stamp, changes: &[Change]) -> Result<(u64, Writes)> {
    let mut number = last;
    let mut writes = Writes::new();
    for part in changes.chunks(LONGEST) {
        number += 1;
        writes.extend(entry(number, &JournalEntry { stamp: stamp.clone(), changes: part.to_vec() })?);
    }
    Ok((number, writes))
}

fn entry(number: u64, entry: &JournalEntry) -> Result<Writes> {
    let mut writes = Writes::new();
    writes.insert(Key::new(key::JOURNAL).number(number).bytes(), Some(codec::encode(entry)?));
    let subjects: BTreeSet<Uuid> =
        entry.changes.iter().filter(|change| is_history(change)).map(Change::subject).collect();
    for subject in subjects {
        writes.insert(Key::new(key::HISTORY).id(subject).number(number).bytes(), Some(Vec::new()));
    }
    Ok(writes)
}

/// Exports and references are many, and say nothing that values and links do not.
fn is_history(change: &Change) -> bool {
    match change {
        Change::Appeared(_)
        | Change::Changed(..)
        | Change::Gone(_)
        | Change::Linked(..)
        | Change::Unlinked(..)
        | Change::Created(_)
        | Change::Flowed(..)
        | Change::Ended(_)
        | Change::Writing(..) => true,
        Change::Staged(..)
        | Change::Reference(..)
        | Change::Confirmed(_)
        | Change::Held(..)
        | Change::WritingReference(..)
        | Change::Unwritten(_)
        | Change::UnwrittenReference(..) => false,
    }
}

impl Draft<'_> {
    /// The journal entries that speak of an object or metaverse object, oldest first, each with what it says of it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn history(&self, subject: Uuid) -> Result<Vec<JournalEntry>> {
        let prefix = Key::new(key::HISTORY).id(subject).bytes();
        let mut entries = Vec::new();
        for (key, _) in self.bytes.scan(&prefix, None, usize::MAX)? {
            let number = key.get(prefix.len()..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            let Some(mut entry) = self.journal_entry(number.ok_or_else(view::bad_key)?)? else { continue };
            entry.changes.retain(|change| change.subject() == subject);
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Takes out entries from before a time (seconds since 1970), the oldest first, and looks at so many. Gives how many it took;
    /// the numbers of the others stay.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn forget_journal(&mut self, before: i64, limit: usize) -> Result<usize> {
        let prefix = Key::new(key::JOURNAL).bytes();
        let mut count = 0;
        for (key, bytes) in self.bytes.scan(&prefix, None, limit)? {
            let entry: JournalEntry = codec::decode(&bytes)?;
            if entry.stamp.at >= before {
                break;
            }
            let number = key.get(prefix.len()..).and_then(|bytes| bytes.try_into().ok()).map(u64::from_be_bytes);
            let number = number.ok_or_else(view::bad_key)?;
            for subject in entry.changes.iter().filter(|change| is_history(change)).map(Change::subject) {
                self.bytes.remove(Key::new(key::HISTORY).id(subject).number(number).bytes());
            }
            self.bytes.remove(key);
            count += 1;
        }
        Ok(count)
    }

    /// One journal entry by its number.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn journal_entry(&self, number: u64) -> Result<Option<JournalEntry>> {
        let bytes = self.bytes.get(&Key::new(key::JOURNAL).number(number).bytes())?;
        bytes.map(|bytes| codec::decode(&bytes)).transpose()
    }
}
