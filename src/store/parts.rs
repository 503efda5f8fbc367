//! Parts of some work side by side: each on a draft of its own over the same draft. What a part read is remembered, so
//! that one which read what an earlier part wrote can be done again; the outcome is that of one part after the other.

use std::sync::{Mutex, PoisonError};

use super::keyspace::{Keyspace, Pair, Writes};
use super::records::{Draft, DraftWrites};
use crate::sync::ledger::{Ledger, Result, Work};

/// What was read from a keyspace.
#[derive(Default)]
struct Reads {
    keys: Vec<Vec<u8>>,
    /// Prefix, and the key after which it was read.
    stretches: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Reads {
    fn meet(&self, writes: &Writes) -> bool {
        let written = |(prefix, after): &(Vec<u8>, Option<Vec<u8>>)| {
            super::keyspace::range(writes, prefix, after.as_deref()).next().is_some()
        };
        self.keys.iter().any(|key| writes.contains_key(key)) || self.stretches.iter().any(written)
    }
}

/// A keyspace that remembers what was read from it.
struct Watched<'a> {
    base: &'a dyn Keyspace,
    reads: Mutex<Reads>,
}

impl Watched<'_> {
    fn remember(&self, note: impl FnOnce(&mut Reads)) {
        note(&mut self.reads.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Keyspace for Watched<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.remember(|reads| reads.keys.push(key.to_vec()));
        self.base.get(key)
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>> {
        self.remember(|reads| reads.stretches.push((prefix.to_vec(), after.map(<[u8]>::to_vec))));
        self.base.scan(prefix, after, limit)
    }
}

/// What a part did, and what it read for that.
#[derive(Default)]
struct Part {
    done: DraftWrites,
    reads: Reads,
}

impl Draft<'_> {
    /// A draft over this one: what is tried in it leaves no trace here.
    pub fn over(&self) -> Draft<'_> {
        Draft::new(&self.bytes, self.symbols.clone(), self.indexes)
    }

    /// See [`Ledger::side_by_side`].
    pub(super) fn do_parts(&mut self, parts: usize, work: &Work<'_>) -> Result<()> {
        let names = self.symbols.len();
        let mut done = self.first_try(parts, work)?;
        let mut stale = vec![false; done.len()];
        for at in 0..done.len() {
            let (Some(part), Some(again)) = (done.get_mut(at).map(std::mem::take), stale.get(at)) else { break };
            // Two parts that made names gave them the same numbers.
            let again = *again || (part.done.symbols.len() > names && self.symbols.len() > names);
            let writes = if again { self.once(at, work)? } else { part.done };
            for (later, stale) in done.iter().zip(&mut stale).skip(at + 1) {
                *stale |= later.reads.meet(&writes.writes);
            }
            self.take(writes, names);
        }
        Ok(())
    }

    /// All parts at the same time, none knowing of the others.
    fn first_try(&self, parts: usize, work: &Work<'_>) -> Result<Vec<Part>> {
        let one = |at: usize| {
            let watched = Watched { base: &self.bytes, reads: Mutex::default() };
            let mut draft = Draft::new(&watched, self.symbols.clone(), self.indexes);
            work(at, &mut draft)?;
            let done = draft.finish();
            Ok(Part { done, reads: watched.reads.into_inner().unwrap_or_else(PoisonError::into_inner) })
        };
        let one = &one;
        std::thread::scope(|scope| {
            let others: Vec<_> = (1..parts).map(|at| scope.spawn(move || one(at))).collect();
            let first = (parts > 0).then(|| one(0));
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<Part>>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            first.into_iter().chain(others.into_iter().map(join)).collect()
        })
    }

    /// One part over everything that the earlier ones did.
    fn once(&self, at: usize, work: &Work<'_>) -> Result<DraftWrites> {
        let mut draft = self.over();
        work(at, &mut draft)?;
        Ok(draft.finish())
    }

    fn take(&mut self, part: DraftWrites, names: usize) {
        if part.symbols.len() > names {
            self.symbols = part.symbols;
        }
        self.bytes.absorb(part.writes);
        self.notes.extend(part.notes);
        self.savepoint();
    }
}

#[cfg(test)]
mod tests {
    use crate::connector_space::{Anchor, ConnectorObject, ObjectId};
    use crate::store::Store;
    use crate::sync::ledger::{Ledger, View};

    fn object(number: usize) -> ConnectorObject {
        let anchor = Anchor(number.to_string());
        ConnectorObject::new(ObjectId::of_anchor("ad", &anchor), "ad", "user")
    }

    /// Every part counts one up, from what the part before it left.
    #[test]
    fn parts_that_build_on_each_other_come_out_as_if_one_had_followed_the_other() {
        let store = Store::in_memory();
        let mut draft = store.draft();
        let counter = object(0);
        draft
            .side_by_side(8, &|at, ledger| {
                let mut counter = ledger.object(counter.id)?.unwrap_or_else(|| counter.clone());
                let count = counter.dn.as_deref().map_or(0, |count| count.parse::<usize>().unwrap());
                counter.dn = Some((count + 1).to_string());
                ledger.put_object(&counter)?;
                let mut own = object(at + 1);
                own.object_type = format!("type-{at}");
                ledger.put_object(&own)
            })
            .unwrap();
        assert_eq!(draft.object(counter.id).unwrap().unwrap().dn.as_deref(), Some("8"));
        for at in 0..8 {
            assert_eq!(draft.object(object(at + 1).id).unwrap().unwrap().object_type, format!("type-{at}"));
        }
    }

    #[test]
    fn what_is_found_by_looking_through_a_stretch_counts_as_read() {
        let store = Store::in_memory();
        let mut draft = store.draft();
        draft
            .side_by_side(4, &|_, ledger| {
                let there = ledger.object_queue(None, 100)?.len();
                ledger.mark_object(object(there).id)
            })
            .unwrap();
        assert_eq!(draft.object_queue(None, 100).unwrap().len(), 4);
    }
}
