//! Compaction: the store is written anew, without the room of what is gone, and put in the place of the old one.
//!
//! sled never gives room back. What a store holds now is a half or a tenth of its files, once it has run for a while.

use std::fs;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use super::backup::BackupError;
use super::backup::switch::Building;
use super::session::Session;
use super::{Progress, RunError, cycle};
use crate::store::{Held, Store, StoreError};

/// The fact in a store that says how many bytes it had after it was compacted.
const FACT: &str = "compacted";
/// A store that is smaller, in bytes, is let alone.
const SMALL: u64 = 32 << 20;
/// So many times as large as after the last time, it is worth the while again.
const GROWN: u64 = 2;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// How many keys the store has.
    pub keys: u64,
    /// Its bytes on the disk before.
    pub before: u64,
    /// And now.
    pub after: u64,
    /// How long it took, in milliseconds.
    pub milliseconds: u64,
}

/// Whether the store has grown so much that it is worth the while.
///
/// # Errors
/// When it cannot be read.
pub fn is_due(session: &Session) -> Result<bool, RunError> {
    let (size, compacted) = (session.store.size(), session.store.draft().fact::<u64>(FACT)?);
    Ok(size >= SMALL && compacted.is_none_or(|compacted| size >= compacted.saturating_mul(GROWN)))
}

/// Removes what a compaction left that was interrupted: it is a copy of the store, which somebody has open.
///
/// # Errors
/// When it cannot be removed.
pub fn clear_away(place: &Path) -> Result<(), RunError> {
    Ok(Building::clear_away(place).map_err(BackupError::io(place))?)
}

/// Compacts the store in the folder of the state. The new one is filled beside it, compared with it key by key, and put in its
/// place in one step; whenever the machine stops, one of them is there, whole.
///
/// # Errors
/// When there is not enough room for both, or the file system cannot exchange two folders in one step; then the old one is as
/// it was.
pub fn run(store: Store, place: &Path, progress: &dyn Progress) -> Result<Compacted, RunError> {
    let started = Instant::now();
    let io = BackupError::io(place);
    let before = store.size();
    let building = match Building::clear_away(place).and_then(|()| Building::begin(place)) {
        Ok(building) => building,
        Err(error) => {
            store.close()?;
            return Err(io(error).into());
        }
    };
    progress.begin("compact", "", None);
    let copied = copy(&store, building.folder(), progress);
    // Nobody else writes to the old one from here on, or opens the new one before it is in its place.
    let held = store.let_go();
    let ((new, keys, after), old) = match (copied, held) {
        (Ok(copied), Ok(held)) => (copied, held),
        (Err(error), _) | (_, Err(error)) => {
            building.abandon();
            return Err(error.into());
        }
    };
    let aside = building.exchange().map_err(&io)?;
    drop(old);
    fs::remove_dir_all(&aside).map_err(BackupError::io(&aside))?;
    drop(new);
    Ok(Compacted { keys, before, after, milliseconds: cycle::milliseconds(started) })
}

fn copy(store: &Store, folder: &Path, progress: &dyn Progress) -> Result<(Held, u64, u64), StoreError> {
    let (mut copy, keys) = store.copy_to(folder, |keys| progress.advance(keys, None))?;
    let size = copy.size();
    let mut draft = copy.draft();
    draft.put_fact(FACT, &size)?;
    let writes = draft.finish();
    copy.commit(writes)?;
    Ok((copy.let_go()?, keys, size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connector_space::{Anchor, ConnectorObject, ObjectId};
    use crate::run::Silent;
    use crate::sync::ledger::Ledger as _;
    use crate::value::Value;

    /// Objects that are written again and again.
    fn fill(place: &Path, times: usize) -> Store {
        let mut store = Store::open(place).unwrap_or_else(|error| panic!("{error}"));
        for time in 0..times {
            let mut draft = store.draft();
            for number in 0..500 {
                let anchor = Anchor(format!("u{number}"));
                let mut object = ConnectorObject::new(ObjectId::of_anchor("ad", &anchor), "ad", "user");
                object.anchor = Some(anchor);
                object.image.insert("title".into(), vec![Value::Text(format!("time {time} {}", "x".repeat(500)))]);
                draft.put_object(&object).unwrap_or_else(|error| panic!("{error}"));
            }
            let writes = draft.finish();
            store.commit(writes).unwrap_or_else(|error| panic!("{error}"));
            store.checkpoint().unwrap_or_else(|error| panic!("{error}"));
        }
        store
    }

    fn pairs(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut pairs = Vec::new();
        let visited = store.each_pair(|key, value| {
            if !String::from_utf8_lossy(key).contains(FACT) {
                pairs.push((key.to_vec(), value.to_vec()));
            }
            Ok::<(), StoreError>(())
        });
        visited.unwrap_or_else(|error| panic!("{error}"));
        pairs
    }

    #[test]
    fn a_compacted_store_holds_the_same_in_less_room() {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("{error}"));
        let place = folder.path().join("store");
        // What an interrupted one left: a whole store, before or after the exchange.
        let left = folder.path().join("store.restoring");
        fill(&left, 1).close().unwrap_or_else(|error| panic!("{error}"));
        let store = fill(&place, 40);
        let before = pairs(&store);
        let compacted = run(store, &place, &Silent).unwrap_or_else(|error| panic!("{error}"));
        assert!(compacted.after * 2 < compacted.before, "{compacted:?}");
        assert!(compacted.keys > 500, "{compacted:?}");
        let store = Store::open(&place).unwrap_or_else(|error| panic!("{error}"));
        let after = pairs(&store);
        let differ = after.iter().zip(&before).find(|(after, before)| after != before);
        assert!(after == before, "{differ:?}");
        assert_eq!(store.draft().fact::<bool>("clean").ok().flatten(), Some(true), "no index is made anew");
        let beside: Vec<_> = fs::read_dir(folder.path()).into_iter().flatten().flatten().collect();
        assert_eq!(beside.len(), 1, "{beside:?}");
    }
}
