//! A draft: typed reads and writes over bytes, with every index kept in step. The same code serves runs, previews and
//! tests; they differ in who commits.

use std::collections::BTreeSet;

use super::codec::{self, Intern};
use super::derived::Keys;
use super::key::{self, Key};
use super::keyspace::{Keyspace, Overlay, Writes};
use super::symbols::{Symbol, Symbols};
use super::{Indexes, glance, view};
use crate::change::Change;
use crate::connector_space::{Anchor, ConnectorObject, Edge, Members, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::sync::ledger::{Ledger, LedgerError, Result, View, Work};
use crate::value::{AttributeName, fold};

/// Uncommitted changes over a store.
pub struct Draft<'a> {
    pub(super) bytes: Overlay<'a>,
    pub(super) symbols: Symbols,
    pub(super) indexes: &'a Indexes,
    pub(super) notes: Vec<Change>,
    notes_at_savepoint: usize,
}

/// What a draft leaves to be committed.
#[derive(Default)]
pub struct DraftWrites {
    pub(super) writes: Writes,
    pub(super) symbols: Symbols,
    /// What was done.
    pub notes: Vec<Change>,
}

impl DraftWrites {
    /// How many keys are written: a measure of the batch that this becomes.
    pub fn weight(&self) -> usize {
        self.writes.len()
    }
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a dyn Keyspace, symbols: Symbols, indexes: &'a Indexes) -> Draft<'a> {
        Draft::resume(base, DraftWrites { symbols, ..DraftWrites::default() }, indexes)
    }

    /// A draft that goes on where another ended.
    pub(super) fn resume(base: &'a dyn Keyspace, writes: DraftWrites, indexes: &'a Indexes) -> Draft<'a> {
        let DraftWrites { writes, symbols, notes } = writes;
        let notes_at_savepoint = notes.len();
        Draft { bytes: Overlay::new(base, writes), symbols, indexes, notes, notes_at_savepoint }
    }

    /// Ends the draft; nothing is written before somebody commits this.
    pub fn finish(self) -> DraftWrites {
        DraftWrites { writes: self.bytes.into_writes(), symbols: self.symbols, notes: self.notes }
    }

    /// How many keys the draft writes: a measure of the batch that it becomes.
    pub fn weight(&self) -> usize {
        self.bytes.len()
    }

    /// What was done so far.
    pub fn notes(&self) -> &[Change] {
        &self.notes
    }

    fn edge_keys(
        &self,
        kind: u8,
        after: Option<Vec<u8>>,
        limit: usize,
    ) -> Result<Vec<(ObjectId, AttributeName, ObjectId)>> {
        let mut edges = Vec::new();
        for (key, _) in self.bytes.scan(&[kind], after.as_deref(), limit)? {
            let (from, symbol, to) = key::edge_parts(&key, 1).ok_or_else(view::bad_key)?;
            let attribute = self.symbols.attribute(symbol).ok_or_else(view::bad_key)?;
            edges.push((ObjectId(from), attribute, ObjectId(to)));
        }
        Ok(edges)
    }

    /// Objects of a type in a connector, in the order of their ids.
    ///
    /// # Errors
    /// When the store cannot be read; so for all that follow.
    pub fn population(
        &self,
        connector: &str,
        object_type: &str,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectId>> {
        let (Some(connector), Some(object_type)) = (self.symbols.get(connector), self.symbols.get(object_type)) else {
            return Ok(Vec::new());
        };
        let prefix = || Key::new(key::POPULATION).symbol(connector).symbol(object_type);
        let after = after.map(|id| prefix().id(id.0).bytes());
        let pairs = self.bytes.scan(&prefix().bytes(), after.as_deref(), limit)?;
        pairs.iter().map(|(key, _)| key::last_id(key).map(ObjectId).ok_or_else(view::bad_key)).collect()
    }

    /// Objects of a connector that wait for something to be written or confirmed.
    pub fn exports(&self, connector: &str, after: Option<ObjectId>, limit: usize) -> Result<Vec<ObjectId>> {
        let Some(connector) = self.symbols.get(connector) else { return Ok(Vec::new()) };
        let prefix = || Key::new(key::EXPORT).symbol(connector);
        let after = after.map(|id| prefix().id(id.0).bytes());
        let pairs = self.bytes.scan(&prefix().bytes(), after.as_deref(), limit)?;
        pairs.iter().map(|(key, _)| key::last_id(key).map(ObjectId).ok_or_else(view::bad_key)).collect()
    }

    /// References that wait for the same, of every connector, after one of them.
    pub fn edge_exports(
        &self,
        after: Option<&(ObjectId, AttributeName, ObjectId)>,
        limit: usize,
    ) -> Result<Vec<(ObjectId, AttributeName, ObjectId)>> {
        let after = after.and_then(|(from, attribute, to)| {
            let symbol = self.symbols.get(attribute.as_str())?;
            Some(Self::edge_key(key::EDGE_EXPORT, *from, symbol, *to))
        });
        self.edge_keys(key::EDGE_EXPORT, after, limit)
    }

    /// Metaverse objects in the order of their ids.
    pub fn all_metaverse(&self, after: Option<MetaverseId>, limit: usize) -> Result<Vec<MetaverseId>> {
        let after = after.map(key::metaverse);
        let pairs = self.bytes.scan(&[key::METAVERSE], after.as_deref(), limit)?;
        pairs.iter().map(|(key, _)| key::last_id(key).map(MetaverseId).ok_or_else(view::bad_key)).collect()
    }

    /// Connector objects in the order of their ids.
    pub fn all_objects(&self, after: Option<ObjectId>, limit: usize) -> Result<Vec<ObjectId>> {
        let after = after.map(key::object);
        let pairs = self.bytes.scan(&[key::OBJECT], after.as_deref(), limit)?;
        pairs.iter().map(|(key, _)| key::last_id(key).map(ObjectId).ok_or_else(view::bad_key)).collect()
    }

    /// A fact by name.
    pub fn fact<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let found = self.bytes.get(&key::fact(name))?;
        found
            .map(|bytes| serde_json::from_slice(&bytes).map_err(|error| LedgerError(format!("fact `{name}`: {error}"))))
            .transpose()
    }

    /// Remembers a fact.
    pub fn put_fact<T: serde::Serialize>(&mut self, name: &str, fact: &T) -> Result<()> {
        let bytes = serde_json::to_vec(fact).map_err(|error| LedgerError(format!("fact `{name}`: {error}")))?;
        self.bytes.put(key::fact(name), bytes);
        Ok(())
    }

    /// Forgets a fact.
    pub fn remove_fact(&mut self, name: &str) -> Result<()> {
        self.bytes.remove(key::fact(name));
        Ok(())
    }

    fn symbols_of(&self, attributes: &BTreeSet<AttributeName>) -> Vec<Symbol> {
        attributes.iter().filter_map(|name| self.symbols.get(name.as_str())).collect()
    }

    fn attribute(&mut self, name: &AttributeName) -> Result<Symbol> {
        self.intern(name.as_str())
    }

    fn replace_keys(&mut self, old: Keys, new: Keys) {
        for gone in old.keys().filter(|key| !new.contains_key(*key)) {
            self.bytes.remove(gone.clone());
        }
        for (key, value) in new {
            if old.get(&key) != Some(&value) {
                self.bytes.put(key, value);
            }
        }
    }

    /// The names of all facts.
    pub fn fact_names(&self) -> Result<Vec<String>> {
        let pairs = self.bytes.scan(&[key::FACT], None, usize::MAX)?;
        let name = |key: &[u8]| {
            let text = key.get(1..key.len().saturating_sub(1)).unwrap_or_default();
            String::from_utf8(text.to_vec()).map_err(|_| view::bad_key())
        };
        pairs.iter().map(|(key, _)| name(key)).collect()
    }

    /// Writes the derived keys of every record again. For a store that was not closed, or whose indexes changed.
    pub(super) fn index_object(&mut self, object: &ConnectorObject) -> Result<()> {
        let keys = self.object_keys(object)?;
        self.replace_keys(Keys::new(), keys);
        Ok(())
    }

    pub(super) fn index_metaverse(&mut self, object: &MetaverseObject) -> Result<()> {
        let keys = self.metaverse_keys(object)?;
        self.replace_keys(Keys::new(), keys);
        Ok(())
    }

    /// Writes the derived keys of a stretch of references again. Gives the last key, or nothing at the end.
    pub(super) fn index_edges(&mut self, after: Option<&[u8]>, limit: usize) -> Result<Option<Vec<u8>>> {
        let pairs = self.bytes.scan(&[key::EDGE], after, limit)?;
        for (key, value) in &pairs {
            let (from, attribute, to) = key::edge_parts(key, 1).ok_or_else(view::bad_key)?;
            let edge: Edge = codec::decode(value)?;
            self.bytes.put(Self::edge_key(key::REFERRER, ObjectId(to), attribute, ObjectId(from)), Vec::new());
            if edge.pending.is_some() {
                self.bytes.put(Self::edge_key(key::EDGE_EXPORT, ObjectId(from), attribute, ObjectId(to)), Vec::new());
            }
        }
        Ok(pairs.last().map(|(key, _)| key.clone()))
    }

    fn edge_key(kind: u8, from: ObjectId, attribute: Symbol, to: ObjectId) -> Vec<u8> {
        Key::new(kind).id(from.0).symbol(attribute).id(to.0).bytes()
    }

    fn queue_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<Vec<u8>> {
        let attribute = self.attribute(attribute)?;
        Ok(Self::edge_key(key::EDGE_QUEUE, from, attribute, to))
    }
}

impl Intern for Draft<'_> {
    fn intern(&mut self, name: &str) -> Result<Symbol> {
        let (symbol, new) =
            self.symbols.intern(name).ok_or_else(|| LedgerError("more than 65,535 different names".into()))?;
        if new {
            self.bytes.put(Key::new(key::SYMBOL).symbol(symbol).bytes(), name.as_bytes().to_vec());
        }
        Ok(symbol)
    }
}

impl View for Draft<'_> {
    fn object(&self, id: ObjectId) -> Result<Option<ConnectorObject>> {
        view::object(&self.bytes, &self.symbols, id)
    }

    fn object_with(&self, id: ObjectId, attributes: &BTreeSet<AttributeName>) -> Result<Option<ConnectorObject>> {
        let Some(bytes) = self.bytes.get(&key::object(id))? else { return Ok(None) };
        glance::object(&bytes, &self.symbols, &self.symbols_of(attributes)).map(Some)
    }

    fn metaverse(&self, id: MetaverseId) -> Result<Option<MetaverseObject>> {
        view::metaverse(&self.bytes, &self.symbols, id)
    }

    fn metaverse_with(&self, id: MetaverseId, attributes: &BTreeSet<AttributeName>) -> Result<Option<MetaverseObject>> {
        let Some(bytes) = self.bytes.get(&key::metaverse(id))? else { return Ok(None) };
        glance::metaverse(&bytes, &self.symbols, &self.symbols_of(attributes)).map(Some)
    }

    fn id_of_anchor(&self, connector: &str, anchor: &Anchor) -> Result<ObjectId> {
        let found = match self.symbols.get(connector) {
            Some(symbol) => view::ids(&self.bytes, Key::new(key::ANCHOR).symbol(symbol).text(&anchor.0), 1)?,
            None => Vec::new(),
        };
        Ok(found.first().map_or_else(|| ObjectId::of_anchor(connector, anchor), |id| ObjectId(*id)))
    }

    fn id_of_dn(&self, connector: &str, dn: &str) -> Result<Option<ObjectId>> {
        let Some(symbol) = self.symbols.get(connector) else { return Ok(None) };
        let mut ids = view::ids(&self.bytes, Key::new(key::DN).symbol(symbol).text(dn), 16)?;
        // Long DNs share a cut key: the record decides.
        while let Some(id) = ids.pop() {
            let object = self.object(ObjectId(id))?;
            if object.and_then(|object| object.dn).is_some_and(|at| crate::dn::normalise(&at) == dn) {
                return Ok(Some(ObjectId(id)));
            }
        }
        Ok(None)
    }

    fn find_metaverse(&self, attribute: &AttributeName, folded: &str, limit: usize) -> Result<Vec<MetaverseId>> {
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(Vec::new()) };
        let ids = view::ids(&self.bytes, Key::new(key::JOIN).symbol(symbol).text(folded), limit)?;
        Ok(ids.into_iter().map(MetaverseId).collect())
    }

    fn seekers(&self, attribute: &AttributeName, folded: &str) -> Result<Vec<ObjectId>> {
        if !self.indexes.metaverse.contains(attribute) {
            return Ok(Vec::new());
        }
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(Vec::new()) };
        let ids = view::ids(&self.bytes, Key::new(key::SEEK).symbol(symbol).text(folded), usize::MAX)?;
        Ok(ids.into_iter().map(ObjectId).collect())
    }

    fn find_object(
        &self,
        connector: &str,
        attribute: &AttributeName,
        folded: &str,
        limit: usize,
    ) -> Result<Vec<ObjectId>> {
        let (Some(connector), Some(attribute)) = (self.symbols.get(connector), self.symbols.get(attribute.as_str()))
        else {
            return Ok(Vec::new());
        };
        let prefix = Key::new(key::MATCH).symbol(connector).symbol(attribute).text(&fold(folded));
        Ok(view::ids(&self.bytes, prefix, limit)?.into_iter().map(ObjectId).collect())
    }

    fn edge(&self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<Edge> {
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(Edge::default()) };
        let found = self.bytes.get(&Self::edge_key(key::EDGE, from, symbol, to))?;
        found.map_or(Ok(Edge::default()), |bytes| codec::decode(&bytes))
    }

    fn edges(&self, from: ObjectId, attribute: &AttributeName) -> Result<Vec<(ObjectId, Edge)>> {
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(Vec::new()) };
        let prefix = Key::new(key::EDGE).id(from.0).symbol(symbol).bytes();
        let mut edges = Vec::new();
        for (key, value) in self.bytes.scan(&prefix, None, usize::MAX)? {
            let to = key::last_id(&key).ok_or_else(view::bad_key)?;
            edges.push((ObjectId(to), codec::decode(&value)?));
        }
        Ok(edges)
    }

    fn refers(&self, from: ObjectId, attribute: &AttributeName) -> Result<bool> {
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(false) };
        let prefix = Key::new(key::EDGE).id(from.0).symbol(symbol).bytes();
        Ok(!self.bytes.scan(&prefix, None, 1)?.is_empty())
    }

    fn reference_attributes(&self, from: ObjectId) -> Result<Vec<AttributeName>> {
        let prefix = Key::new(key::EDGE).id(from.0).bytes();
        let mut names = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        while let Some((key, _)) = self.bytes.scan(&prefix, after.as_deref(), 1)?.pop() {
            let (_, symbol, _) = key::edge_parts(&key, 1).ok_or_else(view::bad_key)?;
            names.extend(self.symbols.attribute(symbol));
            let mut next = Key::new(key::EDGE).id(from.0).symbol(symbol).bytes();
            next.extend([0xff; 17]);
            after = Some(next);
        }
        Ok(names)
    }

    fn referrers(&self, to: ObjectId) -> Result<Vec<(ObjectId, AttributeName)>> {
        let prefix = Key::new(key::REFERRER).id(to.0).bytes();
        let mut found = Vec::new();
        for (key, _) in self.bytes.scan(&prefix, None, usize::MAX)? {
            let (_, symbol, from) = key::edge_parts(&key, 1).ok_or_else(view::bad_key)?;
            found.push((ObjectId(from), self.symbols.attribute(symbol).ok_or_else(view::bad_key)?));
        }
        Ok(found)
    }

    fn person_of(&self, object: ObjectId) -> Result<Option<MetaverseId>> {
        let Some(value) = self.bytes.get(&Key::new(key::LINK).id(object.0).bytes())? else { return Ok(None) };
        let id = value.get(..16).and_then(|bytes| uuid::Uuid::from_slice(bytes).ok());
        Ok(Some(MetaverseId(id.ok_or_else(view::bad_key)?)))
    }

    fn counterparts(&self, of: ObjectId, person: MetaverseId) -> Result<Vec<ObjectId>> {
        let Some(value) = self.bytes.get(&Key::new(key::LINK).id(of.0).bytes())? else { return Ok(Vec::new()) };
        let symbol = value.get(16..18).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
        let symbol = Symbol(symbol.ok_or_else(view::bad_key)?);
        let ids = view::ids(&self.bytes, Key::new(key::COUNTERPART).id(person.0).symbol(symbol), usize::MAX)?;
        Ok(ids.into_iter().map(ObjectId).collect())
    }

    fn fed_by(&self, source: ObjectId, attribute: &AttributeName) -> Result<Vec<(ObjectId, AttributeName)>> {
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(Vec::new()) };
        let prefix = Key::new(key::FEEDS).id(source.0).symbol(symbol).bytes();
        let mut fed = Vec::new();
        for (key, _) in self.bytes.scan(&prefix, None, usize::MAX)? {
            let target =
                key.get(19..35).and_then(|bytes| uuid::Uuid::from_slice(bytes).ok()).ok_or_else(view::bad_key)?;
            let name = key.get(35..37).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
            let name = name.and_then(|name| self.symbols.attribute(Symbol(name))).ok_or_else(view::bad_key)?;
            fed.push((ObjectId(target), name));
        }
        Ok(fed)
    }

    fn feed_of(
        &self,
        target: ObjectId,
        attribute: &AttributeName,
    ) -> Result<Option<(ObjectId, AttributeName, Members)>> {
        let Some(symbol) = self.symbols.get(attribute.as_str()) else { return Ok(None) };
        let Some(value) = self.bytes.get(&Key::new(key::FED).id(target.0).symbol(symbol).bytes())? else {
            return Ok(None);
        };
        let source = value.get(..16).and_then(|bytes| uuid::Uuid::from_slice(bytes).ok()).ok_or_else(view::bad_key)?;
        let name = value.get(16..18).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes);
        let name = name.and_then(|name| self.symbols.attribute(Symbol(name))).ok_or_else(view::bad_key)?;
        let members = if value.get(18) == Some(&1) { Members::Exact } else { Members::Own };
        Ok(Some((ObjectId(source), name, members)))
    }

    fn object_queue(&self, after: Option<ObjectId>, limit: usize) -> Result<Vec<ObjectId>> {
        let after = after.map(|id| Key::new(key::OBJECT_QUEUE).id(id.0).bytes());
        let pairs = self.bytes.scan(&[key::OBJECT_QUEUE], after.as_deref(), limit)?;
        pairs.iter().map(|(key, _)| key::last_id(key).map(ObjectId).ok_or_else(view::bad_key)).collect()
    }

    fn metaverse_queue(&self, after: Option<MetaverseId>, limit: usize) -> Result<Vec<MetaverseId>> {
        let after = after.map(|id| Key::new(key::METAVERSE_QUEUE).id(id.0).bytes());
        let pairs = self.bytes.scan(&[key::METAVERSE_QUEUE], after.as_deref(), limit)?;
        pairs.iter().map(|(key, _)| key::last_id(key).map(MetaverseId).ok_or_else(view::bad_key)).collect()
    }

    fn edge_queue(&self, limit: usize) -> Result<Vec<(ObjectId, AttributeName, ObjectId)>> {
        self.edge_keys(key::EDGE_QUEUE, None, limit)
    }
}

impl Ledger for Draft<'_> {
    fn side_by_side(&mut self, parts: usize, work: &Work<'_>) -> Result<()> {
        self.do_parts(parts, work)
    }

    fn put_object(&mut self, object: &ConnectorObject) -> Result<()> {
        let old = match self.object(object.id)? {
            Some(old) => self.object_keys(&old)?,
            None => Keys::new(),
        };
        let new = self.object_keys(object)?;
        self.replace_keys(old, new);
        let bytes = codec::encode_object(object, self)?;
        self.bytes.put(key::object(object.id), bytes);
        Ok(())
    }

    fn remove_object(&mut self, id: ObjectId) -> Result<()> {
        let Some(old) = self.object(id)? else { return Ok(()) };
        let keys = self.object_keys(&old)?;
        self.replace_keys(keys, Keys::new());
        for attribute in self.reference_attributes(id)? {
            for (to, _) in self.edges(id, &attribute)? {
                self.put_edge(id, &attribute, to, Edge::default())?;
            }
        }
        self.bytes.remove(key::object(id));
        Ok(())
    }

    fn put_metaverse(&mut self, object: &MetaverseObject) -> Result<()> {
        let old = match self.metaverse(object.id)? {
            Some(old) => self.metaverse_keys(&old)?,
            None => Keys::new(),
        };
        let new = self.metaverse_keys(object)?;
        self.replace_keys(old, new);
        let bytes = codec::encode_metaverse(object, self)?;
        self.bytes.put(key::metaverse(object.id), bytes);
        Ok(())
    }

    fn remove_metaverse(&mut self, id: MetaverseId) -> Result<()> {
        let Some(old) = self.metaverse(id)? else { return Ok(()) };
        let keys = self.metaverse_keys(&old)?;
        self.replace_keys(keys, Keys::new());
        self.bytes.remove(key::metaverse(id));
        Ok(())
    }

    fn put_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId, edge: Edge) -> Result<()> {
        let symbol = self.attribute(attribute)?;
        let forward = Self::edge_key(key::EDGE, from, symbol, to);
        let backward = Self::edge_key(key::REFERRER, to, symbol, from);
        let waiting = Self::edge_key(key::EDGE_EXPORT, from, symbol, to);
        let old = self.edge(from, attribute, to)?;
        if edge.is_void() {
            self.bytes.remove(forward);
            self.bytes.remove(backward);
            self.bytes.remove(waiting);
            return Ok(());
        }
        self.bytes.put(forward, codec::encode(&edge)?);
        if old.is_void() {
            self.bytes.put(backward, Vec::new());
        }
        // Reading is much cheaper than writing what is there already.
        if edge.pending.is_some() {
            self.bytes.put(waiting, Vec::new());
        } else if old.pending.is_some() {
            self.bytes.remove(waiting);
        }
        Ok(())
    }

    fn mark_object(&mut self, id: ObjectId) -> Result<()> {
        self.bytes.put(Key::new(key::OBJECT_QUEUE).id(id.0).bytes(), Vec::new());
        Ok(())
    }

    fn mark_metaverse(&mut self, id: MetaverseId) -> Result<()> {
        self.bytes.put(Key::new(key::METAVERSE_QUEUE).id(id.0).bytes(), Vec::new());
        Ok(())
    }

    fn mark_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<()> {
        let key = self.queue_edge(from, attribute, to)?;
        self.bytes.put(key, Vec::new());
        Ok(())
    }

    fn unmark_object(&mut self, id: ObjectId) -> Result<()> {
        self.bytes.remove(Key::new(key::OBJECT_QUEUE).id(id.0).bytes());
        Ok(())
    }

    fn unmark_metaverse(&mut self, id: MetaverseId) -> Result<()> {
        self.bytes.remove(Key::new(key::METAVERSE_QUEUE).id(id.0).bytes());
        Ok(())
    }

    fn unmark_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<()> {
        let key = self.queue_edge(from, attribute, to)?;
        self.bytes.remove(key);
        Ok(())
    }

    fn savepoint(&mut self) {
        self.notes_at_savepoint = self.notes.len();
        self.bytes.savepoint();
    }

    fn rollback(&mut self) {
        self.notes.truncate(self.notes_at_savepoint);
        self.bytes.rollback();
        // A symbol that was made since is stored again, for it stays in use.
        for (symbol, name) in self.symbols.iter() {
            let key = Key::new(key::SYMBOL).symbol(symbol).bytes();
            if matches!(self.bytes.get(&key), Ok(None)) {
                self.bytes.put(key, name.as_bytes().to_vec());
            }
        }
    }

    fn note(&mut self, change: Change) {
        self.notes.push(change);
    }
}
