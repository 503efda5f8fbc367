//! Ordered bytes: what records are laid over. Three of them: on disk, in memory, and a draft over another.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::sync::ledger::Result;

/// Key and value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// What a draft wrote: nothing means removed.
pub(super) type Writes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// An ordered map of bytes.
pub(super) trait Keyspace: Sync {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// At most `limit` pairs whose key starts with `prefix` and is greater than `after`, in key order.
    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>>;
}

/// What a write covered in the draft: nothing, a removal, or a value.
type Covered = Option<Option<Vec<u8>>>;

/// Writes laid over a keyspace.
pub(super) struct Overlay<'a> {
    base: &'a dyn Keyspace,
    writes: Writes,
    /// What the writes since the savepoint covered, the latest last.
    undo: Vec<(Vec<u8>, Covered)>,
}

impl<'a> Overlay<'a> {
    /// With what was written already.
    pub(super) fn new(base: &'a dyn Keyspace, writes: Writes) -> Overlay<'a> {
        Overlay { base, writes, undo: Vec::new() }
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.write(key, Some(value));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.write(key, None);
    }

    fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        let covered = self.writes.insert(key.clone(), value);
        self.undo.push((key, covered));
    }

    pub(super) fn savepoint(&mut self) {
        self.undo.clear();
    }

    pub(super) fn rollback(&mut self) {
        for (key, covered) in std::mem::take(&mut self.undo).into_iter().rev() {
            match covered {
                Some(write) => self.writes.insert(key, write),
                None => self.writes.remove(&key),
            };
        }
    }

    /// Takes over what was written elsewhere. There is no way back behind it.
    pub(super) fn absorb(&mut self, writes: Writes) {
        self.writes.extend(writes);
        self.undo.clear();
    }

    /// The keys below a prefix that are written, in their order; removals too.
    pub(super) fn written<'o>(&'o self, prefix: &'o [u8]) -> impl Iterator<Item = &'o Vec<u8>> {
        range(&self.writes, prefix, None).map(|(key, _)| key)
    }

    /// How many keys are written.
    pub(super) fn len(&self) -> usize {
        self.writes.len()
    }

    pub(super) fn into_writes(self) -> Writes {
        self.writes
    }
}

pub(super) fn range<'m, V>(
    map: &'m BTreeMap<Vec<u8>, V>,
    prefix: &'m [u8],
    after: Option<&[u8]>,
) -> impl Iterator<Item = (&'m Vec<u8>, &'m V)> {
    let start = match after {
        Some(after) if after >= prefix => Bound::Excluded(after.to_vec()),
        _ => Bound::Included(prefix.to_vec()),
    };
    map.range((start, Bound::Unbounded)).take_while(move |(key, _)| key.starts_with(prefix))
}

impl Keyspace for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => self.base.get(key),
        }
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>> {
        let mut written = range(&self.writes, prefix, after).peekable();
        if written.peek().is_none() {
            return self.base.scan(prefix, after, limit);
        }
        let mut pairs = Vec::new();
        let mut after_base = after.map(<[u8]>::to_vec);
        loop {
            let chunk = self.base.scan(prefix, after_base.as_deref(), limit.max(64))?;
            let ended = chunk.len() < limit.max(64);
            for (key, value) in chunk {
                while let Some((earlier, write)) = written.next_if(|(at, _)| **at < key) {
                    pairs.extend(write.as_ref().map(|value| (earlier.clone(), value.clone())));
                }
                match written.next_if(|(at, _)| **at == key) {
                    Some((_, write)) => pairs.extend(write.as_ref().map(|value| (key.clone(), value.clone()))),
                    None => pairs.push((key.clone(), value)),
                }
                if pairs.len() >= limit {
                    pairs.truncate(limit);
                    return Ok(pairs);
                }
                after_base = Some(key);
            }
            if ended {
                break;
            }
        }
        for (key, write) in written {
            if pairs.len() >= limit {
                break;
            }
            pairs.extend(write.as_ref().map(|value| (key.clone(), value.clone())));
        }
        pairs.truncate(limit);
        Ok(pairs)
    }
}

/// A keyspace in memory, for tests and for what shall leave no trace.
#[derive(Default)]
pub(super) struct Memory(pub(super) BTreeMap<Vec<u8>, Vec<u8>>);

impl Keyspace for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key).cloned())
    }

    fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Pair>> {
        Ok(range(&self.0, prefix, after).take(limit).map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: Vec<Pair>) -> Vec<String> {
        pairs.into_iter().map(|(key, _)| String::from_utf8_lossy(&key).into_owned()).collect()
    }

    #[test]
    fn a_draft_covers_what_is_below_it() {
        let mut base = Memory::default();
        for number in 0..300 {
            base.0.insert(format!("a{number:03}").into_bytes(), vec![]);
        }
        let mut draft = Overlay::new(&base, Writes::new());
        draft.remove(b"a001".to_vec());
        draft.put(b"a0005".to_vec(), vec![1]);
        draft.put(b"a999".to_vec(), vec![1]);
        draft.put(b"b".to_vec(), vec![1]);
        assert_eq!(keys(draft.scan(b"a", None, 3).unwrap()), ["a000", "a0005", "a002"]);
        assert_eq!(keys(draft.scan(b"a", Some(b"a297"), 9).unwrap()), ["a298", "a299", "a999"]);
        assert_eq!(draft.scan(b"a", None, 10_000).unwrap().len(), 301);
        assert_eq!(draft.get(b"a001").unwrap(), None);
    }
}
