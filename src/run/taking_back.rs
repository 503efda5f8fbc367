//! What takes a run back, laid over a draft: for each thing that the journal says was written, its opposite.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::export::Only;
use super::session::Session;
use super::{RunError, runs, swaps};
use crate::change::{Change, Writing, Written};
use crate::connector::target::TargetKind;
use crate::connector_space::{
    ConnectorObject, Edge, EdgeChange, Export, ExportState, ObjectId, Operation, ValueChange, enables,
};
use crate::dn::agree;
use crate::store::Draft;
use crate::sync::ledger::{Ledger, View};
use crate::value::{AttributeName, Value, Values};

/// The name that stands where a rule would.
const UNDO: &str = "undo";
/// More are counted, not listed.
const LISTED: usize = 20;

/// What stays as it is, though the run wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Left {
    /// How many values and objects.
    pub count: usize,
    /// The first of them, a sentence each.
    pub first: Vec<String>,
}

impl Left {
    fn tell(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < LISTED {
            self.first.push(what());
        }
    }
}

/// Lays over a draft what takes a run back. Gives what is to be sent, and what stays.
///
/// # Errors
/// When there is no such run, or the store fails.
pub(super) fn lay_over(session: &Session, draft: &mut Draft<'_>, run: u64) -> Result<(Only, Left), RunError> {
    let log = runs::one(draft, run)?
        .ok_or_else(|| RunError::Unknown(format!("there is no run {run}; `syncline show runs` lists them")))?;
    let mut undo = Undo {
        session,
        draft,
        only: Only { objects: BTreeSet::new(), references: Some(BTreeSet::new()) },
        left: Left::default(),
        seen: BTreeSet::new(),
    };
    let mut number = log.journal_begin + 1;
    while log.journal_end.is_none_or(|end| number <= end) {
        // A run that was cut off has no end; the next one begins there.
        let Some(entry) = undo.draft.journal_entry(number)?.filter(|entry| entry.stamp.run <= run) else { break };
        for change in entry.changes.iter().filter(|_| entry.stamp.run == run) {
            match change {
                Change::Writing(id, writing) => undo.object(*id, writing)?,
                Change::WritingReference(from, attribute, to, adds) => undo.reference(*from, attribute, *to, *adds)?,
                _ => {}
            }
        }
        number += 1;
    }
    undo.drop_references_of_the_deleted()?;
    Ok((undo.only, undo.left))
}

struct Undo<'u, 'd> {
    session: &'u Session,
    draft: &'u mut Draft<'d>,
    only: Only,
    left: Left,
    /// Attributes that were looked at: what was there before the first writing is what comes back.
    seen: BTreeSet<(ObjectId, AttributeName)>,
}

impl Undo<'_, '_> {
    fn object(&mut self, id: ObjectId, writing: &Writing) -> Result<(), RunError> {
        match writing.operation {
            Operation::Create => self.made(id),
            Operation::Update => self.changed(id, writing),
            Operation::Delete => self.deleted(id, writing),
        }
    }

    /// What was made is deleted.
    fn made(&mut self, id: ObjectId) -> Result<(), RunError> {
        let Some(object) = self.draft.object(id)?.filter(|object| object.anchor.is_some()) else { return Ok(()) };
        self.export(object, Operation::Delete, BTreeMap::new(), "the run made it")
    }

    /// What was deleted comes out of the recycle bin.
    fn deleted(&mut self, id: ObjectId, writing: &Writing) -> Result<(), RunError> {
        if let Some(mut object) = self.draft.object(id)? {
            // The deletion never arrived.
            object.export = None;
            return Ok(self.draft.put_object(&object)?);
        }
        let Some(anchor) = writing.anchor.clone() else { return Ok(()) };
        if self.session.target_kind(&writing.connector)? != TargetKind::Entra {
            let (what, who, where_from) = (&writing.object_type, &writing.name, &writing.connector);
            self.left.tell(|| format!("{what} `{who}` was deleted, and `{where_from}` has no recycle bin for us"));
            return Ok(());
        }
        let mut object = ConnectorObject::new(id, &writing.connector, &writing.object_type);
        object.anchor = Some(anchor);
        object.outbound.owned = true;
        object.image.insert("displayName".into(), vec![Value::Text(writing.name.clone())]);
        self.export(object, Operation::Create, BTreeMap::new(), "the run deleted it")
    }

    /// Values are as they were.
    fn changed(&mut self, id: ObjectId, writing: &Writing) -> Result<(), RunError> {
        let Some(mut object) = self.draft.object(id)? else {
            self.left.tell(|| format!("{} `{}` is not there any more", writing.object_type, writing.name));
            return Ok(());
        };
        let ours = object.export.take().filter(|_| self.only.objects.contains(&id));
        if ours.as_ref().is_some_and(|export| export.operation == Operation::Delete) {
            // The run made it, and then changed it.
            return Ok(());
        }
        let mut changes = ours.map(|export| export.changes).unwrap_or_default();
        for written in &writing.changes {
            if self.seen.insert((id, written.attribute.clone()))
                && let Some(change) = self.back(&mut object, written)
            {
                changes.insert(written.attribute.clone(), change);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.export(object, Operation::Update, changes, "the run changed it")
    }

    /// The change that takes a value back; nothing where it is back already, or is somebody else's by now.
    fn back(&mut self, object: &mut ConnectorObject, written: &Written) -> Option<ValueChange> {
        let none = Values::new();
        let there = object.image.get(&written.attribute).unwrap_or(&none);
        if agree(&written.attribute, there, &written.before) {
            return None;
        }
        if !agree(&written.attribute, there, &written.after) && !swaps::is_aside(&written.after) {
            self.left.tell(|| format!("`{}` of `{}` was changed since", written.attribute, object.title()));
            return None;
        }
        if let Some(on) = enables(&written.attribute, &written.before) {
            object.outbound.enabled = Some(on);
        }
        let values = written.before.clone();
        Some(ValueChange { values, sent: false, unseen: 0, rule: UNDO.into(), line: 0 })
    }

    fn reference(
        &mut self,
        from: ObjectId,
        attribute: &AttributeName,
        to: ObjectId,
        added: bool,
    ) -> Result<(), RunError> {
        let key = (from, attribute.clone(), to);
        let mut edge = self.draft.edge(from, attribute, to)?;
        // What came first is what is taken back.
        if !self.only.has_reference(&key) && edge.seen == added {
            edge.pending = Some(if added { EdgeChange::Remove } else { EdgeChange::Add });
            (edge.sent, edge.refused, edge.ours) = (false, false, edge.ours || !added);
            self.draft.put_edge(from, attribute, to, edge)?;
            self.only.references.get_or_insert_default().insert(key);
        }
        Ok(())
    }

    /// The directory drops references along with the object.
    fn drop_references_of_the_deleted(&mut self) -> Result<(), RunError> {
        for key in self.only.references.clone().unwrap_or_default() {
            if self.is_deleted(key.0)? || self.is_deleted(key.2)? {
                let edge = self.draft.edge(key.0, &key.1, key.2)?;
                self.draft.put_edge(key.0, &key.1, key.2, Edge { pending: None, sent: false, ..edge })?;
                self.only.references.get_or_insert_default().remove(&key);
            }
        }
        Ok(())
    }

    fn is_deleted(&self, id: ObjectId) -> Result<bool, RunError> {
        let export = self.draft.object(id)?.and_then(|object| object.export);
        Ok(export.is_some_and(|export| export.operation == Operation::Delete))
    }

    fn export(
        &mut self,
        mut object: ConnectorObject,
        operation: Operation,
        changes: BTreeMap<AttributeName, ValueChange>,
        reason: &str,
    ) -> Result<(), RunError> {
        object.export = Some(Export { operation, state: ExportState::Pending, changes, reason: reason.to_owned() });
        self.draft.put_object(&object)?;
        if let Some(link) = &object.link {
            // What rules want is looked at again, once this is done.
            self.draft.mark_metaverse(link.metaverse)?;
        }
        self.only.objects.insert(object.id);
        Ok(())
    }
}
