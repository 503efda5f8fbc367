//! What came in: brings the image of an object up to date, confirms what was exported, notices what others changed.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Ledger, Result};
use super::{memberships, references};
use crate::change::Change;
use crate::connector_space::{
    ConnectorObject, Correction, Edge, EdgeChange, Export, ExportState, ImportedObject, ObjectId, Operation, Target,
};
use crate::dn::agree;
use crate::value::{AttributeName, Attributes, Values};

/// How many imports may fail to show an exported value before it is sent again.
const PATIENCE: u8 = 3;

/// What an import changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// An object that was not there.
    New,
    /// Other values, another name, or other references.
    Changed,
    /// Nothing.
    Unchanged,
}

/// Stages one imported object. `references` are the reference attributes that the import asked for: one that the object
/// does not show is empty.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn stage(
    ledger: &mut dyn Ledger,
    connector: &str,
    imported: &ImportedObject,
    references: &BTreeSet<AttributeName>,
) -> Result<(ObjectId, Staged)> {
    let staging = stage_part(ledger, connector, imported, references, Readers::RULES, usize::MAX)?;
    Ok((staging.id, staging.staged))
}

/// Who reads what is staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readers {
    /// Inbound rules read the object. Without, when it shows just what was exported, nobody needs to look at it again.
    pub rules: bool,
    /// Rules ask which groups objects are in: who comes to a group, or leaves it, is due.
    pub memberships: bool,
}

impl Readers {
    /// Inbound rules that do not ask for groups.
    pub const RULES: Readers = Readers { rules: true, memberships: false };
}

/// A reference of which attribute, where to, and whether it is seen now or no longer is.
pub type EdgeNews = (AttributeName, ObjectId, bool);

/// What staging an object did.
#[derive(Debug)]
pub struct Staging {
    /// The object.
    pub id: ObjectId,
    /// What the import changed.
    pub staged: Staged,
    /// References that were left, for [`stage_edge`]: before the next object is staged, for it may take the place of the
    /// name that one of them leads to.
    pub rest: Vec<EdgeNews>,
    /// Who had its name until now: references by that name mean the object, see [`hand_over`].
    pub displaced: Option<ObjectId>,
}

/// Stages one imported object, with at most so many new or vanished references: a batch of the store must not become
/// too large, and groups may have very many members. Each reference is a fact of its own: an import that stops in
/// between has seen some of them, and the next one sees the others.
///
/// # Errors
/// As [`stage`].
pub fn stage_part(
    ledger: &mut dyn Ledger,
    connector: &str,
    imported: &ImportedObject,
    references: &BTreeSet<AttributeName>,
    readers: Readers,
    limit: usize,
) -> Result<Staging> {
    let id = ledger.id_of_anchor(connector, &imported.anchor)?;
    let old = ledger.object(id)?;
    let is_new = old.is_none();
    let mut object = old.clone().unwrap_or_else(|| ConnectorObject::new(id, connector, &imported.object_type));
    object.anchor = Some(imported.anchor.clone());
    object.object_type.clone_from(&imported.object_type);
    object.dn.clone_from(&imported.dn);
    object.missing = false;
    let expected = !readers.rules && is_as_exported(&object, &imported.attributes);
    let confirmed = confirm(&mut object, &imported.attributes);
    object.image.clone_from(&imported.attributes);
    let moved = old.as_ref().and_then(|old| old.dn.as_ref()) != object.dn.as_ref();
    let changed = old.as_ref() != Some(&object);
    let displaced = if moved { make_room(ledger, connector, &object)? } else { None };
    if changed {
        ledger.put_object(&object)?;
        if !expected {
            ledger.mark_object(id)?;
        }
    }
    if moved {
        take_placeholder(ledger, connector, &object)?;
        if readers.memberships && !is_new {
            // Rules call groups by their names.
            memberships::mark(ledger, id)?;
        }
    }
    let mut news = reference_news(ledger, &object, imported, references, is_new)?;
    let edges_changed = !news.is_empty();
    let rest = news.split_off(limit.min(news.len()));
    for ((attribute, to, seen), edge) in news {
        see(ledger, &object, &attribute, to, edge, seen, readers)?;
    }
    if confirmed {
        ledger.note(Change::Confirmed(id));
    }
    if edges_changed && is_edge_read_by_rules(&object) {
        ledger.mark_object(id)?;
    }
    let staged = match (is_new, changed || edges_changed) {
        (true, _) => Staged::New,
        (false, true) => Staged::Changed,
        (false, false) => Staged::Unchanged,
    };
    match staged {
        Staged::New => ledger.note(Change::Appeared(id)),
        Staged::Changed => ledger.note(Change::Changed(id, before(old.as_ref(), &imported.attributes))),
        Staged::Unchanged => {}
    }
    Ok(Staging { id, staged, rest: rest.into_iter().map(|(news, _)| news).collect(), displaced })
}

/// The values that an object had and has no more, by attribute.
fn before(old: Option<&ConnectorObject>, shown: &Attributes) -> Vec<(AttributeName, Values)> {
    let (none, nothing) = (Values::new(), Attributes::new());
    let image = old.map_or(&nothing, |old| &old.image);
    let names: BTreeSet<&AttributeName> = image.keys().chain(shown.keys()).collect();
    let changed = names.into_iter().filter_map(|name| {
        let was = image.get(name).unwrap_or(&none);
        (was != shown.get(name).unwrap_or(&none)).then(|| (name.clone(), was.clone()))
    });
    changed.collect()
}

/// Whether an import shows what the image and the export of an object together promise, among the attributes that it
/// shows now or showed before; what a directory adds by itself at a creation is no surprise.
fn is_as_exported(object: &ConnectorObject, shown: &Attributes) -> bool {
    let linked = object.link.as_ref().is_some_and(|link| link.kind.is_outbound());
    let created = object.export.as_ref().is_some_and(|export| export.operation == Operation::Create);
    let promised = object.expected();
    let none = Vec::new();
    let mut names = shown.keys().filter(|name| !created || promised.contains_key(*name)).chain(promised.keys());
    linked
        && object.export.as_ref().is_none_or(awaits_confirmation)
        && names.all(|name| agree(name, shown.get(name).unwrap_or(&none), promised.get(name).unwrap_or(&none)))
}

/// Rules may count references or ask whether there are any, so a change of references makes the object due. Targets are
/// settled edge by edge instead.
fn is_edge_read_by_rules(object: &ConnectorObject) -> bool {
    object.link.as_ref().is_none_or(|link| !link.kind.is_outbound())
}

/// Compares what was exported with what came back. Gives true when everything that was sent has been seen.
fn confirm(object: &mut ConnectorObject, shown: &Attributes) -> bool {
    note_drift(object, shown);
    let Some(mut export) = object.export.take() else { return false };
    if export.operation == Operation::Create {
        // It is there, so it was created. What was wished for since has not been sent.
        export.object_exists();
        export.state = ExportState::Exported;
    }
    if export.operation == Operation::Delete {
        if export.state == ExportState::Exported {
            // Still shown: a slow replica, or somebody restored it. The wish stands.
            export.state = ExportState::Pending;
        }
        object.export = Some(export);
        return false;
    }
    let old = &object.image;
    let none = Vec::new();
    export.changes.retain(|name, change| {
        let value = shown.get(name).unwrap_or(&none);
        if !change.sent || agree(name, value, &change.values) {
            return !change.sent && !agree(name, value, &change.values);
        }
        let moved_on = !agree(name, value, old.get(name).unwrap_or(&none));
        change.unseen += 1;
        if moved_on || change.unseen >= PATIENCE {
            change.sent = false;
            change.unseen = 0;
        }
        true
    });
    let all_seen = export.changes.is_empty();
    if !all_seen {
        let unsent = export.changes.values().any(|change| !change.sent);
        let failed = matches!(export.state, ExportState::Failed { .. }) && object.image == *shown;
        export.state = match (unsent, failed) {
            (true, true) => export.state,
            (true, false) => ExportState::Pending,
            (false, _) => ExportState::Exported,
        };
        object.export = Some(export);
    }
    all_seen
}

/// Counts values of a target object that somebody else changed.
fn note_drift(object: &mut ConnectorObject, shown: &Attributes) {
    if !object.link.as_ref().is_some_and(|link| link.kind.is_outbound()) {
        return;
    }
    let none = Vec::new();
    let names: BTreeSet<&AttributeName> = object.image.keys().chain(shown.keys()).collect();
    let ours = |name: &AttributeName| object.export.as_ref().is_some_and(|export| export.changes.contains_key(name));
    let drifted = names.into_iter().filter(|name| {
        !ours(name) && !agree(name, object.image.get(*name).unwrap_or(&none), shown.get(*name).unwrap_or(&none))
    });
    for name in drifted.cloned().collect::<Vec<_>>() {
        let wish = object.image.get(&name).cloned().unwrap_or_default();
        let correction = object.outbound.corrections.entry(name).or_insert(Correction { times: 0, wish });
        correction.times = correction.times.saturating_add(1);
    }
}

/// Two objects cannot have one DN: the older keeps its anchor and waits for its own news. Gives who it was.
fn make_room(ledger: &mut dyn Ledger, connector: &str, object: &ConnectorObject) -> Result<Option<ObjectId>> {
    let Some(dn) = &object.dn else { return Ok(None) };
    let Some(holder) = ledger.id_of_dn(connector, &crate::dn::normalise(dn))?.filter(|holder| *holder != object.id)
    else {
        return Ok(None);
    };
    if let Some(mut other) = ledger.object(holder)? {
        other.dn = None;
        ledger.put_object(&other)?;
    }
    Ok(Some(holder))
}

/// References that were shown by name before the object of that name was: they led to who had the name until then. Only
/// of objects that this import has shown; the others say themselves whom they mean.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn hand_over(
    ledger: &mut dyn Ledger,
    (holder, id): (ObjectId, ObjectId),
    shown: impl Fn(ObjectId) -> bool,
    readers: impl Fn(&str) -> Readers,
) -> Result<()> {
    for (from, attribute) in ledger.referrers(holder)? {
        // Who is shown to refer to both refers to both: two that exchange their names.
        let seen = ledger.edge(from, &attribute, holder)?.seen && !ledger.edge(from, &attribute, id)?.seen;
        let Some(object) = ledger.object(from)?.filter(|_| seen && shown(from)) else { continue };
        let readers = readers(&object.object_type);
        stage_edge(ledger, &object, &attribute, holder, false, readers)?;
        stage_edge(ledger, &object, &attribute, id, true, readers)?;
    }
    Ok(())
}

/// References that named the place before the object was known now point to the object.
fn take_placeholder(ledger: &mut dyn Ledger, connector: &str, object: &ConnectorObject) -> Result<()> {
    let Some(dn) = &object.dn else { return Ok(()) };
    let placeholder = ObjectId::of_dn(connector, &crate::dn::normalise(dn));
    for (from, attribute) in ledger.referrers(placeholder)? {
        let edge = ledger.edge(from, &attribute, placeholder)?;
        ledger.put_edge(from, &attribute, placeholder, Edge::default())?;
        let there = ledger.edge(from, &attribute, object.id)?;
        ledger.put_edge(from, &attribute, object.id, Edge { seen: edge.seen || there.seen, ..there })?;
        references::mark_targets_of(ledger, from, &attribute, object.id)?;
    }
    Ok(())
}

/// What is new about the references of an object.
fn reference_news(
    ledger: &dyn Ledger,
    object: &ConnectorObject,
    imported: &ImportedObject,
    asked: &BTreeSet<AttributeName>,
    is_new: bool,
) -> Result<Vec<(EdgeNews, Edge)>> {
    let mut news = Vec::new();
    let none = Vec::new();
    let names: BTreeSet<&AttributeName> = asked.iter().chain(imported.references.keys()).collect();
    for attribute in names {
        let targets = imported.references.get(attribute).unwrap_or(&none).iter();
        let shown: BTreeSet<ObjectId> =
            targets.map(|target| resolve(ledger, &object.connector, target)).collect::<Result<_>>()?;
        let known: BTreeMap<ObjectId, Edge> =
            if is_new { BTreeMap::new() } else { ledger.edges(object.id, attribute)?.into_iter().collect() };
        // What was sent is news even where it looks as before: it arrived and went again, or never came.
        let gone = known.iter().filter(|(to, edge)| (edge.seen || edge.sent) && !shown.contains(to));
        news.extend(gone.map(|(to, edge)| ((attribute.clone(), *to, false), *edge)));
        news.extend(shown.iter().filter_map(|to| {
            let edge = known.get(to).copied().unwrap_or_default();
            (!edge.seen || edge.sent).then(|| ((attribute.clone(), *to, true), edge))
        }));
    }
    Ok(news)
}

/// Records that an edge is seen, or no longer is.
fn see(
    ledger: &mut dyn Ledger,
    object: &ConnectorObject,
    attribute: &AttributeName,
    to: ObjectId,
    edge: Edge,
    seen: bool,
    readers: Readers,
) -> Result<()> {
    let confirmed = match edge.pending {
        Some(EdgeChange::Add) => seen,
        Some(EdgeChange::Remove) => !seen,
        None => false,
    };
    let managed = object.outbound.references.contains_key(attribute);
    let drifted = edge.drifted || (managed && edge.pending.is_none() && seen != edge.seen);
    // What was sent and is not as it shall be is sent again.
    let mut new = Edge { seen, sent: false, drifted, ..edge };
    if confirmed {
        new = Edge { pending: None, sent: false, refused: false, ours: seen && edge.ours, ..new };
    }
    if !seen {
        // Marks need the link of what is referred to; the edge record is of no matter to them.
        references::mark_targets_of(ledger, object.id, attribute, to)?;
    }
    ledger.put_edge(object.id, attribute, to, new)?;
    if seen {
        references::mark_targets_of(ledger, object.id, attribute, to)?;
    }
    if managed {
        ledger.mark_edge(object.id, attribute, to)?;
    }
    if readers.memberships && memberships::is_membership(attribute) {
        memberships::mark(ledger, to)?;
    }
    Ok(())
}

/// Stages one reference of an object that is there, as if an import had shown it, or no longer showed it. Gives whether that
/// is news.
///
/// # Errors
/// When the ledger cannot be read or written.
pub fn stage_reference(
    ledger: &mut dyn Ledger,
    object: &ConnectorObject,
    attribute: &AttributeName,
    target: &Target,
    seen: bool,
    readers: Readers,
) -> Result<bool> {
    let to = resolve(ledger, &object.connector, target)?;
    stage_edge(ledger, object, attribute, to, seen, readers)
}

/// The same, for a reference that is known by what it leads to.
///
/// # Errors
/// As [`stage_reference`].
pub fn stage_edge(
    ledger: &mut dyn Ledger,
    object: &ConnectorObject,
    attribute: &AttributeName,
    to: ObjectId,
    seen: bool,
    readers: Readers,
) -> Result<bool> {
    let edge = ledger.edge(object.id, attribute, to)?;
    if edge.seen == seen && !edge.sent {
        return Ok(false);
    }
    see(ledger, object, attribute, to, edge, seen, readers)?;
    if is_edge_read_by_rules(object) {
        ledger.mark_object(object.id)?;
    }
    Ok(true)
}

fn resolve(ledger: &dyn Ledger, connector: &str, target: &Target) -> Result<ObjectId> {
    match target {
        Target::Anchor(anchor) => ledger.id_of_anchor(connector, anchor),
        Target::Dn(dn) => {
            let dn = crate::dn::normalise(dn);
            let found = ledger.id_of_dn(connector, &dn)?;
            Ok(found.unwrap_or_else(|| ObjectId::of_dn(connector, &dn)))
        }
    }
}

/// Remembers that a complete import did not show an object and nothing proves that it is gone.
///
/// # Errors
/// As [`stage`].
pub fn hold_missing(ledger: &mut dyn Ledger, id: ObjectId) -> Result<()> {
    if let Some(mut object) = ledger.object(id)?.filter(|object| !object.missing) {
        object.missing = true;
        ledger.put_object(&object)?;
        ledger.note(Change::Held(id, "not shown by the import, and nothing proves that it is gone".into()));
    }
    Ok(())
}

/// Whether an object has been exported and waits to be shown.
pub fn awaits_confirmation(export: &Export) -> bool {
    export.state == ExportState::Exported || export.changes.values().any(|change| change.sent)
}
