//! What takes a run back, laid over a draft: for each thing that the journal says was written, its opposite.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::export::{EdgeKey, Only};
use super::runs::RunLog;
use super::session::Session;
use super::{RunError, runs};
use crate::change::{Change, Writing};
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
    let written = gather(draft, &log)?;
    let mut undo = Undo {
        session,
        draft,
        only: Only { objects: BTreeSet::new(), references: Some(BTreeSet::new()) },
        left: Left::default(),
    };
    for (id, writings) in &written.objects {
        undo.object(*id, writings)?;
    }
    for ((from, attribute, to), directions) in &written.references {
        undo.reference(*from, attribute, *to, directions)?;
    }
    undo.drop_references_of_the_deleted()?;
    Ok((undo.only, undo.left))
}

/// What a run wrote, and what was not turned down: by object, and by reference whether it was added, in order.
#[derive(Default)]
struct WrittenByRun {
    objects: BTreeMap<ObjectId, Vec<Writing>>,
    references: BTreeMap<EdgeKey, Vec<bool>>,
}

fn gather(draft: &Draft<'_>, log: &RunLog) -> Result<WrittenByRun, RunError> {
    let mut all = WrittenByRun::default();
    runs::each_change(draft, log, |change| all.take(change))?;
    Ok(all)
}

impl WrittenByRun {
    fn take(&mut self, change: Change) {
        match change {
            Change::Writing(id, writing) => self.objects.entry(id).or_default().push(*writing),
            Change::WritingReference(from, attribute, to, adds) => {
                self.references.entry((from, attribute, to)).or_default().push(adds);
            }
            Change::Unwritten(id) => {
                let taken_out = self.objects.get_mut(&id).and_then(Vec::pop);
                if taken_out.is_some_and(|writing| writing.operation == Operation::Delete) {
                    self.keep_references_of(id);
                }
            }
            Change::UnwrittenReference(from, attribute, to) => {
                self.references.get_mut(&(from, attribute, to)).and_then(Vec::pop);
            }
            _ => {}
        }
    }

    /// Nothing was dropped along with an object that was not deleted.
    fn keep_references_of(&mut self, id: ObjectId) {
        for ((from, _, to), directions) in &mut self.references {
            if (*from == id || *to == id) && directions.last() == Some(&false) {
                directions.pop();
            }
        }
    }
}

struct Undo<'u, 'd> {
    session: &'u Session,
    draft: &'u mut Draft<'d>,
    only: Only,
    left: Left,
}

impl Undo<'_, '_> {
    fn object(&mut self, id: ObjectId, writings: &[Writing]) -> Result<(), RunError> {
        let (Some(first), Some(last)) = (writings.first(), writings.last()) else { return Ok(()) };
        match (first.operation, last.operation) {
            // Made and gone within the run.
            (Operation::Create, Operation::Delete) => Ok(()),
            (Operation::Create, _) => self.made(id),
            (_, Operation::Delete) => self.deleted(id, last),
            _ => self.changed(id, writings),
        }
    }

    /// What was made is deleted.
    fn made(&mut self, id: ObjectId) -> Result<(), RunError> {
        let Some(object) = self.draft.object(id)?.filter(|object| object.anchor.is_some()) else { return Ok(()) };
        self.export(object, Operation::Delete, BTreeMap::new(), "the run made it")
    }

    /// What was deleted comes out of the recycle bin.
    fn deleted(&mut self, id: ObjectId, writing: &Writing) -> Result<(), RunError> {
        let (what, who, target) = (&writing.object_type, &writing.name, &writing.connector);
        if let Some(mut object) = self.draft.object(id)? {
            // The deletion never arrived, or was taken back already.
            object.export = None;
            return Ok(self.draft.put_object(&object)?);
        }
        let Some(anchor) = writing.anchor.clone() else { return Ok(()) };
        if self.session.target_kind(target)? != TargetKind::Entra {
            self.left.tell(|| format!("{what} `{who}` was deleted, and `{target}` has no recycle bin for us"));
            return Ok(());
        }
        let mut object = ConnectorObject::new(id, target, what);
        object.anchor = Some(anchor);
        object.outbound.owned = true;
        object.image.insert("displayName".into(), vec![Value::Text(who.clone())]);
        self.export(object, Operation::Create, BTreeMap::new(), "the run deleted it")
    }

    /// Values are as they were.
    fn changed(&mut self, id: ObjectId, writings: &[Writing]) -> Result<(), RunError> {
        let Some(mut object) = self.draft.object(id)? else {
            if let Some(writing) = writings.first() {
                self.left.tell(|| format!("{} `{}` is not there any more", writing.object_type, writing.name));
            }
            return Ok(());
        };
        let mut spans: BTreeMap<&AttributeName, (&Values, &Values)> = BTreeMap::new();
        for written in writings.iter().flat_map(|writing| &writing.changes) {
            spans
                .entry(&written.attribute)
                .and_modify(|(_, after)| *after = &written.after)
                .or_insert((&written.before, &written.after));
        }
        let mut changes = BTreeMap::new();
        for (attribute, span) in spans {
            if let Some(change) = self.back(&mut object, attribute, span) {
                changes.insert(attribute.clone(), change);
            }
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.export(object, Operation::Update, changes, "the run changed it")
    }

    /// The change that takes a value back; nothing where it is back already, or is somebody else's by now.
    fn back(
        &mut self,
        object: &mut ConnectorObject,
        attribute: &AttributeName,
        (before, after): (&Values, &Values),
    ) -> Option<ValueChange> {
        let none = Values::new();
        let there = object.image.get(attribute).unwrap_or(&none);
        if agree(attribute, there, before) {
            return None;
        }
        if !agree(attribute, there, after) {
            self.left.tell(|| format!("`{attribute}` of `{}` was changed since", object.title()));
            return None;
        }
        if let Some(on) = enables(attribute, before) {
            object.outbound.enabled = Some(on);
        }
        Some(ValueChange { values: before.clone(), sent: false, unseen: 0, rule: UNDO.into(), line: 0 })
    }

    /// A reference that was added and removed, or the other way round, is as it was.
    fn reference(
        &mut self,
        from: ObjectId,
        attribute: &AttributeName,
        to: ObjectId,
        directions: &[bool],
    ) -> Result<(), RunError> {
        let (Some(&added), Some(&last)) = (directions.first(), directions.last()) else { return Ok(()) };
        let mut edge = self.draft.edge(from, attribute, to)?;
        if added == last && edge.seen == added {
            edge.pending = Some(if added { EdgeChange::Remove } else { EdgeChange::Add });
            (edge.sent, edge.refused, edge.ours) = (false, false, edge.ours || !added);
            self.draft.put_edge(from, attribute, to, edge)?;
            self.only.references.get_or_insert_default().insert((from, attribute.clone(), to));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn writing(operation: Operation) -> Box<Writing> {
        let (connector, object_type, name) = ("entra".into(), "user".into(), "Ada".into());
        Box::new(Writing { operation, connector, object_type, anchor: None, name, changes: Vec::new() })
    }

    #[test]
    fn what_was_not_taken_was_not_written() {
        let [ada, group] = ["ada", "group"].map(|name| ObjectId::of_dn("entra", name));
        let member = |adds| Change::WritingReference(group, "members".into(), ada, adds);
        let mut all = WrittenByRun::default();
        for change in [
            Change::Writing(ada, writing(Operation::Update)),
            member(true),
            Change::UnwrittenReference(group, "members".into(), ada),
            member(true),
            Change::Writing(ada, writing(Operation::Delete)),
            member(false),
            Change::Unwritten(ada),
        ] {
            all.take(change);
        }
        let operations: Vec<_> = all.objects[&ada].iter().map(|writing| writing.operation).collect();
        assert_eq!(operations, [Operation::Update]);
        assert_eq!(all.references[&(group, "members".into(), ada)], [true]);
    }
}
