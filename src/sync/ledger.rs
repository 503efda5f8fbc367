//! What the heart reads and writes: two traits, so that it never knows a store.
//!
//! A ledger is a draft: nothing that is written to it is kept until its owner commits it. A preview is a draft that
//! nobody commits.

use std::collections::BTreeSet;

use crate::change::Change;
use crate::connector_space::{Anchor, ConnectorObject, Edge, Members, ObjectId};
use crate::metaverse::{MetaverseId, MetaverseObject};
use crate::value::AttributeName;

/// A record that cannot be read: damaged, or written by something else.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// Shorthand.
pub type Result<T> = std::result::Result<T, LedgerError>;

/// Reads.
pub trait View {
    /// An object of the connector space.
    fn object(&self, id: ObjectId) -> Result<Option<ConnectorObject>>;
    /// The same with no attributes in its image but these. Cheaper, where an object has many.
    fn object_with(&self, id: ObjectId, attributes: &BTreeSet<AttributeName>) -> Result<Option<ConnectorObject>>;
    /// A metaverse object.
    fn metaverse(&self, id: MetaverseId) -> Result<Option<MetaverseObject>>;
    /// The same with contributions to these attributes alone.
    fn metaverse_with(&self, id: MetaverseId, attributes: &BTreeSet<AttributeName>) -> Result<Option<MetaverseObject>>;
    /// The id of the object with an anchor; the id that it would have if it is not there.
    fn id_of_anchor(&self, connector: &str, anchor: &Anchor) -> Result<ObjectId>;
    /// The object with an anchor, if it is there.
    fn object_of_anchor(&self, connector: &str, anchor: &Anchor) -> Result<Option<ConnectorObject>> {
        self.object(self.id_of_anchor(connector, anchor)?)
    }
    /// The object at a DN (normalised).
    fn id_of_dn(&self, connector: &str, dn: &str) -> Result<Option<ObjectId>>;
    /// Metaverse objects whose attribute holds a value (folded), at most `limit`.
    fn find_metaverse(&self, attribute: &AttributeName, folded: &str, limit: usize) -> Result<Vec<MetaverseId>>;
    /// Unlinked objects that would join whoever has a value (folded).
    fn seekers(&self, attribute: &AttributeName, folded: &str) -> Result<Vec<ObjectId>>;
    /// Objects of a connector whose indexed attribute holds a value (folded) in its image or its pending export.
    fn find_object(
        &self,
        connector: &str,
        attribute: &AttributeName,
        folded: &str,
        limit: usize,
    ) -> Result<Vec<ObjectId>>;
    /// One reference.
    fn edge(&self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<Edge>;
    /// The references of one attribute, with their state.
    fn edges(&self, from: ObjectId, attribute: &AttributeName) -> Result<Vec<(ObjectId, Edge)>>;
    /// Whether an object has references of one attribute.
    fn refers(&self, from: ObjectId, attribute: &AttributeName) -> Result<bool>;
    /// The names of the reference attributes that an object has.
    fn reference_attributes(&self, from: ObjectId) -> Result<Vec<AttributeName>>;
    /// Who refers to an object, and by which attribute.
    fn referrers(&self, to: ObjectId) -> Result<Vec<(ObjectId, AttributeName)>>;
    /// The metaverse object that an object is linked to. Cheaper than reading the object.
    fn person_of(&self, object: ObjectId) -> Result<Option<MetaverseId>>;
    /// The objects of a metaverse object in the connector of another, linked, object.
    fn counterparts(&self, of: ObjectId, person: MetaverseId) -> Result<Vec<ObjectId>>;
    /// The target objects, and their attributes, whose references come from one attribute of a source object.
    fn fed_by(&self, source: ObjectId, attribute: &AttributeName) -> Result<Vec<(ObjectId, AttributeName)>>;
    /// Where the references of a target object's attribute come from.
    fn feed_of(
        &self,
        target: ObjectId,
        attribute: &AttributeName,
    ) -> Result<Option<(ObjectId, AttributeName, Members)>>;
    /// Objects that wait to be synchronised, in the order of their ids.
    fn object_queue(&self, after: Option<ObjectId>, limit: usize) -> Result<Vec<ObjectId>>;
    /// Metaverse objects that wait to flow out, in the order of their ids.
    fn metaverse_queue(&self, after: Option<MetaverseId>, limit: usize) -> Result<Vec<MetaverseId>>;
    /// References that wait to be settled; settling takes them out.
    fn edge_queue(&self, limit: usize) -> Result<Vec<(ObjectId, AttributeName, ObjectId)>>;
}

/// A part of some work, by its number, on a ledger of its own. It may be done a second time.
pub type Work<'a> = dyn Fn(usize, &mut dyn Ledger) -> Result<()> + Sync + 'a;

/// Reads and writes of one draft.
pub trait Ledger: View {
    /// Does so many parts of some work side by side, as if each had followed the one before: a part that read what an
    /// earlier one wrote is done again.
    fn side_by_side(&mut self, parts: usize, work: &Work<'_>) -> Result<()>;
    /// Writes an object, with its indexes.
    fn put_object(&mut self, object: &ConnectorObject) -> Result<()>;
    /// Removes an object, its own references, and its indexes. References to it stay.
    fn remove_object(&mut self, id: ObjectId) -> Result<()>;
    /// Writes a metaverse object, with its indexes.
    fn put_metaverse(&mut self, object: &MetaverseObject) -> Result<()>;
    /// Removes a metaverse object and its indexes.
    fn remove_metaverse(&mut self, id: MetaverseId) -> Result<()>;
    /// Writes a reference both ways; a void one is removed.
    fn put_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId, edge: Edge) -> Result<()>;
    /// Puts an object into the queue of what is to be synchronised.
    fn mark_object(&mut self, id: ObjectId) -> Result<()>;
    /// Puts a metaverse object into the queue of what is to flow out.
    fn mark_metaverse(&mut self, id: MetaverseId) -> Result<()>;
    /// Puts a reference into the queue of what is to be settled.
    fn mark_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<()>;
    /// Takes an object out of its queue.
    fn unmark_object(&mut self, id: ObjectId) -> Result<()>;
    /// Takes a metaverse object out of its queue.
    fn unmark_metaverse(&mut self, id: MetaverseId) -> Result<()>;
    /// Takes a reference out of its queue.
    fn unmark_edge(&mut self, from: ObjectId, attribute: &AttributeName, to: ObjectId) -> Result<()>;
    /// Begins something that may be undone.
    fn savepoint(&mut self);
    /// Undoes everything since the last savepoint.
    fn rollback(&mut self);
    /// Remembers what was done, for the journal.
    fn note(&mut self, change: Change);
}
